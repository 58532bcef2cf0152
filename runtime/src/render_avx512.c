/* Rendering, 16 pixels at a time, for AVX-512. See render.c for what it does. */
#include "render.h"

#ifdef DAE_HAVE_X86
#include <immintrin.h>

#include "target.h"

DAE_TARGET("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")

#include "divide_avx512.h"

#define STRETCH 64 /* pixels that are filled at once where nothing is seen */
#define F32_ONE 0x3F800000
#define F16_ONE 0x3C00
#define WHOLE 12582912.0f /* as in dae_tencode_round: the sum's low bits are the rounded number */

/* The view in registers: memory of it might be what the image is written to, for all that compilers know. */
struct numbers {
    __m512i first_key, span, empty;
    __m512 interval, reciprocal;
    uint32_t raises;
    const uint32_t *raised;
};

static DAE_ALWAYS_INLINE struct numbers numbers_of(const struct dae_view *view, uint32_t raises, uint32_t white)
{
    return (struct numbers){
        .first_key = _mm512_set1_epi32((int)view->first_key),
        .span = _mm512_set1_epi32((int)view->span),
        .empty = _mm512_set1_epi32(view->white ? (int)white : 0),
        .interval = _mm512_set1_ps(view->interval),
        .reciprocal = _mm512_set1_ps(1.0f / view->interval),
        .raises = raises,
        .raised = view->raised,
    };
}

static DAE_ALWAYS_INLINE __m512i elapsed_of(__m512i keys, const struct numbers *view)
{
    __m512i elapsed = _mm512_sub_epi32(keys, view->first_key);
    for (uint32_t i = 0; i < view->raises; i++) {
        const __mmask16 later = _mm512_cmpge_epu32_mask(keys, _mm512_set1_epi32((int)view->raised[i]));
        elapsed = _mm512_mask_sub_epi32(elapsed, later, elapsed, _mm512_set1_epi32(1));
    }
    return elapsed;
}

/* Earlier keys have wrapped: they are further than any span (below 2^31). */
static inline __mmask16 seen_of(__m512i elapsed, const struct numbers *view)
{
    return _mm512_cmple_epu32_mask(elapsed, view->span);
}

static inline __m512 green_of(__m512i elapsed, const struct numbers *view)
{
    const __m512 age = divide(_mm512_cvtepi32_ps(elapsed), view->interval, view->reciprocal);
    return _mm512_mul_ps(_mm512_set1_ps(255.0f), _mm512_sub_ps(_mm512_set1_ps(1.0f), age));
}

/* 16 pixels: green in byte 0, red in byte 1, blue in byte 2. Of WHOLE, bytes 0 and 1 are zero, byte 2 is 0x40. */
static inline __m512i pixels_of(__m512i cells, __m512i elapsed, __mmask16 seen, const struct numbers *view)
{
    const __mmask16 on = _mm512_test_epi32_mask(cells, _mm512_set1_epi32(1));
    const __m512i colors = _mm512_mask_blend_epi32(on, _mm512_set1_epi32(0xBF0000), _mm512_set1_epi32(0x40FF00));
    const __m512 levels = _mm512_add_ps(green_of(elapsed, view), _mm512_set1_ps(WHOLE));
    return _mm512_mask_xor_epi32(view->empty, seen, _mm512_castps_si512(levels), colors);
}

/* Bytes of two times 16 pixels that make the 64 from byte `from` on. */
static __m512i byte_order(int from)
{
    static const uint8_t places[3] = {1, 0, 2}; /* of red, green, blue */
    uint8_t order[64];
    for (int i = 0; i < 64; i++) order[i] = (uint8_t)((from + i) / 3 * 4 + places[(from + i) % 3]);
    return _mm512_loadu_si512(order);
}

static DAE_ALWAYS_INLINE void draw_u8(const uint32_t *cells, size_t n, const struct dae_view *view, uint32_t raises,
                                      uint8_t *image)
{
    const struct numbers now = numbers_of(view, raises, UINT32_MAX);
    const __m512i order[3] = {byte_order(0), byte_order(16), byte_order(32)};
    size_t i = 0;
    for (; i + STRETCH <= n; i += STRETCH) {
        __m512i cell[4], elapsed[4], pixels[4];
        __mmask16 seen[4];
        for (int j = 0; j < 4; j++) {
            cell[j] = _mm512_loadu_si512(cells + i + j * 16);
            elapsed[j] = elapsed_of(_mm512_srli_epi32(cell[j], 1), &now);
            seen[j] = seen_of(elapsed[j], &now);
        }
        uint8_t *out = image + i * 3;
        if (!(seen[0] | seen[1] | seen[2] | seen[3])) {
            for (int j = 0; j < 3; j++) _mm512_storeu_si512(out + j * 64, now.empty);
            continue;
        }
        for (int j = 0; j < 4; j++) pixels[j] = pixels_of(cell[j], elapsed[j], seen[j], &now);
        for (int j = 0; j < 3; j++)
            _mm512_storeu_si512(out + j * 64, _mm512_permutex2var_epi8(pixels[j], order[j], pixels[j + 1]));
    }
    dae_render_u8_serial(cells + i, n - i, view, image + i * 3);
}

void dae_render_u8_avx512(const uint32_t *cells, size_t n, const struct dae_view *view, uint8_t *image)
{
    if (view->raises) draw_u8(cells, n, view, view->raises, image);
    else draw_u8(cells, n, view, 0, image); /* the usual case, without an inner loop */
}

/* 16 pixels for three planes: green; red and blue follow from what is seen and what is on. */
struct planes {
    __m512 green;
    __mmask16 seen, on;
};

static DAE_ALWAYS_INLINE struct planes planes_of(__m512i cells, const struct numbers *view)
{
    const __m512i elapsed = elapsed_of(_mm512_srli_epi32(cells, 1), view);
    const __mmask16 seen = seen_of(elapsed, view);
    const __m512 green = divide(green_of(elapsed, view), _mm512_set1_ps(255.0f), _mm512_set1_ps(1.0f / 255.0f));
    return (struct planes){
        .green = _mm512_mask_mov_ps(_mm512_castsi512_ps(view->empty), seen, green),
        .seen = seen,
        .on = _mm512_test_epi32_mask(cells, _mm512_set1_epi32(1)),
    };
}

static DAE_ALWAYS_INLINE void draw_f32(const uint32_t *cells, size_t n, const struct dae_view *view, uint32_t raises,
                                       float *image, size_t plane)
{
    const struct numbers now = numbers_of(view, raises, F32_ONE);
    const __m512 empty = _mm512_castsi512_ps(now.empty), one = _mm512_set1_ps(1.0f), zero = _mm512_setzero_ps();
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const struct planes planes = planes_of(_mm512_loadu_si512(cells + i), &now);
        const __m512 red = _mm512_mask_mov_ps(zero, planes.on, one), blue = _mm512_mask_mov_ps(one, planes.on, zero);
        _mm512_storeu_ps(image + i, _mm512_mask_mov_ps(empty, planes.seen, red));
        _mm512_storeu_ps(image + plane + i, planes.green);
        _mm512_storeu_ps(image + 2 * plane + i, _mm512_mask_mov_ps(empty, planes.seen, blue));
    }
    dae_render_f32_serial(cells + i, n - i, view, image + i, plane);
}

void dae_render_f32_avx512(const uint32_t *cells, size_t n, const struct dae_view *view, float *image, size_t plane)
{
    if (view->raises) draw_f32(cells, n, view, view->raises, image, plane);
    else draw_f32(cells, n, view, 0, image, plane);
}

static DAE_ALWAYS_INLINE void draw_f16(const uint32_t *cells, size_t n, const struct dae_view *view, uint32_t raises,
                                       uint16_t *image, size_t plane)
{
    const struct numbers now = numbers_of(view, raises, F32_ONE);
    const __m256i one = _mm256_set1_epi16(F16_ONE), zero = _mm256_setzero_si256(), empty = view->white ? one : zero;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const struct planes planes = planes_of(_mm512_loadu_si512(cells + i), &now);
        const __m256i green = _mm512_cvtps_ph(planes.green, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        const __m256i red = _mm256_mask_mov_epi16(zero, planes.on, one);
        const __m256i blue = _mm256_mask_mov_epi16(one, planes.on, zero);
        _mm256_storeu_si256((__m256i *)(image + i), _mm256_mask_mov_epi16(empty, planes.seen, red));
        _mm256_storeu_si256((__m256i *)(image + plane + i), green);
        _mm256_storeu_si256((__m256i *)(image + 2 * plane + i), _mm256_mask_mov_epi16(empty, planes.seen, blue));
    }
    dae_render_f16_serial(cells + i, n - i, view, image + i, plane);
}

void dae_render_f16_avx512(const uint32_t *cells, size_t n, const struct dae_view *view, uint16_t *image,
                           size_t plane)
{
    if (view->raises) draw_f16(cells, n, view, view->raises, image, plane);
    else draw_f16(cells, n, view, 0, image, plane);
}

DAE_TARGET_END
#else
typedef int dae_no_avx512; /* a file must not be empty */
#endif
