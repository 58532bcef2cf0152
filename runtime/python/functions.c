/* Functions of whole arrays, and what this machine has. */
#include "binding.h"
#include "finite.h"

static PyObject *native_tencode(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *array, *out;
    int width, height, white;
    const char *simd_name = "auto";
    enum dae_simd simd;
    uint16_t w, h;
    Py_buffer view, image;
    struct dae_events events;
    if (!PyArg_ParseTuple(args, "OOiip|s", &array, &out, &width, &height, &white, &simd_name)) return NULL;
    if (binding_parse_simd(simd_name, &simd) < 0 || binding_parse_size(width, height, &w, &h) < 0) return NULL;
    if (binding_get_events(array, &view, &events) < 0) return NULL;
    if (binding_get_image(out, &image, w, h) < 0) {
        PyBuffer_Release(&view);
        return NULL;
    }
    const enum dae_background background = white ? DAE_BACKGROUND_WHITE : DAE_BACKGROUND_BLACK;
    const size_t size = (size_t)(image.len / image.itemsize);
    size_t dropped = 0;
    int status = DAE_ERROR_ARGUMENT;
    Py_BEGIN_ALLOW_THREADS
    if (image.itemsize == 1) status = dae_tencode_u8_events(&events, w, h, background, simd, image.buf, size, &dropped);
    else if (image.itemsize == 4) status = dae_tencode_f32_events(&events, w, h, background, image.buf, size, &dropped);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&view);
    PyBuffer_Release(&image);
    if (status == DAE_OK) return PyLong_FromSize_t(dropped);
    binding_fail(status);
    return NULL;
}

static PyObject *native_voxel_grid(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *array, *out;
    Py_buffer view, grid;
    struct dae_events events;
    if (!PyArg_ParseTuple(args, "OO", &array, &out) || binding_get_events(array, &view, &events) < 0) return NULL;
    if (binding_get_buffer(out, &grid, 1, (Py_ssize_t)sizeof(float), "grid must be float32") < 0) {
        PyBuffer_Release(&view);
        return NULL;
    }
    int status = DAE_ERROR_ARGUMENT;
    size_t dropped = 0;
    const Py_ssize_t *shape = grid.shape;
    if (grid.ndim == 3 && shape[0] <= 65535 && shape[1] <= 65535 && shape[2] <= 65535) {
        Py_BEGIN_ALLOW_THREADS
        status = dae_voxel_grid_events(&events, (uint16_t)shape[0], (uint16_t)shape[2], (uint16_t)shape[1], grid.buf,
                                       (size_t)grid.len / sizeof(float), &dropped);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&view);
    PyBuffer_Release(&grid);
    if (status == DAE_OK) return PyLong_FromSize_t(dropped);
    PyErr_SetString(PyExc_ValueError, "grid must be float32 [bins, height, width], each 1..65535");
    return NULL;
}

static PyObject *native_all_finite(PyObject *module, PyObject *array)
{
    (void)module;
    Py_buffer view;
    if (binding_get_buffer(array, &view, 0, 0, "array") < 0) return NULL;
    const size_t count = (size_t)(view.len / view.itemsize);
    const int halves = view.itemsize == 2;
    int finite = 0;
    if (!halves && view.itemsize != (Py_ssize_t)sizeof(float)) {
        PyErr_Format(PyExc_TypeError, "array must be float32 or float16, got items of %zd bytes", view.itemsize);
        PyBuffer_Release(&view);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    finite = halves ? dae_finite_halves(view.buf, count) : dae_finite_floats_best()(view.buf, count);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&view);
    return PyBool_FromLong(finite);
}

static PyObject *native_simd_levels(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    PyObject *levels = PyList_New(0);
    for (int i = DAE_SIMD_AVX512; levels != NULL && i >= DAE_SIMD_SERIAL; i--) {
        if (!dae_simd_has((enum dae_simd)i)) continue;
        PyObject *name = PyUnicode_FromString(dae_simd_str((enum dae_simd)i));
        if (name == NULL || PyList_Append(levels, name) < 0) Py_CLEAR(levels);
        Py_XDECREF(name);
    }
    return levels;
}

static PyMethodDef functions[] = {
    {"tencode", native_tencode, METH_VARARGS, "tencode(events, image, width, height, white) -> events dropped"},
    {"all_finite", native_all_finite, METH_O, "all_finite(array) -> no NaN and no infinity"},
    {"simd_levels", native_simd_levels, METH_NOARGS, "The vector units of this machine, the best one first."},
    {"voxel_grid", native_voxel_grid, METH_VARARGS, "voxel_grid(events, grid) -> events dropped"},
    {NULL, NULL, 0, NULL},
};

int binding_add_functions(PyObject *module) { return PyModule_AddFunctions(module, functions); }
