/* The grid of windows: where they begin and end, by time or by count. */
#include "encoder.h"

/* Largest multiple of `step` that is <= value, also for negative values. */
static int64_t floor_multiple(int64_t value, int64_t step)
{
    const int64_t quotient = value / step - (value % step < 0);
    return quotient * step;
}

void dae_windows_start(struct dae_encoder *encoder, int64_t t)
{
    const struct dae_encoder_params *params = &encoder->params;
    struct state *state = &encoder->state;
    int64_t start = t;
    if (params->origin_us != DAE_ORIGIN_FIRST_EVENT) /* the first window of the origin's grid that ends after t */
        start = params->origin_us + floor_multiple(t - params->origin_us - params->window_us, params->hop_us)
                + params->hop_us;
    if (t >= params->origin_us && start < params->origin_us) start = params->origin_us;
    state->next_close = state->next_open = 0;
    state->close_start_us = state->open_start_us = start;
    state->open_number = state->number + 1;
    state->started = 1;
}

int64_t dae_windows_close_us(const struct dae_encoder *encoder)
{
    return encoder->params.window_events ? NEVER : encoder->state.close_start_us + encoder->params.window_us;
}

int dae_windows_close(struct dae_encoder *encoder, int64_t end_us, int partial)
{
    struct state *state = &encoder->state;
    const int by_count = encoder->params.window_events > 0;
    const struct start start = encoder->starts[state->next_close % encoder->starts_size];
    struct dae_window window = {0};
    if (dae_windows_hold_events(state)) {
        window.first_us = start.first_us;
        window.last_us = state->last_us;
        window.events = state->number - start.number + 1;
        state->window_key = start.key;
        state->shown = state->number;
    } else {
        state->window_key = state->key + 1;
        state->counters.empty_windows++;
    }
    window.start_us = by_count ? window.first_us : state->close_start_us;
    window.end_us = end_us;
    window.partial = partial;
    window.restart = state->restart;
    state->window = window;
    state->restart = 0;
    state->ready = 1;
    state->counters.windows++;
    state->next_close++;
    state->close_start_us += encoder->params.hop_us;
    if (state->next_open < state->next_close) {
        state->next_open = state->next_close;
        state->open_start_us = state->close_start_us;
    }
    return DAE_WINDOW;
}

int dae_windows_break_off(struct dae_encoder *encoder, int64_t end_us, int partial)
{
    struct state *state = &encoder->state;
    const int pending = state->started && state->number > state->shown && dae_windows_hold_events(state);
    if (pending) dae_windows_close(encoder, end_us, partial);
    state->started = 0;
    return pending ? DAE_WINDOW : DAE_OK;
}

static int opens_now(const struct dae_encoder *encoder, int64_t t)
{
    const struct state *state = &encoder->state;
    return encoder->params.window_events ? state->open_number == state->number + 1 : state->open_start_us <= t;
}

void dae_windows_open(struct dae_encoder *encoder, int64_t t)
{
    struct state *state = &encoder->state;
    while (opens_now(encoder, t)) {
        struct start start = {.number = state->number + 1, .first_us = t};
        start.raised = t - state->key_base <= (int64_t)state->key;
        if (start.raised) state->key_base = t - (int64_t)state->key - 1;
        start.key = (uint32_t)(t - state->key_base);
        encoder->starts[state->next_open % encoder->starts_size] = start;
        state->next_open++;
        state->open_start_us += encoder->params.hop_us;
        state->open_number += encoder->params.hop_events;
    }
}

int dae_windows_is_full(const struct dae_encoder *encoder)
{
    const struct state *state = &encoder->state;
    if (!encoder->params.window_events || !dae_windows_hold_events(state)) return 0;
    const uint64_t first = encoder->starts[state->next_close % encoder->starts_size].number;
    return state->number - first + 1 >= encoder->params.window_events;
}

int64_t dae_windows_quiet_until(const struct dae_encoder *encoder)
{
    const struct state *state = &encoder->state;
    int64_t limit = state->key_base + KEY_LIMIT;
    if (!encoder->params.window_events) {
        if (state->open_start_us < limit) limit = state->open_start_us;
        if (dae_windows_close_us(encoder) < limit) limit = dae_windows_close_us(encoder);
    }
    const int64_t gap = state->clock + encoder->params.max_gap_us + 1;
    return gap < limit ? gap : limit;
}

uint64_t dae_windows_quiet_events(const struct dae_encoder *encoder)
{
    const struct state *state = &encoder->state;
    if (!encoder->params.window_events) return UINT64_MAX;
    const uint64_t opens = state->open_number - state->number - 1;
    const uint64_t first = encoder->starts[state->next_close % encoder->starts_size].number;
    const uint64_t closes =
        dae_windows_hold_events(state) ? first + encoder->params.window_events - 1 - state->number : opens;
    return opens < closes ? opens : closes;
}
