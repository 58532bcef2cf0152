/* Compile what follows for a vector unit: DAE_TARGET("avx2") ... DAE_TARGET_END. Private. */
#ifndef DAE_TARGET_H
#define DAE_TARGET_H

#define DAE_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define DAE_TARGET(units) DAE_PRAGMA(clang attribute push(__attribute__((target(units))), apply_to = function))
#define DAE_TARGET_END DAE_PRAGMA(clang attribute pop)
#else
#define DAE_TARGET(units) DAE_PRAGMA(GCC push_options) DAE_PRAGMA(GCC target(units))
#define DAE_TARGET_END DAE_PRAGMA(GCC pop_options)
#endif

/* So that an argument that is a constant makes two functions of one. */
#define DAE_ALWAYS_INLINE inline __attribute__((always_inline))
#define DAE_AVX512 "avx512f,avx512bw,avx512vl,avx512dq,avx512cd,avx512vbmi,avx512vbmi2,bmi,bmi2,popcnt,lzcnt"

#endif
