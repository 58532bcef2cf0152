/* Taking events: the slow path, in which everything may happen, and the loop around the fast one. */
#include "encoder.h"
#include "events.h"

#include <string.h> /* memset */

/* ---- Keys that fit a cell ------------------------------------------------------------------------- */

static void clear_surface(struct dae_encoder *encoder, int64_t t)
{
    memset(encoder->cells, 0, encoder->pixels * sizeof *encoder->cells);
    encoder->state.key = 0;
    encoder->state.key_base = t - 1;
}

/* Forget cells that no open window can show, and count the keys of the rest from the oldest one that can. */
static void rebase(struct dae_encoder *encoder, int64_t t)
{
    struct state *state = &encoder->state;
    if (!dae_windows_hold_events(state)) {
        clear_surface(encoder, t);
        return;
    }
    const uint32_t by = encoder->starts[state->next_close % encoder->starts_size].key - 1;
    for (size_t i = 0; i < encoder->pixels; i++) {
        const uint32_t cell = encoder->cells[i];
        encoder->cells[i] = (cell >> 1) > by ? cell - (by << 1) : 0;
    }
    for (uint64_t window = state->next_close; window < state->next_open; window++)
        encoder->starts[window % encoder->starts_size].key -= by;
    state->key -= by;
    state->key_base += by;
}

static int is_too_long(const struct state *state, int64_t t) { return t - state->key_base >= KEY_LIMIT; }

/* Time starts anew at t. The surface stays as it is, or a stream full of breaks would wipe it for each event: the keys
 * of windows to come are above those from before. */
static void restart(struct dae_encoder *encoder, int64_t t)
{
    struct state *state = &encoder->state;
    state->counters.restarts++;
    state->restart = 1;
    state->started = 0;
    state->clock = t;
    if ((int64_t)state->key + 1 >= KEY_LIMIT) clear_surface(encoder, t);
    state->key_base = t - (int64_t)state->key - 1;
}

/* ---- One event ------------------------------------------------------------------------------------ */

/* All that may have to happen before an event of time *t is taken. DAE_WINDOW: a window closes first. */
static int prepare(struct dae_encoder *encoder, int64_t *t)
{
    struct state *state = &encoder->state;
    const int64_t max_gap_us = encoder->params.max_gap_us;
    if (!state->has_clock) {
        state->has_clock = 1;
        state->clock = *t;
        state->key_base = *t - 1;
    }
    const int64_t step = *t - state->clock;
    if (step > max_gap_us || step < -max_gap_us) {
        const int in_time = step > 0 && !encoder->params.window_events;
        const int64_t end_us = in_time ? dae_windows_close_us(encoder) : state->clock;
        if (dae_windows_break_off(encoder, end_us, !in_time) == DAE_WINDOW) return DAE_WINDOW;
        restart(encoder, *t);
    } else if (step < 0) {
        state->counters.clamped_backward++;
        *t = state->clock;
    }
    if (state->started && *t >= dae_windows_close_us(encoder))
        return dae_windows_close(encoder, dae_windows_close_us(encoder), 0);
    if (is_too_long(state, *t)) rebase(encoder, *t);
    if (is_too_long(state, *t)) restart(encoder, *t); /* one window over half an hour long */
    if (!state->started) dae_windows_start(encoder, *t);
    state->clock = *t;
    return DAE_OK;
}

/* Number and store the event whose time is the clock's. */
static void store(struct dae_encoder *encoder, const struct dae_event *event)
{
    struct state *state = &encoder->state;
    state->number++;
    state->counters.events++;
    state->last_us = state->clock;
    state->key = (uint32_t)(state->clock - state->key_base);
    if (event->x >= encoder->params.width || event->y >= encoder->params.height)
        state->counters.dropped_outside++;
    else
        encoder->cells[(size_t)event->y * encoder->params.width + event->x] = state->key << 1 | (event->on != 0);
}

/* ---- Many events ---------------------------------------------------------------------------------- */

struct dae_storing dae_encoder_storing(const struct dae_encoder *encoder)
{
    return (struct dae_storing){
        .cells = encoder->cells,
        .width = encoder->params.width,
        .height = encoder->params.height,
        .outside_cell = (uint32_t)encoder->pixels,
        .key_base = encoder->state.key_base,
        .clock = encoder->state.clock,
        .until = dae_windows_quiet_until(encoder),
    };
}

void dae_encoder_note_stored(struct dae_encoder *encoder, const struct dae_storing *storing, uint64_t events)
{
    struct state *state = &encoder->state;
    if (events == 0) return;
    state->clock = state->last_us = storing->clock;
    state->key = (uint32_t)(storing->clock - state->key_base);
    state->number += events;
    state->counters.events += events;
    state->counters.dropped_outside += storing->outside;
}

/* The fast path: store events while nothing else happens. Returns how many. */
static size_t store_quietly(struct dae_encoder *encoder, const struct dae_events *events, size_t at)
{
    const uint64_t most = dae_windows_quiet_events(encoder);
    const size_t n = events->n - at > most ? at + (size_t)most : events->n;
    struct dae_storing storing = dae_encoder_storing(encoder);
    size_t stored = encoder->kernels->store(&storing, events, at, n);
    dae_encoder_note_stored(encoder, &storing, stored);
    return stored;
}

int dae_encoder_push_events(struct dae_encoder *encoder, const struct dae_events *events, size_t from, size_t *used)
{
    if (encoder == NULL || used == NULL || !dae_events_are_sound(events) || from > events->n)
        return DAE_ERROR_ARGUMENT;
    struct state *state = &encoder->state;
    *used = 0;
    state->ready = 0;
    for (size_t at = from; at < events->n; *used = at - from) {
        if (state->started) at += store_quietly(encoder, events, at);
        *used = at - from;
        if (dae_windows_is_full(encoder)) return dae_windows_close(encoder, state->clock, 0);
        if (at == events->n) break;
        const struct dae_event event = dae_event_at(events, events->layout, at);
        if (event.t <= -EVENT_TIME_LIMIT || event.t >= EVENT_TIME_LIMIT) {
            state->counters.events++;
            state->counters.dropped_outside++;
            at++;
            continue;
        }
        int64_t t = event.t;
        if (prepare(encoder, &t) == DAE_WINDOW) return DAE_WINDOW;
        dae_windows_open(encoder, t);
        store(encoder, &event);
        at++;
    }
    return dae_windows_is_full(encoder) ? dae_windows_close(encoder, state->clock, 0) : DAE_OK;
}

int dae_encoder_push(struct dae_encoder *encoder, const struct dae_event *events, size_t n, size_t *used)
{
    const struct dae_events packed = dae_events_packed(events, n);
    return dae_encoder_push_events(encoder, &packed, 0, used);
}

int dae_encoder_advance(struct dae_encoder *encoder, int64_t t_us)
{
    if (encoder == NULL || t_us <= -EVENT_TIME_LIMIT || t_us >= EVENT_TIME_LIMIT) return DAE_ERROR_ARGUMENT;
    struct state *state = &encoder->state;
    state->ready = 0;
    if (!state->started || encoder->params.window_events || t_us <= state->clock) return DAE_OK;
    const int64_t close_us = dae_windows_close_us(encoder);
    if (t_us - state->clock > encoder->params.max_gap_us) return dae_windows_break_off(encoder, close_us, 0);
    if (t_us >= close_us) return dae_windows_close(encoder, close_us, 0);
    state->clock = t_us;
    return DAE_OK;
}

int dae_encoder_flush(struct dae_encoder *encoder)
{
    if (encoder == NULL) return DAE_ERROR_ARGUMENT;
    encoder->state.ready = 0;
    return dae_windows_break_off(encoder, encoder->state.clock, 1);
}
