/* Events of a recording to depth, without Python: depth BUNDLE RECORDING.raw OUT.f32 [BACKEND [LIBRARY [THREADS]]]
 *
 * OUT.f32 gets the depth maps one after the other, float32 [height, width], in the machine's byte order; each also
 * gives a line on stdout. LIBRARY is the engine's, e.g. /usr/lib/libonnxruntime.so.1. */
#include <inttypes.h> /* PRId64 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dae_stream.h"
#include "raw_file.h"

#define CHUNK_BYTES 65536
#define CHUNK_EVENTS 65536

struct demo {
    struct dae_model *model;
    struct dae_stream *stream;
    struct dae_decoder *decoder;
    FILE *in, *out;
    float *depth;
    size_t depth_count;
    const char *unit;
    uint8_t bytes[CHUNK_BYTES];
    struct dae_event events[CHUNK_EVENTS];
};

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    return 1;
}

static int write_depth(struct demo *demo)
{
    struct dae_depth about;
    const int status = dae_stream_depth(demo->stream, demo->depth, demo->depth_count, &about);
    if (status != DAE_OK) return complain("depth", dae_stream_status_str(status));
    printf("%10" PRId64 " us  %8" PRIu64 " events  %7.0f us%s%s\n", about.t_us, about.events, about.latency_us,
           about.stale ? "  stale" : "", about.partial ? "  partial" : "");
    if (fwrite(demo->depth, sizeof *demo->depth, demo->depth_count, demo->out) != demo->depth_count)
        return complain("output", "cannot be written");
    return 0;
}

/* Every depth that `n` events finish. */
static int push(struct demo *demo, size_t n)
{
    for (size_t offset = 0, used; offset < n || n == 0; offset += used) {
        const int status = n ? dae_stream_push(demo->stream, demo->events + offset, n - offset, &used)
                             : dae_stream_flush(demo->stream);
        if (status < 0) return complain(dae_stream_status_str(status), dae_stream_error(demo->stream));
        if (status == DAE_DEPTH && write_depth(demo)) return 1;
        if (status == DAE_OK) break;
        if (!n) break;
    }
    return 0;
}

static int pump(struct demo *demo)
{
    for (size_t n; (n = fread(demo->bytes, 1, CHUNK_BYTES, demo->in)) > 0;) {
        for (size_t offset = 0, used, count; offset < n; offset += used) {
            dae_decoder_decode(demo->decoder, demo->bytes + offset, n - offset, &used, demo->events, CHUNK_EVENTS,
                               &count);
            if (count && push(demo, count)) return 1;
        }
    }
    return push(demo, 0); /* the last, unfinished window */
}

static int open_model(struct demo *demo, int argc, char **argv)
{
    struct dae_model_params params = dae_model_default_params();
    params.path = argv[1];
    params.backend = argc > 4 && argv[4][0] ? argv[4] : NULL;
    params.library = argc > 5 && argv[5][0] ? argv[5] : NULL;
    params.threads = argc > 6 ? (uint32_t)strtoul(argv[6], NULL, 10) : 0;
    const int status = dae_model_load(&params, &demo->model);
    if (status != DAE_OK) return complain(dae_stream_status_str(status), dae_model_error(demo->model));
    return 0;
}

static int open_all(struct demo *demo, int argc, char **argv)
{
    struct raw_header header;
    struct dae_model_info info;
    if (open_model(demo, argc, argv)) return 1;
    dae_model_info(demo->model, &info);
    if (!(demo->in = fopen(argv[2], "rb"))) return complain(argv[2], "cannot be opened");
    if (!raw_read_header(demo->in, &header)) return complain(argv[2], "its header does not say format and sensor");
    if (header.width != info.width || header.height != info.height)
        return complain(argv[2], "its sensor is not the bundle's");
    struct dae_decoder_params decoder = dae_decoder_default_params();
    decoder.format = (enum dae_format)header.format;
    decoder.width = info.width;
    decoder.height = info.height;
    int status = dae_decoder_init(&decoder, &demo->decoder);
    const struct dae_stream_params stream = dae_stream_default_params();
    if (status == DAE_OK) status = dae_stream_init(demo->model, &stream, &demo->stream);
    if (status != DAE_OK) return complain("stream", dae_stream_status_str(status));
    demo->depth_count = (size_t)info.depth_width * info.depth_height;
    demo->depth = malloc(demo->depth_count * sizeof *demo->depth);
    if (!demo->depth) return complain("depth", "out of memory");
    if (!(demo->out = fopen(argv[3], "wb"))) return complain(argv[3], "cannot be opened");
    printf("%s, %s, %ux%u, %s: %s\n", info.name, info.target, (unsigned)info.depth_width, (unsigned)info.depth_height,
           info.engine, info.unit);
    return 0;
}

static void close_all(struct demo *demo)
{
    dae_stream_free(demo->stream);
    dae_decoder_free(demo->decoder);
    dae_model_free(demo->model);
    free(demo->depth);
    if (demo->in) fclose(demo->in);
}

int main(int argc, char **argv)
{
    if (argc < 4 || argc > 7) {
        fprintf(stderr, "usage: %s BUNDLE RECORDING.raw OUT.f32 [BACKEND [LIBRARY [THREADS]]]\n", argv[0]);
        return 2;
    }
    struct demo *demo = calloc(1, sizeof *demo);
    if (!demo) return complain(argv[0], "out of memory");
    int failed = open_all(demo, argc, argv) || pump(demo);
    if (demo->out && fclose(demo->out) != 0) failed = complain(argv[3], "cannot be written");
    if (!failed) {
        struct dae_stream_health health;
        dae_stream_health(demo->stream, &health);
        printf("%" PRIu64 " windows, %" PRIu64 " inferred, %" PRIu64 " stale, %" PRIu64 " events\n", health.windows,
               health.inferred, health.stale, health.events);
    }
    close_all(demo);
    free(demo);
    return failed;
}
