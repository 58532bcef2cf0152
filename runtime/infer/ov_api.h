/* The part of OpenVINO's C API (openvino/c/openvino.h) that is used here, as pointers found at run time. Private. */
#ifndef DAE_OV_API_H
#define DAE_OV_API_H

#include <stddef.h> /* size_t */
#include <stdint.h> /* int64_t */

/* Element types, numbered as since 2025.0; engine_openvino.c asks the library whether it counts the same way. */
enum { OV_FLOAT16 = 3, OV_FLOAT32 = 4, OV_FLOAT64 = 5, OV_UINT8 = 16 };

typedef struct ov_core ov_core_t;
typedef struct ov_model ov_model_t;
typedef struct ov_compiled_model ov_compiled_model_t;
typedef struct ov_infer_request ov_infer_request_t;
typedef struct ov_tensor ov_tensor_t;
typedef struct ov_output_const_port ov_output_const_port_t;

typedef struct {
    int64_t rank;
    int64_t *dims;
} ov_shape_t;

typedef struct {
    const char *buildNumber;
    const char *description;
} ov_version_t;

/* Every function that returns int answers 0 for good. */
#define OV_FUNCTIONS(X) \
    X(int, ov_get_openvino_version, (ov_version_t *version)) \
    X(void, ov_version_free, (ov_version_t *version)) \
    X(const char *, ov_get_last_err_msg, (void)) \
    X(const char *, ov_get_error_info, (int status)) \
    X(void, ov_free, (const char *text)) \
    X(int, ov_core_create, (ov_core_t **core)) \
    X(void, ov_core_free, (ov_core_t *core)) \
    X(int, ov_core_read_model, (const ov_core_t *core, const char *path, const char *weights, ov_model_t **model)) \
    X(int, ov_core_compile_model, (const ov_core_t *core, const ov_model_t *model, const char *device, \
                                   const size_t arguments, ov_compiled_model_t **compiled, ...)) \
    X(void, ov_model_free, (ov_model_t *model)) \
    X(int, ov_model_inputs_size, (const ov_model_t *model, size_t *count)) \
    X(int, ov_model_outputs_size, (const ov_model_t *model, size_t *count)) \
    X(int, ov_model_const_input_by_index, (const ov_model_t *model, size_t index, ov_output_const_port_t **port)) \
    X(int, ov_model_const_output_by_index, (const ov_model_t *model, size_t index, ov_output_const_port_t **port)) \
    X(int, ov_port_get_any_name, (const ov_output_const_port_t *port, char **name)) \
    X(int, ov_port_get_element_type, (const ov_output_const_port_t *port, int *type)) \
    X(int, ov_const_port_get_shape, (const ov_output_const_port_t *port, ov_shape_t *shape)) \
    X(void, ov_output_const_port_free, (ov_output_const_port_t *port)) \
    X(int, ov_shape_free, (ov_shape_t *shape)) \
    X(void, ov_compiled_model_free, (ov_compiled_model_t *compiled)) \
    X(int, ov_compiled_model_get_property, (const ov_compiled_model_t *compiled, const char *key, char **value)) \
    X(int, ov_compiled_model_create_infer_request, (const ov_compiled_model_t *compiled, \
                                                    ov_infer_request_t **request)) \
    X(void, ov_infer_request_free, (ov_infer_request_t *request)) \
    X(int, ov_infer_request_set_tensor, (ov_infer_request_t *request, const char *name, const ov_tensor_t *tensor)) \
    X(int, ov_infer_request_infer, (ov_infer_request_t *request)) \
    X(int, ov_tensor_create, (int type, const ov_shape_t shape, ov_tensor_t **tensor)) \
    X(int, ov_tensor_create_from_host_ptr, (int type, const ov_shape_t shape, void *data, ov_tensor_t **tensor)) \
    X(int, ov_tensor_get_byte_size, (const ov_tensor_t *tensor, size_t *bytes)) \
    X(void, ov_tensor_free, (ov_tensor_t *tensor))

struct ov_api {
#define OV_POINTER(type, name, arguments) type(*name) arguments;
    OV_FUNCTIONS(OV_POINTER)
#undef OV_POINTER
};

#endif
