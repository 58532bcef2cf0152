/* Any bytes through any decoder: events stay inside the sensor, times never run backward, counters add up, and the
 * chunks in which the bytes arrive make no difference, nor the vector unit.
 *
 * Input: format, sensor, chunking, capacity (one byte each), then the recording. */
#undef NDEBUG
#include <assert.h>
#include <stdlib.h> /* malloc, free */
#include <string.h> /* memcmp, memcpy */

#include "dae.h"
#include "fuzz.h"
#include "words.h"

#define SETTINGS 4

static const uint16_t SENSORS[][2] = {{1280, 720}, {640, 480}, {346, 260}, {64, 48}, {31, 1}, {1, 1}, {16384, 16384}};

struct decoded {
    struct dae_event *events;
    size_t capacity;
    size_t count;
    struct dae_decoder_counters counters;
};

static void settings_of(const uint8_t *data, struct dae_decoder_params *params)
{
    *params = dae_decoder_default_params();
    params->format = (enum dae_format)(1 + data[0] % FORMATS);
    const uint16_t *sensor = SENSORS[data[1] % (sizeof SENSORS / sizeof *SENSORS)];
    params->width = sensor[0];
    params->height = sensor[1];
    params->simd = DAE_SIMD_SERIAL;
}

/* Give one chunk, into buffers of `room` events, and append what comes. */
static void feed(struct dae_decoder *decoder, const uint8_t *bytes, size_t n, size_t room, struct decoded *decoded)
{
    struct dae_event *buffer = malloc(room * sizeof *buffer);
    assert(buffer);
    for (size_t at = 0; at < n;) {
        size_t used, count;
        assert(dae_decoder_decode(decoder, bytes + at, n - at, &used, buffer, room, &count) == DAE_OK);
        assert(used > 0 && used <= n - at);
        assert(count <= room && decoded->count + count <= decoded->capacity);
        memcpy(decoded->events + decoded->count, buffer, count * sizeof *buffer);
        decoded->count += count;
        at += used;
    }
    free(buffer);
}

/* Chunks of 0 .. most - 1 bytes; most 0: all at once. */
static struct decoded decode(const struct dae_decoder_params *params, const uint8_t *bytes, size_t n, size_t most,
                             size_t room)
{
    struct decoded decoded = {.capacity = 8 * n + 1}; /* 32 events in 4 bytes */
    decoded.events = malloc(decoded.capacity * sizeof *decoded.events);
    assert(decoded.events);
    struct dae_decoder *decoder;
    assert(dae_decoder_init(params, &decoder) == DAE_OK);
    uint64_t random = fuzz_random_state(most);
    for (size_t at = 0, chunk; at < n; at += chunk) {
        chunk = most ? fuzz_random(&random) % most : n;
        chunk = chunk < n - at ? chunk : n - at;
        feed(decoder, bytes + at, chunk, room, &decoded);
    }
    dae_decoder_counters(decoder, &decoded.counters);
    dae_decoder_free(decoder);
    return decoded;
}

static void check(const struct dae_decoder_params *params, const struct decoded *decoded, size_t n)
{
    for (size_t i = 0; i < decoded->count; i++) {
        const struct dae_event *event = &decoded->events[i];
        assert(event->x < params->width && event->y < params->height && event->on <= 1);
        assert(i == 0 ? event->t >= 0 : event->t >= event[-1].t);
    }
    const struct dae_decoder_counters *counters = &decoded->counters;
    uint64_t word = word_size_of(params->format);
    uint64_t seen = counters->events + counters->dropped_before_time + counters->dropped_before_y +
                    counters->dropped_x + counters->dropped_y + counters->dropped_glitch;
    assert(counters->events == decoded->count);
    assert(counters->words == n / word && counters->bytes == counters->words * word);
    assert(params->format == DAE_FORMAT_DAT ? seen + counters->padding_words == counters->words
                                             : seen <= 32 * counters->words);
    assert(params->format != DAE_FORMAT_EVT2 || seen <= counters->words);
    assert(params->format == DAE_FORMAT_EVT3 || (counters->dropped_before_y == 0 && counters->partial_vectors == 0));
    assert(counters->triggers + counters->partial_vectors + counters->reserved_words + counters->other_words +
               counters->padding_words <=
           counters->words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < SETTINGS)
        return 0;
    struct dae_decoder_params params;
    settings_of(data, &params);
    const uint8_t *bytes = data + SETTINGS;
    size_t n = size - SETTINGS;
    struct decoded whole = decode(&params, bytes, n, 0, 8 * n + DAE_DECODER_MIN_CAPACITY + 1);
    struct decoded pieces = decode(&params, bytes, n, 2 + data[2], DAE_DECODER_MIN_CAPACITY + data[3] % 64);
    check(&params, &whole, n);
    assert(whole.count == pieces.count);
    assert(!memcmp(whole.events, pieces.events, whole.count * sizeof *whole.events));
    assert(!memcmp(&whole.counters, &pieces.counters, sizeof whole.counters));
    free(pieces.events);
    for (int simd = DAE_SIMD_NEON; simd <= DAE_SIMD_AVX512; simd++) {
        params.simd = (enum dae_simd)simd;
        if (!dae_simd_has(params.simd))
            continue;
        struct decoded vector = decode(&params, bytes, n, data[2] % 2 ? 2 + 8 * data[2] : 0, 33 + data[3]);
        assert(whole.count == vector.count);
        assert(!memcmp(whole.events, vector.events, whole.count * sizeof *whole.events));
        assert(!memcmp(&whole.counters, &vector.counters, sizeof whole.counters));
        free(vector.events);
    }
    free(whole.events);
    return 0;
}

/* ---- seeds ---- */

size_t fuzz_seed(uint64_t index, uint8_t *data, size_t capacity)
{
    uint64_t state = fuzz_random_state(index);
    size_t size = 0;
    for (; size < SETTINGS; size++)
        data[size] = (uint8_t)(fuzz_random(&state) >> 16);
    return seed_words((enum dae_format)(1 + data[0] % FORMATS), &state, data, size, capacity);
}
