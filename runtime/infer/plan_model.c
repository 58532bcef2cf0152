/* What a plan was built from: the ONNX and the weights beside it. And the release of Jetson Linux. */
#define _GNU_SOURCE /* memmem */
#include <dirent.h>
#include <fcntl.h>  /* open */
#include <stdio.h>  /* fopen, snprintf, sscanf */
#include <stdlib.h> /* free */
#include <string.h> /* memmem, strcmp, strrchr */
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h> /* close */

#include "bundle.h"
#include "plan.h"
#include "sha256.h"

struct mapped {
    const uint8_t *bytes;
    size_t size;
};

/* A plain file in memory; 0: it cannot be had, or is empty. */
static int map(const char *path, struct mapped *mapped)
{
    struct stat about;
    const int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    void *at = MAP_FAILED;
    if (file < 0) return 0;
    if (fstat(file, &about) == 0 && S_ISREG(about.st_mode) && about.st_size > 0)
        at = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    close(file);
    if (at == MAP_FAILED) return 0;
    *mapped = (struct mapped){at, (size_t)about.st_size};
    return 1;
}

static void unmap(struct mapped *mapped) { munmap((void *)(uintptr_t)mapped->bytes, mapped->size); }

/* Each weights file counts as "\nNAME HASH". */
static void add_file(struct sha256 *hash, const char *name, const struct mapped *file)
{
    struct sha256 own;
    char hex[65];
    dae_sha256_init(&own);
    dae_sha256_update(&own, file->bytes, file->size);
    dae_sha256_hex(&own, hex);
    dae_sha256_update(hash, (const uint8_t *)"\n", 1);
    dae_sha256_update(hash, (const uint8_t *)name, strlen(name));
    dae_sha256_update(hash, (const uint8_t *)" ", 1);
    dae_sha256_update(hash, (const uint8_t *)hex, 64);
}

static int by_name(const struct dirent **first, const struct dirent **second)
{
    return strcmp((*first)->d_name, (*second)->d_name); /* whatever the locale */
}

static int add_weights(struct sha256 *hash, const char *folder, const char *own_name, const struct mapped *onnx)
{
    struct dirent **entries;
    const int count = scandir(folder, &entries, NULL, by_name);
    if (count < 0) return DAE_ERROR_FILE;
    int status = DAE_OK;
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        struct mapped file;
        if (strcmp(name, own_name) != 0 && memmem(onnx->bytes, onnx->size, name, strlen(name))) {
            char *path = dae_bundle_join(folder, name);
            if (!path) status = DAE_ERROR_MEMORY;
            else if (map(path, &file)) {
                add_file(hash, name, &file);
                unmap(&file);
            }
            free(path);
        }
        free(entries[i]);
    }
    free(entries);
    return status;
}

int dae_plan_model_digest(const char *onnx, char hex[65], struct text *error)
{
    struct sha256 hash;
    struct mapped file;
    const char *slash = strrchr(onnx, '/');
    char *folder = slash ? strndup(onnx, (size_t)(slash - onnx) + 1) : strdup(".");
    if (!folder) return dae_fail(error, DAE_ERROR_MEMORY, "%s: out of memory", onnx);
    if (!map(onnx, &file)) {
        free(folder);
        return dae_fail(error, DAE_ERROR_FILE, "%s: cannot be read", onnx);
    }
    dae_sha256_init(&hash);
    dae_sha256_update(&hash, file.bytes, file.size);
    const int status = add_weights(&hash, folder, slash ? slash + 1 : onnx, &file);
    dae_sha256_hex(&hash, hex);
    unmap(&file);
    free(folder);
    return status == DAE_OK ? DAE_OK : dae_fail(error, status, "%s: its folder cannot be read", onnx);
}

void dae_plan_l4t(const char *path, char l4t[48])
{
    char line[256] = "", major[16], revision[24];
    FILE *file = fopen(path, "r");
    l4t[0] = 0;
    if (!file) return;
    if (fgets(line, sizeof line, file) &&
        sscanf(line, "# R%15[0-9] (release), REVISION: %23[0-9.]", major, revision) == 2)
        snprintf(l4t, 48, "%s.%s", major, revision);
    fclose(file);
}
