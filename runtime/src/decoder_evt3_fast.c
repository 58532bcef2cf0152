/* EVT3 on any processor, faster than the serial form (decoder_evt3.c), which says what the words mean.
 *
 * Rows, single events and times come in no order that a branch predictor could learn, so they all take one path, in
 * which a table says what a word does: it takes its kind's place among the newest words, and these are written, but
 * only an event has the next place written to. What was written then becomes events in memory, or goes into the
 * surface of latest events. Whole vector groups and words that only count are taken one by one; all else is left to
 * the serial form. */
#include "decoder_evt3.h"

#ifdef DAE_HAVE_FAST

#define AT_MOST_SERIAL 4 /* words that the serial form gets, before the fast one is tried again */
#define GROUP_EVENTS 32
#define BATCH 256

/* The newest words of four kinds: ADDR_X, ADDR_Y << 16, TIME_LOW << 32, TIME_HIGH << 48. */
#define Y_SHIFT 16
#define LOW_SHIFT 32
#define HIGH_SHIFT 48
#define FIELD 0xFFFFu

/* What words do, by their upper five bits. */
struct effects {
    uint64_t keep[32];   /* what stays of the newest words; */
    uint64_t factor[32]; /* the word times this is added */
    uint32_t limit[32];  /* words below it are usual */
    uint32_t events[32]; /* 1: an event */
};

struct batch {
    uint64_t events[BATCH]; /* the newest words at each */
    size_t n;
};

static void set_effect(struct effects *effects, unsigned type, unsigned shift, uint32_t values)
{
    for (uint32_t i = type << 1, bit = 0; bit < 2; i++, bit++) {
        const bool whole = type == TIME_LOW || type == TIME_HIGH; /* its values have 12 bits, others' 11 */
        effects->keep[i] = ~((uint64_t)FIELD << shift);
        effects->factor[i] = (uint64_t)1 << shift;
        effects->limit[i] = whole ? (type << 12) + values : (i << 11) + (values < 0x800 ? values : 0x800);
        effects->events[i] = type == ADDR_X;
    }
}

/* Low times below `lows` are usual. */
static void set_effects(struct effects *effects, const struct dae_decoder *decoder, int64_t lows)
{
    memset(effects, 0, sizeof *effects);
    set_effect(effects, ADDR_Y, Y_SHIFT, decoder->params.height);
    set_effect(effects, ADDR_X, 0, decoder->params.width);
    set_effect(effects, TIME_LOW, LOW_SHIFT, lows < 0x1000 ? (uint32_t)lows : 0x1000);
    if (decoder->clock.confirmed) /* a high time that repeats the one before says nothing then */
        set_effect(effects, TIME_HIGH, HIGH_SHIFT, decoder->clock.tick + 1);
}

static uint64_t newest_words(const struct dae_decoder *decoder)
{
    const uint64_t high = TIME_HIGH << 12 | decoder->clock.tick, low = TIME_LOW << 12 | decoder->low;
    return high << HIGH_SHIFT | low << LOW_SHIFT | decoder->row; /* ADDR_Y is 0 */
}

/* Add a whole vector group inside the sensor; false where it is none, or there is no room for it. */
static inline bool take_group(struct dae_decoder *decoder, const uint8_t *at, uint64_t newest, struct batch *batch,
                              size_t *n, size_t most)
{
    const uint32_t word = dae_load_u16(at), x = word & 0x7FF;
    uint32_t mask = dae_evt3_group_mask(at);
    const uint32_t last = x + GROUP_EVENTS - 1; /* beyond 11 bits, an ADDR_X cannot say it */
    if (!mask || last > 0x7FF || last >= decoder->params.width || most - *n < GROUP_EVENTS)
        return false;
    const uint64_t first = (newest & ~(uint64_t)FIELD) + (word & 0xFFF); /* as if it were an ADDR_X */
    for (; mask; mask &= mask - 1)
        batch->events[(*n)++] = first + dae_lowest_bit(mask);
    decoder->counters.partial_vectors += decoder->phase != 0;
    decoder->phase = 0;
    decoder->base = x + GROUP_EVENTS;
    decoder->base_polarity = word & 0x800;
    return true;
}

/* Words become at most so many events of a batch, while they are usual; returns those used. */
static size_t take_words(struct dae_decoder *decoder, const struct effects *effects, const uint8_t *bytes,
                         size_t words, struct batch *batch, size_t most)
{
    const uint8_t *at = bytes, *end = bytes + 2 * words;
    uint64_t newest = newest_words(decoder), times = newest >> LOW_SHIFT;
    size_t n = 0;
    if (most > BATCH - 1)
        most = BATCH - 1; /* what is no event is written too */
    while (at != end && n < most) {
        const size_t left = (size_t)(end - at) / 2;
        const uint8_t *stop = at + 2 * (left < most - n ? left : most - n);
        for (; at != stop; at += 2) {
            const uint32_t word = dae_load_u16(at), i = word >> 11;
            const uint64_t next = (newest & effects->keep[i]) + word * effects->factor[i];
            if (DAE_UNLIKELY(word >= effects->limit[i]))
                break;
            if (DAE_UNLIKELY(next >> LOW_SHIFT < times)) /* a time behind the one before */
                break;
            newest = next;
            times = newest >> LOW_SHIFT;
            batch->events[n] = newest;
            n += effects->events[i];
        }
        if (at == stop)
            continue;
        const uint32_t type = dae_load_u16(at) >> 12;
        if (end - at >= 8 && type == VECT_BASE_X && take_group(decoder, at, newest, batch, &n, most)) {
            at += 8;
        } else if (type == EXT_TRIGGER || type == OTHERS || type == CONTINUED_4 || type == CONTINUED_12) {
            dae_evt3_count_rare_word(decoder, type);
            at += 2;
        } else {
            break;
        }
    }
    decoder->row = newest & 0x7FF << Y_SHIFT;
    decoder->low = newest >> LOW_SHIFT & 0xFFF;
    batch->n = n;
    return (size_t)(at - bytes) / 2;
}

static inline uint32_t low_of(uint64_t event)
{
    return event >> LOW_SHIFT & 0xFFF;
}

static bool is_usual(const struct dae_decoder *decoder)
{
    return dae_clock_believed(&decoder->clock) && decoder->row >> 16 < decoder->params.height;
}

static void write_events(const struct batch *batch, int64_t time, struct dae_event *out)
{
    for (size_t i = 0; i < batch->n; i++) {
        const uint64_t event = batch->events[i];
        dae_write_event(out + i, time + low_of(event), (event & 0x7FF07FF) | (event & 0x800) << 21);
    }
}

size_t dae_decode_evt3_fast(struct dae_decoder *decoder, const uint8_t *bytes, size_t words, struct dae_event *events,
                            size_t capacity, size_t *count)
{
    struct dae_event *out = events, *limit = events + capacity - DAE_DECODER_MIN_CAPACITY;
    struct effects effects;
    struct batch batch;
    size_t at = 0;
    while (at < words && out <= limit) {
        size_t used = 1;
        if (is_usual(decoder)) {
            set_effects(&effects, decoder, 0x1000);
            while (used && at < words && out <= limit) {
                used = take_words(decoder, &effects, bytes + 2 * at, words - at, &batch, (size_t)(limit - out) + 1);
                write_events(&batch, decoder->clock.time, out);
                out += batch.n;
                at += used;
            }
        }
        if (at == words || out > limit)
            break;
        dae_decoder_note_emitted(decoder, events, out);
        size_t more, some = words - at < AT_MOST_SERIAL ? words - at : AT_MOST_SERIAL;
        at += dae_decode_evt3(decoder, bytes + 2 * at, some, out, (size_t)(events + capacity - out), &more);
        out += more;
    }
    *count = (size_t)(out - events);
    return at;
}

static void store_events(const struct batch *batch, uint32_t since, struct dae_storing *storing)
{
    uint32_t *const cells = storing->cells;
    const uint32_t width = storing->width;
    for (size_t i = 0; i < batch->n; i++) {
        const uint64_t event = batch->events[i];
        cells[(event >> Y_SHIFT & 0x7FF) * width + (event & 0x7FF)] =
            (since + low_of(event)) << 1 | (event >> 11 & 1);
    }
}

size_t dae_fuse_evt3_fast(struct dae_decoder *decoder, const uint8_t *bytes, size_t words, struct dae_storing *storing,
                          uint64_t most, uint64_t *events)
{
    const int64_t time = decoder->clock.time;
    struct effects effects;
    struct batch batch;
    size_t at = 0, used = 1;
    *events = 0;
    if (!is_usual(decoder) || time + decoder->low < storing->clock || time + decoder->low >= storing->until)
        return 0;
    set_effects(&effects, decoder, storing->until - time);
    while (used && at < words && *events < most) {
        used = take_words(decoder, &effects, bytes + 2 * at, words - at, &batch,
                          most - *events < BATCH ? (size_t)(most - *events) : BATCH);
        store_events(&batch, (uint32_t)(time - storing->key_base), storing);
        if (batch.n) {
            storing->clock = decoder->last_time = time + low_of(batch.events[batch.n - 1]);
            decoder->emitted = true;
        }
        *events += batch.n;
        at += used;
    }
    return at;
}

#else
typedef int dae_no_fast_evt3; /* a file must not be empty */
#endif
