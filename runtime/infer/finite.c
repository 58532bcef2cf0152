/* x - x is 0 for every number but NaN and infinity, for which it is NaN: two instructions for as many numbers as a
 * vector register holds. The inner loop has no way out, so that compilers make vector code of it. */
#include "finite.h"

#include <string.h> /* memcpy */

#include "dae.h"

#define PIECE 4096

static inline int look_through(const float *data, size_t count)
{
    while (count > 0) {
        const size_t taken = count < PIECE ? count : PIECE;
        uint32_t wrong = 0;
        for (size_t i = 0; i < taken; i++) {
            const float zero = data[i] - data[i];
            uint32_t bits;
            memcpy(&bits, &zero, sizeof bits);
            wrong |= bits;
        }
        if (wrong) return 0;
        data += taken;
        count -= taken;
    }
    return 1;
}

int dae_finite_floats_serial(const float *data, size_t count) { return look_through(data, count); }

#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("avx2"))) static int finite_floats_avx2(const float *data, size_t count)
{
    return look_through(data, count);
}
#endif

finite_floats *dae_finite_floats_best(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    if (dae_simd_has(DAE_SIMD_AVX2)) return finite_floats_avx2;
#endif
    return dae_finite_floats_serial;
}

int dae_finite_halves(const uint16_t *data, size_t count)
{
    int wrong = 0;
    for (size_t i = 0; i < count; i++) wrong |= (data[i] & 0x7C00u) == 0x7C00u;
    return !wrong;
}
