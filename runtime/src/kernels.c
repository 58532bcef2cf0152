/* Which vector units this machine has, and the loops for each. */
#include "kernels.h"

static const struct dae_kernels SERIAL = {dae_store_serial, dae_render_u8_serial, dae_render_f32_serial,
                                          dae_render_f16_serial, dae_decode_evt2, dae_decode_evt3, NULL, NULL, NULL};

#if defined(DAE_HAVE_X86)
static const struct dae_kernels AVX2 = {dae_store_serial, dae_render_u8_avx2, dae_render_f32_avx2,
                                        dae_render_f16_avx2, dae_decode_evt2, dae_decode_evt3_fast,
                                        dae_fuse_evt2_fast, dae_fuse_evt3_fast, NULL};
static const struct dae_kernels AVX512 = {dae_store_avx512, dae_render_u8_avx512, dae_render_f32_avx512,
                                          dae_render_f16_avx512, dae_decode_evt2_avx512, dae_decode_evt3_avx512,
                                          dae_fuse_evt2_avx512, dae_fuse_evt3_avx512, dae_tencode_u8_avx512};

static int have(enum dae_simd simd)
{
    __builtin_cpu_init();
    switch (simd) {
    case DAE_SIMD_AVX2: return __builtin_cpu_supports("avx2") != 0; /* F16C is older: it comes with it */
    case DAE_SIMD_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
               && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")
               && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512vbmi")
               && __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("bmi2");
    default: return 0;
    }
}
#endif

#if defined(DAE_HAVE_NEON)
static const struct dae_kernels NEON = {dae_store_serial, dae_render_u8_neon, dae_render_f32_neon,
                                        dae_render_f16_neon, dae_decode_evt2, dae_decode_evt3_fast,
                                        dae_fuse_evt2_fast, dae_fuse_evt3_fast, NULL};
#endif

const struct dae_kernels *dae_kernels_of(enum dae_simd simd)
{
    switch (simd) {
    case DAE_SIMD_AUTO: return dae_kernels_of(dae_simd_best());
    case DAE_SIMD_SERIAL: return &SERIAL;
#if defined(DAE_HAVE_X86)
    case DAE_SIMD_AVX2: return have(simd) ? &AVX2 : NULL;
    case DAE_SIMD_AVX512: return have(simd) ? &AVX512 : NULL;
#endif
#if defined(DAE_HAVE_NEON)
    case DAE_SIMD_NEON: return &NEON;
#endif
    default: return NULL;
    }
}

enum dae_simd dae_simd_best(void)
{
    static const enum dae_simd levels[] = {DAE_SIMD_AVX512, DAE_SIMD_AVX2, DAE_SIMD_NEON};
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (dae_kernels_of(levels[i]) != NULL) return levels[i];
    return DAE_SIMD_SERIAL;
}

int dae_simd_has(enum dae_simd simd)
{
    return dae_kernels_of(simd) != NULL;
}

const char *dae_simd_str(enum dae_simd simd)
{
    switch (simd) {
    case DAE_SIMD_AUTO: return "auto";
    case DAE_SIMD_SERIAL: return "serial";
    case DAE_SIMD_NEON: return "neon";
    case DAE_SIMD_AVX2: return "avx2";
    case DAE_SIMD_AVX512: return "avx512";
    default: return "unknown";
    }
}
