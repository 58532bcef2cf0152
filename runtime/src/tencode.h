/* What the array form (tencode.c) and the stream form (encoder.c) of Tencode share. Private. */
#ifndef DAE_TENCODE_H
#define DAE_TENCODE_H

#include "dae.h"

#include <math.h> /* rintf */

/* Microseconds from a to b; wraps instead of overflowing, as numpy does, whatever times come in. */
static inline float dae_tencode_elapsed(int64_t a, int64_t b)
{
    return (float)(int64_t)((uint64_t)b - (uint64_t)a);
}

/* G of one pixel in 0..255, in exactly the float32 operations of the numpy reference. */
static inline float dae_tencode_green(float elapsed, float interval)
{
    float age = interval != 0.0f ? elapsed / interval : 0.0f;
    return 255.0f * (1.0f - age);
}

/* The reference rounds 255 * (G / 255), not G: the two differ in the last bit, so round the same value. */
static inline uint8_t dae_tencode_level(float green)
{
    float level = green / 255.0f * 255.0f;
    level = level < 0.0f ? 0.0f : level > 255.0f ? 255.0f : level;
    return (uint8_t)rintf(level);
}

#endif
