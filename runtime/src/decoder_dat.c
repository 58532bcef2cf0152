/* DAT v2: 8 bytes per event, time u32 (us), then x 13:0, y 27:14, polarity 31:28.
 *
 * Each event brings its whole time, so each is a time word to the clock; only a small step back is clamped, as in a
 * file that was merged from unsorted parts. */
#include "decoder.h"

#define CLAMP_US DAE_CLOCK_AGREE_US

size_t dae_decode_dat(struct dae_decoder *decoder, const uint8_t *bytes, size_t words, struct dae_event *events,
                      size_t capacity, size_t *count)
{
    const uint32_t width = decoder->params.width, height = decoder->params.height;
    const uint8_t *at = bytes, *end = bytes + 8 * words;
    struct dae_event *out = events, *limit = events + capacity - DAE_DECODER_MIN_CAPACITY;
    struct dae_decoder_counters *counters = &decoder->counters;

    for (; at != end && out <= limit; at += 8) {
        uint32_t t = dae_load_u32(at), word = dae_load_u32(at + 4);
        uint32_t x = word & 0x3FFF, y = word >> 14 & 0x3FFF;
        if (dae_clock_believed(&decoder->clock) && decoder->clock.tick - t - 1 < CLAMP_US) {
            counters->time_glitches++;
        } else {
            dae_decoder_note_emitted(decoder, events, out);
            dae_decoder_time_word(decoder, t);
        }
        if (!dae_clock_believed(&decoder->clock))
            dae_decoder_drop_untimed(decoder, 1);
        else if (y >= height)
            counters->dropped_y++;
        else if (x >= width)
            counters->dropped_x++;
        else
            dae_write_event(out++, decoder->clock.time, dae_pack_pixel(x, y, word >> 28 != 0));
    }
    *count = (size_t)(out - events);
    return words - (size_t)(end - at) / 8;
}
