/* One stream on the GPU. States stay there: a window reads one set of buffers and writes the other, the next window the
 * other way round. Addresses are baked into a CUDA graph, so there is one for each direction; it holds the copies of
 * image and depth as well, and a window is one call. */
#include <cstring> /* memset */
#include <new>     /* nothrow */

#include "tensorrt.hpp"

#define ALIGNMENT 256 /* of addresses, as TensorRT wants them */
/* The state is fetched and looked at with every so many windows, and with the one after a failure. A state that is not
 * finite nearly always shows in the depth, which is looked at with each. */
#define LOOK_AT_STATE_EVERY 32

namespace dae_gpu {
namespace {

/* RTX may have to compile while it runs, and says so. */
template <class Context>
auto is_capturable(Context &context, CUstream stream, int) -> decltype(context.isStreamCapturable(stream))
{
    return context.isStreamCapturable(stream);
}
template <class Context> bool is_capturable(Context &, CUstream, long) { return true; }

struct Session {
    Session(Engine *of, const bundle *about, buffers *own)
        : engine(of), cuda(of->cuda), bundle_(about), buffers_(own)
    {
    }

    int open(text *error);
    int run(int set, int depth, text *error);
    int finite(int set, int depth);
    int fetch(int set, text *error);

    Engine *engine;
    const Cuda &cuda;
    const bundle *bundle_;
    buffers *buffers_;
    bool to_zero[2] = {true, true}; /* before they are read next */
    bool suspicious = false;        /* the last window that was run was not finite */
    unsigned unseen = 0;            /* windows since the state was looked at */

    size_t offsets[BUNDLE_MOST_STATES] = {}; /* of each state in its set */
    /* These go in the reverse order: graphs, context, memory, stream. */
    Stream stream;
    PinnedMemory image, depth[2], states;
    DeviceMemory device_image, device_depth, sets[2];
    std::unique_ptr<nvinfer1::IExecutionContext> context;
    Graph graphs[2]; /* [0]: reads set 0 and gives depth 1 */

private:
    int allocate(text *error);
    int make_context(text *error);
    int prepare(int set, text *error);
    int bind(const char *name, CUdeviceptr at, text *error);
    int enqueue(int set, text *error);
    int synchronise(text *error) { return DAE_CUDA(cuda, error, cuStreamSynchronize, stream.handle); }
    int zero(int set, text *error)
    {
        return DAE_CUDA(cuda, error, cuMemsetD8Async, sets[set].at, 0, sets[set].bytes, stream.handle);
    }
};

int Session::allocate(text *error)
{
    size_t bytes = 0;
    for (size_t i = 0; i < bundle_->state_count; i++) {
        offsets[i] = bytes;
        bytes += (bundle_->states[i].bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
    const size_t depth_bytes = buffers_->depth_count * sizeof(float);
    int status = stream.open(cuda, error);
    if (status == DAE_OK) status = image.allocate(cuda, buffers_->image_bytes, error);
    if (status == DAE_OK) status = device_image.allocate(cuda, buffers_->image_bytes, error);
    if (status == DAE_OK) status = device_depth.allocate(cuda, depth_bytes, error);
    if (status == DAE_OK) status = states.allocate(cuda, bytes, error);
    for (int set = 0; set < 2; set++) {
        if (status == DAE_OK) status = depth[set].allocate(cuda, depth_bytes, error);
        if (status == DAE_OK) status = sets[set].allocate(cuda, bytes, error);
    }
    return status;
}

int Session::make_context(text *error)
{
    const Listening listening;
    pthread_mutex_lock(&engine->making);
    context.reset(engine->engine->createExecutionContext());
    pthread_mutex_unlock(&engine->making);
    if (context) return DAE_OK;
    return dae_fail(error, DAE_ERROR_ENGINE, DAE_TENSORRT_NAME ": no execution context: %s", listening.heard());
}

int Session::bind(const char *name, CUdeviceptr at, text *error)
{
    if (context->setTensorAddress(name, reinterpret_cast<void *>(at))) return DAE_OK;
    return dae_fail(error, DAE_ERROR_ENGINE, DAE_TENSORRT_NAME ": no address for '%s'", name);
}

/* A window's work in the stream: image in, states from one set into the other, depth out. */
int Session::enqueue(int set, text *error)
{
    const int to = 1 - set;
    int status = bind(INPUT_NAME, device_image.at, error);
    if (status == DAE_OK) status = bind(OUTPUT_NAME, device_depth.at, error);
    for (size_t i = 0; i < bundle_->state_count && status == DAE_OK; i++) {
        status = bind(bundle_->states[i].input, sets[set].at + offsets[i], error);
        if (status == DAE_OK) status = bind(bundle_->states[i].output, sets[to].at + offsets[i], error);
    }
    if (status == DAE_OK)
        status = DAE_CUDA(cuda, error, cuMemcpyHtoDAsync, device_image.at, image.at, image.bytes, stream.handle);
    if (status != DAE_OK) return status;
    {
        const Listening listening;
        if (!context->enqueueV3(stream.handle))
            return dae_fail(error, DAE_ERROR_ENGINE, DAE_TENSORRT_NAME ": the engine does not run: %s",
                            listening.heard());
    }
    return DAE_CUDA(cuda, error, cuMemcpyDtoHAsync, depth[to].at, device_depth.at, depth[to].bytes, stream.handle);
}

/* Run once, as TensorRT wants it before a capture, then record. A graph that cannot be had is no failure: then each
 * window is enqueued, and the stream's text says why. */
int Session::prepare(int set, text *error)
{
    text reason = {};
    int status = zero(set, error);
    if (status == DAE_OK) status = enqueue(set, error);
    if (status == DAE_OK) status = synchronise(error);
    if (status != DAE_OK) return status;
    if (!is_capturable(*context, stream.handle, 0))
        return dae_fail(error, DAE_OK, "no CUDA graph: the engine compiles as it runs");
    int recorded = Graph::begin(stream, &reason);
    if (recorded == DAE_OK) {
        text of_end = {};
        recorded = enqueue(set, &reason);
        const int ended = graphs[set].end(stream, recorded == DAE_OK, &of_end);
        if (recorded == DAE_OK && ended != DAE_OK) reason = of_end;
    }
    if (graphs[set].cuda) return DAE_OK;
    status = synchronise(error); /* is the stream usable again? */
    return status == DAE_OK ? dae_fail(error, DAE_OK, "no CUDA graph: %s", reason.line) : status;
}

int Session::open(text *error)
{
    int status = allocate(error);
    if (status == DAE_OK) status = make_context(error);
    for (int set = 0; set < 2 && status == DAE_OK; set++) status = prepare(set, error);
    if (status != DAE_OK) return status;
    buffers_->image = image.at;
    for (int set = 0; set < 2; set++) {
        memset(depth[set].at, 0, depth[set].bytes); /* the windows that were run to prepare are forgotten */
        buffers_->depth[set] = static_cast<float *>(depth[set].at);
    }
    return DAE_OK;
}

int Session::run(int set, int to_depth, text *error)
{
    if (to_depth == set) /* a stream turns both over together */
        return dae_fail(error, DAE_ERROR_ENGINE, "states of set %d and depth %d do not go together", set, to_depth);
    int status = to_zero[set] ? zero(set, error) : DAE_OK;
    if (status == DAE_OK)
        status = graphs[set].cuda ? DAE_CUDA(cuda, error, cuGraphLaunch, graphs[set].handle, stream.handle)
                                  : enqueue(set, error);
    if (status == DAE_OK) status = synchronise(error);
    if (status == DAE_OK) to_zero[set] = false;
    to_zero[1 - set] = false; /* it was written */
    return status;
}

int Session::fetch(int set, text *error)
{
    const int status =
        DAE_CUDA(cuda, error, cuMemcpyDtoHAsync, states.at, sets[set].at, states.bytes, stream.handle);
    return status == DAE_OK ? synchronise(error) : status;
}

/* A state that cannot be fetched is not to be trusted either. */
int Session::finite(int set, int of_depth)
{
    text error;
    int good = buffers_->finite(buffers_->depth[of_depth], buffers_->depth_count);
    if (good && bundle_->state_count && (suspicious || ++unseen >= LOOK_AT_STATE_EVERY)) {
        unseen = 0;
        good = fetch(set, &error) == DAE_OK;
        for (size_t i = 0; i < bundle_->state_count && good; i++) {
            const void *state = static_cast<const char *>(states.at) + offsets[i];
            const size_t count = bundle_->states[i].elements;
            good = bundle_->states[i].is_half ? dae_finite_halves(static_cast<const uint16_t *>(state), count)
                                              : buffers_->finite(static_cast<const float *>(state), count);
        }
    }
    suspicious = !good;
    return good;
}

} // namespace

void session_close(void *session)
{
    Session *self = static_cast<Session *>(session);
    const Current current(self->cuda);
    delete self;
}

int session_open(void *engine, const bundle *bundle, buffers *buffers, void **session, text *error)
{
    Engine *of = static_cast<Engine *>(engine);
    const Current current(of->cuda);
    int status = current.check(error);
    if (status != DAE_OK) return status;
    Session *made = new (std::nothrow) Session(of, bundle, buffers);
    if (!made) return dae_fail(error, DAE_ERROR_MEMORY, "%s: out of memory", bundle->path);
    status = made->open(error);
    if (status == DAE_OK) *session = made;
    else session_close(made);
    return status;
}

int session_run(void *session, int set, int depth, text *error)
{
    Session *self = static_cast<Session *>(session);
    const Current current(self->cuda);
    const int status = current.check(error);
    return status == DAE_OK ? self->run(set, depth, error) : status;
}

void session_zero(void *session, int set) { static_cast<Session *>(session)->to_zero[set] = true; }

int session_finite(void *session, int set, int depth)
{
    Session *self = static_cast<Session *>(session);
    const Current current(self->cuda);
    return self->finite(set, depth);
}

} // namespace dae_gpu
