/* The finished TensorRT plan of a bundle on this device, as dae_edge/backends/tensorrt/plans.py keeps it. Private.
 *
 * engine-KEY.plan and engine-KEY.json lie in the bundle, or in the folder `engines` of the user's cache. A plan is
 * code: it is read only if its sidecar is signed with the secret that is in that folder, says that it was compared with
 * ONNX Runtime and passed, and is about this device; and if size and sha256 are the promised ones. */
#ifndef DAE_PLAN_H
#define DAE_PLAN_H

#include "dae_stream.h"
#include "text.h"

/* What a plan depends on. Precision and shapes are in the key of Python too: they follow from the ONNX, whose hash is
 * here, and the shapes are checked against the engine's own. */
struct plan_key {
    const char *flavour; /* "tensorrt" or "tensorrt-rtx" */
    int release[3];      /* of it: major, minor, patch; what the sidecar says behind them is not compared */
    char cuda[16];       /* the driver's version, "12.6" */
    char gpu[256];
    char compute_capability[16];
    char l4t[48];        /* release of Jetson Linux, "36.4.3"; empty elsewhere */
    char onnx_sha256[65];
};

/* The release that /etc/nv_tegra_release (or another file) names; empty where there is none. */
void dae_plan_l4t(const char *path, char l4t[48]);
/* Hex sha256 of an ONNX file and of the files beside it whose names it mentions: its weights. */
int dae_plan_model_digest(const char *onnx, char hex[65], struct text *error);

#define PLAN_SECRET_BYTES 32

/* Is this sidecar one for `key`, signed with `secret`? If so: what it says of its plan; else 0, and why not. */
int dae_plan_check(const uint8_t *sidecar, size_t n, const struct plan_key *key,
                   const uint8_t secret[PLAN_SECRET_BYTES], int64_t *bytes, char sha256[65], struct text *why);

struct plan {
    char *path;     /* for messages */
    uint8_t *bytes;
    size_t size;
};

/* Look in the bundle, then in the cache; all that is found must be freed. DAE_ERROR_ENGINE: there is none for this key;
 * the text says what to run, and why the one that is there does not serve. DAE_ERROR_BUNDLE: it is damaged. */
int dae_plan_find(const char *bundle, const struct plan_key *key, struct plan *plan, struct text *error);
void dae_plan_free(struct plan *plan);

#endif
