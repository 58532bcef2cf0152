/* Shared libraries of engines, opened at run time. They are never unloaded: engines start threads and register things
 * that must not lose their code. */
#define _POSIX_C_SOURCE 200809L
#define _DEFAULT_SOURCE /* RTLD_NODELETE */
#include <dlfcn.h>
#include <stdio.h>  /* snprintf */
#include <string.h> /* memcpy */

#include "engine.h"

static const char *last_words(void)
{
    const char *words = dlerror();
    return words ? words : "no reason given";
}

int dae_library_open(const char *library, const char *const *names, void **handle, struct text *error)
{
    const int how = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE;
    *handle = library ? dlopen(library, how) : NULL;
    if (!library)
        for (; *names && !*handle; names++) *handle = dlopen(*names, how);
    if (*handle) return DAE_OK;
    return dae_fail(error, DAE_ERROR_ENGINE, "the engine's library cannot be opened: %s", last_words());
}

int dae_library_symbol(void *handle, const char *name, void *function, struct text *error)
{
    void *symbol = dlsym(handle, name);
    memcpy(function, &symbol, sizeof symbol); /* ISO C has no cast from object to function pointer */
    return symbol ? DAE_OK : dae_fail(error, DAE_ERROR_ENGINE, "the engine's library has no %s", name);
}

void dae_describe_threads(const struct dae_model_params *params, char text[16])
{
    if (params->threads) snprintf(text, 16, "%u", (unsigned)params->threads);
    else snprintf(text, 16, "default");
}

void dae_library_close(void *handle)
{
    if (handle) dlclose(handle);
}
