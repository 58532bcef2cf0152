/* The small bundle with a finished plan, which the stand-in takes, and a sidecar signed by this user. */
#ifndef SMALL_PLAN_H
#define SMALL_PLAN_H

#include <assert.h>

#include "plan.h"
#include "sha256.h"
#include "small_bundle.h"
#include "standin.h"

#define SMALL_SECRET "the 32 bytes of the test's secret" /* the first 32 of them */

static inline void hmac_hex(const uint8_t secret[32], const char *text, char hex[65])
{
    uint8_t block[64], digest[32];
    struct sha256 hash;
    for (int i = 0; i < 64; i++) block[i] = (i < 32 ? secret[i] : 0) ^ 0x36;
    dae_sha256_init(&hash);
    dae_sha256_update(&hash, block, sizeof block);
    dae_sha256_update(&hash, (const uint8_t *)text, strlen(text));
    dae_sha256_digest(&hash, digest);
    for (int i = 0; i < 64; i++) block[i] ^= 0x36 ^ 0x5C;
    dae_sha256_init(&hash);
    dae_sha256_update(&hash, block, sizeof block);
    dae_sha256_update(&hash, digest, sizeof digest);
    dae_sha256_hex(&hash, hex);
}

static inline void small_write_sidecar(const struct small_bundle *small, const char *version)
{
    char key[512], head[1024], text[2048], onnx[160], onnx_hash[65], plan_hash[65], signature[65], l4t[48];
    struct sha256 hash;
    struct text error;
    snprintf(onnx, sizeof onnx, "%s/model.onnx", small->path);
    assert(dae_plan_model_digest(onnx, onnx_hash, &error) == DAE_OK);
    dae_plan_l4t("/etc/nv_tegra_release", l4t);
    dae_sha256_init(&hash);
    dae_sha256_update(&hash, (const uint8_t *)STANDIN_PLAN, strlen(STANDIN_PLAN));
    dae_sha256_hex(&hash, plan_hash);
    snprintf(key, sizeof key,
             "{\"compute_capability\": \"8.7\", \"cuda\": \"12.6\", \"flavour\": \"tensorrt\", \"gpu\": \"Stand-in\", "
             "\"l4t\": \"%s\", \"onnx_sha256\": \"%s\", \"version\": \"%s\"}", l4t, onnx_hash, version);
    snprintf(head, sizeof head,
             "{\"format\": \"dae-engine\", \"key\": %s, \"parity\": {\"passed\": true}, \"plan\": {\"bytes\": %zu, "
             "\"sha256\": \"%s\"}", key, strlen(STANDIN_PLAN), plan_hash);
    snprintf(text, sizeof text, "%s, \"version\": 1}", head);
    hmac_hex((const uint8_t *)SMALL_SECRET, text, signature);
    snprintf(text, sizeof text, "%s, \"signature\": \"%s\", \"version\": 1}", head, signature);
    small_write(small, "engine-0.json", text);
}

static inline void small_create_plan(struct small_bundle *small)
{
    char path[128];
    struct small_bundle cache = {"", ""};
    small_create(small);
    snprintf(cache.path, sizeof cache.path, "%.80s/engines", small->folder);
    snprintf(path, sizeof path, "%s/engine-secret", cache.path);
    assert(mkdir(cache.path, 0700) == 0 && setenv("DAE_CACHE", small->folder, 1) == 0);
    FILE *file = fopen(path, "wb");
    assert(file && fwrite(SMALL_SECRET, 1, 32, file) == 32 && fclose(file) == 0);
    small_write(small, "engine-0.plan", STANDIN_PLAN);
}

static inline void small_remove_plan(const struct small_bundle *small)
{
    static const char *const names[] = {"small.dae/engine-0.json", "small.dae/engine-0.plan", "engines/engine-secret"};
    char path[160];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", small->folder, names[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/engines", small->folder);
    rmdir(path);
    small_remove(small);
}

#endif
