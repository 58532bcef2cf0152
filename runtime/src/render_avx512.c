/* Rendering, 16 pixels at a time, for AVX-512. See render.c for what it does. */
#include "render.h"

#ifdef DAE_HAVE_X86
#include <immintrin.h>

#include "target.h"

DAE_TARGET("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")

#define STRETCH 64 /* pixels that are filled at once where nothing is seen */
#define WHOLE 12582912.0f /* as in dae_tencode_round: the sum's low bits are the rounded number */

static inline __m512i elapsed_of(__m512i keys, const struct dae_view *view)
{
    __m512i elapsed = _mm512_sub_epi32(keys, _mm512_set1_epi32((int)view->first_key));
    for (uint32_t i = 0; i < view->raises; i++) {
        const __mmask16 later = _mm512_cmpge_epu32_mask(keys, _mm512_set1_epi32((int)view->raised[i]));
        elapsed = _mm512_mask_sub_epi32(elapsed, later, elapsed, _mm512_set1_epi32(1));
    }
    return elapsed;
}

static inline __mmask16 seen_of(__m512i keys, __m512i elapsed, const struct dae_view *view)
{
    return _mm512_cmpge_epu32_mask(keys, _mm512_set1_epi32((int)view->first_key))
           & _mm512_cmple_epu32_mask(elapsed, _mm512_set1_epi32((int)view->span));
}

static inline __m512 green_of(__m512i elapsed, const struct dae_view *view)
{
    const __m512 age = _mm512_div_ps(_mm512_cvtepi32_ps(elapsed), _mm512_set1_ps(view->interval));
    return _mm512_mul_ps(_mm512_set1_ps(255.0f), _mm512_sub_ps(_mm512_set1_ps(1.0f), age));
}

/* 16 pixels as 48 bytes, and what lies behind them. */
static inline __m512i pixels_of(__m512i cells, __m512i elapsed, __mmask16 seen, const struct dae_view *view,
                                __m512i order)
{
    const __m512i empty = _mm512_set1_epi32(view->white ? -1 : 0);
    const __mmask16 on = _mm512_test_epi32_mask(cells, _mm512_set1_epi32(1));
    const __m512i colors = _mm512_mask_blend_epi32(on, _mm512_set1_epi32(0xFF0000), _mm512_set1_epi32(0x0000FF));
    const __m512 levels = _mm512_add_ps(green_of(elapsed, view), _mm512_set1_ps(WHOLE));
    return _mm512_permutex2var_epi8(_mm512_mask_mov_epi32(empty, seen, colors), order,
                                    _mm512_mask_mov_epi32(empty, seen, _mm512_castps_si512(levels)));
}

/* Bytes of pixels_of: red, blue from bytes 0 and 2 of the colour, green from byte 0 of the level (64 and on). */
static __m512i byte_order(void)
{
    uint8_t order[64] = {0};
    for (int i = 0; i < 16; i++) {
        order[i * 3] = (uint8_t)(i * 4);
        order[i * 3 + 1] = (uint8_t)(64 + i * 4);
        order[i * 3 + 2] = (uint8_t)(i * 4 + 2);
    }
    return _mm512_loadu_si512(order);
}

void dae_render_u8_avx512(const uint32_t *cells, size_t n, const struct dae_view *view, uint8_t *image)
{
    const __mmask64 whole = ((__mmask64)1 << 48) - 1;
    const __m512i order = byte_order();
    size_t i = 0;
    for (; i + STRETCH <= n; i += STRETCH) {
        __m512i cell[4], elapsed[4];
        __mmask16 seen[4];
        for (int j = 0; j < 4; j++) {
            cell[j] = _mm512_loadu_si512(cells + i + j * 16);
            const __m512i keys = _mm512_srli_epi32(cell[j], 1);
            elapsed[j] = elapsed_of(keys, view);
            seen[j] = seen_of(keys, elapsed[j], view);
        }
        uint8_t *out = image + i * 3;
        if (!(seen[0] | seen[1] | seen[2] | seen[3])) {
            for (int j = 0; j < 3; j++) _mm512_storeu_si512(out + j * 64, _mm512_set1_epi32(view->white ? -1 : 0));
            continue;
        }
        for (int j = 0; j < 3; j++) /* each writes 16 bytes of the next, too */
            _mm512_storeu_si512(out + j * 48, pixels_of(cell[j], elapsed[j], seen[j], view, order));
        _mm512_mask_storeu_epi8(out + 144, whole, pixels_of(cell[3], elapsed[3], seen[3], view, order));
    }
    dae_render_u8_serial(cells + i, n - i, view, image + i * 3);
}

/* The three planes of 16 pixels, in floats. */
static inline void planes_of(__m512i cells, const struct dae_view *view, __m512 planes[3])
{
    const __m512i keys = _mm512_srli_epi32(cells, 1), elapsed = elapsed_of(keys, view);
    const __mmask16 seen = seen_of(keys, elapsed, view), on = _mm512_test_epi32_mask(cells, _mm512_set1_epi32(1));
    const __m512 one = _mm512_set1_ps(1.0f), zero = _mm512_setzero_ps();
    const __m512 empty = view->white ? one : zero;
    planes[0] = _mm512_mask_mov_ps(empty, seen, _mm512_mask_mov_ps(zero, on, one));
    planes[1] = _mm512_mask_mov_ps(empty, seen, _mm512_div_ps(green_of(elapsed, view), _mm512_set1_ps(255.0f)));
    planes[2] = _mm512_mask_mov_ps(empty, seen, _mm512_mask_mov_ps(one, on, zero));
}

void dae_render_f32_avx512(const uint32_t *cells, size_t n, const struct dae_view *view, float *image, size_t plane)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m512 planes[3];
        planes_of(_mm512_loadu_si512(cells + i), view, planes);
        for (size_t j = 0; j < 3; j++) _mm512_storeu_ps(image + j * plane + i, planes[j]);
    }
    dae_render_f32_serial(cells + i, n - i, view, image + i, plane);
}

void dae_render_f16_avx512(const uint32_t *cells, size_t n, const struct dae_view *view, uint16_t *image,
                           size_t plane)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m512 planes[3];
        planes_of(_mm512_loadu_si512(cells + i), view, planes);
        for (size_t j = 0; j < 3; j++)
            _mm256_storeu_si256((__m256i *)(image + j * plane + i),
                                _mm512_cvtps_ph(planes[j], _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    }
    dae_render_f16_serial(cells + i, n - i, view, image + i, plane);
}

DAE_TARGET_END
#else
typedef int dae_no_avx512; /* a file must not be empty */
#endif
