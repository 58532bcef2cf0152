/* SHA-256 (FIPS 180-4). Private. */
#ifndef DAE_SHA256_H
#define DAE_SHA256_H

#include <stddef.h> /* size_t */
#include <stdint.h> /* uint8_t .. uint64_t */

struct sha256 {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[64];
};

void dae_sha256_init(struct sha256 *hash);
void dae_sha256_update(struct sha256 *hash, const uint8_t *data, size_t n);
void dae_sha256_digest(struct sha256 *hash, uint8_t digest[32]);
/* The digest as 64 lower-case hex digits and a zero. */
void dae_sha256_hex(struct sha256 *hash, char hex[65]);

#endif
