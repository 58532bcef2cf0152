/* ONNX Runtime on the CPU, set up as dae_edge/backends/onnxruntime.py sets it up. */
#include <assert.h> /* static_assert */
#include <limits.h> /* INT_MAX */
#include <stdio.h>  /* snprintf */
#include <stdlib.h> /* calloc, free */
#include <string.h> /* strcmp */

#include "engine.h"
#include "ort_api.h"

static_assert(offsetof(struct ort_api, session_input_count) == 30 * sizeof(ort_unused), "a place in the table");
static_assert(offsetof(struct ort_api, create_tensor_with_data) == 49 * sizeof(ort_unused), "a place in the table");
static_assert(offsetof(struct ort_api, default_allocator) == 78 * sizeof(ort_unused), "a place in the table");
static_assert(offsetof(struct ort_api, release_session_options) == 100 * sizeof(ort_unused), "a place in the table");
static_assert(offsetof(struct ort_api, add_session_config_entry) == 130 * sizeof(ort_unused), "a place in the table");

#define MOST_TENSORS (BUNDLE_MOST_STATES + 1)

struct engine {
    void *library;
    const struct ort_api *api;
    OrtEnv *env;
    OrtSession *session;
    OrtMemoryInfo *memory;
    OrtAllocator *allocator;
};

struct session {
    const struct engine *engine;
    size_t count; /* of inputs, and of outputs */
    const char *input_names[MOST_TENSORS];
    const char *output_names[MOST_TENSORS];
    OrtValue *image;
    OrtValue *depth[2];
    OrtValue *states[2][BUNDLE_MOST_STATES];
};

/* 1: good. Else the reason is in `error`, with the name of what was to be loaded or run before it. */
static int good(const struct engine *engine, OrtStatus *status, const char *what, struct text *error)
{
    if (!status) return 1;
    dae_fail(error, DAE_ERROR_ENGINE, "%s: onnxruntime: %s", what, engine->api->get_error_message(status));
    engine->api->release_status(status);
    return 0;
}

/* A robot's terminal is not ours to write to; what matters comes back as a status. */
static void say_nothing(void *data, int severity, const char *category, const char *id, const char *where,
                        const char *message)
{
    (void)data, (void)severity, (void)category, (void)id, (void)where, (void)message;
}

static int open_library(struct engine *engine, const char *library, const char **version, struct text *error)
{
    static const char *const names[] = {"libonnxruntime.so.1", "libonnxruntime.so", "libonnxruntime.dylib", NULL};
    const struct ort_api_base *(*get_base)(void);
    int status = dae_library_open(library, names, &engine->library, error);
    if (status == DAE_OK) status = dae_library_symbol(engine->library, "OrtGetApiBase", &get_base, error);
    if (status != DAE_OK) return status;
    const struct ort_api_base *base = get_base();
    *version = base->get_version();
    engine->api = base->get_api(ORT_VERSION_WANTED);
    if (engine->api) return DAE_OK;
    return dae_fail(error, DAE_ERROR_ENGINE, "onnxruntime %s is too old: wanted 1.%d or newer", *version,
                ORT_VERSION_WANTED);
}

static int set_options(const struct engine *engine, OrtSessionOptions *options, const struct engine_wish *wish,
                       struct text *error)
{
    const struct ort_api *api = engine->api;
    const char *what = "options";
    /* MatMul and Add made one Gemm first are not recognised as an int8 layer afterwards. */
    if (strcmp(wish->compute, "int8") == 0 &&
        !good(engine, api->add_session_config_entry(options, "optimization.disable_specified_optimizers",
                                                    "MatMulAddFusion"), what, error))
        return 0;
    return good(engine, api->set_graph_optimisation(options, ORT_OPTIMISE_ALL), what, error) &&
           good(engine, api->set_inter_op_threads(options, 1), what, error) &&
           good(engine, api->set_intra_op_threads(options, (int)wish->params->threads), what, error) &&
           good(engine, api->set_session_log_severity(options, ORT_LOG_ERROR), what, error) &&
           /* Waiting threads sleep: a robot has other work for its cores between two windows. */
           good(engine, api->add_session_config_entry(options, "session.intra_op.allow_spinning", "0"), what, error);
}

static int load(struct engine *engine, const struct engine_wish *wish, struct text *error)
{
    const char *path = wish->path;
    const struct ort_api *api = engine->api;
    OrtSessionOptions *options = NULL;
    int fine = good(engine, api->create_env_with_custom_logger(say_nothing, NULL, ORT_LOG_FATAL, "dae", &engine->env),
                    path, error) &&
               good(engine, api->default_allocator(&engine->allocator), path, error) &&
               good(engine, api->create_cpu_memory_info(ORT_DEVICE_ALLOCATOR, ORT_MEMORY_DEFAULT, &engine->memory),
                    path, error) &&
               good(engine, api->create_session_options(&options), path, error) &&
               set_options(engine, options, wish, error) &&
               good(engine, api->create_session(engine->env, path, options, &engine->session), path, error);
    if (options) api->release_session_options(options);
    return fine ? DAE_OK : DAE_ERROR_ENGINE;
}

/* Free a text that came from the engine. */
static void give_back(const struct engine *engine, char *text)
{
    OrtStatus *status = engine->api->allocator_free(engine->allocator, text);
    if (status) engine->api->release_status(status);
}

static const char *dtype_of(int type)
{
    return type == ORT_FLOAT ? "float32" : type == ORT_UINT8 ? "uint8" : type == ORT_FLOAT16 ? "float16" : "";
}

/* Type and shape; of more axes than any contract has the rank alone. */
static int read_tensor(const struct engine *engine, const OrtTypeInfo *type, struct tensor *tensor, const char *path,
                       struct text *error)
{
    const struct ort_api *api = engine->api;
    const OrtTensorInfo *info = NULL;
    int element = 0;
    if (!good(engine, api->type_to_tensor_info(type, &info), path, error)) return DAE_ERROR_ENGINE;
    tensor->dtype = "";
    tensor->rank = 0;
    if (!info) return DAE_OK; /* no tensor at all: the check will say so */
    if (!good(engine, api->tensor_element_type(info, &element), path, error) ||
        !good(engine, api->tensor_rank(info, &tensor->rank), path, error))
        return DAE_ERROR_ENGINE;
    tensor->dtype = dtype_of(element);
    if (tensor->rank > BUNDLE_MOST_AXES) tensor->rank = 0;
    return good(engine, api->tensor_shape(info, tensor->shape, tensor->rank), path, error) ? DAE_OK : DAE_ERROR_ENGINE;
}

static int check_tensor(const struct engine *engine, const struct bundle *bundle, int is_output, size_t index,
                        const char *path, struct text *error)
{
    const struct ort_api *api = engine->api;
    struct tensor tensor = {0};
    OrtTypeInfo *type = NULL;
    char *name = NULL;
    OrtStatus *said = is_output ? api->session_output_type(engine->session, index, &type)
                                : api->session_input_type(engine->session, index, &type);
    if (!good(engine, said, path, error)) return DAE_ERROR_ENGINE;
    int status = read_tensor(engine, type, &tensor, path, error);
    api->release_type(type);
    if (status != DAE_OK) return status;
    said = is_output ? api->session_output_name(engine->session, index, engine->allocator, &name)
                     : api->session_input_name(engine->session, index, engine->allocator, &name);
    if (!good(engine, said, path, error)) return DAE_ERROR_ENGINE;
    tensor.name = name;
    status = dae_contract_check(bundle, is_output, &tensor, path, error);
    give_back(engine, name);
    return status;
}

static int check_tensors(const struct engine *engine, const struct bundle *bundle, int is_output, const char *path,
                         struct text *error)
{
    const struct ort_api *api = engine->api;
    size_t count = 0;
    OrtStatus *said = is_output ? api->session_output_count(engine->session, &count)
                                : api->session_input_count(engine->session, &count);
    if (!good(engine, said, path, error)) return DAE_ERROR_ENGINE;
    for (size_t i = 0; i < count; i++) {
        const int status = check_tensor(engine, bundle, is_output, i, path, error);
        if (status != DAE_OK) return status;
    }
    /* each one was one of the contract's, and no graph has a name twice */
    if (count == bundle->state_count + 1) return DAE_OK;
    return dae_fail(error, DAE_ERROR_BUNDLE, "%s: %s: wanted %zu, got %zu", path, is_output ? "outputs" : "inputs",
                bundle->state_count + 1, count);
}

static int check_key(const struct engine *engine, const OrtModelMetadata *metadata, const char *key,
                     const char *wanted, const char *path, struct text *error)
{
    char *value = NULL;
    if (!good(engine, engine->api->metadata_lookup(metadata, engine->allocator, key, &value), path, error))
        return DAE_ERROR_ENGINE;
    const int same = value && strcmp(value, wanted) == 0;
    if (!same)
        dae_fail(error, DAE_ERROR_BUNDLE, "%s: metadata '%s': wanted '%s', got '%s'", path, key, wanted,
             value ? value : "nothing");
    if (value) give_back(engine, value);
    return same ? DAE_OK : DAE_ERROR_BUNDLE;
}

/* What the file says of its states: "state_in.X=state_out.X ...". */
static char *state_pairs(const struct bundle *bundle)
{
    size_t size = 1, used = 0;
    for (size_t i = 0; i < bundle->state_count; i++)
        size += strlen(bundle->states[i].input) + strlen(bundle->states[i].output) + 2;
    char *pairs = calloc(size, 1);
    for (size_t i = 0; pairs && i < bundle->state_count; i++)
        used += (size_t)snprintf(pairs + used, size - used, "%s%s=%s", i ? " " : "", bundle->states[i].input,
                                 bundle->states[i].output);
    return pairs;
}

static int check_metadata(const struct engine *engine, const struct bundle *bundle, const char *path,
                          struct text *error)
{
    const char *encoding = bundle->frames ? "frame" : bundle->voxel_bins ? "voxel_grid" : "tencode";
    char sensor[16];
    OrtModelMetadata *metadata = NULL;
    char *pairs = state_pairs(bundle);
    if (!pairs) return dae_fail(error, DAE_ERROR_MEMORY, "%s: out of memory", path);
    snprintf(sensor, sizeof sensor, "%ux%u", (unsigned)bundle->width, (unsigned)bundle->height);
    int status = DAE_ERROR_ENGINE;
    if (good(engine, engine->api->session_metadata(engine->session, &metadata), path, error)) {
        status = check_key(engine, metadata, "dae.contract", "1", path, error);
        if (status == DAE_OK) status = check_key(engine, metadata, "dae.encoding", encoding, path, error);
        if (status == DAE_OK) status = check_key(engine, metadata, "dae.sensor", sensor, path, error);
        if (status == DAE_OK) status = check_key(engine, metadata, "dae.states", pairs, path, error);
        engine->api->release_metadata(metadata);
    }
    free(pairs);
    return status;
}

static void ort_close(void *engine)
{
    struct engine *self = engine;
    if (self->session) self->api->release_session(self->session);
    if (self->memory) self->api->release_memory_info(self->memory);
    if (self->env) self->api->release_env(self->env);
    dae_library_close(self->library);
    free(self);
}

static int ort_open(const struct engine_wish *wish, void **engine, char *description, struct text *error)
{
    const struct bundle *bundle = wish->bundle;
    const char *path = wish->path, *version = "";
    char threads[16];
    struct engine *made = calloc(1, sizeof *made);
    if (!made) return dae_fail(error, DAE_ERROR_MEMORY, "%s: out of memory", path);
    int status = open_library(made, wish->params->library, &version, error);
    if (status == DAE_OK) status = load(made, wish, error);
    if (status == DAE_OK) status = check_tensors(made, bundle, 0, path, error);
    if (status == DAE_OK) status = check_tensors(made, bundle, 1, path, error);
    if (status == DAE_OK) status = check_metadata(made, bundle, path, error);
    if (status != DAE_OK) {
        ort_close(made);
        return status;
    }
    dae_describe_threads(wish->params, threads);
    snprintf(description, DESCRIPTION_BYTES, "onnxruntime %s CPU, %s threads", version, threads);
    *engine = made;
    return DAE_OK;
}

/* A tensor on the stream's own memory. */
static OrtValue *tensor_on(const struct session *session, const struct tensor *spec, void *data, size_t bytes,
                           struct text *error)
{
    const struct engine *engine = session->engine;
    OrtValue *value = NULL;
    const int type = strcmp(spec->dtype, "uint8") == 0 ? ORT_UINT8
                     : strcmp(spec->dtype, "float16") == 0 ? ORT_FLOAT16 : ORT_FLOAT;
    good(engine, engine->api->create_tensor_with_data(engine->memory, data, bytes, spec->shape, spec->rank, type,
                                                      &value), spec->name, error);
    return value;
}

static int bind(struct session *session, const struct bundle *bundle, const struct buffers *buffers,
                struct text *error)
{
    struct tensor image, depth, state;
    dae_contract_tensor(bundle, 0, 0, &image);
    dae_contract_tensor(bundle, 1, 0, &depth);
    session->input_names[0] = image.name;
    session->output_names[0] = depth.name;
    if (!(session->image = tensor_on(session, &image, buffers->image, buffers->image_bytes, error))) return 0;
    for (int set = 0; set < 2; set++) {
        const size_t bytes = buffers->depth_count * sizeof(float);
        session->depth[set] = tensor_on(session, &depth, buffers->depth[set], bytes, error);
        if (!session->depth[set]) return 0;
        for (size_t i = 0; i < bundle->state_count; i++) {
            dae_contract_tensor(bundle, 0, i + 1, &state);
            session->input_names[i + 1] = bundle->states[i].input;
            session->output_names[i + 1] = bundle->states[i].output;
            session->states[set][i] =
                tensor_on(session, &state, buffers->states[set][i], bundle->states[i].bytes, error);
            if (!session->states[set][i]) return 0;
        }
    }
    return 1;
}

static void ort_session_close(void *session)
{
    struct session *self = session;
    const struct ort_api *api = self->engine->api;
    if (self->image) api->release_value(self->image);
    for (int set = 0; set < 2; set++) {
        if (self->depth[set]) api->release_value(self->depth[set]);
        for (size_t i = 0; i + 1 < self->count; i++)
            if (self->states[set][i]) api->release_value(self->states[set][i]);
    }
    free(self);
}

static int ort_session_open(void *engine, const struct bundle *bundle, struct buffers *buffers, void **session,
                            struct text *error)
{
    struct session *made = calloc(1, sizeof *made);
    if (!made) return dae_fail(error, DAE_ERROR_MEMORY, "%s: out of memory", bundle->path);
    made->engine = engine;
    made->count = bundle->state_count + 1;
    if (!bind(made, bundle, buffers, error)) {
        ort_session_close(made);
        return DAE_ERROR_ENGINE;
    }
    *session = made;
    return DAE_OK;
}

static int ort_run(void *session, int set, int depth, struct text *error)
{
    const struct session *self = session;
    const struct engine *engine = self->engine;
    const OrtValue *inputs[MOST_TENSORS];
    OrtValue *outputs[MOST_TENSORS];
    inputs[0] = self->image;
    outputs[0] = self->depth[depth];
    for (size_t i = 1; i < self->count; i++) {
        inputs[i] = self->states[set][i - 1];
        outputs[i] = self->states[1 - set][i - 1];
    }
    OrtStatus *status = engine->api->run(engine->session, NULL, self->input_names, inputs, self->count,
                                         self->output_names, self->count, outputs);
    return good(engine, status, "a window", error) ? DAE_OK : DAE_ERROR_ENGINE;
}

const struct engine_kind dae_engine_onnxruntime = {"onnxruntime",   ort_open, ort_close, ort_session_open,
                                               ort_session_close, ort_run, NULL, NULL};
