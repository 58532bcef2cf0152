/* What the two forms of the EVT3 decoder share. Private. */
#ifndef DAE_DECODER_EVT3_H
#define DAE_DECODER_EVT3_H

#include "decoder.h"

/* Types of words. */
enum {
    ADDR_Y = 0x0,
    ADDR_X = 0x2,
    VECT_BASE_X = 0x3,
    VECT_12 = 0x4,
    VECT_8 = 0x5,
    TIME_LOW = 0x6,
    CONTINUED_4 = 0x7,
    TIME_HIGH = 0x8,
    PADDING = 0x9,
    EXT_TRIGGER = 0xA,
    OTHERS = 0xE,
    CONTINUED_12 = 0xF,
};

/* Four words of a whole group in one little-endian number. */
#define GROUP_TYPES 0x5000400040003000u
#define GROUP_TYPE_BITS 0xF000F000F000F000u

static inline uint64_t dae_load_u64(const uint8_t *bytes)
{
    return (uint64_t)dae_load_u32(bytes) | (uint64_t)dae_load_u32(bytes + 4) << 32;
}

/* The three words after a VECT_BASE_X at `base`, if they are the rest of a whole group; else 0. */
static inline uint32_t dae_evt3_group_mask(const uint8_t *base)
{
    uint64_t group = dae_load_u64(base);
    if ((group & GROUP_TYPE_BITS) != GROUP_TYPES)
        return 0;
    return (uint32_t)(group >> 16 & 0xFFF) | (uint32_t)(group >> 20 & 0xFFF000) | (uint32_t)(group >> 24 & 0xFF000000);
}

/* Take a TIME_HIGH. Needs last_time and emitted to be up to date. */
void dae_evt3_take_time_high(struct dae_decoder *decoder, uint32_t tick);
/* Count a word that is neither an event nor a time, a row or a base. */
void dae_evt3_count_rare_word(struct dae_decoder *decoder, uint32_t type);

#endif
