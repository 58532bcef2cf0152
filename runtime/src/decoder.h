/* Private to the decoders: their state, the clock they share, and how an event is written.
 *
 * A format's inner loop takes whole words and keeps its state in local variables; what is rare (time words that
 * surprise, events that are dropped) goes through functions on the decoder. */
#ifndef DAE_DECODER_H
#define DAE_DECODER_H

#include <stdbool.h> /* bool */
#include <string.h>  /* memcpy */

#include "dae.h"
#include "kernels.h"

#if defined(__GNUC__)
#define DAE_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define DAE_COLD __attribute__((noinline, cold))
#else
#define DAE_UNLIKELY(condition) (condition)
#define DAE_COLD
#endif

/* A time word further ahead than this is believed only when the next one agrees. One second: a camera repeats its
 * time words in silence too, so a real step is short; a writer that leaves silence out loses one packet after it. */
#define DAE_CLOCK_JUMP_US (1u << 20)
/* The next one agrees when it is equal or ahead by at most this: one TIME_HIGH of EVT3, 64 of the 28-bit formats. */
#define DAE_CLOCK_AGREE_US 4096u
/* Time words in a row, each 0 .. DAE_CLOCK_JUMP_US ahead of the one before, that make a time behind the clock the
 * sensor's new time. Cameras repeat them every 16 to 64 us: longer than a packet that arrives late (1 ms). */
#define DAE_CLOCK_RESET_WORDS 128

/* The sensor's clock: `mask` + 1 ticks of 2^shift us, round and round. */
struct dae_clock {
    uint32_t mask;
    uint32_t jump;      /* DAE_CLOCK_JUMP_US in ticks */
    uint32_t agree;     /* DAE_CLOCK_AGREE_US in ticks */
    uint8_t shift;
    bool started;       /* a time word was seen */
    bool confirmed;     /* a second one agreed with it */
    bool doubted;       /* the last time word was not believed */
    uint32_t tick;      /* the believed time word */
    int64_t time;       /* the time it stands for, in us */
    uint32_t candidate; /* the last time word that was not believed, how many in a row lead to it, */
    uint32_t run;       /* each at most a jump, */
    uint32_t agreed;    /* or each at most DAE_CLOCK_AGREE_US ahead of the one before */
};

#define DAE_NO_ROW UINT64_MAX     /* EVT3: no ADDR_Y so far */
#define DAE_NO_BASE (1u << 16)    /* EVT3: no VECT_BASE_X so far; beyond every sensor */

/* Events that dae_encoder_push_bytes decoded and the encoder has not taken yet. */
#define DAE_STAGED 512

struct dae_decoder {
    struct dae_decoder_params params;
    const struct dae_kernels *kernels;
    struct dae_decoder_counters counters;
    struct dae_clock clock;
    int64_t last_time;            /* of the last event written, once there is one */
    bool emitted;
    uint8_t word_size;
    uint8_t tail_size;            /* bytes of an unfinished word */
    uint8_t tail[8];

    uint64_t row;                 /* EVT3: y << 16, or DAE_NO_ROW */
    uint32_t base;                /* EVT3: x of the next vector word, or DAE_NO_BASE */
    uint32_t base_polarity;       /* EVT3: bit 11, as in the word */
    uint32_t phase;               /* EVT3: words of the current 12-12-8 group that were seen: 0, 1, 2 */
    uint32_t low;                 /* EVT3: TIME_LOW */
    uint32_t vector;              /* EVT4: the vector word whose mask comes next, or 0 */

    size_t staged_from, staged_to; /* those of `staged` that wait */
    struct dae_event staged[DAE_STAGED];
};

/* Each decodes whole words until they end or fewer than DAE_DECODER_MIN_CAPACITY places are left (there are at
 * least so many at the start); returns the words used and sets *count to the events written. */
size_t dae_decode_evt2(struct dae_decoder *decoder, const uint8_t *bytes, size_t words, struct dae_event *events,
                       size_t capacity, size_t *count);
size_t dae_decode_evt21(struct dae_decoder *decoder, const uint8_t *bytes, size_t words, struct dae_event *events,
                        size_t capacity, size_t *count);
size_t dae_decode_evt3(struct dae_decoder *decoder, const uint8_t *bytes, size_t words, struct dae_event *events,
                       size_t capacity, size_t *count);
size_t dae_decode_evt4(struct dae_decoder *decoder, const uint8_t *bytes, size_t words, struct dae_event *events,
                       size_t capacity, size_t *count);
size_t dae_decode_dat(struct dae_decoder *decoder, const uint8_t *bytes, size_t words, struct dae_event *events,
                      size_t capacity, size_t *count);

/* Whole words, counted: the format's loop of the above. */
size_t dae_decoder_decode_words(struct dae_decoder *decoder, const uint8_t *bytes, size_t words,
                                struct dae_event *events, size_t capacity, size_t *count);
/* Count words that were decoded, and their events. */
void dae_decoder_count(struct dae_decoder *decoder, size_t words, uint64_t events);

/* Take a time word of `tick` ticks. Afterwards dae_clock_believed says whether events may be written, and
 * clock.time is the time that clock.tick stands for. Needs last_time and emitted to be up to date. */
void dae_decoder_time_word(struct dae_decoder *decoder, uint32_t tick);

static inline bool dae_clock_believed(const struct dae_clock *clock)
{
    return clock->started && !clock->doubted;
}

/* Count n events that cannot be placed in time. */
static inline void dae_decoder_drop_untimed(struct dae_decoder *decoder, unsigned n)
{
    if (decoder->clock.started)
        decoder->counters.dropped_glitch += n;
    else
        decoder->counters.dropped_before_time += n;
}

/* Note the events written so far, for the clock. */
static inline void dae_decoder_note_emitted(struct dae_decoder *decoder, const struct dae_event *first,
                                            const struct dae_event *end)
{
    if (end != first) {
        decoder->emitted = true;
        decoder->last_time = end[-1].t;
    }
}

static inline uint32_t dae_load_u16(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8;
}

static inline uint32_t dae_load_u32(const uint8_t *bytes)
{
    return dae_load_u16(bytes) | dae_load_u16(bytes + 2) << 16;
}

/* An event's x, y and polarity as one number: x | y << 16 | on << 32. */
static inline uint64_t dae_pack_pixel(uint64_t x, uint64_t y, uint64_t on)
{
    return x | y << 16 | on << 32;
}

/* Write one event. May also write the three bytes behind it: there must be room for one more event. */
static inline void dae_write_event(struct dae_event *event, int64_t t, uint64_t pixel)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint8_t *bytes = (uint8_t *)event;
    memcpy(bytes, &t, 8);
    memcpy(bytes + 8, &pixel, 8);
#else
    event->t = t;
    event->x = (uint16_t)pixel;
    event->y = (uint16_t)(pixel >> 16);
    event->on = (uint8_t)(pixel >> 32);
#endif
}

/* Index of the lowest bit of a mask that is not 0. */
static inline unsigned dae_lowest_bit(uint32_t mask)
{
#if defined(__GNUC__)
    return (unsigned)__builtin_ctz(mask);
#else
    unsigned index = 0;
    while (!(mask >> index & 1u))
        index++;
    return index;
#endif
}

static inline unsigned dae_count_bits(uint32_t mask)
{
    unsigned count = 0;
    for (; mask; mask &= mask - 1)
        count++;
    return count;
}

#endif
