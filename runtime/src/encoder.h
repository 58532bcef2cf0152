/* The encoder's insides, for encoder.c, render.c and snapshot.c. Private. */
#ifndef DAE_ENCODER_H
#define DAE_ENCODER_H

#include "dae.h"

/* A cell is number << 33 | (time since the base) << 1 | on, of 31, 31 (and a spare bit) and 1 bits; 0 is a pixel that
 * no event has touched. */
#define NUMBER_LIMIT (((uint64_t)1 << 31) - 2) /* one below what 31 bits hold: "the next event" fits too */
#define TIME_LIMIT ((int64_t)1 << 31)
#define EVENT_TIME_LIMIT ((int64_t)1 << 60) /* keeps sums of times and windows far from overflow */
#define HOPS_LIMIT 1024
#define NEVER INT64_MAX

struct start { /* where a window begins */
    uint64_t number; /* of its first event */
    int64_t first_us;
};

struct state {
    uint64_t number;      /* of the newest event; the first is 1 */
    uint64_t number_base; /* cells hold number - number_base */
    int64_t time_base;    /* cells hold t - time_base */
    int64_t clock;        /* newest time seen: no event is taken for older */
    int64_t last_us;      /* time of the newest event */
    uint64_t shown;       /* newest event that some window has shown */
    uint64_t next_close;  /* window that closes next */
    uint64_t next_open;   /* first window whose first event has not come yet */
    int64_t close_start_us; /* begin of window next_close (by time) */
    int64_t open_start_us;  /* begin of window next_open (by time) */
    uint64_t open_number;   /* number of the first event of window next_open (by count) */
    int32_t has_clock;
    int32_t started;      /* the grid of windows stands */
    int32_t restart;      /* the next window is the first after a break */
    int32_t ready;        /* `window` may be rendered */
    uint64_t window_number; /* first event of the ready window */
    struct dae_window window;
    struct dae_encoder_counters counters;
};

struct dae_encoder {
    struct dae_encoder_params params;
    size_t pixels;
    size_t starts_size; /* ring length: more than the windows open at any time */
    struct start *starts;
    uint64_t *cells;
    struct state state;
};

#endif
