/* OpenVINO on the CPU with explicit states, set up as dae_edge/backends/openvino.py sets it up.
 *
 * Its C API does not show a model's metadata, so names, types and shapes are checked and those are not. */
#include <stdio.h>  /* snprintf */
#include <stdlib.h> /* calloc, free */
#include <string.h> /* strchr, strcmp, strcspn, strlen */

#include "engine.h"
#include "ov_api.h"

struct engine {
    void *library;
    struct ov_api api;
    ov_core_t *core;
    ov_compiled_model_t *compiled;
};

struct session {
    const struct engine *engine;
    const struct bundle *bundle;
    ov_infer_request_t *request;
    ov_tensor_t *image;
    ov_tensor_t *depth[2];
    ov_tensor_t *states[2][BUNDLE_MOST_STATES];
};

/* The last line of a text that has something to say: where it begins, and its length. */
static const char *last_line(const char *text, int *length)
{
    size_t end = strlen(text), start;
    while (end > 0 && strchr(" \t\r\n", text[end - 1])) end--;
    for (start = end; start > 0 && text[start - 1] != '\n'; start--) {}
    *length = (int)(end - start);
    return text + start;
}

/* 1: good. Else what the engine says, its last line, is in `error`. */
static int good(const struct ov_api *api, int status, const char *what, struct text *error)
{
    int length;
    if (status == 0) return 1;
    const char *words = api->ov_get_last_err_msg();
    const char *line = last_line(words && words[0] ? words : api->ov_get_error_info(status), &length);
    dae_fail(error, DAE_ERROR_ENGINE, "%s: openvino: %.*s", what, length, line);
    if (words) api->ov_free(words);
    return 0;
}

static int open_library(struct engine *engine, const char *library, struct text *error)
{
    static const char *const names[] = {"libopenvino_c.so", "libopenvino_c.dylib", NULL};
    int status = dae_library_open(library, names, &engine->library, error);
#define OV_FIND(type, name, arguments) \
    if (status == DAE_OK) status = dae_library_symbol(engine->library, #name, &engine->api.name, error);
    OV_FUNCTIONS(OV_FIND)
#undef OV_FIND
    return status;
}

static size_t element_bytes(const struct ov_api *api, int type)
{
    int64_t dims[] = {1};
    const ov_shape_t shape = {1, dims};
    ov_tensor_t *tensor = NULL;
    size_t bytes = 0;
    if (api->ov_tensor_create(type, shape, &tensor) != 0) return 0;
    if (api->ov_tensor_get_byte_size(tensor, &bytes) != 0) bytes = 0;
    api->ov_tensor_free(tensor);
    return bytes;
}

/* Older versions count their element types from another one on. */
static int check_version(const struct ov_api *api, char *version, size_t size, struct text *error)
{
    ov_version_t found = {NULL, NULL};
    if (!good(api, api->ov_get_openvino_version(&found), "version", error)) return DAE_ERROR_ENGINE;
    snprintf(version, size, "%.*s", (int)strcspn(found.buildNumber, "-"), found.buildNumber);
    api->ov_version_free(&found);
    if (element_bytes(api, OV_FLOAT16) == 2 && element_bytes(api, OV_FLOAT32) == 4 &&
        element_bytes(api, OV_FLOAT64) == 8 && element_bytes(api, OV_UINT8) == 1)
        return DAE_OK;
    return dae_fail(error, DAE_ERROR_ENGINE, "openvino %s is too old: its element types have other numbers", version);
}

static int read_port(const struct ov_api *api, const ov_output_const_port_t *port, struct tensor *tensor,
                     const char *path, struct text *error)
{
    int type = 0;
    ov_shape_t shape = {0, NULL};
    if (!good(api, api->ov_port_get_element_type(port, &type), path, error) ||
        !good(api, api->ov_const_port_get_shape(port, &shape), path, error))
        return DAE_ERROR_ENGINE;
    tensor->dtype = type == OV_UINT8     ? "uint8"
                    : type == OV_FLOAT32 ? "float32"
                    : type == OV_FLOAT16 ? "float16"
                                         : "";
    tensor->rank = shape.rank <= BUNDLE_MOST_AXES ? (size_t)shape.rank : 0;
    for (size_t i = 0; i < tensor->rank; i++) tensor->shape[i] = shape.dims[i];
    api->ov_shape_free(&shape);
    return DAE_OK;
}

static int check_port(const struct ov_api *api, const struct bundle *bundle, int is_output,
                      const ov_output_const_port_t *port, const char *path, struct text *error)
{
    struct tensor tensor = {0};
    char *name = NULL;
    int status = read_port(api, port, &tensor, path, error);
    if (status != DAE_OK) return status;
    if (!good(api, api->ov_port_get_any_name(port, &name), path, error)) return DAE_ERROR_ENGINE;
    tensor.name = name;
    status = dae_contract_check(bundle, is_output, &tensor, path, error);
    api->ov_free(name);
    return status;
}

static int check_ports(const struct ov_api *api, const struct bundle *bundle, int is_output, const ov_model_t *model,
                       const char *path, struct text *error)
{
    size_t count = 0;
    int answer = is_output ? api->ov_model_outputs_size(model, &count) : api->ov_model_inputs_size(model, &count);
    if (!good(api, answer, path, error)) return DAE_ERROR_ENGINE;
    for (size_t i = 0; i < count; i++) {
        ov_output_const_port_t *port = NULL;
        answer = is_output ? api->ov_model_const_output_by_index(model, i, &port)
                           : api->ov_model_const_input_by_index(model, i, &port);
        if (!good(api, answer, path, error)) return DAE_ERROR_ENGINE;
        const int status = check_port(api, bundle, is_output, port, path, error);
        api->ov_output_const_port_free(port);
        if (status != DAE_OK) return status;
    }
    if (count == bundle->state_count + 1) return DAE_OK;
    return dae_fail(error, DAE_ERROR_BUNDLE, "%s: %s: wanted %zu, got %zu", path, is_output ? "outputs" : "inputs",
                bundle->state_count + 1, count);
}

static int compile(struct engine *engine, const ov_model_t *model, const struct engine_wish *wish,
                   struct text *error)
{
    const struct ov_api *api = &engine->api;
    /* Said aloud: on CPUs with BF16 the default would be another precision than was verified. */
    const char *precision = strstr(wish->compute, "bfloat16") != NULL ? "bf16" : "f32";
    char threads[16];
    const size_t texts = wish->params->threads ? 8 : 6; /* names and values */
    dae_describe_threads(wish->params, threads);
    const int answer = api->ov_core_compile_model(engine->core, model, "CPU", texts, &engine->compiled,
                                                  "PERFORMANCE_HINT", "LATENCY", "NUM_STREAMS", "1",
                                                  "INFERENCE_PRECISION_HINT", precision, "INFERENCE_NUM_THREADS",
                                                  threads);
    return good(api, answer, wish->path, error) ? DAE_OK : DAE_ERROR_ENGINE;
}

static int load(struct engine *engine, const struct engine_wish *wish, struct text *error)
{
    const struct ov_api *api = &engine->api;
    const struct bundle *bundle = wish->bundle;
    const char *path = wish->path;
    ov_model_t *model = NULL;
    if (!good(api, api->ov_core_create(&engine->core), path, error) ||
        !good(api, api->ov_core_read_model(engine->core, path, NULL, &model), path, error))
        return DAE_ERROR_ENGINE;
    int status = check_ports(api, bundle, 0, model, path, error);
    if (status == DAE_OK) status = check_ports(api, bundle, 1, model, path, error);
    if (status == DAE_OK) status = compile(engine, model, wish, error);
    api->ov_model_free(model);
    return status;
}

static void ov_close(void *engine)
{
    struct engine *self = engine;
    if (self->compiled) self->api.ov_compiled_model_free(self->compiled);
    if (self->core) self->api.ov_core_free(self->core);
    dae_library_close(self->library);
    free(self);
}

/* The precision that the engine took: what was asked for, or what its CPU has. */
static void describe(const struct engine *engine, const struct engine_wish *wish, const char *version,
                     char *description)
{
    char threads[16], *precision = NULL;
    dae_describe_threads(wish->params, threads);
    if (engine->api.ov_compiled_model_get_property(engine->compiled, "INFERENCE_PRECISION_HINT", &precision) != 0)
        precision = NULL;
    snprintf(description, DESCRIPTION_BYTES, "openvino %s CPU %s, %s threads, explicit states", version,
             precision ? precision : "f32", threads);
    if (precision) engine->api.ov_free(precision);
}

static int ov_open(const struct engine_wish *wish, void **engine, char *description, struct text *error)
{
    char version[32];
    struct engine *made = calloc(1, sizeof *made);
    if (!made) return dae_fail(error, DAE_ERROR_MEMORY, "%s: out of memory", wish->path);
    int status = open_library(made, wish->params->library, error);
    if (status == DAE_OK) status = check_version(&made->api, version, sizeof version, error);
    if (status == DAE_OK) status = load(made, wish, error);
    if (status != DAE_OK) {
        ov_close(made);
        return status;
    }
    describe(made, wish, version, description);
    *engine = made;
    return DAE_OK;
}

/* A tensor on the stream's own memory. */
static ov_tensor_t *tensor_on(const struct ov_api *api, struct tensor *spec, void *data, struct text *error)
{
    ov_tensor_t *tensor = NULL;
    const ov_shape_t shape = {(int64_t)spec->rank, spec->shape};
    const int type = strcmp(spec->dtype, "uint8") == 0 ? OV_UINT8
                     : strcmp(spec->dtype, "float16") == 0 ? OV_FLOAT16 : OV_FLOAT32;
    good(api, api->ov_tensor_create_from_host_ptr(type, shape, data, &tensor), spec->name, error);
    return tensor;
}

static int bind(struct session *session, const struct buffers *buffers, struct text *error)
{
    const struct ov_api *api = &session->engine->api;
    struct tensor spec;
    dae_contract_tensor(session->bundle, 0, 0, &spec);
    if (!(session->image = tensor_on(api, &spec, buffers->image, error))) return 0;
    for (int set = 0; set < 2; set++) {
        dae_contract_tensor(session->bundle, 1, 0, &spec);
        if (!(session->depth[set] = tensor_on(api, &spec, buffers->depth[set], error))) return 0;
        for (size_t i = 0; i < session->bundle->state_count; i++) {
            dae_contract_tensor(session->bundle, 0, i + 1, &spec);
            if (!(session->states[set][i] = tensor_on(api, &spec, buffers->states[set][i], error))) return 0;
        }
    }
    return good(api, api->ov_infer_request_set_tensor(session->request, INPUT_NAME, session->image), INPUT_NAME, error);
}

static void ov_session_close(void *session)
{
    struct session *self = session;
    const struct ov_api *api = &self->engine->api;
    if (self->request) api->ov_infer_request_free(self->request);
    if (self->image) api->ov_tensor_free(self->image);
    for (int set = 0; set < 2; set++) {
        if (self->depth[set]) api->ov_tensor_free(self->depth[set]);
        for (size_t i = 0; i < self->bundle->state_count; i++)
            if (self->states[set][i]) api->ov_tensor_free(self->states[set][i]);
    }
    free(self);
}

static int ov_session_open(void *engine, const struct bundle *bundle, struct buffers *buffers, void **session,
                           struct text *error)
{
    struct session *made = calloc(1, sizeof *made);
    if (!made) return dae_fail(error, DAE_ERROR_MEMORY, "%s: out of memory", bundle->path);
    made->engine = engine;
    made->bundle = bundle;
    const struct engine *opened = made->engine;
    if (!good(&opened->api, opened->api.ov_compiled_model_create_infer_request(opened->compiled, &made->request),
              bundle->path, error) ||
        !bind(made, buffers, error)) {
        ov_session_close(made);
        return DAE_ERROR_ENGINE;
    }
    *session = made;
    return DAE_OK;
}

static int ov_run(void *session, int set, int depth, struct text *error)
{
    const struct session *self = session;
    const struct ov_api *api = &self->engine->api;
    const char *what = "a window";
    if (!good(api, api->ov_infer_request_set_tensor(self->request, OUTPUT_NAME, self->depth[depth]), what, error))
        return DAE_ERROR_ENGINE;
    for (size_t i = 0; i < self->bundle->state_count; i++) {
        const struct bundle_state *state = &self->bundle->states[i];
        if (!good(api, api->ov_infer_request_set_tensor(self->request, state->input, self->states[set][i]), what,
                  error) ||
            !good(api, api->ov_infer_request_set_tensor(self->request, state->output, self->states[1 - set][i]), what,
                  error))
            return DAE_ERROR_ENGINE;
    }
    return good(api, api->ov_infer_request_infer(self->request), what, error) ? DAE_OK : DAE_ERROR_ENGINE;
}

const struct engine_kind dae_engine_openvino = {"openvino",      ov_open,          ov_close,
                                                ov_session_open, ov_session_close, ov_run,  NULL, NULL};
