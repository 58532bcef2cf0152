/* What a fuzz target provides: libFuzzer's entry, and seeds for the standalone driver (standalone.c). */
#ifndef DAE_FUZZ_H
#define DAE_FUZZ_H

#include <stddef.h> /* size_t */
#include <stdint.h> /* uint8_t, uint32_t, uint64_t */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Write a valid input, another one for each value of `index`, of at most `capacity` bytes; returns its size. A target
 * without seeds returns 0. */
size_t fuzz_seed(uint64_t index, uint8_t *data, size_t capacity);

/* The next number of a xorshift generator; its state must not be 0. */
static inline uint64_t fuzz_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* A generator's state for the index-th case; never 0. */
static inline uint64_t fuzz_random_state(uint64_t index)
{
    uint64_t state = (index + 1) * 0x9E3779B97F4A7C15u;
    state = state ? state : 1;
    fuzz_random(&state);
    fuzz_random(&state);
    return state;
}

#endif
