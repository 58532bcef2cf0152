/* The encoder's insides, for encoder.c, windows.c, push.c, push_bytes.c, render.c and snapshot.c. Private. */
#ifndef DAE_ENCODER_H
#define DAE_ENCODER_H

#include "dae.h"
#include "kernels.h"

/* Each event has a key: its time since `key_base`. Keys never run backward, and the first event of a window has a key
 * above all before it: where the times alone do not give that, the base moves. So "is this pixel's latest event in
 * the window" is one comparison of keys, and within a window a difference of keys is one of times, but for the raised
 * keys of windows that began inside it at the time of the event before.
 * A cell is key << 1 | on; 0 is a pixel that no event has touched. */
#define KEY_LIMIT (((int64_t)1 << 31) - 2) /* one below what 31 bits hold: a raised key fits too */
#define EVENT_TIME_LIMIT ((int64_t)1 << 60) /* keeps sums of times and windows far from overflow */
#define NUMBER_LIMIT ((uint64_t)1 << 62)
#define HOPS_LIMIT 1024
#define NEVER INT64_MAX

struct start { /* where a window begins */
    uint64_t number; /* of its first event */
    int64_t first_us;
    uint32_t key;
    uint32_t raised; /* 1: the time alone would have given key - 1, as the event before has */
};

struct state {
    uint64_t number;      /* of the newest event; the first is 1 */
    int64_t key_base;
    uint32_t key;         /* of the newest event; no cell has a larger one */
    int32_t has_clock;
    int64_t clock;        /* newest time seen: no event is taken for older */
    int64_t last_us;      /* time of the newest event */
    uint64_t shown;       /* newest event that some window has shown */
    uint64_t next_close;  /* window that closes next */
    uint64_t next_open;   /* first window whose first event has not come yet */
    int64_t close_start_us; /* begin of window next_close (by time) */
    int64_t open_start_us;  /* begin of window next_open (by time) */
    uint64_t open_number;   /* number of the first event of window next_open (by count) */
    int32_t started;      /* the grid of windows stands */
    int32_t restart;      /* the next window is the first after a break */
    int32_t ready;        /* `window` may be rendered */
    uint32_t window_key;  /* of the ready window's first event */
    struct dae_window window;
    struct dae_encoder_counters counters;
};

struct dae_encoder {
    struct dae_encoder_params params;
    const struct dae_kernels *kernels;
    size_t pixels;
    size_t starts_size; /* ring length: more than the windows open at any time */
    struct start *starts;
    uint32_t *cells;    /* one more than pixels: events outside the sensor go there */
    struct state state;
};

/* ---- windows.c ---- */

/* Lay the grid so that the first window that holds time t is the next to close. */
void dae_windows_start(struct dae_encoder *encoder, int64_t t);
/* When the window that closes next ends, by time. */
int64_t dae_windows_close_us(const struct dae_encoder *encoder);
/* Announce the window that closes next and move on to the one after; DAE_WINDOW. */
int dae_windows_close(struct dae_encoder *encoder, int64_t end_us, int partial);
/* A break in time: events that no window has shown yet make one last window, then the grid is given up. */
int dae_windows_break_off(struct dae_encoder *encoder, int64_t end_us, int partial);
/* The event about to be taken is the first of every window that has begun by now. */
void dae_windows_open(struct dae_encoder *encoder, int64_t t);
/* Has the window that closes next all its events, by count? */
int dae_windows_is_full(const struct dae_encoder *encoder);
/* Times before this one need no more than storing: no window opens or closes, no key runs out. */
int64_t dae_windows_quiet_until(const struct dae_encoder *encoder);
/* How many events may be stored before the count opens or closes a window. */
uint64_t dae_windows_quiet_events(const struct dae_encoder *encoder);

/* Has the window that closes next an event? */
static inline int dae_windows_hold_events(const struct state *state)
{
    return state->started && state->next_open > state->next_close;
}

/* ---- push.c ---- */

/* Where to store events while nothing else happens; note_stored says how far that went. */
struct dae_storing dae_encoder_storing(const struct dae_encoder *encoder);
void dae_encoder_note_stored(struct dae_encoder *encoder, const struct dae_storing *storing, uint64_t events);

#endif
