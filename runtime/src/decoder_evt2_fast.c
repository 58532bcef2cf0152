/* EVT2 straight into the surface of latest events, on any processor: single events inside the sensor and in the order
 * of time, and high times. All else is left to the serial form (decoder_evt2.c), which says what the words mean. */
#include "decoder.h"

#ifdef DAE_HAVE_FAST

#define TIME_HIGH 0x8
#define AT_ONCE 16

/* How far a time is after `time`, at most 64: all that a word can say. */
static uint32_t low_after(int64_t t, int64_t time)
{
    return t <= time ? 0 : t - time > 64 ? 64 : (uint32_t)(t - time);
}

/* What the words of a run share. */
struct run {
    uint32_t *cells;
    uint32_t width, height;
    uint32_t since;  /* from the key base to the low time 0 */
    uint32_t end;    /* low times below this one may be stored */
    uint32_t latest; /* low time of the event before */
};

static inline uint32_t low_of(uint32_t word)
{
    return word >> 22 & 0x3F;
}

/* Has its highest bit where the word is no event that may be stored. Differences and no comparisons: the compiler
 * makes vectors of them. */
static inline uint32_t is_unusual(const struct run *run, uint32_t word)
{
    const uint32_t x = word >> 11 & 0x7FF, y = word & 0x7FF;
    return (0x1FFFFFFF - word) | word | (run->width - 1 - x) | (run->height - 1 - y) | (run->end - 1 - low_of(word));
}

static inline uint32_t index_of(const struct run *run, uint32_t word)
{
    return (word & 0x7FF) * run->width + (word >> 11 & 0x7FF);
}

static inline uint32_t cell_of(const struct run *run, uint32_t word)
{
    return (run->since + low_of(word)) << 1 | word >> 28;
}

/* Store so many words at once; false: one of them is unusual, and none was stored. */
static inline bool store_block(struct run *run, const uint8_t *bytes)
{
    const struct run now = *run;
    uint32_t index[AT_ONCE], cell[AT_ONCE], unusual = low_of(dae_load_u32(bytes)) - now.latest;
    for (int i = 1; i < AT_ONCE; i++)
        unusual |= low_of(dae_load_u32(bytes + 4 * i)) - low_of(dae_load_u32(bytes + 4 * i - 4));
    for (int i = 0; i < AT_ONCE; i++) {
        const uint32_t word = dae_load_u32(bytes + 4 * i);
        unusual |= is_unusual(&now, word);
        index[i] = index_of(&now, word);
        cell[i] = cell_of(&now, word);
    }
    if (unusual >> 31)
        return false;
    for (int i = 0; i < AT_ONCE; i++)
        now.cells[index[i]] = cell[i];
    run->latest = low_of(dae_load_u32(bytes + 4 * (AT_ONCE - 1)));
    return true;
}

/* Store up to so many words while they are usual; returns how many. */
static size_t store_words(struct run *run, const uint8_t *bytes, size_t words)
{
    size_t i = 0;
    while (words - i >= AT_ONCE && store_block(run, bytes + 4 * i))
        i += AT_ONCE;
    for (; i < words; i++) {
        const uint32_t word = dae_load_u32(bytes + 4 * i);
        if ((is_unusual(run, word) | (low_of(word) - run->latest)) >> 31)
            break;
        run->cells[index_of(run, word)] = cell_of(run, word);
        run->latest = low_of(word);
    }
    return i;
}

size_t dae_fuse_evt2_fast(struct dae_decoder *decoder, const uint8_t *bytes, size_t words, struct dae_storing *storing,
                          uint64_t most, uint64_t *events)
{
    size_t at = 0;
    *events = 0;
    while (at < words && dae_clock_believed(&decoder->clock)) {
        const size_t some = words - at < most - *events ? words - at : (size_t)(most - *events);
        int64_t last = storing->clock;
        if (decoder->emitted && decoder->last_time > last)
            last = decoder->last_time;
        const int64_t time = decoder->clock.time;
        struct run run = {storing->cells, storing->width, storing->height, (uint32_t)(time - storing->key_base),
                          low_after(storing->until, time), low_after(last, time)};
        const size_t stored = store_words(&run, bytes + 4 * at, some);
        if (stored) {
            storing->clock = decoder->last_time = time + run.latest;
            decoder->emitted = true;
        }
        at += stored;
        *events += stored;
        if (at == words)
            break;
        const uint32_t word = dae_load_u32(bytes + 4 * at);
        if (word >> 28 != TIME_HIGH)
            break;
        dae_decoder_time_word(decoder, word & 0xFFFFFFF);
        at++;
    }
    return at;
}

#else
typedef int dae_no_fast_evt2; /* a file must not be empty */
#endif
