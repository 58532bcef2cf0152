/* Any bytes into windows: decoding and pushing on the serial loops, the same on each vector unit, and
 * dae_encoder_push_bytes on each must give the same windows, the same images to the last bit, and the same counters,
 * whatever the chunks.
 *
 * Input: format, sensor, windows, chunking (one byte each), then the recording. */
#undef NDEBUG
#include <assert.h>
#include <stdlib.h> /* malloc, free */
#include <string.h> /* memcmp, memset */

#include "dae.h"
#include "fuzz.h"
#include "words.h"

#define SETTINGS 4
#define MOST_WINDOWS 24
#define MOST_PIXELS (80 * 60)

static const uint16_t SENSORS[][2] = {{64, 48}, {80, 60}, {70, 50}, {33, 17}, {16, 50}, {1, 1}, {2400, 2}};

struct setup {
    struct dae_decoder_params decoder;
    struct dae_encoder_params encoder;
    const uint8_t *bytes;
    size_t n, most; /* chunks of 1 .. most bytes; 0: all at once */
};

struct outcome {
    int windows;
    struct dae_window window[MOST_WINDOWS];
    uint64_t image[MOST_WINDOWS]; /* a number that depends on all its bytes */
    struct dae_decoder_counters decoder;
    struct dae_encoder_counters encoder;
};

static uint64_t mixed(uint64_t sum, const void *data, size_t n)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < n; i++)
        sum = (sum ^ bytes[i]) * 0x100000001B3u;
    return sum;
}

static void note_window(struct outcome *outcome, const struct dae_encoder *encoder, size_t pixels)
{
    static uint8_t levels[MOST_PIXELS * 3];
    static float floats[MOST_PIXELS * 3];
    static uint16_t halves[MOST_PIXELS * 3];
    if (outcome->windows == MOST_WINDOWS) /* the counters tell the rest */
        return;
    assert(dae_encoder_render_u8(encoder, levels, pixels * 3) == DAE_OK);
    assert(dae_encoder_render_f32(encoder, floats, pixels * 3) == DAE_OK);
    assert(dae_encoder_render_f16(encoder, halves, pixels * 3) == DAE_OK);
    assert(dae_encoder_window(encoder, &outcome->window[outcome->windows]) == DAE_OK);
    uint64_t sum = mixed(0xCBF29CE484222325u, levels, pixels * 3);
    sum = mixed(sum, floats, pixels * 3 * sizeof *floats);
    outcome->image[outcome->windows++] = mixed(sum, halves, pixels * 3 * sizeof *halves);
}

static void push_chunk(struct outcome *outcome, struct dae_encoder *encoder, struct dae_decoder *decoder,
                       const uint8_t *bytes, size_t n, size_t pixels, int fused)
{
    size_t used;
    int status = DAE_WINDOW;
    for (size_t at = 0; fused && status == DAE_WINDOW; at += used) {
        status = dae_encoder_push_bytes(encoder, decoder, bytes + at, n - at, &used);
        assert(status >= 0 && used <= n - at && (status == DAE_WINDOW || used == n - at));
        if (status == DAE_WINDOW)
            note_window(outcome, encoder, pixels);
    }
    static struct dae_event events[300];
    for (size_t at = 0; !fused && at < n; at += used) {
        size_t count, taken;
        assert(dae_decoder_decode(decoder, bytes + at, n - at, &used, events, 300, &count) == DAE_OK && used);
        for (size_t i = 0; i < count; i += taken)
            if (dae_encoder_push(encoder, events + i, count - i, &taken) == DAE_WINDOW)
                note_window(outcome, encoder, pixels);
    }
}

static void run(const struct setup *setup, struct outcome *outcome, int fused)
{
    struct dae_decoder *decoder;
    struct dae_encoder *encoder;
    memset(outcome, 0, sizeof *outcome);
    assert(dae_decoder_init(&setup->decoder, &decoder) == DAE_OK);
    assert(dae_encoder_init(&setup->encoder, &encoder) == DAE_OK);
    const size_t pixels = (size_t)setup->encoder.width * setup->encoder.height;
    uint64_t random = fuzz_random_state(setup->most);
    for (size_t at = 0, chunk; at < setup->n; at += chunk) {
        chunk = setup->most ? 1 + fuzz_random(&random) % setup->most : setup->n;
        chunk = chunk < setup->n - at ? chunk : setup->n - at;
        push_chunk(outcome, encoder, decoder, setup->bytes + at, chunk, pixels, fused);
    }
    while (dae_encoder_flush(encoder) == DAE_WINDOW)
        note_window(outcome, encoder, pixels);
    dae_decoder_counters(decoder, &outcome->decoder);
    dae_encoder_counters(encoder, &outcome->encoder);
    dae_encoder_free(encoder);
    dae_decoder_free(decoder);
}

static void settings_of(const uint8_t *data, struct setup *setup)
{
    const uint16_t *sensor = SENSORS[data[1] % (sizeof SENSORS / sizeof *SENSORS)];
    setup->decoder = dae_decoder_default_params();
    setup->decoder.format = (enum dae_format)(1 + data[0] % FORMATS);
    setup->decoder.width = sensor[0];
    setup->decoder.height = sensor[1];
    setup->encoder = dae_encoder_default_params();
    setup->encoder.width = sensor[0];
    setup->encoder.height = data[1] & 0x80 && data[1] & 0x40 ? (uint16_t)((sensor[1] + 1) / 2) : sensor[1];
    setup->encoder.background = data[2] & 1 ? DAE_BACKGROUND_WHITE : DAE_BACKGROUND_BLACK;
    if (data[2] & 2) {
        setup->encoder.window_events = 1u + data[2] / 3;
        setup->encoder.hop_events = data[2] & 4 ? 1 + setup->encoder.window_events / 4 : 0;
    } else {
        setup->encoder.window_us = 500 << (data[2] >> 5);
        setup->encoder.hop_us = data[2] & 4 ? setup->encoder.window_us / 3 : 0;
        setup->encoder.max_gap_us = 10 * setup->encoder.window_us;
    }
    setup->most = data[3] % 4 == 0 ? 0 : data[3];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct outcome wanted, got;
    if (size < SETTINGS)
        return 0;
    struct setup setup = {.bytes = data + SETTINGS, .n = size - SETTINGS};
    settings_of(data, &setup);
    const size_t most = setup.most;
    setup.most = 0;
    setup.decoder.simd = setup.encoder.simd = DAE_SIMD_SERIAL;
    run(&setup, &wanted, 0);
    setup.most = most;
    for (int simd = DAE_SIMD_SERIAL; simd <= DAE_SIMD_AVX512; simd++) {
        setup.decoder.simd = setup.encoder.simd = (enum dae_simd)simd;
        for (int fused = 0; fused <= 1 && dae_simd_has(setup.decoder.simd); fused++) {
            run(&setup, &got, fused);
            assert(!memcmp(&wanted, &got, sizeof got));
        }
    }
    return 0;
}

size_t fuzz_seed(uint64_t index, uint8_t *data, size_t capacity)
{
    uint64_t state = fuzz_random_state(index);
    size_t size = 0;
    for (; size < SETTINGS; size++)
        data[size] = (uint8_t)(fuzz_random(&state) >> 16);
    return seed_words((enum dae_format)(1 + data[0] % FORMATS), &state, data, size, capacity);
}
