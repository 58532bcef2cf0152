/* Version, status texts, and ways to say where events lie. */
#include "dae.h"

const char *dae_version(void) { return DAE_VERSION; }

const char *dae_status_str(int status)
{
    switch (status) {
    case DAE_OK: return "ok";
    case DAE_WINDOW: return "a window is ready";
    case DAE_ERROR_ARGUMENT: return "a parameter is out of range";
    case DAE_ERROR_MEMORY: return "out of memory";
    case DAE_ERROR_BUFFER: return "the buffer is too small";
    case DAE_ERROR_STATE: return "no window is ready, or the snapshot does not fit";
    default: return "unknown status";
    }
}

struct dae_events dae_events_packed(const struct dae_event *events, size_t n)
{
    return (struct dae_events){.layout = DAE_LAYOUT_PACKED, .n = n, .packed = events};
}

struct dae_events dae_events_cd(const struct dae_event_cd *events, size_t n)
{
    return (struct dae_events){.layout = DAE_LAYOUT_CD, .n = n, .cd = events};
}

struct dae_events dae_events_arrays(const int64_t *t, const uint16_t *x, const uint16_t *y, const uint8_t *on,
                                    size_t n)
{
    return (struct dae_events){.layout = DAE_LAYOUT_ARRAYS, .n = n, .t = t, .x = x, .y = y, .on = on};
}
