/* Runs a fuzz target without libFuzzer: `fuzz_X COUNT [FIRST]` makes COUNT inputs, each the mutation of a seed.
 *
 * Input number i depends on i alone, so `fuzz_X 1 i` repeats it. It knows nothing of coverage: with clang, link the
 * target with -fsanitize=fuzzer instead of this file. */
#include <signal.h> /* signal, SIGABRT */
#include <stdio.h>  /* fprintf */
#include <stdlib.h> /* strtoull, malloc, free */
#include <string.h> /* memcpy, memmove */

#include "fuzz.h"

#define MOST_BYTES 2048

static unsigned long long current; /* for the message of a failure */

static size_t overwrite(uint64_t random, uint8_t *data, size_t size)
{
    static const uint8_t special[] = {0x00, 0x01, 0x7F, 0x80, 0xFF, 0x20, 0x30, 0x40, 0x50, 0x60, 0xE0};
    uint8_t *at = data + (random >> 8) % size;
    switch (random % 3) {
    case 0: *at ^= (uint8_t)(1u << (random >> 40) % 8); break;
    case 1: *at = (uint8_t)(random >> 40); break;
    default: *at = special[(random >> 40) % sizeof special]; break;
    }
    return size;
}

/* Take a piece of at most 64 bytes out. */
static size_t cut(uint64_t random, uint8_t *data, size_t size)
{
    size_t at = (random >> 8) % size, length = 1 + (random >> 40) % 64;
    length = length < size - at ? length : size - at;
    memmove(data + at, data + at + length, size - at - length);
    return size - length;
}

/* Repeat a piece of at most 64 bytes somewhere else. */
static size_t copy(uint64_t random, uint8_t *data, size_t size)
{
    uint8_t piece[64];
    size_t from = (random >> 8) % size, to = (random >> 24) % size, length = 1 + (random >> 40) % sizeof piece;
    length = length < size - from ? length : size - from;
    if (size + length > MOST_BYTES)
        return size;
    memcpy(piece, data + from, length);
    memmove(data + to + length, data + to, size - to);
    memcpy(data + to, piece, length);
    return size + length;
}

static size_t mutate(uint64_t random, uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    switch (random >> 58) {
    case 0: return (random >> 8) % size; /* truncate: rare, or little is left */
    case 1:
    case 2:
    case 3: return cut(random, data, size);
    case 4:
    case 5:
    case 6:
    case 7: return copy(random, data, size);
    default: return overwrite(random, data, size);
    }
}

static void run_one(uint64_t index)
{
    static uint8_t scratch[MOST_BYTES];
    uint64_t state = fuzz_random_state(index);
    size_t size = fuzz_seed(index, scratch, MOST_BYTES / 2);
    for (size_t bytes = size ? 0 : fuzz_random(&state) % (MOST_BYTES / 2); bytes; bytes--)
        scratch[size++] = (uint8_t)(fuzz_random(&state) >> 16);
    for (size_t mutations = fuzz_random(&state) % 17; mutations; mutations--)
        size = mutate(fuzz_random(&state), scratch, size);
    uint8_t *exact = malloc(size ? size : 1); /* so that sanitizers see a byte read too far */
    if (!exact)
        return;
    memcpy(exact, scratch, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static void tell(int signal_number)
{
    (void)signal_number;
    fprintf(stderr, "failed at input %llu\n", current);
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: %s COUNT [FIRST]\n", argv[0]);
        return 2;
    }
    unsigned long long count = strtoull(argv[1], NULL, 10), first = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
    signal(SIGABRT, tell);
    for (current = first; current < first + count; current++)
        run_one(current);
    printf("%llu inputs\n", count);
    return 0;
}
