/* Writing events, 8 at a time. For the decoders with AVX-512; included between DAE_TARGET and DAE_TARGET_END. */
#ifndef DAE_DECODER_AVX512_H
#define DAE_DECODER_AVX512_H

/* Which bytes of 8 times and 8 pixels make the 52 bytes of the first and of the last four events. */
struct packing {
    __m512i order[2];
};

static inline struct packing packing(void)
{
    struct packing packing;
    for (int half = 0; half < 2; half++) {
        uint8_t order[64] = {0};
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 13; j++) {
                const int source = (half * 4 + i) * 8;
                order[i * 13 + j] = (uint8_t)(j < 8 ? source + j : 64 + source + j - 8);
            }
        packing.order[half] = _mm512_loadu_si512(order);
    }
    return packing;
}

/* Write 8 events, and 12 bytes behind them. A pixel is x | y << 16 | on << 32. */
static inline void write_8_events(struct dae_event *out, __m512i t, __m512i pixels, const struct packing *packing)
{
    _mm512_storeu_si512(out, _mm512_permutex2var_epi8(t, packing->order[0], pixels));
    _mm512_storeu_si512(out + 4, _mm512_permutex2var_epi8(t, packing->order[1], pixels));
}

/* The same for the first or last 8 of 16 numbers. */
static inline __m512i widen(__m512i numbers, int last)
{
    return _mm512_cvtepu32_epi64(last ? _mm512_extracti64x4_epi64(numbers, 1) : _mm512_castsi512_si256(numbers));
}

/* Write the first n of 16 events (n rounded up to 8 is written over); t: time + low. */
static inline void write_16_events(struct dae_event *out, unsigned n, int64_t time, __m512i low, __m512i xy, __m512i on,
                                   const struct packing *packing)
{
    const __m512i base = _mm512_set1_epi64(time);
    for (int half = 0; half < 2 && (unsigned)half * 8 < n; half++) {
        const __m512i t = _mm512_add_epi64(base, widen(low, half));
        const __m512i pixels = _mm512_or_si512(widen(xy, half), _mm512_slli_epi64(widen(on, half), 32));
        write_8_events(out + half * 8, t, pixels, packing);
    }
}

/* Store the first n of 16 cells, in this order. Those behind them go to the cell that does not count. */
static inline void store_16_cells(const struct dae_storing *storing, unsigned n, __m512i pixels, __m512i cells)
{
    uint32_t at[16], values[16];
    const __mmask16 wanted = (__mmask16)((1u << n) - 1);
    _mm512_storeu_si512(at, _mm512_mask_mov_epi32(_mm512_set1_epi32((int)storing->outside_cell), wanted, pixels));
    _mm512_storeu_si512(values, cells);
    for (int i = 0; i < 8; i++) storing->cells[at[i]] = values[i];
    if (n > 8)
        for (int i = 8; i < 16; i++) storing->cells[at[i]] = values[i];
}

#endif
