/* What a test may ask of the stand-ins of TensorRT (nvinfer.cpp) and of CUDA's driver (tests/standin_cuda.c). */
#ifndef STANDIN_TENSORRT_H
#define STANDIN_TENSORRT_H

#include "dae_stream.h"

#ifdef __cplusplus
extern "C" {
#endif

struct standin_tensorrt {
    dae_infer_callback network; /* what the engine computes */
    void *data;
    const char *failing; /* runtime, plan, context, address, run, capture, or "" */
    const char *input_dtype; /* of the image; NULL: uint8 */
    int version;         /* 0: the header's own */
    int runtimes, engines, contexts; /* alive */
    int enqueued, captured, ran;
};

/* The one that the library uses. */
extern struct standin_tensorrt standin_tensorrt;

/* The plan that the stand-in takes: a text. */
#define STANDIN_PLAN "a plan of the stand-in for TensorRT"

struct stream;
typedef void (*standin_function)(long);
void standin_fail(const char *call, int in_calls);
void standin_no_gpu(int none);
int standin_alive(void);
int standin_contexts(void);
int standin_depth(void);
int standin_owns(uintptr_t start, size_t size, int kind);
int standin_capturing(void *stream);
int standin_enqueue(void *stream, standin_function function, long argument);

#ifdef __cplusplus
}
#endif
#endif
