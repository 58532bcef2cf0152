/* Allocation that fails at each place in turn: _init says so, gives back what it had, and leaves no object. Linked so
 * that calls to calloc and malloc come here first. */
#undef NDEBUG
#include <assert.h>
#include <stdlib.h> /* free */

#include "dae.h"

void *__real_calloc(size_t n, size_t size);
void *__real_malloc(size_t size);
void __real_free(void *memory);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
void __wrap_free(void *memory);

static int left, live, asked; /* allocations before one fails; that are not freed; so far */

static int fails(void)
{
    asked++;
    return left-- == 0;
}

static void *counted(void *memory)
{
    live += memory != NULL;
    return memory;
}

void *__wrap_calloc(size_t n, size_t size) { return fails() ? NULL : counted(__real_calloc(n, size)); }

void *__wrap_malloc(size_t size) { return fails() ? NULL : counted(__real_malloc(size)); }

void __wrap_free(void *memory)
{
    live -= memory != NULL;
    __real_free(memory);
}

/* Make an object and free it; its _init's status. */
typedef int making(void);

static int make_decoder(void)
{
    struct dae_decoder_params params = dae_decoder_default_params();
    struct dae_decoder *made = (struct dae_decoder *)&params;
    params.width = params.height = 8;
    const int status = dae_decoder_init(&params, &made);
    assert((status == DAE_OK) == (made != NULL));
    dae_decoder_free(made);
    return status;
}

static int make_encoder(void)
{
    struct dae_encoder_params params = dae_encoder_default_params();
    struct dae_encoder *made = (struct dae_encoder *)&params;
    params.width = params.height = 8;
    const int status = dae_encoder_init(&params, &made);
    assert((status == DAE_OK) == (made != NULL));
    dae_encoder_free(made);
    return status;
}

static int make_filter(void)
{
    struct dae_filter_params params = dae_filter_default_params();
    struct dae_filter *made = (struct dae_filter *)&params;
    params.width = params.height = 8;
    const int status = dae_filter_init(&params, &made);
    assert((status == DAE_OK) == (made != NULL));
    dae_filter_free(made);
    return status;
}

static int make_ring(void)
{
    const struct dae_ring_params params = dae_ring_default_params();
    struct dae_ring *made = (struct dae_ring *)&left;
    const int status = dae_ring_init(&params, &made);
    assert((status == DAE_OK) == (made != NULL));
    dae_ring_free(made);
    return status;
}

static void each_allocation_may_fail(making *make, int sites)
{
    for (int site = 0; site <= sites; site++) {
        left = site;
        asked = 0;
        assert(make() == (site < sites ? DAE_ERROR_MEMORY : DAE_OK));
        assert(live == 0 && asked >= (site < sites ? site + 1 : sites));
    }
}

/* Everything an encoder and a decoder do in a stream, with no allocation left to them. */
static void nothing_is_allocated_after_init(void)
{
    struct dae_decoder_params decoding = dae_decoder_default_params();
    struct dae_encoder_params params = dae_encoder_default_params();
    struct dae_decoder *decoder;
    struct dae_encoder *encoder;
    static uint8_t bytes[4096], image[64 * 64 * 3], snapshot[200000];
    decoding.width = decoding.height = params.width = params.height = 64;
    left = -1; /* none fails */
    assert(dae_decoder_init(&decoding, &decoder) == DAE_OK && dae_encoder_init(&params, &encoder) == DAE_OK);
    const int before = asked;
    for (size_t i = 0; i < sizeof bytes; i += 4) {
        const unsigned high = 0x8000u | (unsigned)(i / 64 & 0xFFF), single = 0x2000u | (unsigned)(i % 64);
        bytes[i] = (uint8_t)high, bytes[i + 1] = (uint8_t)(high >> 8);
        bytes[i + 2] = (uint8_t)(i % 64 ? single : 0), bytes[i + 3] = (uint8_t)(i % 64 ? single >> 8 : 0);
    }
    size_t used, windows = 0;
    for (size_t at = 0; dae_encoder_push_bytes(encoder, decoder, bytes + at, sizeof bytes - at, &used) == DAE_WINDOW;
         at += used, windows++)
        assert(dae_encoder_render_u8(encoder, image, sizeof image) == DAE_OK);
    assert(windows > 0 && dae_encoder_snapshot_size(encoder) <= sizeof snapshot);
    assert(dae_encoder_save(encoder, snapshot, sizeof snapshot) == DAE_OK);
    assert(dae_encoder_load(encoder, snapshot, dae_encoder_snapshot_size(encoder)) == DAE_OK);
    dae_encoder_reset(encoder);
    dae_decoder_reset(decoder);
    assert(asked == before);
    dae_encoder_free(encoder);
    dae_decoder_free(decoder);
    assert(live == 0);
}

int main(void)
{
    each_allocation_may_fail(make_decoder, 1);
    each_allocation_may_fail(make_encoder, 3);
    each_allocation_may_fail(make_filter, 2);
    each_allocation_may_fail(make_ring, 2);
    nothing_is_allocated_after_init();
    return 0;
}
