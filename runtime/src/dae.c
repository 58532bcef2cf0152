/* Version and status texts. */
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
