/* EVT3 with AVX-512: 32 words at once, as long as they are rows, single events and times in order, and whole vector
 * groups between them. All else is left to the serial form (decoder_evt3.c), which says what the words mean. */
#include "decoder.h"
#include "kernels.h"

#ifdef DAE_HAVE_X86
#include <immintrin.h>

#include "target.h"

DAE_TARGET(DAE_AVX512)

#include "decoder_avx512.h"
#include "pending_avx512.h"

#define AT_ONCE 32 /* words; they and a group have up to PENDING_MORE events */
#define AT_MOST_SERIAL 4 /* words that the serial form gets, before the fast one is tried again */

/* Where events go: written to memory, or into the surface of latest events. */
struct sink {
    struct dae_event *out, *limit; /* writing may go on up to `limit` */
    struct packing packing;
    struct dae_storing *storing;
    struct pending *pending;
    uint64_t most, events;         /* that may be stored, that were */
    int64_t last;                  /* time of the last one stored */
};

struct reading {
    const uint8_t *at, *end;
    uint32_t y, low;
    int64_t time;
};

/* The words from `at` on, by kind: as many as can be taken. */
struct kinds {
    __m512i words;
    uint32_t rows, singles, lows, highs; /* one bit per word */
    unsigned n;
};

static inline struct kinds kinds_of(const struct dae_decoder *decoder, const struct reading *reading)
{
    const size_t left = (size_t)(reading->end - reading->at) / 2;
    const uint32_t valid = left < AT_ONCE ? (1u << left) - 1 : UINT32_MAX;
    const __m512i words = _mm512_maskz_loadu_epi16(valid, reading->at);
    __builtin_prefetch((const void *)((uintptr_t)reading->at + 1024), 0); /* steps of odd lengths are not foreseen */
    const __m512i type = _mm512_srli_epi16(words, 12), value = _mm512_and_si512(words, _mm512_set1_epi16(0x7FF));
    struct kinds kinds = {.words = words};
    kinds.rows = _mm512_cmplt_epu16_mask(value, _mm512_set1_epi16((short)decoder->params.height))
                 & _mm512_testn_epi16_mask(type, type);
    kinds.singles = _mm512_cmplt_epu16_mask(value, _mm512_set1_epi16((short)decoder->params.width))
                    & _mm512_cmpeq_epi16_mask(type, _mm512_set1_epi16(2));
    kinds.lows = _mm512_cmpeq_epi16_mask(type, _mm512_set1_epi16(6));
    kinds.highs = _mm512_cmpeq_epi16_mask(words, _mm512_set1_epi16((short)(0x8000 | decoder->clock.tick)));
    const uint32_t taken = (kinds.rows | kinds.singles | kinds.lows | kinds.highs) & valid;
    kinds.n = taken == UINT32_MAX ? AT_ONCE : (unsigned)_tzcnt_u32(~taken);
    return kinds;
}

static inline void take_only(struct kinds *kinds, unsigned n)
{
    const uint32_t first = (uint32_t)_bzhi_u64(UINT32_MAX, n);
    kinds->n = n;
    kinds->rows &= first;
    kinds->singles &= first;
    kinds->lows &= first;
    kinds->highs &= first;
}

/* Take only what comes before a low time that is behind the one before it. */
static inline void stop_at_low_back(struct kinds *kinds, uint32_t low)
{
    if (!kinds->lows) return;
    const __m512i lows = _mm512_maskz_compress_epi16(kinds->lows, kinds->words);
    uint16_t shift[32];
    for (int i = 0; i < 32; i++) shift[i] = (uint16_t)(i ? i - 1 : 32);
    const __m512i first = _mm512_set1_epi16((short)(0x6000 | low));
    const __m512i before = _mm512_permutex2var_epi16(lows, _mm512_loadu_si512(shift), first);
    const uint32_t valid = (uint32_t)_bzhi_u64(UINT32_MAX, (unsigned)_mm_popcnt_u32(kinds->lows));
    const uint32_t back = _mm512_cmplt_epu16_mask(lows, before) & valid;
    if (DAE_UNLIKELY(back)) take_only(kinds, (unsigned)_tzcnt_u32(_pdep_u32(back & -back, kinds->lows)));
}

/* For each of 16 places the newest word of a kind that is not behind it, or `otherwise`. */
static inline __m512i newest(__m512i words, __m512i places, uint32_t kind, uint32_t otherwise, int bits)
{
    const __m512i upto = _mm512_sub_epi32(_mm512_sllv_epi32(_mm512_set1_epi32(2), places), _mm512_set1_epi32(1));
    const __m512i zeros = _mm512_lzcnt_epi32(_mm512_and_si512(upto, _mm512_set1_epi32((int)kind)));
    const __m512i place = _mm512_sub_epi32(_mm512_set1_epi32(31), zeros); /* -1 chooses from the second source */
    const __m512i value = _mm512_permutex2var_epi16(words, place, _mm512_set1_epi16((short)otherwise));
    return _mm512_and_si512(value, _mm512_set1_epi32(bits));
}

static inline __m512i half_of(__m512i words, unsigned half)
{
    return _mm512_cvtepu16_epi32(half ? _mm512_extracti64x4_epi64(words, 1) : _mm512_castsi512_si256(words));
}

/* The newest of some low times. */
static inline uint32_t low_of(const struct reading *reading, uint32_t lows)
{
    return dae_load_u16(reading->at + 2 * (31 - _lzcnt_u32(lows))) & 0xFFF;
}

/* Give the single events of the words to the sink. */
static DAE_ALWAYS_INLINE void give_singles(const struct kinds *kinds, const struct reading *reading,
                                           struct sink *sink, bool fused)
{
    const unsigned n = (unsigned)_mm_popcnt_u32(kinds->singles);
    uint16_t numbers[32];
    for (int i = 0; i < 32; i++) numbers[i] = (uint16_t)i;
    const __m512i singles = _mm512_maskz_compress_epi16(kinds->singles, kinds->words);
    const __m512i places = _mm512_maskz_compress_epi16(kinds->singles, _mm512_loadu_si512(numbers));
    for (unsigned half = 0; half < 2 && half * 16 < n; half++) {
        const __m512i word = half_of(singles, half), place = half_of(places, half);
        const __m512i x = _mm512_and_si512(word, _mm512_set1_epi32(0x7FF));
        const __m512i on = _mm512_and_si512(_mm512_srli_epi32(word, 11), _mm512_set1_epi32(1));
        const __m512i y = newest(kinds->words, place, kinds->rows, reading->y, 0x7FF);
        const __m512i low = newest(kinds->words, place, kinds->lows, reading->low, 0xFFF);
        const unsigned left = n - half * 16 < 16 ? n - half * 16 : 16;
        if (fused) {
            const struct dae_storing *storing = sink->storing;
            const __m512i base = _mm512_set1_epi32((int)(uint32_t)(reading->time - storing->key_base));
            const __m512i key = _mm512_add_epi32(low, base);
            const __m512i width = _mm512_set1_epi32((int)storing->width);
            add_pending(sink->pending, left, _mm512_add_epi32(_mm512_mullo_epi32(y, width), x),
                        _mm512_or_si512(_mm512_slli_epi32(key, 1), on));
        } else {
            const __m512i xy = _mm512_or_si512(x, _mm512_slli_epi32(y, 16));
            write_16_events(sink->out + half * 16, left, reading->time, low, xy, on, &sink->packing);
        }
    }
    if (fused) {
        const uint32_t lows = kinds->lows & (uint32_t)_bzhi_u64(UINT32_MAX, 32 - _lzcnt_u32(kinds->singles));
        sink->last = reading->time + (lows ? low_of(reading, lows) : reading->low);
        sink->events += n;
    } else {
        sink->out += n;
    }
}

/* Give the events of a whole vector group to the sink. */
static DAE_ALWAYS_INLINE void give_group(uint32_t x, uint32_t on, uint32_t mask, const struct reading *reading,
                                         struct sink *sink, bool fused)
{
    const unsigned n = (unsigned)_mm_popcnt_u32(mask);
    const int64_t t = reading->time + reading->low;
    uint8_t numbers[32];
    for (int i = 0; i < 32; i++) numbers[i] = (uint8_t)i;
    __m256i offsets = _mm256_maskz_compress_epi8(mask, _mm256_loadu_si256((const __m256i *)numbers));
    if (fused) {
        const struct dae_storing *storing = sink->storing;
        const __m512i first = _mm512_set1_epi32((int)(reading->y * storing->width + x));
        const __m512i cell = _mm512_set1_epi32((int)((uint32_t)(t - storing->key_base) << 1 | on));
        for (unsigned i = 0; i < n; i += 16) {
            const __m512i at = _mm512_add_epi32(first, _mm512_cvtepu8_epi32(_mm256_castsi256_si128(offsets)));
            add_pending(sink->pending, n - i < 16 ? n - i : 16, at, cell);
            offsets = _mm256_permute4x64_epi64(offsets, 0x0E); /* the next 16 bytes */
        }
        sink->last = n ? t : sink->last;
        sink->events += n;
    } else {
        const __m512i first = _mm512_set1_epi64((long long)dae_pack_pixel(x, reading->y, on));
        for (unsigned i = 0; i < n; i += 8) {
            const __m512i pixels = _mm512_add_epi64(first, _mm512_cvtepu8_epi64(_mm256_castsi256_si128(offsets)));
            write_8_events(sink->out + i, _mm512_set1_epi64(t), pixels, &sink->packing);
            offsets = _mm256_permute4x64_epi64(offsets, 0x39); /* the next 8 bytes */
        }
        sink->out += n;
    }
}

/* May the sink take n events up to this time? */
static inline bool has_room(const struct sink *sink, unsigned n, int64_t t, bool fused)
{
    return fused ? n <= sink->most - sink->events && t < sink->storing->until : sink->limit - sink->out > AT_ONCE;
}

/* The words of the usual kinds. False: none. */
static DAE_ALWAYS_INLINE bool take_words(struct dae_decoder *decoder, struct reading *reading,
                                         struct sink *sink, bool fused)
{
    struct kinds kinds = kinds_of(decoder, reading);
    take_only(&kinds, kinds.n);
    stop_at_low_back(&kinds, reading->low);
    if (!kinds.n) return false;
    const uint32_t low = kinds.lows ? low_of(reading, kinds.lows) : reading->low;
    if (!has_room(sink, (unsigned)_mm_popcnt_u32(kinds.singles), reading->time + low, fused)) return false;
    if (kinds.singles) give_singles(&kinds, reading, sink, fused);
    if (kinds.rows) reading->y = dae_load_u16(reading->at + 2 * (31 - _lzcnt_u32(kinds.rows))) & 0x7FF;
    if (kinds.highs) decoder->clock.confirmed = true;
    reading->low = low;
    reading->at += 2 * kinds.n;
    return true;
}

/* A whole vector group, all of it inside the sensor. False: it is none. */
static DAE_ALWAYS_INLINE bool take_group(struct dae_decoder *decoder, struct reading *reading,
                                         struct sink *sink, bool fused)
{
    if (reading->end - reading->at < 8) return false;
    uint64_t group;
    memcpy(&group, reading->at, 8);
    const uint32_t x = group & 0x7FF, on = group >> 11 & 1;
    if ((group & 0xF000F000F000F000u) != 0x5000400040003000u || x + 32 > decoder->params.width) return false;
    const uint32_t mask = (uint32_t)_pext_u64(group, 0x00FF0FFF0FFF0000u);
    if (!has_room(sink, (unsigned)_mm_popcnt_u32(mask), reading->time + reading->low, fused)) return false;
    give_group(x, on, mask, reading, sink, fused);
    decoder->counters.partial_vectors += decoder->phase != 0;
    decoder->phase = 0;
    decoder->base = x + 32;
    decoder->base_polarity = on << 11;
    reading->at += 8;
    return true;
}

/* As far as it goes; returns the words used. */
static DAE_ALWAYS_INLINE size_t run(struct dae_decoder *decoder, const uint8_t *bytes, size_t words,
                                    struct sink *sink, bool fused)
{
    struct reading reading = {.at = bytes, .end = bytes + 2 * words, .low = decoder->low, .time = decoder->clock.time};
    if (!dae_clock_believed(&decoder->clock) || decoder->row >> 16 >= decoder->params.height) return 0;
    if (fused && reading.time + reading.low < sink->storing->clock) return 0;
    reading.y = (uint32_t)(decoder->row >> 16);
    while (reading.at != reading.end) {
        if (fused && sink->pending->n > PENDING) store_pending(sink->pending, sink->storing->cells);
        const bool some = take_words(decoder, &reading, sink, fused); /* what ends them is a group, as a rule */
        if (!take_group(decoder, &reading, sink, fused) && !some) break;
    }
    if (fused) store_pending(sink->pending, sink->storing->cells);
    decoder->row = (uint64_t)reading.y << 16;
    decoder->low = reading.low;
    return (size_t)(reading.at - bytes) / 2;
}

size_t dae_decode_evt3_avx512(struct dae_decoder *decoder, const uint8_t *bytes, size_t words,
                              struct dae_event *events, size_t capacity, size_t *count)
{
    struct dae_event *limit = events + capacity - DAE_DECODER_MIN_CAPACITY;
    struct sink sink = {.out = events, .limit = limit, .packing = packing()};
    size_t at = 0;
    while (at < words && sink.out <= limit) {
        const bool roomy = limit - sink.out > AT_ONCE;
        if (roomy) at += run(decoder, bytes + 2 * at, words - at, &sink, false);
        if (at == words) break;
        dae_decoder_note_emitted(decoder, events, sink.out);
        size_t more, some = roomy && words - at > AT_MOST_SERIAL ? AT_MOST_SERIAL : words - at;
        at += dae_decode_evt3(decoder, bytes + 2 * at, some, sink.out, (size_t)(events + capacity - sink.out), &more);
        sink.out += more;
    }
    *count = (size_t)(sink.out - events);
    return at;
}

size_t dae_fuse_evt3_avx512(struct dae_decoder *decoder, const uint8_t *bytes, size_t words,
                            struct dae_storing *storing, uint64_t most, uint64_t *events)
{
    struct pending pending;
    pending.n = 0; /* the rest is written before it is read */
    struct sink sink = {.storing = storing, .pending = &pending, .most = most};
    const size_t used = run(decoder, bytes, words, &sink, true);
    if (sink.events) {
        storing->clock = decoder->last_time = sink.last;
        decoder->emitted = true;
    }
    *events = sink.events;
    return used;
}

DAE_TARGET_END
#else
typedef int dae_no_avx512_evt3; /* a file must not be empty */
#endif
