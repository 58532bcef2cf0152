/* A model's insides, for model.c and stream.c. Private. */
#ifndef DAE_MODEL_H
#define DAE_MODEL_H

#include "engine.h"

struct dae_model {
    char *path;
    struct bundle bundle;
    const struct engine_kind *kind;
    void *engine;
    char description[DESCRIPTION_BYTES];
    struct text error;
};

#endif
