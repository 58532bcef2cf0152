/* A bundle's files on disk: the manifest, and the sizes and hashes it promises. */
#define _POSIX_C_SOURCE 200809L /* lstat, O_NOFOLLOW */
#include <errno.h>
#include <fcntl.h>  /* open */
#include <stdlib.h> /* malloc, free */
#include <string.h> /* memcpy, strcmp, strerror_r, strlen */
#include <sys/stat.h>
#include <unistd.h> /* read, close */

#include "bundle.h"
#include "sha256.h"

char *dae_bundle_join(const char *directory, const char *name)
{
    const size_t first = strlen(directory), second = strlen(name);
    char *path = malloc(first + second + 2);
    if (!path) return NULL;
    memcpy(path, directory, first);
    path[first] = '/';
    memcpy(path + first + 1, name, second + 1);
    return path;
}

/* Read until `n` bytes are there or the file ends; -1: it cannot be read. */
static ssize_t read_all(int file, uint8_t *data, size_t n)
{
    size_t filled = 0;
    while (filled < n) {
        const ssize_t count = read(file, data + filled, n - filled);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return -1;
        if (count == 0) break;
        filled += (size_t)count;
    }
    return (ssize_t)filled;
}

static int read_manifest(struct bundle *bundle, const char *path, int file, struct text *error)
{
    const size_t most = BUNDLE_LARGEST_MANIFEST + 1;
    struct stat about;
    if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode))
        return dae_fail(error, DAE_ERROR_BUNDLE, "%s: not a bundle (a folder NAME.dae with a manifest.json)", path);
    const size_t size = about.st_size < (off_t)most ? (size_t)about.st_size : most;
    uint8_t *text = malloc(size + 1);
    if (!text) return dae_fail(error, DAE_ERROR_MEMORY, "%s: out of memory", path);
    const ssize_t count = read_all(file, text, size);
    const int status = count < 0 ? dae_fail(error, DAE_ERROR_FILE, "%s: manifest.json cannot be read", path)
                                 : dae_bundle_parse(bundle, path, text, (size_t)count, error);
    free(text);
    return status;
}

int dae_bundle_read(struct bundle *bundle, const char *path, struct text *error)
{
    struct stat about;
    memset(bundle, 0, sizeof *bundle);
    if (stat(path, &about) != 0) return dae_fail(error, DAE_ERROR_FILE, "%s: no such bundle", path);
    char *manifest = dae_bundle_join(path, "manifest.json");
    if (!manifest) return dae_fail(error, DAE_ERROR_MEMORY, "%s: out of memory", path);
    const int file = open(manifest, O_RDONLY | O_NONBLOCK); /* a pipe of that name must not hang us */
    free(manifest);
    if (file < 0)
        return dae_fail(error, DAE_ERROR_BUNDLE, "%s: not a bundle (a folder NAME.dae with a manifest.json)", path);
    const int status = read_manifest(bundle, path, file, error);
    close(file);
    return status;
}

/* The hash of an open file. */
static int hash_file(int file, char hex[65])
{
    uint8_t piece[4096];
    struct sha256 hash;
    ssize_t count;
    dae_sha256_init(&hash);
    while ((count = read_all(file, piece, sizeof piece)) > 0) dae_sha256_update(&hash, piece, (size_t)count);
    dae_sha256_hex(&hash, hex);
    return count == 0;
}

static int verify_open(const struct bundle *bundle, const struct bundle_file *wanted, int file, struct text *error)
{
    struct stat about;
    char hex[65];
    if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode))
        return dae_fail(error, DAE_ERROR_BUNDLE, "%s/%s: missing, or not a plain file", bundle->path, wanted->name);
    if (about.st_size != wanted->bytes)
        return dae_fail(error, DAE_ERROR_BUNDLE, "%s/%s: wanted %lld bytes, got %lld", bundle->path, wanted->name,
                    (long long)wanted->bytes, (long long)about.st_size);
    if (!hash_file(file, hex))
        return dae_fail(error, DAE_ERROR_FILE, "%s/%s: cannot be read", bundle->path, wanted->name);
    if (strcmp(hex, wanted->sha256) != 0)
        return dae_fail(error, DAE_ERROR_BUNDLE,
                    "%s/%s: changed since it was verified: wanted sha256 %.16s..., got %.16s...", bundle->path,
                    wanted->name, wanted->sha256, hex);
    return DAE_OK;
}

int dae_bundle_verify(const struct bundle *bundle, struct text *error)
{
    for (size_t i = 0; i < bundle->file_count; i++) {
        char *path = dae_bundle_join(bundle->path, bundle->files[i].name);
        if (!path) return dae_fail(error, DAE_ERROR_MEMORY, "%s: out of memory", bundle->path);
        const int file = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
        free(path);
        if (file < 0)
            return dae_fail(error, DAE_ERROR_BUNDLE, "%s/%s: missing, or not a plain file", bundle->path,
                        bundle->files[i].name);
        const int status = verify_open(bundle, &bundle->files[i], file, error);
        close(file);
        if (status != DAE_OK) return status;
    }
    return DAE_OK;
}
