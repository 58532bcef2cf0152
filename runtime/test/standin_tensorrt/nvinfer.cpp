/* A stand-in for libnvinfer: no TensorRT, no GPU. NVIDIA's own headers say what it has to have; what the engine does
 * not call ends the program (unused_calls.py). A "plan" is a text, and running it is a function of the test, on the
 * memory at the addresses that were set. It is strict about order: a context of the GPU, addresses before a run, a run
 * before a capture, contexts before their engine, engines before their runtime. */
#include <NvInferRuntime.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "small_bundle.h"
#include "standin.h"

[[noreturn]] static void unexpected(const char *what)
{
    fprintf(stderr, "stand-in for TensorRT: unexpected: %s\n", what);
    abort();
}
#define EXPECT(condition)                            \
    do {                                             \
        if (!(condition)) unexpected(#condition);    \
    } while (0)

#include "unused_calls.inc" /* made from NvInferImpl.h */

using namespace nvinfer1;

struct standin_tensorrt standin_tensorrt = {nullptr, nullptr, "", nullptr, 0, 0, 0, 0, 0, 0, 0};

namespace {

bool fails(const char *step) { return strcmp(standin_tensorrt.failing, step) == 0; }

struct TensorInfo {
    const char *name;
    DataType type;
    std::vector<int64_t> shape;
    bool output;
    size_t bytes;
};

/* The contract of small_bundle.h, in an order of its own. */
std::vector<TensorInfo> tensors()
{
    const bool is_float = standin_tensorrt.input_dtype != nullptr;
    return {{"depth", DataType::kFLOAT, {1, SMALL_HEIGHT, SMALL_WIDTH}, true, SMALL_PIXELS * 4},
            {"state_in.layer1.cell", DataType::kHALF, {3}, false, 6},
            {"state_in.layer1.hidden", DataType::kFLOAT, {1, 2}, false, 8},
            {"events", is_float ? DataType::kFLOAT : DataType::kUINT8, {1, SMALL_HEIGHT, SMALL_WIDTH, 3}, false,
             SMALL_PIXELS * 3},
            {"state_out.layer1.hidden", DataType::kFLOAT, {1, 2}, true, 8},
            {"state_out.layer1.cell", DataType::kHALF, {3}, true, 6}};
}

using Addresses = std::map<std::string, void *>;

/* In the stream, when its turn comes: the addresses are those of when it was enqueued, as in a graph. */
void run(long argument)
{
    Addresses &at = *reinterpret_cast<Addresses *>(argument);
    for (const TensorInfo &tensor : tensors())
        EXPECT(standin_owns(reinterpret_cast<uintptr_t>(at[tensor.name]), tensor.bytes, 1));
    const void *in[] = {at["state_in.layer1.hidden"], at["state_in.layer1.cell"]};
    void *out[] = {at["state_out.layer1.hidden"], at["state_out.layer1.cell"]};
    const dae_inference inference = {at["events"], 2, in, out, static_cast<float *>(at["depth"])};
    standin_tensorrt.ran++;
    standin_tensorrt.network(standin_tensorrt.data, &inference);
}

class Context final : public IExecutionContext, public apiv::UnusedVExecutionContext {
public:
    explicit Context(ILogger *logger) : logger_(logger)
    {
        mImpl = this;
        standin_tensorrt.contexts++;
    }
    ~Context() noexcept override
    {
        EXPECT(standin_depth() > 0 && standin_tensorrt.engines > 0);
        standin_tensorrt.contexts--;
    }
    bool setTensorAddress(char const *name, void *data) noexcept override
    {
        EXPECT(data && reinterpret_cast<uintptr_t>(data) % 256 == 0);
        addresses_[name] = data;
        return !fails("address");
    }
    bool enqueueV3(cudaStream_t stream) noexcept override
    {
        const bool capturing = standin_capturing(stream);
        EXPECT(addresses_.size() == tensors().size() && (ran_ || !capturing));
        if (fails("run") || (fails("capture") && capturing)) {
            logger_->log(ILogger::Severity::kERROR, "operation not\npermitted");
            return false;
        }
        ran_ = true;
        (capturing ? standin_tensorrt.captured : standin_tensorrt.enqueued)++;
        kept_.push_back(std::make_unique<Addresses>(addresses_));
        return standin_enqueue(stream, run, reinterpret_cast<long>(kept_.back().get())) == 0;
    }

private:
    ILogger *logger_;
    bool ran_ = false;
    Addresses addresses_;
    std::vector<std::unique_ptr<Addresses>> kept_;
};

class Plan final : public ICudaEngine, public apiv::UnusedVCudaEngine {
public:
    explicit Plan(ILogger *logger) : logger_(logger), tensors_(tensors())
    {
        ICudaEngine::mImpl = this;
        standin_tensorrt.engines++;
    }
    ~Plan() noexcept override
    {
        EXPECT(standin_depth() > 0 && standin_tensorrt.runtimes > 0 && standin_tensorrt.contexts == 0);
        standin_tensorrt.engines--;
    }
    int32_t getNbIOTensors() const noexcept override { return static_cast<int32_t>(tensors_.size()); }
    char const *getIOTensorName(int32_t index) const noexcept override
    {
        return tensors_[static_cast<size_t>(index)].name;
    }
    DataType getTensorDataType(char const *name) const noexcept override { return find(name).type; }
    TensorIOMode getTensorIOMode(char const *name) const noexcept override
    {
        return find(name).output ? TensorIOMode::kOUTPUT : TensorIOMode::kINPUT;
    }
    Dims getTensorShape(char const *name) const noexcept override
    {
        const std::vector<int64_t> &shape = find(name).shape;
        Dims dims = {};
        dims.nbDims = static_cast<int32_t>(shape.size());
        for (size_t axis = 0; axis < shape.size(); axis++) dims.d[axis] = shape[axis];
        return dims;
    }
    IExecutionContext *createExecutionContext(ExecutionContextAllocationStrategy strategy) noexcept override
    {
        EXPECT(standin_depth() > 0 && strategy == ExecutionContextAllocationStrategy::kSTATIC);
        if (!fails("context")) return new Context(logger_);
        logger_->log(ILogger::Severity::kERROR, "OutOfMemory: requested 8 GB");
        return nullptr;
    }

private:
    const TensorInfo &find(char const *name) const
    {
        for (const TensorInfo &tensor : tensors_)
            if (strcmp(tensor.name, name) == 0) return tensor;
        unexpected(name);
    }
    ILogger *logger_;
    std::vector<TensorInfo> tensors_;
};

class Runtime final : public IRuntime, public apiv::UnusedVRuntime {
public:
    explicit Runtime(ILogger *logger) : logger_(logger)
    {
        IRuntime::mImpl = this;
        standin_tensorrt.runtimes++;
    }
    ~Runtime() noexcept override
    {
        EXPECT(standin_depth() > 0 && standin_tensorrt.engines == 0);
        standin_tensorrt.runtimes--;
    }
    ICudaEngine *deserializeCudaEngine(void const *blob, std::size_t size) noexcept override
    {
        EXPECT(standin_depth() > 0 && size == strlen(STANDIN_PLAN) && memcmp(blob, STANDIN_PLAN, size) == 0);
        if (!fails("plan")) return new Plan(logger_);
        logger_->log(ILogger::Severity::kWARNING, "not worth a word");
        logger_->log(ILogger::Severity::kERROR, "The engine plan file is not compatible");
        logger_->log(ILogger::Severity::kINTERNAL_ERROR, "and more");
        return nullptr;
    }
    using apiv::UnusedVRuntime::deserializeCudaEngine;

private:
    ILogger *logger_;
};

} // namespace

extern "C" {

int32_t getInferLibVersion() noexcept
{
    return standin_tensorrt.version ? standin_tensorrt.version : static_cast<int32_t>(NV_TENSORRT_VERSION);
}

void *createInferRuntime_INTERNAL(void *logger, int32_t version) noexcept
{
    EXPECT(standin_depth() > 0 && logger && version == NV_TENSORRT_VERSION);
    ILogger *log = static_cast<ILogger *>(logger);
    if (!fails("runtime")) return static_cast<IRuntime *>(new Runtime(log));
    log->log(ILogger::Severity::kERROR, "CUDA initialization failure with error: 35");
    return nullptr;
}
}
