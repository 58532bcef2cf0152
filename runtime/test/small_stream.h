/* A small model in a callback, faults included, and events for it. The network is a stand-in: a recurrence whose
 * depth shows every window since the state was zero. */
#ifndef SMALL_STREAM_H
#define SMALL_STREAM_H

#include <assert.h>
#include <math.h>   /* NAN, INFINITY */
#include <stdint.h>

#include "dae_stream.h"
#include "small_bundle.h"

#define WINDOW_US 100
#define EVENTS_PER_WINDOW 4

enum fault { NO_FAULT, ENGINE_FAILS, DEPTH_IS_NAN, DEPTH_IS_INFINITE, STATE_IS_NAN, HALF_STATE_IS_NAN };

struct network {
    int calls;
    int fault_at;    /* number of the first call that goes wrong; the first call is 0 */
    int fault_count; /* how many do */
    enum fault fault;
};

/* hidden = hidden / 2 + brightness; cell counts windows; depth = both, and the pixel. */
static inline int infer(void *data, const struct dae_inference *in)
{
    struct network *network = data;
    const int call = network->calls++, wrong = call >= network->fault_at && call < network->fault_at + network->fault_count;
    const enum fault fault = wrong ? network->fault : NO_FAULT;
    const uint8_t *image = in->events;
    const float *hidden_in = in->state_in[0];
    const uint16_t *cell_in = in->state_in[1];
    float *hidden = in->state_out[0], brightness = 0;
    uint16_t *cell = in->state_out[1];
    assert(in->state_count == 2 && hidden != hidden_in && cell != cell_in);
    for (int i = 0; i < 3 * SMALL_PIXELS; i++) brightness += (float)image[i] * (float)(i + 1) / 65536;
    for (int i = 0; i < 2; i++) hidden[i] = hidden_in[i] / 2 + brightness + (float)i;
    for (int i = 0; i < 3; i++) cell[i] = (uint16_t)(cell_in[i] + 1);
    for (int i = 0; i < SMALL_PIXELS; i++) in->depth[i] = hidden[0] + hidden[1] + (float)cell[2] * 64 + (float)i * 1024;
    if (fault == DEPTH_IS_NAN) in->depth[SMALL_PIXELS - 1] = NAN;
    if (fault == DEPTH_IS_INFINITE) in->depth[0] = -INFINITY;
    if (fault == STATE_IS_NAN) hidden[1] = NAN;
    if (fault == HALF_STATE_IS_NAN) cell[2] = 0x7E00;
    return fault == ENGINE_FAILS ? -7 : 0;
}

static inline struct dae_model *small_load(const struct small_bundle *bundle, struct network *network)
{
    struct dae_model_params params = dae_model_default_params();
    struct dae_model *model;
    params.path = bundle->path;
    params.infer = infer;
    params.infer_data = network;
    if (dae_model_load(&params, &model) != DAE_OK) fprintf(stderr, "%s\n", dae_model_error(model)), abort();
    return model;
}

/* The events of window number `window`, each window's other ones. */
static inline void small_events(int window, struct dae_event events[EVENTS_PER_WINDOW])
{
    for (int i = 0; i < EVENTS_PER_WINDOW; i++) {
        const int pixel = (window * 7 + i * 5) % SMALL_PIXELS;
        events[i] = (struct dae_event){(int64_t)window * WINDOW_US + i * (20 + window % 5),
                                       (uint16_t)(pixel % SMALL_WIDTH), (uint16_t)(pixel / SMALL_WIDTH),
                                       (uint8_t)((window + i) & 1)};
    }
}

#endif
