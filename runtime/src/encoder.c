/* A stream of events -> windows -> Tencode images, through a surface of latest events: the object.
 *
 * Each event is stored once, in the cell of its pixel; a cell keeps only its latest event. A window is a range of keys
 * (encoder.h) that reaches up to the newest event, for windows by time and by count alike, and any hop costs one more
 * look at the surface. windows.c says where windows begin and end, push.c takes events, render.c draws. */
#include "encoder.h"

#include <stdlib.h> /* calloc, free */
#include <string.h> /* memset */

struct dae_encoder_params dae_encoder_default_params(void)
{
    struct dae_encoder_params params = {0};
    params.struct_size = sizeof params;
    params.window_us = 50000;
    params.origin_us = DAE_ORIGIN_FIRST_EVENT;
    params.max_gap_us = 1000000;
    return params;
}

/* Fill in what 0 stands for, and set what is not used: whatever was there, it must not enter any sum. */
static void complete_params(struct dae_encoder_params *params)
{
    if (params->window_events > 0) {
        if (params->hop_events == 0) params->hop_events = params->window_events;
        params->window_us = params->hop_us = 0;
        params->origin_us = DAE_ORIGIN_FIRST_EVENT;
    } else {
        if (params->hop_us == 0) params->hop_us = params->window_us;
        params->hop_events = 0;
    }
}

static int check_params(const struct dae_encoder_params *params)
{
    const int by_count = params->window_events > 0;
    const int64_t window = by_count ? params->window_events : params->window_us;
    const int64_t hop = by_count ? params->hop_events : params->hop_us;
    if (params->width == 0 || params->height == 0) return DAE_ERROR_ARGUMENT;
    if (window < 1 || window >= (int64_t)1 << 30 || hop < 1 || hop > window) return DAE_ERROR_ARGUMENT;
    if ((window + hop - 1) / hop > HOPS_LIMIT) return DAE_ERROR_ARGUMENT;
    if (params->max_gap_us < 1 || params->max_gap_us > EVENT_TIME_LIMIT) return DAE_ERROR_ARGUMENT;
    if (params->origin_us != DAE_ORIGIN_FIRST_EVENT &&
        (params->origin_us <= -EVENT_TIME_LIMIT || params->origin_us >= EVENT_TIME_LIMIT))
        return DAE_ERROR_ARGUMENT;
    if (params->background != DAE_BACKGROUND_BLACK && params->background != DAE_BACKGROUND_WHITE)
        return DAE_ERROR_ARGUMENT;
    return DAE_OK;
}

int dae_encoder_init(const struct dae_encoder_params *params, struct dae_encoder **encoder)
{
    if (encoder == NULL) return DAE_ERROR_ARGUMENT;
    *encoder = NULL;
    if (params == NULL || params->struct_size != sizeof *params) return DAE_ERROR_ARGUMENT;
    struct dae_encoder_params checked = *params;
    complete_params(&checked);
    if (check_params(&checked) != DAE_OK) return DAE_ERROR_ARGUMENT;
    const struct dae_kernels *kernels = dae_kernels_of(checked.simd);
    if (kernels == NULL) return DAE_ERROR_ARGUMENT;
    struct dae_encoder *made = calloc(1, sizeof *made);
    if (made == NULL) return DAE_ERROR_MEMORY;
    made->params = checked;
    made->kernels = kernels;
    made->pixels = (size_t)checked.width * checked.height;
    const int64_t window = checked.window_events ? checked.window_events : checked.window_us;
    const int64_t hop = checked.window_events ? checked.hop_events : checked.hop_us;
    made->starts_size = (size_t)((window + hop - 1) / hop) + 1;
    made->starts = calloc(made->starts_size, sizeof *made->starts);
    made->cells = calloc(made->pixels + 1, sizeof *made->cells);
    if (made->starts == NULL || made->cells == NULL) {
        dae_encoder_free(made);
        return DAE_ERROR_MEMORY;
    }
    *encoder = made;
    return DAE_OK;
}

void dae_encoder_free(struct dae_encoder *encoder)
{
    if (encoder == NULL) return;
    free(encoder->starts);
    free(encoder->cells);
    free(encoder);
}

void dae_encoder_reset(struct dae_encoder *encoder)
{
    if (encoder == NULL) return;
    memset(&encoder->state, 0, sizeof encoder->state);
    memset(encoder->starts, 0, encoder->starts_size * sizeof *encoder->starts);
    memset(encoder->cells, 0, encoder->pixels * sizeof *encoder->cells);
}

int dae_encoder_window(const struct dae_encoder *encoder, struct dae_window *window)
{
    if (encoder == NULL || window == NULL) return DAE_ERROR_ARGUMENT;
    if (!encoder->state.ready) return DAE_ERROR_STATE;
    *window = encoder->state.window;
    return DAE_OK;
}

void dae_encoder_counters(const struct dae_encoder *encoder, struct dae_encoder_counters *counters)
{
    if (counters == NULL) return;
    *counters = encoder == NULL ? (struct dae_encoder_counters){0} : encoder->state.counters;
}
