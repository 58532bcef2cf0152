/* What a manifest means: files, states, input, output. */
#include "bundle.h"

#include <stdlib.h> /* malloc, calloc, free */
#include <string.h> /* memset, strchr, strcmp, strlen */

#include "manifest.h"

#define LONGEST_WINDOW_US (((int64_t)1 << 30) - 1)
#define MOST_BINS 64
#define LARGEST_STATE ((size_t)1 << 31) /* bytes: far from where sums overflow */

static int is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Plain names only: no folder, no drive, nothing hidden. */
static int is_file_name(const char *name)
{
    if (!is_alphanumeric(name[0])) return 0;
    for (; *name; name++)
        if (!is_alphanumeric(*name) && *name != '.' && *name != '_' && *name != '-') return 0;
    return 1;
}

static int is_digest(const char *text)
{
    size_t length = 0;
    for (; text[length]; length++)
        if (!strchr("0123456789abcdef", text[length])) return 0;
    return length == 64;
}

static const struct bundle_file *listed(const struct bundle *bundle, const char *name)
{
    for (size_t i = 0; i < bundle->file_count; i++)
        if (strcmp(bundle->files[i].name, name) == 0) return &bundle->files[i];
    return NULL;
}

static int check_file_entry(struct reader *reader, size_t node, struct bundle_file *file)
{
    size_t bytes, sha256;
    if (manifest_kind_of(reader, node) != JSON_OBJECT)
        return REFUSE(reader, "files: %s: wanted bytes and sha256", file->name);
    int status = dae_manifest_member(reader, node, "bytes", "files: bytes", &bytes);
    if (status == DAE_OK) status = dae_manifest_member(reader, node, "sha256", "files: sha256", &sha256);
    if (status == DAE_OK) status = dae_manifest_keep(reader, sha256, "files: sha256", &file->sha256);
    if (status != DAE_OK) return status;
    if (!dae_json_whole(&reader->json, bytes, &file->bytes) || !is_digest(file->sha256))
        return REFUSE(reader, "files: %s: wanted bytes and sha256", file->name);
    return DAE_OK;
}

static int read_files(struct reader *reader)
{
    struct bundle *bundle = reader->bundle;
    size_t files, count = 0;
    int status = dae_manifest_kind(reader, "files", JSON_OBJECT, "an object", &files);
    if (status != DAE_OK) return status;
    const struct json_node *nodes = reader->json.nodes;
    for (size_t key = files + 1; key < nodes[files].end; key = nodes[key + 1].end) count++;
    bundle->files = calloc(count + 1, sizeof *bundle->files);
    if (!bundle->files) return dae_fail(reader->error, DAE_ERROR_MEMORY, "out of memory");
    for (size_t key = files + 1; key < nodes[files].end; key = nodes[key + 1].end) {
        struct bundle_file *file = &bundle->files[bundle->file_count];
        status = dae_manifest_keep(reader, key, "files", &file->name);
        if (status != DAE_OK) return status;
        if (!is_file_name(file->name)) return REFUSE(reader, "files: '%s' is not a plain file name", file->name);
        if (listed(bundle, file->name)) return REFUSE(reader, "files: %s appears twice", file->name);
        status = check_file_entry(reader, key + 1, file);
        if (status != DAE_OK) return status;
        bundle->file_count++;
    }
    if (!listed(bundle, bundle->onnx)) return REFUSE(reader, "%s is not among the files", "onnx");
    if (!listed(bundle, bundle->engine_file)) return REFUSE(reader, "%s is not among the files", "engine.file");
    return DAE_OK;
}

/* "state_in.NAME" in the bundle's own memory. */
static const char *prefixed(struct bundle *bundle, const char *prefix, const char *name)
{
    char *copy = bundle->strings + bundle->strings_used;
    const size_t length = strlen(prefix);
    memcpy(copy, prefix, length);
    memcpy(copy + length, name, strlen(name) + 1);
    bundle->strings_used += length + strlen(name) + 1;
    return copy;
}

static int state_size(struct reader *reader, struct bundle_state *state)
{
    state->elements = 1;
    for (size_t axis = 0; axis < state->rank; axis++) {
        state->elements *= (size_t)state->shape[axis];
        if (state->elements > LARGEST_STATE / sizeof(float))
            return REFUSE(reader, "states: %s is too large", state->name);
    }
    state->bytes = state->elements * (state->is_half ? sizeof(uint16_t) : sizeof(float));
    return DAE_OK;
}

static int read_state(struct reader *reader, size_t node, struct bundle_state *state)
{
    size_t name, shape, dtype;
    if (manifest_kind_of(reader, node) != JSON_OBJECT) return REFUSE(reader, "%s", "states: wanted name, shape, dtype");
    int status = dae_manifest_member(reader, node, "name", "states: name", &name);
    if (status == DAE_OK) status = dae_manifest_member(reader, node, "dtype", "states: dtype", &dtype);
    if (status == DAE_OK) status = dae_manifest_member(reader, node, "shape", "states: shape", &shape);
    if (status == DAE_OK) status = dae_manifest_keep(reader, name, "states: name", &state->name);
    if (status == DAE_OK) status = dae_manifest_sizes(reader, shape, "states: shape", state->shape, &state->rank);
    if (status != DAE_OK) return status;
    state->is_half = dae_json_equals(&reader->json, dtype, "float16");
    if (!state->is_half && !dae_json_equals(&reader->json, dtype, "float32"))
        return REFUSE(reader, "%s", "states: dtype must be float32 or float16");
    state->input = prefixed(reader->bundle, "state_in.", state->name);
    state->output = prefixed(reader->bundle, "state_out.", state->name);
    return state_size(reader, state);
}

static int read_states(struct reader *reader)
{
    struct bundle *bundle = reader->bundle;
    size_t states;
    int status = dae_manifest_kind(reader, "states", JSON_ARRAY, "a list", &states);
    if (status != DAE_OK) return status;
    const struct json_node *nodes = reader->json.nodes;
    for (size_t node = states + 1; node < nodes[states].end; node = nodes[node].end) {
        struct bundle_state *state = &bundle->states[bundle->state_count];
        if (bundle->state_count == BUNDLE_MOST_STATES)
            return REFUSE(reader, "states: at most %d", BUNDLE_MOST_STATES);
        status = read_state(reader, node, state);
        if (status != DAE_OK) return status;
        for (size_t i = 0; i < bundle->state_count; i++)
            if (strcmp(bundle->states[i].name, state->name) == 0)
                return REFUSE(reader, "states: %s appears twice", state->name);
        bundle->state_count++;
    }
    return DAE_OK;
}

static int read_encoding(struct reader *reader)
{
    const char *encoding;
    int64_t bins = 0;
    int status = dae_manifest_text(reader, "input.encoding", &encoding);
    if (status != DAE_OK) return status;
    if (strcmp(encoding, "voxel_grid") == 0) status = dae_manifest_whole(reader, "input.bins", 1, MOST_BINS, &bins);
    else if (strcmp(encoding, "frame") == 0) reader->bundle->frames = 1;
    else if (strcmp(encoding, "tencode") != 0)
        return REFUSE(reader, "%s", "input.encoding: wanted tencode, voxel_grid or frame");
    reader->bundle->voxel_bins = (int)bins;
    return status;
}

static int read_background(struct reader *reader)
{
    const char *background;
    const int status = dae_manifest_text(reader, "input.background", &background);
    if (status != DAE_OK) return status;
    if (strcmp(background, "white") == 0) reader->bundle->background = DAE_BACKGROUND_WHITE;
    else if (strcmp(background, "black") == 0) reader->bundle->background = DAE_BACKGROUND_BLACK;
    else return REFUSE(reader, "%s", "input.background: wanted black or white");
    return DAE_OK;
}

static int read_verdict(struct reader *reader)
{
    int twice;
    reader->bundle->passed = 1;
    if (!dae_json_member(&reader->json, 0, "verdict", &twice)) return DAE_OK;
    return dae_manifest_bool(reader, "verdict.passed", &reader->bundle->passed);
}

/* Bundles may say nothing of their precision. */
static int read_precision(struct reader *reader)
{
    static const char *const known[] = {"float32", "bfloat16", "float16", "int8", "int8+bfloat16"};
    int twice;
    const size_t precision = dae_json_member(&reader->json, 0, "precision", &twice);
    reader->bundle->compute = known[0];
    if (!precision || (manifest_kind_of(reader, precision) == JSON_OBJECT &&
                       !dae_json_member(&reader->json, precision, "compute", &twice)))
        return DAE_OK;
    const int status = dae_manifest_text(reader, "precision.compute", &reader->bundle->compute);
    for (size_t i = 0; status == DAE_OK && i < sizeof known / sizeof *known; i++)
        if (strcmp(reader->bundle->compute, known[i]) == 0) return DAE_OK;
    if (status != DAE_OK) return status;
    return REFUSE(reader, "precision.compute: '%s' is not known here", reader->bundle->compute);
}

static int read_version(struct reader *reader)
{
    const char *format;
    int64_t version;
    int status = dae_manifest_text(reader, "format", &format);
    if (status != DAE_OK) return status;
    if (strcmp(format, "dae-bundle") != 0) return REFUSE(reader, "format: wanted dae-bundle, got '%s'", format);
    status = dae_manifest_whole(reader, "version", 1, 1, &version);
    return status;
}

static int read_fields(struct reader *reader)
{
    struct bundle *bundle = reader->bundle;
    const char *source;
    int status = read_version(reader);
    if (status == DAE_OK) status = dae_manifest_text(reader, "onnx", &bundle->onnx);
    if (status == DAE_OK) status = dae_manifest_text(reader, "engine.file", &bundle->engine_file);
    if (status == DAE_OK) status = read_files(reader);
    if (status == DAE_OK) status = dae_manifest_text(reader, "model.name", &bundle->name);
    if (status == DAE_OK) status = dae_manifest_text(reader, "weights.source", &source);
    if (status == DAE_OK) status = dae_manifest_text(reader, "target", &bundle->target);
    if (status == DAE_OK) status = dae_manifest_text(reader, "engine.backend", &bundle->backend);
    if (status == DAE_OK) status = dae_manifest_text(reader, "output.unit", &bundle->unit);
    if (status == DAE_OK) status = dae_manifest_bool(reader, "weights.trained", &bundle->trained);
    if (status == DAE_OK) status = dae_manifest_whole(reader, "input.window_us", 1, LONGEST_WINDOW_US, &bundle->window_us);
    if (status == DAE_OK) status = read_verdict(reader);
    if (status == DAE_OK) status = read_precision(reader);
    if (status == DAE_OK) status = read_background(reader);
    if (status == DAE_OK) status = read_states(reader);
    if (status == DAE_OK) status = dae_manifest_pair(reader, "input.sensor", &bundle->width, &bundle->height);
    if (status == DAE_OK) status = dae_manifest_pair(reader, "output.shape", &bundle->depth_height, &bundle->depth_width);
    if (status == DAE_OK) status = read_encoding(reader);
    if (status == DAE_OK && !bundle->trained) bundle->unit = "untrained weights";
    return status;
}

int dae_bundle_parse(struct bundle *bundle, const char *path, const uint8_t *text, size_t n, struct text *error)
{
    struct reader reader = {{NULL, NULL, 0}, bundle, error};
    memset(bundle, 0, sizeof *bundle);
    bundle->path = path;
    if (n > BUNDLE_LARGEST_MANIFEST) return REFUSE(&reader, "larger than %zu bytes", BUNDLE_LARGEST_MANIFEST);
    struct json_node *nodes = malloc(dae_json_most_nodes(text, n) * sizeof *nodes);
    /* each text is kept once and ends with a zero byte in place of its quotes; a state's name is kept three times */
    bundle->strings = malloc(3 * n + BUNDLE_MOST_STATES * sizeof "state_in.state_out." + 1);
    int status = DAE_OK;
    if (!nodes || !bundle->strings) {
        status = dae_fail(error, DAE_ERROR_MEMORY, "out of memory");
    } else {
        size_t at;
        const char *wrong = dae_json_parse(&reader.json, text, n, nodes, &at);
        status = wrong ? REFUSE(&reader, "not JSON: %s at byte %zu", wrong, at) : read_fields(&reader);
    }
    free(nodes);
    if (status != DAE_OK) dae_bundle_free(bundle);
    return status;
}

void dae_bundle_free(struct bundle *bundle)
{
    free(bundle->files);
    free(bundle->strings);
    memset(bundle, 0, sizeof *bundle);
}
