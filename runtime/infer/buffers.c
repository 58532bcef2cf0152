/* A stream's tensors, in one block of memory. */
#include <stdlib.h> /* aligned_alloc, free */
#include <string.h> /* memset */

#include "engine.h"

#define ALIGNMENT 64 /* a cache line, and the widest vector registers */

static size_t aligned(size_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

int dae_buffers_init(struct buffers *buffers, const struct bundle *bundle, int elsewhere)
{
    memset(buffers, 0, sizeof *buffers);
    const size_t pixels = (size_t)bundle->width * bundle->height;
    buffers->image_bytes = bundle->voxel_bins ? pixels * (size_t)bundle->voxel_bins * sizeof(float) : pixels * 3;
    buffers->finite = dae_finite_floats_best();
    buffers->depth_count = (size_t)bundle->depth_width * bundle->depth_height;
    if (elsewhere) return DAE_OK;
    for (size_t i = 0; i < bundle->state_count; i++) buffers->set_bytes += aligned(bundle->states[i].bytes);
    const size_t image = aligned(buffers->image_bytes), depth = aligned(buffers->depth_count * sizeof(float));
    const size_t bytes = image + 2 * depth + 2 * buffers->set_bytes;
    uint8_t *at = buffers->block = aligned_alloc(ALIGNMENT, bytes);
    if (!at) return DAE_ERROR_MEMORY;
    memset(at, 0, bytes);
    buffers->image = at;
    at += image;
    for (int set = 0; set < 2; set++) {
        buffers->depth[set] = (float *)(void *)at;
        at += depth;
        for (size_t i = 0; i < bundle->state_count; i++) {
            buffers->states[set][i] = at;
            at += aligned(bundle->states[i].bytes);
        }
    }
    return DAE_OK;
}

void dae_buffers_free(struct buffers *buffers)
{
    free(buffers->block);
    memset(buffers, 0, sizeof *buffers);
}

void dae_buffers_zero_set(struct buffers *buffers, int set)
{
    if (buffers->set_bytes) memset(buffers->states[set][0], 0, buffers->set_bytes);
}

int dae_buffers_finite(const struct buffers *buffers, const struct bundle *bundle, int set, int depth)
{
    if (!buffers->finite(buffers->depth[depth], buffers->depth_count)) return 0;
    for (size_t i = 0; i < bundle->state_count; i++) {
        const struct bundle_state *state = &bundle->states[i];
        const void *data = buffers->states[set][i];
        const size_t count = state->elements;
        if (!(state->is_half ? dae_finite_halves(data, count) : buffers->finite(data, count))) return 0;
    }
    return 1;
}
