/* What comes from Python and goes back: buffers, sizes, names, errors, counts. */
#include "binding.h"

#include <string.h> /* strcmp */

int binding_fail(int status)
{
    if (status == DAE_ERROR_MEMORY) PyErr_NoMemory();
    else PyErr_SetString(PyExc_ValueError, dae_status_str(status));
    return -1;
}

int binding_is_free(int busy)
{
    if (busy) PyErr_SetString(PyExc_RuntimeError, "this object is in use by another thread");
    return !busy;
}

int binding_get_buffer(PyObject *object, Py_buffer *view, int writable, Py_ssize_t itemsize, const char *what)
{
    const int flags = PyBUF_ND | PyBUF_C_CONTIGUOUS | (writable ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(object, view, flags) < 0) return -1;
    if (itemsize && view->itemsize != itemsize) {
        PyErr_Format(PyExc_TypeError, "%s: items of %zd bytes wanted, got %zd", what, itemsize, view->itemsize);
        PyBuffer_Release(view);
        return -1;
    }
    return 0;
}

int binding_get_events(PyObject *object, Py_buffer *view, struct dae_events *events)
{
    if (binding_get_buffer(object, view, 0, 0, "events") < 0) return -1;
    const size_t bytes = (size_t)view->len;
    if (view->itemsize == (Py_ssize_t)sizeof(struct dae_event_cd) && (uintptr_t)view->buf % sizeof(int64_t) == 0) {
        *events = dae_events_cd(view->buf, bytes / sizeof(struct dae_event_cd));
        return 0;
    }
    *events = dae_events_packed(view->buf, bytes / sizeof(struct dae_event));
    if (view->itemsize == (Py_ssize_t)sizeof(struct dae_event)) return 0;
    PyErr_Format(PyExc_TypeError,
                 "events must be dtype EVENT or EventCD: items of 13 or (aligned) 16 bytes wanted, got %zd",
                 view->itemsize);
    PyBuffer_Release(view);
    return -1;
}

int binding_get_image(PyObject *object, Py_buffer *view, unsigned width, unsigned height)
{
    if (binding_get_buffer(object, view, 1, 0, "image") < 0) return -1;
    const Py_ssize_t w = (Py_ssize_t)width, h = (Py_ssize_t)height, size = view->itemsize;
    if (view->ndim == 3) {
        const Py_ssize_t *shape = view->shape;
        if (size == 1 && shape[0] == h && shape[1] == w && shape[2] == 3) return 0;
        if ((size == 4 || size == 2) && shape[0] == 3 && shape[1] == h && shape[2] == w) return 0;
    }
    PyErr_Format(PyExc_ValueError, "image must be uint8 [%zd, %zd, 3] or float32 or float16 [3, %zd, %zd]", h, w, h, w);
    PyBuffer_Release(view);
    return -1;
}

int binding_parse_simd(const char *name, enum dae_simd *simd)
{
    for (int i = DAE_SIMD_AUTO; i <= DAE_SIMD_AVX512; i++) {
        *simd = (enum dae_simd)i;
        if (strcmp(name, dae_simd_str(*simd)) != 0) continue;
        if (dae_simd_has(*simd)) return 0;
        PyErr_Format(PyExc_ValueError, "this machine has no %s", name);
        return -1;
    }
    PyErr_Format(PyExc_ValueError, "simd must be auto, serial, neon, avx2 or avx512, got '%s'", name);
    return -1;
}

int binding_parse_size(int width, int height, uint16_t *w, uint16_t *h)
{
    if (width < 1 || width > 65535 || height < 1 || height > 65535) {
        PyErr_Format(PyExc_ValueError, "width and height must be 1..65535, got %d x %d", width, height);
        return -1;
    }
    *w = (uint16_t)width;
    *h = (uint16_t)height;
    return 0;
}

static int set_count(PyObject *dict, const char *name, unsigned long long value)
{
    PyObject *number = PyLong_FromUnsignedLongLong(value);
    if (number == NULL) return -1;
    const int result = PyDict_SetItemString(dict, name, number);
    Py_DECREF(number);
    return result;
}

PyObject *binding_dict(const void *structure, const struct binding_field *fields)
{
    PyObject *dict = PyDict_New();
    for (; dict != NULL && fields->name != NULL; fields++) {
        const uint64_t value = *(const uint64_t *)((const char *)structure + fields->offset);
        if (set_count(dict, fields->name, value) < 0) Py_CLEAR(dict);
    }
    return dict;
}
