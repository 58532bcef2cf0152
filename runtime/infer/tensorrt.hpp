/* A plan in TensorRT, shared by its streams; and what it logs. Private. */
#ifndef DAE_TENSORRT_HPP
#define DAE_TENSORRT_HPP

#include <NvInferRuntime.h>

#include <memory> /* unique_ptr */
#include <pthread.h>

#include "cuda.hpp"

#ifdef TRT_MAJOR_RTX
#define DAE_TENSORRT_FLAVOUR "tensorrt-rtx"
#define DAE_TENSORRT_NAME "TensorRT-RTX"
#define DAE_TENSORRT_OLDEST 10000 /* 1.0: it has version numbers of its own */
#else
#define DAE_TENSORRT_FLAVOUR "tensorrt"
#define DAE_TENSORRT_NAME "TensorRT"
#define DAE_TENSORRT_OLDEST 100300 /* 10.3, of JetPack 6 */
#endif

namespace dae_gpu {

/* Members go in the reverse order: the engine, its runtime, then the GPU's context. */
struct Engine {
    Cuda cuda;
    void *library = nullptr;
    int release[3] = {0, 0, 0};
    std::unique_ptr<nvinfer1::IRuntime> runtime;
    std::unique_ptr<nvinfer1::ICudaEngine> engine;
    pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER; /* execution contexts are made one at a time */

    ~Engine() { dae_library_close(library); } /* which stays in the process all the same */
};

/* TensorRT's one log. It has no state and never goes: TensorRT keeps the first log that it is given. */
nvinfer1::ILogger &log();

/* While it lives, errors that TensorRT logs in this thread go to `heard`. */
class Listening {
public:
    Listening();
    Listening(const Listening &) = delete;
    Listening &operator=(const Listening &) = delete;
    ~Listening();
    /* The first errors in one line. */
    const char *heard() const { return heard_.line[0] ? heard_.line : "no reason given"; }

private:
    text heard_ = {};
    text *before_;
};

int session_open(void *engine, const bundle *bundle, buffers *buffers, void **session, text *error);
void session_close(void *session);
int session_run(void *session, int set, int depth, text *error);
void session_zero(void *session, int set);
int session_finite(void *session, int set, int depth);

} // namespace dae_gpu

#endif
