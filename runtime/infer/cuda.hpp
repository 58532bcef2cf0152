/* The few calls of CUDA's driver that running an engine takes, as in dae_edge/backends/tensorrt/cuda.py. Private.
 *
 * The driver's library is there wherever a GPU can be used: it is opened at run time, and no toolkit is needed then. */
#ifndef DAE_CUDA_HPP
#define DAE_CUDA_HPP

#include <cuda.h>

#include "engine.hpp"

namespace dae_gpu {

/* cuda.h maps some of these names to newer ones of the same form: cuMemAlloc to cuMemAlloc_v2. */
#define DAE_CUDA_CALLS(X)                                                                                              \
    X(cuInit) X(cuDriverGetVersion) X(cuDeviceGet) X(cuDeviceGetName) X(cuDeviceGetAttribute)                          \
    X(cuDevicePrimaryCtxRetain) X(cuDevicePrimaryCtxRelease) X(cuCtxPushCurrent) X(cuCtxPopCurrent)                    \
    X(cuMemAlloc) X(cuMemFree) X(cuMemHostAlloc) X(cuMemFreeHost) X(cuMemcpyHtoDAsync) X(cuMemcpyDtoHAsync)            \
    X(cuMemsetD8Async) X(cuStreamCreate) X(cuStreamDestroy) X(cuStreamSynchronize) X(cuStreamBeginCapture)             \
    X(cuStreamEndCapture) X(cuGraphInstantiateWithFlags) X(cuGraphDestroy) X(cuGraphLaunch) X(cuGraphExecDestroy)      \
    X(cuGetErrorString)

/* The first GPU and its primary context, which TensorRT uses as well. */
struct Cuda {
#define DAE_CUDA_FIELD(name) decltype(&::name) name = nullptr;
    DAE_CUDA_CALLS(DAE_CUDA_FIELD)
#undef DAE_CUDA_FIELD
    void *library = nullptr;
    CUdevice device = 0;
    CUcontext context = nullptr;

    Cuda() = default;
    Cuda(const Cuda &) = delete;
    Cuda &operator=(const Cuda &) = delete;
    ~Cuda();
    int open(text *error);
    /* The driver's version, the GPU's name and compute capability. */
    int describe(plan_key *key, text *error) const;
    /* DAE_OK, or the failed call and its reason in `error`. */
    int check(CUresult result, const char *call, text *error) const;
};

#define DAE_CUDA_STRING(name) #name
/* Call a function of the driver, and answer with a status. */
#define DAE_CUDA(cuda, error, name, ...) (cuda).check((cuda).name(__VA_ARGS__), DAE_CUDA_STRING(name), error)

/* The GPU's context is this thread's own as long as this lives; what the thread had before is left as it was. */
class Current {
public:
    explicit Current(const Cuda &cuda) : cuda_(cuda), result_(cuda.cuCtxPushCurrent(cuda.context)) {}
    Current(const Current &) = delete;
    Current &operator=(const Current &) = delete;
    ~Current()
    {
        CUcontext own;
        if (result_ == CUDA_SUCCESS) cuda_.cuCtxPopCurrent(&own);
    }
    int check(text *error) const { return cuda_.check(result_, "cuCtxPushCurrent", error); }

private:
    const Cuda &cuda_;
    CUresult result_;
};

/* What the driver gives, and gets back when this goes; a context must be current for both. */
struct DeviceMemory {
    const Cuda *cuda = nullptr;
    CUdeviceptr at = 0;
    size_t bytes = 0;

    int allocate(const Cuda &from, size_t wanted, text *error);
    ~DeviceMemory();
};

struct PinnedMemory { /* of the host; zeroed */
    const Cuda *cuda = nullptr;
    void *at = nullptr;
    size_t bytes = 0;

    int allocate(const Cuda &from, size_t wanted, text *error);
    ~PinnedMemory();
};

struct Stream { /* waits for no other */
    const Cuda *cuda = nullptr;
    CUstream handle = nullptr;

    int open(const Cuda &from, text *error);
    ~Stream();
};

struct Graph {
    const Cuda *cuda = nullptr;
    CUgraphExec handle = nullptr;

    /* Between these, work in the stream is recorded instead of done. The second must be called whatever happened;
     * `whole`: all that should be recorded was, and the graph is wanted. */
    static int begin(const Stream &stream, text *error);
    int end(const Stream &stream, bool whole, text *error);
    ~Graph();
};

} // namespace dae_gpu

#endif
