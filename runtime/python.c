/* The Python binding of dae: dae_edge._native, plain C API, stable ABI from 3.11 on (3.10 gets its own build).
 * It checks buffers and arguments, releases the GIL around long calls, and does nothing else. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "dae.h"

static int fail(int status)
{
    if (status == DAE_ERROR_MEMORY) PyErr_NoMemory();
    else PyErr_SetString(PyExc_ValueError, dae_status_str(status));
    return -1;
}

/* ---- Buffers --------------------------------------------------------------------------------------- */

/* A C-contiguous buffer whose items have one of the sizes given (0: any). */
static int get_buffer(PyObject *object, Py_buffer *view, int writable, Py_ssize_t itemsize, const char *what)
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

static int get_events(PyObject *object, Py_buffer *view, int writable)
{
    return get_buffer(object, view, writable, (Py_ssize_t)sizeof(struct dae_event), "events must be dtype EVENT");
}

/* Events to read, where they lie: EVENT, or Metavision's EventCD, told by the size of an item. */
static int get_any_events(PyObject *object, Py_buffer *view, struct dae_events *events)
{
    if (get_buffer(object, view, 0, 0, "events") < 0) return -1;
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

static int parse_simd(const char *name, enum dae_simd *simd)
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

/* An image to render into: uint8 [height, width, 3], or float32 or float16 [3, height, width]. */
static int get_image(PyObject *object, Py_buffer *view, unsigned width, unsigned height)
{
    if (get_buffer(object, view, 1, 0, "image") < 0) return -1;
    const Py_ssize_t w = (Py_ssize_t)width, h = (Py_ssize_t)height;
    const Py_ssize_t *shape = view->shape;
    const int bytes = view->itemsize == 1 && view->ndim == 3 && shape[0] == h && shape[1] == w && shape[2] == 3;
    const int floats = (view->itemsize == 4 || view->itemsize == 2) && view->ndim == 3 && shape[0] == 3 && shape[1] == h && shape[2] == w;
    if (bytes || floats) return 0;
    PyErr_Format(PyExc_ValueError, "image must be uint8 [%zd, %zd, 3] or float32 or float16 [3, %zd, %zd]", h, w, h, w);
    PyBuffer_Release(view);
    return -1;
}

static int set_count(PyObject *dict, const char *name, unsigned long long value)
{
    PyObject *number = PyLong_FromUnsignedLongLong(value);
    if (number == NULL) return -1;
    const int result = PyDict_SetItemString(dict, name, number);
    Py_DECREF(number);
    return result;
}

/* A dict of the uint64 fields of a struct, by name; NULL with an exception set on failure. */
struct field { const char *name; size_t offset; };

static PyObject *dict_of(const void *structure, const struct field *fields)
{
    PyObject *dict = PyDict_New();
    for (; dict != NULL && fields->name != NULL; fields++) {
        const uint64_t value = *(const uint64_t *)((const char *)structure + fields->offset);
        if (set_count(dict, fields->name, value) < 0) Py_CLEAR(dict);
    }
    return dict;
}

static int parse_size(int width, int height, uint16_t *w, uint16_t *h)
{
    if (width < 1 || width > 65535 || height < 1 || height > 65535) {
        PyErr_Format(PyExc_ValueError, "width and height must be 1..65535, got %d x %d", width, height);
        return -1;
    }
    *w = (uint16_t)width;
    *h = (uint16_t)height;
    return 0;
}

/* One object serves one thread at a time: a second one is refused, not let loose on the same memory. */
static int is_free(int busy)
{
    if (busy) PyErr_SetString(PyExc_RuntimeError, "this object is in use by another thread");
    return !busy;
}

/* ---- Decoder --------------------------------------------------------------------------------------- */

/* Objects that release the GIL while they work. `busy` is read and written under the GIL only. */
struct decoder_object {
    PyObject_HEAD
    struct dae_decoder *decoder;
    int busy;
};

static const struct { const char *name; enum dae_format format; } format_names[] = {
    {"evt2", DAE_FORMAT_EVT2}, {"evt21", DAE_FORMAT_EVT21}, {"evt21-legacy", DAE_FORMAT_EVT21_LEGACY},
    {"evt3", DAE_FORMAT_EVT3}, {"evt4", DAE_FORMAT_EVT4},   {"dat", DAE_FORMAT_DAT},
};
enum { FORMAT_COUNT = sizeof format_names / sizeof *format_names };

static int parse_format(const char *name, enum dae_format *format)
{
    for (int i = 0; i < FORMAT_COUNT; i++) {
        if (strcmp(name, format_names[i].name) == 0) {
            *format = format_names[i].format;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError, "unknown event format '%s'", name);
    return -1;
}

static int decoder_init(PyObject *object, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"format", "width", "height", "simd", NULL};
    struct decoder_object *self = (struct decoder_object *)object;
    const char *format, *simd = "auto";
    int width, height;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "sii|$s", names, &format, &width, &height, &simd)) return -1;
    struct dae_decoder_params params = dae_decoder_default_params();
    if (parse_simd(simd, &params.simd) < 0) return -1;
    if (parse_size(width, height, &params.width, &params.height) < 0) return -1;
    if (parse_format(format, &params.format) < 0) return -1;
    struct dae_decoder *decoder;
    const int status = dae_decoder_init(&params, &decoder);
    if (status != DAE_OK) return fail(status);
    if (!is_free(self->busy)) {
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
    dae_decoder_free(((struct decoder_object *)object)->decoder);
    PyObject_Free(object);
    Py_DECREF(type);
}

static struct dae_decoder *decoder_of(PyObject *object)
{
    const struct decoder_object *self = (struct decoder_object *)object;
    if (self->decoder == NULL) PyErr_SetString(PyExc_ValueError, "the decoder was not initialised");
    return self->decoder != NULL && is_free(self->busy) ? self->decoder : NULL;
}

static PyObject *decoder_decode(PyObject *object, PyObject *args)
{
    PyObject *data, *out;
    struct dae_decoder *decoder = decoder_of(object);
    if (decoder == NULL || !PyArg_ParseTuple(args, "OO", &data, &out)) return NULL;
    Py_buffer bytes, events;
    if (get_buffer(data, &bytes, 0, 0, "data") < 0) return NULL;
    if (get_events(out, &events, 1) < 0) {
        PyBuffer_Release(&bytes);
        return NULL;
    }
    size_t used = 0, count = 0;
    int status;
    ((struct decoder_object *)object)->busy = 1;
    Py_BEGIN_ALLOW_THREADS
    status = dae_decoder_decode(decoder, bytes.buf, (size_t)bytes.len, &used, events.buf,
                                (size_t)events.len / sizeof(struct dae_event), &count);
    Py_END_ALLOW_THREADS
    ((struct decoder_object *)object)->busy = 0;
    PyBuffer_Release(&bytes);
    PyBuffer_Release(&events);
    if (status != DAE_OK) {
        fail(status);
        return NULL;
    }
    return Py_BuildValue("(nn)", (Py_ssize_t)used, (Py_ssize_t)count);
}

#define DECODER_FIELD(name) {#name, offsetof(struct dae_decoder_counters, name)}
static const struct field decoder_fields[] = {
    DECODER_FIELD(bytes), DECODER_FIELD(words), DECODER_FIELD(events), DECODER_FIELD(triggers),
    DECODER_FIELD(time_wraps), DECODER_FIELD(time_resets), DECODER_FIELD(time_glitches),
    DECODER_FIELD(dropped_before_time), DECODER_FIELD(dropped_before_y), DECODER_FIELD(dropped_x), DECODER_FIELD(dropped_y),
    DECODER_FIELD(dropped_glitch), DECODER_FIELD(partial_vectors), DECODER_FIELD(reserved_words),
    DECODER_FIELD(other_words), DECODER_FIELD(padding_words), {NULL, 0},
};

static PyObject *decoder_counters(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct dae_decoder *decoder = decoder_of(object);
    if (decoder == NULL) return NULL;
    struct dae_decoder_counters counters;
    dae_decoder_counters(decoder, &counters);
    return dict_of(&counters, decoder_fields);
}

static PyObject *decoder_reset(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct dae_decoder *decoder = decoder_of(object);
    if (decoder == NULL) return NULL;
    dae_decoder_reset(decoder);
    Py_RETURN_NONE;
}

static PyMethodDef decoder_methods[] = {
    {"decode", decoder_decode, METH_VARARGS, "decode(data, out) -> (bytes used, events written)"},
    {"counters", decoder_counters, METH_NOARGS, "What was seen so far, as a dict of counts."},
    {"reset", decoder_reset, METH_NOARGS, "Forget the clock and the unfinished word; keep the counters."},
    {NULL, NULL, 0, NULL},
};

/* ---- Encoder --------------------------------------------------------------------------------------- */

struct encoder_object {
    PyObject_HEAD
    struct dae_encoder *encoder;
    uint16_t width, height;
    int busy;
};

static int encoder_init(PyObject *object, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"width",      "height",    "window_us",  "hop_us", "window_events",
                            "hop_events", "origin_us", "max_gap_us", "white",  "simd",
                            NULL};
    struct encoder_object *self = (struct encoder_object *)object;
    struct dae_encoder_params params = dae_encoder_default_params();
    int width, height, white = 0;
    long long window_us = params.window_us, hop_us = 0, max_gap_us = params.max_gap_us;
    unsigned long window_events = 0, hop_events = 0; /* wider than the fields: a count that does not fit must not wrap */
    PyObject *origin = Py_None;
    const char *simd = "auto";
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "ii|$LLkkOLps", names, &width, &height, &window_us, &hop_us,
                                     &window_events, &hop_events, &origin, &max_gap_us, &white, &simd))
        return -1;
    if (parse_simd(simd, &params.simd) < 0) return -1;
    if (parse_size(width, height, &params.width, &params.height) < 0) return -1;
    params.window_us = window_us;
    params.hop_us = hop_us;
    params.window_events = window_events > UINT32_MAX ? UINT32_MAX : (uint32_t)window_events;
    params.hop_events = hop_events > UINT32_MAX ? UINT32_MAX : (uint32_t)hop_events;
    params.max_gap_us = max_gap_us;
    params.background = white ? DAE_BACKGROUND_WHITE : DAE_BACKGROUND_BLACK;
    if (origin != Py_None) {
        params.origin_us = PyLong_AsLongLong(origin);
        if (PyErr_Occurred()) return -1;
    }
    struct dae_encoder *encoder;
    const int status = dae_encoder_init(&params, &encoder);
    if (status == DAE_ERROR_ARGUMENT) {
        PyErr_SetString(PyExc_ValueError,
                        "windows: 1 <= hop <= window < 2^30 (microseconds or events), at most 1024 hops in a window, "
                        "1 <= max_gap_us");
        return -1;
    }
    if (status != DAE_OK) return fail(status);
    if (!is_free(self->busy)) {
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
    return self->encoder != NULL && is_free(self->busy) ? self->encoder : NULL;
}

static PyObject *window_or_not(int status)
{
    if (status < 0) {
        fail(status);
        return NULL;
    }
    return PyBool_FromLong(status == DAE_WINDOW);
}

static PyObject *encoder_push(PyObject *object, PyObject *args)
{
    PyObject *array;
    Py_ssize_t offset = 0;
    struct dae_encoder *encoder = encoder_of(object);
    if (encoder == NULL || !PyArg_ParseTuple(args, "O|n", &array, &offset)) return NULL;
    Py_buffer view;
    struct dae_events events;
    if (get_any_events(array, &view, &events) < 0) return NULL;
    if (offset < 0 || (size_t)offset > events.n) {
        PyBuffer_Release(&view);
        return PyErr_Format(PyExc_ValueError, "offset must be 0..%zd, got %zd", (Py_ssize_t)events.n, offset);
    }
    size_t used = 0;
    int status;
    ((struct encoder_object *)object)->busy = 1;
    Py_BEGIN_ALLOW_THREADS
    status = dae_encoder_push_events(encoder, &events, (size_t)offset, &used);
    Py_END_ALLOW_THREADS
    ((struct encoder_object *)object)->busy = 0;
    PyBuffer_Release(&view);
    if (status < 0) {
        fail(status);
        return NULL;
    }
    return Py_BuildValue("(nO)", (Py_ssize_t)used, status == DAE_WINDOW ? Py_True : Py_False);
}

static PyObject *encoder_push_bytes(PyObject *object, PyObject *args)
{
    PyObject *decoding, *data;
    Py_ssize_t offset = 0;
    struct dae_encoder *encoder = encoder_of(object);
    if (encoder == NULL || !PyArg_ParseTuple(args, "OO|n", &decoding, &data, &offset)) return NULL;
    if (PyType_GetSlot(Py_TYPE(decoding), Py_tp_dealloc) != (void *)decoder_dealloc)
        return PyErr_Format(PyExc_TypeError, "push_bytes wants a Decoder first");
    struct dae_decoder *decoder = decoder_of(decoding);
    Py_buffer bytes;
    if (decoder == NULL || get_buffer(data, &bytes, 0, 0, "data") < 0) return NULL;
    if (offset < 0 || offset > bytes.len) {
        PyErr_Format(PyExc_ValueError, "offset must be 0..%zd, got %zd", bytes.len, offset);
        PyBuffer_Release(&bytes);
        return NULL;
    }
    size_t used = 0;
    int status;
    ((struct encoder_object *)object)->busy = ((struct decoder_object *)decoding)->busy = 1;
    Py_BEGIN_ALLOW_THREADS
    status = dae_encoder_push_bytes(encoder, decoder, (const uint8_t *)bytes.buf + offset, (size_t)(bytes.len - offset),
                                    &used);
    Py_END_ALLOW_THREADS
    ((struct encoder_object *)object)->busy = ((struct decoder_object *)decoding)->busy = 0;
    PyBuffer_Release(&bytes);
    if (status < 0) {
        fail(status);
        return NULL;
    }
    return Py_BuildValue("(nO)", (Py_ssize_t)used, status == DAE_WINDOW ? Py_True : Py_False);
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

static PyObject *encoder_window(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct dae_encoder *encoder = encoder_of(object);
    if (encoder == NULL) return NULL;
    struct dae_window window;
    const int status = dae_encoder_window(encoder, &window);
    if (status != DAE_OK) {
        fail(status);
        return NULL;
    }
    return Py_BuildValue("{s:L,s:L,s:L,s:L,s:K,s:O,s:O}", "start_us", (long long)window.start_us, "end_us",
                         (long long)window.end_us, "first_us", (long long)window.first_us, "last_us",
                         (long long)window.last_us, "events", (unsigned long long)window.events, "partial",
                         window.partial ? Py_True : Py_False, "restart", window.restart ? Py_True : Py_False);
}

static PyObject *encoder_render(PyObject *object, PyObject *array)
{
    const struct encoder_object *self = (struct encoder_object *)object;
    struct dae_encoder *encoder = encoder_of(object);
    Py_buffer image;
    if (encoder == NULL || get_image(array, &image, self->width, self->height) < 0) return NULL;
    int status;
    ((struct encoder_object *)object)->busy = 1;
    Py_BEGIN_ALLOW_THREADS
    if (image.itemsize == 1) status = dae_encoder_render_u8(encoder, image.buf, (size_t)image.len);
    else if (image.itemsize == 2) status = dae_encoder_render_f16(encoder, image.buf, (size_t)image.len / 2);
    else status = dae_encoder_render_f32(encoder, image.buf, (size_t)image.len / sizeof(float));
    Py_END_ALLOW_THREADS
    ((struct encoder_object *)object)->busy = 0;
    PyBuffer_Release(&image);
    if (status != DAE_OK) {
        fail(status);
        return NULL;
    }
    Py_RETURN_NONE;
}

#define ENCODER_FIELD(name) {#name, offsetof(struct dae_encoder_counters, name)}
static const struct field encoder_fields[] = {
    ENCODER_FIELD(events), ENCODER_FIELD(dropped_outside), ENCODER_FIELD(clamped_backward),
    ENCODER_FIELD(restarts), ENCODER_FIELD(windows), ENCODER_FIELD(empty_windows), {NULL, 0},
};

static PyObject *encoder_counters(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct dae_encoder *encoder = encoder_of(object);
    if (encoder == NULL) return NULL;
    struct dae_encoder_counters counters;
    dae_encoder_counters(encoder, &counters);
    return dict_of(&counters, encoder_fields);
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
    if (encoder == NULL || get_buffer(snapshot, &bytes, 0, 1, "snapshot") < 0) return NULL;
    const int status = dae_encoder_load(encoder, bytes.buf, (size_t)bytes.len);
    PyBuffer_Release(&bytes);
    if (status != DAE_OK) {
        fail(status);
        return NULL;
    }
    Py_RETURN_NONE;
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

/* ---- Functions of whole arrays --------------------------------------------------------------------- */

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
    if (parse_simd(simd_name, &simd) < 0 || parse_size(width, height, &w, &h) < 0) return NULL;
    if (get_any_events(array, &view, &events) < 0) return NULL;
    if (get_image(out, &image, w, h) < 0) {
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
    fail(status);
    return NULL;
}

static PyObject *native_voxel_grid(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *array, *out;
    Py_buffer view, grid;
    struct dae_events events;
    if (!PyArg_ParseTuple(args, "OO", &array, &out) || get_any_events(array, &view, &events) < 0) return NULL;
    if (get_buffer(out, &grid, 1, (Py_ssize_t)sizeof(float), "grid must be float32") < 0) {
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

/* The vector units of this machine, the best one first. */
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

static PyMethodDef native_functions[] = {
    {"tencode", native_tencode, METH_VARARGS, "tencode(events, image, width, height, white) -> events dropped"},
    {"simd_levels", native_simd_levels, METH_NOARGS, "The vector units of this machine, the best one first."},
    {"voxel_grid", native_voxel_grid, METH_VARARGS, "voxel_grid(events, grid) -> events dropped"},
    {NULL, NULL, 0, NULL},
};

/* ---- Module ---------------------------------------------------------------------------------------- */

/* `qualified` must outlive the type: CPython up to 3.11 keeps the pointer. */
static int add_type(PyObject *module, const char *qualified, size_t size, PyMethodDef *methods, initproc init,
                    destructor dealloc, const char *doc)
{
    PyType_Slot slots[] = {
        {Py_tp_doc, (void *)doc},         {Py_tp_new, (void *)PyType_GenericNew}, {Py_tp_init, (void *)init},
        {Py_tp_dealloc, (void *)dealloc}, {Py_tp_methods, methods},               {0, NULL},
    };
    PyType_Spec spec = {qualified, (int)size, 0, Py_TPFLAGS_DEFAULT, slots};
    PyObject *type = PyType_FromSpec(&spec);
    if (type == NULL) return -1;
    const int result = PyModule_AddObject(module, strrchr(qualified, '.') + 1, type); /* takes the reference on success */
    if (result < 0) Py_DECREF(type);
    return result;
}

static int add_formats(PyObject *module)
{
    PyObject *names = PyTuple_New(FORMAT_COUNT);
    for (int i = 0; names != NULL && i < FORMAT_COUNT; i++) {
        PyObject *name = PyUnicode_FromString(format_names[i].name);
        if (name == NULL || PyTuple_SetItem(names, i, name) < 0) Py_CLEAR(names);
    }
    if (names == NULL) return -1;
    const int result = PyModule_AddObject(module, "FORMATS", names);
    if (result < 0) Py_DECREF(names);
    return result;
}

static struct PyModuleDef native_module = {
    PyModuleDef_HEAD_INIT, "_native", "The C core of dae_edge.", -1, native_functions, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__native(void)
{
    PyObject *module = PyModule_Create(&native_module);
    if (module == NULL) return NULL;
    if (PyModule_AddStringConstant(module, "VERSION", dae_version()) < 0 || add_formats(module) < 0
        || add_type(module, "dae_edge._native.Decoder", sizeof(struct decoder_object), decoder_methods, decoder_init, decoder_dealloc,
                    "Decoder(format, width, height): bytes of a recording to events.") < 0
        || add_type(module, "dae_edge._native.Encoder", sizeof(struct encoder_object), encoder_methods, encoder_init, encoder_dealloc,
                    "Encoder(width, height, ...): events to windows to Tencode images.") < 0)
        Py_CLEAR(module);
    return module;
}
