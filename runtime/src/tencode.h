/* What the array form (tencode.c) and the stream form (encoder.c) of Tencode share. Private. */
#ifndef DAE_TENCODE_H
#define DAE_TENCODE_H

#include "dae.h"

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

/* G of 0..255 to the nearest whole number, half to even. The reference rounds 255 * (G / 255) instead, which differs
 * from G in the last bit; rounded, the two are equal for every float of 0..255 (all of them were tried). */
static inline int32_t dae_tencode_round(float green)
{
    const float whole = 12582912.0f; /* 1.5 * 2^23: the floats around it are the whole numbers */
    return (int32_t)((green + whole) - whole);
}

/* The same for any G: clipped. */
static inline uint8_t dae_tencode_level(float green)
{
    return (uint8_t)dae_tencode_round(green < 0.0f ? 0.0f : green > 255.0f ? 255.0f : green);
}

#endif
