/* A manifest's fields, by dotted path; errors name the path. Private. */
#ifndef DAE_MANIFEST_H
#define DAE_MANIFEST_H

#include "bundle.h"
#include "json.h"

struct reader {
    struct json json;
    struct bundle *bundle;
    struct text *error;
};

#define REFUSE(reader, format, ...) \
    dae_fail((reader)->error, DAE_ERROR_BUNDLE, "%s: manifest.json: " format, (reader)->bundle->path, __VA_ARGS__)

static inline enum json_kind manifest_kind_of(const struct reader *reader, size_t node)
{
    return reader->json.nodes[node].kind;
}

int dae_manifest_member(struct reader *reader, size_t object, const char *key, const char *path, size_t *node);
/* Follow a dotted path from the top. */
int dae_manifest_find(struct reader *reader, const char *path, size_t *node);
int dae_manifest_kind(struct reader *reader, const char *path, enum json_kind kind, const char *word, size_t *node);
int dae_manifest_bool(struct reader *reader, const char *path, int *result);
int dae_manifest_whole(struct reader *reader, const char *path, int64_t low, int64_t high, int64_t *result);
/* Copy a string to the bundle's own memory. */
int dae_manifest_keep(struct reader *reader, size_t node, const char *path, const char **result);
int dae_manifest_text(struct reader *reader, const char *path, const char **result);
/* A list of sizes, each 1 .. 2^20 - 1. */
int dae_manifest_sizes(struct reader *reader, size_t node, const char *path, int64_t shape[BUNDLE_MOST_AXES],
                       size_t *rank);
int dae_manifest_pair(struct reader *reader, const char *path, uint16_t *first, uint16_t *second);

#endif
