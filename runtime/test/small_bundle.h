/* A bundle on disk for tests: a sensor of 5x3 pixels, two states, and no engine's files but a text. */
#ifndef SMALL_BUNDLE_H
#define SMALL_BUNDLE_H

#include <stdio.h>
#include <stdlib.h>   /* mkdtemp */
#include <string.h>
#include <sys/stat.h> /* mkdir */
#include <unistd.h>   /* rmdir, unlink */

#define SMALL_WIDTH 5
#define SMALL_HEIGHT 3
#define SMALL_PIXELS (SMALL_WIDTH * SMALL_HEIGHT)

static const char small_model[] = "not a model";

/* The hash is sha256sum's. */
#define SMALL_MANIFEST \
    "{\"format\": \"dae-bundle\", \"version\": 1,\n" \
    " \"model\": {\"name\": \"small\", \"recurrent\": true},\n" \
    " \"weights\": {\"source\": \"none\", \"trained\": true},\n" \
    " \"input\": {\"encoding\": \"tencode\", \"sensor\": [5, 3], \"window_us\": 100, \"background\": \"black\"},\n" \
    " \"states\": [{\"name\": \"layer1.hidden\", \"shape\": [1, 2], \"dtype\": \"float32\"},\n" \
    "            {\"name\": \"layer1.cell\", \"shape\": [3], \"dtype\": \"float16\"}],\n" \
    " \"output\": {\"shape\": [3, 5], \"unit\": \"m\"}, \"target\": \"onnx-fp32\", \"onnx\": \"model.onnx\",\n" \
    " \"engine\": {\"backend\": \"callback\", \"file\": \"model.onnx\"}, \"verdict\": {\"passed\": true},\n" \
    " \"files\": {\"model.onnx\": {\"bytes\": 11,\n" \
    "  \"sha256\": \"708811ccb1510c6d6c6e6379ef09be39bdbb0e7edcf44fefcca21c6228ee6d89\"}}}\n"

struct small_bundle {
    char folder[64];
    char path[96];
};

static inline void small_write(const struct small_bundle *bundle, const char *name, const char *text)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", bundle->path, name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(text, 1, strlen(text), file) != strlen(text) || fclose(file) != 0) abort();
}

static inline void small_create(struct small_bundle *bundle)
{
    strcpy(bundle->folder, "/tmp/dae-test-XXXXXX");
    if (!mkdtemp(bundle->folder)) abort();
    snprintf(bundle->path, sizeof bundle->path, "%s/small.dae", bundle->folder);
    if (mkdir(bundle->path, 0700) != 0) abort();
    small_write(bundle, "model.onnx", small_model);
    small_write(bundle, "manifest.json", SMALL_MANIFEST);
}

static inline void small_remove(const struct small_bundle *bundle)
{
    static const char *const names[] = {"model.onnx", "manifest.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[160];
        snprintf(path, sizeof path, "%s/%s", bundle->path, names[i]);
        unlink(path);
    }
    rmdir(bundle->path);
    rmdir(bundle->folder);
}

#endif
