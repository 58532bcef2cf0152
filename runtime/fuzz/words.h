/* Words as a camera sends them, around one sensor's size: seeds for the targets that read bytes. */
#ifndef DAE_FUZZ_WORDS_H
#define DAE_FUZZ_WORDS_H

#include "dae.h"
#include "fuzz.h"

#define FORMATS 6

static inline size_t word_size_of(enum dae_format format)
{
    return format == DAE_FORMAT_EVT3 ? 2 : format == DAE_FORMAT_EVT2 || format == DAE_FORMAT_EVT4 ? 4 : 8;
}

static inline uint64_t evt3_word(uint64_t random, uint64_t step)
{
    static const uint16_t types[16] = {0x0, 0x0, 0x2, 0x2, 0x2, 0x2, 0x3, 0x4, 0x4, 0x5, 0x6, 0x6, 0x8, 0x8, 0xE, 0xA};
    static const uint16_t group[4] = {0x3, 0x4, 0x4, 0x5};
    uint64_t type = random >> 32 & 0x40 ? group[step % 4] : types[random >> 32 & 15];
    uint64_t value = type == 0x8 ? step / 16 : type == 0x6 ? step * 7 : random % (type == 0x0 ? 50 : 0xFFF);
    return type << 12 | (value & 0xFFF);
}

static inline uint64_t evt2_word(uint64_t random, uint64_t step, uint64_t off, uint64_t time_high)
{
    if ((random >> 32) % 8 == 0)
        return time_high << 28 | (step / 8);
    uint64_t x = (random >> 16) % 70, y = random % 50;
    return (off + (random >> 40) % 2) << 28 | (step % 64) << 22 | x << 11 | y;
}

static inline uint64_t seed_word(enum dae_format format, uint64_t random, uint64_t step)
{
    uint64_t mask = random * 0x2545F4914F6CDD1Du >> 32;
    switch (format) {
    case DAE_FORMAT_EVT3: return evt3_word(random, step);
    case DAE_FORMAT_EVT2: return evt2_word(random, step, 0x0, 0x8);
    case DAE_FORMAT_EVT4: return random >> 60 ? evt2_word(random, step, random >> 50 & 1 ? 0xA : 0xC, 0xE) : mask;
    case DAE_FORMAT_EVT21: return evt2_word(random, step, 0x0, 0x8) << 32 | mask;
    case DAE_FORMAT_EVT21_LEGACY: return mask << 32 | evt2_word(random, step, 0x0, 0x8);
    case DAE_FORMAT_DAT: return ((random >> 16) % 70 | random % 50 << 14 | (random >> 50 & 1) << 28) << 32 | step * 900;
    }
    return 0;
}

/* Append words up to `capacity` bytes; returns the size. */
static inline size_t seed_words(enum dae_format format, uint64_t *state, uint8_t *data, size_t size, size_t capacity)
{
    const size_t word_size = word_size_of(format);
    /* Start anywhere, often just before the clock of EVT3 wraps; now and then the time jumps. */
    uint64_t step = fuzz_random(state) % 3 ? 4090 * 16 : fuzz_random(state) >> 44;
    for (; size + word_size <= capacity; size += word_size) {
        uint64_t random = fuzz_random(state);
        step += (random >> 20) % 997 ? 1 : random >> 48;
        uint64_t word = seed_word(format, random, step);
        for (size_t i = 0; i < word_size; i++)
            data[size + i] = (uint8_t)(word >> 8 * i);
    }
    return size;
}

#endif
