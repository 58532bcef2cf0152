/* Load a bundle into an engine; and the texts of the statuses. */
#include "model.h"

#include <limits.h> /* INT_MAX */
#include <stdlib.h> /* calloc, malloc, free */
#include <string.h> /* memcpy, memset, strcmp, strlen */

const char *dae_stream_status_str(int status)
{
    switch (status) {
    case DAE_DEPTH: return "a depth is ready";
    case DAE_ERROR_BUNDLE: return "the bundle is none, is damaged, or is not understood";
    case DAE_ERROR_FILE: return "a file is missing or cannot be read";
    case DAE_ERROR_ENGINE: return "the engine is missing, refuses the model, or failed";
    default: return dae_status_str(status);
    }
}

struct dae_model_params dae_model_default_params(void)
{
    struct dae_model_params params = {0};
    params.struct_size = sizeof params;
    params.verify = 1;
    return params;
}

#ifdef DAE_HAVE_TENSORRT
#define WITH_TENSORRT , &dae_engine_tensorrt
#define BACKENDS "onnxruntime, openvino, callback, and TensorRT for one flavour"
#else
#define WITH_TENSORRT
#define BACKENDS "onnxruntime, openvino, callback, and no TensorRT (DAE_TENSORRT when it is built)"
#endif

static const struct engine_kind *kind_of(const char *name)
{
    static const struct engine_kind *const kinds[] = {&dae_engine_onnxruntime, &dae_engine_openvino,
                                                      &dae_engine_callback WITH_TENSORRT};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i]->name, name) == 0) return kinds[i];
    return NULL;
}

/* The engine that the bundle was verified with gets that one's file; any other the portable ONNX. */
static int open_engine(struct dae_model *model, const struct dae_model_params *params)
{
    const struct bundle *bundle = &model->bundle;
    const char *backend = params->backend ? params->backend : bundle->backend;
    const int native = strcmp(backend, bundle->backend) == 0;
    const struct engine_kind *kind = kind_of(backend);
    if (!kind)
        return dae_fail(&model->error, params->backend ? DAE_ERROR_ARGUMENT : DAE_ERROR_BUNDLE,
                    "%s: this library has no back end '%s'; it has " BACKENDS, model->path, backend);
    char *path = dae_bundle_join(model->path, native ? bundle->engine_file : bundle->onnx);
    if (!path) return dae_fail(&model->error, DAE_ERROR_MEMORY, "%s: out of memory", model->path);
    const struct engine_wish wish = {bundle, path, native ? bundle->compute : "float32", params};
    const int status = kind->open(&wish, &model->engine, model->description, &model->error);
    free(path);
    if (status == DAE_OK) model->kind = kind;
    return status;
}

static int load(struct dae_model *model, const struct dae_model_params *params)
{
    if (!params || params->struct_size != sizeof *params || !params->path || params->threads > INT_MAX)
        return dae_fail(&model->error, DAE_ERROR_ARGUMENT, "params: wanted dae_model_default_params' own, with a path");
    const size_t bytes = strlen(params->path) + 1;
    model->path = malloc(bytes);
    if (!model->path) return dae_fail(&model->error, DAE_ERROR_MEMORY, "%s: out of memory", params->path);
    memcpy(model->path, params->path, bytes);
    int status = dae_bundle_read(&model->bundle, model->path, &model->error);
    if (status == DAE_OK && params->verify) status = dae_bundle_verify(&model->bundle, &model->error);
    if (status == DAE_OK) status = open_engine(model, params);
    return status;
}

int dae_model_load(const struct dae_model_params *params, struct dae_model **model)
{
    if (!model) return DAE_ERROR_ARGUMENT;
    *model = calloc(1, sizeof **model);
    if (!*model) return DAE_ERROR_MEMORY;
    const int status = load(*model, params);
    if (status == DAE_OK) (*model)->error.line[0] = 0;
    return status;
}

void dae_model_free(struct dae_model *model)
{
    if (!model) return;
    if (model->kind) model->kind->close(model->engine);
    dae_bundle_free(&model->bundle);
    free(model->path);
    free(model);
}

const char *dae_model_error(const struct dae_model *model) { return model ? model->error.line : "out of memory"; }

int dae_model_info(const struct dae_model *model, struct dae_model_info *info)
{
    if (!model || !info) return DAE_ERROR_ARGUMENT;
    if (!model->kind) return DAE_ERROR_STATE;
    const struct bundle *bundle = &model->bundle;
    memset(info, 0, sizeof *info);
    info->width = bundle->width;
    info->height = bundle->height;
    info->depth_width = bundle->depth_width;
    info->depth_height = bundle->depth_height;
    info->voxel_bins = (uint16_t)bundle->voxel_bins;
    info->window_us = bundle->window_us;
    info->background = bundle->background;
    info->trained = bundle->trained;
    info->passed = bundle->passed;
    info->state_count = bundle->state_count;
    for (size_t i = 0; i < bundle->state_count; i++) info->state_bytes += bundle->states[i].bytes;
    info->name = bundle->name;
    info->target = bundle->target;
    info->unit = bundle->unit;
    info->engine = model->description;
    return DAE_OK;
}
