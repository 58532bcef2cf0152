/* dae_edge._native.Decoder: bytes of a recording to events. */
#include "binding.h"

#include <string.h> /* strcmp */

static const struct { const char *name; enum dae_format format; } formats[] = {
    {"evt2", DAE_FORMAT_EVT2}, {"evt21", DAE_FORMAT_EVT21}, {"evt21-legacy", DAE_FORMAT_EVT21_LEGACY},
    {"evt3", DAE_FORMAT_EVT3}, {"evt4", DAE_FORMAT_EVT4},   {"dat", DAE_FORMAT_DAT},
};
enum { FORMAT_COUNT = sizeof formats / sizeof *formats };

static int parse_format(const char *name, enum dae_format *format)
{
    for (int i = 0; i < FORMAT_COUNT; i++) {
        if (strcmp(name, formats[i].name) == 0) {
            *format = formats[i].format;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError, "unknown event format '%s'", name);
    return -1;
}

static int decoder_init(PyObject *object, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"format", "width", "height", "simd", NULL};
    struct binding_decoder *self = (struct binding_decoder *)object;
    const char *format, *simd = "auto";
    int width, height;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "sii|$s", names, &format, &width, &height, &simd)) return -1;
    struct dae_decoder_params params = dae_decoder_default_params();
    if (binding_parse_simd(simd, &params.simd) < 0) return -1;
    if (binding_parse_size(width, height, &params.width, &params.height) < 0) return -1;
    if (parse_format(format, &params.format) < 0) return -1;
    struct dae_decoder *decoder;
    const int status = dae_decoder_init(&params, &decoder);
    if (status != DAE_OK) return binding_fail(status);
    if (!binding_is_free(self->busy)) {
        dae_decoder_free(decoder);
        return -1;
    }
    dae_decoder_free(self->decoder);
    self->decoder = decoder;
    return 0;
}

static void decoder_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    dae_decoder_free(((struct binding_decoder *)object)->decoder);
    PyObject_Free(object);
    Py_DECREF(type);
}

struct binding_decoder *binding_decoder_of(PyObject *object)
{
    if (PyType_GetSlot(Py_TYPE(object), Py_tp_dealloc) != (void *)decoder_dealloc) {
        PyErr_Format(PyExc_TypeError, "push_bytes wants a Decoder first");
        return NULL;
    }
    struct binding_decoder *self = (struct binding_decoder *)object;
    if (self->decoder == NULL) PyErr_SetString(PyExc_ValueError, "the decoder was not initialised");
    return self->decoder != NULL && binding_is_free(self->busy) ? self : NULL;
}

static PyObject *decoder_decode(PyObject *object, PyObject *args)
{
    PyObject *data, *out;
    struct binding_decoder *self = binding_decoder_of(object);
    if (self == NULL || !PyArg_ParseTuple(args, "OO", &data, &out)) return NULL;
    Py_buffer bytes, events;
    if (binding_get_buffer(data, &bytes, 0, 0, "data") < 0) return NULL;
    if (binding_get_buffer(out, &events, 1, (Py_ssize_t)sizeof(struct dae_event), "events must be dtype EVENT") < 0) {
        PyBuffer_Release(&bytes);
        return NULL;
    }
    size_t used = 0, count = 0;
    int status;
    self->busy = 1;
    Py_BEGIN_ALLOW_THREADS
    status = dae_decoder_decode(self->decoder, bytes.buf, (size_t)bytes.len, &used, events.buf,
                                (size_t)events.len / sizeof(struct dae_event), &count);
    Py_END_ALLOW_THREADS
    self->busy = 0;
    PyBuffer_Release(&bytes);
    PyBuffer_Release(&events);
    if (status != DAE_OK) {
        binding_fail(status);
        return NULL;
    }
    return Py_BuildValue("(nn)", (Py_ssize_t)used, (Py_ssize_t)count);
}

#define FIELD(name) {#name, offsetof(struct dae_decoder_counters, name)}
static const struct binding_field decoder_fields[] = {
    FIELD(bytes), FIELD(words), FIELD(events), FIELD(triggers), FIELD(time_wraps), FIELD(time_resets),
    FIELD(time_glitches), FIELD(dropped_before_time), FIELD(dropped_before_y), FIELD(dropped_x), FIELD(dropped_y),
    FIELD(dropped_glitch), FIELD(partial_vectors), FIELD(reserved_words), FIELD(other_words), FIELD(padding_words),
    {NULL, 0},
};

static PyObject *decoder_counters(PyObject *object, PyObject *unused)
{
    (void)unused;
    const struct binding_decoder *self = binding_decoder_of(object);
    if (self == NULL) return NULL;
    struct dae_decoder_counters counters;
    dae_decoder_counters(self->decoder, &counters);
    return binding_dict(&counters, decoder_fields);
}

static PyObject *decoder_reset(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct binding_decoder *self = binding_decoder_of(object);
    if (self == NULL) return NULL;
    dae_decoder_reset(self->decoder);
    Py_RETURN_NONE;
}

static PyMethodDef decoder_methods[] = {
    {"decode", decoder_decode, METH_VARARGS, "decode(data, out) -> (bytes used, events written)"},
    {"counters", decoder_counters, METH_NOARGS, "What was seen so far, as a dict of counts."},
    {"reset", decoder_reset, METH_NOARGS, "Forget the clock and the unfinished word; keep the counters."},
    {NULL, NULL, 0, NULL},
};

static int add_formats(PyObject *module)
{
    PyObject *names = PyTuple_New(FORMAT_COUNT);
    for (int i = 0; names != NULL && i < FORMAT_COUNT; i++) {
        PyObject *name = PyUnicode_FromString(formats[i].name);
        if (name == NULL || PyTuple_SetItem(names, i, name) < 0) Py_CLEAR(names);
    }
    if (names == NULL) return -1;
    const int result = PyModule_AddObject(module, "FORMATS", names); /* takes the reference on success */
    if (result < 0) Py_DECREF(names);
    return result;
}

int binding_add_decoder(PyObject *module)
{
    if (add_formats(module) < 0) return -1;
    return binding_add_type(module, "dae_edge._native.Decoder", sizeof(struct binding_decoder), decoder_methods,
                            decoder_init, decoder_dealloc,
                            "Decoder(format, width, height): bytes of a recording to events.");
}
