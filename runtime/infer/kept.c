/* A ring of events, and the voxel grid of what is in it. */
#include "kept.h"

#include <stdlib.h> /* calloc, free */
#include <string.h> /* memcpy, memset */

#include "../src/events.h"

#define EVENT_TIME_LIMIT ((int64_t)1 << 60) /* the encoder's: it numbers no others */

int dae_kept_init(struct kept *kept, size_t capacity)
{
    memset(kept, 0, sizeof *kept);
    kept->events = calloc(2 * capacity, sizeof *kept->events);
    kept->capacity = capacity;
    return kept->events ? DAE_OK : DAE_ERROR_MEMORY;
}

void dae_kept_free(struct kept *kept)
{
    free(kept->events);
    memset(kept, 0, sizeof *kept);
}

void dae_kept_clear(struct kept *kept)
{
    kept->first = kept->count = 0;
    kept->dropped = 0;
}

void dae_kept_add(struct kept *kept, const struct dae_events *events, size_t from, size_t n)
{
    for (size_t i = from; i < from + n; i++) {
        const struct dae_event event = dae_event_at(events, events->layout, i);
        if (event.t <= -EVENT_TIME_LIMIT || event.t >= EVENT_TIME_LIMIT) continue;
        size_t at = kept->first + kept->count;
        if (at >= kept->capacity) at -= kept->capacity;
        kept->events[at] = event;
        if (kept->count < kept->capacity) {
            kept->count++;
        } else {
            kept->first = kept->first + 1 < kept->capacity ? kept->first + 1 : 0;
            kept->dropped++;
        }
    }
}

void dae_kept_trim(struct kept *kept, uint64_t window_events)
{
    if (window_events >= kept->count) return;
    const size_t gone = kept->count - (size_t)window_events;
    kept->first = (kept->first + gone) % kept->capacity;
    kept->count -= gone;
}

void dae_kept_render(struct kept *kept, int bins, uint16_t width, uint16_t height, float *grid, size_t size)
{
    struct dae_event *copy = kept->events + kept->capacity;
    const size_t to_end = kept->capacity - kept->first, head = kept->count < to_end ? kept->count : to_end;
    memcpy(copy, kept->events + kept->first, head * sizeof *copy);
    memcpy(copy + head, kept->events, (kept->count - head) * sizeof *copy);
    /* The encoder takes no event for older than the one before it, and so do we. */
    for (size_t i = 1; i < kept->count; i++)
        if (copy[i].t < copy[i - 1].t) copy[i].t = copy[i - 1].t;
    dae_voxel_grid(copy, kept->count, (uint16_t)bins, width, height, grid, size, NULL);
}
