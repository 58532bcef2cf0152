/* A stream's insides, for stream.c and stream_push.c. Private. */
#ifndef DAE_STREAM_PRIVATE_H
#define DAE_STREAM_PRIVATE_H

#include "kept.h"
#include "model.h"

struct dae_stream {
    const struct dae_model *model;
    struct dae_encoder *encoder;
    struct kept kept; /* for voxel grids only */
    struct buffers buffers;
    void *session;
    int32_t newest_only;
    int set;          /* the states of now; the others are the engine's to write */
    int depth;        /* the depth of now, likewise */
    int failed;       /* the last window that was run was not finite */
    int has_window;
    struct dae_window window; /* the last one rendered, */
    double encode_us;         /* and how long that took */
    struct dae_depth about;
    struct dae_stream_health health; /* the encoder's counters are filled in when asked for */
    struct text error;
};

double dae_stream_now_us(void);
/* Draw the window that is ready into the engine's image. */
void dae_stream_render(struct dae_stream *stream);
/* The rendered window's depth: DAE_DEPTH, or DAE_ERROR_ENGINE. `newest_us`: of what was pushed; where time alone ended
 * the window, its end. `began`: when the call did that ended it. */
int dae_stream_finish(struct dae_stream *stream, double began, int64_t newest_us);

#endif
