/* dae_edge._native: the module, put together of its parts. */
#include "binding.h"

#include <string.h> /* strrchr */

int binding_add_type(PyObject *module, const char *qualified, size_t size, PyMethodDef *methods, initproc init,
                     destructor dealloc, const char *doc)
{
    PyType_Slot slots[] = {
        {Py_tp_doc, (void *)doc},         {Py_tp_new, (void *)PyType_GenericNew}, {Py_tp_init, (void *)init},
        {Py_tp_dealloc, (void *)dealloc}, {Py_tp_methods, methods},               {0, NULL},
    };
    PyType_Spec spec = {qualified, (int)size, 0, Py_TPFLAGS_DEFAULT, slots};
    PyObject *type = PyType_FromSpec(&spec);
    if (type == NULL) return -1;
    /* It takes the reference on success. */
    const int result = PyModule_AddObject(module, strrchr(qualified, '.') + 1, type);
    if (result < 0) Py_DECREF(type);
    return result;
}

static struct PyModuleDef native_module = {
    PyModuleDef_HEAD_INIT, "_native", "The C core of dae_edge.", -1, NULL, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__native(void)
{
    PyObject *module = PyModule_Create(&native_module);
    if (module == NULL) return NULL;
    if (PyModule_AddStringConstant(module, "VERSION", dae_version()) < 0 || binding_add_decoder(module) < 0
        || binding_add_encoder(module) < 0 || binding_add_functions(module) < 0)
        Py_CLEAR(module);
    return module;
}
