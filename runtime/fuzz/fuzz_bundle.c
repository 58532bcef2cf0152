/* Any bytes as a bundle's manifest: read or refused, and what is read keeps its own limits. */
#undef NDEBUG
#include <assert.h>
#include <string.h>

#include "bundle.h"
#include "fuzz.h"

static void check(const struct bundle *bundle)
{
    assert(bundle->width && bundle->height && bundle->depth_width && bundle->depth_height);
    assert(bundle->window_us >= 1 && bundle->state_count <= BUNDLE_MOST_STATES && bundle->file_count >= 1);
    for (size_t i = 0; i < bundle->file_count; i++) {
        const char *name = bundle->files[i].name;
        assert(name[0] && name[0] != '.' && !strpbrk(name, "/\\:") && strlen(bundle->files[i].sha256) == 64);
    }
    for (size_t i = 0; i < bundle->state_count; i++) {
        const struct bundle_state *state = &bundle->states[i];
        assert(state->rank <= BUNDLE_MOST_AXES && state->elements >= 1 && state->bytes >= 2 * state->elements);
        assert(strcmp(strchr(state->input, '.') + 1, state->name) == 0);
        assert(strcmp(strchr(state->output, '.') + 1, state->name) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct bundle bundle;
    struct text error = {""};
    const int status = dae_bundle_parse(&bundle, "fuzz", data, size, &error);
    assert(status == DAE_OK || status == DAE_ERROR_BUNDLE);
    if (status == DAE_OK) {
        check(&bundle);
        dae_bundle_free(&bundle);
    } else {
        assert(error.line[0] && !strchr(error.line, '\n') && !bundle.strings && !bundle.files);
    }
    return 0;
}

static const char *const pieces[] = {
    "\"states\":[]",
    "\"states\":[{\"name\":\"a\",\"shape\":[1,2],\"dtype\":\"float32\"}]",
    "\"states\":[{\"name\":\"a\",\"shape\":[],\"dtype\":\"float16\"},{\"name\":\"\\u00e9\",\"shape\":[9],\"dtype\":\"float32\"}]",
    "\"states\":[{\"name\":\"\xc3\xa9\\ud83d\\ude00\",\"shape\":[1,2,3,4,5,6,7,8],\"dtype\":\"float32\"}]",
};

size_t fuzz_seed(uint64_t index, uint8_t *data, size_t capacity)
{
    static const char start[] =
        "{\"format\":\"dae-bundle\",\"version\":1,\"model\":{\"name\":\"m\"},\"weights\":{\"source\":\"s\",\"trained\":true},"
        "\"input\":{\"encoding\":\"tencode\",\"sensor\":[5,3],\"window_us\":100,\"background\":\"black\"},"
        "\"output\":{\"shape\":[3,5],\"unit\":\"m\"},\"target\":\"t\",\"onnx\":\"a.x\",\"engine\":{\"backend\":\"b\","
        "\"file\":\"a.x\"},\"verdict\":{\"passed\":true},\"files\":{\"a.x\":{\"bytes\":11,\"sha256\":"
        "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}},";
    const char *piece = pieces[index % (sizeof pieces / sizeof *pieces)];
    const size_t size = strlen(start) + strlen(piece) + 1;
    if (size > capacity) return 0;
    memcpy(data, start, strlen(start));
    memcpy(data + strlen(start), piece, strlen(piece));
    data[size - 1] = '}';
    return size;
}
