/* Events into the surface of latest events, while nothing else happens: the serial form. */
#include "events.h"
#include "kernels.h"

static inline size_t store(struct dae_storing *storing, const struct dae_events *events, enum dae_layout layout,
                           size_t at, size_t n)
{
    const struct dae_storing now = *storing; /* in registers, whatever the cells may alias */
    int64_t clock = now.clock;
    uint64_t outside = 0;
    size_t i = at;
    for (; i < n; i++) {
        const struct dae_event event = dae_event_at(events, layout, i);
        if (event.t < clock || event.t >= now.until) break;
        clock = event.t;
        const uint32_t is_inside = (uint32_t)(event.x < now.width) & (uint32_t)(event.y < now.height);
        outside += !is_inside;
        now.cells[is_inside ? event.y * now.width + event.x : now.outside_cell] =
            (uint32_t)(clock - now.key_base) << 1 | (event.on != 0);
    }
    storing->clock = clock;
    storing->outside += outside;
    return i - at;
}

size_t dae_store_serial(struct dae_storing *storing, const struct dae_events *events, size_t at, size_t n)
{
    switch (events->layout) {
    case DAE_LAYOUT_PACKED: return store(storing, events, DAE_LAYOUT_PACKED, at, n);
    case DAE_LAYOUT_CD: return store(storing, events, DAE_LAYOUT_CD, at, n);
    case DAE_LAYOUT_ARRAYS: return store(storing, events, DAE_LAYOUT_ARRAYS, at, n);
    }
    return 0;
}
