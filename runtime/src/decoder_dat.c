/* DAT v2: 8 bytes per event, time u32 (us), then x 13:0, y 27:14, polarity 31:28.
 *
 * Each event brings its whole time, so each inside the sensor is a time word to the clock; only a small step back is
 * clamped, as in a file that was merged from unsorted parts. One outside the sensor is no witness: text or erased
 * memory in place of data is nearly always that, and two of its words agree easily. So do the zeros of a hole. */
#include "decoder.h"

#define CLAMP_US DAE_CLOCK_AGREE_US

/* The time of an event inside the sensor; is the clock believed after it? */
static inline bool take_time(struct dae_decoder *decoder, uint32_t t, const struct dae_event *events,
                             const struct dae_event *out)
{
    if (dae_clock_believed(&decoder->clock) && decoder->clock.tick - t - 1 < CLAMP_US) {
        decoder->counters.time_glitches++;
        return true;
    }
    dae_decoder_note_emitted(decoder, events, out);
    dae_decoder_time_word(decoder, t);
    return dae_clock_believed(&decoder->clock);
}

size_t dae_decode_dat(struct dae_decoder *decoder, const uint8_t *bytes, size_t words, struct dae_event *events,
                      size_t capacity, size_t *count)
{
    const uint32_t width = decoder->params.width, height = decoder->params.height;
    const uint8_t *at = bytes, *end = bytes + 8 * words;
    struct dae_event *out = events, *limit = events + capacity - DAE_DECODER_MIN_CAPACITY;

    for (; at != end && out <= limit; at += 8) {
        uint32_t t = dae_load_u32(at), word = dae_load_u32(at + 4);
        uint32_t x = word & 0x3FFF, y = word >> 14 & 0x3FFF;
        if (y >= height)
            decoder->counters.dropped_y++;
        else if (x >= width)
            decoder->counters.dropped_x++;
        else if (!(t | word) && decoder->clock.tick)
            decoder->counters.padding_words++;
        else if (take_time(decoder, t, events, out))
            dae_write_event(out++, decoder->clock.time, dae_pack_pixel(x, y, word >> 28 != 0));
        else
            dae_decoder_drop_untimed(decoder, 1);
    }
    *count = (size_t)(out - events);
    return words - (size_t)(end - at) / 8;
}
