/* dae_edge._native.Encoder: events, or bytes and their decoder, to windows to Tencode images. */
#include "binding.h"

struct encoder_object {
    PyObject_HEAD
    struct dae_encoder *encoder;
    uint16_t width, height;
    int busy;
};

/* ---- Life ------------------------------------------------------------------------------------------ */

static int encoder_params(PyObject *args, PyObject *keywords, struct dae_encoder_params *params)
{
    static char *names[] = {"width",      "height",    "window_us",  "hop_us", "window_events",
                            "hop_events", "origin_us", "max_gap_us", "white",  "simd",
                            NULL};
    int width, height, white = 0;
    long long window_us = params->window_us, hop_us = 0, max_gap_us = params->max_gap_us;
    /* Wider than the fields: a count that does not fit must not wrap. */
    unsigned long window_events = 0, hop_events = 0;
    PyObject *origin = Py_None;
    const char *simd = "auto";
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "ii|$LLkkOLps", names, &width, &height, &window_us, &hop_us,
                                     &window_events, &hop_events, &origin, &max_gap_us, &white, &simd))
        return -1;
    if (binding_parse_simd(simd, &params->simd) < 0) return -1;
    if (binding_parse_size(width, height, &params->width, &params->height) < 0) return -1;
    params->window_us = window_us;
    params->hop_us = hop_us;
    params->window_events = window_events > UINT32_MAX ? UINT32_MAX : (uint32_t)window_events;
    params->hop_events = hop_events > UINT32_MAX ? UINT32_MAX : (uint32_t)hop_events;
    params->max_gap_us = max_gap_us;
    params->background = white ? DAE_BACKGROUND_WHITE : DAE_BACKGROUND_BLACK;
    if (origin != Py_None) params->origin_us = PyLong_AsLongLong(origin);
    return PyErr_Occurred() ? -1 : 0;
}

static int encoder_init(PyObject *object, PyObject *args, PyObject *keywords)
{
    struct encoder_object *self = (struct encoder_object *)object;
    struct dae_encoder_params params = dae_encoder_default_params();
    if (encoder_params(args, keywords, &params) < 0) return -1;
    struct dae_encoder *encoder;
    const int status = dae_encoder_init(&params, &encoder);
    if (status == DAE_ERROR_ARGUMENT) {
        PyErr_SetString(PyExc_ValueError,
                        "windows: 1 <= hop <= window < 2^30 (microseconds or events), at most 1024 hops in a window, "
                        "1 <= max_gap_us");
        return -1;
    }
    if (status != DAE_OK) return binding_fail(status);
    if (!binding_is_free(self->busy)) {
        dae_encoder_free(encoder);
        return -1;
    }
    dae_encoder_free(self->encoder);
    self->encoder = encoder;
    self->width = params.width;
    self->height = params.height;
    return 0;
}

static void encoder_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    dae_encoder_free(((struct encoder_object *)object)->encoder);
    PyObject_Free(object);
    Py_DECREF(type);
}

static struct dae_encoder *encoder_of(PyObject *object)
{
    const struct encoder_object *self = (struct encoder_object *)object;
    if (self->encoder == NULL) PyErr_SetString(PyExc_ValueError, "the encoder was not initialised");
    return self->encoder != NULL && binding_is_free(self->busy) ? self->encoder : NULL;
}

/* ---- Pushing --------------------------------------------------------------------------------------- */

static int check_offset(Py_ssize_t offset, Py_ssize_t most)
{
    if (offset >= 0 && offset <= most) return 0;
    PyErr_Format(PyExc_ValueError, "offset must be 0..%zd, got %zd", most, offset);
    return -1;
}

static PyObject *window_or_not(int status)
{
    if (status >= 0) return PyBool_FromLong(status == DAE_WINDOW);
    binding_fail(status);
    return NULL;
}

static PyObject *taken(int status, size_t used)
{
    if (status >= 0) return Py_BuildValue("(nO)", (Py_ssize_t)used, status == DAE_WINDOW ? Py_True : Py_False);
    binding_fail(status);
    return NULL;
}

static PyObject *encoder_push(PyObject *object, PyObject *args)
{
    PyObject *array;
    Py_ssize_t offset = 0;
    struct dae_encoder *encoder = encoder_of(object);
    if (encoder == NULL || !PyArg_ParseTuple(args, "O|n", &array, &offset)) return NULL;
    Py_buffer view;
    struct dae_events events;
    if (binding_get_events(array, &view, &events) < 0) return NULL;
    if (check_offset(offset, (Py_ssize_t)events.n) < 0) {
        PyBuffer_Release(&view);
        return NULL;
    }
    size_t used = 0;
    int status;
    ((struct encoder_object *)object)->busy = 1;
    Py_BEGIN_ALLOW_THREADS
    status = dae_encoder_push_events(encoder, &events, (size_t)offset, &used);
    Py_END_ALLOW_THREADS
    ((struct encoder_object *)object)->busy = 0;
    PyBuffer_Release(&view);
    return taken(status, used);
}

static PyObject *encoder_push_bytes(PyObject *object, PyObject *args)
{
    PyObject *decoding, *data;
    Py_ssize_t offset = 0;
    struct dae_encoder *encoder = encoder_of(object);
    if (encoder == NULL || !PyArg_ParseTuple(args, "OO|n", &decoding, &data, &offset)) return NULL;
    struct binding_decoder *source = binding_decoder_of(decoding);
    Py_buffer bytes;
    if (source == NULL || binding_get_buffer(data, &bytes, 0, 0, "data") < 0) return NULL;
    if (check_offset(offset, bytes.len) < 0) {
        PyBuffer_Release(&bytes);
        return NULL;
    }
    size_t used = 0;
    int status;
    ((struct encoder_object *)object)->busy = source->busy = 1;
    Py_BEGIN_ALLOW_THREADS
    status = dae_encoder_push_bytes(encoder, source->decoder, (const uint8_t *)bytes.buf + offset,
                                    (size_t)(bytes.len - offset), &used);
    Py_END_ALLOW_THREADS
    ((struct encoder_object *)object)->busy = source->busy = 0;
    PyBuffer_Release(&bytes);
    return taken(status, used);
}

static PyObject *encoder_advance(PyObject *object, PyObject *time)
{
    struct dae_encoder *encoder = encoder_of(object);
    if (encoder == NULL) return NULL;
    const long long t_us = PyLong_AsLongLong(time);
    if (t_us == -1 && PyErr_Occurred()) return NULL;
    return window_or_not(dae_encoder_advance(encoder, t_us));
}

static PyObject *encoder_flush(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct dae_encoder *encoder = encoder_of(object);
    return encoder == NULL ? NULL : window_or_not(dae_encoder_flush(encoder));
}

/* ---- The window that is ready ---------------------------------------------------------------------- */

static PyObject *encoder_window(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct dae_encoder *encoder = encoder_of(object);
    if (encoder == NULL) return NULL;
    struct dae_window window;
    const int status = dae_encoder_window(encoder, &window);
    if (status != DAE_OK) {
        binding_fail(status);
        return NULL;
    }
    return Py_BuildValue("{s:L,s:L,s:L,s:L,s:K,s:O,s:O}", "start_us", (long long)window.start_us, "end_us",
                         (long long)window.end_us, "first_us", (long long)window.first_us, "last_us",
                         (long long)window.last_us, "events", (unsigned long long)window.events, "partial",
                         window.partial ? Py_True : Py_False, "restart", window.restart ? Py_True : Py_False);
}

static PyObject *encoder_render(PyObject *object, PyObject *array)
{
    struct encoder_object *self = (struct encoder_object *)object;
    struct dae_encoder *encoder = encoder_of(object);
    Py_buffer image;
    if (encoder == NULL || binding_get_image(array, &image, self->width, self->height) < 0) return NULL;
    int status;
    self->busy = 1;
    Py_BEGIN_ALLOW_THREADS
    if (image.itemsize == 1) status = dae_encoder_render_u8(encoder, image.buf, (size_t)image.len);
    else if (image.itemsize == 2) status = dae_encoder_render_f16(encoder, image.buf, (size_t)image.len / 2);
    else status = dae_encoder_render_f32(encoder, image.buf, (size_t)image.len / sizeof(float));
    Py_END_ALLOW_THREADS
    self->busy = 0;
    PyBuffer_Release(&image);
    if (status == DAE_OK) Py_RETURN_NONE;
    binding_fail(status);
    return NULL;
}

/* ---- Counters, snapshots --------------------------------------------------------------------------- */

#define FIELD(name) {#name, offsetof(struct dae_encoder_counters, name)}
static const struct binding_field encoder_fields[] = {
    FIELD(events),   FIELD(dropped_outside), FIELD(clamped_backward),
    FIELD(restarts), FIELD(windows),         FIELD(empty_windows),    {NULL, 0},
};

static PyObject *encoder_counters(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct dae_encoder *encoder = encoder_of(object);
    if (encoder == NULL) return NULL;
    struct dae_encoder_counters counters;
    dae_encoder_counters(encoder, &counters);
    return binding_dict(&counters, encoder_fields);
}

static PyObject *encoder_reset(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct dae_encoder *encoder = encoder_of(object);
    if (encoder == NULL) return NULL;
    dae_encoder_reset(encoder);
    Py_RETURN_NONE;
}

static PyObject *encoder_save(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct dae_encoder *encoder = encoder_of(object);
    if (encoder == NULL) return NULL;
    const size_t size = dae_encoder_snapshot_size(encoder);
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (bytes != NULL) dae_encoder_save(encoder, (uint8_t *)PyBytes_AsString(bytes), size);
    return bytes;
}

static PyObject *encoder_load(PyObject *object, PyObject *snapshot)
{
    struct dae_encoder *encoder = encoder_of(object);
    Py_buffer bytes;
    if (encoder == NULL || binding_get_buffer(snapshot, &bytes, 0, 1, "snapshot") < 0) return NULL;
    const int status = dae_encoder_load(encoder, bytes.buf, (size_t)bytes.len);
    PyBuffer_Release(&bytes);
    if (status == DAE_OK) Py_RETURN_NONE;
    binding_fail(status);
    return NULL;
}

static PyMethodDef encoder_methods[] = {
    {"push", encoder_push, METH_VARARGS, "push(events, offset=0) -> (events taken, is a window ready)"},
    {"push_bytes", encoder_push_bytes, METH_VARARGS,
     "push_bytes(decoder, data, offset=0) -> (bytes taken, is a window ready)"},
    {"advance", encoder_advance, METH_O, "advance(t_us) -> is a window ready"},
    {"flush", encoder_flush, METH_NOARGS, "flush() -> is a last, partial window ready"},
    {"window", encoder_window, METH_NOARGS, "The window that is ready, as a dict."},
    {"render", encoder_render, METH_O, "render(image): the ready window as Tencode."},
    {"counters", encoder_counters, METH_NOARGS, "What was seen so far, as a dict of counts."},
    {"reset", encoder_reset, METH_NOARGS, "Back to the beginning."},
    {"save", encoder_save, METH_NOARGS, "A snapshot, as bytes."},
    {"load", encoder_load, METH_O, "Return to a snapshot."},
    {NULL, NULL, 0, NULL},
};

int binding_add_encoder(PyObject *module)
{
    return binding_add_type(module, "dae_edge._native.Encoder", sizeof(struct encoder_object), encoder_methods,
                            encoder_init, encoder_dealloc,
                            "Encoder(width, height, ...): events to windows to Tencode images.");
}
