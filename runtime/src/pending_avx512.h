/* Places and values of many events, computed 16 at a time and written one after another, because the last one of a
 * pixel counts. They wait in memory until they are many: written right away, each would be picked out of a vector
 * register, which takes longer than loading it, and 16 at a time however few they are. For AVX-512; included between
 * DAE_TARGET and DAE_TARGET_END. */
#ifndef DAE_PENDING_AVX512_H
#define DAE_PENDING_AVX512_H

#define PENDING 128     /* when they are many */
#define PENDING_MORE 64 /* that may be added before one looks whether they are */

struct pending {
    unsigned n;
    uint32_t at[PENDING + PENDING_MORE], values[PENDING + PENDING_MORE];
};

/* Add the first n of 16; as many are written. */
static inline void add_pending(struct pending *pending, unsigned n, __m512i at, __m512i values)
{
    _mm512_storeu_si512(pending->at + pending->n, at);
    _mm512_storeu_si512(pending->values + pending->n, values);
    pending->n += n;
}

/* Write them into the surface of latest events. */
static inline void store_pending(struct pending *pending, uint32_t *cells)
{
    for (unsigned i = 0; i < pending->n; i++) cells[pending->at[i]] = pending->values[i];
    pending->n = 0;
}

#endif
