/* EVT3: 16-bit words, type in bits 15:12 (Prophesee, "EVT 3.0 Format").
 *
 * Half of the words of a busy scene are single events, a fifth are rows, in no order a branch predictor could learn:
 * both take the same path, which writes an event and moves on only if there was one. */
#include "decoder_evt3.h"

/* Bits of a word: only ADDR_Y and ADDR_X have none of these. */
#define NEITHER_Y_NOR_X 0xD000u

/* Count n events that the current state or the sensor's edge keeps out. */
static DAE_COLD void drop_events(struct dae_decoder *decoder, uint64_t row, bool no_base, unsigned n)
{
    struct dae_decoder_counters *counters = &decoder->counters;
    if (!dae_clock_believed(&decoder->clock))
        dae_decoder_drop_untimed(decoder, n);
    else if (row == DAE_NO_ROW || no_base)
        counters->dropped_before_y += n;
    else if (row >> 16 >= decoder->params.height)
        counters->dropped_y += n;
    else
        counters->dropped_x += n;
}

DAE_COLD void dae_evt3_count_rare_word(struct dae_decoder *decoder, uint32_t type)
{
    struct dae_decoder_counters *counters = &decoder->counters;
    switch (type) {
    case EXT_TRIGGER: counters->triggers++; break;
    case PADDING: counters->padding_words++; break;
    case CONTINUED_4:
    case OTHERS:
    case CONTINUED_12: counters->other_words++; break;
    default: counters->reserved_words++; break;
    }
}

/* The low bits start again with a new TIME_HIGH, not with one that repeats the believed one. */
void dae_evt3_take_time_high(struct dae_decoder *decoder, uint32_t tick)
{
    struct dae_clock *clock = &decoder->clock;
    uint32_t before = clock->tick;
    uint64_t resets = decoder->counters.time_resets;
    dae_decoder_time_word(decoder, tick);
    if (clock->tick != before || decoder->counters.time_resets != resets)
        decoder->low = 0;
}

/* The low bits after a TIME_LOW. One behind the one before goes as far back as the last event allows: cameras do send
 * exact times among coarse ones (Gen4.1: each millisecond among multiples of 16 us), with no event in between. */
static inline uint32_t take_time_low(struct dae_decoder *decoder, uint32_t low, const struct dae_event *events,
                                     const struct dae_event *out)
{
    if (low >= decoder->low)
        return low;
    dae_decoder_note_emitted(decoder, events, out);
    int64_t earliest = decoder->emitted ? decoder->last_time - decoder->clock.time : 0;
    if (low >= earliest)
        return low;
    decoder->counters.time_glitches++;
    return (uint32_t)earliest;
}

/* Write the events of a mask; as with dae_write_event, there must be room for one more. */
static inline struct dae_event *write_bits(struct dae_event *out, int64_t t, uint64_t pixel, uint32_t mask)
{
    for (; mask; mask &= mask - 1)
        dae_write_event(out++, t, pixel + dae_lowest_bit(mask));
    return out;
}

/* Where vector words go. */
struct vector_state {
    uint32_t base;
    uint32_t polarity;
    uint32_t phase;
    uint64_t partial;
};

/* VECT_12 or VECT_8: the mask of its events inside the sensor; `bits` pixels wide. Others are counted. */
static inline uint32_t take_vector(struct dae_decoder *decoder, struct vector_state *vector, uint32_t word,
                                   uint32_t bits, uint64_t row, bool open)
{
    const uint32_t width = decoder->params.width;
    uint32_t mask = word & ((1u << bits) - 1);
    if (bits == 8) {
        vector->partial += vector->phase != 2;
        vector->phase = 0;
    } else {
        vector->partial += vector->phase == 2;
        vector->phase = vector->phase == 2 ? 1 : vector->phase + 1;
    }
    if (DAE_UNLIKELY(!open || vector->base + bits > width)) {
        uint32_t columns = vector->base < width ? width - vector->base : 0;
        uint32_t inside = !open ? 0 : columns < bits ? mask & ((1u << columns) - 1) : mask;
        drop_events(decoder, row, vector->base >= DAE_NO_BASE, dae_count_bits(mask & ~inside));
        mask = inside;
    }
    return mask;
}

size_t dae_decode_evt3(struct dae_decoder *decoder, const uint8_t *bytes, size_t words, struct dae_event *events,
                       size_t capacity, size_t *count)
{
    const uint32_t width = decoder->params.width, height = decoder->params.height;
    const uint8_t *at = bytes, *end = bytes + 2 * words;
    struct dae_event *out = events, *limit = events + capacity - DAE_DECODER_MIN_CAPACITY;
    struct vector_state vector = {decoder->base, decoder->base_polarity, decoder->phase, 0};
    uint64_t row = decoder->row;
    bool believed = dae_clock_believed(&decoder->clock);
    bool open = believed && row >> 16 < height; /* a single event inside the width would be written */
    int64_t t = decoder->clock.time + decoder->low;

    while (at != end && out <= limit) {
        uint32_t word = dae_load_u16(at), type = word >> 12, value = word & 0x7FF;
        at += 2;
        if (!(word & NEITHER_Y_NOR_X)) {
            uint32_t is_x = word >> 13;
            uint32_t inside = is_x & (uint32_t)open & (uint32_t)(value < width);
            dae_write_event(out, t, row | value | (uint64_t)(word & 0x800) << 21);
            out += inside;
            if (DAE_UNLIKELY(is_x != inside))
                drop_events(decoder, row, false, 1);
            open = is_x ? open : believed & (value < height);
            row = is_x ? row : (uint64_t)value << 16;
        } else if (type == VECT_BASE_X) {
            vector.partial += vector.phase != 0;
            vector.phase = 0;
            vector.base = value;
            vector.polarity = word & 0x800;
            if (end - at >= 6 && out < limit && open && value + 32 <= width) { /* the usual case, at once */
                uint32_t mask = dae_evt3_group_mask(at - 2);
                if (mask) {
                    out = write_bits(out, t, row | value | (uint64_t)vector.polarity << 21, mask);
                    vector.base += 32;
                    at += 6;
                }
            }
        } else if (type == VECT_12 || type == VECT_8) {
            uint32_t bits = type == VECT_12 ? 12 : 8;
            uint32_t mask = take_vector(decoder, &vector, word, bits, row, open);
            out = write_bits(out, t, row | vector.base | (uint64_t)vector.polarity << 21, mask);
            vector.base += vector.base < width ? bits : 0;
        } else if (type == TIME_LOW) {
            decoder->low = believed ? take_time_low(decoder, word & 0xFFF, events, out) : decoder->low;
            t = decoder->clock.time + decoder->low;
        } else if (type == TIME_HIGH) {
            dae_decoder_note_emitted(decoder, events, out);
            dae_evt3_take_time_high(decoder, word & 0xFFF);
            believed = dae_clock_believed(&decoder->clock);
            open = believed && row >> 16 < height;
            t = decoder->clock.time + decoder->low;
        } else {
            dae_evt3_count_rare_word(decoder, type);
        }
    }
    decoder->row = row;
    decoder->base = vector.base;
    decoder->base_polarity = vector.polarity;
    decoder->phase = vector.phase;
    decoder->counters.partial_vectors += vector.partial;
    *count = (size_t)(out - events);
    return (size_t)(at - bytes) / 2;
}
