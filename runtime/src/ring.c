/* A ring of events between a thread that pushes and a thread that takes. Each side writes its own position and counts
 * and reads the other's position; nobody waits. */
#include <stdatomic.h> /* atomic_* */
#include <stdlib.h>    /* calloc, free */
#include <string.h>    /* memcpy */

#include "dae.h"

#define LINE 64 /* bytes: the two sides must not share one */
#define CAPACITY_LIMIT ((size_t)1 << 31)

struct side {
    _Atomic uint64_t position; /* events that passed here since the beginning */
    _Atomic uint64_t lost;     /* events that this side threw away */
    uint8_t apart[LINE - 2 * sizeof(uint64_t)];
};

struct dae_ring {
    struct side in, out;
    size_t capacity; /* a power of two */
    struct dae_event *events;
};

struct dae_ring_params dae_ring_default_params(void)
{
    return (struct dae_ring_params){.struct_size = sizeof(struct dae_ring_params), .capacity = (size_t)1 << 20};
}

int dae_ring_init(const struct dae_ring_params *params, struct dae_ring **ring)
{
    if (ring == NULL) return DAE_ERROR_ARGUMENT;
    *ring = NULL;
    if (params == NULL || params->struct_size != sizeof *params) return DAE_ERROR_ARGUMENT;
    if (params->capacity < 1 || params->capacity > CAPACITY_LIMIT) return DAE_ERROR_ARGUMENT;
    struct dae_ring *made = calloc(1, sizeof *made);
    if (made == NULL) return DAE_ERROR_MEMORY;
    for (made->capacity = 1; made->capacity < params->capacity;) made->capacity *= 2;
    made->events = calloc(made->capacity, sizeof *made->events);
    if (made->events == NULL) {
        free(made);
        return DAE_ERROR_MEMORY;
    }
    *ring = made;
    return DAE_OK;
}

void dae_ring_free(struct dae_ring *ring)
{
    if (ring == NULL) return;
    free(ring->events);
    free(ring);
}

static uint64_t own(const _Atomic uint64_t *value) { return atomic_load_explicit(value, memory_order_relaxed); }

static uint64_t others(const _Atomic uint64_t *value) { return atomic_load_explicit(value, memory_order_acquire); }

static void add(_Atomic uint64_t *value, uint64_t by)
{
    atomic_store_explicit(value, own(value) + by, memory_order_release);
}

/* Two pieces: up to the end of the memory, and from its beginning. */
static size_t first_piece(const struct dae_ring *ring, uint64_t position, size_t n)
{
    const size_t to_end = ring->capacity - (size_t)(position & (ring->capacity - 1));
    return n < to_end ? n : to_end;
}

size_t dae_ring_push(struct dae_ring *ring, const struct dae_event *events, size_t n)
{
    if (ring == NULL || (events == NULL && n > 0)) return 0;
    const uint64_t position = own(&ring->in.position);
    const size_t room = ring->capacity - (size_t)(position - others(&ring->out.position));
    const size_t taken = n < room ? n : room, piece = first_piece(ring, position, taken);
    if (piece) memcpy(ring->events + (position & (ring->capacity - 1)), events, piece * sizeof *events);
    if (taken > piece) memcpy(ring->events, events + piece, (taken - piece) * sizeof *events);
    add(&ring->in.position, taken);
    add(&ring->in.lost, n - taken);
    return taken;
}

size_t dae_ring_take(struct dae_ring *ring, struct dae_event *events, size_t capacity)
{
    if (ring == NULL || (events == NULL && capacity > 0)) return 0;
    const uint64_t position = own(&ring->out.position);
    const size_t waiting = (size_t)(others(&ring->in.position) - position);
    const size_t taken = waiting < capacity ? waiting : capacity, piece = first_piece(ring, position, taken);
    if (piece) memcpy(events, ring->events + (position & (ring->capacity - 1)), piece * sizeof *events);
    if (taken > piece) memcpy(events + piece, ring->events, (taken - piece) * sizeof *events);
    add(&ring->out.position, taken);
    return taken;
}

size_t dae_ring_skip(struct dae_ring *ring, size_t keep)
{
    const size_t waiting = dae_ring_waiting(ring);
    if (waiting <= keep) return 0;
    add(&ring->out.position, waiting - keep);
    add(&ring->out.lost, waiting - keep);
    return waiting - keep;
}

size_t dae_ring_waiting(const struct dae_ring *ring)
{
    if (ring == NULL) return 0;
    const uint64_t out = others(&ring->out.position); /* first: it never overtakes the other */
    return (size_t)(others(&ring->in.position) - out);
}

void dae_ring_counters(const struct dae_ring *ring, struct dae_ring_counters *counters)
{
    if (counters == NULL) return;
    *counters = (struct dae_ring_counters){0};
    if (ring == NULL) return;
    counters->skipped = others(&ring->out.lost);
    counters->taken = others(&ring->out.position) - counters->skipped;
    counters->pushed = others(&ring->in.position);
    counters->dropped = others(&ring->in.lost);
}
