/* An inference engine of your own: callback BUNDLE RECORDING.raw
 *
 * The bundle says which tensors there are; the function below is what would hand them to your engine. This one knows
 * no network: its depth is the age of each pixel's latest event, newest nearest, smoothed over time by the states it
 * finds. It prints what the whole takes in memory: everything but an engine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dae_stream.h"
#include "raw_file.h"

struct engine {
    struct dae_model_info info;
    size_t windows;
};

static int infer(void *data, const struct dae_inference *inference)
{
    struct engine *engine = data;
    const size_t pixels = (size_t)engine->info.depth_width * engine->info.depth_height;
    if (pixels != (size_t)engine->info.width * engine->info.height) return -1; /* it knows no crop either */
    const uint8_t *image = inference->events;
    for (size_t i = 0; i < pixels; i++) inference->depth[i] = (float)image[3 * i + 1] / 255;
    engine->windows++;
    return 0; /* state_out stays as it is: zeros */
}

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    return 1;
}

static int push(struct dae_stream *stream, const struct dae_event *events, size_t n)
{
    for (size_t offset = 0, used; offset < n; offset += used) {
        const int status = dae_stream_push(stream, events + offset, n - offset, &used);
        if (status < 0) return complain(dae_stream_status_str(status), dae_stream_error(stream));
    }
    return 0;
}

static int pump(FILE *file, struct dae_decoder *decoder, struct dae_stream *stream)
{
    static uint8_t bytes[16384];
    static struct dae_event events[16384];
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, file)) > 0;)
        for (size_t offset = 0, used, count; offset < n; offset += used) {
            dae_decoder_decode(decoder, bytes + offset, n - offset, &used, events, 16384, &count);
            if (push(stream, events, count)) return 1;
        }
    return 0;
}

/* The most this process has held, in KiB; 0 where the system does not say it this way. */
static long most_resident(void)
{
    char line[128];
    long most = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "VmHWM:", 6) == 0) most = strtol(line + 6, NULL, 10);
    if (file) fclose(file);
    return most;
}

static int run(const char *recording, const struct dae_model *model, struct engine *engine)
{
    struct raw_header header;
    struct dae_decoder_params decoder_params = dae_decoder_default_params();
    const struct dae_stream_params stream_params = dae_stream_default_params();
    struct dae_decoder *decoder = NULL;
    struct dae_stream *stream = NULL;
    FILE *file = fopen(recording, "rb");
    if (!file || !raw_read_header(file, &header)) return complain(recording, "cannot be read");
    dae_model_info(model, &engine->info);
    decoder_params.format = (enum dae_format)header.format;
    decoder_params.width = engine->info.width;
    decoder_params.height = engine->info.height;
    int failed = dae_decoder_init(&decoder_params, &decoder) != DAE_OK ||
                 dae_stream_init(model, &stream_params, &stream) != DAE_OK || pump(file, decoder, stream);
    dae_stream_free(stream);
    dae_decoder_free(decoder);
    fclose(file);
    if (!failed) printf("%zu windows, at most %ld KiB resident\n", engine->windows, most_resident());
    return failed;
}

int main(int argc, char **argv)
{
    struct engine engine = {0};
    struct dae_model_params params = dae_model_default_params();
    struct dae_model *model;
    if (argc != 3) {
        fprintf(stderr, "usage: %s BUNDLE RECORDING.raw\n", argv[0]);
        return 2;
    }
    params.path = argv[1];
    params.backend = "callback";
    params.infer = infer;
    params.infer_data = &engine;
    int failed = dae_model_load(&params, &model) != DAE_OK;
    if (failed) complain(argv[1], dae_model_error(model));
    else failed = run(argv[2], model, &engine);
    dae_model_free(model);
    return failed;
}
