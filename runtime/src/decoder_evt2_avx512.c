/* EVT2 with AVX-512: runs of events inside the sensor and in the order of time, 16 at once. All else is left to the
 * serial form (decoder_evt2.c), which says what the words mean. */
#include "decoder.h"
#include "kernels.h"

#ifdef DAE_HAVE_X86
#include <immintrin.h>

#include "target.h"

DAE_TARGET(DAE_AVX512)

#include "decoder_avx512.h"

struct words { /* 16 of them */
    __m512i low, x, y, on;
    unsigned n;    /* so many from the first on are such events */
    int64_t last;  /* the time of the last one of these */
};

/* `earliest`: the first may not be before time + earliest. */
static inline struct words take(const uint8_t *at, size_t most, int64_t time, uint32_t earliest,
                                const struct dae_decoder_params *sensor)
{
    const __m512i word = _mm512_maskz_loadu_epi32(most < 16 ? (__mmask16)((1u << most) - 1) : 0xFFFF, at);
    struct words words;
    __builtin_prefetch((const void *)((uintptr_t)at + 1024), 0);
    words.low = _mm512_and_si512(_mm512_srli_epi32(word, 22), _mm512_set1_epi32(0x3F));
    words.x = _mm512_and_si512(_mm512_srli_epi32(word, 11), _mm512_set1_epi32(0x7FF));
    words.y = _mm512_and_si512(word, _mm512_set1_epi32(0x7FF));
    words.on = _mm512_srli_epi32(word, 28); /* the type: 0 or 1 */
    const __m512i before = _mm512_alignr_epi32(words.low, _mm512_set1_epi32((int)earliest), 15);
    const unsigned good = _mm512_cmple_epu32_mask(words.on, _mm512_set1_epi32(1))
                          & _mm512_cmplt_epu32_mask(words.x, _mm512_set1_epi32(sensor->width))
                          & _mm512_cmplt_epu32_mask(words.y, _mm512_set1_epi32(sensor->height))
                          & _mm512_cmpge_epu32_mask(words.low, before);
    const unsigned n = (unsigned)_tzcnt_u32(~good);
    words.n = n < most ? n : (unsigned)most;
    words.last = words.n ? time + (dae_load_u32(at + 4 * words.n - 4) >> 22 & 0x3F) : 0;
    return words;
}

/* How far the last event's time is after `time`, as `earliest` of take: 64 is after all. */
static inline uint32_t earliest_of(int64_t last, int64_t time)
{
    return last <= time ? 0 : last - time > 64 ? 64 : (uint32_t)(last - time);
}

/* Is the next word a TIME_HIGH? Then it is taken. */
static inline bool take_time(struct dae_decoder *decoder, const uint8_t *at)
{
    const uint32_t word = dae_load_u32(at);
    if (word >> 28 != 8) return false;
    dae_decoder_time_word(decoder, word & 0xFFFFFFF);
    return true;
}

size_t dae_decode_evt2_avx512(struct dae_decoder *decoder, const uint8_t *bytes, size_t words,
                              struct dae_event *events, size_t capacity, size_t *count)
{
    struct dae_event *out = events, *limit = events + capacity - DAE_DECODER_MIN_CAPACITY;
    const struct packing order = packing();
    size_t at = 0;
    while (at < words && out <= limit) {
        const int64_t time = decoder->clock.time;
        int64_t last = decoder->emitted ? decoder->last_time : INT64_MIN;
        unsigned n = dae_clock_believed(&decoder->clock) ? 16 : 0;
        while (n == 16 && at < words && limit - out >= 16) {
            const struct words taken =
                take(bytes + 4 * at, words - at, time, earliest_of(last, time), &decoder->params);
            n = taken.n;
            const __m512i xy = _mm512_or_si512(taken.x, _mm512_slli_epi32(taken.y, 16));
            write_16_events(out, n, time, taken.low, xy, taken.on, &order);
            out += n;
            at += n;
            last = n ? taken.last : last;
        }
        dae_decoder_note_emitted(decoder, events, out);
        if (at == words || out > limit) break;
        if (take_time(decoder, bytes + 4 * at)) {
            at++;
            continue;
        }
        size_t more; /* another word that stopped us, or all where there is little room */
        at += dae_decode_evt2(decoder, bytes + 4 * at, limit - out >= 16 ? 1 : words - at, out,
                              (size_t)(events + capacity - out), &more);
        out += more;
        dae_decoder_note_emitted(decoder, events, out);
    }
    *count = (size_t)(out - events);
    return at;
}

size_t dae_fuse_evt2_avx512(struct dae_decoder *decoder, const uint8_t *bytes, size_t words,
                            struct dae_storing *storing, uint64_t most, uint64_t *events)
{
    const __m512i width = _mm512_set1_epi32((int)storing->width);
    size_t at = 0;
    *events = 0;
    while (at < words && dae_clock_believed(&decoder->clock)) {
        const int64_t time = decoder->clock.time, last = decoder->emitted ? decoder->last_time : INT64_MIN;
        const struct words taken = take(bytes + 4 * at, words - at, time, earliest_of(last, time), &decoder->params);
        if (!taken.n) {
            if (!take_time(decoder, bytes + 4 * at)) break;
            at++;
            continue;
        }
        const int64_t first = time + (dae_load_u32(bytes + 4 * at) >> 22 & 0x3F);
        if (first < storing->clock || taken.last >= storing->until || taken.n > most - *events) break;
        const __m512i key = _mm512_set1_epi32((int)(uint32_t)(time - storing->key_base));
        const __m512i pixels = _mm512_add_epi32(_mm512_mullo_epi32(taken.y, width), taken.x);
        const __m512i cells = _mm512_or_si512(_mm512_slli_epi32(_mm512_add_epi32(key, taken.low), 1), taken.on);
        store_16_cells(storing, taken.n, pixels, cells);
        *events += taken.n;
        at += taken.n;
        storing->clock = decoder->last_time = taken.last;
        decoder->emitted = true;
    }
    return at;
}

DAE_TARGET_END
#else
typedef int dae_no_avx512_evt2; /* a file must not be empty */
#endif
