/* Any bytes through any decoder: events stay inside the sensor, times never run backward, counters add up, and the
 * chunks in which the bytes arrive make no difference.
 *
 * Input: format, sensor, chunking, capacity (one byte each), then the recording. */
#undef NDEBUG
#include <assert.h>
#include <stdlib.h> /* malloc, free */
#include <string.h> /* memcmp, memcpy */

#include "dae.h"
#include "fuzz.h"

#define SETTINGS 4
#define FORMATS 6

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
    uint64_t word = params->format == DAE_FORMAT_EVT3                                        ? 2
                    : params->format == DAE_FORMAT_EVT2 || params->format == DAE_FORMAT_EVT4 ? 4
                                                                                             : 8;
    uint64_t seen = counters->events + counters->dropped_before_time + counters->dropped_before_y +
                    counters->dropped_x + counters->dropped_y + counters->dropped_glitch;
    assert(counters->events == decoded->count);
    assert(counters->words == n / word && counters->bytes == counters->words * word);
    assert(params->format == DAE_FORMAT_DAT ? seen == counters->words : seen <= 32 * counters->words);
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
    free(whole.events);
    free(pieces.events);
    return 0;
}

/* ---- seeds: words as a camera sends them, around one sensor's size ---- */

static uint64_t evt3_word(uint64_t random, uint64_t step)
{
    static const uint16_t types[16] = {0x0, 0x0, 0x2, 0x2, 0x2, 0x2, 0x3, 0x4, 0x4, 0x5, 0x6, 0x6, 0x8, 0x8, 0xE, 0xA};
    static const uint16_t group[4] = {0x3, 0x4, 0x4, 0x5};
    uint64_t type = random >> 32 & 0x40 ? group[step % 4] : types[random >> 32 & 15];
    uint64_t value = type == 0x8 ? step / 16 : type == 0x6 ? step * 7 : random % (type == 0x0 ? 50 : 0xFFF);
    return type << 12 | (value & 0xFFF);
}

static uint64_t evt2_word(uint64_t random, uint64_t step, uint64_t off, uint64_t time_high)
{
    if ((random >> 32) % 8 == 0)
        return time_high << 28 | (step / 8);
    uint64_t x = (random >> 16) % 70, y = random % 50;
    return (off + (random >> 40) % 2) << 28 | (step % 64) << 22 | x << 11 | y;
}

static uint64_t seed_word(enum dae_format format, uint64_t random, uint64_t step)
{
    uint64_t mask = random * 0x2545F4914F6CDD1Du >> 32;
    switch (format) {
    case DAE_FORMAT_EVT3: return evt3_word(random, step);
    case DAE_FORMAT_EVT2: return evt2_word(random, step, 0x0, 0x8);
    case DAE_FORMAT_EVT4: return random >> 60 ? evt2_word(random, step, random >> 50 & 1 ? 0xA : 0xC, 0xE) : mask;
    case DAE_FORMAT_EVT21: return evt2_word(random, step, 0x0, 0x8) << 32 | mask;
    case DAE_FORMAT_EVT21_LEGACY: return mask << 32 | evt2_word(random, step, 0x0, 0x8);
    case DAE_FORMAT_DAT: return ((random >> 16) % 70 | random % 50 << 14 | (random >> 50 & 1) << 28) << 32 | step * 900;
    }
    return 0;
}

size_t fuzz_seed(uint64_t index, uint8_t *data, size_t capacity)
{
    uint64_t state = fuzz_random_state(index);
    size_t size = 0;
    for (; size < SETTINGS; size++)
        data[size] = (uint8_t)(fuzz_random(&state) >> 16);
    enum dae_format format = (enum dae_format)(1 + data[0] % FORMATS);
    size_t word_size = format == DAE_FORMAT_EVT3 ? 2 : format == DAE_FORMAT_EVT2 || format == DAE_FORMAT_EVT4 ? 4 : 8;
    /* Start anywhere, often just before the clock of EVT3 wraps; now and then the time jumps. */
    uint64_t step = fuzz_random(&state) % 3 ? 4090 * 16 : fuzz_random(&state) >> 44;
    for (; size + word_size <= capacity; size += word_size) {
        uint64_t random = fuzz_random(&state);
        step += (random >> 20) % 997 ? 1 : random >> 48;
        uint64_t word = seed_word(format, random, step);
        for (size_t i = 0; i < word_size; i++)
            data[size + i] = (uint8_t)(word >> 8 * i);
    }
    return size;
}
