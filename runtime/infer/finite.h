/* Are numbers free of NaN and infinity? Private. */
#ifndef DAE_FINITE_H
#define DAE_FINITE_H

#include <stddef.h> /* size_t */
#include <stdint.h> /* uint16_t */

typedef int finite_floats(const float *data, size_t count);

int dae_finite_floats_serial(const float *data, size_t count);
/* The fastest that this machine has; all give the same answer. */
finite_floats *dae_finite_floats_best(void);
/* float16, by its bits. */
int dae_finite_halves(const uint16_t *data, size_t count);

#endif
