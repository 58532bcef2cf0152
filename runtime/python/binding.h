/* What the files of the Python binding share: dae_edge._native, plain C API, stable ABI from 3.11 on (3.10 gets its own
 * build). The binding checks buffers and arguments, releases the GIL around long calls, and does nothing else.
 * Functions that return int give 0, or -1 with an exception set. */
#ifndef DAE_PYTHON_BINDING_H
#define DAE_PYTHON_BINDING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "dae.h"

/* ---- Parts of the module, added to it -------------------------------------------------------------- */

int binding_add_decoder(PyObject *module);
int binding_add_encoder(PyObject *module);
int binding_add_functions(PyObject *module);

/* `qualified` must outlive the type: CPython up to 3.11 keeps the pointer. */
int binding_add_type(PyObject *module, const char *qualified, size_t size, PyMethodDef *methods, initproc init,
                     destructor dealloc, const char *doc);

/* ---- Objects --------------------------------------------------------------------------------------- */

/* Objects that release the GIL while they work. `busy` is read and written under the GIL only. */
struct binding_decoder {
    PyObject_HEAD
    struct dae_decoder *decoder;
    int busy;
};

/* One object serves one thread at a time: a second one is refused, not let loose on the same memory. */
int binding_is_free(int busy);
/* A Decoder that is initialised and free; otherwise NULL with an exception set. */
struct binding_decoder *binding_decoder_of(PyObject *object);

/* ---- Arguments: buffers, sizes, names -------------------------------------------------------------- */

int binding_fail(int status); /* sets what a dae_status says; -1 */
/* A C-contiguous buffer whose items have one size (0: any). */
int binding_get_buffer(PyObject *object, Py_buffer *view, int writable, Py_ssize_t itemsize, const char *what);
/* Events to read, where they lie: EVENT, or Metavision's EventCD, told by the size of an item. */
int binding_get_events(PyObject *object, Py_buffer *view, struct dae_events *events);
/* An image to render into: uint8 [height, width, 3], or float32 or float16 [3, height, width]. */
int binding_get_image(PyObject *object, Py_buffer *view, unsigned width, unsigned height);
int binding_parse_simd(const char *name, enum dae_simd *simd);
int binding_parse_size(int width, int height, uint16_t *w, uint16_t *h);

/* ---- Results --------------------------------------------------------------------------------------- */

/* A dict of the uint64 fields of a struct, by name, up to a NULL; NULL with an exception set on failure. */
struct binding_field { const char *name; size_t offset; };
PyObject *binding_dict(const void *structure, const struct binding_field *fields);

#endif
