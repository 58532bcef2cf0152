/* Tencode of an array, 16 events at a time, for AVX-512: colours are computed at once, then written one after another.
 * See tencode.c for what it does. */
#include "kernels.h"
#include "tencode.h"

#ifdef DAE_HAVE_X86
#include <immintrin.h>
#include <string.h> /* memcpy */

#include "target.h"

DAE_TARGET(DAE_AVX512)

#include "divide_avx512.h"
#include "events_avx512.h"
#include "pending_avx512.h"

#define WHOLE 12582912.0f /* as in dae_tencode_round: the sum's low bits are the rounded number */

/* Red in the lowest byte, green, blue; the highest is not used. `reciprocal`: of the span; 0 makes no event older. */
static inline __m512i colors_of(const struct block *block, const struct dae_interval *interval, float reciprocal)
{
    const __m512i first = _mm512_set1_epi64(interval->first_us);
    const __m256 elapsed[2] = {_mm512_cvtepi64_ps(_mm512_sub_epi64(block->t[0], first)),
                               _mm512_cvtepi64_ps(_mm512_sub_epi64(block->t[1], first))};
    const __m512 age = divide(_mm512_insertf32x8(_mm512_castps256_ps512(elapsed[0]), elapsed[1], 1),
                              _mm512_set1_ps(interval->span), _mm512_set1_ps(reciprocal));
    const __m512 green = _mm512_mul_ps(_mm512_set1_ps(255.0f), _mm512_sub_ps(_mm512_set1_ps(1.0f), age));
    const __m512 clipped = _mm512_min_ps(_mm512_max_ps(green, _mm512_setzero_ps()), _mm512_set1_ps(255.0f));
    const __m512i sum = _mm512_castps_si512(_mm512_add_ps(clipped, _mm512_set1_ps(WHOLE)));
    return _mm512_or_si512(_mm512_slli_epi32(sum, 8), /* bytes 0 and 2 of it are zero */
                           _mm512_mask_blend_epi32(block->on, _mm512_set1_epi32(0xFF0000), _mm512_set1_epi32(0xFF)));
}

static inline void write_color(uint8_t *image, uint32_t at, uint32_t color)
{
    const uint16_t red_green = (uint16_t)color;
    uint8_t *pixel = image + (size_t)at * 3;
    memcpy(pixel, &red_green, 2);
    pixel[2] = (uint8_t)(color >> 16);
}

static inline void write_pending(struct pending *pending, uint8_t *image)
{
    for (unsigned i = 0; i < pending->n; i++) write_color(image, pending->at[i], pending->values[i]);
    pending->n = 0;
}

static DAE_ALWAYS_INLINE size_t tencode(const struct dae_events *events, enum dae_layout layout,
                                        const struct dae_interval *interval, uint32_t width, uint32_t height,
                                        uint8_t *image, size_t *outside)
{
    const struct dae_interval now = *interval; /* in registers, whatever the image may alias */
    const float reciprocal = now.span != 0.0f ? 1.0f / now.span : 0.0f;
    const struct packed_orders orders = packed_orders();
    struct pending pending;
    pending.n = 0;
    size_t at = 0;
    for (; at + BLOCK + 1 <= events->n; at += BLOCK) { /* one more: load_block reads behind the block */
        const struct block block = load_block(events, layout, at, &orders);
        __m512i pixel;
        const __mmask16 inside = inside_of(&block, width, height, &pixel);
        const unsigned n = (unsigned)_mm_popcnt_u32(inside);
        add_pending(&pending, n, _mm512_maskz_compress_epi32(inside, pixel),
                    _mm512_maskz_compress_epi32(inside, colors_of(&block, &now, reciprocal)));
        *outside += BLOCK - n;
        if (pending.n >= PENDING) write_pending(&pending, image);
    }
    write_pending(&pending, image);
    return at;
}

size_t dae_tencode_u8_avx512(const struct dae_events *events, const struct dae_interval *interval, uint16_t width,
                             uint16_t height, uint8_t *image, size_t *outside)
{
    switch (events->layout) {
    case DAE_LAYOUT_PACKED: return tencode(events, DAE_LAYOUT_PACKED, interval, width, height, image, outside);
    case DAE_LAYOUT_CD: return tencode(events, DAE_LAYOUT_CD, interval, width, height, image, outside);
    case DAE_LAYOUT_ARRAYS: return tencode(events, DAE_LAYOUT_ARRAYS, interval, width, height, image, outside);
    }
    return 0;
}

DAE_TARGET_END
#else
typedef int dae_no_avx512_tencode; /* a file must not be empty */
#endif
