/* Any events, times, parameters and snapshots through the encoder: what it says of its windows holds, images are
 * sound, a snapshot goes on as the encoder would have, and a forged one does no harm.
 *
 * While no event was clamped, no time broke off and no forged state came in, the slow way is tried too: the events
 * since the grid began are kept, and each window must be the image of exactly those that its times or count name.
 *
 * Input: the parameters, then one operation after another; what is missing at the end reads as 0. */
#undef NDEBUG
#include <assert.h>
#include <math.h>   /* isfinite, rintf */
#include <stdlib.h> /* malloc, free */
#include <string.h> /* memcmp, memcpy */

#include "dae.h"
#include "fuzz.h"

#define MOST_SIDE 24
#define MOST_VALUES (MOST_SIDE * MOST_SIDE * 3)
#define MOST_EVENTS 4096
#define MOST_WINDOWS 200 /* per input: windows of a microsecond could go on for ever */
#define PACKET 32
#define LONG_GAP ((int64_t)1 << 30)

struct input {
    const uint8_t *data;
    size_t size;
};

struct run {
    struct dae_encoder_params params;
    struct dae_encoder *encoder;
    struct dae_event events[MOST_EVENTS]; /* since the grid began */
    size_t count;
    int known;                            /* `events` is what the encoder has */
    int64_t clock;                        /* the latest time given */
    int windows;
};

static uint64_t take(struct input *input, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes && input->size; i++, input->size--)
        value |= (uint64_t)*input->data++ << 8 * i;
    return value;
}

/* Mostly below `usual`, now and then anything. */
static int64_t take_number(struct input *input, uint64_t usual)
{
    const uint64_t kind = take(input, 1);
    if (kind >= 8)
        return (int64_t)(take(input, 2) % usual);
    const uint64_t value = take(input, 8);
    return (int64_t)((kind & 1 ? value : (uint64_t)1 << value % 64) - (kind & 2 ? 1 : 0));
}

static struct dae_encoder_params take_params(struct input *input)
{
    struct dae_encoder_params params = dae_encoder_default_params();
    const uint64_t flags = take(input, 1);
    params.width = (uint16_t)(take(input, 1) % (MOST_SIDE + 1));
    params.height = (uint16_t)(take(input, 1) % (MOST_SIDE + 1));
    params.window_us = take_number(input, 400);
    params.hop_us = take_number(input, 400);
    params.window_events = flags & 1 ? (uint32_t)take_number(input, 40) : 0;
    params.hop_events = (uint32_t)take_number(input, 40);
    if (flags & 2)
        params.origin_us = take_number(input, 1000);
    params.max_gap_us = flags & 4 ? take_number(input, 2000) : 1000;
    params.background = flags & 8 ? DAE_BACKGROUND_WHITE : DAE_BACKGROUND_BLACK;
    if ((flags & 0xF0) == 0xF0) { /* a grid that cannot be is not much of a test */
        params.struct_size += take(input, 1);
        params.background = (enum dae_background)take(input, 1);
        return params;
    }
    if (params.hop_us > params.window_us)
        params.hop_us = 0;
    if (params.hop_events > params.window_events)
        params.hop_events = 0;
    return params;
}

/* ---- windows ---- */

static size_t values_of(const struct run *run)
{
    return (size_t)run->params.width * run->params.height * 3;
}

static void check_images(const struct run *run, const uint8_t *levels, const float *floats)
{
    const size_t pixels = values_of(run) / 3;
    for (size_t i = 0; i < pixels; i++)
        for (size_t plane = 0; plane < 3; plane++) {
            const float value = floats[plane * pixels + i];
            assert(isfinite(value) && value >= 0.0f && value <= 1.0f);
            assert((float)levels[i * 3 + plane] == rintf(value * 255.0f));
        }
}

/* The slow way. The window's events are the last that were taken; are they those that it names? */
static void check_events(const struct run *run, const struct dae_window *window, const uint8_t *levels,
                         const float *floats)
{
    uint8_t wanted_levels[MOST_VALUES];
    float wanted_floats[MOST_VALUES];
    assert(window->events <= run->count);
    const size_t n = (size_t)window->events, values = values_of(run);
    const struct dae_event *events = run->events + run->count - n;
    if (run->params.window_events)
        assert(window->partial ? n < run->params.window_events : n == run->params.window_events);
    for (size_t i = 0; i < run->count && !run->params.window_events; i++)
        assert((run->events[i].t >= window->start_us) == (&run->events[i] >= events));
    if (n) {
        assert(window->first_us == events[0].t && window->last_us == events[n - 1].t);
        assert(window->start_us <= window->first_us && window->last_us <= window->end_us);
    }
    const uint16_t width = run->params.width, height = run->params.height;
    const enum dae_background background = run->params.background;
    assert(dae_tencode_u8(events, n, width, height, background, wanted_levels, values, NULL) == DAE_OK);
    assert(dae_tencode_f32(events, n, width, height, background, wanted_floats, values, NULL) == DAE_OK);
    assert(!memcmp(levels, wanted_levels, values));
    assert(!memcmp(floats, wanted_floats, values * sizeof *floats));
}

static void check_window(struct run *run)
{
    uint8_t levels[MOST_VALUES];
    float floats[MOST_VALUES];
    struct dae_window window;
    const size_t values = values_of(run);
    assert(dae_encoder_window(run->encoder, &window) == DAE_OK);
    assert(dae_encoder_render_u8(run->encoder, levels, values - 1) == DAE_ERROR_BUFFER);
    assert(dae_encoder_render_u8(run->encoder, levels, values) == DAE_OK);
    assert(dae_encoder_render_f32(run->encoder, floats, values) == DAE_OK);
    check_images(run, levels, floats);
    if (run->known)
        check_events(run, &window, levels, floats);
    run->windows++;
}

/* ---- operations ---- */

static int64_t take_time(struct input *input, const struct run *run)
{
    const uint64_t kind = take(input, 1);
    const int64_t clock = run->clock;
    if (kind < 2)
        return (int64_t)take(input, 8); /* anything */
    if (kind < 4)
        return clock < INT64_MAX - 5000 && clock > INT64_MIN + 5000 ? clock - 2500 + (int64_t)take(input, 2) % 5000 : 0;
    if (kind < 20 && run->params.max_gap_us >= LONG_GAP && clock < INT64_MAX / 2)
        return clock + LONG_GAP / 2 + (int64_t)kind; /* soon more than a cell can hold */
    return clock < INT64_MAX - 900 ? clock + (int64_t)(kind < 160 ? kind % 8 : kind % 32 * (kind < 240 ? 4 : 30)) : 0;
}

static size_t take_packet(struct input *input, struct run *run, struct dae_event *events)
{
    const size_t n = take(input, 1) % (PACKET + 1);
    for (size_t i = 0; i < n; i++) {
        run->clock = events[i].t = take_time(input, run);
        events[i].x = (uint16_t)(take(input, 1) % (MOST_SIDE + 4));
        events[i].y = (uint16_t)(take(input, 1) % (MOST_SIDE + 4));
        events[i].on = (uint8_t)(take(input, 1) % 3);
    }
    return n;
}

/* Note the events that were taken; is still known what the encoder has? */
static void note(struct run *run, const struct dae_event *events, size_t n)
{
    struct dae_encoder_counters counters;
    dae_encoder_counters(run->encoder, &counters);
    if (counters.clamped_backward || counters.restarts || run->count + n > MOST_EVENTS)
        run->known = 0;
    for (size_t i = 0; run->known && i < n; i++) {
        if (events[i].t < (int64_t)1 << 60 && events[i].t > -((int64_t)1 << 60))
            run->events[run->count++] = events[i];
    }
}

static void push(struct run *run, struct input *input)
{
    struct dae_event packet[PACKET];
    const size_t n = take_packet(input, run, packet);
    struct dae_event *events = malloc((n + 1) * sizeof *events); /* exact but for one: sanitizers watch it */
    assert(events);
    memcpy(events + 1, packet, n * sizeof *events);
    for (size_t at = 0, used; run->windows < MOST_WINDOWS; at += used) {
        const int status = dae_encoder_push(run->encoder, events + 1 + at, n - at, &used);
        assert(used <= n - at && (status == DAE_WINDOW || (status == DAE_OK && used == n - at)));
        note(run, events + 1 + at, used);
        if (status == DAE_OK)
            break;
        check_window(run);
    }
    free(events);
}

static void advance(struct run *run, struct input *input)
{
    const int64_t t = take_time(input, run);
    const int64_t last = run->count ? run->events[run->count - 1].t : t;
    int status = DAE_OK;
    while (run->windows < MOST_WINDOWS && (status = dae_encoder_advance(run->encoder, t)) == DAE_WINDOW)
        check_window(run);
    assert(status != DAE_ERROR_ARGUMENT || t >= (int64_t)1 << 60 || t <= -((int64_t)1 << 60));
    if (status != DAE_ERROR_ARGUMENT && t > last && t - last > run->params.max_gap_us)
        run->known = 0; /* the grid may have been given up */
}

static void flush(struct run *run)
{
    if (dae_encoder_flush(run->encoder) == DAE_WINDOW)
        check_window(run);
    assert(dae_encoder_flush(run->encoder) == DAE_OK);
    run->count = 0;
}

static uint8_t *save(const struct dae_encoder *encoder, size_t *size)
{
    *size = dae_encoder_snapshot_size(encoder);
    uint8_t *snapshot = malloc(*size);
    assert(snapshot);
    assert(dae_encoder_save(encoder, snapshot, *size - 1) == DAE_ERROR_BUFFER);
    assert(dae_encoder_save(encoder, snapshot, *size) == DAE_OK);
    return snapshot;
}

/* Another encoder takes over. */
static void relay(struct run *run)
{
    size_t size;
    uint8_t *snapshot = save(run->encoder, &size);
    dae_encoder_free(run->encoder);
    assert(dae_encoder_init(&run->params, &run->encoder) == DAE_OK);
    assert(dae_encoder_load(run->encoder, snapshot, size) == DAE_OK);
    free(snapshot);
}

/* Change a few bytes of a snapshot, mostly of what comes before the cells, and go on with it if it loads. */
static void forge(struct run *run, struct input *input)
{
    size_t size;
    uint8_t *snapshot = save(run->encoder, &size);
    for (uint64_t changes = 1 + take(input, 1) % 4; changes; changes--) {
        const size_t at = (size_t)take(input, 2);
        snapshot[at & 0x8000 ? at % size : at % (size < 400 ? size : 400)] = (uint8_t)take(input, 1);
    }
    const int status = dae_encoder_load(run->encoder, snapshot, size);
    assert(status == DAE_OK || status == DAE_ERROR_STATE);
    free(snapshot);
    if (status == DAE_ERROR_STATE)
        return;
    run->known = 0;
    struct dae_window window;
    if (dae_encoder_window(run->encoder, &window) == DAE_OK)
        check_window(run);
}

static void reset(struct run *run)
{
    dae_encoder_reset(run->encoder);
    run->count = 0;
    run->known = 1;
}

static void operate(struct run *run, struct input *input)
{
    switch (take(input, 1) % 16) {
    case 0: reset(run); break;
    case 1: flush(run); break;
    case 2:
    case 3: advance(run, input); break;
    case 4: relay(run); break;
    case 5: forge(run, input); break;
    default: push(run, input); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run run;
    struct input input = {data, size};
    run = (struct run){.params = take_params(&input), .known = 1};
    const int status = dae_encoder_init(&run.params, &run.encoder);
    assert(status == DAE_OK || (status == DAE_ERROR_ARGUMENT && run.encoder == NULL));
    while (status == DAE_OK && input.size && run.windows < MOST_WINDOWS)
        operate(&run, &input);
    dae_encoder_free(run.encoder);
    return 0;
}

/* ---- seeds: windows that can be, and packets in the order of time ---- */

struct output {
    uint8_t *data;
    size_t size, capacity;
};

static void give(struct output *output, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes && output->size < output->capacity; i++)
        output->data[output->size++] = (uint8_t)(value >> 8 * i);
}

/* A number as take_number reads it. */
static void give_number(struct output *output, uint64_t value)
{
    give(output, value < 65536 ? 8 : 1, 1);
    give(output, value, value < 65536 ? 2 : 8);
}

static void give_params(struct output *output, uint64_t *random)
{
    const uint64_t flags = fuzz_random(random) >> 32 & 0xF, is_long = fuzz_random(random) % 8 == 0;
    const uint64_t window = (1 + fuzz_random(random) % 399) << (is_long ? 21 : 0);
    const uint64_t events = 1 + fuzz_random(random) % 39;
    give(output, flags, 1);
    give(output, 1 + fuzz_random(random) % MOST_SIDE, 1);
    give(output, 1 + fuzz_random(random) % MOST_SIDE, 1);
    give_number(output, window);
    give_number(output, is_long ? window : 1 + fuzz_random(random) % window);
    if (flags & 1)
        give_number(output, events);
    give_number(output, 1 + fuzz_random(random) % events);
    if (flags & 2)
        give_number(output, fuzz_random(random) % 1000);
    if (flags & 4)
        give_number(output, is_long ? (uint64_t)LONG_GAP << 8 : 1 + fuzz_random(random) % 1999);
}

size_t fuzz_seed(uint64_t index, uint8_t *data, size_t capacity)
{
    uint64_t random = fuzz_random_state(index);
    struct output output = {data, 0, capacity};
    give_params(&output, &random);
    while (output.size < capacity) {
        const uint64_t operation = fuzz_random(&random) >> 20 & 0xFF, n = fuzz_random(&random) % (PACKET + 1);
        give(&output, operation, 1);
        if (operation % 16 < 6)
            continue; /* its arguments are the next operation */
        give(&output, n, 1);
        for (uint64_t i = 0; i < n; i++) {
            const uint64_t event = fuzz_random(&random) >> 8;
            give(&output, 4 + (event & 0xFF) % 252, 1); /* time goes on */
            give(&output, event >> 8, 3);
        }
    }
    return output.size;
}
