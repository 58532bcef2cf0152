/* Bytes into windows. Usual words of some formats go straight into the surface; the others become events first, a few
 * at a time, and take the way of all events. */
#include "decoder.h"
#include "encoder.h"

#define FEW_WORDS 4 /* decoded into events, before the straight way is tried again */
#define FEW_EVENTS (DAE_DECODER_MIN_CAPACITY + FEW_WORDS)

static dae_fuse_kernel *fuse_of(const struct dae_encoder *encoder, const struct dae_decoder *decoder)
{
    if (encoder->params.width != decoder->params.width || encoder->params.height != decoder->params.height)
        return NULL;
    switch (decoder->params.format) {
    case DAE_FORMAT_EVT2: return decoder->kernels->fuse_evt2;
    case DAE_FORMAT_EVT3: return decoder->kernels->fuse_evt3;
    default: return NULL;
    }
}

/* Give the encoder what waits in the decoder. */
static int push_staged(struct dae_encoder *encoder, struct dae_decoder *decoder)
{
    const struct dae_events staged = dae_events_packed(decoder->staged, decoder->staged_to);
    size_t used;
    const int status = dae_encoder_push_events(encoder, &staged, decoder->staged_from, &used);
    decoder->staged_from += used;
    if (decoder->staged_from == decoder->staged_to) decoder->staged_from = decoder->staged_to = 0;
    return status;
}

/* A few words become events in `staged`, and these go to the surface while nothing else happens; returns the words. */
static size_t store_few_words(struct dae_decoder *decoder, const uint8_t *bytes, size_t words,
                              struct dae_storing *storing, uint64_t most, uint64_t *events)
{
    const size_t used = dae_decoder_decode_words(decoder, bytes, words < FEW_WORDS ? words : FEW_WORDS, decoder->staged,
                                                 FEW_EVENTS, &decoder->staged_to);
    const struct dae_events staged = dae_events_packed(decoder->staged, decoder->staged_to);
    const size_t n = most < decoder->staged_to ? (size_t)most : decoder->staged_to;
    decoder->staged_from = dae_store_serial(storing, &staged, 0, n);
    *events += decoder->staged_from;
    if (decoder->staged_from == decoder->staged_to) decoder->staged_from = decoder->staged_to = 0;
    return used;
}

/* Decode into the surface until something happens; returns the bytes used. */
static size_t fuse_words(struct dae_encoder *encoder, struct dae_decoder *decoder, dae_fuse_kernel *fuse,
                         const uint8_t *bytes, size_t n)
{
    struct dae_storing storing = dae_encoder_storing(encoder);
    const uint64_t most = dae_windows_quiet_events(encoder);
    const size_t words = n / decoder->word_size;
    size_t at = 0;
    uint64_t events = 0;
    while (at < words && decoder->staged_to == 0 && events < most) {
        uint64_t fused = 0;
        const size_t used = fuse(decoder, bytes + at * decoder->word_size, words - at, &storing, most - events, &fused);
        dae_decoder_count(decoder, used, fused);
        at += used;
        events += fused;
        if (at < words)
            at += store_few_words(decoder, bytes + at * decoder->word_size, words - at, &storing, most - events,
                                  &events);
    }
    dae_encoder_note_stored(encoder, &storing, events);
    return at * decoder->word_size;
}

int dae_encoder_push_bytes(struct dae_encoder *encoder, struct dae_decoder *decoder, const uint8_t *bytes, size_t n,
                           size_t *used)
{
    if (encoder == NULL || decoder == NULL || used == NULL || (bytes == NULL && n > 0)) return DAE_ERROR_ARGUMENT;
    dae_fuse_kernel *const fuse = fuse_of(encoder, decoder);
    const size_t most = fuse ? (size_t)FEW_WORDS * decoder->word_size : n;
    *used = 0;
    for (;;) {
        const int status = push_staged(encoder, decoder);
        if (status != DAE_OK || *used == n) return status;
        if (fuse && encoder->state.started && decoder->tail_size == 0) {
            *used += fuse_words(encoder, decoder, fuse, bytes + *used, n - *used);
            if (dae_windows_is_full(encoder)) return dae_windows_close(encoder, encoder->state.clock, 0);
            if (decoder->staged_to > 0) continue;
        }
        size_t some = n - *used, taken = 0;
        if (some > most) some = most;
        dae_decoder_decode(decoder, bytes + *used, some, &taken, decoder->staged, fuse ? FEW_EVENTS : DAE_STAGED,
                           &decoder->staged_to);
        *used += taken;
    }
}
