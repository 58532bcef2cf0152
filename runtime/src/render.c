/* The surface of latest events as a picture: one pass over the cells, no division by zero, no NaN.
 *
 * The loops over a stretch have no branches, so that compilers make vector code of them; masks choose instead. Where
 * nothing happened in the window, a stretch is filled at once. */
#include "encoder.h"
#include "tencode.h"

#include <string.h> /* memset */

#define STRETCH 64 /* pixels */

struct view { /* the ready window in terms of the cells */
    int32_t first_number; /* cells from this number on are in the window */
    uint32_t first;       /* first event's time, relative to the base */
    uint32_t span;        /* from the first event to the last, below TIME_LIMIT */
    float interval;       /* the same */
};

static struct view view_of(const struct dae_encoder *encoder)
{
    const struct state *state = &encoder->state;
    struct view view;
    view.first_number = (int32_t)(state->window_number - state->number_base);
    view.first = (uint32_t)(state->window.first_us - state->time_base);
    view.span = (uint32_t)(state->window.last_us - state->window.first_us);
    view.interval = (float)view.span;
    return view;
}

static uint32_t elapsed_of(uint64_t cell, struct view view) { return (uint32_t)(cell >> 1) - view.first; }

/* 1: the cell's event is in the window. Its time is asked too, for snapshots that somebody tampered with. */
static uint32_t is_seen(uint64_t cell, struct view view)
{
    return (uint32_t)((int32_t)(cell >> 33) >= view.first_number) & (uint32_t)(elapsed_of(cell, view) <= view.span);
}

static float green_of(uint64_t cell, struct view view)
{
    const uint32_t elapsed = elapsed_of(cell, view) & (0 - is_seen(cell, view));
    return dae_tencode_green((float)(int32_t)elapsed, view.interval);
}

static int any_seen(const uint64_t *cells, size_t n, struct view view)
{
    uint32_t any = 0;
    for (size_t i = 0; i < n; i++) any |= (uint32_t)((int32_t)(cells[i] >> 33) >= view.first_number);
    return any != 0;
}

static void write_u8(const uint64_t *cells, size_t n, struct view view, uint32_t empty, uint8_t *image)
{
    uint32_t pixels[STRETCH]; /* red in the lowest byte, green, blue */
    for (size_t i = 0; i < n; i++) {
        const uint32_t seen = 0 - is_seen(cells[i], view), on = 0 - (uint32_t)(cells[i] & 1);
        const uint32_t level = (uint32_t)dae_tencode_round(green_of(cells[i], view));
        const uint32_t color = (on & 0x0000FF) | level << 8 | (~on & 0xFF0000);
        pixels[i] = (seen & color) | (~seen & empty);
    }
    for (size_t i = 0; i < n; i++) {
        image[i * 3] = (uint8_t)pixels[i];
        image[i * 3 + 1] = (uint8_t)(pixels[i] >> 8);
        image[i * 3 + 2] = (uint8_t)(pixels[i] >> 16);
    }
}

int dae_encoder_render_u8(const struct dae_encoder *encoder, uint8_t *image, size_t size)
{
    if (encoder == NULL || image == NULL) return DAE_ERROR_ARGUMENT;
    if (!encoder->state.ready) return DAE_ERROR_STATE;
    if (size / 3 < encoder->pixels) return DAE_ERROR_BUFFER;
    const struct view view = view_of(encoder);
    const uint8_t empty = encoder->params.background == DAE_BACKGROUND_WHITE ? 255 : 0;
    for (size_t i = 0; i < encoder->pixels; i += STRETCH) {
        const uint64_t *cells = encoder->cells + i;
        const size_t n = encoder->pixels - i < STRETCH ? encoder->pixels - i : STRETCH;
        if (any_seen(cells, n, view)) write_u8(cells, n, view, empty * 0x010101u, image + i * 3);
        else memset(image + i * 3, empty, n * 3);
    }
    return DAE_OK;
}

/* Masks of 1.0 and 0.0: the products and sums are exact. */
static void write_f32(const uint64_t *restrict cells, size_t n, struct view view, float empty, float *restrict red,
                      float *restrict green, float *restrict blue)
{
    for (size_t i = 0; i < n; i++) {
        const float seen = (float)(int32_t)is_seen(cells[i], view), on = (float)(int32_t)(cells[i] & 1);
        const float rest = (1.0f - seen) * empty;
        red[i] = seen * on + rest;
        green[i] = seen * (green_of(cells[i], view) / 255.0f) + rest;
        blue[i] = seen * (1.0f - on) + rest;
    }
}

int dae_encoder_render_f32(const struct dae_encoder *encoder, float *image, size_t size)
{
    if (encoder == NULL || image == NULL) return DAE_ERROR_ARGUMENT;
    if (!encoder->state.ready) return DAE_ERROR_STATE;
    const size_t pixels = encoder->pixels;
    if (size / 3 < pixels) return DAE_ERROR_BUFFER;
    const float empty = encoder->params.background == DAE_BACKGROUND_WHITE ? 1.0f : 0.0f;
    write_f32(encoder->cells, pixels, view_of(encoder), empty, image, image + pixels, image + pixels * 2);
    return DAE_OK;
}
