/* `soak WINDOWS`: an endless recording with everything that goes wrong in one, through decoder, ring, filter and
 * encoder; memory must not grow. Prints what was seen; exit 1 if memory grew. */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>  /* printf, fopen */
#include <stdlib.h> /* strtoull, malloc */
#include <unistd.h> /* sysconf */

#include "../fuzz/fuzz.h"
#include "dae.h"

#define WIDTH 64
#define HEIGHT 48
#define BYTES 16384
#define GROWTH_BYTES (256 * 1024)

static long resident_bytes(void)
{
    long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert(file && fscanf(file, "%ld %ld", &total, &resident) == 2);
    fclose(file);
    return resident * sysconf(_SC_PAGESIZE);
}

struct machine {
    struct dae_decoder *decoder, *fused;
    struct dae_encoder *encoder[2];
    struct dae_filter *filter;
    struct dae_ring *ring;
};

static struct machine make(void)
{
    struct machine machine;
    struct dae_decoder_params decoding = dae_decoder_default_params();
    struct dae_encoder_params encoding = dae_encoder_default_params();
    struct dae_filter_params filtering = dae_filter_default_params();
    struct dae_ring_params waiting = dae_ring_default_params();
    decoding.width = encoding.width = filtering.width = WIDTH;
    decoding.height = encoding.height = filtering.height = HEIGHT;
    encoding.window_us = 2000;
    encoding.max_gap_us = 20000;
    filtering.refractory_us = 5;
    waiting.capacity = 1 << 12;
    assert(dae_decoder_init(&decoding, &machine.decoder) == DAE_OK);
    assert(dae_decoder_init(&decoding, &machine.fused) == DAE_OK);
    assert(dae_filter_init(&filtering, &machine.filter) == DAE_OK);
    assert(dae_ring_init(&waiting, &machine.ring) == DAE_OK);
    for (int i = 0; i < 2; i++) assert(dae_encoder_init(&encoding, &machine.encoder[i]) == DAE_OK);
    return machine;
}

/* A camera's words: time words, rows, events, vector groups; the clock goes on from round to round. */
static size_t write_words(uint64_t round, uint64_t *random, uint8_t *bytes)
{
    static const uint16_t kinds[8] = {0x0000, 0x2000, 0x2800, 0x2000, 0x6000, 0x3000, 0x0000, 0x2000};
    size_t size = 0;
    for (uint64_t i = 0; size + 8 <= BYTES; i++) {
        const uint64_t number = fuzz_random(random), kind = kinds[number % 8];
        uint64_t word = kind | (number >> 8) % (kind ? WIDTH : HEIGHT), count = 1;
        if (i % 64 < 2) word = 0x8000 | ((round * BYTES / 128 + i / 64) & 0xFFF);
        else if (kind == 0x6000) word = kind | i % 64 * 64;
        else if (kind == 0x3000) word = 0x5055400340013000u | (number >> 8 & 31), count = 4;
        for (size_t j = 0; j < 2 * count; j++) bytes[size++] = (uint8_t)(word >> 8 * j);
    }
    return size;
}

static uint64_t render(const struct dae_encoder *encoder)
{
    static uint8_t image[WIDTH * HEIGHT * 3];
    assert(dae_encoder_render_u8(encoder, image, sizeof image) == DAE_OK);
    return 1;
}

/* Bytes straight into windows, and over events, filter and ring; returns the windows. */
static uint64_t feed(struct machine *machine, const uint8_t *bytes, size_t n)
{
    static struct dae_event events[2048];
    uint64_t windows = 0;
    size_t used, count;
    for (size_t at = 0; dae_encoder_push_bytes(machine->encoder[0], machine->fused, bytes + at, n - at, &used) == 1;
         at += used)
        windows += render(machine->encoder[0]);
    for (size_t at = 0; at < n; at += used) {
        assert(dae_decoder_decode(machine->decoder, bytes + at, n - at, &used, events, 2048, &count) == DAE_OK);
        assert(dae_filter_apply(machine->filter, events, count, events, &count) == DAE_OK);
        dae_ring_push(machine->ring, events, count);
        count = dae_ring_take(machine->ring, events, 2048);
        for (size_t i = 0, taken; i < count; i += taken)
            if (dae_encoder_push(machine->encoder[1], events + i, count - i, &taken) == DAE_WINDOW)
                windows += render(machine->encoder[1]);
    }
    return windows;
}

int main(int argc, char **argv)
{
    static uint8_t bytes[BYTES];
    const uint64_t most = argc == 2 ? strtoull(argv[1], NULL, 10) : 0;
    if (most == 0) {
        fprintf(stderr, "usage: %s WINDOWS\n", argv[0]);
        return 2;
    }
    struct machine machine = make();
    uint64_t windows = 0, rounds = 0;
    long before = 0;
    while (windows < most) {
        uint64_t random = fuzz_random_state(rounds);
        const size_t size = write_words(rounds, &random, bytes);
        for (int i = 0; i < (int)(rounds % 4); i++) bytes[fuzz_random(&random) % size] ^= (uint8_t)(random >> 13);
        windows += feed(&machine, bytes, size - rounds % 3);
        if (rounds++ == 20) before = resident_bytes();
    }
    const long after = resident_bytes(), growth = before ? after - before : 0;
    struct dae_encoder_counters counters;
    struct dae_decoder_counters seen;
    dae_encoder_counters(machine.encoder[0], &counters);
    dae_decoder_counters(machine.fused, &seen);
    printf("%llu windows, %llu events, %llu restarts, %llu glitches, %llu resets; resident %ld kB, grown by %ld kB\n",
           (unsigned long long)windows, (unsigned long long)counters.events, (unsigned long long)counters.restarts,
           (unsigned long long)seen.time_glitches, (unsigned long long)seen.time_resets, after / 1024, growth / 1024);
    return growth > GROWTH_BYTES;
}
