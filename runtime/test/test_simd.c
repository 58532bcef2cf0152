/* Every vector unit that this machine has, and every layout of events, against the serial loops and packed events: the
 * same windows, the same counters, the same images to the last bit, at sizes that fit no vector. */
#undef NDEBUG
#include <assert.h>
#include <stdlib.h> /* malloc, free */
#include <string.h> /* memcmp, memset */

#include "../fuzz/fuzz.h"
#include "dae.h"

#define MOST 1500
#define MOST_PIXELS (131 * 67)
#define MOST_WINDOWS 400

struct sample { /* the same events in three layouts */
    size_t n;
    struct dae_event packed[MOST];
    struct dae_event_cd cd[MOST];
    int64_t t[MOST];
    uint16_t x[MOST], y[MOST];
    uint8_t on[MOST];
};

struct outcome {
    int windows;
    struct dae_window window[MOST_WINDOWS];
    uint8_t levels[MOST_WINDOWS]; /* of one pixel that moves from window to window */
    struct dae_encoder_counters counters;
    uint8_t u8[MOST_PIXELS * 3]; /* of the last window */
    float f32[MOST_PIXELS * 3];
    uint16_t f16[MOST_PIXELS * 3];
};

static const uint16_t SENSORS[][2] = {{131, 67}, {64, 64}, {17, 3}, {16, 1}, {7, 9}, {1, 1}};

/* Events mostly in the order of time, with steps back, gaps, and places outside the sensor now and then. */
static void fill(struct sample *sample, uint64_t seed, uint16_t width, uint16_t height)
{
    uint64_t random = fuzz_random_state(seed);
    int64_t t = (int64_t)(seed % 3) * 1000003 - 1000000;
    sample->n = seed % 11 == 0 ? seed % 40 : fuzz_random(&random) % MOST;
    const int is_wild = seed % 4 == 0;
    for (size_t i = 0; i < sample->n; i++) {
        const uint64_t what = fuzz_random(&random) >> 8;
        t += what % 5 == 0 ? (int64_t)(what >> 8 & 63) : 0;
        if (is_wild && (what >> 16) % 97 == 0) t -= (int64_t)(what >> 24 & 0xFFF);
        if (is_wild && (what >> 16) % 101 == 0) t += (int64_t)(what >> 24 & 0xFFFF);
        const uint16_t x = (uint16_t)((what >> 20) % (width + (is_wild ? 2u : 0u)));
        const uint16_t y = (uint16_t)((what >> 36) % (height + (is_wild ? 2u : 0u)));
        const uint8_t on = what >> 52 & 1;
        sample->packed[i] = (struct dae_event){t, x, y, on ? (uint8_t)(1 + i % 255) : 0};
        sample->cd[i] = (struct dae_event_cd){x, y, on ? (int16_t)(1 + i) : (int16_t) - (int)(i % 2), t};
        sample->t[i] = t;
        sample->x[i] = x;
        sample->y[i] = y;
        sample->on[i] = sample->packed[i].on;
    }
}

static struct dae_events events_of(const struct sample *sample, int layout)
{
    if (layout == DAE_LAYOUT_CD) return dae_events_cd(sample->cd, sample->n);
    if (layout == DAE_LAYOUT_ARRAYS)
        return dae_events_arrays(sample->t, sample->x, sample->y, sample->on, sample->n);
    return dae_events_packed(sample->packed, sample->n);
}

static void note(struct outcome *outcome, const struct dae_encoder *encoder, size_t pixels)
{
    assert(dae_encoder_render_u8(encoder, outcome->u8, pixels * 3) == DAE_OK);
    assert(dae_encoder_render_f32(encoder, outcome->f32, pixels * 3) == DAE_OK);
    assert(dae_encoder_render_f16(encoder, outcome->f16, pixels * 3) == DAE_OK);
    if (outcome->windows < MOST_WINDOWS) {
        assert(dae_encoder_window(encoder, &outcome->window[outcome->windows]) == DAE_OK);
        outcome->levels[outcome->windows] = outcome->u8[(size_t)outcome->windows * 7919 % (pixels * 3)];
    }
    outcome->windows++;
}

static void run(struct dae_encoder_params params, const struct dae_events *events, struct outcome *outcome)
{
    struct dae_encoder *encoder;
    memset(outcome, 0, sizeof *outcome);
    assert(dae_encoder_init(&params, &encoder) == DAE_OK);
    const size_t pixels = (size_t)params.width * params.height;
    size_t used;
    for (size_t at = 0; dae_encoder_push_events(encoder, events, at, &used) == DAE_WINDOW; at += used)
        note(outcome, encoder, pixels);
    while (dae_encoder_flush(encoder) == DAE_WINDOW) note(outcome, encoder, pixels);
    dae_encoder_counters(encoder, &outcome->counters);
    dae_encoder_free(encoder);
}

static struct dae_encoder_params params_of(uint64_t seed)
{
    struct dae_encoder_params params = dae_encoder_default_params();
    params.width = SENSORS[seed % 6][0];
    params.height = SENSORS[seed % 6][1];
    params.background = seed & 1 ? DAE_BACKGROUND_WHITE : DAE_BACKGROUND_BLACK;
    params.window_us = 300 + (int64_t)(seed % 7) * 1000;
    params.hop_us = seed % 3 ? 0 : params.window_us / 4;
    params.max_gap_us = 20000;
    if (seed % 5 < 2) { /* by count, where windows begin among events of the same time */
        params.window_events = 1 + (uint32_t)seed % 300;
        params.hop_events = seed % 3 ? 0 : 1 + params.window_events / 5;
    }
    return params;
}

static void windows_are_the_same_on_all_units_and_in_all_layouts(void)
{
    static struct sample sample;
    static struct outcome wanted, got;
    for (uint64_t seed = 0; seed < 150; seed++) {
        struct dae_encoder_params params = params_of(seed);
        fill(&sample, seed, params.width, params.height);
        params.simd = DAE_SIMD_SERIAL;
        struct dae_events events = events_of(&sample, DAE_LAYOUT_PACKED);
        run(params, &events, &wanted);
        for (int simd = DAE_SIMD_SERIAL; simd <= DAE_SIMD_AVX512; simd++)
            for (int layout = DAE_LAYOUT_PACKED; layout <= DAE_LAYOUT_ARRAYS && dae_simd_has((enum dae_simd)simd);
                 layout++) {
                params.simd = (enum dae_simd)simd;
                events = events_of(&sample, layout);
                run(params, &events, &got);
                assert(!memcmp(&wanted, &got, sizeof got));
            }
    }
}

static void check_floats(const struct sample *sample, const struct dae_events *events, uint16_t width, uint16_t height,
                         enum dae_background background)
{
    static float wanted[MOST_PIXELS * 3], got[MOST_PIXELS * 3];
    const size_t n = sample->n, values = (size_t)width * height * 3;
    assert(dae_tencode_f32(sample->packed, n, width, height, background, wanted, values, NULL) == DAE_OK);
    assert(dae_tencode_f32_events(events, width, height, background, got, values, NULL) == DAE_OK);
    assert(!memcmp(wanted, got, values * sizeof *got));
    assert(dae_voxel_grid(sample->packed, n, 3, width, height, wanted, values, NULL) == DAE_OK);
    assert(dae_voxel_grid_events(events, 3, width, height, got, values, NULL) == DAE_OK);
    assert(!memcmp(wanted, got, values * sizeof *got));
}

static void arrays_give_the_same_images_on_all_units_and_in_all_layouts(void)
{
    static struct sample sample;
    static uint8_t wanted[MOST_PIXELS * 3], got[MOST_PIXELS * 3];
    for (uint64_t seed = 0; seed < 150; seed++) {
        const uint16_t width = SENSORS[seed % 6][0], height = SENSORS[seed % 6][1];
        const size_t values = (size_t)width * height * 3;
        const enum dae_background background = seed & 1 ? DAE_BACKGROUND_WHITE : DAE_BACKGROUND_BLACK;
        size_t wanted_dropped, dropped;
        fill(&sample, seed, width, height);
        struct dae_events events = events_of(&sample, DAE_LAYOUT_PACKED);
        assert(dae_tencode_u8_events(&events, width, height, background, DAE_SIMD_SERIAL, wanted, values,
                                     &wanted_dropped) == DAE_OK);
        for (int layout = DAE_LAYOUT_PACKED; layout <= DAE_LAYOUT_ARRAYS; layout++) {
            events = events_of(&sample, layout);
            for (int simd = DAE_SIMD_AUTO; simd <= DAE_SIMD_AVX512; simd++) {
                if (!dae_simd_has((enum dae_simd)simd)) continue;
                assert(dae_tencode_u8_events(&events, width, height, background, (enum dae_simd)simd, got, values,
                                             &dropped) == DAE_OK);
                assert(!memcmp(wanted, got, values) && dropped == wanted_dropped);
            }
            check_floats(&sample, &events, width, height, background);
        }
    }
}

/* The elapsed time whose share of `span` (odd, 24 bits) is `off` / 2^25 / span away from a middle between two floats,
 * where a division that is not exact errs first; 0: there is none. */
static uint32_t near_a_middle(uint32_t span, uint32_t off)
{
    uint32_t inverse = span; /* modulo 2^32: each round doubles the bits that are right, 3 of them at first */
    for (int i = 0; i < 4; i++) inverse *= 2 - span * inverse;
    const uint64_t middle = (0 - off * inverse) & 0x1FFFFFF;
    return middle >> 24 ? (uint32_t)((middle * span + off) >> 25) : 0;
}

static void draw_times(struct dae_encoder *encoder, uint32_t elapsed, uint32_t span, float *image)
{
    const struct dae_event events[] = {{0, 0, 0, 1}, {elapsed, 1, 0, 1}, {span, 15, 0, 1}};
    size_t used;
    dae_encoder_reset(encoder);
    assert(dae_encoder_push(encoder, events, 3, &used) == DAE_OK && used == 3);
    assert(dae_encoder_flush(encoder) == DAE_WINDOW);
    assert(dae_encoder_render_f32(encoder, image, 48) == DAE_OK);
}

static void times_near_a_middle_between_floats_are_the_same_on_all_units(void)
{
    struct dae_encoder_params params = dae_encoder_default_params();
    params.width = 16, params.height = 1;
    params.window_us = params.max_gap_us = 1 << 28;
    for (int level = DAE_SIMD_SERIAL + 1; level <= DAE_SIMD_AVX512; level++) {
        if (!dae_simd_has(level)) continue;
        struct dae_encoder *serial, *unit;
        params.simd = DAE_SIMD_SERIAL;
        assert(dae_encoder_init(&params, &serial) == DAE_OK);
        params.simd = (enum dae_simd)level;
        assert(dae_encoder_init(&params, &unit) == DAE_OK);
        unsigned tried = 0;
        for (uint32_t i = 0; i < 512 * 8; i++) {
            const uint32_t span = (1u << 23) + 101 + i / 8 * 16384, elapsed = near_a_middle(span, 1 + i % 8 * 2);
            float wanted[48], got[48];
            if (elapsed == 0 || elapsed >= span) continue;
            draw_times(serial, elapsed, span, wanted);
            draw_times(unit, elapsed, span, got);
            assert(memcmp(wanted, got, sizeof got) == 0);
            tried++;
        }
        assert(tried > 512);
        dae_encoder_free(serial);
        dae_encoder_free(unit);
    }
}

static void a_unit_that_is_missing_is_refused(void)
{
    struct dae_encoder_params params = dae_encoder_default_params();
    struct dae_decoder_params decoding = dae_decoder_default_params();
    struct dae_encoder *encoder;
    struct dae_decoder *decoder;
    params.width = params.height = decoding.width = decoding.height = 8;
    assert(dae_simd_has(DAE_SIMD_AUTO) && dae_simd_has(DAE_SIMD_SERIAL) && dae_simd_has(dae_simd_best()));
    for (int simd = DAE_SIMD_AUTO; simd <= DAE_SIMD_AVX512 + 1; simd++) {
        params.simd = decoding.simd = (enum dae_simd)simd;
        const int wanted = dae_simd_has(params.simd) ? DAE_OK : DAE_ERROR_ARGUMENT;
        assert(dae_encoder_init(&params, &encoder) == wanted && dae_decoder_init(&decoding, &decoder) == wanted);
        assert(strcmp(dae_simd_str(params.simd), "unknown") || simd > DAE_SIMD_AVX512);
        if (wanted != DAE_OK) continue;
        dae_encoder_free(encoder);
        dae_decoder_free(decoder);
    }
}

static void layouts_are_checked(void)
{
    struct dae_encoder_params params = dae_encoder_default_params();
    params.width = params.height = 4;
    struct dae_encoder *encoder;
    assert(dae_encoder_init(&params, &encoder) == DAE_OK);
    const int64_t t = 1;
    const uint16_t x = 1, y = 1;
    const struct dae_events bad[] = {dae_events_packed(NULL, 1), dae_events_cd(NULL, 1),
                                     dae_events_arrays(NULL, &x, &y, (const uint8_t *)"", 1),
                                     dae_events_arrays(&t, &x, &y, NULL, 1), {.layout = (enum dae_layout)9}};
    size_t used;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert(dae_encoder_push_events(encoder, &bad[i], 0, &used) == DAE_ERROR_ARGUMENT);
    const struct dae_events none = dae_events_packed(NULL, 0);
    assert(dae_encoder_push_events(encoder, &none, 0, &used) == DAE_OK && used == 0);
    assert(dae_encoder_push_events(encoder, &none, 1, &used) == DAE_ERROR_ARGUMENT);
    assert(dae_encoder_push_bytes(encoder, NULL, NULL, 0, &used) == DAE_ERROR_ARGUMENT);
    dae_encoder_free(encoder);
}

int main(void)
{
    windows_are_the_same_on_all_units_and_in_all_layouts();
    arrays_give_the_same_images_on_all_units_and_in_all_layouts();
    times_near_a_middle_between_floats_are_the_same_on_all_units();
    a_unit_that_is_missing_is_refused();
    layouts_are_checked();
    return 0;
}
