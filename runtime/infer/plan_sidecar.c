/* A plan's sidecar: is it what it should be, about this device, and signed by this user? */
#include <stdio.h>  /* snprintf, sscanf */
#include <stdlib.h> /* malloc, free */
#include <string.h> /* memset, strlen */

#include "json_canonical.h"
#include "plan.h"
#include "sha256.h"

#define FORMAT "dae-engine"
#define VERSION 1
#define SIGNATURE "signature"
#define LARGEST ((size_t)1 << 22)

static int refuse(struct text *why, const char *reason)
{
    dae_fail(why, 0, "%s", reason);
    return 0;
}

/* ---- HMAC-SHA256 (RFC 2104), with a key of one block at most ---- */

struct hmac {
    struct sha256 inner, outer;
};

static void hmac_init(struct hmac *hmac, const uint8_t key[PLAN_SECRET_BYTES])
{
    uint8_t inner[64], outer[64];
    for (size_t i = 0; i < sizeof inner; i++) {
        const uint8_t byte = i < PLAN_SECRET_BYTES ? key[i] : 0;
        inner[i] = byte ^ 0x36;
        outer[i] = byte ^ 0x5C;
    }
    dae_sha256_init(&hmac->inner);
    dae_sha256_init(&hmac->outer);
    dae_sha256_update(&hmac->inner, inner, sizeof inner);
    dae_sha256_update(&hmac->outer, outer, sizeof outer);
}

static void hmac_put(void *data, const char *text, size_t n)
{
    struct hmac *hmac = data;
    dae_sha256_update(&hmac->inner, (const uint8_t *)text, n);
}

static void hmac_hex(struct hmac *hmac, char hex[65])
{
    uint8_t digest[32];
    dae_sha256_digest(&hmac->inner, digest);
    dae_sha256_update(&hmac->outer, digest, sizeof digest);
    dae_sha256_hex(&hmac->outer, hex);
}

static int is_signed(const struct json *json, const uint8_t secret[PLAN_SECRET_BYTES], char *scratch)
{
    struct hmac hmac;
    char wanted[65], got[65] = "";
    int twice, differ = 0;
    const size_t node = dae_json_member(json, 0, SIGNATURE, &twice);
    if (!node || twice || json->nodes[node].kind != JSON_STRING || json->nodes[node].length != 64) return 0;
    memcpy(got, json->text + json->nodes[node].start, 64);
    hmac_init(&hmac, secret);
    dae_json_canonical(json, SIGNATURE, scratch, hmac_put, &hmac);
    hmac_hex(&hmac, wanted);
    for (int i = 0; i < 64; i++) differ |= got[i] ^ wanted[i]; /* as long for each */
    return !differ;
}

/* ---- what it says ---- */

/* The value of a key that is there once, and of this kind; 0: it is not. */
static size_t member(const struct json *json, size_t object, const char *key, enum json_kind kind)
{
    int twice;
    const size_t node = dae_json_member(json, object, key, &twice);
    return node && !twice && json->nodes[node].kind == kind ? node : 0;
}

static int has_form(const struct json *json, int64_t *bytes, char sha256[65])
{
    int64_t version;
    const size_t format = member(json, 0, "format", JSON_STRING);
    const size_t number = member(json, 0, "version", JSON_NUMBER);
    const size_t plan = member(json, 0, "plan", JSON_OBJECT), parity = member(json, 0, "parity", JSON_OBJECT);
    if (!format || !dae_json_equals(json, format, FORMAT) || !number || !plan || !parity) return 0;
    if (!dae_json_whole(json, number, &version) || version != VERSION) return 0;
    const size_t size = member(json, plan, "bytes", JSON_NUMBER), hash = member(json, plan, "sha256", JSON_STRING);
    if (!size || !dae_json_whole(json, size, bytes) || *bytes <= 0) return 0;
    if (!hash || json->nodes[hash].length != 64) return 0;
    memcpy(sha256, json->text + json->nodes[hash].start, 64);
    sha256[64] = 0;
    return member(json, parity, "passed", JSON_TRUE) != 0;
}

static int same(const struct json *json, size_t key, const char *name, const char *wanted, struct text *why)
{
    const size_t node = member(json, key, name, JSON_STRING);
    if (node && dae_json_equals(json, node, wanted)) return 1;
    const int length = node && json->nodes[node].length < 40 ? (int)json->nodes[node].length : node ? 40 : 0;
    dae_fail(why, 0, "%s '%.*s' instead of '%s'", name, length,
             node ? (const char *)json->text + json->nodes[node].start : "", wanted);
    return 0;
}

static int same_release(const struct json *json, size_t key, const int release[3], struct text *why)
{
    char text[64] = "", wanted[48];
    int got[3] = {-1, -1, -1};
    const size_t node = member(json, key, "version", JSON_STRING);
    if (node && json->nodes[node].length < sizeof text) dae_json_string(json, node, text);
    sscanf(text, "%d.%d.%d", &got[0], &got[1], &got[2]);
    if (memcmp(got, release, sizeof got) == 0) return 1;
    snprintf(wanted, sizeof wanted, "%d.%d.%d", release[0], release[1], release[2]);
    dae_fail(why, 0, "version '%s' instead of '%s'", text, wanted);
    return 0;
}

static int fits(const struct json *json, const struct plan_key *key, struct text *why)
{
    const size_t node = member(json, 0, "key", JSON_OBJECT);
    if (!node) return refuse(why, "it has no key");
    return same(json, node, "flavour", key->flavour, why) && same_release(json, node, key->release, why) &&
           same(json, node, "gpu", key->gpu, why) &&
           same(json, node, "compute_capability", key->compute_capability, why) &&
           same(json, node, "cuda", key->cuda, why) && same(json, node, "l4t", key->l4t, why) &&
           same(json, node, "onnx_sha256", key->onnx_sha256, why);
}

int dae_plan_check(const uint8_t *sidecar, size_t n, const struct plan_key *key,
                   const uint8_t secret[PLAN_SECRET_BYTES], int64_t *bytes, char sha256[65], struct text *why)
{
    struct json json;
    size_t at;
    if (n > LARGEST) return refuse(why, "its sidecar is too large");
    struct json_node *nodes = malloc(dae_json_most_nodes(sidecar, n) * sizeof *nodes);
    char *scratch = malloc(2 * n + 2);
    int good = 0;
    if (!nodes || !scratch) refuse(why, "out of memory");
    else if (dae_json_parse(&json, sidecar, n, nodes, &at)) refuse(why, "its sidecar is not JSON");
    else if (!has_form(&json, bytes, sha256)) refuse(why, "its sidecar is not that of an engine that passed");
    else if (!fits(&json, key, why)) good = 0;
    else if (!(good = is_signed(&json, secret, scratch))) refuse(why, "not built by this user, so not trusted");
    free(nodes);
    free(scratch);
    return good;
}
