/* TensorRT: the finished plan of this device, opened and compared with the contract. As dae_edge/backends/tensorrt does
 * it, but a plan that is not there is not built: that is `dae-export --finish`. */
#include "tensorrt.hpp"

#include <cstdio>  /* snprintf */
#include <cstring> /* strlen */
#include <new>     /* nothrow */

namespace dae_gpu {

#define TEXT(value) #value
#define EXPANDED_TEXT(value) TEXT(value)

/* ---- what TensorRT says ---- */

static thread_local text *listener = nullptr;

class Log final : public nvinfer1::ILogger {
public:
    void log(Severity severity, nvinfer1::AsciiChar const *message) noexcept override
    {
        if (!listener || severity > Severity::kERROR) return; /* a robot's terminal is not ours to write to */
        const text before = *listener;
        dae_fail(listener, 0, "%s%s%s", before.line, before.line[0] ? "; " : "", message);
    }
};

nvinfer1::ILogger &log()
{
    alignas(Log) static unsigned char place[sizeof(Log)];
    static Log *const log = new (place) Log;
    return *log;
}

Listening::Listening() : before_(listener) { listener = &heard_; }

Listening::~Listening() { listener = before_; }

/* ---- opening ---- */

static int open_library(Engine *engine, const char *library, nvinfer1::IRuntime **runtime, text *error)
{
#ifdef TRT_MAJOR_RTX
    static const char *const names[] = {"libtensorrt_rtx.so." EXPANDED_TEXT(TRT_MAJOR_RTX), nullptr};
#else
    static const char *const names[] = {"libnvinfer.so." EXPANDED_TEXT(NV_TENSORRT_MAJOR), nullptr};
#endif
    decltype(&getInferLibVersion) version;
    decltype(&createInferRuntime_INTERNAL) create;
    int status = dae_library_open(library, names, &engine->library, error);
    if (status == DAE_OK) status = dae_library_symbol(engine->library, "getInferLibVersion", &version, error);
    if (status == DAE_OK)
        status = dae_library_symbol(engine->library, "createInferRuntime_INTERNAL", &create, error);
    if (status != DAE_OK) return status;
    const int got = version();
    engine->release[0] = got / 10000, engine->release[1] = got / 100 % 100, engine->release[2] = got % 100;
    if (got < DAE_TENSORRT_OLDEST || engine->release[0] != NV_TENSORRT_MAJOR)
        return dae_fail(error, DAE_ERROR_ENGINE, DAE_TENSORRT_NAME " %d.%d.%d: this library was built for %d.x, %d.%d "
                        "or newer", engine->release[0], engine->release[1], engine->release[2], NV_TENSORRT_MAJOR,
                        DAE_TENSORRT_OLDEST / 10000, DAE_TENSORRT_OLDEST / 100 % 100);
    const Listening listening;
    *runtime = static_cast<nvinfer1::IRuntime *>(create(&log(), NV_TENSORRT_VERSION));
    return *runtime ? DAE_OK : dae_fail(error, DAE_ERROR_ENGINE, DAE_TENSORRT_NAME " %d.%d.%d cannot start: %s",
                                        engine->release[0], engine->release[1], engine->release[2], listening.heard());
}

static int find_plan(const Engine *engine, const engine_wish *wish, plan *plan, char gpu[256], text *error)
{
    plan_key key = {};
    key.flavour = DAE_TENSORRT_FLAVOUR;
    memcpy(key.release, engine->release, sizeof key.release);
    int status = engine->cuda.describe(&key, error);
    if (status == DAE_OK) status = dae_plan_model_digest(wish->path, key.onnx_sha256, error);
    if (status != DAE_OK) return status;
    dae_plan_l4t("/etc/nv_tegra_release", key.l4t);
    memcpy(gpu, key.gpu, sizeof key.gpu);
    return dae_plan_find(wish->bundle->path, &key, plan, error);
}

static int load_plan(Engine *engine, const plan *plan, text *error)
{
    const Listening listening;
    engine->engine.reset(engine->runtime->deserializeCudaEngine(plan->bytes, plan->size));
    if (engine->engine) return DAE_OK;
    return dae_fail(error, DAE_ERROR_ENGINE, "%s: " DAE_TENSORRT_NAME " %d.%d.%d cannot load it: %s", plan->path,
                    engine->release[0], engine->release[1], engine->release[2], listening.heard());
}

static const char *dtype_of(nvinfer1::DataType type)
{
    switch (type) {
    case nvinfer1::DataType::kFLOAT: return "float32";
    case nvinfer1::DataType::kHALF: return "float16";
    case nvinfer1::DataType::kUINT8: return "uint8";
    default: return "";
    }
}

static int check_tensors(const Engine *engine, const bundle *bundle, const char *path, text *error)
{
    const size_t wanted = bundle->state_count + 1;
    size_t count[2] = {0, 0};
    for (int32_t i = 0; i < engine->engine->getNbIOTensors(); i++) {
        const char *name = engine->engine->getIOTensorName(i);
        const nvinfer1::Dims shape = engine->engine->getTensorShape(name);
        const int is_output = engine->engine->getTensorIOMode(name) == nvinfer1::TensorIOMode::kOUTPUT;
        tensor got = {name, dtype_of(engine->engine->getTensorDataType(name)), 0, {0}};
        got.rank = shape.nbDims >= 0 && shape.nbDims <= BUNDLE_MOST_AXES ? static_cast<size_t>(shape.nbDims) : 0;
        for (size_t axis = 0; axis < got.rank; axis++) got.shape[axis] = shape.d[axis];
        const int status = dae_contract_check(bundle, is_output, &got, path, error);
        if (status != DAE_OK) return status;
        count[is_output]++;
    }
    /* each one was one of the contract's, and no engine has a name twice */
    if (count[0] == wanted && count[1] == wanted) return DAE_OK;
    return dae_fail(error, DAE_ERROR_BUNDLE, "%s: wanted %zu inputs and outputs, got %zu and %zu", path, wanted,
                    count[0], count[1]);
}

static void engine_close(void *engine)
{
    Engine *self = static_cast<Engine *>(engine);
    if (!self->cuda.context) {
        delete self;
        return;
    }
    {
        const Current current(self->cuda);
        self->engine.reset();
        self->runtime.reset();
    }
    delete self;
}

static int open_parts(Engine *engine, const engine_wish *wish, char *description, text *error)
{
    nvinfer1::IRuntime *runtime = nullptr;
    plan plan = {};
    char gpu[256] = "";
    int status = engine->cuda.open(error);
    if (status != DAE_OK) return status;
    const Current current(engine->cuda);
    status = current.check(error);
    if (status == DAE_OK) status = open_library(engine, wish->params->library, &runtime, error);
    engine->runtime.reset(runtime);
    if (status == DAE_OK) status = find_plan(engine, wish, &plan, gpu, error);
    if (status == DAE_OK) status = load_plan(engine, &plan, error);
    if (status == DAE_OK) status = check_tensors(engine, wish->bundle, plan.path, error);
    dae_plan_free(&plan);
    snprintf(description, DESCRIPTION_BYTES, DAE_TENSORRT_NAME " %d.%d.%d on %.80s", engine->release[0],
             engine->release[1], engine->release[2], gpu);
    return status;
}

static int engine_open(const engine_wish *wish, void **engine, char *description, text *error)
{
    Engine *made = new (std::nothrow) Engine;
    if (!made) return dae_fail(error, DAE_ERROR_MEMORY, "%s: out of memory", wish->path);
    const int status = open_parts(made, wish, description, error);
    if (status == DAE_OK) *engine = made;
    else engine_close(made);
    return status;
}

} // namespace dae_gpu

extern "C" const engine_kind dae_engine_tensorrt = {
    DAE_TENSORRT_FLAVOUR,   dae_gpu::engine_open, dae_gpu::engine_close, dae_gpu::session_open,
    dae_gpu::session_close, dae_gpu::session_run, dae_gpu::session_zero, dae_gpu::session_finite};
