/* A bundle's manifest (manifest.json of NAME.dae), read with distrust. Private.
 *
 * It refuses whatever dae_edge/bundle.py refuses, and a little more: manifests over 1 MiB, more than 32 levels deep, with
 * a key twice, with NaN, a byte-order mark or half a surrogate pair; zero bytes in names; more than BUNDLE_MOST_STATES
 * states; precisions it does not know. Nothing in a bundle is executed, and no name leads out of its folder. */
#ifndef DAE_BUNDLE_H
#define DAE_BUNDLE_H

#include "dae_stream.h"
#include "text.h"

#define BUNDLE_MOST_STATES 64
#define BUNDLE_MOST_AXES 8
#define BUNDLE_LARGEST_MANIFEST ((size_t)1 << 20)

struct bundle_state { /* state_in.NAME goes in, state_out.NAME comes out */
    const char *name;
    const char *input;
    const char *output;
    int is_half; /* float16; else float32 */
    size_t rank;
    int64_t shape[BUNDLE_MOST_AXES];
    size_t elements;
    size_t bytes;
};

struct bundle_file {
    const char *name;
    int64_t bytes;
    const char *sha256;
};

struct bundle {
    const char *path;
    const char *name;
    const char *unit; /* as dae_edge says it: "untrained weights" where they are */
    const char *target;
    const char *backend;
    const char *compute;     /* what the engine's own file is computed in: one of bundle.c's `known` */
    const char *onnx;        /* names of files */
    const char *engine_file;
    int64_t window_us;
    uint16_t width, height, depth_width, depth_height;
    enum dae_background background;
    int trained, passed;
    int frames;     /* takes RGB frames */
    int voxel_bins; /* takes voxel grids; 0: no */
    size_t state_count;
    struct bundle_state states[BUNDLE_MOST_STATES];
    size_t file_count;
    struct bundle_file *files;
    char *strings; /* what the texts above point into */
    size_t strings_used;
};

/* Read and check a manifest; `path` is for messages and is not copied. `bundle` is whole, or needs no free. */
int dae_bundle_parse(struct bundle *bundle, const char *path, const uint8_t *text, size_t n, struct text *error);
/* The same from the folder at `path`, which must outlive the bundle. */
int dae_bundle_read(struct bundle *bundle, const char *path, struct text *error);
/* Compare each file's size and sha256 with the manifest. */
int dae_bundle_verify(const struct bundle *bundle, struct text *error);
void dae_bundle_free(struct bundle *bundle);

/* DIRECTORY/NAME in new memory; NULL: there is none. */
char *dae_bundle_join(const char *directory, const char *name);

#endif
