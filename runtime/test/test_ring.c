/* The ring: order, overflow and counts by hand, then two threads at once. Also built with the thread sanitizer. */
#undef NDEBUG
#include <assert.h>
#include <pthread.h>
#include <string.h> /* memset */

#include "dae.h"

#define MANY 400000

static struct dae_ring *make(size_t capacity)
{
    struct dae_ring_params params = dae_ring_default_params();
    params.capacity = capacity;
    struct dae_ring *ring = NULL;
    assert(dae_ring_init(&params, &ring) == DAE_OK);
    return ring;
}

static struct dae_event event_of(int64_t t) { return (struct dae_event){t, (uint16_t)t, (uint16_t)(t >> 16), t & 1}; }

static void what_goes_in_comes_out_in_order_around_the_end(void)
{
    struct dae_ring *ring = make(5); /* 8 */
    struct dae_event in[8], out[8];
    int64_t pushed = 0, taken = 0;
    for (size_t round = 0; round < 200; round++) {
        const size_t n = round % 7;
        for (size_t i = 0; i < n; i++) in[i] = event_of(pushed + (int64_t)i);
        assert(dae_ring_push(ring, in, n) == n && dae_ring_waiting(ring) == n);
        pushed += (int64_t)n;
        for (size_t got = 0, some; got < n; got += some) {
            some = dae_ring_take(ring, out, 1 + round % 3);
            assert(some > 0);
            for (size_t i = 0; i < some; i++) assert(out[i].t == taken++ && out[i].x == (uint16_t)out[i].t);
        }
        assert(dae_ring_take(ring, out, 8) == 0);
    }
    dae_ring_free(ring);
}

static void what_does_not_fit_is_dropped_and_counted(void)
{
    struct dae_ring *ring = make(4);
    struct dae_event events[6], out[6];
    for (int64_t t = 0; t < 6; t++) events[t] = event_of(t);
    assert(dae_ring_push(ring, events, 6) == 4 && dae_ring_push(ring, events, 2) == 0);
    assert(dae_ring_skip(ring, 9) == 0 && dae_ring_skip(ring, 3) == 1);
    assert(dae_ring_take(ring, out, 6) == 3 && out[0].t == 1 && out[2].t == 3);
    struct dae_ring_counters counters;
    dae_ring_counters(ring, &counters);
    assert(counters.pushed == 4 && counters.dropped == 4 && counters.taken == 3 && counters.skipped == 1);
    dae_ring_free(ring);
}

static void what_makes_no_sense_is_refused_or_nothing(void)
{
    struct dae_ring_params params = dae_ring_default_params();
    struct dae_ring *ring = NULL;
    struct dae_event event = event_of(1);
    struct dae_ring_counters counters;
    assert(dae_ring_init(&params, NULL) == DAE_ERROR_ARGUMENT && dae_ring_init(NULL, &ring) == DAE_ERROR_ARGUMENT);
    params.capacity = 0;
    assert(dae_ring_init(&params, &ring) == DAE_ERROR_ARGUMENT && ring == NULL);
    params.capacity = ((size_t)1 << 31) + 1;
    assert(dae_ring_init(&params, &ring) == DAE_ERROR_ARGUMENT);
    params = dae_ring_default_params();
    params.struct_size++;
    assert(dae_ring_init(&params, &ring) == DAE_ERROR_ARGUMENT);
    dae_ring_free(NULL);
    assert(!dae_ring_push(NULL, &event, 1) && !dae_ring_take(NULL, &event, 1) && !dae_ring_skip(NULL, 0));
    assert(!dae_ring_waiting(NULL));
    memset(&counters, 1, sizeof counters);
    dae_ring_counters(NULL, &counters);
    assert(counters.pushed == 0 && counters.skipped == 0);
    dae_ring_counters(NULL, NULL);
    ring = make(2);
    assert(!dae_ring_push(ring, NULL, 1) && !dae_ring_take(ring, NULL, 1) && !dae_ring_push(ring, NULL, 0));
    dae_ring_free(ring);
}

static void *drive(void *ring)
{
    struct dae_event events[64];
    for (int64_t t = 0; t < MANY;) {
        size_t n = 0;
        for (; n < 1 + (size_t)t % 64 && t + (int64_t)n < MANY; n++) events[n] = event_of(t + (int64_t)n);
        dae_ring_push(ring, events, n);
        t += (int64_t)n;
    }
    const struct dae_event end = event_of(MANY);
    while (dae_ring_push(ring, &end, 1) == 0) {}
    return NULL;
}

/* Whatever was lost is counted, and what came is whole and in order. */
static void two_threads_lose_nothing_that_is_not_counted(void)
{
    struct dae_ring *ring = make(256);
    struct dae_event events[100];
    pthread_t thread;
    uint64_t seen = 0;
    int64_t last = -1;
    assert(pthread_create(&thread, NULL, drive, ring) == 0);
    while (last < MANY) {
        const size_t n = dae_ring_take(ring, events, 100);
        for (size_t i = 0; i < n; i++) {
            assert(events[i].t > last);
            last = events[i].t;
            const struct dae_event whole = event_of(last);
            assert(!memcmp(&events[i], &whole, sizeof whole));
        }
        seen += n;
        if (seen % 5 == 1) dae_ring_skip(ring, 200);
        dae_ring_waiting(ring);
    }
    pthread_join(thread, NULL);
    struct dae_ring_counters counters;
    dae_ring_counters(ring, &counters);
    assert(counters.taken == seen && counters.taken + counters.skipped == counters.pushed);
    assert(counters.pushed + counters.dropped >= MANY + 1); /* the last one is tried until it fits */
    dae_ring_free(ring);
}

int main(void)
{
    what_goes_in_comes_out_in_order_around_the_end();
    what_does_not_fit_is_dropped_and_counted();
    what_makes_no_sense_is_refused_or_nothing();
    two_threads_lose_nothing_that_is_not_counted();
    return 0;
}
