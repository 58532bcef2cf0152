/* What a window costs outside inference, and a soak: measure_stream WIDTH HEIGHT EVENTS WINDOWS
 *
 * The engine is a callback without a network; the time outside it is this library's: rendering the image, and looking
 * through depth and states (as many as the shipped student's, 71,488 floats) for NaN. A window's events are pushed first, then one
 * event that ends it; that push is what is measured. Times in microseconds; memory in KiB. */
#define _POSIX_C_SOURCE 200809L
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dae_stream.h"
#include "small_bundle.h"

/* It writes the depth, as an engine does: where the caches keep it, reading it again is cheap. */
static int no_network(void *data, const struct dae_inference *inference)
{
    for (size_t i = 0; i < *(size_t *)data; i++) inference->depth[i] = 1;
    return 0;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static long resident(void)
{
    char line[128];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "VmRSS:", 6) == 0) kib = strtol(line + 6, NULL, 10);
    if (file) fclose(file);
    return kib;
}

static struct dae_model *load(struct small_bundle *bundle, int width, int height, size_t *pixels)
{
    char manifest[4096];
    const int written = snprintf(
        manifest, sizeof manifest,
        "{\"format\":\"dae-bundle\",\"version\":1,\"model\":{\"name\":\"none\"},\"weights\":{\"source\":\"none\",\"trained\":false},"
        "\"input\":{\"encoding\":\"tencode\",\"sensor\":[%d,%d],\"window_us\":1000,\"background\":\"black\"},"
        "\"states\":[{\"name\":\"a\",\"shape\":[1,64,1117],\"dtype\":\"float32\"}],"
        "\"output\":{\"shape\":[%d,%d],\"unit\":\"m\"},\"target\":\"none\",\"onnx\":\"model.onnx\","
        "\"engine\":{\"backend\":\"callback\",\"file\":\"model.onnx\"},"
        "\"files\":{\"model.onnx\":{\"bytes\":11,\"sha256\":\"%064d\"}}}",
        width, height, height, width, 0);
    assert(written > 0 && (size_t)written < sizeof manifest);
    small_create(bundle);
    small_write(bundle, "manifest.json", manifest);
    struct dae_model_params params = dae_model_default_params();
    struct dae_model *model;
    params.path = bundle->path;
    params.verify = 0;
    params.infer = no_network;
    params.infer_data = pixels;
    if (dae_model_load(&params, &model) != DAE_OK) fprintf(stderr, "%s\n", dae_model_error(model)), exit(1);
    return model;
}

static void push(struct dae_stream *stream, const struct dae_event *events, size_t n, int wanted)
{
    size_t used;
    const int status = dae_stream_push(stream, events, n, &used);
    assert(status == wanted);
}

int main(int argc, char **argv)
{
    if (argc != 5) return fprintf(stderr, "usage: %s WIDTH HEIGHT EVENTS WINDOWS\n", argv[0]), 2;
    const int width = atoi(argv[1]), height = atoi(argv[2]);
    const size_t n = strtoul(argv[3], NULL, 10), windows = strtoul(argv[4], NULL, 10);
    size_t pixels = (size_t)width * (size_t)height;
    struct small_bundle bundle;
    struct dae_model *model = load(&bundle, width, height, &pixels);
    const struct dae_stream_params params = dae_stream_default_params();
    struct dae_stream *stream;
    struct dae_event *events = calloc(n, sizeof *events);
    double *overheads = calloc(2 * windows, sizeof *overheads), *checks = overheads + windows;
    uint64_t random = 1;
    long early = 0;
    assert(windows > 1 && events && overheads);
    for (size_t i = 0; i < 2 * windows; i++) overheads[i] = 1; /* touched now, so that it counts from the beginning */
    assert(dae_stream_init(model, &params, &stream) == DAE_OK);
    for (size_t window = 0; window < windows; window++) {
        struct dae_depth about;
        for (size_t i = 0; i < n; i++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            events[i] = (struct dae_event){(int64_t)(1000 * window + 1000 * i / n), (uint16_t)(random % (unsigned)width),
                                           (uint16_t)((random >> 20) % (unsigned)height), (uint8_t)(random >> 60 & 1)};
        }
        /* the first event ends the window before: alone in its push */
        push(stream, events, 1, window ? DAE_DEPTH : DAE_OK);
        if (window) {
            assert(dae_stream_depth(stream, NULL, 0, &about) == DAE_OK);
            overheads[window - 1] = about.latency_us - about.infer_us;
            checks[window - 1] = overheads[window - 1] - about.encode_us;
        }
        size_t used;
        assert(dae_stream_push(stream, events + (window > 0 ? 0 : 1), n - (window == 0), &used) == DAE_OK);
        if (window == windows / 10) early = resident();
    }
    const long late = resident();
    qsort(overheads, windows - 1, sizeof *overheads, ascending);
    qsort(checks, windows - 1, sizeof *checks, ascending);
    printf("%dx%d, %zu events per window, %zu windows: outside inference least %.1f us, median %.1f us, p99 %.1f us; of "
           "which all but rendering least %.1f us, median %.1f us; resident %ld KiB after a tenth, %ld KiB at the end\n",
           width, height, n, windows, overheads[0], overheads[(windows - 1) / 2], overheads[(windows - 1) * 99 / 100],
           checks[0], checks[(windows - 1) / 2], early, late);
    free(overheads);
    free(events);
    dae_stream_free(stream);
    dae_model_free(model);
    small_remove(&bundle);
    return 0;
}
