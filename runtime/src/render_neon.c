/* Rendering, 16 pixels at a time, for NEON. See render.c for what it does. */
#include "render.h"

#ifdef DAE_HAVE_NEON
#include <arm_neon.h>

#define WHOLE 12582912.0f /* as in dae_tencode_round: the sum's low bits are the rounded number */

static inline uint32x4_t elapsed_of(uint32x4_t keys, const struct dae_view *view)
{
    uint32x4_t elapsed = vsubq_u32(keys, vdupq_n_u32(view->first_key));
    for (uint32_t i = 0; i < view->raises; i++) /* a mask is -1 */
        elapsed = vaddq_u32(elapsed, vcgeq_u32(keys, vdupq_n_u32(view->raised[i])));
    return elapsed;
}

static inline uint32x4_t seen_of(uint32x4_t keys, uint32x4_t elapsed, const struct dae_view *view)
{
    return vandq_u32(vcgeq_u32(keys, vdupq_n_u32(view->first_key)), vcleq_u32(elapsed, vdupq_n_u32(view->span)));
}

static inline float32x4_t green_of(uint32x4_t elapsed, const struct dae_view *view)
{
    const float32x4_t age = vdivq_f32(vcvtq_f32_s32(vreinterpretq_s32_u32(elapsed)), vdupq_n_f32(view->interval));
    return vmulq_f32(vdupq_n_f32(255.0f), vsubq_f32(vdupq_n_f32(1.0f), age));
}

/* The low bytes of 16 numbers. */
static inline uint8x16_t low_bytes(const uint32x4_t numbers[4])
{
    const uint16x8_t first = vcombine_u16(vmovn_u32(numbers[0]), vmovn_u32(numbers[1]));
    const uint16x8_t second = vcombine_u16(vmovn_u32(numbers[2]), vmovn_u32(numbers[3]));
    return vcombine_u8(vmovn_u16(first), vmovn_u16(second));
}

void dae_render_u8_neon(const uint32_t *cells, size_t n, const struct dae_view *view, uint8_t *image)
{
    const uint8x16_t empty = vdupq_n_u8(view->white ? 255 : 0);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        uint32x4_t cell[4], elapsed[4], seen[4], levels[4];
        for (int j = 0; j < 4; j++) {
            cell[j] = vld1q_u32(cells + i + j * 4);
            const uint32x4_t keys = vshrq_n_u32(cell[j], 1);
            elapsed[j] = elapsed_of(keys, view);
            seen[j] = seen_of(keys, elapsed[j], view);
        }
        const uint8x16_t shown = low_bytes(seen);
        uint8x16x3_t pixels = {{empty, empty, empty}};
        if (vmaxvq_u8(shown)) {
            for (int j = 0; j < 4; j++)
                levels[j] = vreinterpretq_u32_f32(vaddq_f32(green_of(elapsed[j], view), vdupq_n_f32(WHOLE)));
            const uint8x16_t on = vtstq_u8(low_bytes(cell), vdupq_n_u8(1));
            pixels.val[0] = vbslq_u8(shown, on, empty);
            pixels.val[1] = vbslq_u8(shown, low_bytes(levels), empty);
            pixels.val[2] = vbslq_u8(shown, vmvnq_u8(on), empty);
        }
        vst3q_u8(image + i * 3, pixels);
    }
    dae_render_u8_serial(cells + i, n - i, view, image + i * 3);
}

/* The three planes of 4 pixels, in floats. */
static inline void planes_of(uint32x4_t cells, const struct dae_view *view, float32x4_t planes[3])
{
    const uint32x4_t keys = vshrq_n_u32(cells, 1), elapsed = elapsed_of(keys, view);
    const uint32x4_t seen = seen_of(keys, elapsed, view), on = vtstq_u32(cells, vdupq_n_u32(1));
    const float32x4_t one = vdupq_n_f32(1.0f), zero = vdupq_n_f32(0.0f);
    const float32x4_t empty = view->white ? one : zero;
    planes[0] = vbslq_f32(seen, vbslq_f32(on, one, zero), empty);
    planes[1] = vbslq_f32(seen, vdivq_f32(green_of(elapsed, view), vdupq_n_f32(255.0f)), empty);
    planes[2] = vbslq_f32(seen, vbslq_f32(on, zero, one), empty);
}

void dae_render_f32_neon(const uint32_t *cells, size_t n, const struct dae_view *view, float *image, size_t plane)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        float32x4_t planes[3];
        planes_of(vld1q_u32(cells + i), view, planes);
        for (size_t j = 0; j < 3; j++) vst1q_f32(image + j * plane + i, planes[j]);
    }
    dae_render_f32_serial(cells + i, n - i, view, image + i, plane);
}

void dae_render_f16_neon(const uint32_t *cells, size_t n, const struct dae_view *view, uint16_t *image, size_t plane)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        float32x4_t planes[3];
        planes_of(vld1q_u32(cells + i), view, planes);
        for (size_t j = 0; j < 3; j++)
            vst1_u16(image + j * plane + i, vreinterpret_u16_f16(vcvt_f16_f32(planes[j])));
    }
    dae_render_f16_serial(cells + i, n - i, view, image + i, plane);
}
#else
typedef int dae_no_neon; /* a file must not be empty */
#endif
