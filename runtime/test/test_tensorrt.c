/* The TensorRT back end on stand-ins of TensorRT and of CUDA's driver: no GPU. What the engine computes is the network
 * of small_stream.h, so a stream must give what it gives in the callback back end, bit for bit, faults included. */
#define _POSIX_C_SOURCE 200809L
#undef NDEBUG
#include "small_stream.h"

#include <NvInferVersion.h>

#include "small_plan.h"

#define WINDOWS 100 /* more than one look at the state */
#define COUNT(array) (sizeof(array) / sizeof *(array))
#define RELEASE_OF(major, minor, patch) #major "." #minor "." #patch
#define RELEASE(major, minor, patch) RELEASE_OF(major, minor, patch)
#define STANDIN_RELEASE RELEASE(NV_TENSORRT_MAJOR, NV_TENSORRT_MINOR, NV_TENSORRT_PATCH)

static struct small_bundle small;

struct run {
    struct network network;
    int status[WINDOWS], stale[WINDOWS];
    float depth[WINDOWS][SMALL_PIXELS];
    struct dae_stream_health health;
    char error[512];
};

/* ---- streams ---- */

static struct dae_model_params on_gpu(void)
{
    struct dae_model_params params = dae_model_default_params();
    params.path = small.path;
    params.backend = "tensorrt";
    params.library = STANDIN_NVINFER;
    return params;
}

static struct dae_model *load_on_gpu(struct network *network)
{
    const struct dae_model_params params = on_gpu();
    struct dae_model *model;
    standin_tensorrt.network = infer;
    standin_tensorrt.data = network;
    if (dae_model_load(&params, &model) != DAE_OK) fprintf(stderr, "%s\n", dae_model_error(model)), abort();
    return model;
}

static struct dae_stream *open_stream(const struct dae_model *model)
{
    const struct dae_stream_params params = dae_stream_default_params();
    struct dae_stream *stream;
    assert(dae_stream_init(model, &params, &stream) == DAE_OK);
    return stream;
}

/* Windows [first, end), each closed by the events of the one behind it; `fails_at`: this window's launch fails. */
static void push_windows(struct dae_stream *stream, int first, int end, int fails_at, struct run *run)
{
    struct dae_event events[EVENTS_PER_WINDOW];
    for (int window = first; window <= end; window++) {
        size_t used = 0, offset = 0;
        int status;
        small_events(window, events);
        if (window - 1 == fails_at) standin_fail("cuGraphLaunch", 1);
        while ((status = dae_stream_push(stream, events + offset, EVENTS_PER_WINDOW - offset, &used)) != DAE_OK) {
            struct dae_depth about;
            offset += used;
            assert(status == DAE_DEPTH || status == DAE_ERROR_ENGINE);
            assert(dae_stream_depth(stream, run->depth[window - 1], SMALL_PIXELS, &about) == DAE_OK);
            run->status[window - 1] = status;
            run->stale[window - 1] = about.stale;
        }
        standin_fail("", 0);
    }
    dae_stream_health(stream, &run->health);
    snprintf(run->error, sizeof run->error, "%s", dae_stream_error(stream));
}

/* Warm-ups come first in the GPU's engine, with no window: faults are counted from the first window on. */
static void run_on_gpu(struct run *run, int fails_at)
{
    struct network none = {0};
    struct dae_model *model = load_on_gpu(&none);
    struct dae_stream *stream = open_stream(model);
    standin_tensorrt.data = &run->network;
    push_windows(stream, 0, WINDOWS, fails_at, run);
    dae_stream_free(stream);
    dae_model_free(model);
    assert(standin_alive() == 0 && standin_contexts() == 0 && standin_depth() == 0);
    assert(standin_tensorrt.runtimes == 0);
}

static void run_in_callback(struct run *run)
{
    struct dae_model *model = small_load(&small, &run->network);
    struct dae_stream *stream = open_stream(model);
    push_windows(stream, 0, WINDOWS, -1, run);
    dae_stream_free(stream);
    dae_model_free(model);
}

static void assert_same(const struct run *got, const struct run *wanted, int first, int end)
{
    for (int window = first; window < end; window++) {
        assert(got->status[window] == wanted->status[window] && got->stale[window] == wanted->stale[window]);
        assert(memcmp(got->depth[window], wanted->depth[window], sizeof got->depth[window]) == 0);
    }
}

static void fresh(struct run *run, int fault_at, int fault_count, enum fault fault)
{
    memset(run, 0, sizeof *run);
    run->network = (struct network){0, fault_at, fault_count, fault};
    const struct standin_tensorrt start = {.network = infer, .failing = ""};
    standin_tensorrt = start;
}

/* ---- what must hold ---- */

static void a_stream_gives_what_it_gives_in_the_callback_back_end(void)
{
    static struct run got, wanted;
    fresh(&wanted, 0, 0, NO_FAULT);
    run_in_callback(&wanted);
    fresh(&got, 0, 0, NO_FAULT);
    run_on_gpu(&got, -1);
    assert_same(&got, &wanted, 0, WINDOWS);
    assert(got.health.inferred == WINDOWS && got.health.stale == 0 && got.error[0] == 0);
    assert(standin_tensorrt.enqueued == 2 && standin_tensorrt.captured == 2); /* and then one graph per window */
    assert(standin_tensorrt.ran == 2 + WINDOWS);
}

static void a_depth_that_is_not_finite_leaves_no_trace(enum fault fault, int count)
{
    static struct run got, wanted;
    fresh(&wanted, 41, count, fault);
    run_in_callback(&wanted);
    fresh(&got, 41, count, fault);
    run_on_gpu(&got, -1);
    assert_same(&got, &wanted, 0, WINDOWS);
    assert(got.health.not_finite == (uint64_t)count && got.stale[41] && !got.stale[41 + count]);
}

/* The stand-in's ReLU: the depth stays finite while the state is not. */
static int infer_hidden(void *data, const struct dae_inference *in)
{
    const int answer = infer(data, in);
    for (int i = 0; i < SMALL_PIXELS; i++)
        if (!(in->depth[i] == in->depth[i])) in->depth[i] = 0;
    return answer;
}

static void a_state_that_is_not_finite_is_found_and_thrown_away(enum fault fault)
{
    static struct run got;
    fresh(&got, 40, 1, fault);
    struct network none = {0};
    struct dae_model *model = load_on_gpu(&none);
    struct dae_stream *stream = open_stream(model);
    standin_tensorrt.network = infer_hidden;
    standin_tensorrt.data = &got.network;
    push_windows(stream, 0, WINDOWS, -1, &got);
    dae_stream_free(stream);
    dae_model_free(model);
    /* windows 31, 63, 95 look; the one behind a finding zeroes the state, and the next is as if it were the first */
    assert(got.stale[63] && got.stale[64] && got.health.not_finite == 2 && !got.stale[62] && !got.stale[65]);
    if (fault == HALF_STATE_IS_NAN) assert(got.depth[65][2] < got.depth[39][2]); /* it counts windows */
    assert(got.depth[66][0] > 0 && !got.stale[95]);
}

static void a_window_that_fails_changes_nothing(void)
{
    static struct run got, wanted;
    fresh(&wanted, 7, 1, ENGINE_FAILS);
    run_in_callback(&wanted);
    fresh(&got, 0, 0, NO_FAULT);
    run_on_gpu(&got, 7);
    assert_same(&got, &wanted, 0, WINDOWS);
    assert(got.status[7] == DAE_ERROR_ENGINE && got.health.engine_errors == 1);
    assert(strcmp(got.error, "cuGraphLaunch: out of memory (2)") == 0);
}

static void without_graphs_it_runs_all_the_same_and_says_so(void)
{
    static struct run got, wanted;
    fresh(&wanted, 0, 0, NO_FAULT);
    run_in_callback(&wanted);
    fresh(&got, 0, 0, NO_FAULT);
    standin_tensorrt.failing = "capture";
    run_on_gpu(&got, -1);
    assert_same(&got, &wanted, 0, WINDOWS);
    assert(standin_tensorrt.enqueued == 2 + WINDOWS && standin_tensorrt.captured == 0);
    assert(strcmp(got.error, "no CUDA graph: TensorRT: the engine does not run: operation not permitted") == 0);
}

static void a_reset_begins_with_zero_state(void)
{
    static struct run first, again;
    fresh(&first, 0, 0, NO_FAULT);
    struct dae_model *model = load_on_gpu(&first.network);
    struct dae_stream *stream = open_stream(model);
    push_windows(stream, 0, 9, -1, &first);
    dae_stream_reset(stream);
    assert(dae_stream_values(stream)[3] == 0);
    push_windows(stream, 0, 9, -1, &again);
    assert_same(&again, &first, 0, 9);
    dae_stream_free(stream);
    dae_model_free(model);
}

static void streams_of_a_model_do_not_disturb_each_other(void)
{
    static struct run runs[2], wanted;
    struct dae_stream *streams[2];
    fresh(&wanted, 0, 0, NO_FAULT);
    run_in_callback(&wanted);
    fresh(&runs[0], 0, 0, NO_FAULT);
    struct dae_model *model = load_on_gpu(&runs[0].network);
    for (int i = 0; i < 2; i++) streams[i] = open_stream(model);
    for (int window = 0; window < 20; window++)
        for (int i = 0; i < 2; i++) push_windows(streams[i], window, window, -1, &runs[i]);
    for (int i = 0; i < 2; i++) assert_same(&runs[i], &wanted, 0, 19);
    for (int i = 0; i < 2; i++) dae_stream_free(streams[i]);
    dae_model_free(model);
    assert(standin_alive() == 0 && standin_contexts() == 0);
}

/* ---- what is refused ---- */

static void assert_refused(int wanted, const char *reason)
{
    const struct dae_model_params params = on_gpu();
    struct dae_model *model;
    assert(dae_model_load(&params, &model) == wanted);
    if (!strstr(dae_model_error(model), reason)) fprintf(stderr, "%s\n", dae_model_error(model)), abort();
    dae_model_free(model);
    assert(standin_alive() == 0 && standin_contexts() == 0 && standin_depth() == 0);
    assert(standin_tensorrt.runtimes == 0);
}

static void what_goes_wrong_in_opening_says_why_and_leaves_nothing(void)
{
    static struct run none;
    fresh(&none, 0, 0, NO_FAULT);
    standin_no_gpu(1);
    assert_refused(DAE_ERROR_ENGINE, "cuInit: no CUDA-capable device is detected (100)");
    standin_no_gpu(0);
    standin_tensorrt.failing = "runtime";
    assert_refused(DAE_ERROR_ENGINE, "cannot start: CUDA initialization failure with error: 35");
    standin_tensorrt.failing = "plan";
    assert_refused(DAE_ERROR_ENGINE, "engine-0.plan: TensorRT");
    assert_refused(DAE_ERROR_ENGINE, "cannot load it: The engine plan file is not compatible; and more");
    standin_tensorrt.failing = "";
    standin_tensorrt.input_dtype = "float32";
    assert_refused(DAE_ERROR_BUNDLE, "inputs: events: wanted uint8 [1, 3, 5, 3], got float32 [1, 3, 5, 3]");
    standin_tensorrt.input_dtype = NULL;
    standin_tensorrt.version = 100200;
    assert_refused(DAE_ERROR_ENGINE, "TensorRT 10.2.0: this library was built for");
    standin_tensorrt.version = 120000;
    assert_refused(DAE_ERROR_ENGINE, "TensorRT 12.0.0: this library was built for");
    standin_tensorrt.version = 0;
    small_write_sidecar(&small, "9.8.7");
    assert_refused(DAE_ERROR_ENGINE, "version '9.8.7' instead of");
    assert_refused(DAE_ERROR_ENGINE, "run on it: dae-export --finish /tmp/");
    small_write_sidecar(&small, STANDIN_RELEASE);
}

/* Fail the nth of these calls: a model, or a stream, or a graph cannot be had. Returns whether one of the first two. */
static int refused_at(const char *call, int nth)
{
    const struct dae_stream_params params = dae_stream_default_params();
    const struct dae_model_params gpu = on_gpu();
    struct dae_stream *stream = NULL;
    struct dae_model *model;
    standin_fail(call, nth);
    int status = dae_model_load(&gpu, &model);
    if (status == DAE_OK) status = dae_stream_init(model, &params, &stream);
    standin_fail("", 0);
    assert(status == DAE_ERROR_ENGINE || (status == DAE_OK && stream));
    dae_stream_free(stream);
    dae_model_free(model);
    assert(standin_alive() == 0 && standin_contexts() == 0 && standin_depth() == 0 && standin_tensorrt.runtimes == 0);
    return status != DAE_OK;
}

static void whatever_is_refused_nothing_stays_allocated(void)
{
    static const struct {
        const char *call;
        int refusals; /* so many of these calls must succeed */
    } calls[] = {{"cuDevicePrimaryCtxRetain", 1}, {"cuMemAlloc_v2", 4}, {"cuMemHostAlloc", 4}, {"cuStreamCreate", 1},
                 {"cuMemsetD8Async", 2}, {"cuStreamSynchronize", 2}, {"cuMemcpyHtoDAsync_v2", 2},
                 {"cuMemcpyDtoHAsync_v2", 2}, {"cuStreamBeginCapture_v2", 0}, {"cuStreamEndCapture", 2},
                 {"cuGraphInstantiateWithFlags", 0}};
    static const char *const steps[] = {"context", "address", "run"};
    static struct run none;
    fresh(&none, 0, 0, NO_FAULT);
    standin_tensorrt.data = &none.network;
    for (size_t i = 0; i < COUNT(calls); i++) {
        int refusals = 0;
        for (int nth = 1; nth <= 8; nth++) refusals += refused_at(calls[i].call, nth);
        if (refusals != calls[i].refusals) fprintf(stderr, "%s: %d refusals\n", calls[i].call, refusals), abort();
    }
    for (size_t i = 0; i < COUNT(steps); i++) {
        standin_tensorrt.failing = steps[i];
        assert(refused_at("", 0));
    }
}

int main(void)
{
    small_create_plan(&small);
    small_write_sidecar(&small, STANDIN_RELEASE);
    a_stream_gives_what_it_gives_in_the_callback_back_end();
    a_depth_that_is_not_finite_leaves_no_trace(DEPTH_IS_NAN, 1);
    a_depth_that_is_not_finite_leaves_no_trace(DEPTH_IS_INFINITE, 1);
    a_depth_that_is_not_finite_leaves_no_trace(DEPTH_IS_NAN, 2);
    a_state_that_is_not_finite_is_found_and_thrown_away(STATE_IS_NAN);
    a_state_that_is_not_finite_is_found_and_thrown_away(HALF_STATE_IS_NAN);
    a_window_that_fails_changes_nothing();
    without_graphs_it_runs_all_the_same_and_says_so();
    a_reset_begins_with_zero_state();
    streams_of_a_model_do_not_disturb_each_other();
    what_goes_wrong_in_opening_says_why_and_leaves_nothing();
    whatever_is_refused_nothing_stays_allocated();
    small_remove_plan(&small);
    return 0;
}
