/* Allocation failure at each site: loading and opening say so, leak nothing, and work at the next try; and once a
 * stream is open, nothing is allocated at all. The linker sends this library's allocations here (--wrap). */
#define _POSIX_C_SOURCE 200809L
#undef NDEBUG
#include "small_stream.h"

static long calls;   /* of any allocating function */
static long fail_at; /* that one fails; -1: none */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

void *__wrap_malloc(size_t size) { return calls++ == fail_at ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size) { return calls++ == fail_at ? NULL : __real_calloc(count, size); }
void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return calls++ == fail_at ? NULL : __real_aligned_alloc(alignment, size);
}

/* Load, open, run 8 windows. DAE_OK, or the status of what failed. */
static int run_once(const struct small_bundle *small, float *last)
{
    struct network network = {0};
    struct dae_model_params params = dae_model_default_params();
    const struct dae_stream_params stream_params = dae_stream_default_params();
    struct dae_model *model;
    struct dae_stream *stream = NULL;
    params.path = small->path;
    params.infer = infer;
    params.infer_data = &network;
    int status = dae_model_load(&params, &model);
    if (status == DAE_OK) status = dae_stream_init(model, &stream_params, &stream);
    else assert(dae_model_error(model)[0]);
    const long opened = calls;
    for (int window = 0; status == DAE_OK && window < 8; window++) {
        struct dae_event events[EVENTS_PER_WINDOW];
        size_t used, offset = 0;
        small_events(window, events);
        while (dae_stream_push(stream, events + offset, EVENTS_PER_WINDOW - offset, &used) == DAE_DEPTH) offset += used;
    }
    if (status == DAE_OK) {
        assert(dae_stream_flush(stream) == DAE_DEPTH && dae_stream_depth(stream, last, SMALL_PIXELS, NULL) == DAE_OK);
        dae_stream_reset(stream);
        assert(calls == opened);
    }
    dae_stream_free(stream);
    dae_model_free(model);
    return status;
}

int main(void)
{
    struct small_bundle small;
    float wanted[SMALL_PIXELS], got[SMALL_PIXELS];
    fail_at = -1;
    small_create(&small);
    calls = 0;
    assert(run_once(&small, wanted) == DAE_OK);
    const long sites = calls;
    assert(sites >= 12);
    for (long site = 0; site < sites; site++) {
        calls = 0;
        fail_at = site;
        assert(run_once(&small, got) == DAE_ERROR_MEMORY);
        fail_at = -1;
        assert(run_once(&small, got) == DAE_OK && memcmp(got, wanted, sizeof got) == 0);
    }
    small_remove(&small);
    return 0;
}
