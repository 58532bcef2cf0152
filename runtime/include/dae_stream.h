/* dae_stream: events in, depth out. A bundle (NAME.dae, made by dae-export) in an inference engine, without Python.
 *
 * Basic usage:
 *
 *     struct dae_model_params model_params = dae_model_default_params();
 *     model_params.path = "student.dae";
 *     struct dae_model *model;
 *     if (dae_model_load(&model_params, &model) != DAE_OK) { ... dae_model_error(model) ... }
 *     struct dae_stream_params params = dae_stream_default_params();
 *     struct dae_stream *stream;
 *     if (dae_stream_init(model, &params, &stream) != DAE_OK) { ... }
 *     size_t used, offset = 0;
 *     int status;
 *     while ((status = dae_stream_push(stream, events + offset, n - offset, &used)) == DAE_DEPTH) {
 *         offset += used;
 *         dae_stream_depth(stream, depth, depth_count, &about);
 *     }
 *     dae_stream_free(stream);
 *     dae_model_free(model);
 *
 * The rules of dae.h hold here too. Beyond them:
 * - A model is immutable: any number of streams on any number of threads share it. A stream belongs to one camera, and
 *   to one thread at a time. Free the streams of a model before the model.
 * - The engine's library is opened at run time (dlopen) and stays in the process; libdae itself links to no engine.
 *   What an engine allocates or starts (threads) while it runs is its own affair; this library allocates in `_load`
 *   and `_init` only.
 * - Numbers equal those of the Python package on the same engine, version and CPU, to the last bit.
 */
#ifndef DAE_STREAM_H
#define DAE_STREAM_H

#include "dae.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Answers of the functions below, beside those of enum dae_status. */
enum dae_stream_status {
    DAE_DEPTH = 2,               /* a window has ended and its depth can be read: read it, then push on */
    DAE_ERROR_BUNDLE = -16,      /* not a bundle, damaged, changed since it was verified, or not understood */
    DAE_ERROR_FILE = -17,        /* a file is missing or cannot be read */
    DAE_ERROR_ENGINE = -18,      /* the engine is not here, does not take the model, or failed in a window */
};

/* Text for any status, those of enum dae_status included. */
DAE_API const char *dae_stream_status_str(int status);

/* ---- Models: a bundle in an engine -------------------------------------------------------------- */

/* What a callback turns into depth: one window. Shapes and types are the bundle's (export/README.md). The same buffers
 * come again and again, in turns: what is state_out in one window is state_in in the next. */
struct dae_inference {
    const void *events;          /* the Tencode image, uint8 [1, height, width, 3]; or, for networks that take them, the
                                  * voxel grid, float32 [1, voxel_bins, height, width] */
    size_t state_count;
    const void *const *state_in; /* state_count arrays, in the order of the manifest */
    void *const *state_out;
    float *depth;                /* float32 [1, depth_height, depth_width] */
};

/* An inference engine of your own: 0, or anything else for "failed". Streams call it from their threads. */
typedef int (*dae_infer_callback)(void *data, const struct dae_inference *inference);

struct dae_model_params {
    size_t struct_size;
    const char *path;            /* a bundle: the folder NAME.dae */
    const char *backend;         /* "onnxruntime", "openvino", "callback", or "tensorrt" where the library was built with
                                  * it; NULL: what the bundle was verified with */
    const char *library;         /* the engine's shared library; NULL: the loader searches (libonnxruntime.so.1, ..) */
    uint32_t threads;            /* for inference on the CPU; 0: the engine's own choice */
    int32_t verify;              /* 1 (default): compare size and sha256 of each file with the manifest first */
    dae_infer_callback infer;    /* with backend "callback" */
    void *infer_data;
};

/* What a loaded bundle is. The texts live as long as the model. */
struct dae_model_info {
    uint16_t width;              /* of the sensor, pixels */
    uint16_t height;
    uint16_t depth_width;        /* of the depth map: the sensor's, or the crop's */
    uint16_t depth_height;
    uint16_t voxel_bins;         /* 0: the network takes Tencode images, or RGB frames */
    int64_t window_us;           /* what the network was trained on, and a stream's default */
    enum dae_background background;
    int32_t trained;             /* 0: seeded weights, the depth means nothing */
    int32_t passed;              /* 0: the bundle missed a budget (its report.md); 1: held, or had none */
    size_t state_count;
    size_t state_bytes;          /* one set of recurrent states */
    const char *name;
    const char *target;
    const char *unit;            /* "m", "relative depth", .. or "untrained weights" */
    const char *engine;          /* name, version and settings */
};

struct dae_model;

DAE_API struct dae_model_params dae_model_default_params(void);
/* After an error *model holds nothing but its text (dae_model_error); free it too. NULL: no memory even for that. */
DAE_API int dae_model_load(const struct dae_model_params *params, struct dae_model **model);
DAE_API void dae_model_free(struct dae_model *model);
/* Why loading failed, in one line: what, where, wanted, got. "" after success. Lives as long as the model. */
DAE_API const char *dae_model_error(const struct dae_model *model);
DAE_API int dae_model_info(const struct dae_model *model, struct dae_model_info *info);

/* ---- Streams: one camera's events to depth ------------------------------------------------------ */

/* Windows as in struct dae_encoder_params. */
struct dae_stream_params {
    size_t struct_size;
    int64_t window_us;           /* 0: the model's */
    int64_t hop_us;              /* 0: window_us */
    uint32_t window_events;      /* 0: windows by time */
    uint32_t hop_events;         /* 0: window_events */
    int64_t origin_us;           /* default DAE_ORIGIN_FIRST_EVENT */
    int64_t max_gap_us;          /* a longer silence, or step back, starts anew with zero state; default 1,000,000 */
    int32_t newest_only;         /* 1: of several windows that end in one push only the newest is run, for catching up;
                                  * the others count as dropped_windows */
    uint32_t voxel_events;       /* for networks that take voxel grids: most events of a window, default 2^20 (26 bytes
                                  * each); of a window with more the oldest are left out, counted as dropped_kept */
};

/* The circumstances of a depth. */
struct dae_depth {
    int64_t start_us;            /* begin and end of the window, as in struct dae_window */
    int64_t t_us;
    uint64_t events;
    int32_t stale;               /* 1: the window had no events, or the engine failed or gave numbers that are not
                                  * finite: the depth is an earlier one, zeros where there was none */
    int32_t partial;             /* 1: the recording ended, or its clock jumped, before the window did */
    int32_t restart;             /* 1: the first window after a gap or step back of the clock: began with zero state */
    double encode_us;            /* to render the image */
    double infer_us;             /* in the engine */
    double latency_us;           /* from the call that ended the window to its depth */
};

/* How a stream fares. Counts are since _init or _reset. */
struct dae_stream_health {
    uint64_t events;             /* pushed */
    uint64_t windows;            /* that ended */
    uint64_t inferred;           /* windows that went through the network */
    uint64_t stale;              /* windows that repeated an earlier depth */
    uint64_t dropped_windows;    /* skipped because a newer one was at hand (newest_only) */
    uint64_t dropped_events;     /* outside the sensor */
    uint64_t clamped_events;     /* older than the newest one, moved up to its time */
    uint64_t dropped_kept;       /* left out of voxel grids: more events than voxel_events */
    uint64_t restarts;           /* gaps and steps back of the clock */
    uint64_t not_finite;         /* windows whose depth or state was not finite; both were thrown away */
    uint64_t engine_errors;      /* windows in which the engine failed */
    int64_t backlog_us;          /* age of the last depth when it was made: newest event pushed minus its t_us */
    double encode_us;            /* of the last window that was run */
    double infer_us;
};

struct dae_stream;

DAE_API struct dae_stream_params dae_stream_default_params(void);
/* Zero state. DAE_ERROR_BUNDLE: the model takes RGB frames, not events. */
DAE_API int dae_stream_init(const struct dae_model *model, const struct dae_stream_params *params,
                            struct dae_stream **stream);
DAE_API void dae_stream_free(struct dae_stream *stream);
/* Zero state, no open window, zero depth, fresh counts: for a cut, or another recording. */
DAE_API void dae_stream_reset(struct dae_stream *stream);

/* Take events until one window has ended and its depth is there (DAE_DEPTH) or all are taken (DAE_OK); *used says how
 * many. A window without events does not run the network: it repeats the last depth, stale.
 * DAE_ERROR_ENGINE: a window has ended, the engine failed in it and the state is what it was before; the last depth
 * stands as the window's, stale. Push on with the rest. */
DAE_API int dae_stream_push(struct dae_stream *stream, const struct dae_event *events, size_t n, size_t *used);
/* The same for any layout: takes events from index `from` on. */
DAE_API int dae_stream_push_events(struct dae_stream *stream, const struct dae_events *events, size_t from,
                                   size_t *used);
/* Bytes of a recording or a camera, with a decoder for this stream alone: the same windows as decoding and pushing,
 * with no events in between where dae_encoder_push_bytes has a vector form. Bytes may be used up before the windows are: go
 * on, with none, until DAE_OK. backlog_us stays 0. DAE_ERROR_STATE: the model takes voxel grids, which need events. */
DAE_API int dae_stream_push_bytes(struct dae_stream *stream, struct dae_decoder *decoder, const uint8_t *bytes,
                                  size_t n, size_t *used);
/* Time has reached t_us without further events: DAE_DEPTH while a window ends at or before it. */
DAE_API int dae_stream_advance(struct dae_stream *stream, int64_t t_us);
/* End of the recording: DAE_DEPTH (partial) if events wait that no window has shown yet. */
DAE_API int dae_stream_flush(struct dae_stream *stream);

/* Copy the last window's depth to `depth`, float32 [depth_height, depth_width], larger is farther; `size` counts
 * floats. `depth` or `about` may be NULL. DAE_ERROR_STATE: no window has ended yet. */
DAE_API int dae_stream_depth(const struct dae_stream *stream, float *depth, size_t size, struct dae_depth *about);
/* The same depth without a copy, until the next call that moves the stream. Zeros before the first window. */
DAE_API const float *dae_stream_values(const struct dae_stream *stream);
DAE_API void dae_stream_health(const struct dae_stream *stream, struct dae_stream_health *health);
/* What the engine said when it last failed, in one line; "" if it never did since _init or _reset. After _init: what
 * TensorRT has to do without, if so ("no CUDA graph: ..."). */
DAE_API const char *dae_stream_error(const struct dae_stream *stream);

#ifdef __cplusplus
}
#endif
#endif
