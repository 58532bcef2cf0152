/* The surface of latest events as a picture: one pass over the cells, no division by zero, no NaN. */
#include "encoder.h"
#include "tencode.h"

struct view { /* the ready window in terms of the cells */
    uint64_t first_cell; /* cells at or above are in the window */
    float interval;
    int64_t first;       /* first event's time, relative to the base */
};

static struct view view_of(const struct dae_encoder *encoder)
{
    const struct state *state = &encoder->state;
    struct view view = {0};
    view.first_cell = (state->window_number - state->number_base) << 33;
    view.first = state->window.first_us - state->time_base;
    view.interval = (float)(state->window.last_us - state->window.first_us);
    return view;
}

static float cell_green(struct view view, uint64_t cell)
{
    return dae_tencode_green((float)((int64_t)(cell >> 1 & (uint64_t)(TIME_LIMIT - 1)) - view.first), view.interval);
}

int dae_encoder_render_u8(const struct dae_encoder *encoder, uint8_t *image, size_t size)
{
    if (encoder == NULL || image == NULL) return DAE_ERROR_ARGUMENT;
    if (!encoder->state.ready) return DAE_ERROR_STATE;
    if (size < encoder->pixels * 3) return DAE_ERROR_BUFFER;
    const struct view view = view_of(encoder);
    const uint8_t empty = encoder->params.background == DAE_BACKGROUND_WHITE ? 255 : 0;
    for (size_t i = 0; i < encoder->pixels; i++) {
        const uint64_t cell = encoder->cells[i];
        const int seen = cell >= view.first_cell;
        image[i * 3] = seen ? (cell & 1 ? 255 : 0) : empty;
        image[i * 3 + 1] = seen ? dae_tencode_level(cell_green(view, cell)) : empty;
        image[i * 3 + 2] = seen ? (cell & 1 ? 0 : 255) : empty;
    }
    return DAE_OK;
}

int dae_encoder_render_f32(const struct dae_encoder *encoder, float *image, size_t size)
{
    if (encoder == NULL || image == NULL) return DAE_ERROR_ARGUMENT;
    if (!encoder->state.ready) return DAE_ERROR_STATE;
    const size_t pixels = encoder->pixels;
    if (size < pixels * 3) return DAE_ERROR_BUFFER;
    const struct view view = view_of(encoder);
    const float empty = encoder->params.background == DAE_BACKGROUND_WHITE ? 1.0f : 0.0f;
    for (size_t i = 0; i < pixels; i++) {
        const uint64_t cell = encoder->cells[i];
        const int seen = cell >= view.first_cell;
        image[i] = seen ? (float)(cell & 1) : empty;
        image[pixels + i] = seen ? cell_green(view, cell) / 255.0f : empty;
        image[pixels * 2 + i] = seen ? (float)(~cell & 1) : empty;
    }
    return DAE_OK;
}
