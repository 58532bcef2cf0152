/* A stream of events -> windows -> Tencode images, through a surface of latest events.
 *
 * Each event gets a running number and is stored once, in the cell of its pixel; a cell keeps only its latest event.
 * A window is a range of numbers that reaches up to the newest event, so "is this pixel's latest event in the window"
 * is one comparison, for windows by time and by count alike, and any hop costs one more look at the surface.
 */
#include "encoder.h"

#include <stdlib.h> /* calloc, free */
#include <string.h> /* memset */

struct dae_encoder_params dae_encoder_default_params(void)
{
    struct dae_encoder_params params = {0};
    params.struct_size = sizeof params;
    params.window_us = 50000;
    params.origin_us = DAE_ORIGIN_FIRST_EVENT;
    params.max_gap_us = 1000000;
    return params;
}

/* Fill in what 0 stands for, and set what is not used: whatever was there, it must not enter any sum. */
static void complete_params(struct dae_encoder_params *params)
{
    if (params->window_events > 0) {
        if (params->hop_events == 0) params->hop_events = params->window_events;
        params->window_us = params->hop_us = 0;
        params->origin_us = DAE_ORIGIN_FIRST_EVENT;
    } else {
        if (params->hop_us == 0) params->hop_us = params->window_us;
        params->hop_events = 0;
    }
}

static int check_params(const struct dae_encoder_params *params)
{
    const int by_count = params->window_events > 0;
    const int64_t window = by_count ? params->window_events : params->window_us;
    const int64_t hop = by_count ? params->hop_events : params->hop_us;
    if (params->width == 0 || params->height == 0) return DAE_ERROR_ARGUMENT;
    if (window < 1 || window >= (int64_t)1 << 30 || hop < 1 || hop > window) return DAE_ERROR_ARGUMENT;
    if ((window + hop - 1) / hop > HOPS_LIMIT) return DAE_ERROR_ARGUMENT;
    if (params->max_gap_us < 1 || params->max_gap_us > EVENT_TIME_LIMIT) return DAE_ERROR_ARGUMENT;
    if (params->origin_us != DAE_ORIGIN_FIRST_EVENT &&
        (params->origin_us <= -EVENT_TIME_LIMIT || params->origin_us >= EVENT_TIME_LIMIT))
        return DAE_ERROR_ARGUMENT;
    if (params->background != DAE_BACKGROUND_BLACK && params->background != DAE_BACKGROUND_WHITE)
        return DAE_ERROR_ARGUMENT;
    return DAE_OK;
}

int dae_encoder_init(const struct dae_encoder_params *params, struct dae_encoder **encoder)
{
    if (encoder == NULL) return DAE_ERROR_ARGUMENT;
    *encoder = NULL;
    if (params == NULL || params->struct_size != sizeof *params) return DAE_ERROR_ARGUMENT;
    struct dae_encoder_params checked = *params;
    complete_params(&checked);
    if (check_params(&checked) != DAE_OK) return DAE_ERROR_ARGUMENT;
    struct dae_encoder *made = calloc(1, sizeof *made);
    if (made == NULL) return DAE_ERROR_MEMORY;
    made->params = checked;
    made->pixels = (size_t)checked.width * checked.height;
    const int64_t window = checked.window_events ? checked.window_events : checked.window_us;
    const int64_t hop = checked.window_events ? checked.hop_events : checked.hop_us;
    made->starts_size = (size_t)((window + hop - 1) / hop) + 1;
    made->starts = calloc(made->starts_size, sizeof *made->starts);
    made->cells = calloc(made->pixels, sizeof *made->cells);
    if (made->starts == NULL || made->cells == NULL) {
        dae_encoder_free(made);
        return DAE_ERROR_MEMORY;
    }
    *encoder = made;
    return DAE_OK;
}

void dae_encoder_free(struct dae_encoder *encoder)
{
    if (encoder == NULL) return;
    free(encoder->starts);
    free(encoder->cells);
    free(encoder);
}

void dae_encoder_reset(struct dae_encoder *encoder)
{
    if (encoder == NULL) return;
    memset(&encoder->state, 0, sizeof encoder->state);
    memset(encoder->starts, 0, encoder->starts_size * sizeof *encoder->starts);
    memset(encoder->cells, 0, encoder->pixels * sizeof *encoder->cells);
}

/* ---- The grid of windows ------------------------------------------------------------------------- */

/* Largest multiple of `step` that is <= value, also for negative values. */
static int64_t floor_multiple(int64_t value, int64_t step)
{
    const int64_t quotient = value / step - (value % step < 0);
    return quotient * step;
}

/* Lay the grid so that the first window that holds time t is the next to close. */
static void start_grid(struct dae_encoder *encoder, int64_t t)
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

/* When the window that closes next ends, by time. */
static int64_t close_us(const struct dae_encoder *encoder)
{
    return encoder->params.window_events ? NEVER : encoder->state.close_start_us + encoder->params.window_us;
}

/* Has the window that closes next an event? */
static int holds_events(const struct state *state) { return state->started && state->next_open > state->next_close; }

/* Announce the window that closes next and move on to the one after. */
static int close_window(struct dae_encoder *encoder, int64_t end_us, int partial)
{
    struct state *state = &encoder->state;
    const int by_count = encoder->params.window_events > 0;
    const struct start start = encoder->starts[state->next_close % encoder->starts_size];
    struct dae_window window = {0};
    if (holds_events(state)) {
        window.first_us = start.first_us;
        window.last_us = state->last_us;
        window.events = state->number - start.number + 1;
        state->window_number = start.number;
        state->shown = state->number;
    } else {
        state->window_number = state->number + 1;
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

/* A break in time: events that no window has shown yet make one last window, then the grid is given up. */
static int break_off(struct dae_encoder *encoder, int64_t end_us, int partial)
{
    struct state *state = &encoder->state;
    const int pending = state->started && state->number > state->shown && holds_events(state);
    if (pending) close_window(encoder, end_us, partial);
    state->started = 0;
    return pending ? DAE_WINDOW : DAE_OK;
}

/* ---- Numbers and times that fit a cell ----------------------------------------------------------- */

static void clear_surface(struct dae_encoder *encoder, int64_t time_base)
{
    memset(encoder->cells, 0, encoder->pixels * sizeof *encoder->cells);
    encoder->state.number_base = encoder->state.number;
    encoder->state.time_base = time_base;
}

/* Forget cells that no open window can show, and count the rest from the oldest one that can. */
static void rebase(struct dae_encoder *encoder, int64_t t)
{
    struct state *state = &encoder->state;
    if (!holds_events(state)) {
        clear_surface(encoder, t);
        return;
    }
    const struct start oldest = encoder->starts[state->next_close % encoder->starts_size];
    const uint64_t numbers = oldest.number - 1 - state->number_base;
    const uint64_t times = (uint64_t)(oldest.first_us - state->time_base);
    for (size_t i = 0; i < encoder->pixels; i++) {
        const uint64_t cell = encoder->cells[i];
        encoder->cells[i] = (cell >> 33) > numbers ? cell - (numbers << 33) - (times << 1) : 0;
    }
    state->number_base += numbers;
    state->time_base = oldest.first_us;
}

/* ---- Taking events ------------------------------------------------------------------------------- */

static int is_too_long(const struct state *state, int64_t t)
{
    return state->number - state->number_base >= NUMBER_LIMIT || t - state->time_base >= TIME_LIMIT;
}

/* Time starts anew at t. The surface stays as it is, or a stream full of breaks would wipe it for each event: no window
 * to come reaches back to the numbers from before. */
static void restart(struct dae_encoder *encoder, int64_t t)
{
    struct state *state = &encoder->state;
    state->counters.restarts++;
    state->restart = 1;
    state->started = 0;
    state->clock = state->time_base = t;
    if (state->number - state->number_base >= NUMBER_LIMIT) clear_surface(encoder, t);
}

/* All that may have to happen before an event of time *t is taken. DAE_WINDOW: a window closes first. */
static int prepare(struct dae_encoder *encoder, int64_t *t)
{
    struct state *state = &encoder->state;
    const int64_t max_gap_us = encoder->params.max_gap_us;
    if (!state->has_clock) {
        state->has_clock = 1;
        state->clock = state->time_base = *t;
    }
    const int64_t step = *t - state->clock;
    if (step > max_gap_us || step < -max_gap_us) {
        const int in_time = step > 0 && !encoder->params.window_events;
        if (break_off(encoder, in_time ? close_us(encoder) : state->clock, !in_time) == DAE_WINDOW) return DAE_WINDOW;
        restart(encoder, *t);
    } else if (step < 0) {
        state->counters.clamped_backward++;
        *t = state->clock;
    }
    if (state->started && *t >= close_us(encoder)) return close_window(encoder, close_us(encoder), 0);
    if (is_too_long(state, *t)) rebase(encoder, *t);
    if (is_too_long(state, *t)) restart(encoder, *t); /* one window over half an hour or two billion events long */
    if (!state->started) start_grid(encoder, *t);
    state->clock = *t;
    return DAE_OK;
}

/* The event about to be taken is the first of every window that has begun by now. */
static void open_windows(struct dae_encoder *encoder, int64_t t)
{
    struct state *state = &encoder->state;
    const struct dae_encoder_params *params = &encoder->params;
    const struct start start = {state->number + 1, t};
    while (params->window_events ? state->open_number == start.number : state->open_start_us <= t) {
        encoder->starts[state->next_open % encoder->starts_size] = start;
        state->next_open++;
        state->open_start_us += params->hop_us;
        state->open_number += params->hop_events;
    }
}

/* Times before this one need no more than storing: no window opens or closes, no number runs out. */
static int64_t quiet_until(const struct dae_encoder *encoder)
{
    const struct state *state = &encoder->state;
    int64_t limit = state->time_base + TIME_LIMIT;
    if (!encoder->params.window_events) {
        if (state->open_start_us < limit) limit = state->open_start_us;
        if (close_us(encoder) < limit) limit = close_us(encoder);
    }
    const int64_t gap = state->clock + encoder->params.max_gap_us + 1;
    return gap < limit ? gap : limit;
}

/* How many events may be stored before the count opens or closes a window, or numbers run out. */
static uint64_t quiet_events(const struct dae_encoder *encoder)
{
    const struct state *state = &encoder->state;
    uint64_t quiet = NUMBER_LIMIT - (state->number - state->number_base);
    if (encoder->params.window_events) {
        const uint64_t opens = state->open_number - state->number - 1;
        const uint64_t first = encoder->starts[state->next_close % encoder->starts_size].number;
        const uint64_t closes = holds_events(state) ? first + encoder->params.window_events - 1 - state->number : opens;
        quiet = opens < quiet ? opens : quiet;
        quiet = closes < quiet ? closes : quiet;
    }
    return quiet;
}

static int is_outside(const struct dae_encoder *encoder, const struct dae_event *event)
{
    return event->x >= encoder->params.width || event->y >= encoder->params.height;
}

static uint64_t cell_of(uint64_t number, int64_t time, uint8_t on)
{
    return number << 33 | (uint64_t)time << 1 | (on != 0);
}

/* Number and store the event whose time is the clock's. */
static void store(struct dae_encoder *encoder, const struct dae_event *event)
{
    struct state *state = &encoder->state;
    state->number++;
    state->counters.events++;
    state->last_us = state->clock;
    if (is_outside(encoder, event)) {
        state->counters.dropped_outside++;
        return;
    }
    encoder->cells[(size_t)event->y * encoder->params.width + event->x] =
        cell_of(state->number - state->number_base, state->clock - state->time_base, event->on);
}

/* The fast path: store events while nothing else happens. Returns how many. */
static size_t store_quietly(struct dae_encoder *encoder, const struct dae_event *events, size_t n)
{
    struct state *state = &encoder->state;
    uint64_t *const cells = encoder->cells;
    const size_t width = encoder->params.width;
    const int64_t until = quiet_until(encoder), base = state->time_base;
    const uint64_t most = quiet_events(encoder), first_number = state->number - state->number_base + 1;
    int64_t clock = state->clock;
    uint64_t outside = 0;
    if (n > most) n = (size_t)most;
    size_t i = 0;
    for (; i < n; i++) {
        const struct dae_event event = events[i];
        if (event.t < clock || event.t >= until) break;
        clock = event.t;
        if (is_outside(encoder, &event)) outside++;
        else cells[(size_t)event.y * width + event.x] = cell_of(first_number + i, clock - base, event.on);
    }
    if (i > 0) state->clock = state->last_us = clock;
    state->number += i;
    state->counters.events += i;
    state->counters.dropped_outside += outside;
    return i;
}

/* Has the window that closes next all its events, by count? */
static int is_full(const struct dae_encoder *encoder)
{
    const struct state *state = &encoder->state;
    if (!encoder->params.window_events || !holds_events(state)) return 0;
    const uint64_t first = encoder->starts[state->next_close % encoder->starts_size].number;
    return state->number - first + 1 >= encoder->params.window_events;
}

int dae_encoder_push(struct dae_encoder *encoder, const struct dae_event *events, size_t n, size_t *used)
{
    if (encoder == NULL || used == NULL || (events == NULL && n > 0)) return DAE_ERROR_ARGUMENT;
    struct state *state = &encoder->state;
    *used = 0;
    state->ready = 0;
    while (*used < n) {
        if (state->started) *used += store_quietly(encoder, events + *used, n - *used);
        if (is_full(encoder)) return close_window(encoder, state->clock, 0);
        if (*used == n) break;
        const struct dae_event event = events[*used];
        if (event.t <= -EVENT_TIME_LIMIT || event.t >= EVENT_TIME_LIMIT) {
            state->counters.events++;
            state->counters.dropped_outside++;
            ++*used;
            continue;
        }
        int64_t t = event.t;
        if (prepare(encoder, &t) == DAE_WINDOW) return DAE_WINDOW;
        open_windows(encoder, t);
        store(encoder, &event);
        ++*used;
        if (is_full(encoder)) return close_window(encoder, state->clock, 0);
    }
    return DAE_OK;
}

int dae_encoder_advance(struct dae_encoder *encoder, int64_t t_us)
{
    if (encoder == NULL || t_us <= -EVENT_TIME_LIMIT || t_us >= EVENT_TIME_LIMIT) return DAE_ERROR_ARGUMENT;
    struct state *state = &encoder->state;
    state->ready = 0;
    if (!state->started || encoder->params.window_events || t_us <= state->clock) return DAE_OK;
    if (t_us - state->clock > encoder->params.max_gap_us) return break_off(encoder, close_us(encoder), 0);
    if (t_us >= close_us(encoder)) return close_window(encoder, close_us(encoder), 0);
    state->clock = t_us;
    return DAE_OK;
}

int dae_encoder_flush(struct dae_encoder *encoder)
{
    if (encoder == NULL) return DAE_ERROR_ARGUMENT;
    encoder->state.ready = 0;
    return break_off(encoder, encoder->state.clock, 1);
}

int dae_encoder_window(const struct dae_encoder *encoder, struct dae_window *window)
{
    if (encoder == NULL || window == NULL) return DAE_ERROR_ARGUMENT;
    if (!encoder->state.ready) return DAE_ERROR_STATE;
    *window = encoder->state.window;
    return DAE_OK;
}

void dae_encoder_counters(const struct dae_encoder *encoder, struct dae_encoder_counters *counters)
{
    if (counters == NULL) return;
    *counters = encoder == NULL ? (struct dae_encoder_counters){0} : encoder->state.counters;
}
