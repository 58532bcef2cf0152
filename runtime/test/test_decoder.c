/* Decoders against words written by hand: each rule of dae.h by a case that states every event and every counter.
 *
 * Each case is decoded with the bytes cut in two at every position and in pieces of 1 to 9 bytes, into buffers of the
 * smallest size and larger ones: events and counters must always be the same. */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>  /* fprintf */
#include <stdlib.h> /* malloc, free */
#include <string.h> /* memcmp, memset */

#include "dae.h"

#define WIDTH 64
#define HEIGHT 48
#define MOST_EVENTS 1024
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- words ---- */

#define Y(y) (uint16_t)(0x0000 | (y))
#define X(x, on) (uint16_t)(0x2000 | (on) << 11 | (x))
#define BASE(x, on) (uint16_t)(0x3000 | (on) << 11 | (x))
#define V12(mask) (uint16_t)(0x4000 | (mask))
#define V8(mask) (uint16_t)(0x5000 | (mask))
#define LOW(t) (uint16_t)(0x6000 | (t))
#define HIGH(t) (uint16_t)(0x8000 | (t))
#define AT(high, low) (((int64_t)(high) << 12) + (low))

#define CD2(type, t, x, y) ((uint32_t)(type) << 28 | (uint32_t)(t) << 22 | (uint32_t)(x) << 11 | (uint32_t)(y))
#define HIGH2(t) (0x80000000u | (t))
#define HIGH4(t) (0xE0000000u | (t))
#define WORD21(word, mask) ((uint64_t)(word) << 32 | (uint32_t)(mask))
#define DAT(t, x, y, on) ((uint64_t)((uint32_t)(on) << 28 | (uint32_t)(y) << 14 | (uint32_t)(x)) << 32 | (uint32_t)(t))

/* ---- the check ---- */

struct outcome {
    struct dae_event events[MOST_EVENTS];
    size_t count;
    struct dae_decoder_counters counters;
};

static void feed(struct dae_decoder *decoder, const uint8_t *bytes, size_t n, size_t capacity,
                 struct outcome *outcome)
{
    struct dae_event *buffer = malloc(capacity * sizeof *buffer); /* exact: sanitizers watch it */
    assert(buffer);
    for (size_t at = 0; at < n;) {
        size_t used = 0, count = 0;
        assert(dae_decoder_decode(decoder, bytes + at, n - at, &used, buffer, capacity, &count) == DAE_OK);
        assert(used > 0 && used <= n - at && count <= capacity);
        assert(outcome->count + count <= MOST_EVENTS);
        memcpy(outcome->events + outcome->count, buffer, count * sizeof *buffer);
        outcome->count += count;
        at += used;
    }
    free(buffer);
}

static struct dae_decoder *make(enum dae_format format)
{
    struct dae_decoder_params params = dae_decoder_default_params();
    params.format = format;
    params.width = WIDTH;
    params.height = HEIGHT;
    struct dae_decoder *decoder = NULL;
    assert(dae_decoder_init(&params, &decoder) == DAE_OK);
    return decoder;
}

/* Decode in pieces: `cut` bytes, then the rest; or, with step, pieces of so many bytes. */
static void run(enum dae_format format, const uint8_t *bytes, size_t n, size_t cut, size_t step, size_t capacity,
                struct outcome *outcome)
{
    memset(outcome, 0, sizeof *outcome);
    struct dae_decoder *decoder = make(format);
    if (step) {
        for (size_t at = 0; at < n; at += step)
            feed(decoder, bytes + at, n - at < step ? n - at : step, capacity, outcome);
    } else {
        feed(decoder, bytes, cut, capacity, outcome);
        feed(decoder, bytes + cut, n - cut, capacity, outcome);
    }
    dae_decoder_counters(decoder, &outcome->counters);
    dae_decoder_free(decoder);
}

static void compare(const char *name, const struct outcome *outcome, const struct dae_event *events, size_t count,
                    const struct dae_decoder_counters *counters)
{
    for (size_t i = 0; i < outcome->count && i < count; i++)
        if (memcmp(&outcome->events[i], &events[i], sizeof *events)) {
            const struct dae_event *got = &outcome->events[i];
            fprintf(stderr, "%s: event %zu is t %lld x %d y %d on %d\n", name, i, (long long)got->t, got->x, got->y,
                    got->on);
            abort();
        }
    if (outcome->count != count)
        fprintf(stderr, "%s: %zu events, wanted %zu\n", name, outcome->count, count);
    assert(outcome->count == count);
    const uint64_t *got = (const uint64_t *)&outcome->counters, *wanted = (const uint64_t *)counters;
    for (size_t i = 0; i < sizeof *counters / sizeof *got; i++)
        if (got[i] != wanted[i]) {
            fprintf(stderr, "%s: counter %zu of the struct is %llu, wanted %llu\n", name, i,
                    (unsigned long long)got[i], (unsigned long long)wanted[i]);
            abort();
        }
}

static void check_bytes(const char *name, enum dae_format format, size_t word_size, const uint8_t *bytes, size_t n,
                        const struct dae_event *events, size_t count, struct dae_decoder_counters counters)
{
    static struct outcome outcome;
    counters.words = n / word_size;
    counters.bytes = n / word_size * word_size;
    counters.events = count;
    static const size_t capacities[] = {DAE_DECODER_MIN_CAPACITY, DAE_DECODER_MIN_CAPACITY + 1, 200};
    for (size_t i = 0; i < COUNT(capacities); i++) {
        for (size_t cut = 0; cut <= n; cut++) {
            run(format, bytes, n, cut, 0, capacities[i], &outcome);
            compare(name, &outcome, events, count, &counters);
        }
        for (size_t step = 1; step <= 9; step++) {
            run(format, bytes, n, 0, step, capacities[i], &outcome);
            compare(name, &outcome, events, count, &counters);
        }
    }
}

static uint8_t *little_endian(const void *words, size_t n, size_t word_size)
{
    uint8_t *bytes = malloc(n * word_size);
    assert(bytes);
    for (size_t i = 0; i < n; i++) {
        uint64_t word = word_size == 2   ? ((const uint16_t *)words)[i]
                        : word_size == 4 ? ((const uint32_t *)words)[i]
                                         : ((const uint64_t *)words)[i];
        for (size_t k = 0; k < word_size; k++)
            bytes[i * word_size + k] = (uint8_t)(word >> 8 * k);
    }
    return bytes;
}

static void check_words(const char *name, enum dae_format format, const void *words, size_t n, size_t word_size,
                        const struct dae_event *events, size_t count, struct dae_decoder_counters counters)
{
    uint8_t *bytes = little_endian(words, n, word_size);
    check_bytes(name, format, word_size, bytes, n * word_size, events, count, counters);
    free(bytes);
}

/* CHECK(format, words, events, counters that are not 0 besides bytes, words and events; or 0) */
#define CHECK(format, words, events, ...)                                                                              \
    check_words(__func__, format, words, COUNT(words), sizeof *(words), events, COUNT(events),                         \
                (struct dae_decoder_counters){__VA_ARGS__})
#define CHECK_NO_EVENTS(format, words, ...)                                                                            \
    check_words(__func__, format, words, COUNT(words), sizeof *(words), NULL, 0,                                       \
                (struct dae_decoder_counters){__VA_ARGS__})

/* ---- EVT3: words ---- */

static void rows_and_single_events(void)
{
    const uint16_t words[] = {HIGH(1), LOW(5), Y(7), X(3, 1), X(4, 0), Y(0x800 | 47), X(63, 1), Y(1), Y(2), X(0, 0)};
    const struct dae_event events[] = {
        {AT(1, 5), 3, 7, 1}, {AT(1, 5), 4, 7, 0}, {AT(1, 5), 63, 47, 1}, {AT(1, 5), 0, 2, 0}};
    CHECK(DAE_FORMAT_EVT3, words, events, 0);
}

static void a_new_time_high_starts_at_low_zero_and_a_repeated_one_keeps_low(void)
{
    const uint16_t words[] = {HIGH(1), Y(0), X(1, 1), LOW(9), HIGH(1), X(2, 1), HIGH(2), X(3, 1), LOW(1), X(4, 1)};
    const struct dae_event events[] = {
        {AT(1, 0), 1, 0, 1}, {AT(1, 9), 2, 0, 1}, {AT(2, 0), 3, 0, 1}, {AT(2, 1), 4, 0, 1}};
    CHECK(DAE_FORMAT_EVT3, words, events, 0);
}

static void a_group_of_vectors_gives_its_bits_from_low_to_high(void)
{
    const uint16_t words[] = {HIGH(1), Y(5), BASE(10, 1), V12(0x803), V12(0x001), V8(0x80)};
    const struct dae_event events[] = {{AT(1, 0), 10, 5, 1}, {AT(1, 0), 11, 5, 1}, {AT(1, 0), 21, 5, 1},
                                       {AT(1, 0), 22, 5, 1}, {AT(1, 0), 41, 5, 1}};
    CHECK(DAE_FORMAT_EVT3, words, events, 0);
}

static void the_base_moves_on_over_groups_and_single_events(void)
{
    const uint16_t words[] = {HIGH(1),   Y(5),      BASE(0, 0), V12(1), X(50, 1), V12(1),
                              V8(1),     V12(1),    V12(0),     V8(0),  X(0, 1),  V12(0x002),
                              V12(0),    V8(0),     BASE(4, 1), V12(1), V12(0),   V8(0),
                              V12(1),    V12(0),    V8(0)};
    const struct dae_event events[] = {{AT(1, 0), 0, 5, 0},  {AT(1, 0), 50, 5, 1}, {AT(1, 0), 12, 5, 0},
                                       {AT(1, 0), 24, 5, 0}, {AT(1, 0), 32, 5, 0}, {AT(1, 0), 0, 5, 1},
                                       {AT(1, 0), 4, 5, 1},  {AT(1, 0), 36, 5, 1}};
    CHECK(DAE_FORMAT_EVT3, words, events, .dropped_x = 1);
}

static void a_full_group_fills_the_smallest_buffer(void)
{
    const uint16_t words[] = {HIGH(1), Y(5), BASE(0, 1), V12(0xFFF), V12(0xFFF), V8(0xFF), BASE(32, 1), V12(0xFFF),
                              V12(0xFFF), V8(0xFF)};
    struct dae_event events[64];
    for (uint16_t i = 0; i < 64; i++)
        events[i] = (struct dae_event){AT(1, 0), i, 5, 1};
    CHECK(DAE_FORMAT_EVT3, words, events, 0);
}

static void partial_groups_are_decoded_word_by_word_and_counted(void)
{
    const uint16_t words[] = {HIGH(1),    Y(5),   BASE(0, 1),  V12(1), /* cut after one */
                              BASE(0, 1), V12(2), V12(1),              /* after two */
                              BASE(0, 1), V8(4),                       /* no V12 at all */
                              BASE(0, 1), V12(8), V8(1),               /* one V12 missing */
                              BASE(0, 1), V12(0), V12(0),      V12(1), V12(0), V8(1), BASE(3, 0)};
    const struct dae_event events[] = {{AT(1, 0), 0, 5, 1},  {AT(1, 0), 1, 5, 1}, {AT(1, 0), 12, 5, 1},
                                       {AT(1, 0), 2, 5, 1},  {AT(1, 0), 3, 5, 1}, {AT(1, 0), 12, 5, 1},
                                       {AT(1, 0), 24, 5, 1}, {AT(1, 0), 48, 5, 1}};
    CHECK(DAE_FORMAT_EVT3, words, events, .partial_vectors = 5);
}

static void events_right_of_the_sensor_are_dropped_one_by_one(void)
{
    const uint16_t words[] = {HIGH(1), Y(5),   X(63, 1), X(64, 1), X(2047, 1), BASE(60, 1), V12(0x839),
                              V12(3),  V8(1),  BASE(2047, 1), V12(1), V12(0), V8(0x80)};
    const struct dae_event events[] = {{AT(1, 0), 63, 5, 1}, {AT(1, 0), 60, 5, 1}, {AT(1, 0), 63, 5, 1}};
    CHECK(DAE_FORMAT_EVT3, words, events, .dropped_x = 2 + 3 + 2 + 1 + 2);
}

static void rows_below_the_sensor_are_dropped_with_all_their_events(void)
{
    const uint16_t words[] = {HIGH(1), Y(48), X(1, 1), X(64, 1), BASE(0, 1), V12(7), V12(0), V8(0), Y(2047), X(1, 1),
                              Y(47),   X(1, 1)};
    const struct dae_event events[] = {{AT(1, 0), 1, 47, 1}};
    CHECK(DAE_FORMAT_EVT3, words, events, .dropped_y = 6);
}

static void events_before_time_row_or_base_are_dropped(void)
{
    const uint16_t words[] = {LOW(77),  X(1, 1), Y(1), X(1, 1), BASE(0, 1), V12(3), V12(0), V8(1),
                              HIGH(1),  X(2, 1)};
    const struct dae_event events[] = {{AT(1, 0), 2, 1, 1}};
    CHECK(DAE_FORMAT_EVT3, words, events, .dropped_before_time = 5);
    const uint16_t no_row[] = {HIGH(1), LOW(1), X(1, 1), BASE(0, 0), V12(7), V12(0), V8(0), Y(2), X(2, 1)};
    const struct dae_event after_row[] = {{AT(1, 1), 2, 2, 1}};
    CHECK(DAE_FORMAT_EVT3, no_row, after_row, .dropped_before_y = 4);
    const uint16_t no_base[] = {HIGH(1), Y(3), V12(7), V12(0), V8(1), BASE(0, 0), V12(1), V12(0), V8(0)};
    const struct dae_event after_base[] = {{AT(1, 0), 0, 3, 0}};
    CHECK(DAE_FORMAT_EVT3, no_base, after_base, .dropped_before_y = 4);
}

static void other_words_are_counted_by_kind(void)
{
    const uint16_t words[] = {HIGH(1), 0x1000, 0xB001, 0xCFFF, 0xD000, 0x9999, 0x9000, 0xA001, 0xA101, 0xE014,
                              0xF123,  0x7004, 0xE016, Y(0),   X(1, 1)};
    const struct dae_event events[] = {{AT(1, 0), 1, 0, 1}};
    CHECK(DAE_FORMAT_EVT3, words, events, .reserved_words = 4, .padding_words = 2, .triggers = 2, .other_words = 4);
}

static void the_odd_byte_at_the_end_is_no_word(void)
{
    const uint16_t words[] = {HIGH(1), Y(5), X(1, 1), X(2, 1)};
    const struct dae_event events[] = {{AT(1, 0), 1, 5, 1}};
    uint8_t *bytes = little_endian(words, COUNT(words), sizeof *words);
    check_bytes(__func__, DAE_FORMAT_EVT3, 2, bytes, sizeof words - 1, events, 1, (struct dae_decoder_counters){0});
    free(bytes);
}

/* ---- EVT3: time ---- */

static void the_clock_wraps(void)
{
    const uint16_t words[] = {HIGH(4095), Y(0), LOW(4095), X(1, 1), HIGH(0), X(2, 1), HIGH(200), X(3, 1), HIGH(100),
                              X(4, 1)};
    const struct dae_event events[] = {{AT(4095, 4095), 1, 0, 1}, {AT(4096, 0), 2, 0, 1}, {AT(4296, 0), 3, 0, 1}};
    CHECK(DAE_FORMAT_EVT3, words, events, .time_wraps = 1, .time_glitches = 1, .dropped_glitch = 1);
}

static void a_drop_of_half_the_range_is_a_wrap_and_less_is_not(void)
{
    const uint16_t wrap[] = {HIGH(3000), HIGH(3000), Y(0), X(1, 1), HIGH(952), X(2, 1), HIGH(952), X(3, 1)};
    const struct dae_event wrapped[] = {{AT(3000, 0), 1, 0, 1}, {AT(4096 + 952, 0), 3, 0, 1}};
    CHECK(DAE_FORMAT_EVT3, wrap, wrapped, .time_wraps = 1, .time_glitches = 1 + 1, .dropped_glitch = 1);
    const uint16_t back[] = {HIGH(3000), HIGH(3000), Y(0), X(1, 1), HIGH(953), X(2, 1), HIGH(953), X(3, 1)};
    const struct dae_event kept[] = {{AT(3000, 0), 1, 0, 1}};
    CHECK(DAE_FORMAT_EVT3, back, kept, .time_glitches = 2, .dropped_glitch = 2);
}

static void a_step_back_drops_events_until_the_time_recovers(void)
{
    const uint16_t words[] = {HIGH(100), HIGH(100), Y(0),   LOW(50), X(1, 1), HIGH(99), X(2, 1), LOW(7), BASE(0, 1),
                              V12(3),    V12(0),    V8(0),  HIGH(100), X(3, 1), LOW(60), X(4, 1)};
    const struct dae_event events[] = {{AT(100, 50), 1, 0, 1}, {AT(100, 50), 3, 0, 1}, {AT(100, 60), 4, 0, 1}};
    CHECK(DAE_FORMAT_EVT3, words, events, .time_glitches = 1, .dropped_glitch = 3);
}

static void a_spike_ahead_never_moves_the_clock(void)
{
    const uint16_t words[] = {HIGH(100), HIGH(100), Y(0), X(1, 1), HIGH(3000), X(2, 1), HIGH(100), X(3, 1), HIGH(357),
                              X(4, 1),   HIGH(101), X(5, 1)};
    const struct dae_event events[] = {{AT(100, 0), 1, 0, 1}, {AT(100, 0), 3, 0, 1}, {AT(101, 0), 5, 0, 1}};
    CHECK(DAE_FORMAT_EVT3, words, events, .time_glitches = 2, .dropped_glitch = 2);
}

static void a_step_ahead_up_to_a_second_is_believed_at_once(void)
{
    const uint16_t words[] = {HIGH(100), Y(0), HIGH(356), X(1, 1)};
    const struct dae_event events[] = {{AT(356, 0), 1, 0, 1}};
    CHECK(DAE_FORMAT_EVT3, words, events, 0);
}

static void a_longer_step_ahead_is_believed_when_the_next_agrees(void)
{
    const uint16_t words[] = {HIGH(100), Y(0), HIGH(1000), X(1, 1), HIGH(1002), X(2, 1), HIGH(1003), X(3, 1)};
    const struct dae_event events[] = {{AT(1003, 0), 3, 0, 1}};
    CHECK(DAE_FORMAT_EVT3, words, events, .time_glitches = 3, .dropped_glitch = 2);
}

static void two_time_words_outvote_a_wrong_first_one(void)
{
    const uint16_t silent[] = {HIGH(3000), HIGH(1000), HIGH(1000), Y(0), X(1, 1), HIGH(1001), X(2, 1)};
    const struct dae_event from_start[] = {{AT(1000, 0), 1, 0, 1}, {AT(1001, 0), 2, 0, 1}};
    CHECK(DAE_FORMAT_EVT3, silent, from_start, .time_glitches = 2, .time_resets = 1);
    const uint16_t busy[] = {Y(0), HIGH(3000), LOW(5), X(1, 1), HIGH(1000), X(2, 1), HIGH(1001), LOW(2), X(3, 1)};
    const struct dae_event goes_on[] = {{AT(3000, 5), 1, 0, 1}, {AT(3000, 7), 3, 0, 1}};
    CHECK(DAE_FORMAT_EVT3, busy, goes_on, .time_glitches = 2, .time_resets = 1, .dropped_glitch = 1);
}

static void a_sensor_that_starts_anew_is_followed_after_128_time_words(void)
{
    uint16_t words[4 + 2 * 128 + 4] = {HIGH(2000), HIGH(2000), Y(0), X(1, 1)};
    for (uint16_t i = 0; i < 128; i++) {
        words[4 + 2 * i] = HIGH(500 + 2 * i);
        words[5 + 2 * i] = X(2, 1);
    }
    words[260] = LOW(3);
    words[261] = X(3, 1);
    words[262] = HIGH(755);
    words[263] = X(4, 1);
    const struct dae_event events[] = {
        {AT(2000, 0), 1, 0, 1}, {AT(2000, 0), 2, 0, 1}, {AT(2000, 3), 3, 0, 1}, {AT(2001, 0), 4, 0, 1}};
    CHECK(DAE_FORMAT_EVT3, words, events, .time_glitches = 128, .time_resets = 1, .dropped_glitch = 127);
}

static void a_time_low_that_steps_back_is_clamped_to_the_last_event(void)
{
    const uint16_t words[] = {HIGH(1), Y(0), LOW(100), X(1, 1), LOW(90), X(2, 1), LOW(101), X(3, 1)};
    const struct dae_event events[] = {{AT(1, 100), 1, 0, 1}, {AT(1, 100), 2, 0, 1}, {AT(1, 101), 3, 0, 1}};
    CHECK(DAE_FORMAT_EVT3, words, events, .time_glitches = 1);
    const uint16_t between[] = {HIGH(1), Y(0), LOW(80), X(1, 1), LOW(107), LOW(96), X(2, 1)};
    const struct dae_event exact[] = {{AT(1, 80), 1, 0, 1}, {AT(1, 96), 2, 0, 1}};
    CHECK(DAE_FORMAT_EVT3, between, exact, 0);
}

/* ---- EVT2, EVT2.1, EVT4, DAT ---- */

static void evt2_events_and_edges(void)
{
    const uint32_t words[] = {CD2(1, 0, 1, 1), HIGH2(2), CD2(1, 5, 63, 47), CD2(0, 63, 2, 3), CD2(0, 63, 64, 3),
                              CD2(0, 63, 3, 48), CD2(1, 63, 2047, 2047)};
    const struct dae_event events[] = {{128 + 5, 63, 47, 1}, {128 + 63, 2, 3, 0}};
    CHECK(DAE_FORMAT_EVT2, words, events, .dropped_before_time = 1, .dropped_x = 1, .dropped_y = 2);
}

static void evt2_other_words(void)
{
    const uint32_t words[] = {HIGH2(1),    0xA0000001u, 0xD0000000u, 0xE0000014u, 0xF0000000u,
                              0x20000000u, 0x70000000u, 0x90000000u, 0xC0000000u};
    CHECK_NO_EVENTS(DAE_FORMAT_EVT2, words, .triggers = 1, .other_words = 3, .reserved_words = 4);
}

static void evt2_time_wraps_glitches_and_clamps(void)
{
    const uint32_t last = 0xFFFFFFF;
    const int64_t wrap = (int64_t)1 << 34;
    const uint32_t words[] = {HIGH2(last),     HIGH2(last),     CD2(1, 9, 1, 0), CD2(1, 8, 2, 0), HIGH2(0),
                              CD2(1, 0, 3, 0), HIGH2(last),     CD2(1, 0, 4, 0), HIGH2(0x8000),   CD2(1, 0, 5, 0),
                              HIGH2(1),        CD2(1, 0, 6, 0), HIGH2(0x8000),   CD2(1, 0, 7, 0), HIGH2(0x8040),
                              CD2(1, 0, 8, 0)};
    const struct dae_event events[] = {{wrap - 64 + 9, 1, 0, 1}, {wrap - 64 + 9, 2, 0, 1}, {wrap, 3, 0, 1},
                                       {wrap + 64, 6, 0, 1},     {wrap + 0x8040 * 64, 8, 0, 1}};
    CHECK(DAE_FORMAT_EVT2, words, events, .time_wraps = 1, .time_glitches = 1 + 2 + 2, .dropped_glitch = 3);
}

static void evt21_vectors_in_both_orders(void)
{
    uint64_t words[] = {WORD21(HIGH2(1), 0xFFFFFFFF), WORD21(CD2(1, 3, 0, 4), 0x80000001),
                        WORD21(CD2(0, 4, 60, 4), 0x30000019), WORD21(CD2(1, 5, 64, 4), 3), WORD21(CD2(1, 5, 1, 48), 7),
                        WORD21(CD2(1, 5, 1, 4), 0), WORD21(0xA0000000u, 1), WORD21(0xE0000000u, 1),
                        WORD21(0x30000000u, 1)};
    const struct dae_event events[] = {{67, 0, 4, 1}, {67, 31, 4, 1}, {68, 60, 4, 0}, {68, 63, 4, 0}};
    CHECK(DAE_FORMAT_EVT21, words, events, .dropped_x = 3 + 2, .dropped_y = 3, .triggers = 1, .other_words = 1,
          .reserved_words = 1);
    for (size_t i = 0; i < COUNT(words); i++)
        words[i] = words[i] << 32 | words[i] >> 32;
    CHECK(DAE_FORMAT_EVT21_LEGACY, words, events, .dropped_x = 3 + 2, .dropped_y = 3, .triggers = 1, .other_words = 1,
          .reserved_words = 1);
}

static void a_full_evt21_word_fills_the_smallest_buffer(void)
{
    const uint64_t words[] = {WORD21(HIGH2(1), 0), WORD21(CD2(1, 0, 32, 1), 0xFFFFFFFF),
                              WORD21(CD2(1, 0, 0, 1), 0xFFFFFFFF)};
    struct dae_event events[64];
    for (uint16_t i = 0; i < 64; i++)
        events[i] = (struct dae_event){64, (uint16_t)((i + 32) % 64), 1, 1};
    CHECK(DAE_FORMAT_EVT21, words, events, 0);
}

static void evt4_masks_follow_their_vector_whatever_they_look_like(void)
{
    const uint32_t words[] = {CD2(0xC, 0, 0, 0), 0xE0000009u, HIGH4(1), CD2(0xA, 1, 2, 3), CD2(0xB, 2, 63, 47),
                              CD2(0xD, 3, 4, 5), 0xE0000001u, CD2(0xC, 3, 62, 5), 0xFFFFFFFFu, CD2(0xB, 4, 0, 48),
                              0xFFFFFFFFu, 0x90000001u, 0x60000014u, 0x70000000u, 0x00000000u, 0x80000000u,
                              CD2(0xD, 5, 0, 0)};
    const struct dae_event events[] = {{65, 2, 3, 0},  {66, 63, 47, 1}, {67, 4, 5, 1},  {67, 33, 5, 1},
                                       {67, 34, 5, 1}, {67, 35, 5, 1},  {67, 62, 5, 0}, {67, 63, 5, 0}};
    CHECK(DAE_FORMAT_EVT4, words, events, .dropped_before_time = 5, .dropped_x = 30, .dropped_y = 1,
          .padding_words = 1, .triggers = 1, .other_words = 2, .reserved_words = 2);
}

static void dat_events_wraps_and_steps_back(void)
{
    const uint64_t words[] = {DAT(0xFFFFFFF0u, 1, 2, 1), DAT(0xFFFFFFF1u, 64, 2, 0), DAT(0xFFFFFFF1u, 1, 48, 0),
                              DAT(5, 63, 47, 0),         DAT(4, 3, 4, 15),            DAT(0xFFFFF000u, 5, 6, 1),
                              DAT(6, 7, 8, 0)};
    const struct dae_event events[] = {
        {0xFFFFFFF0, 1, 2, 1}, {0x100000005, 63, 47, 0}, {0x100000005, 3, 4, 1}, {0x100000006, 7, 8, 0}};
    CHECK(DAE_FORMAT_DAT, words, events, .time_wraps = 1, .time_glitches = 2, .dropped_glitch = 1, .dropped_x = 1,
          .dropped_y = 1);
}

static void dat_clamps_a_small_step_back_and_drops_a_larger_one(void)
{
    const uint64_t words[] = {DAT(10000, 1, 0, 1), DAT(10000, 2, 0, 1), DAT(5904, 3, 0, 1), DAT(5903, 4, 0, 1),
                              DAT(10001, 5, 0, 1)};
    const struct dae_event events[] = {{10000, 1, 0, 1}, {10000, 2, 0, 1}, {10000, 3, 0, 1}, {10001, 5, 0, 1}};
    CHECK(DAE_FORMAT_DAT, words, events, .time_glitches = 2, .dropped_glitch = 1);
}

static void dat_silence_costs_one_event(void)
{
    const uint64_t words[] = {DAT(10, 1, 0, 1), DAT(11, 1, 0, 1), DAT(9000000, 2, 0, 1), DAT(9900000, 3, 0, 1)};
    const struct dae_event events[] = {{10, 1, 0, 1}, {11, 1, 0, 1}, {9900000, 3, 0, 1}};
    CHECK(DAE_FORMAT_DAT, words, events, .time_glitches = 2, .dropped_glitch = 1);
}

static void dat_events_outside_the_sensor_are_no_witnesses_of_time(void)
{
    const uint64_t text = 0x2020202020202020u; /* eight blanks: x 8224, y 128, and two agree */
    const uint64_t words[] = {text, DAT(10, 1, 0, 1), DAT(11, 1, 0, 1), text, text, UINT64_MAX, UINT64_MAX,
                              DAT(12, 2, 0, 1)};
    const struct dae_event events[] = {{10, 1, 0, 1}, {11, 1, 0, 1}, {12, 2, 0, 1}};
    CHECK(DAE_FORMAT_DAT, words, events, .dropped_y = 5);
}

static void dat_zeros_are_padding_once_the_clock_runs(void)
{
    uint64_t words[2 + 200 + 1] = {0, DAT(900000, 1, 0, 1)};
    words[202] = DAT(900001, 2, 0, 1);
    const struct dae_event events[] = {{0, 0, 0, 0}, {900000, 1, 0, 1}, {900001, 2, 0, 1}};
    CHECK(DAE_FORMAT_DAT, words, events, .padding_words = 200);
}

/* ---- the object ---- */

static void reset_forgets_all_but_the_counters(void)
{
    const uint16_t before[] = {HIGH(9), Y(5), X(1, 1), BASE(0, 1), V12(0)}, after[] = {X(1, 1), HIGH(3), X(2, 1), Y(1),
                                                                                      V12(1), X(3, 0)};
    uint8_t *bytes = little_endian(before, COUNT(before), 2), *more = little_endian(after, COUNT(after), 2);
    static struct outcome outcome;
    memset(&outcome, 0, sizeof outcome);
    struct dae_decoder *decoder = make(DAE_FORMAT_EVT3);
    feed(decoder, bytes, sizeof before, 64, &outcome);
    feed(decoder, bytes, 1, 64, &outcome); /* an unfinished word */
    dae_decoder_reset(decoder);
    feed(decoder, more, sizeof after, 64, &outcome);
    dae_decoder_counters(decoder, &outcome.counters);
    const struct dae_event events[] = {{AT(9, 0), 1, 5, 1}, {AT(3, 0), 3, 1, 0}};
    const struct dae_decoder_counters counters = {
        .bytes = 22, .words = 11, .events = 2, .dropped_before_time = 1, .dropped_before_y = 2};
    compare(__func__, &outcome, events, COUNT(events), &counters);
    dae_decoder_free(decoder);
    free(bytes);
    free(more);
}

static void bad_arguments_are_refused(void)
{
    struct dae_decoder *decoder = (struct dae_decoder *)1;
    struct dae_decoder_params params = dae_decoder_default_params();
    assert(dae_decoder_init(&params, &decoder) == DAE_ERROR_ARGUMENT && !decoder); /* no sensor size */
    params.width = params.height = 8;
    assert(dae_decoder_init(&params, NULL) == DAE_ERROR_ARGUMENT);
    assert(dae_decoder_init(NULL, &decoder) == DAE_ERROR_ARGUMENT);
    params.format = (enum dae_format)7;
    assert(dae_decoder_init(&params, &decoder) == DAE_ERROR_ARGUMENT);
    params.format = DAE_FORMAT_DAT;
    params.width = 16385;
    assert(dae_decoder_init(&params, &decoder) == DAE_ERROR_ARGUMENT);
    params.width = 16384;
    params.struct_size = 0;
    assert(dae_decoder_init(&params, &decoder) == DAE_ERROR_ARGUMENT);
    dae_decoder_free(NULL);

    decoder = make(DAE_FORMAT_EVT3);
    struct dae_event events[DAE_DECODER_MIN_CAPACITY];
    size_t used = 9, count = 9;
    const uint8_t byte = 0;
    assert(dae_decoder_decode(decoder, &byte, 1, &used, events, DAE_DECODER_MIN_CAPACITY - 1, &count) ==
           DAE_ERROR_BUFFER);
    assert(used == 0 && count == 0);
    const size_t capacity = DAE_DECODER_MIN_CAPACITY;
    assert(dae_decoder_decode(decoder, NULL, 0, &used, events, capacity, &count) == DAE_OK);
    assert(dae_decoder_decode(NULL, &byte, 1, &used, events, capacity, &count) == DAE_ERROR_ARGUMENT);
    assert(dae_decoder_decode(decoder, NULL, 1, &used, events, capacity, &count) == DAE_ERROR_ARGUMENT);
    assert(dae_decoder_decode(decoder, &byte, 1, NULL, events, capacity, &count) == DAE_ERROR_ARGUMENT);
    assert(dae_decoder_decode(decoder, &byte, 1, &used, NULL, capacity, &count) == DAE_ERROR_ARGUMENT);
    assert(dae_decoder_decode(decoder, &byte, 1, &used, events, capacity, NULL) == DAE_ERROR_ARGUMENT);
    struct dae_decoder_counters counters = {.words = 1};
    dae_decoder_counters(decoder, NULL);
    dae_decoder_counters(NULL, &counters);
    assert(counters.words == 0);
    dae_decoder_reset(NULL);
    dae_decoder_free(decoder);
}

int main(void)
{
    rows_and_single_events();
    a_new_time_high_starts_at_low_zero_and_a_repeated_one_keeps_low();
    a_group_of_vectors_gives_its_bits_from_low_to_high();
    the_base_moves_on_over_groups_and_single_events();
    a_full_group_fills_the_smallest_buffer();
    partial_groups_are_decoded_word_by_word_and_counted();
    events_right_of_the_sensor_are_dropped_one_by_one();
    rows_below_the_sensor_are_dropped_with_all_their_events();
    events_before_time_row_or_base_are_dropped();
    other_words_are_counted_by_kind();
    the_odd_byte_at_the_end_is_no_word();
    the_clock_wraps();
    a_drop_of_half_the_range_is_a_wrap_and_less_is_not();
    a_step_back_drops_events_until_the_time_recovers();
    a_spike_ahead_never_moves_the_clock();
    a_step_ahead_up_to_a_second_is_believed_at_once();
    a_longer_step_ahead_is_believed_when_the_next_agrees();
    two_time_words_outvote_a_wrong_first_one();
    a_sensor_that_starts_anew_is_followed_after_128_time_words();
    a_time_low_that_steps_back_is_clamped_to_the_last_event();
    evt2_events_and_edges();
    evt2_other_words();
    evt2_time_wraps_glitches_and_clamps();
    evt21_vectors_in_both_orders();
    a_full_evt21_word_fills_the_smallest_buffer();
    evt4_masks_follow_their_vector_whatever_they_look_like();
    dat_events_wraps_and_steps_back();
    dat_clamps_a_small_step_back_and_drops_a_larger_one();
    dat_silence_costs_one_event();
    dat_events_outside_the_sensor_are_no_witnesses_of_time();
    dat_zeros_are_padding_once_the_clock_runs();
    reset_forgets_all_but_the_counters();
    bad_arguments_are_refused();
    return 0;
}
