/* Filters of events: hot pixels, refractory time, background activity. One pass, in place if wanted. */
#include <stdlib.h> /* calloc, free */
#include <string.h> /* memset */

#include "dae.h"

struct pixel {
    int64_t seen_us;   /* when its last event came, kept or not */
    int64_t kept_us;   /* when its last kept event came */
    int64_t period;    /* the one that `count` is of */
    uint32_t count;
    uint8_t is_seen, is_kept, is_hot; /* are the above set; was it hot in `period` */
};

struct dae_filter {
    struct dae_filter_params params;
    struct dae_filter_counters counters;
    struct pixel *pixels;
};

struct dae_filter_params dae_filter_default_params(void)
{
    return (struct dae_filter_params){.struct_size = sizeof(struct dae_filter_params), .hot_period_us = 100000};
}

int dae_filter_init(const struct dae_filter_params *params, struct dae_filter **filter)
{
    if (filter == NULL) return DAE_ERROR_ARGUMENT;
    *filter = NULL;
    if (params == NULL || params->struct_size != sizeof *params) return DAE_ERROR_ARGUMENT;
    if (params->width == 0 || params->height == 0 || params->hot_period_us < 1) return DAE_ERROR_ARGUMENT;
    if (params->refractory_us < 0 || params->background_us < 0) return DAE_ERROR_ARGUMENT;
    struct dae_filter *made = calloc(1, sizeof *made);
    if (made == NULL) return DAE_ERROR_MEMORY;
    made->params = *params;
    made->pixels = calloc((size_t)params->width * params->height, sizeof *made->pixels);
    if (made->pixels == NULL) {
        free(made);
        return DAE_ERROR_MEMORY;
    }
    *filter = made;
    return DAE_OK;
}

void dae_filter_free(struct dae_filter *filter)
{
    if (filter == NULL) return;
    free(filter->pixels);
    free(filter);
}

void dae_filter_reset(struct dae_filter *filter)
{
    if (filter == NULL) return;
    memset(filter->pixels, 0, (size_t)filter->params.width * filter->params.height * sizeof *filter->pixels);
    filter->counters = (struct dae_filter_counters){0};
}

/* Is t at most `within` after `before`? Wraps instead of overflowing; a time before `before` is not. */
static int is_soon(int64_t t, int64_t before, int64_t within)
{
    return t >= before && (uint64_t)t - (uint64_t)before <= (uint64_t)within;
}

/* Count the event; has its pixel given too many in this period, or in the one before? */
static int is_hot(const struct dae_filter_params *params, struct pixel *pixel, int64_t t)
{
    const int64_t period = t / params->hot_period_us - (t % params->hot_period_us < 0);
    if (period != pixel->period || pixel->count == 0) {
        pixel->is_hot = pixel->count > params->hot_events && period - 1 == pixel->period;
        pixel->period = period;
        pixel->count = 0;
    }
    if (pixel->count < UINT32_MAX) pixel->count++;
    return pixel->is_hot || pixel->count > params->hot_events;
}

static int has_neighbour(const struct dae_filter *filter, const struct dae_event *event)
{
    const int width = filter->params.width, height = filter->params.height;
    for (int y = event->y - 1; y <= event->y + 1; y++)
        for (int x = event->x - 1; x <= event->x + 1; x++) {
            if (x < 0 || y < 0 || x >= width || y >= height || (x == event->x && y == event->y)) continue;
            const struct pixel *pixel = &filter->pixels[(size_t)y * (size_t)width + (size_t)x];
            if (pixel->is_seen && is_soon(event->t, pixel->seen_us, filter->params.background_us)) return 1;
        }
    return 0;
}

/* Which count the event belongs to: `kept`, or why it goes. */
static uint64_t *judge(struct dae_filter *filter, const struct dae_event *event)
{
    const struct dae_filter_params *params = &filter->params;
    struct dae_filter_counters *counters = &filter->counters;
    if (event->x >= params->width || event->y >= params->height) return &counters->dropped_outside;
    struct pixel *pixel = &filter->pixels[(size_t)event->y * params->width + event->x];
    const int hot = params->hot_events > 0 && is_hot(params, pixel, event->t);
    const int alone = params->background_us > 0 && !has_neighbour(filter, event);
    const int again = params->refractory_us > 0 && pixel->is_kept
                      && is_soon(event->t, pixel->kept_us, params->refractory_us - 1);
    if (!hot) { /* a hot pixel is no company */
        pixel->seen_us = event->t;
        pixel->is_seen = 1;
    }
    if (hot) return &counters->dropped_hot;
    if (again) return &counters->dropped_refractory;
    if (alone) return &counters->dropped_background;
    pixel->kept_us = event->t;
    pixel->is_kept = 1;
    return &counters->kept;
}

int dae_filter_apply(struct dae_filter *filter, const struct dae_event *events, size_t n, struct dae_event *out,
                     size_t *count)
{
    if (filter == NULL || count == NULL || (n > 0 && (events == NULL || out == NULL))) return DAE_ERROR_ARGUMENT;
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        const struct dae_event event = events[i];
        uint64_t *counter = judge(filter, &event);
        ++*counter;
        if (counter == &filter->counters.kept) out[kept++] = event;
    }
    *count = kept;
    return DAE_OK;
}

void dae_filter_counters(const struct dae_filter *filter, struct dae_filter_counters *counters)
{
    if (counters == NULL) return;
    *counters = filter == NULL ? (struct dae_filter_counters){0} : filter->counters;
}
