/* Division by a number that stays. For AVX-512; included between DAE_TARGET and DAE_TARGET_END. */
#ifndef DAE_DIVIDE_AVX512_H
#define DAE_DIVIDE_AVX512_H

/* a / b with the reciprocal of b at hand: the product, and one step of correction. It gives the bits of the division
 * where nothing over- or underflows (Markstein; Brisebarre, Muller, Raina), as with times of up to 2^63; 0 stays 0.
 * All quotients near the middle between two floats were tried, and all floats of 0..255 by 255. */
static inline __m512 divide(__m512 a, __m512 b, __m512 reciprocal)
{
    const __m512 close = _mm512_mul_ps(a, reciprocal);
    return _mm512_fmadd_ps(_mm512_fnmadd_ps(close, b, a), reciprocal, close);
}

#endif
