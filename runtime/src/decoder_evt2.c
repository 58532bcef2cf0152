/* EVT2, EVT2.1 and EVT4 (Prophesee's format pages of these names; EVT4 as in OpenEB 5.1).
 *
 * They share one layout of 32 bits: type 31:28, then time 27:22 (us), x 21:11, y 10:0 of an event, or 28 bits of
 * TIME_HIGH in units of 64 us. A vector is such a word and a mask of 32 pixels from x on: the other half of each
 * 64-bit word of EVT2.1, the next word in EVT4. */
#include "decoder.h"

/* Types of one format; 16 is a type that it does not have. Polarity is the lowest bit of the type. */
struct layout {
    uint32_t single;     /* a word that is one event (and the type after it) */
    uint32_t vector;     /* a word whose mask follows (and the type after it) */
    uint32_t time_high;
    uint32_t trigger;
    uint32_t other[3];
    uint32_t padding;
    unsigned word_size;
    unsigned word_at;    /* where in these bytes the 32-bit word is */
    unsigned mask_at;
};

static const struct layout EVT2 = {0x0, 16, 0x8, 0xA, {0xD, 0xE, 0xF}, 16, 4, 0, 0};
static const struct layout EVT21 = {16, 0x0, 0x8, 0xA, {0xD, 0xE, 0xF}, 16, 8, 4, 0};
static const struct layout EVT21_LEGACY = {16, 0x0, 0x8, 0xA, {0xD, 0xE, 0xF}, 16, 8, 0, 4};
static const struct layout EVT4 = {0xA, 0xC, 0xE, 0x9, {0x6, 0x7, 0x7}, 0xF, 4, 0, 0};

static DAE_COLD void count_rare_word(struct dae_decoder *decoder, const struct layout *layout, uint32_t type)
{
    struct dae_decoder_counters *counters = &decoder->counters;
    if (type == layout->trigger)
        counters->triggers++;
    else if (type == layout->padding)
        counters->padding_words++;
    else if (type == layout->other[0] || type == layout->other[1] || type == layout->other[2])
        counters->other_words++;
    else
        counters->reserved_words++;
}

/* Count n events that the clock or the sensor's edge keeps out. */
static DAE_COLD void drop_events(struct dae_decoder *decoder, uint32_t y, unsigned n)
{
    if (!dae_clock_believed(&decoder->clock))
        dae_decoder_drop_untimed(decoder, n);
    else if (y >= decoder->params.height)
        decoder->counters.dropped_y += n;
    else
        decoder->counters.dropped_x += n;
}

/* The bits of a mask from x on that are left of the edge. */
static inline uint32_t clip_mask(uint32_t mask, uint32_t x, uint32_t width)
{
    if (x + 32 <= width)
        return mask;
    return x < width ? mask & ((1u << (width - x)) - 1) : 0;
}

/* Write the events of a mask, and nothing behind them. */
static inline struct dae_event *write_mask(struct dae_event *out, int64_t t, uint64_t pixel, uint32_t mask)
{
    for (; mask; mask &= mask - 1) {
        uint64_t at = pixel + dae_lowest_bit(mask);
        out->t = t;
        out->x = (uint16_t)at;
        out->y = (uint16_t)(at >> 16);
        out->on = (uint8_t)(at >> 32);
        out++;
    }
    return out;
}

static inline size_t decode(struct dae_decoder *decoder, const struct layout *layout, const uint8_t *bytes,
                            size_t words, struct dae_event *events, size_t capacity, size_t *count)
{
    const uint32_t width = decoder->params.width, height = decoder->params.height;
    const uint8_t *at = bytes, *end = bytes + layout->word_size * words;
    struct dae_event *out = events, *limit = events + capacity - DAE_DECODER_MIN_CAPACITY;
    bool believed = dae_clock_believed(&decoder->clock);
    int64_t time = decoder->clock.time;
    int64_t last = decoder->emitted ? decoder->last_time : INT64_MIN;
    uint64_t glitches = 0;
    uint32_t vector = decoder->vector; /* EVT4: the word before was this vector, so this one is its mask */

    for (; at != end && out <= limit; at += layout->word_size) {
        uint32_t word = vector ? vector : dae_load_u32(at + layout->word_at);
        uint32_t type = word >> 28, x = word >> 11 & 0x7FF, y = word & 0x7FF;
        bool single = (type & ~1u) == layout->single;
        if (single || (type & ~1u) == layout->vector) {
            if (!single && layout->word_size == 4 && !vector) {
                vector = word;
                continue;
            }
            uint32_t mask = single ? 1 : dae_load_u32(at + layout->mask_at);
            uint32_t inside = single ? x < width : clip_mask(mask, x, width);
            inside = (believed & (y < height)) ? inside : 0;
            vector = 0;
            if (DAE_UNLIKELY(inside != mask))
                drop_events(decoder, y, dae_count_bits(mask & ~inside));
            if (DAE_UNLIKELY(!inside))
                continue;
            int64_t t = time + (word >> 22 & 0x3F);
            if (DAE_UNLIKELY(t < last)) {
                glitches++;
                t = last;
            }
            last = t;
            if (single)
                dae_write_event(out++, t, dae_pack_pixel(x, y, type & 1));
            else
                out = write_mask(out, t, dae_pack_pixel(x, y, type & 1), inside);
        } else if (type == layout->time_high) {
            dae_decoder_note_emitted(decoder, events, out);
            dae_decoder_time_word(decoder, word & 0xFFFFFFF);
            believed = dae_clock_believed(&decoder->clock);
            time = decoder->clock.time;
        } else {
            count_rare_word(decoder, layout, type);
        }
    }
    decoder->vector = vector;
    decoder->counters.time_glitches += glitches;
    *count = (size_t)(out - events);
    return (size_t)(at - bytes) / layout->word_size;
}

size_t dae_decode_evt2(struct dae_decoder *decoder, const uint8_t *bytes, size_t words, struct dae_event *events,
                       size_t capacity, size_t *count)
{
    return decode(decoder, &EVT2, bytes, words, events, capacity, count);
}

size_t dae_decode_evt21(struct dae_decoder *decoder, const uint8_t *bytes, size_t words, struct dae_event *events,
                        size_t capacity, size_t *count)
{
    if (decoder->params.format == DAE_FORMAT_EVT21_LEGACY)
        return decode(decoder, &EVT21_LEGACY, bytes, words, events, capacity, count);
    return decode(decoder, &EVT21, bytes, words, events, capacity, count);
}

size_t dae_decode_evt4(struct dae_decoder *decoder, const uint8_t *bytes, size_t words, struct dae_event *events,
                       size_t capacity, size_t *count)
{
    return decode(decoder, &EVT4, bytes, words, events, capacity, count);
}
