/* dae: events of an event camera in, Tencode images out, for depth on a robot's own computer.
 *
 * Basic usage:
 *
 *     struct dae_encoder_params params = dae_encoder_default_params();
 *     params.width = 346; params.height = 260;
 *     struct dae_encoder *encoder;
 *     if (dae_encoder_init(&params, &encoder) != DAE_OK) { ... }
 *     size_t used, offset = 0;
 *     while (dae_encoder_push(encoder, events + offset, n - offset, &used) == DAE_WINDOW) {
 *         offset += used;
 *         dae_encoder_render_u8(encoder, image, sizeof image);
 *         ... run the network on image ...
 *     }
 *     dae_encoder_free(encoder);
 *
 * Rules that hold for every function here:
 * - Memory is allocated in `_init` and released in `_free`, nowhere else. Output goes to buffers of the caller.
 * - Nothing prints, exits, or touches global state. Errors are negative `enum dae_status` values.
 * - NULL is an argument like any other: where it makes no sense the answer is DAE_ERROR_ARGUMENT, and functions that
 *   return no status do nothing with it, give zeros (`_counters`), or 0 (`_snapshot_size`).
 * - Different objects may be used from different threads at once; one object, from one thread at a time. The ring is
 *   made for two threads, one on each side.
 * - Times are integer microseconds; x grows to the right, y grows down, both from 0.
 * - Parameter structs start with `struct_size`, set by `_default_params`, so that fields can be added later.
 */
#ifndef DAE_H
#define DAE_H

#include <stddef.h> /* size_t */
#include <stdint.h> /* uint8_t .. int64_t */

#define DAE_VERSION "0.1.0"

#if defined(_WIN32)
#define DAE_API
#else
#define DAE_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum dae_status {
    DAE_OK = 0,
    DAE_WINDOW = 1,              /* a window is complete: render it, then push on */
    DAE_ERROR_ARGUMENT = -1,     /* a parameter is out of range */
    DAE_ERROR_MEMORY = -2,       /* allocation failed in _init */
    DAE_ERROR_BUFFER = -3,       /* the caller's buffer is too small */
    DAE_ERROR_STATE = -4,        /* a snapshot does not fit this object, or no window is open to render */
};

/* One brightness change: 13 bytes, packed, the layout of the Python package's EVENT dtype. */
#pragma pack(push, 1)
struct dae_event {
    int64_t t;   /* microseconds */
    uint16_t x;
    uint16_t y;
    uint8_t on;  /* 1: brighter, 0: darker; any value but 0 counts as 1 */
};
#pragma pack(pop)

/* The same in Metavision's layout (EventCD): 16 bytes. */
struct dae_event_cd {
    uint16_t x;
    uint16_t y;
    int16_t p;   /* greater than 0: brighter */
    int64_t t;
};

/* Events where they lie: nothing is converted or copied before use. */
enum dae_layout {
    DAE_LAYOUT_PACKED = 0,       /* `packed`: struct dae_event */
    DAE_LAYOUT_CD = 1,           /* `cd`: struct dae_event_cd */
    DAE_LAYOUT_ARRAYS = 2,       /* four arrays: t, x, y, on */
};

struct dae_events {
    enum dae_layout layout;
    size_t n;
    const struct dae_event *packed;
    const struct dae_event_cd *cd;
    const int64_t *t;
    const uint16_t *x;
    const uint16_t *y;
    const uint8_t *on;
};

DAE_API struct dae_events dae_events_packed(const struct dae_event *events, size_t n);
DAE_API struct dae_events dae_events_cd(const struct dae_event_cd *events, size_t n);
DAE_API struct dae_events dae_events_arrays(const int64_t *t, const uint16_t *x, const uint16_t *y, const uint8_t *on,
                                            size_t n);

DAE_API const char *dae_version(void);
DAE_API const char *dae_status_str(int status);

/* Vector units. All levels give the same bits; a parameter asks for one, and _init refuses what the machine lacks. */
enum dae_simd {
    DAE_SIMD_AUTO = 0,           /* the best that the machine has */
    DAE_SIMD_SERIAL = 1,         /* plain C, on every machine */
    DAE_SIMD_NEON = 2,
    DAE_SIMD_AVX2 = 3,
    DAE_SIMD_AVX512 = 4,         /* F, BW, VL, DQ, CD, VBMI and VBMI2: Ice Lake, Zen 4 and later */
};

DAE_API enum dae_simd dae_simd_best(void); /* what DAE_SIMD_AUTO stands for */
DAE_API int dae_simd_has(enum dae_simd simd);
DAE_API const char *dae_simd_str(enum dae_simd simd);

/* ---- Decoders: bytes of a recording or a camera -> events -------------------------------------- */

enum dae_format {
    DAE_FORMAT_EVT2 = 1,
    DAE_FORMAT_EVT21 = 2,        /* 64-bit words, little endian (GenX320) */
    DAE_FORMAT_EVT21_LEGACY = 3, /* 64-bit words with swapped halves (IMX636 and older) */
    DAE_FORMAT_EVT3 = 4,
    DAE_FORMAT_EVT4 = 5,
    DAE_FORMAT_DAT = 6,          /* DAT v2, the 8-byte events after the header and its two type bytes */
};

struct dae_decoder_params {
    size_t struct_size;
    enum dae_format format;
    uint16_t width;              /* pixels; events at x >= width or y >= height are dropped and counted */
    uint16_t height;
    enum dae_simd simd;
};

/* Time. Everything before the first time word is dropped. A step of at least half the clock's range back is a wrap.
 * Any other step back, or one of more than 2^20 us (1.05 s) ahead, is not believed at once: the clock stands still and
 * events are dropped until
 * - a time word is back within 0 .. 2^20 us of the clock, or
 * - for a step ahead: the next time word agrees (is 0 .. 4096 us ahead of it), or
 * - for a step back: 128 time words in a row (each 0 .. 2^20 us ahead of the one before) stay there. Then the sensor
 *   has started anew, and its time goes on from the last event (time_resets). Two are enough when they contradict a
 *   lone first time word.
 * Within one time word an event that is older than the last one gets its time. DAT has no time words: each event inside
 * the sensor is one, agrees within 2^20 us, and is clamped when it is at most 4096 us behind; eight zero bytes are none
 * (padding_words), unless the clock still stands at 0. */

/* What a decoder saw. Everything that is not an event of the sensor is counted, nothing is silent. */
struct dae_decoder_counters {
    uint64_t bytes;              /* of whole words; the tail of an unfinished word is not among them */
    uint64_t words;
    uint64_t events;             /* written to the caller */
    uint64_t triggers;           /* external trigger words */
    uint64_t time_wraps;         /* the sensor's clock went once around */
    uint64_t time_resets;        /* the sensor's clock started anew; event times go on without it */
    uint64_t time_glitches;      /* times that ran backward or jumped: time words not believed, events clamped */
    uint64_t dropped_before_time; /* events before the first time word */
    uint64_t dropped_before_y;   /* EVT3 events before the first row word, or of vectors before the first base */
    uint64_t dropped_x;          /* events outside the sensor, horizontally only */
    uint64_t dropped_y;          /* events outside the sensor, vertically */
    uint64_t dropped_glitch;     /* events while the time was not believed */
    uint64_t partial_vectors;    /* EVT3 12-12-8 groups that were cut short (legal, decoded word by word) */
    uint64_t reserved_words;     /* words of a type the format does not define */
    uint64_t other_words;        /* vendor, monitoring and continuation words: legal, skipped */
    uint64_t padding_words;
};

struct dae_decoder;

DAE_API struct dae_decoder_params dae_decoder_default_params(void);
DAE_API int dae_decoder_init(const struct dae_decoder_params *params, struct dae_decoder **decoder);
DAE_API void dae_decoder_free(struct dae_decoder *decoder);
/* Forget the clock, the row and the unfinished word; keep the counters. */
DAE_API void dae_decoder_reset(struct dae_decoder *decoder);

/* The smallest `capacity` dae_decoder_decode accepts: one word can hold this many events. */
#define DAE_DECODER_MIN_CAPACITY 32

/* Decode until the input ends or fewer than DAE_DECODER_MIN_CAPACITY places are left in `events`.
 * *used bytes were consumed, *count events written. Words may be cut anywhere between calls: an unfinished
 * word stays inside the decoder. Event times never run backward. Places behind the events may be overwritten. */
DAE_API int dae_decoder_decode(struct dae_decoder *decoder, const uint8_t *bytes, size_t n, size_t *used,
                               struct dae_event *events, size_t capacity, size_t *count);
DAE_API void dae_decoder_counters(const struct dae_decoder *decoder, struct dae_decoder_counters *counters);

/* ---- Tencode of an array of events -------------------------------------------------------------- */

enum dae_background { DAE_BACKGROUND_BLACK = 0, DAE_BACKGROUND_WHITE = 1 };

/* Tencode: per pixel the latest event; R = brighter, B = darker, G = age (1 oldest .. 0 newest) relative to the
 * first and last event of the array. A zero time span gives G = 1. Events outside the sensor are skipped; *dropped
 * counts them. uint8 HWC, `size` >= height*width*3; G is rounded half to even and clipped to 0..255. */
DAE_API int dae_tencode_u8(const struct dae_event *events, size_t n, uint16_t width, uint16_t height,
                           enum dae_background background, uint8_t *image, size_t size, size_t *dropped);
/* The same in float32 CHW, values of [0, 1], not rounded; `size` counts floats, >= 3*height*width. */
DAE_API int dae_tencode_f32(const struct dae_event *events, size_t n, uint16_t width, uint16_t height,
                            enum dae_background background, float *image, size_t size, size_t *dropped);

/* Voxel grid, float32 [bins, height, width]: polarity (+1, -1) spread linearly over the two nearest time bins. */
DAE_API int dae_voxel_grid(const struct dae_event *events, size_t n, uint16_t bins, uint16_t width, uint16_t height,
                           float *grid, size_t size, size_t *dropped);

/* The same three for any layout, and for a chosen vector unit where there is a form for one. */
DAE_API int dae_tencode_u8_events(const struct dae_events *events, uint16_t width, uint16_t height,
                                  enum dae_background background, enum dae_simd simd, uint8_t *image, size_t size,
                                  size_t *dropped);
DAE_API int dae_tencode_f32_events(const struct dae_events *events, uint16_t width, uint16_t height,
                                   enum dae_background background, float *image, size_t size, size_t *dropped);
DAE_API int dae_voxel_grid_events(const struct dae_events *events, uint16_t bins, uint16_t width, uint16_t height,
                                  float *grid, size_t size, size_t *dropped);

/* ---- Encoder: a stream of events -> windows -> Tencode images ------------------------------------ */

/* Windows are half-open [start, start + window) in time, one every hop, counted from the first event (or from
 * `origin_us`); or, with window_events > 0, the last window_events events, one window every hop_events. */
struct dae_encoder_params {
    size_t struct_size;
    uint16_t width;
    uint16_t height;
    int64_t window_us;           /* 1 .. 2^30 - 1; default 50,000 */
    int64_t hop_us;              /* 1 .. window_us; 0 means window_us; at most 1024 hops in a window */
    uint32_t window_events;      /* 0: windows by time; 1 .. 2^30 - 1: by count (window, hop, origin_us unused) */
    uint32_t hop_events;         /* 1 .. window_events; 0 means window_events; at most 1024 hops in a window */
    int64_t origin_us;           /* a window begins here; none before, unless events do; or DAE_ORIGIN_FIRST_EVENT */
    int64_t max_gap_us;          /* a longer silence, or a longer step back, starts a new grid; default 1,000,000 */
    enum dae_background background;
    enum dae_simd simd;
};
#define DAE_ORIGIN_FIRST_EVENT INT64_MIN

/* The window that is ready to be rendered. */
struct dae_window {
    int64_t start_us;            /* begin of the window; by count: time of its first event */
    int64_t end_us;              /* end of the window (exclusive); by count or partial: the newest time, inclusive */
    int64_t first_us;            /* time of its first event; meaningless when events == 0 */
    int64_t last_us;             /* time of its last event */
    uint64_t events;
    int32_t partial;             /* 1: closed before its end, by dae_encoder_flush or where time breaks off */
    int32_t restart;             /* 1: first window after a gap or a step back of the clock: carry no state over */
};

struct dae_encoder_counters {
    uint64_t events;             /* pushed */
    uint64_t dropped_outside;    /* x >= width or y >= height, or a time beyond +-2^60 */
    uint64_t clamped_backward;   /* events older than the newest one: moved up to its time */
    uint64_t restarts;           /* gaps and steps back longer than max_gap_us */
    uint64_t windows;
    uint64_t empty_windows;
};

struct dae_encoder;

DAE_API struct dae_encoder_params dae_encoder_default_params(void);
DAE_API int dae_encoder_init(const struct dae_encoder_params *params, struct dae_encoder **encoder);
DAE_API void dae_encoder_free(struct dae_encoder *encoder);
/* Back to the state after _init; counters too. */
DAE_API void dae_encoder_reset(struct dae_encoder *encoder);

/* Take events until one window is complete (DAE_WINDOW) or all are taken (DAE_OK); *used says how many. */
DAE_API int dae_encoder_push(struct dae_encoder *encoder, const struct dae_event *events, size_t n, size_t *used);
/* The same for any layout: takes events from index `from` on. */
DAE_API int dae_encoder_push_events(struct dae_encoder *encoder, const struct dae_events *events, size_t from,
                                    size_t *used);
/* Bytes of a recording or a camera straight into the windows: the same windows, images and counters as decoding and
 * pushing, without events in between where there is a vector form (EVT2 and EVT3 on AVX-512). Takes bytes until one
 * window is complete (DAE_WINDOW) or all are taken (DAE_OK); *used says how many. After DAE_WINDOW the decoder may
 * hold events that it has decoded: go on with it and the rest of the bytes, of which there may be none, until DAE_OK.
 * Only then do not mix with other calls that give events. */
DAE_API int dae_encoder_push_bytes(struct dae_encoder *encoder, struct dae_decoder *decoder, const uint8_t *bytes,
                                   size_t n, size_t *used);
/* Time has reached t_us without further events: DAE_WINDOW while a window ends at or before it. */
DAE_API int dae_encoder_advance(struct dae_encoder *encoder, int64_t t_us);
/* End of the recording: DAE_WINDOW (partial) if events wait that no window has shown yet. */
DAE_API int dae_encoder_flush(struct dae_encoder *encoder);

/* The following belong to the window that the last DAE_WINDOW announced, until the next push, advance or flush. */
DAE_API int dae_encoder_window(const struct dae_encoder *encoder, struct dae_window *window);
DAE_API int dae_encoder_render_u8(const struct dae_encoder *encoder, uint8_t *image, size_t size);
DAE_API int dae_encoder_render_f32(const struct dae_encoder *encoder, float *image, size_t size);
/* IEEE half precision, CHW: the floats of _f32, rounded half to even. */
DAE_API int dae_encoder_render_f16(const struct dae_encoder *encoder, uint16_t *image, size_t size);

DAE_API void dae_encoder_counters(const struct dae_encoder *encoder, struct dae_encoder_counters *counters);

/* A snapshot holds the open window and the clock; it loads into an encoder of the same parameters only. */
DAE_API size_t dae_encoder_snapshot_size(const struct dae_encoder *encoder);
DAE_API int dae_encoder_save(const struct dae_encoder *encoder, uint8_t *buffer, size_t size);
DAE_API int dae_encoder_load(struct dae_encoder *encoder, const uint8_t *buffer, size_t size);

/* ---- Filters: events in, fewer events out --------------------------------------------------------- */

/* Each filter is off where its number is 0. Times that run backward count as no history. */
struct dae_filter_params {
    size_t struct_size;
    uint16_t width;
    uint16_t height;             /* events outside the sensor are dropped and counted */
    uint32_t hot_events;         /* most events of a pixel in a period; with more it is silent for the next one too */
    int64_t hot_period_us;       /* default 100,000 */
    int64_t refractory_us;       /* least time between two kept events of a pixel */
    int64_t background_us;       /* keep events only where one of the 8 neighbours had one in this time before */
};

struct dae_filter_counters {
    uint64_t kept;
    uint64_t dropped_outside;
    uint64_t dropped_hot;        /* the first reason counts, in this order */
    uint64_t dropped_refractory;
    uint64_t dropped_background;
};

struct dae_filter;

DAE_API struct dae_filter_params dae_filter_default_params(void);
DAE_API int dae_filter_init(const struct dae_filter_params *params, struct dae_filter **filter);
DAE_API void dae_filter_free(struct dae_filter *filter);
DAE_API void dae_filter_reset(struct dae_filter *filter);
/* The events that pass, *count of them, in their order. `out` has room for n; it may be `events`. */
DAE_API int dae_filter_apply(struct dae_filter *filter, const struct dae_event *events, size_t n,
                             struct dae_event *out, size_t *count);
DAE_API void dae_filter_counters(const struct dae_filter *filter, struct dae_filter_counters *counters);

/* ---- Ring: events from the thread of a driver to the thread that computes -------------------------- */

/* One thread may push while one other takes or skips; neither ever waits. Overflow: what does not fit is not taken and
 * is counted (dropped), so the thread that computes should take often, and skip what is too old to matter. */
struct dae_ring_params {
    size_t struct_size;
    size_t capacity;             /* events, 1 .. 2^31, rounded up to a power of two; default 2^20 (13 MiB) */
};

struct dae_ring_counters {
    uint64_t pushed;             /* and taken in */
    uint64_t dropped;            /* found no room */
    uint64_t taken;
    uint64_t skipped;
};

struct dae_ring;

DAE_API struct dae_ring_params dae_ring_default_params(void);
DAE_API int dae_ring_init(const struct dae_ring_params *params, struct dae_ring **ring);
DAE_API void dae_ring_free(struct dae_ring *ring);
/* The pushing thread: returns how many events found room, the first ones. */
DAE_API size_t dae_ring_push(struct dae_ring *ring, const struct dae_event *events, size_t n);
/* The taking thread: the oldest events, at most `capacity`; returns how many. */
DAE_API size_t dae_ring_take(struct dae_ring *ring, struct dae_event *events, size_t capacity);
/* The taking thread: throw the oldest away until at most `keep` wait; returns how many. */
DAE_API size_t dae_ring_skip(struct dae_ring *ring, size_t keep);
/* From either thread. */
DAE_API size_t dae_ring_waiting(const struct dae_ring *ring);
DAE_API void dae_ring_counters(const struct dae_ring *ring, struct dae_ring_counters *counters);

#ifdef __cplusplus
}
#endif
#endif
