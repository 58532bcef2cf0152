/* The encoder against windows stated by hand, and its images against dae_tencode_* of the events of each window.
 *
 * Every stream is pushed whole and in pieces of 1 to 3 events: windows and images must be the same. The images of long
 * random streams are compared with a numpy reference elsewhere (tests/test_encoder.py). */
#undef NDEBUG
#include <assert.h>
#include <math.h>   /* rintf */
#include <stdlib.h> /* malloc, free */
#include <string.h> /* memcmp, memset */

#include "dae.h"

#define WIDTH 5
#define HEIGHT 3
#define BYTES (WIDTH * HEIGHT * 3)
#define COUNT(array) (sizeof(array) / sizeof *(array))
#define TIME_END ((int64_t)1 << 60)

/* ---- the check ---- */

struct seen { /* a window, and which of the stream's events are in it */
    int64_t start_us, end_us;
    size_t first, events;
    int partial, restart;
};

static struct dae_encoder_params small(void)
{
    struct dae_encoder_params params = dae_encoder_default_params();
    params.width = WIDTH;
    params.height = HEIGHT;
    params.window_us = 100;
    params.max_gap_us = 1000;
    return params;
}

static struct dae_encoder *make(struct dae_encoder_params params)
{
    struct dae_encoder *encoder = NULL;
    assert(dae_encoder_init(&params, &encoder) == DAE_OK);
    return encoder;
}

/* The ready window's images are those of these events. */
static void check_images(const struct dae_encoder *encoder, const struct dae_event *events, size_t n,
                         enum dae_background background)
{
    uint8_t levels[BYTES], wanted_levels[BYTES];
    float floats[BYTES], wanted_floats[BYTES];
    assert(dae_tencode_u8(events, n, WIDTH, HEIGHT, background, wanted_levels, BYTES, NULL) == DAE_OK);
    assert(dae_tencode_f32(events, n, WIDTH, HEIGHT, background, wanted_floats, BYTES, NULL) == DAE_OK);
    assert(dae_encoder_render_u8(encoder, levels, BYTES) == DAE_OK);
    assert(dae_encoder_render_f32(encoder, floats, BYTES) == DAE_OK);
    assert(!memcmp(levels, wanted_levels, sizeof levels) && !memcmp(floats, wanted_floats, sizeof floats));
}

static void check_window(const struct dae_encoder *encoder, const struct dae_event *events, const struct seen *wanted,
                         enum dae_background background)
{
    struct dae_window window;
    assert(dae_encoder_window(encoder, &window) == DAE_OK);
    assert(window.start_us == wanted->start_us && window.end_us == wanted->end_us);
    assert(window.events == wanted->events);
    assert(window.partial == wanted->partial && window.restart == wanted->restart);
    const struct dae_event *first = events + wanted->first;
    if (wanted->events)
        assert(window.first_us == first->t && window.last_us == first[wanted->events - 1].t);
    check_images(encoder, first, wanted->events, background);
}

/* Push the stream in packets of at most `most` events, then flush. */
static void run(struct dae_encoder_params params, const struct dae_event *events, size_t n, size_t most,
                const struct seen *wanted, size_t windows)
{
    struct dae_encoder *encoder = make(params);
    size_t got = 0, at = 0, used;
    while (at < n) {
        const size_t packet = n - at < most ? n - at : most;
        const int status = dae_encoder_push(encoder, events + at, packet, &used);
        assert(used <= packet && (status == DAE_WINDOW || (status == DAE_OK && used == packet)));
        at += used;
        if (status == DAE_WINDOW) {
            assert(got < windows);
            check_window(encoder, events, &wanted[got++], params.background);
        }
    }
    for (; dae_encoder_flush(encoder) == DAE_WINDOW; got++) {
        assert(got < windows);
        check_window(encoder, events, &wanted[got], params.background);
    }
    assert(got == windows);
    struct dae_encoder_counters counters;
    dae_encoder_counters(encoder, &counters);
    assert(counters.events == n && counters.windows == windows);
    dae_encoder_free(encoder);
}

static void check(struct dae_encoder_params params, const struct dae_event *events, size_t n,
                  const struct seen *wanted, size_t windows)
{
    const size_t packets[] = {n, 1, 2, 3};
    for (size_t i = 0; i < COUNT(packets); i++)
        for (int white = 0; white <= 1; white++) {
            params.background = white ? DAE_BACKGROUND_WHITE : DAE_BACKGROUND_BLACK;
            run(params, events, n, packets[i], wanted, windows);
        }
}

#define CHECK(params, events, windows) check(params, events, COUNT(events), windows, COUNT(windows))

/* ---- windows ---- */

static void windows_by_time_hold_the_events_from_start_to_before_end(void)
{
    const struct dae_event events[] = {{1000, 0, 0, 1}, {1099, 1, 0, 0}, {1100, 0, 0, 0}, {1100, 2, 2, 9},
                                       {1350, 9, 9, 1}, {1360, 4, 1, 1}};
    const struct seen windows[] = {{1000, 1100, 0, 2, 0, 0}, {1100, 1200, 2, 2, 0, 0}, {1200, 1300, 4, 0, 0, 0},
                                   {1300, 1360, 4, 2, 1, 0}};
    CHECK(small(), events, windows);
}

static void windows_by_time_may_overlap(void)
{
    const struct dae_event events[] = {{0, 0, 0, 1}, {39, 0, 0, 0}, {40, 1, 1, 1}, {110, 1, 1, 0}, {185, 3, 2, 1}};
    const struct seen windows[] = {{0, 100, 0, 3, 0, 0}, {40, 140, 2, 2, 0, 0}, {80, 180, 3, 1, 0, 0},
                                   {120, 185, 4, 1, 1, 0}};
    struct dae_encoder_params params = small();
    params.hop_us = 40;
    CHECK(params, events, windows);
}

static void the_grid_of_an_origin_reaches_to_both_sides_of_it(void)
{
    const struct dae_event events[] = {{-250, 0, 0, 1}, {-101, 1, 0, 1}, {5, 2, 0, 0}};
    const struct seen before[] = {{-293, -193, 0, 1, 0, 0}, {-193, -93, 1, 1, 0, 0}, {-93, 5, 2, 1, 1, 0}};
    struct dae_encoder_params params = small();
    params.origin_us = 7;
    CHECK(params, events, before);
    params.origin_us = -330; /* the first window that ends after the first event */
    const struct seen after[] = {{-330, -230, 0, 1, 0, 0}, {-230, -130, 1, 0, 0, 0}, {-130, -30, 1, 1, 0, 0},
                                 {-30, 5, 2, 1, 1, 0}};
    CHECK(params, events, after);
    params.origin_us = -260; /* windows that overlap do not begin before it */
    params.hop_us = 60;
    const struct seen overlapping[] = {{-260, -160, 0, 1, 0, 0}, {-200, -100, 1, 1, 0, 0}, {-140, -40, 1, 1, 0, 0},
                                       {-80, 5, 2, 1, 1, 0}};
    CHECK(params, events, overlapping);
}

static void windows_by_count_hold_that_many_events(void)
{
    const struct dae_event events[] = {{0, 0, 0, 1}, {0, 1, 0, 1}, {7, 9, 0, 0}, {8, 0, 0, 0}, {9, 2, 2, 1}};
    const struct seen windows[] = {{0, 8, 0, 4, 0, 0}, {7, 9, 2, 3, 1, 0}};
    struct dae_encoder_params params = small();
    params.window_events = 4;
    params.hop_events = 2;
    CHECK(params, events, windows);
}

static void a_gap_ends_the_window_and_starts_a_new_grid(void)
{
    const struct dae_event events[] = {{0, 0, 0, 1}, {10, 1, 0, 1}, {1011, 0, 0, 0}, {1020, 2, 2, 1}, {3000, 1, 1, 1}};
    const struct seen by_time[] = {{0, 100, 0, 2, 0, 0}, {1011, 1111, 2, 2, 0, 1}, {3000, 3000, 4, 1, 1, 1}};
    CHECK(small(), events, by_time);
    const struct seen by_count[] = {{0, 10, 0, 2, 1, 0}, {1011, 1020, 2, 2, 1, 1}, {3000, 3000, 4, 1, 1, 1}};
    struct dae_encoder_params params = small();
    params.window_events = 3;
    CHECK(params, events, by_count);
}

static void a_silence_of_at_most_the_gap_gives_empty_windows(void)
{
    const struct dae_event events[] = {{0, 0, 0, 1}, {400, 1, 0, 1}};
    const struct seen windows[] = {{0, 100, 0, 1, 0, 0},   {100, 200, 1, 0, 0, 0}, {200, 300, 1, 0, 0, 0},
                                   {300, 400, 1, 0, 0, 0}, {400, 400, 1, 1, 1, 0}};
    struct dae_encoder_params params = small();
    params.max_gap_us = 400;
    CHECK(params, events, windows);
}

static void a_long_step_back_starts_a_new_grid(void)
{
    const struct dae_event events[] = {{5000, 0, 0, 1}, {5010, 1, 0, 1}, {4009, 0, 0, 0}, {4010, 0, 1, 0}};
    const struct seen windows[] = {{5000, 5010, 0, 2, 1, 0}, {4009, 4010, 2, 2, 1, 1}};
    CHECK(small(), events, windows);
}

static void a_short_step_back_is_clamped(void)
{
    const struct dae_event events[] = {{500, 0, 0, 1}, {520, 1, 0, 1}, {510, 1, 1, 0}, {530, 2, 0, 1}};
    struct dae_event clamped[4];
    memcpy(clamped, events, sizeof clamped);
    clamped[2].t = 520;
    struct dae_encoder *encoder = make(small());
    size_t used;
    assert(dae_encoder_push(encoder, events, 4, &used) == DAE_OK && dae_encoder_flush(encoder) == DAE_WINDOW);
    check_images(encoder, clamped, 4, DAE_BACKGROUND_BLACK);
    struct dae_encoder_counters counters;
    dae_encoder_counters(encoder, &counters);
    assert(counters.clamped_backward == 1 && counters.restarts == 0);
    dae_encoder_free(encoder);
}

static void times_beyond_any_clock_are_dropped(void)
{
    const struct dae_event events[] = {{INT64_MIN, 0, 0, 1}, {INT64_MAX, 0, 0, 1}, {TIME_END, 0, 0, 1},
                                       {-TIME_END, 0, 0, 1}, {TIME_END - 1, 0, 0, 1}, {1 - TIME_END, 0, 0, 1}};
    struct dae_encoder *encoder = make(small()), *other = make(small());
    const size_t size = dae_encoder_snapshot_size(encoder);
    uint8_t *snapshot = malloc(size);
    assert(snapshot);
    for (size_t at = 0, used; at < COUNT(events); at += used) {
        dae_encoder_push(encoder, events + at, 1, &used);
        assert(dae_encoder_save(encoder, snapshot, size) == DAE_OK);
        assert(dae_encoder_load(other, snapshot, size) == DAE_OK);
    }
    struct dae_encoder_counters counters;
    dae_encoder_counters(encoder, &counters);
    assert(counters.events == 6 && counters.dropped_outside == 4 && counters.windows == 1 && counters.restarts == 1);
    assert(dae_encoder_advance(encoder, TIME_END) == DAE_ERROR_ARGUMENT);
    assert(dae_encoder_advance(encoder, INT64_MIN) == DAE_ERROR_ARGUMENT);
    dae_encoder_free(encoder);
    dae_encoder_free(other);
    free(snapshot);
}

static void time_alone_closes_windows(void)
{
    const struct dae_event event = {0, 1, 1, 1};
    struct dae_encoder *encoder = make(small());
    size_t used;
    assert(dae_encoder_advance(encoder, 50) == DAE_OK); /* no grid yet */
    assert(dae_encoder_push(encoder, &event, 1, &used) == DAE_OK);
    assert(dae_encoder_advance(encoder, 99) == DAE_OK && dae_encoder_advance(encoder, 10) == DAE_OK);
    const struct seen windows[] = {{0, 100, 0, 1, 0, 0}, {100, 200, 0, 0, 0, 0}};
    for (int i = 0; i < 2; i++) {
        assert(dae_encoder_advance(encoder, 200) == DAE_WINDOW);
        check_window(encoder, &event, &windows[i], DAE_BACKGROUND_BLACK);
    }
    assert(dae_encoder_advance(encoder, 200) == DAE_OK);
    assert(dae_encoder_advance(encoder, 1201) == DAE_OK); /* a gap, and nothing to show */
    assert(dae_encoder_flush(encoder) == DAE_OK);
    dae_encoder_free(encoder);
}

/* ---- images ---- */

static void colors_are_polarity_and_age(void)
{
    const struct dae_event events[] = {{0, 0, 0, 1}, {3, 1, 0, 0}, {5, 1, 0, 0}, {10, 4, 2, 1}};
    struct dae_encoder_params params = small();
    params.background = DAE_BACKGROUND_WHITE;
    struct dae_encoder *encoder = make(params);
    size_t used;
    assert(dae_encoder_push(encoder, events, 4, &used) == DAE_OK && dae_encoder_flush(encoder) == DAE_WINDOW);
    uint8_t image[BYTES];
    assert(dae_encoder_render_u8(encoder, image, sizeof image) == DAE_OK);
    const uint8_t begin[] = {255, 255, 0, 0, 128, 255, 255, 255, 255}, end[] = {255, 255, 255, 255, 0, 0};
    assert(!memcmp(image, begin, sizeof begin) && !memcmp(image + BYTES - sizeof end, end, sizeof end));
    dae_encoder_free(encoder);
}

/* One event per pixel and microsecond: every elapsed time of the window occurs, for spans that divide badly. */
static void levels_are_the_floats_rounded_half_to_even(void)
{
    enum { MOST = 65535 };
    static struct dae_event events[MOST];
    static uint8_t levels[MOST * 3], wanted[MOST * 3];
    static float floats[MOST * 3];
    const uint16_t spans[] = {1, 2, 3, 63, 64, 65, 254, 255, 510, 1021, 4999, 50000, 65521, 65535};
    for (size_t s = 0; s < COUNT(spans); s++) {
        const uint16_t n = spans[s];
        struct dae_encoder_params params = small();
        params.width = n;
        params.height = 1;
        params.window_us = 1 << 20;
        for (uint16_t i = 0; i < n; i++)
            events[i] = (struct dae_event){i, i, 0, i % 3 == 0};
        struct dae_encoder *encoder = make(params);
        size_t used;
        assert(dae_encoder_push(encoder, events, n, &used) == DAE_OK && dae_encoder_flush(encoder) == DAE_WINDOW);
        assert(dae_encoder_render_u8(encoder, levels, 3u * n) == DAE_OK);
        assert(dae_encoder_render_f32(encoder, floats, 3u * n) == DAE_OK);
        assert(dae_tencode_u8(events, n, n, 1, DAE_BACKGROUND_BLACK, wanted, 3u * n, NULL) == DAE_OK);
        assert(!memcmp(levels, wanted, 3u * n));
        for (uint16_t i = 0; i < n; i++)
            for (size_t plane = 0; plane < 3; plane++)
                assert((float)levels[i * 3u + plane] == rintf(floats[plane * n + i] * 255.0f));
        dae_encoder_free(encoder);
    }
}

/* ---- the object ---- */

static void what_cannot_be_is_refused_at_init(void)
{
    struct dae_encoder *encoder;
    const int64_t bad[] = {INT64_MIN, -1, 0, (int64_t)1 << 30, INT64_MAX};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct dae_encoder_params window = small(), hop = small(), gap = small(), origin = small();
        window.window_us = bad[i];
        hop.hop_us = bad[i] ? bad[i] : 101;
        gap.max_gap_us = bad[i] == (int64_t)1 << 30 ? TIME_END + 1 : bad[i];
        origin.origin_us = bad[i] > 0 ? TIME_END : -TIME_END;
        assert(dae_encoder_init(&window, &encoder) == DAE_ERROR_ARGUMENT && encoder == NULL);
        assert(dae_encoder_init(&hop, &encoder) == DAE_ERROR_ARGUMENT && encoder == NULL);
        assert(dae_encoder_init(&gap, &encoder) == DAE_ERROR_ARGUMENT && encoder == NULL);
        assert(dae_encoder_init(&origin, &encoder) == DAE_ERROR_ARGUMENT && encoder == NULL);
    }
    struct dae_encoder_params params[7];
    for (size_t i = 0; i < COUNT(params); i++)
        params[i] = small();
    params[0].width = 0;
    params[1].height = 0;
    params[2].background = (enum dae_background)2;
    params[3].struct_size--;
    params[4].window_us = 1025, params[4].hop_us = 1;
    params[5].window_events = 2, params[5].hop_events = 3;
    params[6].window_events = 1u << 30;
    for (size_t i = 0; i < COUNT(params); i++)
        assert(dae_encoder_init(&params[i], &encoder) == DAE_ERROR_ARGUMENT && encoder == NULL);
}

static void what_is_not_used_does_no_harm(void)
{
    const struct dae_event events[] = {{100, 0, 0, 1}, {TIME_END - 1, 1, 1, 1}, {5, 2, 2, 1}};
    const int64_t odd[] = {INT64_MIN, -1, 0, INT64_MAX};
    for (size_t i = 0; i < COUNT(odd); i++) {
        struct dae_encoder_params params = small();
        params.window_events = 1;
        params.window_us = params.hop_us = params.origin_us = odd[i];
        const struct seen windows[] = {{100, 100, 0, 1, 0, 0}, {TIME_END - 1, TIME_END - 1, 1, 1, 0, 1},
                                       {5, 5, 2, 1, 0, 1}};
        CHECK(params, events, windows);
    }
}

static void null_is_refused_or_nothing(void)
{
    struct dae_encoder_params params = small();
    const struct dae_event event = {0, 0, 0, 1};
    struct dae_encoder *encoder;
    struct dae_window window;
    uint8_t image[BYTES];
    float floats[BYTES];
    size_t used;
    assert(dae_encoder_init(NULL, &encoder) == DAE_ERROR_ARGUMENT && encoder == NULL);
    assert(dae_encoder_init(&params, NULL) == DAE_ERROR_ARGUMENT);
    encoder = make(params);
    dae_encoder_free(NULL);
    dae_encoder_reset(NULL);
    assert(dae_encoder_push(NULL, &event, 1, &used) == DAE_ERROR_ARGUMENT);
    assert(dae_encoder_push(encoder, NULL, 1, &used) == DAE_ERROR_ARGUMENT);
    assert(dae_encoder_push(encoder, &event, 1, NULL) == DAE_ERROR_ARGUMENT);
    assert(dae_encoder_push(encoder, NULL, 0, &used) == DAE_OK && used == 0);
    assert(dae_encoder_advance(NULL, 0) == DAE_ERROR_ARGUMENT && dae_encoder_flush(NULL) == DAE_ERROR_ARGUMENT);
    assert(dae_encoder_window(NULL, &window) == DAE_ERROR_ARGUMENT);
    assert(dae_encoder_window(encoder, NULL) == DAE_ERROR_ARGUMENT);
    assert(dae_encoder_render_u8(NULL, image, BYTES) == DAE_ERROR_ARGUMENT);
    assert(dae_encoder_render_u8(encoder, NULL, BYTES) == DAE_ERROR_ARGUMENT);
    assert(dae_encoder_render_f32(NULL, floats, BYTES) == DAE_ERROR_ARGUMENT);
    assert(dae_encoder_render_f32(encoder, NULL, BYTES) == DAE_ERROR_ARGUMENT);
    assert(dae_encoder_save(NULL, image, BYTES) == DAE_ERROR_ARGUMENT);
    assert(dae_encoder_save(encoder, NULL, BYTES) == DAE_ERROR_ARGUMENT);
    assert(dae_encoder_load(NULL, image, BYTES) == DAE_ERROR_ARGUMENT);
    assert(dae_encoder_load(encoder, NULL, BYTES) == DAE_ERROR_ARGUMENT);
    assert(dae_encoder_snapshot_size(NULL) == 0);
    struct dae_encoder_counters counters, zeros = {0};
    memset(&counters, 1, sizeof counters);
    dae_encoder_counters(NULL, &counters);
    assert(!memcmp(&counters, &zeros, sizeof zeros));
    dae_encoder_counters(encoder, NULL);
    dae_encoder_free(encoder);
}

static void arrays_are_checked_like_objects(void)
{
    const struct dae_event event = {0, 0, 0, 1};
    uint8_t image[BYTES];
    float floats[BYTES];
    const enum dae_background black = DAE_BACKGROUND_BLACK, none = (enum dae_background)7;
    assert(dae_tencode_u8(NULL, 1, WIDTH, HEIGHT, black, image, BYTES, NULL) == DAE_ERROR_ARGUMENT);
    assert(dae_tencode_u8(&event, 1, WIDTH, HEIGHT, black, NULL, BYTES, NULL) == DAE_ERROR_ARGUMENT);
    assert(dae_tencode_u8(&event, 1, 0, HEIGHT, black, image, BYTES, NULL) == DAE_ERROR_ARGUMENT);
    assert(dae_tencode_u8(&event, 1, WIDTH, HEIGHT, none, image, BYTES, NULL) == DAE_ERROR_ARGUMENT);
    assert(dae_tencode_u8(&event, 1, WIDTH, HEIGHT, black, image, BYTES - 1, NULL) == DAE_ERROR_BUFFER);
    assert(dae_tencode_u8(&event, 1, 65535, 65535, black, image, BYTES, NULL) == DAE_ERROR_BUFFER);
    assert(dae_tencode_u8(NULL, 0, WIDTH, HEIGHT, black, image, BYTES, NULL) == DAE_OK);
    assert(dae_tencode_f32(NULL, 1, WIDTH, HEIGHT, black, floats, BYTES, NULL) == DAE_ERROR_ARGUMENT);
    assert(dae_tencode_f32(&event, 1, WIDTH, 0, black, floats, BYTES, NULL) == DAE_ERROR_ARGUMENT);
    assert(dae_tencode_f32(&event, 1, WIDTH, HEIGHT, none, floats, BYTES, NULL) == DAE_ERROR_ARGUMENT);
    assert(dae_tencode_f32(&event, 1, WIDTH, HEIGHT, black, floats, BYTES - 1, NULL) == DAE_ERROR_BUFFER);
    assert(dae_voxel_grid(&event, 1, 0, WIDTH, HEIGHT, floats, BYTES, NULL) == DAE_ERROR_ARGUMENT);
    assert(dae_voxel_grid(&event, 1, 3, WIDTH, HEIGHT, NULL, BYTES, NULL) == DAE_ERROR_ARGUMENT);
    assert(dae_voxel_grid(&event, 1, 4, WIDTH, HEIGHT, floats, BYTES, NULL) == DAE_ERROR_BUFFER);
    assert(dae_voxel_grid(&event, 1, 65535, 65535, 65535, floats, BYTES, NULL) == DAE_ERROR_BUFFER);
    assert(dae_voxel_grid(&event, 1, 3, WIDTH, HEIGHT, floats, BYTES, NULL) == DAE_OK);
}

static void a_window_is_ready_only_until_the_next_call(void)
{
    const struct dae_event events[] = {{0, 0, 0, 1}, {100, 1, 1, 1}};
    struct dae_encoder *encoder = make(small());
    struct dae_window window;
    uint8_t image[BYTES];
    float floats[BYTES];
    size_t used;
    assert(dae_encoder_window(encoder, &window) == DAE_ERROR_STATE);
    assert(dae_encoder_render_u8(encoder, image, BYTES) == DAE_ERROR_STATE);
    assert(dae_encoder_push(encoder, events, 2, &used) == DAE_WINDOW && used == 1);
    assert(dae_encoder_render_u8(encoder, image, BYTES - 1) == DAE_ERROR_BUFFER);
    assert(dae_encoder_render_f32(encoder, floats, BYTES - 1) == DAE_ERROR_BUFFER);
    assert(dae_encoder_push(encoder, NULL, 0, &used) == DAE_OK);
    assert(dae_encoder_render_f32(encoder, floats, BYTES) == DAE_ERROR_STATE);
    dae_encoder_reset(encoder);
    assert(dae_encoder_push(encoder, events, 2, &used) == DAE_WINDOW && used == 1);
    check_images(encoder, events, 1, DAE_BACKGROUND_BLACK);
    struct dae_encoder_counters counters;
    dae_encoder_counters(encoder, &counters);
    assert(counters.events == 1 && counters.windows == 1);
    dae_encoder_free(encoder);
}

/* ---- snapshots ---- */

/* After every event of a stream with a gap, a step back and a flush: another encoder takes over. */
static void a_snapshot_goes_on_anywhere(struct dae_encoder_params params)
{
    const struct dae_event events[] = {{0, 0, 0, 1},    {30, 1, 0, 1},    {60, 2, 0, 1},   {120, 0, 0, 0},
                                       {190, 1, 1, 1},  {5000, 0, 2, 1},  {5001, 0, 2, 0}, {3000, 1, 2, 1},
                                       {3050, 2, 2, 1}, {3200, 3, 2, 1},  {3201, 3, 1, 0}, {3290, 4, 0, 1}};
    struct dae_encoder *whole = make(params), *relay = make(params);
    const size_t size = dae_encoder_snapshot_size(whole);
    uint8_t *snapshot = malloc(size);
    assert(snapshot);
    for (size_t at = 0, used, other; at < COUNT(events); at += used) {
        const int status = at == 10 ? dae_encoder_flush(whole) : dae_encoder_push(whole, events + at, 1, &used);
        assert(status == (at == 10 ? dae_encoder_flush(relay) : dae_encoder_push(relay, events + at, 1, &other)));
        if (at == 10)
            used = 1;
        assert(dae_encoder_save(relay, snapshot, size - 1) == DAE_ERROR_BUFFER);
        assert(dae_encoder_save(relay, snapshot, size) == DAE_OK);
        dae_encoder_free(relay);
        relay = make(params);
        assert(dae_encoder_load(relay, snapshot, size - 1) == DAE_ERROR_STATE);
        assert(dae_encoder_load(relay, snapshot, size) == DAE_OK);
        if (status == DAE_WINDOW) {
            uint8_t a[BYTES], b[BYTES];
            assert(dae_encoder_render_u8(whole, a, BYTES) == DAE_OK);
            assert(dae_encoder_render_u8(relay, b, BYTES) == DAE_OK);
            assert(!memcmp(a, b, BYTES));
        }
    }
    params.max_gap_us++;
    struct dae_encoder *stranger = make(params);
    assert(dae_encoder_load(stranger, snapshot, size) == DAE_ERROR_STATE);
    dae_encoder_free(whole);
    dae_encoder_free(relay);
    dae_encoder_free(stranger);
    free(snapshot);
}

/* The clock may run ahead of what a cell can hold, until the next event. */
static void a_snapshot_after_a_long_silence_loads(void)
{
    struct dae_encoder_params params = small();
    params.window_us = (1 << 29) + 1000;
    params.max_gap_us = (int64_t)1 << 40;
    struct dae_encoder *encoder = make(params), *other = make(params);
    const int64_t late = ((int64_t)1 << 31) - 10;
    const struct dae_event events[] = {{0, 0, 0, 1}, {late, 1, 1, 1}, {late + 70, 2, 2, 0}};
    const size_t size = dae_encoder_snapshot_size(encoder);
    uint8_t *snapshot = malloc(size);
    size_t used, windows = 0;
    assert(snapshot);
    for (size_t at = 0; at < 2; at += used)
        windows += dae_encoder_push(encoder, events + at, 2 - at, &used) == DAE_WINDOW;
    assert(windows == 3);
    assert(dae_encoder_advance(encoder, late + 60) == DAE_OK);
    assert(dae_encoder_save(encoder, snapshot, size) == DAE_OK && dae_encoder_load(other, snapshot, size) == DAE_OK);
    assert(dae_encoder_push(other, events + 2, 1, &used) == DAE_OK && dae_encoder_flush(other) == DAE_WINDOW);
    check_images(other, events + 1, 2, DAE_BACKGROUND_BLACK);
    dae_encoder_free(encoder);
    dae_encoder_free(other);
    free(snapshot);
}

static void snapshots_by_time_and_by_count(void)
{
    struct dae_encoder_params params = small();
    params.hop_us = 30;
    a_snapshot_goes_on_anywhere(params);
    params.window_events = 3;
    a_snapshot_goes_on_anywhere(params);
    params.hop_events = 2;
    a_snapshot_goes_on_anywhere(params);
}

int main(void)
{
    windows_by_time_hold_the_events_from_start_to_before_end();
    windows_by_time_may_overlap();
    the_grid_of_an_origin_reaches_to_both_sides_of_it();
    windows_by_count_hold_that_many_events();
    a_gap_ends_the_window_and_starts_a_new_grid();
    a_silence_of_at_most_the_gap_gives_empty_windows();
    a_long_step_back_starts_a_new_grid();
    a_short_step_back_is_clamped();
    times_beyond_any_clock_are_dropped();
    time_alone_closes_windows();
    colors_are_polarity_and_age();
    levels_are_the_floats_rounded_half_to_even();
    what_cannot_be_is_refused_at_init();
    what_is_not_used_does_no_harm();
    null_is_refused_or_nothing();
    arrays_are_checked_like_objects();
    a_window_is_ready_only_until_the_next_call();
    a_snapshot_after_a_long_silence_loads();
    snapshots_by_time_and_by_count();
    return 0;
}
