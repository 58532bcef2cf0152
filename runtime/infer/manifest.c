/* Each field is checked where it is read. Nodes of a manifest are indices; its top is 0. */
#include "manifest.h"

#include <string.h> /* memcpy, strchr, strlen */

#define LONGEST_PATH 64
#define MOST_PIXELS 65535

/* A member of an object, which must be there once. */
int dae_manifest_member(struct reader *reader, size_t object, const char *key, const char *path, size_t *node)
{
    int twice;
    *node = dae_json_member(&reader->json, object, key, &twice);
    if (twice) return REFUSE(reader, "%s: a key appears twice", path);
    if (*node == 0) return REFUSE(reader, "%s is missing", path);
    return DAE_OK;
}

int dae_manifest_find(struct reader *reader, const char *path, size_t *node)
{
    char key[LONGEST_PATH];
    *node = 0;
    for (const char *at = path; at;) {
        const char *dot = strchr(at, '.');
        const size_t length = dot ? (size_t)(dot - at) : strlen(at);
        memcpy(key, at, length);
        key[length] = 0;
        const int status = dae_manifest_member(reader, *node, key, path, node);
        if (status != DAE_OK) return status;
        at = dot ? dot + 1 : NULL;
    }
    return DAE_OK;
}

int dae_manifest_kind(struct reader *reader, const char *path, enum json_kind kind, const char *word, size_t *node)
{
    const int status = dae_manifest_find(reader, path, node);
    if (status != DAE_OK) return status;
    return manifest_kind_of(reader, *node) == kind ? DAE_OK : REFUSE(reader, "%s: wanted %s", path, word);
}

int dae_manifest_bool(struct reader *reader, const char *path, int *result)
{
    size_t node;
    const int status = dae_manifest_find(reader, path, &node);
    if (status != DAE_OK) return status;
    *result = manifest_kind_of(reader, node) == JSON_TRUE;
    if (*result || manifest_kind_of(reader, node) == JSON_FALSE) return DAE_OK;
    return REFUSE(reader, "%s: wanted true or false", path);
}

int dae_manifest_whole(struct reader *reader, const char *path, int64_t low, int64_t high, int64_t *result)
{
    size_t node;
    const int status = dae_manifest_find(reader, path, &node);
    if (status != DAE_OK) return status;
    if (dae_json_whole(&reader->json, node, result) && *result >= low && *result <= high) return DAE_OK;
    return REFUSE(reader, "%s: wanted a whole number of %lld..%lld", path, (long long)low, (long long)high);
}

int dae_manifest_keep(struct reader *reader, size_t node, const char *path, const char **result)
{
    struct bundle *bundle = reader->bundle;
    char *copy = bundle->strings + bundle->strings_used;
    if (manifest_kind_of(reader, node) != JSON_STRING) return REFUSE(reader, "%s: wanted text", path);
    const size_t length = dae_json_string(&reader->json, node, copy);
    if (strlen(copy) != length) return REFUSE(reader, "%s: a zero byte in text", path);
    bundle->strings_used += length + 1;
    *result = copy;
    return DAE_OK;
}

int dae_manifest_text(struct reader *reader, const char *path, const char **result)
{
    size_t node;
    const int status = dae_manifest_find(reader, path, &node);
    return status == DAE_OK ? dae_manifest_keep(reader, node, path, result) : status;
}

int dae_manifest_sizes(struct reader *reader, size_t node, const char *path, int64_t shape[BUNDLE_MOST_AXES],
                       size_t *rank)
{
    size_t count = 0;
    if (manifest_kind_of(reader, node) != JSON_ARRAY) return REFUSE(reader, "%s: wanted sizes", path);
    for (size_t item = node + 1; item < reader->json.nodes[node].end; item = reader->json.nodes[item].end) {
        int64_t size;
        if (count == BUNDLE_MOST_AXES || !dae_json_whole(&reader->json, item, &size) || size < 1 || size >= 1 << 20)
            return REFUSE(reader, "%s: wanted at most %d sizes of 1..%d", path, BUNDLE_MOST_AXES, (1 << 20) - 1);
        shape[count++] = size;
    }
    *rank = count;
    return DAE_OK;
}

int dae_manifest_pair(struct reader *reader, const char *path, uint16_t *first, uint16_t *second)
{
    int64_t shape[BUNDLE_MOST_AXES];
    size_t node, rank;
    int status = dae_manifest_find(reader, path, &node);
    if (status == DAE_OK) status = dae_manifest_sizes(reader, node, path, shape, &rank);
    if (status != DAE_OK) return status;
    if (rank != 2) return REFUSE(reader, "%s: wanted 2 sizes, got %zu", path, rank);
    if (shape[0] > MOST_PIXELS || shape[1] > MOST_PIXELS) return REFUSE(reader, "%s: at most 65535 pixels", path);
    *first = (uint16_t)shape[0];
    *second = (uint16_t)shape[1];
    return DAE_OK;
}
