/* The surface of latest events as a picture: one pass over the cells, no division by zero, no NaN. Here the checks and
 * the serial forms, which say what the vector forms (render_*.c) do. */
#include "render.h"

#include "encoder.h"
#include "tencode.h"

#include <string.h> /* memcpy */

/* ---- one pixel ---- */

/* G of a cell in 0..255; where it is not seen, `seen` is 0. */
static inline float green_of(uint32_t cell, const struct dae_view *view, int *seen)
{
    const uint32_t key = cell >> 1, elapsed = dae_elapsed(key, view);
    *seen = dae_is_seen(key, elapsed, view);
    return *seen ? dae_tencode_green((float)(int32_t)elapsed, view->interval) : 0.0f;
}

void dae_render_u8_serial(const uint32_t *cells, size_t n, const struct dae_view *view, uint8_t *image)
{
    const uint8_t empty = view->white ? 255 : 0;
    for (size_t i = 0; i < n; i++) {
        int seen;
        const float green = green_of(cells[i], view, &seen);
        image[i * 3] = !seen ? empty : cells[i] & 1 ? 255 : 0;
        image[i * 3 + 1] = !seen ? empty : (uint8_t)dae_tencode_round(green);
        image[i * 3 + 2] = !seen ? empty : cells[i] & 1 ? 0 : 255;
    }
}

void dae_render_f32_serial(const uint32_t *cells, size_t n, const struct dae_view *view, float *image, size_t plane)
{
    const float empty = view->white ? 1.0f : 0.0f;
    for (size_t i = 0; i < n; i++) {
        int seen;
        const float green = green_of(cells[i], view, &seen);
        image[i] = !seen ? empty : cells[i] & 1 ? 1.0f : 0.0f;
        image[plane + i] = !seen ? empty : green / 255.0f;
        image[2 * plane + i] = !seen ? empty : cells[i] & 1 ? 0.0f : 1.0f;
    }
}

/* A float of [0, 1] in half precision, rounded half to even. */
static uint16_t half_of(float value)
{
    const float smallest_normal = 6.103515625e-05f, steps = 16777216.0f; /* 2^-14; 2^24: subnormals are its parts */
    uint32_t bits;
    if (value < smallest_normal) return (uint16_t)dae_tencode_round(value * steps);
    memcpy(&bits, &value, sizeof bits);
    bits += 0x0FFF + (bits >> 13 & 1);
    return (uint16_t)((bits >> 13) - ((127 - 15) << 10));
}

void dae_render_f16_serial(const uint32_t *cells, size_t n, const struct dae_view *view, uint16_t *image, size_t plane)
{
    const uint16_t one = 0x3C00, empty = view->white ? one : 0;
    for (size_t i = 0; i < n; i++) {
        int seen;
        const float green = green_of(cells[i], view, &seen);
        image[i] = !seen ? empty : cells[i] & 1 ? one : 0;
        image[plane + i] = !seen ? empty : half_of(green / 255.0f);
        image[2 * plane + i] = !seen ? empty : cells[i] & 1 ? 0 : one;
    }
}

/* ---- the ready window ---- */

/* `raised` has room for all windows that may be open. */
static struct dae_view view_of(const struct dae_encoder *encoder, uint32_t *raised)
{
    const struct state *state = &encoder->state;
    struct dae_view view = {.first_key = state->window_key, .raised = raised};
    view.span = (uint32_t)(state->window.last_us - state->window.first_us);
    view.interval = view.span ? (float)view.span : 1.0f;
    view.white = encoder->params.background == DAE_BACKGROUND_WHITE;
    for (uint64_t window = state->next_close; window < state->next_open; window++) {
        const struct start *start = &encoder->starts[window % encoder->starts_size];
        if (start->raised && start->key > view.first_key) raised[view.raises++] = start->key;
    }
    return view;
}

static int check(const struct dae_encoder *encoder, const void *image, size_t size)
{
    if (encoder == NULL || image == NULL) return DAE_ERROR_ARGUMENT;
    if (!encoder->state.ready) return DAE_ERROR_STATE;
    return size / 3 < encoder->pixels ? DAE_ERROR_BUFFER : DAE_OK;
}

int dae_encoder_render_u8(const struct dae_encoder *encoder, uint8_t *image, size_t size)
{
    uint32_t raised[HOPS_LIMIT + 1];
    const int status = check(encoder, image, size);
    if (status != DAE_OK) return status;
    const struct dae_view view = view_of(encoder, raised);
    encoder->kernels->render_u8(encoder->cells, encoder->pixels, &view, image);
    return DAE_OK;
}

int dae_encoder_render_f32(const struct dae_encoder *encoder, float *image, size_t size)
{
    uint32_t raised[HOPS_LIMIT + 1];
    const int status = check(encoder, image, size);
    if (status != DAE_OK) return status;
    const struct dae_view view = view_of(encoder, raised);
    encoder->kernels->render_f32(encoder->cells, encoder->pixels, &view, image, encoder->pixels);
    return DAE_OK;
}

int dae_encoder_render_f16(const struct dae_encoder *encoder, uint16_t *image, size_t size)
{
    uint32_t raised[HOPS_LIMIT + 1];
    const int status = check(encoder, image, size);
    if (status != DAE_OK) return status;
    const struct dae_view view = view_of(encoder, raised);
    encoder->kernels->render_f16(encoder->cells, encoder->pixels, &view, image, encoder->pixels);
    return DAE_OK;
}
