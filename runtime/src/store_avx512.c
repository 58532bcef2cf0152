/* Events into the surface of latest events, 16 at a time, for AVX-512: times are checked and cells computed at once,
 * then stored one after another. See store.c for what it does. */
#include "kernels.h"

#ifdef DAE_HAVE_X86
#include <immintrin.h>

#include "target.h"

DAE_TARGET(DAE_AVX512)

#include "events_avx512.h"
#include "pending_avx512.h"

/* Are all times in order and before the end? `before` holds the time before the block in its last place. */
static inline int in_order(const struct block *block, __m512i before, __m512i until)
{
    const __m512i previous[2] = {_mm512_alignr_epi64(block->t[0], before, 7),
                                 _mm512_alignr_epi64(block->t[1], block->t[0], 7)};
    const __mmask8 back = _mm512_cmplt_epi64_mask(block->t[0], previous[0])
                          | _mm512_cmplt_epi64_mask(block->t[1], previous[1]);
    /* In order, the last one is the latest; out of order, it does not matter. */
    return !(back | (_mm512_cmpge_epi64_mask(block->t[1], until) & 0x80));
}

/* Returns how many are outside the sensor. */
static inline unsigned add_block(const struct dae_storing *storing, const struct block *block, struct pending *pending)
{
    const __m512i base = _mm512_set1_epi64(storing->key_base);
    const __m256i keys[2] = {_mm512_cvtepi64_epi32(_mm512_sub_epi64(block->t[0], base)),
                             _mm512_cvtepi64_epi32(_mm512_sub_epi64(block->t[1], base))};
    const __m512i key = _mm512_inserti64x4(_mm512_castsi256_si512(keys[0]), keys[1], 1);
    const __m512i doubled = _mm512_add_epi32(key, key);
    __m512i pixel;
    const __mmask16 inside = inside_of(block, storing->width, storing->height, &pixel);
    const __m512i outside_cell = _mm512_set1_epi32((int)storing->outside_cell);
    add_pending(pending, BLOCK, _mm512_mask_mov_epi32(outside_cell, inside, pixel),
                _mm512_mask_add_epi32(doubled, block->on, doubled, _mm512_set1_epi32(1)));
    return BLOCK - (unsigned)_mm_popcnt_u32(inside);
}

static DAE_ALWAYS_INLINE size_t store(struct dae_storing *storing, const struct dae_events *events,
                                      enum dae_layout layout, size_t from, size_t n)
{
    const struct dae_storing now = *storing;
    const __m512i until = _mm512_set1_epi64(now.until);
    __m512i before = _mm512_set1_epi64(now.clock);
    const struct packed_orders orders = packed_orders();
    struct pending pending;
    pending.n = 0;
    uint64_t outside = 0;
    size_t at = from;
    for (; at + BLOCK + 1 <= n; at += BLOCK) { /* one more: load_block reads behind the block */
        const struct block block = load_block(events, layout, at, &orders);
        if (!in_order(&block, before, until)) break;
        outside += add_block(&now, &block, &pending);
        if (pending.n >= PENDING) store_pending(&pending, now.cells);
        before = block.t[1];
    }
    store_pending(&pending, now.cells);
    storing->clock = _mm_extract_epi64(_mm512_extracti64x2_epi64(before, 3), 1);
    storing->outside += outside;
    return at - from;
}

size_t dae_store_avx512(struct dae_storing *storing, const struct dae_events *events, size_t at, size_t n)
{
    size_t stored = 0;
    switch (events->layout) {
    case DAE_LAYOUT_PACKED: stored = store(storing, events, DAE_LAYOUT_PACKED, at, n); break;
    case DAE_LAYOUT_CD: stored = store(storing, events, DAE_LAYOUT_CD, at, n); break;
    case DAE_LAYOUT_ARRAYS: stored = store(storing, events, DAE_LAYOUT_ARRAYS, at, n); break;
    }
    return stored + dae_store_serial(storing, events, at + stored, n);
}

DAE_TARGET_END
#else
typedef int dae_no_avx512_store; /* a file must not be empty */
#endif
