/* The decoder object: words that are cut between calls, and the clock that the formats share. */
#include "decoder.h"

#include <stdlib.h> /* calloc, free */

#define SENSOR_LIMIT 16384 /* coordinates have at most 14 bits (DAT) */

struct dae_decoder_params dae_decoder_default_params(void)
{
    return (struct dae_decoder_params){.struct_size = sizeof(struct dae_decoder_params), .format = DAE_FORMAT_EVT3};
}

static void start_clock(struct dae_decoder *decoder)
{
    struct dae_clock clock = {.mask = (1u << 28) - 1, .shift = 6};
    if (decoder->params.format == DAE_FORMAT_EVT3)
        clock = (struct dae_clock){.mask = (1u << 12) - 1, .shift = 12};
    else if (decoder->params.format == DAE_FORMAT_DAT)
        clock = (struct dae_clock){.mask = UINT32_MAX, .shift = 0};
    clock.jump = DAE_CLOCK_JUMP_US >> clock.shift;
    /* DAT has no time words, each event is one: what follows a silence agrees when no new silence follows. */
    clock.agree = decoder->params.format == DAE_FORMAT_DAT ? clock.jump : DAE_CLOCK_AGREE_US >> clock.shift;
    decoder->clock = clock;
}

static uint8_t word_size(enum dae_format format)
{
    switch (format) {
    case DAE_FORMAT_EVT3: return 2;
    case DAE_FORMAT_EVT2:
    case DAE_FORMAT_EVT4: return 4;
    case DAE_FORMAT_EVT21:
    case DAE_FORMAT_EVT21_LEGACY:
    case DAE_FORMAT_DAT: return 8;
    }
    return 0;
}

int dae_decoder_init(const struct dae_decoder_params *params, struct dae_decoder **decoder)
{
    if (!decoder)
        return DAE_ERROR_ARGUMENT;
    *decoder = NULL;
    if (!params || params->struct_size != sizeof *params || !word_size(params->format))
        return DAE_ERROR_ARGUMENT;
    if (!params->width || !params->height || params->width > SENSOR_LIMIT || params->height > SENSOR_LIMIT)
        return DAE_ERROR_ARGUMENT;
    const struct dae_kernels *kernels = dae_kernels_of(params->simd);
    if (!kernels)
        return DAE_ERROR_ARGUMENT;
    struct dae_decoder *made = calloc(1, sizeof *made);
    if (!made)
        return DAE_ERROR_MEMORY;
    made->params = *params;
    made->kernels = kernels;
    made->word_size = word_size(params->format);
    dae_decoder_reset(made);
    *decoder = made;
    return DAE_OK;
}

void dae_decoder_free(struct dae_decoder *decoder)
{
    free(decoder);
}

void dae_decoder_reset(struct dae_decoder *decoder)
{
    if (!decoder)
        return;
    start_clock(decoder);
    decoder->emitted = false;
    decoder->last_time = 0;
    decoder->tail_size = 0;
    decoder->row = DAE_NO_ROW;
    decoder->base = DAE_NO_BASE;
    decoder->base_polarity = 0;
    decoder->phase = 0;
    decoder->low = 0;
    decoder->vector = 0;
    decoder->staged_from = decoder->staged_to = 0;
}

void dae_decoder_counters(const struct dae_decoder *decoder, struct dae_decoder_counters *counters)
{
    if (counters)
        *counters = decoder ? decoder->counters : (struct dae_decoder_counters){0};
}

/* ---- clock ---- */

static int64_t ticks_to_us(const struct dae_clock *clock, uint32_t ticks)
{
    return (int64_t)ticks << clock->shift;
}

/* The sensor's time is `tick`, `ahead` ticks after the believed one. */
static void advance_clock(struct dae_decoder *decoder, uint32_t tick, uint32_t ahead)
{
    struct dae_clock *clock = &decoder->clock;
    decoder->counters.time_wraps += tick < clock->tick;
    clock->tick = tick;
    /* Unsigned: 2^63 us take gigabytes of forged time words, but they must not be undefined. */
    clock->time = (int64_t)((uint64_t)clock->time + (uint64_t)ticks_to_us(clock, ahead));
    clock->confirmed = true;
    clock->doubted = false;
}

/* The sensor started anew: its new time goes on where the events written so far end. */
static void restart_clock(struct dae_decoder *decoder, uint32_t tick)
{
    struct dae_clock *clock = &decoder->clock;
    decoder->counters.time_resets++;
    clock->tick = tick;
    clock->time = decoder->emitted ? decoder->last_time : ticks_to_us(clock, tick);
    clock->confirmed = true;
    clock->doubted = false;
}

/* A time word that is behind the clock or too far ahead: when is it believed after all? */
static void doubt_clock(struct dae_decoder *decoder, uint32_t tick, uint32_t ahead)
{
    struct dae_clock *clock = &decoder->clock;
    uint32_t step = (tick - clock->candidate) & clock->mask;
    clock->run = clock->doubted && step <= clock->jump ? clock->run + 1 : 1;
    clock->agreed = clock->doubted && step <= clock->agree ? clock->agreed + 1 : 1;
    clock->candidate = tick;
    clock->doubted = true;
    decoder->counters.time_glitches++;

    bool forward = ahead <= clock->mask / 2 + 1;
    bool enough = clock->run >= DAE_CLOCK_RESET_WORDS;
    if (forward && (enough || clock->agreed >= 2))
        advance_clock(decoder, tick, ahead);
    else if (enough || (!clock->confirmed && clock->agreed >= 2)) /* two against a lone first time word */
        restart_clock(decoder, tick);
}

void dae_decoder_time_word(struct dae_decoder *decoder, uint32_t tick)
{
    struct dae_clock *clock = &decoder->clock;
    uint32_t ahead = (tick - clock->tick) & clock->mask;
    if (!clock->started) {
        clock->started = true;
        clock->tick = tick;
        clock->time = ticks_to_us(clock, tick);
    } else if (ahead <= clock->jump) {
        advance_clock(decoder, tick, ahead);
    } else {
        doubt_clock(decoder, tick, ahead);
    }
}

/* ---- bytes to words ---- */

void dae_decoder_count(struct dae_decoder *decoder, size_t words, uint64_t events)
{
    decoder->counters.words += words;
    decoder->counters.bytes += words * decoder->word_size;
    decoder->counters.events += events;
}

size_t dae_decoder_decode_words(struct dae_decoder *decoder, const uint8_t *bytes, size_t words,
                                struct dae_event *events, size_t capacity, size_t *count)
{
    size_t used = 0;
    *count = 0;
    switch (decoder->params.format) {
    case DAE_FORMAT_EVT2: used = decoder->kernels->decode_evt2(decoder, bytes, words, events, capacity, count); break;
    case DAE_FORMAT_EVT21:
    case DAE_FORMAT_EVT21_LEGACY: used = dae_decode_evt21(decoder, bytes, words, events, capacity, count); break;
    case DAE_FORMAT_EVT3: used = decoder->kernels->decode_evt3(decoder, bytes, words, events, capacity, count); break;
    case DAE_FORMAT_EVT4: used = dae_decode_evt4(decoder, bytes, words, events, capacity, count); break;
    case DAE_FORMAT_DAT: used = dae_decode_dat(decoder, bytes, words, events, capacity, count); break;
    }
    dae_decoder_note_emitted(decoder, events, events + *count);
    dae_decoder_count(decoder, used, *count);
    return used;
}

/* Move bytes into the unfinished word; returns how many. */
static size_t fill_tail(struct dae_decoder *decoder, const uint8_t *bytes, size_t n)
{
    size_t missing = (size_t)(decoder->word_size - decoder->tail_size);
    size_t taken = n < missing ? n : missing;
    if (taken)
        memcpy(decoder->tail + decoder->tail_size, bytes, taken);
    decoder->tail_size = (uint8_t)(decoder->tail_size + taken);
    return taken;
}

int dae_decoder_decode(struct dae_decoder *decoder, const uint8_t *bytes, size_t n, size_t *used,
                       struct dae_event *events, size_t capacity, size_t *count)
{
    if (!decoder || !used || !count || !events || (!bytes && n))
        return DAE_ERROR_ARGUMENT;
    *used = 0;
    *count = 0;
    if (capacity < DAE_DECODER_MIN_CAPACITY)
        return DAE_ERROR_BUFFER;
    if (decoder->tail_size) {
        *used = fill_tail(decoder, bytes, n);
        if (decoder->tail_size < decoder->word_size)
            return DAE_OK;
        dae_decoder_decode_words(decoder, decoder->tail, 1, events, capacity, count);
        decoder->tail_size = 0;
    }
    size_t words = (n - *used) / decoder->word_size;
    size_t done = 0;
    if (words && capacity - *count >= DAE_DECODER_MIN_CAPACITY) {
        size_t more;
        done = dae_decoder_decode_words(decoder, bytes + *used, words, events + *count, capacity - *count, &more);
        *used += done * decoder->word_size;
        *count += more;
    }
    if (done == words && *used < n)
        *used += fill_tail(decoder, bytes + *used, n - *used);
    return DAE_OK;
}
