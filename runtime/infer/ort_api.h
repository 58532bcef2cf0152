/* The part of ONNX Runtime's C API that is used here, declared without its header. Private.
 *
 * The API is a table of function pointers that only ever grows at its end, so a place in it is as good as a name
 * (checked against onnxruntime_c_api.h; engine_onnxruntime.c asserts the places). GetApi answers NULL for a version that
 * the library is too old for. On x86-64 and aarch64 it has the plain C calling convention. */
#ifndef DAE_ORT_API_H
#define DAE_ORT_API_H

#include <stddef.h> /* size_t */
#include <stdint.h> /* int64_t, uint32_t */

#define ORT_VERSION_WANTED 11 /* of the API: ONNX Runtime 1.11, March 2022 */

enum { ORT_FLOAT = 1, ORT_UINT8 = 2, ORT_FLOAT16 = 10 };  /* element types */
enum { ORT_LOG_FATAL = 4, ORT_LOG_ERROR = 3 };
enum { ORT_OPTIMISE_ALL = 99 };
enum { ORT_DEVICE_ALLOCATOR = 0, ORT_MEMORY_DEFAULT = 0 };

typedef struct OrtStatus OrtStatus;
typedef struct OrtEnv OrtEnv;
typedef struct OrtSession OrtSession;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtRunOptions OrtRunOptions;
typedef struct OrtValue OrtValue;
typedef struct OrtTypeInfo OrtTypeInfo;
typedef struct OrtTensorInfo OrtTensorInfo;
typedef struct OrtMemoryInfo OrtMemoryInfo;
typedef struct OrtAllocator OrtAllocator;
typedef struct OrtModelMetadata OrtModelMetadata;

typedef void (*ort_logger)(void *data, int severity, const char *category, const char *id, const char *where,
                           const char *message);
typedef void (*ort_unused)(void);

struct ort_api { /* the number is the place in the table */
    ort_unused unused_0[2];
    const char *(*get_error_message)(const OrtStatus *status); /* 2 */
    ort_unused unused_3;
    OrtStatus *(*create_env_with_custom_logger)(ort_logger logger, void *data, int severity, const char *id,
                                                OrtEnv **env); /* 4 */
    ort_unused unused_5[2];
    OrtStatus *(*create_session)(const OrtEnv *env, const char *path, const OrtSessionOptions *options,
                                 OrtSession **session); /* 7 */
    ort_unused unused_8;
    OrtStatus *(*run)(OrtSession *session, const OrtRunOptions *options, const char *const *input_names,
                      const OrtValue *const *inputs, size_t input_count, const char *const *output_names,
                      size_t output_count, OrtValue **outputs); /* 9 */
    OrtStatus *(*create_session_options)(OrtSessionOptions **options); /* 10 */
    ort_unused unused_11[11];
    OrtStatus *(*set_session_log_severity)(OrtSessionOptions *options, int severity); /* 22 */
    OrtStatus *(*set_graph_optimisation)(OrtSessionOptions *options, int level);     /* 23 */
    OrtStatus *(*set_intra_op_threads)(OrtSessionOptions *options, int threads);     /* 24 */
    OrtStatus *(*set_inter_op_threads)(OrtSessionOptions *options, int threads);     /* 25 */
    ort_unused unused_26[4];
    OrtStatus *(*session_input_count)(const OrtSession *session, size_t *count);  /* 30 */
    OrtStatus *(*session_output_count)(const OrtSession *session, size_t *count); /* 31 */
    ort_unused unused_32;
    OrtStatus *(*session_input_type)(const OrtSession *session, size_t index, OrtTypeInfo **type);  /* 33 */
    OrtStatus *(*session_output_type)(const OrtSession *session, size_t index, OrtTypeInfo **type); /* 34 */
    ort_unused unused_35;
    OrtStatus *(*session_input_name)(const OrtSession *session, size_t index, OrtAllocator *allocator,
                                     char **name); /* 36 */
    OrtStatus *(*session_output_name)(const OrtSession *session, size_t index, OrtAllocator *allocator,
                                      char **name); /* 37 */
    ort_unused unused_38[11];
    OrtStatus *(*create_tensor_with_data)(const OrtMemoryInfo *memory, void *data, size_t bytes, const int64_t *shape,
                                          size_t rank, int type, OrtValue **value); /* 49 */
    ort_unused unused_50[5];
    OrtStatus *(*type_to_tensor_info)(const OrtTypeInfo *type, const OrtTensorInfo **info); /* 55 */
    ort_unused unused_56[4];
    OrtStatus *(*tensor_element_type)(const OrtTensorInfo *info, int *type);                    /* 60 */
    OrtStatus *(*tensor_rank)(const OrtTensorInfo *info, size_t *rank);                         /* 61 */
    OrtStatus *(*tensor_shape)(const OrtTensorInfo *info, int64_t *shape, size_t rank);         /* 62 */
    ort_unused unused_63[6];
    OrtStatus *(*create_cpu_memory_info)(int allocator, int memory, OrtMemoryInfo **info); /* 69 */
    ort_unused unused_70[6];
    OrtStatus *(*allocator_free)(OrtAllocator *allocator, void *memory); /* 76 */
    ort_unused unused_77;
    OrtStatus *(*default_allocator)(OrtAllocator **allocator); /* 78 */
    ort_unused unused_79[13];
    void (*release_env)(OrtEnv *env);                 /* 92 */
    void (*release_status)(OrtStatus *status);        /* 93 */
    void (*release_memory_info)(OrtMemoryInfo *info); /* 94 */
    void (*release_session)(OrtSession *session);     /* 95 */
    void (*release_value)(OrtValue *value);           /* 96 */
    ort_unused unused_97;
    void (*release_type)(OrtTypeInfo *type); /* 98 */
    ort_unused unused_99;
    void (*release_session_options)(OrtSessionOptions *options); /* 100 */
    ort_unused unused_101[10];
    OrtStatus *(*session_metadata)(const OrtSession *session, OrtModelMetadata **metadata); /* 111 */
    ort_unused unused_112[4];
    OrtStatus *(*metadata_lookup)(const OrtModelMetadata *metadata, OrtAllocator *allocator, const char *key,
                                  char **value); /* 116 */
    ort_unused unused_117;
    void (*release_metadata)(OrtModelMetadata *metadata); /* 118 */
    ort_unused unused_119[11];
    OrtStatus *(*add_session_config_entry)(OrtSessionOptions *options, const char *key, const char *value); /* 130 */
};

struct ort_api_base {
    const struct ort_api *(*get_api)(uint32_t version);
    const char *(*get_version)(void);
};

#endif
