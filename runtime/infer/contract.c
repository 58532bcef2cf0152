/* The model's tensors by the contract (export/README.md), and the check of an engine's against it. */
#include <stdio.h>  /* snprintf */
#include <string.h> /* memcmp, memcpy, strcmp */

#include "engine.h"

static void image_tensor(const struct bundle *bundle, struct tensor *tensor)
{
    const int64_t grid[] = {1, bundle->voxel_bins, bundle->height, bundle->width};
    const int64_t image[] = {1, bundle->height, bundle->width, 3};
    *tensor = (struct tensor){INPUT_NAME, bundle->voxel_bins ? "float32" : "uint8", 4, {0}};
    memcpy(tensor->shape, bundle->voxel_bins ? grid : image, sizeof grid);
}

static void depth_tensor(const struct bundle *bundle, struct tensor *tensor)
{
    *tensor = (struct tensor){OUTPUT_NAME, "float32", 3, {1, bundle->depth_height, bundle->depth_width}};
}

void dae_contract_tensor(const struct bundle *bundle, int is_output, size_t index, struct tensor *tensor)
{
    if (index == 0 && is_output) depth_tensor(bundle, tensor);
    else if (index == 0) image_tensor(bundle, tensor);
    else {
        const struct bundle_state *state = &bundle->states[index - 1];
        *tensor = (struct tensor){is_output ? state->output : state->input, state->is_half ? "float16" : "float32",
                                  state->rank, {0}};
        memcpy(tensor->shape, state->shape, sizeof state->shape);
    }
}

static void describe(const struct tensor *tensor, char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "%s [", tensor->dtype[0] ? tensor->dtype : "another type");
    for (size_t i = 0; i < tensor->rank && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, i ? ", %lld" : "%lld", (long long)tensor->shape[i]);
    if (used < size) snprintf(out + used, size - used, "]");
}

int dae_contract_check(const struct bundle *bundle, int is_output, const struct tensor *got, const char *path,
                   struct text *error)
{
    struct tensor wanted;
    char wanted_text[160], got_text[160];
    const char *side = is_output ? "outputs" : "inputs";
    for (size_t i = 0; i <= bundle->state_count; i++) {
        dae_contract_tensor(bundle, is_output, i, &wanted);
        if (strcmp(wanted.name, got->name) != 0) continue;
        if (wanted.rank == got->rank && memcmp(wanted.shape, got->shape, wanted.rank * sizeof *got->shape) == 0 &&
            strcmp(wanted.dtype, got->dtype) == 0)
            return DAE_OK;
        describe(&wanted, wanted_text, sizeof wanted_text);
        describe(got, got_text, sizeof got_text);
        return dae_fail(error, DAE_ERROR_BUNDLE, "%s: %s: %s: wanted %s, got %s", path, side, got->name, wanted_text,
                    got_text);
    }
    return dae_fail(error, DAE_ERROR_BUNDLE, "%s: %s: not in the contract: %s", path, side, got->name);
}
