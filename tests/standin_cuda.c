/* A stand-in for the CUDA driver (libcuda.so.1): no GPU, host memory plays the device's.

   It has only the calls that dae_edge makes, and it is strict where the driver is lenient or slow
   to complain: new memory is full of NaN, work in a stream happens when the stream is synchronised
   and not before, addresses must be alive, a graph keeps the addresses it was recorded with, and
   every call but the first few wants the context to be current in the calling thread. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, INVALID = 1, NO_MEMORY = 2, NO_CONTEXT = 201, BAD_CAPTURE = 901, MOST = 4096 };

typedef void (*host_function)(long);
typedef struct {
    int kind; /* 0: host to device, 1: device to host, 2: set, 3: host function */
    uintptr_t to, from;
    size_t size;
    unsigned char value;
    host_function function;
    long argument;
} work;
typedef struct {
    work* items;
    int count, capturing, broken;
    work* recorded;
    int recorded_count;
} stream;
typedef struct {
    work* items;
    int count;
} graph;

static struct { uintptr_t start; size_t size; int kind; } memory[MOST]; /* 1: device, 2: pinned */
static int memories, objects, contexts;
static _Thread_local int depth;
static char failing[64];
static int failing_in, no_gpu;

#define ENTER(name) \
    if (fails(name)) return NO_MEMORY
#define IN_CONTEXT(name) \
    ENTER(name);         \
    if (depth == 0) return NO_CONTEXT

static int fails(const char* name) { return strcmp(failing, name) == 0 && --failing_in == 0; }

/* For tests. */
void standin_fail(const char* name, int in_calls) {
    strncpy(failing, name, sizeof failing - 1);
    failing_in = in_calls;
}
void standin_no_gpu(int none) { no_gpu = none; }
int standin_alive(void) { return memories + objects; }
int standin_contexts(void) { return contexts; }
int standin_depth(void) { return depth; }
int standin_owns(uintptr_t start, size_t size, int kind) {
    for (int i = 0; i < memories; i++)
        if (memory[i].kind == kind && start >= memory[i].start &&
            start + size <= memory[i].start + memory[i].size)
            return 1;
    return 0;
}
int standin_capturing(stream* s) { return s->capturing; }

static int add(stream* s, work item) {
    work** items = s->capturing ? &s->recorded : &s->items;
    int* count = s->capturing ? &s->recorded_count : &s->count;
    *items = realloc(*items, sizeof(work) * (size_t)(*count + 1));
    (*items)[(*count)++] = item;
    return OK;
}
int standin_enqueue(stream* s, host_function function, long argument) {
    return add(s, (work){.kind = 3, .function = function, .argument = argument});
}

/* The driver. */
int cuGetErrorString(int code, const char** text) {
    *text = code == NO_MEMORY ? "out of memory" : code == 100 ? "no CUDA-capable device is detected"
            : code == NO_CONTEXT ? "invalid device context" : "invalid argument";
    return OK;
}
int cuInit(unsigned flags) { return no_gpu ? 100 : flags == 0 ? OK : INVALID; }
int cuDriverGetVersion(int* version) { return *version = 12060, OK; }
int cuDeviceGet(int* device, int ordinal) { return *device = ordinal + 7, OK; }
int cuDeviceGetName(char* name, int size, int device) {
    if (device != 7) return INVALID;
    return strncpy(name, "Stand-in", (size_t)size), OK;
}
int cuDeviceGetAttribute(int* value, int attribute, int device) {
    if (device != 7) return INVALID;
    return *value = attribute == 75 ? 8 : attribute == 76 ? 7 : -1, OK;
}
int cuDevicePrimaryCtxRetain(void** context, int device) {
    ENTER("cuDevicePrimaryCtxRetain");
    if (device != 7) return INVALID;
    return *context = &contexts, contexts++, OK;
}
int cuDevicePrimaryCtxRelease_v2(int device) { return device == 7 ? (contexts--, OK) : INVALID; }
int cuCtxPushCurrent_v2(void* context) {
    return context == &contexts && contexts > 0 ? (depth++, OK) : NO_CONTEXT;
}
int cuCtxPopCurrent_v2(void** context) {
    return depth > 0 ? (*context = &contexts, depth--, OK) : NO_CONTEXT;
}

static int allocate(uintptr_t* start, size_t size, int kind) {
    if (memories == MOST || size == 0) return INVALID;
    *start = (uintptr_t)aligned_alloc(256, (size + 255) / 256 * 256); /* as the driver does */
    memset((void*)*start, 0xFF, size);
    memory[memories].start = *start, memory[memories].size = size, memory[memories].kind = kind;
    return memories++, OK;
}
static int release(uintptr_t start, int kind) {
    for (int i = 0; i < memories; i++)
        if (memory[i].start == start && memory[i].kind == kind) {
            memset((void*)start, 0xFF, memory[i].size);
            free((void*)start);
            memory[i] = memory[--memories];
            return OK;
        }
    return INVALID;
}
int cuMemAlloc_v2(uint64_t* pointer, size_t size) {
    IN_CONTEXT("cuMemAlloc_v2");
    return allocate((uintptr_t*)pointer, size, 1);
}
int cuMemFree_v2(uint64_t pointer) {
    IN_CONTEXT("cuMemFree_v2");
    return release((uintptr_t)pointer, 1);
}
int cuMemHostAlloc(void** pointer, size_t size, unsigned flags) {
    IN_CONTEXT("cuMemHostAlloc");
    return flags == 0 ? allocate((uintptr_t*)pointer, size, 2) : INVALID;
}
int cuMemFreeHost(void* pointer) {
    IN_CONTEXT("cuMemFreeHost");
    return release((uintptr_t)pointer, 2);
}

int cuStreamCreate(stream** s, unsigned flags) {
    IN_CONTEXT("cuStreamCreate");
    if (flags != 1) return INVALID;
    *s = calloc(1, sizeof(stream));
    return objects++, OK;
}
int cuStreamDestroy_v2(stream* s) {
    IN_CONTEXT("cuStreamDestroy_v2");
    free(s->items), free(s->recorded), free(s);
    return objects--, OK;
}
int cuMemcpyHtoDAsync_v2(uint64_t to, void* from, size_t size, stream* s) {
    IN_CONTEXT("cuMemcpyHtoDAsync_v2");
    if (!standin_owns(to, size, 1) || !standin_owns((uintptr_t)from, size, 2)) return INVALID;
    return add(s, (work){.kind = 0, .to = to, .from = (uintptr_t)from, .size = size});
}
int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t size, stream* s) {
    IN_CONTEXT("cuMemcpyDtoHAsync_v2");
    if (!standin_owns(from, size, 1) || !standin_owns((uintptr_t)to, size, 2)) return INVALID;
    return add(s, (work){.kind = 1, .to = (uintptr_t)to, .from = from, .size = size});
}
int cuMemsetD8Async(uint64_t to, unsigned char value, size_t size, stream* s) {
    IN_CONTEXT("cuMemsetD8Async");
    if (!standin_owns(to, size, 1)) return INVALID;
    return add(s, (work){.kind = 2, .to = to, .value = value, .size = size});
}
int cuStreamSynchronize(stream* s) {
    IN_CONTEXT("cuStreamSynchronize");
    if (s->capturing) return s->broken = 1, BAD_CAPTURE;
    int count = s->count;
    s->count = 0;
    for (int i = 0; i < count; i++) {
        work item = s->items[i];
        if (item.kind == 3) {
            item.function(item.argument);
        } else if (item.kind == 2) {
            if (!standin_owns(item.to, item.size, 1)) return INVALID;
            memset((void*)item.to, item.value, item.size);
        } else {
            if (!standin_owns(item.to, item.size, item.kind == 0 ? 1 : 2)) return INVALID;
            if (!standin_owns(item.from, item.size, item.kind == 0 ? 2 : 1)) return INVALID;
            memcpy((void*)item.to, (void*)item.from, item.size);
        }
    }
    return OK;
}

int cuStreamBeginCapture_v2(stream* s, int mode) {
    IN_CONTEXT("cuStreamBeginCapture_v2");
    if (mode != 1 || s->capturing || s->count) return INVALID;
    s->capturing = 1, s->broken = 0, s->recorded_count = 0;
    return OK;
}
int cuStreamEndCapture(stream* s, graph** made) {
    IN_CONTEXT("cuStreamEndCapture");
    if (!s->capturing) return INVALID;
    s->capturing = 0;
    if (s->broken) return BAD_CAPTURE;
    *made = calloc(1, sizeof(graph));
    (*made)->items = s->recorded, (*made)->count = s->recorded_count;
    s->recorded = NULL, s->recorded_count = 0;
    return objects++, OK;
}
static graph* copied(const graph* from) {
    graph* to = calloc(1, sizeof(graph));
    to->items = malloc(sizeof(work) * (size_t)(from->count + 1));
    memcpy(to->items, from->items, sizeof(work) * (size_t)from->count);
    to->count = from->count;
    return to;
}
int cuGraphInstantiateWithFlags(graph** made, graph* from, uint64_t flags) {
    IN_CONTEXT("cuGraphInstantiateWithFlags");
    if (flags != 0) return INVALID;
    *made = copied(from);
    return objects++, OK;
}
int cuGraphDestroy(graph* g) {
    IN_CONTEXT("cuGraphDestroy");
    free(g->items), free(g);
    return objects--, OK;
}
int cuGraphExecDestroy(graph* g) {
    IN_CONTEXT("cuGraphExecDestroy");
    free(g->items), free(g);
    return objects--, OK;
}
int cuGraphLaunch(graph* g, stream* s) {
    IN_CONTEXT("cuGraphLaunch");
    for (int i = 0; i < g->count; i++) add(s, g->items[i]);
    return OK;
}
