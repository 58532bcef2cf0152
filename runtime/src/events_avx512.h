/* Reading 16 events of any layout. For AVX-512; included between DAE_TARGET and DAE_TARGET_END. */
#ifndef DAE_EVENTS_AVX512_H
#define DAE_EVENTS_AVX512_H

#define BLOCK 16

struct block {
    __m512i t[2]; /* of 8 events each */
    __m512i xy;   /* x | y << 16 */
    __mmask16 on;
};

/* Which bytes of 4 + 4 packed events make 8 times; and 8 x | y << 16, then 8 bytes of polarity. */
struct packed_orders {
    __m512i times, rest;
};

static inline struct packed_orders packed_orders(void)
{
    uint8_t t[64], other[64] = {0};
    for (int i = 0; i < 8; i++) {
        const int event = (i < 4 ? 0 : 64) + i % 4 * 13;
        for (int j = 0; j < 8; j++) t[i * 8 + j] = (uint8_t)(event + j);
        for (int j = 0; j < 4; j++) other[i * 4 + j] = (uint8_t)(event + 8 + j);
        other[32 + i] = (uint8_t)(event + 12);
    }
    return (struct packed_orders){_mm512_loadu_si512(t), _mm512_loadu_si512(other)};
}

/* Reads 12 bytes behind the block. */
static inline struct block load_packed(const struct dae_event *events, const struct packed_orders *orders)
{
    struct block block;
    __m512i others[2];
    for (int i = 0; i < 2; i++) {
        const __m512i first = _mm512_loadu_si512(events + i * 8), second = _mm512_loadu_si512(events + i * 8 + 4);
        block.t[i] = _mm512_permutex2var_epi8(first, orders->times, second);
        others[i] = _mm512_permutex2var_epi8(first, orders->rest, second);
    }
    block.xy = _mm512_inserti64x4(others[0], _mm512_castsi512_si256(others[1]), 1);
    const __m128i on =
        _mm_unpacklo_epi64(_mm512_extracti32x4_epi32(others[0], 2), _mm512_extracti32x4_epi32(others[1], 2));
    block.on = _mm_test_epi8_mask(on, on);
    return block;
}

static inline struct block load_cd(const struct dae_event_cd *events)
{
    const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
    const __m512i odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
    struct block block;
    __m256i xy[2];
    unsigned on = 0;
    for (int i = 0; i < 2; i++) {
        const __m512i first = _mm512_loadu_si512(events + i * 8), second = _mm512_loadu_si512(events + i * 8 + 4);
        block.t[i] = _mm512_permutex2var_epi64(first, odd, second);
        const __m512i rest = _mm512_permutex2var_epi64(first, even, second);
        const __m512i p_above = _mm512_slli_epi64(rest, 16); /* p in the highest 16 bits */
        on |= (unsigned)_mm512_cmpge_epi64_mask(p_above, _mm512_set1_epi64((long long)1 << 48)) << i * 8;
        xy[i] = _mm512_cvtepi64_epi32(rest);
    }
    block.xy = _mm512_inserti64x4(_mm512_castsi256_si512(xy[0]), xy[1], 1);
    block.on = (__mmask16)on;
    return block;
}

static inline struct block load_arrays(const struct dae_events *events, size_t at)
{
    struct block block = {.t = {_mm512_loadu_si512(events->t + at), _mm512_loadu_si512(events->t + at + 8)}};
    const __m512i x = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(events->x + at)));
    const __m512i y = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(events->y + at)));
    const __m128i on = _mm_loadu_si128((const __m128i *)(events->on + at));
    block.xy = _mm512_or_si512(x, _mm512_slli_epi32(y, 16));
    block.on = _mm_test_epi8_mask(on, on);
    return block;
}

/* Ask for memory before it is needed: strides that are no whole lines are not foreseen by processors, and waiting for
 * events halves the speed where they come from beyond the caches. Addresses behind the end are harmless. */
static DAE_ALWAYS_INLINE void ask_ahead(const struct dae_events *events, enum dae_layout layout, size_t at)
{
    const uintptr_t ahead = 4096;
    if (layout == DAE_LAYOUT_ARRAYS) return; /* whole lines */
    const int is_packed = layout == DAE_LAYOUT_PACKED;
    const uintptr_t block = is_packed ? (uintptr_t)(events->packed + at) : (uintptr_t)(events->cd + at);
    for (uintptr_t line = 0; line < 4; line++) __builtin_prefetch((const void *)(block + ahead + line * 64), 0);
}

/* Events [at, at + 16); may read one event behind them. */
static DAE_ALWAYS_INLINE struct block load_block(const struct dae_events *events, enum dae_layout layout, size_t at,
                                                 const struct packed_orders *orders)
{
    ask_ahead(events, layout, at);
    if (layout == DAE_LAYOUT_PACKED) return load_packed(events->packed + at, orders);
    return layout == DAE_LAYOUT_CD ? load_cd(events->cd + at) : load_arrays(events, at);
}

/* Which of them are on the sensor; *pixel is where. */
static inline __mmask16 inside_of(const struct block *block, uint32_t width, uint32_t height, __m512i *pixel)
{
    const __m512i x = _mm512_and_si512(block->xy, _mm512_set1_epi32(0xFFFF)), y = _mm512_srli_epi32(block->xy, 16);
    *pixel = _mm512_add_epi32(_mm512_mullo_epi32(y, _mm512_set1_epi32((int)width)), x);
    return _mm512_cmplt_epu32_mask(x, _mm512_set1_epi32((int)width))
           & _mm512_cmplt_epu32_mask(y, _mm512_set1_epi32((int)height));
}

#endif
