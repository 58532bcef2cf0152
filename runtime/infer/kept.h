/* The events of the open window, for networks that take voxel grids: a grid needs every event of its window. Private.
 *
 * As dae_edge/windows.py keeps them, but in memory of a fixed size: where that is full, the oldest are dropped. */
#ifndef DAE_KEPT_H
#define DAE_KEPT_H

#include "dae.h"

struct kept {
    struct dae_event *events; /* room for `capacity`, and behind it for a copy */
    size_t capacity;
    size_t first; /* a ring: where the oldest is */
    size_t count;
    uint64_t dropped;
};

int dae_kept_init(struct kept *kept, size_t capacity);
void dae_kept_free(struct kept *kept);
void dae_kept_clear(struct kept *kept);
/* Keep what the encoder has taken. */
void dae_kept_add(struct kept *kept, const struct dae_events *events, size_t from, size_t n);
/* A window of this many events is ready: no later one reaches further back. */
void dae_kept_trim(struct kept *kept, uint64_t window_events);
/* The kept events' grid, float32 [bins, height, width]. */
void dae_kept_render(struct kept *kept, int bins, uint16_t width, uint16_t height, float *grid, size_t size);

#endif
