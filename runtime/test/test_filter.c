/* Filters against events stated by hand: which pass, and why the others do not. */
#undef NDEBUG
#include <assert.h>
#include <string.h> /* memcmp */

#include "dae.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct dae_filter_params small(void)
{
    struct dae_filter_params params = dae_filter_default_params();
    params.width = 5;
    params.height = 4;
    return params;
}

/* Apply to a copy, in place, in pieces; `passes` says which events must come out. */
static struct dae_filter_counters check(struct dae_filter_params params, const struct dae_event *events, size_t n,
                                        const char *passes)
{
    struct dae_filter_counters counters;
    for (size_t piece = 1; piece <= n; piece++) {
        struct dae_filter *filter = NULL;
        struct dae_event kept[64];
        size_t total = 0, at = 0;
        assert(dae_filter_init(&params, &filter) == DAE_OK && n <= 64);
        for (; at < n; at += piece) {
            size_t some = n - at < piece ? n - at : piece, count;
            memcpy(kept + total, events + at, some * sizeof *events);
            assert(dae_filter_apply(filter, kept + total, some, kept + total, &count) == DAE_OK && count <= some);
            total += count;
        }
        size_t wanted = 0;
        for (size_t i = 0; i < n; i++) {
            if (passes[i] != 'y') continue;
            assert(wanted < total && !memcmp(&kept[wanted], &events[i], sizeof *events));
            wanted++;
        }
        assert(wanted == total && passes[n] == 0);
        dae_filter_counters(filter, &counters);
        assert(counters.kept == total);
        dae_filter_free(filter);
    }
    return counters;
}

static void without_filters_all_events_of_the_sensor_pass(void)
{
    const struct dae_event events[] = {{0, 0, 0, 1}, {0, 4, 3, 1}, {0, 5, 0, 1}, {0, 0, 4, 1}, {-7, 0, 0, 0}};
    assert(check(small(), events, COUNT(events), "yynny").dropped_outside == 2);
}

static void a_pixel_rests_after_an_event_that_was_kept(void)
{
    struct dae_filter_params params = small();
    params.refractory_us = 10;
    const struct dae_event events[] = {{0, 1, 1, 1}, {9, 1, 1, 0}, {9, 2, 1, 0}, {10, 1, 1, 1}, {19, 1, 1, 1},
                                       {5, 1, 1, 1} /* time went back: no history */, {14, 1, 1, 0}};
    assert(check(params, events, COUNT(events), "ynyynyn").dropped_refractory == 3);
}

static void an_event_needs_a_neighbour_not_long_before(void)
{
    struct dae_filter_params params = small();
    params.background_us = 10;
    const struct dae_event events[] = {{0, 0, 0, 1},  {5, 0, 0, 1},  {10, 1, 1, 1}, {15, 0, 1, 1},
                                       {26, 0, 1, 1}, {30, 3, 3, 1}, {36, 1, 1, 1}, {20, 4, 3, 1}};
    assert(check(params, events, COUNT(events), "nnyynnyn").dropped_background == 5);
}

static void a_hot_pixel_is_silent_for_this_period_and_the_next(void)
{
    struct dae_filter_params params = small();
    params.hot_events = 2;
    params.hot_period_us = 100;
    const struct dae_event events[] = {{0, 1, 1, 1},   {1, 1, 1, 1},   {2, 1, 1, 1},   {3, 2, 1, 1},
                                       {100, 1, 1, 1}, {250, 1, 1, 1}, {-1, 3, 1, 1},  {-2, 3, 1, 1},
                                       {-3, 3, 1, 1},  {0, 3, 1, 1},   {150, 3, 1, 1}, {151, 3, 1, 1}};
    assert(check(params, events, COUNT(events), "yynynyyynnyy").dropped_hot == 4);
}

static void what_makes_no_sense_is_refused(void)
{
    struct dae_filter *filter = NULL;
    struct dae_event event = {0, 0, 0, 1};
    struct dae_filter_counters counters;
    size_t count;
    struct dae_filter_params params[6];
    for (size_t i = 0; i < COUNT(params); i++) params[i] = small();
    params[0].width = 0;
    params[1].height = 0;
    params[2].hot_period_us = 0;
    params[3].refractory_us = -1;
    params[4].background_us = -1;
    params[5].struct_size = 0;
    for (size_t i = 0; i < COUNT(params); i++)
        assert(dae_filter_init(&params[i], &filter) == DAE_ERROR_ARGUMENT && filter == NULL);
    params[0] = small();
    assert(dae_filter_init(NULL, &filter) == DAE_ERROR_ARGUMENT);
    assert(dae_filter_init(&params[0], NULL) == DAE_ERROR_ARGUMENT);
    assert(dae_filter_init(&params[0], &filter) == DAE_OK);
    assert(dae_filter_apply(NULL, &event, 1, &event, &count) == DAE_ERROR_ARGUMENT);
    assert(dae_filter_apply(filter, NULL, 1, &event, &count) == DAE_ERROR_ARGUMENT);
    assert(dae_filter_apply(filter, &event, 1, NULL, &count) == DAE_ERROR_ARGUMENT);
    assert(dae_filter_apply(filter, &event, 1, &event, NULL) == DAE_ERROR_ARGUMENT);
    assert(dae_filter_apply(filter, NULL, 0, NULL, &count) == DAE_OK && count == 0);
    assert(dae_filter_apply(filter, &event, 1, &event, &count) == DAE_OK && count == 1);
    dae_filter_reset(filter);
    dae_filter_counters(filter, &counters);
    assert(counters.kept == 0);
    dae_filter_counters(NULL, &counters);
    dae_filter_counters(filter, NULL);
    dae_filter_reset(NULL);
    dae_filter_free(NULL);
    dae_filter_free(filter);
}

int main(void)
{
    without_filters_all_events_of_the_sensor_pass();
    a_pixel_rests_after_an_event_that_was_kept();
    an_event_needs_a_neighbour_not_long_before();
    a_hot_pixel_is_silent_for_this_period_and_the_next();
    what_makes_no_sense_is_refused();
    return 0;
}
