/* The driver's library, and what is had from it. */
#include "cuda.hpp"

#include <cstdio>  /* snprintf */
#include <cstring> /* memset, strlen */

namespace dae_gpu {

#define DAE_CUDA_EXPANDED(name) DAE_CUDA_STRING(name)

int Cuda::open(text *error)
{
    static const char *const names[] = {"libcuda.so.1", nullptr};
    int status = dae_library_open(nullptr, names, &library, error);
#define DAE_CUDA_SYMBOL(name) \
    if (status == DAE_OK) status = dae_library_symbol(library, DAE_CUDA_EXPANDED(name), &name, error);
    DAE_CUDA_CALLS(DAE_CUDA_SYMBOL)
#undef DAE_CUDA_SYMBOL
    if (status == DAE_OK) status = DAE_CUDA(*this, error, cuInit, 0);
    if (status == DAE_OK) status = DAE_CUDA(*this, error, cuDeviceGet, &device, 0);
    if (status == DAE_OK) status = DAE_CUDA(*this, error, cuDevicePrimaryCtxRetain, &context, device);
    return status;
}

Cuda::~Cuda()
{
    if (context) cuDevicePrimaryCtxRelease(device);
    dae_library_close(library);
}

int Cuda::check(CUresult result, const char *call, text *error) const
{
    const char *reason = nullptr;
    if (result == CUDA_SUCCESS) return DAE_OK;
    cuGetErrorString(result, &reason);
    return dae_fail(error, DAE_ERROR_ENGINE, "%s: %s (%d)", call, reason ? reason : "unknown error", (int)result);
}

int Cuda::describe(plan_key *key, text *error) const
{
    int version = 0, major = 0, minor = 0;
    int status = DAE_CUDA(*this, error, cuDriverGetVersion, &version);
    if (status == DAE_OK) status = DAE_CUDA(*this, error, cuDeviceGetName, key->gpu, (int)sizeof key->gpu, device);
    if (status == DAE_OK)
        status = DAE_CUDA(*this, error, cuDeviceGetAttribute, &major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
                          device);
    if (status == DAE_OK)
        status = DAE_CUDA(*this, error, cuDeviceGetAttribute, &minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
                          device);
    if (status != DAE_OK) return status;
    key->gpu[sizeof key->gpu - 1] = 0;
    for (size_t n = strlen(key->gpu); n > 0 && key->gpu[n - 1] == ' '; n--) key->gpu[n - 1] = 0;
    snprintf(key->cuda, sizeof key->cuda, "%d.%d", version / 1000, version % 1000 / 10);
    snprintf(key->compute_capability, sizeof key->compute_capability, "%d.%d", major, minor);
    return DAE_OK;
}

int DeviceMemory::allocate(const Cuda &from, size_t wanted, text *error)
{
    bytes = wanted ? wanted : 1;
    const int status = DAE_CUDA(from, error, cuMemAlloc, &at, bytes);
    if (status == DAE_OK) cuda = &from;
    return status;
}

DeviceMemory::~DeviceMemory()
{
    if (cuda) cuda->cuMemFree(at);
}

int PinnedMemory::allocate(const Cuda &from, size_t wanted, text *error)
{
    bytes = wanted ? wanted : 1;
    const int status = DAE_CUDA(from, error, cuMemHostAlloc, &at, bytes, 0);
    if (status != DAE_OK) return status;
    cuda = &from;
    memset(at, 0, bytes);
    return DAE_OK;
}

PinnedMemory::~PinnedMemory()
{
    if (cuda) cuda->cuMemFreeHost(at);
}

int Stream::open(const Cuda &from, text *error)
{
    const int status = DAE_CUDA(from, error, cuStreamCreate, &handle, CU_STREAM_NON_BLOCKING);
    if (status == DAE_OK) cuda = &from;
    return status;
}

Stream::~Stream()
{
    if (cuda) cuda->cuStreamDestroy(handle);
}

int Graph::begin(const Stream &stream, text *error)
{
    /* of this thread alone: others may allocate meanwhile */
    return DAE_CUDA(*stream.cuda, error, cuStreamBeginCapture, stream.handle, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
}

int Graph::end(const Stream &stream, bool whole, text *error)
{
    CUgraph recorded = nullptr;
    int status = DAE_CUDA(*stream.cuda, error, cuStreamEndCapture, stream.handle, &recorded);
    if (status == DAE_OK && whole) {
        status = DAE_CUDA(*stream.cuda, error, cuGraphInstantiateWithFlags, &handle, recorded, 0);
        if (status == DAE_OK) cuda = stream.cuda;
    }
    if (recorded) stream.cuda->cuGraphDestroy(recorded);
    return status;
}

Graph::~Graph()
{
    if (cuda) cuda->cuGraphExecDestroy(handle);
}

} // namespace dae_gpu
