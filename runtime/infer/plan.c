/* Which plan of a bundle is this device's. */
#define _POSIX_C_SOURCE 200809L /* O_NOFOLLOW */
#include "plan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>  /* open */
#include <stdio.h>  /* snprintf */
#include <stdlib.h> /* getenv, malloc, free */
#include <string.h> /* memset, strcmp, strlen, strncmp */
#include <sys/stat.h>
#include <unistd.h> /* read, close */

#include "bundle.h"
#include "sha256.h"

#define PREFIX "engine-"
#define SECRET "engine-secret"
#define LARGEST_SIDECAR ((int64_t)1 << 22)
#define NOT_OURS 1 /* beside the statuses */

/* A plain file of 1 .. most bytes, in new memory; NULL: it cannot be had. */
static uint8_t *read_file(const char *path, int64_t most, size_t *size)
{
    struct stat about;
    uint8_t *bytes = NULL;
    const int file = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) return NULL;
    if (fstat(file, &about) == 0 && S_ISREG(about.st_mode) && about.st_size > 0 && about.st_size <= most)
        bytes = malloc((size_t)about.st_size);
    *size = 0;
    while (bytes && *size < (size_t)about.st_size) {
        const ssize_t count = read(file, bytes + *size, (size_t)about.st_size - *size);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) {
            free(bytes);
            bytes = NULL;
        } else {
            *size += (size_t)count;
        }
    }
    close(file);
    return bytes;
}

/* $DAE_CACHE/engines, or the same in the user's cache; NULL: there is no such user, or no memory. */
static char *cache_folder(void)
{
    static const struct {
        const char *variable, *behind;
    } places[] = {
        {"DAE_CACHE", "engines"}, {"XDG_CACHE_HOME", "dae-edge/engines"}, {"HOME", ".cache/dae-edge/engines"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *folder = getenv(places[i].variable);
        if (folder && folder[0]) return dae_bundle_join(folder, places[i].behind);
    }
    return NULL;
}

static int read_secret(const char *cache, uint8_t secret[PLAN_SECRET_BYTES])
{
    size_t size = 0;
    char *path = dae_bundle_join(cache, SECRET);
    uint8_t *bytes = path ? read_file(path, PLAN_SECRET_BYTES, &size) : NULL;
    if (bytes && size == PLAN_SECRET_BYTES) memcpy(secret, bytes, size);
    const int good = bytes && size == PLAN_SECRET_BYTES;
    free(bytes);
    free(path);
    return good;
}

static int ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

/* The plan that a good sidecar is about. */
static int read_plan(struct plan *plan, char *path, int64_t bytes, const char *sha256, struct text *error)
{
    struct sha256 hash;
    char hex[65];
    snprintf(path + strlen(path) - strlen(".json"), sizeof ".json", ".plan"); /* as long */
    plan->path = path;
    plan->bytes = read_file(path, bytes, &plan->size);
    if (!plan->bytes || plan->size != (size_t)bytes)
        return dae_fail(error, DAE_ERROR_BUNDLE, "%s: missing, or not the %lld bytes that passed the comparison; "
                        "delete its .json and finish the bundle anew", path, (long long)bytes);
    dae_sha256_init(&hash);
    dae_sha256_update(&hash, plan->bytes, plan->size);
    dae_sha256_hex(&hash, hex);
    if (strcmp(hex, sha256) == 0) return DAE_OK;
    return dae_fail(error, DAE_ERROR_BUNDLE, "%s: not the plan that passed the comparison (sha256); delete its .json "
                    "and finish the bundle anew", path);
}

/* NOT_OURS: `why` then says of a sidecar why not. */
static int look_at(const char *folder, const char *name, const struct plan_key *key, const uint8_t *secret,
                   struct plan *plan, struct text *why, struct text *error)
{
    int64_t bytes;
    size_t size;
    char sha256[65];
    struct text reason;
    if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 || !ends_with(name, ".json")) return NOT_OURS;
    char *path = dae_bundle_join(folder, name);
    if (!path) return dae_fail(error, DAE_ERROR_MEMORY, "%s: out of memory", folder);
    uint8_t *sidecar = read_file(path, LARGEST_SIDECAR, &size);
    const int good = sidecar && dae_plan_check(sidecar, size, key, secret, &bytes, sha256, &reason);
    free(sidecar);
    if (good) return read_plan(plan, path, bytes, sha256, error);
    dae_fail(why, 0, "%s: %s", name, sidecar ? reason.line : "cannot be read");
    free(path);
    return NOT_OURS;
}

static int look_in(const char *folder, const struct plan_key *key, const uint8_t *secret, struct plan *plan,
                   struct text *why, struct text *error)
{
    DIR *entries = opendir(folder);
    int status = NOT_OURS;
    if (!entries) return status;
    for (const struct dirent *entry; status == NOT_OURS && (entry = readdir(entries)) != NULL;)
        status = look_at(folder, entry->d_name, key, secret, plan, why, error);
    closedir(entries);
    return status;
}

int dae_plan_find(const char *bundle, const struct plan_key *key, struct plan *plan, struct text *error)
{
    uint8_t secret[PLAN_SECRET_BYTES];
    struct text why = {"none is there"};
    memset(plan, 0, sizeof *plan);
    char *cache = cache_folder();
    int status = NOT_OURS;
    if (!cache || !read_secret(cache, secret)) {
        dae_fail(&why, 0, "%s: no " SECRET ", so none was built by this user", cache ? cache : "no cache folder");
    } else {
        status = look_in(bundle, key, secret, plan, &why, error);
        if (status == NOT_OURS) status = look_in(cache, key, secret, plan, &why, error);
    }
    free(cache);
    if (status == DAE_OK) return status;
    dae_plan_free(plan);
    if (status != NOT_OURS) return status;
    return dae_fail(error, DAE_ERROR_ENGINE, "%s: no %s engine for this device (%s); run on it: dae-export --finish %s",
                    bundle, key->flavour, why.line, bundle);
}

void dae_plan_free(struct plan *plan)
{
    free(plan->path);
    free(plan->bytes);
    memset(plan, 0, sizeof *plan);
}
