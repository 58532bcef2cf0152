/* Rendering, 8 pixels at a time, for AVX2. See render.c for what it does. */
#include "render.h"

#ifdef DAE_HAVE_X86
#include <immintrin.h>

#include "target.h"

DAE_TARGET("avx2,f16c")

#define WHOLE 12582912.0f /* as in dae_tencode_round: the sum's low bits are the rounded number */

static inline __m256i all(uint32_t value) { return _mm256_set1_epi32((int)value); }

/* a >= b of numbers below 2^31, or of any a and such b when a is taken for unsigned and large otherwise. */
static inline __m256i at_least(__m256i a, __m256i b) { return _mm256_cmpeq_epi32(_mm256_max_epu32(a, b), a); }

static inline __m256i elapsed_of(__m256i keys, const struct dae_view *view)
{
    __m256i elapsed = _mm256_sub_epi32(keys, all(view->first_key));
    for (uint32_t i = 0; i < view->raises; i++) /* a mask is -1 */
        elapsed = _mm256_add_epi32(elapsed, at_least(keys, all(view->raised[i])));
    return elapsed;
}

static inline __m256i seen_of(__m256i keys, __m256i elapsed, const struct dae_view *view)
{
    return _mm256_and_si256(at_least(keys, all(view->first_key)), at_least(all(view->span), elapsed));
}

static inline __m256 green_of(__m256i elapsed, const struct dae_view *view)
{
    const __m256 age = _mm256_div_ps(_mm256_cvtepi32_ps(elapsed), _mm256_set1_ps(view->interval));
    return _mm256_mul_ps(_mm256_set1_ps(255.0f), _mm256_sub_ps(_mm256_set1_ps(1.0f), age));
}

static inline __m256i on_of(__m256i cells) { return _mm256_cmpeq_epi32(_mm256_and_si256(cells, all(1)), all(1)); }

/* 4 + 4 pixels as 12 bytes at the beginning of each half. */
static inline __m256i pixels_of(__m256i cells, __m256i elapsed, __m256i seen, const struct dae_view *view)
{
    const __m256i colors = _mm256_blendv_epi8(all(0xFF0000), all(0x0000FF), on_of(cells));
    const __m256i sum = _mm256_castps_si256(_mm256_add_ps(green_of(elapsed, view), _mm256_set1_ps(WHOLE)));
    const __m256i levels = _mm256_and_si256(_mm256_slli_epi32(sum, 8), all(0xFF00));
    const __m256i pixels = _mm256_blendv_epi8(all(view->white ? UINT32_MAX : 0), _mm256_or_si256(colors, levels), seen);
    const __m256i order = _mm256_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1, 0, 1, 2, 4, 5, 6,
                                           8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
    return _mm256_shuffle_epi8(pixels, order);
}

void dae_render_u8_avx2(const uint32_t *cells, size_t n, const struct dae_view *view, uint8_t *image)
{
    size_t i = 0;
    for (; i + 8 + 2 <= n; i += 8) { /* it writes 4 bytes too many: the next two pixels' */
        const __m256i cell = _mm256_loadu_si256((const __m256i *)(cells + i)), keys = _mm256_srli_epi32(cell, 1);
        const __m256i elapsed = elapsed_of(keys, view), seen = seen_of(keys, elapsed, view);
        uint8_t *out = image + i * 3;
        __m256i pixels = all(view->white ? UINT32_MAX : 0);
        if (!_mm256_testz_si256(seen, seen)) pixels = pixels_of(cell, elapsed, seen, view);
        _mm_storeu_si128((__m128i *)out, _mm256_castsi256_si128(pixels));
        _mm_storeu_si128((__m128i *)(out + 12), _mm256_extracti128_si256(pixels, 1));
    }
    dae_render_u8_serial(cells + i, n - i, view, image + i * 3);
}

/* The three planes of 8 pixels, in floats. */
static inline void planes_of(__m256i cells, const struct dae_view *view, __m256 planes[3])
{
    const __m256i keys = _mm256_srli_epi32(cells, 1), elapsed = elapsed_of(keys, view);
    const __m256 seen = _mm256_castsi256_ps(seen_of(keys, elapsed, view)), on = _mm256_castsi256_ps(on_of(cells));
    const __m256 one = _mm256_set1_ps(1.0f), zero = _mm256_setzero_ps();
    const __m256 empty = view->white ? one : zero;
    planes[0] = _mm256_blendv_ps(empty, _mm256_blendv_ps(zero, one, on), seen);
    planes[1] = _mm256_blendv_ps(empty, _mm256_div_ps(green_of(elapsed, view), _mm256_set1_ps(255.0f)), seen);
    planes[2] = _mm256_blendv_ps(empty, _mm256_blendv_ps(one, zero, on), seen);
}

void dae_render_f32_avx2(const uint32_t *cells, size_t n, const struct dae_view *view, float *image, size_t plane)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 planes[3];
        planes_of(_mm256_loadu_si256((const __m256i *)(cells + i)), view, planes);
        for (size_t j = 0; j < 3; j++) _mm256_storeu_ps(image + j * plane + i, planes[j]);
    }
    dae_render_f32_serial(cells + i, n - i, view, image + i, plane);
}

void dae_render_f16_avx2(const uint32_t *cells, size_t n, const struct dae_view *view, uint16_t *image, size_t plane)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 planes[3];
        planes_of(_mm256_loadu_si256((const __m256i *)(cells + i)), view, planes);
        for (size_t j = 0; j < 3; j++)
            _mm_storeu_si128((__m128i *)(image + j * plane + i),
                             _mm256_cvtps_ph(planes[j], _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    }
    dae_render_f16_serial(cells + i, n - i, view, image + i, plane);
}

DAE_TARGET_END
#else
typedef int dae_no_avx2; /* a file must not be empty */
#endif
