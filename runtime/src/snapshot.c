/* Snapshots of an encoder: parameters | state | starts | cells, as they lie in memory.
 *
 * They are for the same machine and the same version; what does not fit is refused, and a snapshot that somebody
 * tampered with can give wrong pictures but not wrong memory accesses or endless loops. */
#include "encoder.h"

#include <string.h> /* memcpy */

size_t dae_encoder_snapshot_size(const struct dae_encoder *encoder)
{
    if (encoder == NULL) return 0;
    return sizeof encoder->params + sizeof encoder->state + encoder->starts_size * sizeof *encoder->starts
           + encoder->pixels * sizeof *encoder->cells;
}

int dae_encoder_save(const struct dae_encoder *encoder, uint8_t *buffer, size_t size)
{
    if (encoder == NULL || buffer == NULL) return DAE_ERROR_ARGUMENT;
    if (size < dae_encoder_snapshot_size(encoder)) return DAE_ERROR_BUFFER;
    memcpy(buffer, &encoder->params, sizeof encoder->params);
    buffer += sizeof encoder->params;
    memcpy(buffer, &encoder->state, sizeof encoder->state);
    buffer += sizeof encoder->state;
    memcpy(buffer, encoder->starts, encoder->starts_size * sizeof *encoder->starts);
    buffer += encoder->starts_size * sizeof *encoder->starts;
    memcpy(buffer, encoder->cells, encoder->pixels * sizeof *encoder->cells);
    return DAE_OK;
}

static int is_time(int64_t t) { return t > -EVENT_TIME_LIMIT && t < EVENT_TIME_LIMIT; }

static int same_params(const struct dae_encoder_params *a, const struct dae_encoder_params *b)
{
    return a->struct_size == b->struct_size && a->width == b->width && a->height == b->height
           && a->window_us == b->window_us && a->hop_us == b->hop_us && a->window_events == b->window_events
           && a->hop_events == b->hop_events && a->origin_us == b->origin_us && a->max_gap_us == b->max_gap_us
           && a->background == b->background;
}

/* The begins of the windows that are open, oldest first; by count they are whole hops apart. */
static int starts_are_sound(const struct dae_encoder *encoder, const struct state *state, const uint8_t *starts)
{
    const struct dae_encoder_params *params = &encoder->params;
    struct start before = {.number = 1, .first_us = -EVENT_TIME_LIMIT, .key = 1};
    for (uint64_t window = state->next_close; window < state->next_open; window++) {
        struct start start;
        memcpy(&start, starts + window % encoder->starts_size * sizeof start, sizeof start);
        if (start.number < before.number || start.number > state->number) return 0;
        if (start.first_us < before.first_us || start.first_us > state->last_us) return 0;
        if (start.key < before.key || start.key > state->key) return 0;
        if (state->last_us - start.first_us >= KEY_LIMIT) return 0;
        if (params->window_events) {
            if (state->number - start.number + 1 >= params->window_events) return 0;
            if (start.number + (state->next_open - window) * params->hop_events != state->open_number) return 0;
        }
        before = start;
    }
    return 1;
}

/* The grid of windows, if one stands. */
static int grid_is_sound(const struct dae_encoder *encoder, const struct state *state, const uint8_t *starts)
{
    const struct dae_encoder_params *params = &encoder->params;
    if (!state->started) return 1;
    if (!state->has_clock || state->last_us > state->clock || !is_time(state->last_us)) return 0;
    if (!starts_are_sound(encoder, state, starts)) return 0;
    if (params->window_events) return state->open_number > state->number;
    /* A window begins near an event: at a time, or less than a window beyond the limit of times. */
    if (!is_time(state->close_start_us / 2) || !is_time(state->open_start_us / 2)) return 0;
    const int64_t open = (int64_t)(state->next_open - state->next_close);
    return state->open_start_us == state->close_start_us + open * params->hop_us
           && state->clock - state->close_start_us < params->window_us;
}

/* Nothing in a snapshot may lead later arithmetic astray, whoever wrote it. */
static int state_is_sound(const struct dae_encoder *encoder, const struct state *state, const uint8_t *starts)
{
    if (state->number > NUMBER_LIMIT || state->shown > state->number || state->key > KEY_LIMIT) return 0;
    if (!is_time(state->clock) || !is_time(state->key_base / 2)) return 0;
    if (state->has_clock && state->clock - state->key_base < (int64_t)state->key) return 0;
    if (state->next_open < state->next_close) return 0;
    if (state->next_open - state->next_close >= encoder->starts_size) return 0;
    if (state->ready) {
        const struct dae_window *window = &state->window;
        if (!is_time(window->first_us) || !is_time(window->last_us) || window->last_us < window->first_us) return 0;
        if (window->last_us - window->first_us >= KEY_LIMIT) return 0;
        if (state->window_key > state->key + 1) return 0; /* drawing takes keys for below 2^31 */
    }
    return grid_is_sound(encoder, state, starts);
}

int dae_encoder_load(struct dae_encoder *encoder, const uint8_t *buffer, size_t size)
{
    if (encoder == NULL || buffer == NULL) return DAE_ERROR_ARGUMENT;
    if (size != dae_encoder_snapshot_size(encoder)) return DAE_ERROR_STATE;
    struct dae_encoder_params params;
    struct state state;
    memcpy(&params, buffer, sizeof params);
    memcpy(&state, buffer + sizeof params, sizeof state);
    const uint8_t *starts = buffer + sizeof params + sizeof state;
    const size_t starts_bytes = encoder->starts_size * sizeof *encoder->starts;
    if (!same_params(&params, &encoder->params)) return DAE_ERROR_STATE;
    if (!state_is_sound(encoder, &state, starts)) return DAE_ERROR_STATE;
    encoder->state = state;
    memcpy(encoder->starts, starts, starts_bytes);
    memcpy(encoder->cells, starts + starts_bytes, encoder->pixels * sizeof *encoder->cells);
    return DAE_OK;
}
