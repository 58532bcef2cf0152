/* An engine of the user's own: a function that gets the stream's buffers. */
#include <stdio.h>  /* snprintf */
#include <stdlib.h> /* calloc, free */

#include "engine.h"

struct engine {
    dae_infer_callback infer;
    void *data;
};

struct session {
    const struct engine *engine;
    const struct buffers *buffers;
    size_t state_count;
};

static int callback_open(const struct engine_wish *wish, void **engine, char *description, struct text *error)
{
    if (!wish->params->infer)
        return dae_fail(error, DAE_ERROR_ARGUMENT, "%s: the callback back end needs infer", wish->bundle->path);
    struct engine *made = calloc(1, sizeof *made);
    if (!made) return dae_fail(error, DAE_ERROR_MEMORY, "%s: out of memory", wish->bundle->path);
    made->infer = wish->params->infer;
    made->data = wish->params->infer_data;
    snprintf(description, DESCRIPTION_BYTES, "callback");
    *engine = made;
    return DAE_OK;
}

static int callback_session_open(void *engine, const struct bundle *bundle, struct buffers *buffers, void **session,
                                 struct text *error)
{
    struct session *made = calloc(1, sizeof *made);
    if (!made) return dae_fail(error, DAE_ERROR_MEMORY, "%s: out of memory", bundle->path);
    *made = (struct session){engine, buffers, bundle->state_count};
    *session = made;
    return DAE_OK;
}

static int callback_run(void *session, int set, int depth, struct text *error)
{
    const struct session *self = session;
    const struct buffers *buffers = self->buffers;
    const struct dae_inference inference = {buffers->image, self->state_count,
                                            (const void *const *)buffers->states[set],
                                            (void *const *)buffers->states[1 - set], buffers->depth[depth]};
    const int answer = self->engine->infer(self->engine->data, &inference);
    return answer == 0 ? DAE_OK : dae_fail(error, DAE_ERROR_ENGINE, "the callback answered %d", answer);
}

const struct engine_kind dae_engine_callback = {"callback",            callback_open, free,
                                                callback_session_open, free,          callback_run, NULL, NULL};
