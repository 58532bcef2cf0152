/* The ways into a stream: events of any layout, bytes, time alone, the end. */
#include "../src/events.h"
#include "stream.h"

/* A window is ready: events before it are needed no more. */
static void trim(struct dae_stream *stream)
{
    struct dae_window window;
    if (!stream->kept.events) return;
    dae_encoder_window(stream->encoder, &window);
    dae_kept_trim(&stream->kept, window.events);
}

/* What is pushed: events, or bytes and their decoder. */
struct source {
    const struct dae_events *events;
    struct dae_decoder *decoder;
    const uint8_t *bytes;
    size_t n; /* of events, or of bytes */
};

/* Take from a source until a window is ready; *used grows. */
static int take(struct dae_stream *stream, const struct source *source, size_t *used)
{
    size_t taken = 0;
    int status;
    if (source->decoder) {
        const uint8_t *rest = source->bytes ? source->bytes + *used : NULL;
        status = dae_encoder_push_bytes(stream->encoder, source->decoder, rest, source->n - *used, &taken);
    } else {
        status = dae_encoder_push_events(stream->encoder, source->events, *used, &taken);
        if (stream->kept.events) dae_kept_add(&stream->kept, source->events, *used, taken);
    }
    *used += taken;
    if (status == DAE_WINDOW) trim(stream);
    return status;
}

/* Take all there is; render the windows that end in it, for the newest to be run. */
static int take_all(struct dae_stream *stream, const struct source *source, size_t *used)
{
    int waiting = 0;
    for (;;) {
        struct dae_window window;
        const int status = take(stream, source, used);
        if (status != DAE_WINDOW) return status == DAE_OK && waiting ? DAE_WINDOW : status;
        dae_encoder_window(stream->encoder, &window);
        stream->health.dropped_windows += (uint64_t)waiting;
        if (!waiting || window.events) dae_stream_render(stream); /* nothing must not hide something */
        waiting = 1;
    }
}

static int push(struct dae_stream *stream, const struct source *source, size_t *used)
{
    const double began = dae_stream_now_us();
    int status;
    *used = 0;
    if (stream->newest_only) {
        status = take_all(stream, source, used);
    } else {
        status = take(stream, source, used);
        if (status == DAE_WINDOW) dae_stream_render(stream);
    }
    if (status != DAE_WINDOW) return status;
    int64_t newest_us = stream->window.end_us;
    if (source->events && source->n) newest_us = dae_event_at(source->events, source->events->layout, source->n - 1).t;
    return dae_stream_finish(stream, began, newest_us);
}

int dae_stream_push(struct dae_stream *stream, const struct dae_event *events, size_t n, size_t *used)
{
    const struct dae_events packed = dae_events_packed(events, n);
    return dae_stream_push_events(stream, &packed, 0, used);
}

int dae_stream_push_events(struct dae_stream *stream, const struct dae_events *events, size_t from, size_t *used)
{
    if (!stream || !used || !dae_events_are_sound(events) || from > events->n) return DAE_ERROR_ARGUMENT;
    struct dae_events rest = *events;
    rest.n -= from;
    switch (rest.layout) {
    case DAE_LAYOUT_PACKED: rest.packed = rest.n ? rest.packed + from : NULL; break;
    case DAE_LAYOUT_CD: rest.cd = rest.n ? rest.cd + from : NULL; break;
    case DAE_LAYOUT_ARRAYS:
        if (rest.n) rest.t += from, rest.x += from, rest.y += from, rest.on += from;
        break;
    }
    const struct source source = {&rest, NULL, NULL, rest.n};
    return push(stream, &source, used);
}

int dae_stream_push_bytes(struct dae_stream *stream, struct dae_decoder *decoder, const uint8_t *bytes, size_t n,
                          size_t *used)
{
    if (!stream || !decoder || !used || (!bytes && n)) return DAE_ERROR_ARGUMENT;
    if (stream->kept.events) return DAE_ERROR_STATE;
    const struct source source = {NULL, decoder, bytes, n};
    return push(stream, &source, used);
}

int dae_stream_advance(struct dae_stream *stream, int64_t t_us)
{
    const double began = dae_stream_now_us();
    if (!stream) return DAE_ERROR_ARGUMENT;
    const int status = dae_encoder_advance(stream->encoder, t_us);
    if (status != DAE_WINDOW) return status;
    trim(stream);
    dae_stream_render(stream);
    return dae_stream_finish(stream, began, stream->window.end_us);
}

int dae_stream_flush(struct dae_stream *stream)
{
    const double began = dae_stream_now_us();
    if (!stream) return DAE_ERROR_ARGUMENT;
    const int status = dae_encoder_flush(stream->encoder);
    if (status != DAE_WINDOW) return status;
    trim(stream);
    dae_stream_render(stream);
    return dae_stream_finish(stream, began, stream->window.end_us);
}
