/* What an inference engine has to offer: itself for all threads, and a session for each stream. Private.
 *
 * A stream's buffers lie in the host's memory and never move: two sets of states and two depth maps, used in turns, so
 * that neither is ever copied. An engine with memory of its own keeps the states there, and brings image and depth. */
#ifndef DAE_ENGINE_H
#define DAE_ENGINE_H

#include "bundle.h"
#include "finite.h"

#define INPUT_NAME "events"
#define OUTPUT_NAME "depth"

struct buffers {
    void *block;
    void *image; /* uint8, or the float32 of a voxel grid */
    float *depth[2];
    void *states[2][BUNDLE_MOST_STATES];
    size_t image_bytes;
    size_t depth_count;
    finite_floats *finite;
    size_t set_bytes; /* of one set of states, from states[i][0] on */
};

/* Zeroed memory for a bundle's tensors; `elsewhere`: none, the engine sets image and depth. */
int dae_buffers_init(struct buffers *buffers, const struct bundle *bundle, int elsewhere);
void dae_buffers_free(struct buffers *buffers);
void dae_buffers_zero_set(struct buffers *buffers, int set);
/* Is this set of states, and is this depth map, free of NaN and infinity? */
int dae_buffers_finite(const struct buffers *buffers, const struct bundle *bundle, int set, int depth);

#define DESCRIPTION_BYTES 128

/* What is to be opened. */
struct engine_wish {
    const struct bundle *bundle;
    const char *path;    /* of the model file */
    const char *compute; /* as in struct bundle; the portable ONNX computes in float32 */
    const struct dae_model_params *params;
};

struct engine_kind {
    const char *name;
    /* Load a model file. `description`, of DESCRIPTION_BYTES: name, version, settings. */
    int (*open)(const struct engine_wish *wish, void **engine, char *description, struct text *error);
    void (*close)(void *engine);
    int (*session_open)(void *engine, const struct bundle *bundle, struct buffers *buffers, void **session,
                        struct text *error);
    void (*session_close)(void *session);
    /* Run the image: states from `set` to the other set, depth to `depth`. */
    int (*run)(void *session, int set, int depth, struct text *error);
    /* Where states are the engine's, else NULL: forget those of a set; is this set, and is this depth, finite? */
    void (*zero)(void *session, int set);
    int (*finite)(void *session, int set, int depth);
};

extern const struct engine_kind dae_engine_onnxruntime, dae_engine_openvino, dae_engine_callback;
extern const struct engine_kind dae_engine_tensorrt; /* where DAE_HAVE_TENSORRT */

/* Tensor `index` of a model's inputs (or outputs) in the contract's order: events or depth, then the states. */
struct tensor {
    const char *name;
    const char *dtype; /* numpy's name; "" for one that no contract has */
    size_t rank;
    int64_t shape[BUNDLE_MOST_AXES];
};

void dae_contract_tensor(const struct bundle *bundle, int is_output, size_t index, struct tensor *tensor);
/* Compare one tensor of the engine with the contract's of the same name. */
int dae_contract_check(const struct bundle *bundle, int is_output, const struct tensor *got, const char *path,
                   struct text *error);

/* "4", or "default". */
void dae_describe_threads(const struct dae_model_params *params, char text[16]);

/* Open the engine's library: params->library, or the first of `names` that the loader finds. */
int dae_library_open(const char *library, const char *const *names, void **handle, struct text *error);
/* A function of it. */
int dae_library_symbol(void *handle, const char *name, void *function, struct text *error);
void dae_library_close(void *handle);

#endif
