/* Streams over a callback: what comes out, and what becomes of faults. After each the next good window is right. */
#define _POSIX_C_SOURCE 200809L
#undef NDEBUG
#include "small_stream.h"

#include <pthread.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define WINDOWS 12

static struct small_bundle small;

struct result { /* of one window */
    int status;
    struct dae_depth about;
    float depth[SMALL_PIXELS];
};

struct run {
    struct network network;
    struct result results[2 * WINDOWS];
    size_t count;
    struct dae_stream_health health;
    char error[512];
};

static struct dae_stream *open_stream(const struct dae_model *model)
{
    const struct dae_stream_params params = dae_stream_default_params();
    struct dae_stream *stream;
    assert(dae_stream_init(model, &params, &stream) == DAE_OK);
    return stream;
}

static void take(struct dae_stream *stream, int status, struct run *run)
{
    struct result *result = &run->results[run->count++];
    assert(run->count <= COUNT(run->results) && (status == DAE_DEPTH || status == DAE_ERROR_ENGINE));
    result->status = status;
    assert(dae_stream_depth(stream, result->depth, SMALL_PIXELS, &result->about) == DAE_OK);
    assert(memcmp(result->depth, dae_stream_values(stream), sizeof result->depth) == 0);
}

static void push(struct dae_stream *stream, const struct dae_event *events, size_t n, struct run *run)
{
    size_t offset = 0, used;
    int status;
    while ((status = dae_stream_push(stream, events + offset, n - offset, &used)) != DAE_OK) {
        offset += used;
        take(stream, status, run);
    }
    assert(offset + used == n);
}

static void push_windows(struct dae_stream *stream, int first, int end, int without, struct run *run)
{
    struct dae_event events[EVENTS_PER_WINDOW];
    for (int window = first; window < end; window++) {
        small_events(window, events);
        if (window != without) push(stream, events, EVENTS_PER_WINDOW, run);
    }
}

static void flush(struct dae_stream *stream, struct run *run)
{
    const int status = dae_stream_flush(stream);
    if (status != DAE_OK) take(stream, status, run);
    assert(dae_stream_flush(stream) == DAE_OK);
}

static void finish(struct dae_stream *stream, struct dae_model *model, struct run *run)
{
    dae_stream_health(stream, &run->health);
    snprintf(run->error, sizeof run->error, "%s", dae_stream_error(stream));
    dae_stream_free(stream);
    dae_model_free(model);
}

/* WINDOWS windows; `without` names one that has no events; -1: all have. */
static void whole(struct run *run, int without)
{
    struct dae_model *model = small_load(&small, &run->network);
    struct dae_stream *stream = open_stream(model);
    push_windows(stream, 0, WINDOWS, without, run);
    flush(stream, run);
    finish(stream, model, run);
    assert(run->count == WINDOWS);
}

static int same(const struct result *a, const struct result *b)
{
    return memcmp(a->depth, b->depth, sizeof a->depth) == 0;
}

static void each_window_is_what_the_recurrence_says(void)
{
    static struct run run;
    float hidden[2] = {0};
    struct dae_event events[EVENTS_PER_WINDOW];
    whole(&run, -1);
    for (int window = 0; window < WINDOWS; window++) {
        uint8_t image[3 * SMALL_PIXELS];
        float brightness = 0;
        small_events(window, events);
        dae_tencode_u8(events, EVENTS_PER_WINDOW, SMALL_WIDTH, SMALL_HEIGHT, DAE_BACKGROUND_BLACK, image, sizeof image, NULL);
        for (int i = 0; i < 3 * SMALL_PIXELS; i++) brightness += (float)image[i] * (float)(i + 1) / 65536;
        for (int i = 0; i < 2; i++) hidden[i] = hidden[i] / 2 + brightness + (float)i;
        const struct result *result = &run.results[window];
        assert(result->depth[2] == hidden[0] + hidden[1] + (float)(window + 1) * 64 + 2048.0f);
        assert(result->status == DAE_DEPTH && !result->about.stale && result->about.events == EVENTS_PER_WINDOW);
        assert(result->about.start_us == window * WINDOW_US && result->about.partial == (window == WINDOWS - 1));
        assert(result->about.latency_us >= result->about.infer_us && result->about.infer_us > 0);
    }
    assert(run.health.windows == WINDOWS && run.health.inferred == WINDOWS && run.health.stale == 0);
    assert(run.health.events == WINDOWS * EVENTS_PER_WINDOW && run.error[0] == 0);
}

static void a_window_without_events_repeats_the_last_depth_and_runs_nothing(void)
{
    static struct run run;
    whole(&run, 5);
    assert(run.network.calls == WINDOWS - 1 && run.health.stale == 1 && run.health.inferred == WINDOWS - 1);
    assert(run.results[5].about.stale && run.results[5].about.events == 0 && same(&run.results[5], &run.results[4]));
    assert(!same(&run.results[6], &run.results[5]) && !run.results[6].about.stale);
}

/* A window that goes wrong leaves no trace: the others come out as if it had had no events. */
static void one_fault_leaves_no_trace(enum fault fault)
{
    static struct run run, wanted;
    memset(&run, 0, sizeof run);
    memset(&wanted, 0, sizeof wanted);
    whole(&wanted, 5);
    run.network = (struct network){0, 5, 1, fault};
    whole(&run, -1);
    for (int window = 0; window < WINDOWS; window++) assert(same(&run.results[window], &wanted.results[window]));
    assert(run.results[5].about.stale && run.results[5].about.events == EVENTS_PER_WINDOW && run.health.stale == 1);
    assert(run.results[5].status == (fault == ENGINE_FAILS ? DAE_ERROR_ENGINE : DAE_DEPTH));
    assert(run.health.engine_errors == (fault == ENGINE_FAILS) && run.health.not_finite == (fault != ENGINE_FAILS));
    assert(strcmp(run.error, fault == ENGINE_FAILS ? "the callback answered -7" : "") == 0);
}

/* Two in a row that are not finite: what led to them may be in the state, so it is zeroed. */
static void a_second_fault_in_a_row_starts_from_zero(enum fault fault)
{
    static struct run run, wanted;
    memset(&run, 0, sizeof run);
    memset(&wanted, 0, sizeof wanted);
    run.network = (struct network){0, 5, 2, fault};
    whole(&run, -1);
    struct dae_model *model = small_load(&small, &wanted.network);
    struct dae_stream *stream = open_stream(model);
    push_windows(stream, 7, WINDOWS, -1, &wanted);
    flush(stream, &wanted);
    finish(stream, model, &wanted);
    for (int window = 7; window < WINDOWS; window++) assert(same(&run.results[window], &wanted.results[window - 7]));
    assert(same(&run.results[5], &run.results[4]) && same(&run.results[6], &run.results[4]));
    assert(run.health.not_finite == 2 && run.health.stale == 2);
}

static void a_fault_in_the_first_window_gives_zeros(void)
{
    static struct run run;
    static const struct result zeros;
    run.network = (struct network){0, 0, 1, DEPTH_IS_NAN};
    whole(&run, -1);
    assert(run.results[0].about.stale && same(&run.results[0], &zeros) && !run.results[1].about.stale);
}

/* 4 windows, a break of the clock, and windows again: the latter as if nothing had been before. */
static void after_a_break_nothing_of_before_counts(int first_before, int first_after)
{
    static struct run run, wanted;
    memset(&run, 0, sizeof run);
    memset(&wanted, 0, sizeof wanted);
    struct dae_model *model = small_load(&small, &run.network);
    struct dae_stream *stream = open_stream(model);
    push_windows(stream, first_before, first_before + 4, -1, &run);
    push_windows(stream, first_after, first_after + 4, -1, &run);
    flush(stream, &run);
    finish(stream, model, &run);
    model = small_load(&small, &wanted.network);
    stream = open_stream(model);
    push_windows(stream, first_after, first_after + 4, -1, &wanted);
    flush(stream, &wanted);
    finish(stream, model, &wanted);
    assert(run.count == 8 && wanted.count == 4 && run.health.restarts == 1);
    for (int i = 0; i < 4; i++) assert(same(&run.results[4 + i], &wanted.results[i]));
    assert(run.results[3].about.partial == (first_after < first_before)); /* a silence lets it end */
    assert(run.results[4].about.restart && !run.results[5].about.restart);
}

static void a_short_step_back_is_clamped_and_counted(void)
{
    static struct run run;
    struct dae_model *model = small_load(&small, &run.network);
    struct dae_stream *stream = open_stream(model);
    const struct dae_event events[] = {{0, 0, 0, 1}, {60, 1, 0, 1}, {10, 2, 0, 0}, {120, 3, 0, 1}, {5, 4, 0, 1}, {200, 0, 1, 1}};
    push(stream, events, COUNT(events), &run);
    finish(stream, model, &run);
    assert(run.count == 2 && run.results[0].about.events == 3 && run.results[1].about.events == 2);
    assert(run.health.clamped_events == 2 && run.health.restarts == 0);
}

static void a_reset_is_a_new_beginning(void)
{
    static struct run before, after;
    struct network network = {0, 2, 1, ENGINE_FAILS};
    struct dae_model *model = small_load(&small, &network);
    struct dae_stream *stream = open_stream(model);
    struct dae_depth about;
    float depth[SMALL_PIXELS];
    push_windows(stream, 0, 5, -1, &before);
    dae_stream_reset(stream);
    dae_stream_health(stream, &after.health);
    assert(after.health.windows == 0 && after.health.engine_errors == 0 && dae_stream_error(stream)[0] == 0);
    assert(dae_stream_depth(stream, depth, SMALL_PIXELS, &about) == DAE_ERROR_STATE);
    network = (struct network){0};
    push_windows(stream, 0, 2, -1, &after);
    assert(before.count == 4 && after.count == 1 && same(&before.results[0], &after.results[0]));
    finish(stream, model, &after);
}

static void time_alone_ends_windows(void)
{
    static struct run run, wanted;
    struct dae_model *model = small_load(&small, &run.network);
    struct dae_stream *stream = open_stream(model);
    int status;
    whole(&wanted, -1);
    push_windows(stream, 0, 1, -1, &run);
    assert(run.count == 0);
    while ((status = dae_stream_advance(stream, 250)) != DAE_OK) take(stream, status, &run);
    finish(stream, model, &run);
    assert(run.count == 2 && same(&run.results[0], &wanted.results[0]) && run.results[1].about.stale);
    assert(run.results[1].about.t_us == 200 && run.health.backlog_us == 0);
}

static void newest_only_runs_the_newest_window_with_events(void)
{
    static struct run run;
    struct dae_event events[4 * EVENTS_PER_WINDOW + 1];
    struct dae_stream_params params = dae_stream_default_params();
    struct dae_model *model = small_load(&small, &run.network);
    struct dae_stream *stream;
    size_t used;
    params.newest_only = 1;
    assert(dae_stream_init(model, &params, &stream) == DAE_OK);
    for (int window = 0; window < 4; window++) small_events(window, events + window * EVENTS_PER_WINDOW);
    events[4 * EVENTS_PER_WINDOW] = (struct dae_event){630, 0, 0, 1}; /* two windows without events in between */
    assert(dae_stream_push(stream, events, COUNT(events), &used) == DAE_DEPTH && used == COUNT(events));
    take(stream, DAE_DEPTH, &run);
    assert(dae_stream_push(stream, NULL, 0, &used) == DAE_OK && used == 0);
    finish(stream, model, &run);
    assert(run.network.calls == 1 && run.results[0].about.start_us == 300 && !run.results[0].about.stale);
    assert(run.health.windows == 6 && run.health.dropped_windows == 5 && run.health.backlog_us == 630 - 400);
}

/* Times that no clock has are dropped, and no arithmetic overflows over them. */
static void times_beyond_any_clock_do_no_harm(void)
{
    static struct run run;
    struct dae_model *model = small_load(&small, &run.network);
    struct dae_stream *stream = open_stream(model);
    const struct dae_event events[] = {{-500, 0, 0, 1}, {INT64_MIN, 0, 0, 1}, {-350, 0, 0, 1}, {INT64_MAX, 0, 0, 1}};
    push(stream, events, COUNT(events), &run);
    finish(stream, model, &run);
    assert(run.health.dropped_events == 2 && run.count == 1 && run.results[0].about.t_us == -400);
    assert(run.health.backlog_us == INT64_MAX); /* 400 more than that, in truth */
}

/* Metavision's layout, separate arrays, and bytes give the depth that packed events give. */
static void every_way_in_gives_the_same(void)
{
    enum { N = WINDOWS * EVENTS_PER_WINDOW };
    static struct run wanted, cd_run, array_run, byte_run;
    static struct dae_event_cd cd[N];
    static int64_t t[N];
    static uint16_t x[N], y[N];
    static uint8_t on[N], bytes[N * 8];
    struct dae_decoder_params decoder_params = dae_decoder_default_params();
    struct dae_decoder *decoder;
    whole(&wanted, -1);
    for (int window = 0, i = 0; window < WINDOWS; window++) {
        struct dae_event events[EVENTS_PER_WINDOW];
        small_events(window, events);
        for (int k = 0; k < EVENTS_PER_WINDOW; k++, i++) {
            const struct dae_event e = events[k];
            cd[i] = (struct dae_event_cd){e.x, e.y, (int16_t)(e.on ? 1 : -1), e.t};
            t[i] = e.t, x[i] = e.x, y[i] = e.y, on[i] = e.on;
            const uint32_t words[] = {0x80000000u | (uint32_t)(e.t >> 6), /* EVT2: time, then the event */
                                      (uint32_t)e.on << 28 | (uint32_t)(e.t & 63) << 22 | (uint32_t)e.x << 11 | e.y};
            for (int byte = 0; byte < 8; byte++) bytes[8 * i + byte] = (uint8_t)(words[byte / 4] >> 8 * (byte % 4));
        }
    }
    const struct dae_events layouts[] = {dae_events_cd(cd, N), dae_events_arrays(t, x, y, on, N)};
    struct run *const runs[] = {&cd_run, &array_run, &byte_run};
    decoder_params.format = DAE_FORMAT_EVT2;
    decoder_params.width = SMALL_WIDTH;
    decoder_params.height = SMALL_HEIGHT;
    assert(dae_decoder_init(&decoder_params, &decoder) == DAE_OK);
    for (size_t way = 0; way < COUNT(runs); way++) {
        struct dae_model *model = small_load(&small, &runs[way]->network);
        struct dae_stream *stream = open_stream(model);
        size_t offset = 0, used;
        int status;
        do {
            status = way < COUNT(layouts) ? dae_stream_push_events(stream, &layouts[way], offset, &used)
                                          : dae_stream_push_bytes(stream, decoder, bytes + offset, sizeof bytes - offset, &used);
            offset += used;
            if (status != DAE_OK) take(stream, status, runs[way]);
        } while (status != DAE_OK);
        assert(offset == (way < COUNT(layouts) ? N : sizeof bytes));
        flush(stream, runs[way]);
        assert(dae_stream_push_events(stream, &layouts[0], N + 1, &used) == DAE_ERROR_ARGUMENT);
        assert(dae_stream_push_bytes(stream, NULL, bytes, 1, &used) == DAE_ERROR_ARGUMENT);
        finish(stream, model, runs[way]);
        assert(runs[way]->count == WINDOWS);
        for (int window = 0; window < WINDOWS; window++) assert(same(&runs[way]->results[window], &wanted.results[window]));
    }
    dae_decoder_free(decoder);
}

static void what_makes_no_sense_is_refused(void)
{
    struct network network = {0};
    struct dae_model *model = small_load(&small, &network), *none;
    struct dae_stream *stream;
    struct dae_stream_params params = dae_stream_default_params();
    struct dae_model_params model_params = dae_model_default_params();
    struct dae_stream_health health;
    struct dae_model_info info;
    float depth[SMALL_PIXELS];
    size_t used;
    assert(dae_stream_init(NULL, &params, &stream) == DAE_ERROR_ARGUMENT && !stream);
    assert(dae_stream_init(model, NULL, &stream) == DAE_ERROR_ARGUMENT);
    assert(dae_stream_init(model, &params, NULL) == DAE_ERROR_ARGUMENT);
    params.struct_size--;
    assert(dae_stream_init(model, &params, &stream) == DAE_ERROR_ARGUMENT);
    params = dae_stream_default_params();
    params.window_events = 5;
    params.hop_us = 5;
    assert(dae_stream_init(model, &params, &stream) == DAE_ERROR_ARGUMENT);
    params = dae_stream_default_params();
    params.hop_us = WINDOW_US + 1;
    assert(dae_stream_init(model, &params, &stream) == DAE_ERROR_ARGUMENT);
    stream = open_stream(model);
    assert(dae_stream_push(stream, NULL, 1, &used) == DAE_ERROR_ARGUMENT);
    assert(dae_stream_push(stream, NULL, 0, NULL) == DAE_ERROR_ARGUMENT);
    assert(dae_stream_depth(stream, depth, SMALL_PIXELS, NULL) == DAE_ERROR_STATE);
    struct dae_event event = {0, 0, 0, 1};
    assert(dae_stream_push(stream, &event, 1, &used) == DAE_OK && dae_stream_flush(stream) == DAE_DEPTH);
    assert(dae_stream_depth(stream, depth, SMALL_PIXELS - 1, NULL) == DAE_ERROR_BUFFER);
    assert(dae_stream_depth(stream, NULL, 0, NULL) == DAE_OK);
    dae_stream_free(stream);
    assert(dae_model_info(model, &info) == DAE_OK && info.width == 5 && info.state_bytes == 14 && info.passed);
    assert(strcmp(info.engine, "callback") == 0 && strcmp(info.unit, "m") == 0);
    dae_model_free(model);
    assert(dae_model_load(NULL, &none) == DAE_ERROR_ARGUMENT && dae_model_error(none)[0]);
    assert(dae_stream_init(none, &params, &stream) == DAE_ERROR_ARGUMENT && dae_model_info(none, &info) == DAE_ERROR_STATE);
    dae_model_free(none);
    model_params.path = small.path;
    model_params.backend = "other";
    assert(dae_model_load(&model_params, &none) == DAE_ERROR_ARGUMENT && strstr(dae_model_error(none), "'other'"));
    dae_model_free(none);
    model_params.backend = "onnxruntime";
    model_params.library = "/nowhere/libonnxruntime.so";
    assert(dae_model_load(&model_params, &none) == DAE_ERROR_ENGINE && strstr(dae_model_error(none), "/nowhere/"));
    dae_model_free(none);
    assert(dae_model_load(&model_params, NULL) == DAE_ERROR_ARGUMENT);
    dae_model_free(NULL);
    dae_stream_free(NULL);
    dae_stream_reset(NULL);
    dae_stream_health(NULL, &health);
    dae_stream_health(NULL, NULL);
    assert(health.windows == 0 && !dae_stream_values(NULL) && dae_stream_error(NULL)[0] == 0);
    assert(dae_stream_flush(NULL) == DAE_ERROR_ARGUMENT && dae_stream_advance(NULL, 0) == DAE_ERROR_ARGUMENT);
}

static void statuses_have_texts(void)
{
    const int statuses[] = {DAE_DEPTH, DAE_ERROR_BUNDLE, DAE_ERROR_FILE, DAE_ERROR_ENGINE, DAE_OK, DAE_WINDOW,
                            DAE_ERROR_ARGUMENT, DAE_ERROR_MEMORY, DAE_ERROR_BUFFER, DAE_ERROR_STATE};
    for (size_t i = 0; i < COUNT(statuses); i++) {
        assert(strcmp(dae_stream_status_str(statuses[i]), "unknown status") != 0);
        for (size_t k = 0; k < i; k++)
            assert(strcmp(dae_stream_status_str(statuses[i]), dae_stream_status_str(statuses[k])) != 0);
    }
    assert(strcmp(dae_stream_status_str(-99), "unknown status") == 0);
}

static int sum(void *data, const struct dae_inference *in)
{
    struct network own = {0, 0, 0, NO_FAULT}; /* what threads share must not be written */
    (void)data;
    return infer(&own, in);
}

static void *stream_in_a_thread(void *data)
{
    static _Thread_local struct run run;
    struct dae_stream *stream = open_stream(data);
    push_windows(stream, 0, WINDOWS, -1, &run);
    flush(stream, &run);
    struct run *copy = malloc(sizeof run);
    *copy = run;
    dae_stream_free(stream);
    return copy;
}

static void streams_of_one_model_run_in_threads(void)
{
    static struct run wanted;
    struct dae_model_params params = dae_model_default_params();
    struct dae_model *model;
    pthread_t threads[4];
    whole(&wanted, -1);
    params.path = small.path;
    params.infer = sum;
    assert(dae_model_load(&params, &model) == DAE_OK);
    for (size_t i = 0; i < COUNT(threads); i++) assert(pthread_create(&threads[i], NULL, stream_in_a_thread, model) == 0);
    for (size_t i = 0; i < COUNT(threads); i++) {
        void *result;
        assert(pthread_join(threads[i], &result) == 0);
        const struct run *run = result;
        for (int window = 0; window < WINDOWS; window++) assert(same(&run->results[window], &wanted.results[window]));
        free(result);
    }
    dae_model_free(model);
}

int main(void)
{
    small_create(&small);
    each_window_is_what_the_recurrence_says();
    a_window_without_events_repeats_the_last_depth_and_runs_nothing();
    for (enum fault fault = ENGINE_FAILS; fault <= HALF_STATE_IS_NAN; fault++) one_fault_leaves_no_trace(fault);
    for (enum fault fault = DEPTH_IS_NAN; fault <= HALF_STATE_IS_NAN; fault++)
        a_second_fault_in_a_row_starts_from_zero(fault);
    a_fault_in_the_first_window_gives_zeros();
    after_a_break_nothing_of_before_counts(20000, 0);  /* the sensor starts anew */
    after_a_break_nothing_of_before_counts(0, 20000);  /* or is silent for long */
    a_short_step_back_is_clamped_and_counted();
    a_reset_is_a_new_beginning();
    time_alone_ends_windows();
    newest_only_runs_the_newest_window_with_events();
    times_beyond_any_clock_do_no_harm();
    every_way_in_gives_the_same();
    what_makes_no_sense_is_refused();
    statuses_have_texts();
    streams_of_one_model_run_in_threads();
    small_remove(&small);
    return 0;
}
