/* The inner loops that have vector forms, and which of them an object uses. Private.
 *
 * Each loop exists in a serial form, which says what it does, and in forms for the vector units; all give the same
 * bits. The object gets a table of them at _init. A vector form may take fewer events than it could and leave the
 * rest to the serial one, never other ones. */
#ifndef DAE_KERNELS_H
#define DAE_KERNELS_H

#include "dae.h"

struct dae_decoder;

/* The first event's time, and the time from there to the last one in us. */
struct dae_interval {
    int64_t first_us;
    float span;
};

/* What the surface of latest events needs to know while nothing happens but events (see encoder.h for keys). */
struct dae_storing {
    uint32_t *cells;
    uint32_t width, height;
    uint32_t outside_cell; /* index of the cell for events outside the sensor */
    int64_t key_base;
    int64_t clock;         /* no event is older; set to the time of the last one stored */
    int64_t until;         /* all are older than this: less than 2^31 - 2 after key_base */
    uint64_t outside;      /* counts them */
};

/* Whose events a window shows, in terms of the cells. */
struct dae_view {
    uint32_t first_key;   /* of the first event */
    uint32_t span;        /* from the first event to the last, in us, below 2^31 */
    float interval;       /* the same; 1 for 0 */
    uint32_t raises;      /* keys inside the window that were raised by one, */
    const uint32_t *raised; /* from each of these on */
    uint32_t white;
};

/* Store events [at, n) until one comes that is older than the clock or not before `until`; returns how many. */
typedef size_t dae_store_kernel(struct dae_storing *storing, const struct dae_events *events, size_t at, size_t n);
typedef void dae_render_u8_kernel(const uint32_t *cells, size_t n, const struct dae_view *view, uint8_t *image);
/* `planes` floats or halves from one plane (red, green, blue) to the next. */
typedef void dae_render_f32_kernel(const uint32_t *cells, size_t n, const struct dae_view *view, float *image,
                                   size_t plane);
typedef void dae_render_f16_kernel(const uint32_t *cells, size_t n, const struct dae_view *view, uint16_t *image,
                                   size_t plane);

/* Decode words as dae_decode_* in decoder.h; the same result for each call. */
typedef size_t dae_decode_kernel(struct dae_decoder *decoder, const uint8_t *bytes, size_t words,
                                 struct dae_event *events, size_t capacity, size_t *count);
/* Decode words straight into the surface, while their events are at most `most`, not older than the clock, and before
 * `until`, and nothing unusual comes; returns the words used. The decoder's sensor is the surface's. */
typedef size_t dae_fuse_kernel(struct dae_decoder *decoder, const uint8_t *bytes, size_t words,
                               struct dae_storing *storing, uint64_t most, uint64_t *events);

/* Draw events from the first one on into an image that holds the background; returns how many it took. */
typedef size_t dae_tencode_u8_kernel(const struct dae_events *events, const struct dae_interval *interval,
                                     uint16_t width, uint16_t height, uint8_t *image, size_t *outside);

struct dae_kernels {
    dae_store_kernel *store;
    dae_render_u8_kernel *render_u8;
    dae_render_f32_kernel *render_f32;
    dae_render_f16_kernel *render_f16;
    dae_decode_kernel *decode_evt2, *decode_evt3;
    dae_fuse_kernel *fuse_evt2, *fuse_evt3; /* NULL: there is none */
    dae_tencode_u8_kernel *tencode_u8;      /* the same */
};

/* The table of a level, or of the best one for DAE_SIMD_AUTO; NULL where this machine has not got it. */
const struct dae_kernels *dae_kernels_of(enum dae_simd simd);

dae_store_kernel dae_store_serial;
dae_render_u8_kernel dae_render_u8_serial;
dae_render_f32_kernel dae_render_f32_serial;
dae_render_f16_kernel dae_render_f16_serial;
dae_decode_kernel dae_decode_evt2, dae_decode_evt3;

/* A vector unit's functions are compiled for it wherever the compiler's command line says nothing of it. */
#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__) && !defined(DAE_NO_SIMD)
#define DAE_HAVE_X86 1
dae_store_kernel dae_store_avx512;
dae_decode_kernel dae_decode_evt2_avx512, dae_decode_evt3_avx512;
dae_fuse_kernel dae_fuse_evt2_avx512, dae_fuse_evt3_avx512;
dae_tencode_u8_kernel dae_tencode_u8_avx512;
dae_render_u8_kernel dae_render_u8_avx2, dae_render_u8_avx512;
dae_render_f32_kernel dae_render_f32_avx2, dae_render_f32_avx512;
dae_render_f16_kernel dae_render_f16_avx2, dae_render_f16_avx512;
#elif defined(__aarch64__) && defined(__ARM_NEON) && defined(__ORDER_LITTLE_ENDIAN__) && !defined(DAE_NO_SIMD)
#define DAE_HAVE_NEON 1
dae_render_u8_kernel dae_render_u8_neon;
dae_render_f32_kernel dae_render_f32_neon;
dae_render_f16_kernel dae_render_f16_neon;
#endif
#if defined(DAE_HAVE_X86) || defined(DAE_HAVE_NEON)
#define DAE_HAVE_FAST 1 /* without a vector unit, the serial form it is */
dae_decode_kernel dae_decode_evt3_fast;
dae_fuse_kernel dae_fuse_evt2_fast, dae_fuse_evt3_fast;
#endif

#endif
