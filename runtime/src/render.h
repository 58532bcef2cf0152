/* What all forms of rendering share. Private. */
#ifndef DAE_RENDER_H
#define DAE_RENDER_H

#include "kernels.h"

/* A key's time since the first event of the window; anything for keys outside it. */
static inline uint32_t dae_elapsed(uint32_t key, const struct dae_view *view)
{
    uint32_t elapsed = key - view->first_key;
    for (uint32_t i = 0; i < view->raises; i++) elapsed -= key >= view->raised[i];
    return elapsed;
}

/* Keys of earlier windows are not seen. The comparison of times is for snapshots that somebody tampered with. */
static inline int dae_is_seen(uint32_t key, uint32_t elapsed, const struct dae_view *view)
{
    return key >= view->first_key && elapsed <= view->span;
}

#endif
