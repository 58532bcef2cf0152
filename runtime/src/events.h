/* How events are read from the layouts they come in. Private. */
#ifndef DAE_EVENTS_H
#define DAE_EVENTS_H

#include "dae.h"

/* Event i. `layout` is that of `events`, given by itself so that a loop over a known one has no branch for it. */
static inline struct dae_event dae_event_at(const struct dae_events *events, enum dae_layout layout, size_t i)
{
    if (layout == DAE_LAYOUT_PACKED) return events->packed[i];
    if (layout == DAE_LAYOUT_CD) {
        const struct dae_event_cd *cd = &events->cd[i];
        return (struct dae_event){cd->t, cd->x, cd->y, cd->p > 0};
    }
    return (struct dae_event){events->t[i], events->x[i], events->y[i], events->on[i]};
}

static inline int dae_events_are_sound(const struct dae_events *events)
{
    if (events == NULL) return 0;
    switch (events->layout) {
    case DAE_LAYOUT_PACKED: return events->n == 0 || events->packed != NULL;
    case DAE_LAYOUT_CD: return events->n == 0 || events->cd != NULL;
    case DAE_LAYOUT_ARRAYS:
        return events->n == 0 || (events->t != NULL && events->x != NULL && events->y != NULL && events->on != NULL);
    }
    return 0;
}

#endif
