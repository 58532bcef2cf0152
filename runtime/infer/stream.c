/* A camera's open window and recurrent state. The same rules, in the same order, as dae_edge/stream.py. */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include <stdlib.h> /* calloc, free */
#include <string.h> /* memcpy, memset */
#include <time.h>

#include "stream.h"

#define MOST_KEPT ((size_t)1 << 30)

double dae_stream_now_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

struct dae_stream_params dae_stream_default_params(void)
{
    struct dae_stream_params params = {0};
    const struct dae_encoder_params windows = dae_encoder_default_params();
    params.struct_size = sizeof params;
    params.origin_us = windows.origin_us;
    params.max_gap_us = windows.max_gap_us;
    params.voxel_events = 1 << 20;
    return params;
}

static int open_windows(struct dae_stream *stream, const struct dae_stream_params *params)
{
    const struct bundle *bundle = &stream->model->bundle;
    struct dae_encoder_params windows = dae_encoder_default_params();
    if (params->window_events && (params->window_us || params->hop_us)) return DAE_ERROR_ARGUMENT;
    if (params->hop_events && !params->window_events) return DAE_ERROR_ARGUMENT;
    windows.width = bundle->width;
    windows.height = bundle->height;
    windows.window_us = params->window_us ? params->window_us : bundle->window_us;
    windows.hop_us = params->hop_us;
    windows.window_events = params->window_events;
    windows.hop_events = params->hop_events;
    windows.origin_us = params->origin_us;
    windows.max_gap_us = params->max_gap_us;
    windows.background = bundle->background;
    const int status = dae_encoder_init(&windows, &stream->encoder);
    if (status != DAE_OK || !bundle->voxel_bins) return status;
    if (params->voxel_events < 1 || params->voxel_events > MOST_KEPT) return DAE_ERROR_ARGUMENT;
    return dae_kept_init(&stream->kept, params->voxel_events);
}

int dae_stream_init(const struct dae_model *model, const struct dae_stream_params *params, struct dae_stream **stream)
{
    if (!stream) return DAE_ERROR_ARGUMENT;
    *stream = NULL;
    if (!model || !model->kind || !params || params->struct_size != sizeof *params) return DAE_ERROR_ARGUMENT;
    if (model->bundle.frames) return DAE_ERROR_BUNDLE;
    struct dae_stream *made = calloc(1, sizeof *made);
    if (!made) return DAE_ERROR_MEMORY;
    made->model = model;
    made->newest_only = params->newest_only;
    int status = open_windows(made, params);
    if (status == DAE_OK) status = dae_buffers_init(&made->buffers, &model->bundle, model->kind->zero != NULL);
    if (status == DAE_OK)
        status = model->kind->session_open(model->engine, &model->bundle, &made->buffers, &made->session, &made->error);
    if (status != DAE_OK) {
        dae_stream_free(made);
        return status;
    }
    *stream = made;
    return DAE_OK;
}

void dae_stream_free(struct dae_stream *stream)
{
    if (!stream) return;
    if (stream->session) stream->model->kind->session_close(stream->session);
    dae_encoder_free(stream->encoder);
    dae_kept_free(&stream->kept);
    dae_buffers_free(&stream->buffers);
    free(stream);
}

static void zero_states(struct dae_stream *stream)
{
    if (stream->model->kind->zero) stream->model->kind->zero(stream->session, stream->set);
    else dae_buffers_zero_set(&stream->buffers, stream->set);
}

/* Nothing of what came before counts any more. */
static void forget(struct dae_stream *stream)
{
    zero_states(stream);
    memset(stream->buffers.depth[stream->depth], 0, stream->buffers.depth_count * sizeof(float));
    stream->failed = 0;
}

void dae_stream_reset(struct dae_stream *stream)
{
    if (!stream) return;
    dae_encoder_reset(stream->encoder);
    dae_kept_clear(&stream->kept);
    forget(stream);
    stream->has_window = 0;
    memset(&stream->about, 0, sizeof stream->about);
    memset(&stream->health, 0, sizeof stream->health);
    stream->error.line[0] = 0;
}

/* Draw the window that is ready into the engine's image. */
void dae_stream_render(struct dae_stream *stream)
{
    const struct bundle *bundle = &stream->model->bundle;
    const size_t bytes = stream->buffers.image_bytes;
    const double began = dae_stream_now_us();
    dae_encoder_window(stream->encoder, &stream->window);
    if (stream->window.restart) forget(stream);
    if (stream->window.events && bundle->voxel_bins)
        dae_kept_render(&stream->kept, bundle->voxel_bins, bundle->width, bundle->height, stream->buffers.image,
                    bytes / sizeof(float));
    else if (stream->window.events)
        dae_encoder_render_u8(stream->encoder, stream->buffers.image, bytes);
    stream->encode_us = dae_stream_now_us() - began;
}

/* Keep a finite depth and its state; else both stay as they were, and a second failure in a row zeroes the state: what
 * led to it may be in there. The state is looked at too: an engine's ReLU may turn NaN into 0, and then the depth is
 * finite, wrong, and the same for ever. */
static int accept(struct dae_stream *stream)
{
    const int set = 1 - stream->set, depth = 1 - stream->depth;
    const int finite = stream->model->kind->finite
                           ? stream->model->kind->finite(stream->session, set, depth)
                           : dae_buffers_finite(&stream->buffers, &stream->model->bundle, set, depth);
    if (finite) {
        stream->set = set;
        stream->depth = depth;
    } else {
        stream->health.not_finite++;
        if (stream->failed) zero_states(stream);
    }
    stream->failed = !finite;
    return finite;
}

/* Run the image. */
static int run(struct dae_stream *stream, int *stale)
{
    const double began = dae_stream_now_us();
    const int status = stream->model->kind->run(stream->session, stream->set, 1 - stream->depth, &stream->error);
    stream->about.infer_us = dae_stream_now_us() - began;
    if (status != DAE_OK) {
        stream->health.engine_errors++;
        return DAE_ERROR_ENGINE;
    }
    *stale = !accept(stream);
    stream->health.inferred++;
    stream->health.infer_us = stream->about.infer_us;
    stream->health.encode_us = stream->encode_us;
    return DAE_DEPTH;
}

/* How far an event's time, which may be any, is ahead. */
static int64_t backlog(int64_t newest_us, int64_t end_us)
{
    if (newest_us <= end_us) return 0;
    const uint64_t ahead = (uint64_t)newest_us - (uint64_t)end_us;
    return ahead > INT64_MAX ? INT64_MAX : (int64_t)ahead;
}

/* The rendered window's depth. `newest_us`: of what was pushed; where time alone ended the window, its end. */
int dae_stream_finish(struct dae_stream *stream, double began, int64_t newest_us)
{
    const struct dae_window *window = &stream->window;
    int status = DAE_DEPTH, stale = 1;
    stream->about.infer_us = 0;
    if (window->events) status = run(stream, &stale);
    stream->about.start_us = window->start_us;
    stream->about.t_us = window->end_us;
    stream->about.events = window->events;
    stream->about.stale = stale;
    stream->about.partial = window->partial;
    stream->about.restart = window->restart;
    stream->about.encode_us = stream->encode_us;
    stream->health.stale += (uint64_t)stale;
    stream->health.backlog_us = backlog(newest_us, window->end_us);
    stream->has_window = 1;
    stream->about.latency_us = dae_stream_now_us() - began;
    return status;
}

int dae_stream_depth(const struct dae_stream *stream, float *depth, size_t size, struct dae_depth *about)
{
    if (!stream) return DAE_ERROR_ARGUMENT;
    if (!stream->has_window) return DAE_ERROR_STATE;
    if (depth && size < stream->buffers.depth_count) return DAE_ERROR_BUFFER;
    if (depth) memcpy(depth, dae_stream_values(stream), stream->buffers.depth_count * sizeof *depth);
    if (about) *about = stream->about;
    return DAE_OK;
}

const float *dae_stream_values(const struct dae_stream *stream)
{
    return stream ? stream->buffers.depth[stream->depth] : NULL;
}

void dae_stream_health(const struct dae_stream *stream, struct dae_stream_health *health)
{
    if (!health) return;
    memset(health, 0, sizeof *health);
    if (!stream) return;
    struct dae_encoder_counters counters;
    dae_encoder_counters(stream->encoder, &counters);
    *health = stream->health;
    health->events = counters.events;
    health->windows = counters.windows;
    health->dropped_events = counters.dropped_outside;
    health->clamped_events = counters.clamped_backward;
    health->dropped_kept = stream->kept.dropped;
    health->restarts = counters.restarts;
}

const char *dae_stream_error(const struct dae_stream *stream) { return stream ? stream->error.line : ""; }
