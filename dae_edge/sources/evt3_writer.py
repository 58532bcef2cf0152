"""Events to EVT3, the 16-bit word format of Prophesee's cameras (documentation "EVT 3.0 Format").

Written so that every reader agrees on the result: vectors only as whole 12-12-8 groups inside the
sensor, a TIME_LOW after each TIME_HIGH, and TIME_HIGH repeated as cameras do. Refuses what EVT3
cannot say; it never drops or moves an event. Triggers are not written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dae_edge.events import Events

ADDR_Y, ADDR_X, VECT_BASE_X, VECT_12, VECT_8, TIME_LOW, TIME_HIGH = (
    type_ << 12 for type_ in (0x0, 0x2, 0x3, 0x4, 0x5, 0x6, 0x8)
)
SENSOR_LIMIT = 2048
"""Coordinates have 11 bits."""
TURN_US = 1 << 24
"""The clock of EVT3 starts anew after this time; a stream can start only in its first turn."""
REPEAT_SHIFT = 8
"""TIME_HIGH is repeated when the time crosses a multiple of 2**8 us: for late readers."""
MAX_GAP_US = 3_600_000_000
"""One TIME_HIGH per 4096 us fills a silence, so an hour of it costs 1.8 MB. Longer is refused."""
LONGEST_LINE = 1000
"""Readers give up on longer header lines."""
_KEY = re.compile("[A-Za-z][A-Za-z0-9_]+")
GROUP = 32
"""Columns of one 12-12-8 group; four words, so it pays from five events on."""


def evt3_bytes(events: Events, *, width: int, height: int) -> bytes:
    """Encode a packet, an ``EVENT`` array sorted by time, as EVT3 words without a file header.

    Decoding gives the same events in the same order.

    Raises:
        ValueError: a sensor beyond 2048x2048, events that are unsorted or outside the sensor, a
            first time that is negative or not below 2**24 us, or a silence of more than an hour.
    """
    _check(events, width, height)
    if not len(events):
        return b""
    t = events["t"]
    high_steps = np.diff(t >> 12, prepend=(t[0] >> 12) - 1)
    new_time = np.diff(t, prepend=-1) != 0
    repeats = (high_steps == 0) & (np.diff(t >> REPEAT_SHIFT, prepend=-1) != 0)
    new_row = np.diff(events["y"].astype(np.int32), prepend=-1) != 0
    group, leads, grouped = _groups(events, width, new_time | new_row)

    high_words = high_steps + repeats
    event_words = np.where(grouped, np.where(leads, 4, 0), 1)
    ends = np.cumsum(high_words + new_time + new_row + event_words)
    words = np.empty(ends[-1], "<u2")
    at_event = ends - event_words
    at_row = at_event - new_row
    at_low = at_row - new_time

    _put_time_high(words, at_low, t >> 12, high_words)
    words[at_low[new_time]] = TIME_LOW | (t[new_time] & 0xFFF)
    words[at_row[new_row]] = ADDR_Y | events["y"][new_row]
    single = events[~grouped]
    words[at_event[~grouped]] = ADDR_X | single["on"].astype(np.uint16) << 11 | single["x"]
    _put_groups(words, at_event[grouped], events[grouped], group[grouped], width)
    return words.tobytes()


def write_evt3(
    path: str | os.PathLike[str],
    events: Events,
    *,
    width: int,
    height: int,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a ``.raw`` file: header lines, then the words of :func:`evt3_bytes`.

    The file is written beside ``path`` and renamed, so a failure leaves nothing half-written.

    Args:
        path: The file to write, replaced if it exists.
        events: ``EVENT`` array sorted by time.
        width: Sensor width in pixels, at most 2048.
        height: Sensor height in pixels, at most 2048.
        metadata: Further header lines ``% key value``, e.g. ``{"date": "2026-01-31 12:00:00"}``.

    Raises:
        ValueError: as :func:`evt3_bytes`; or metadata that does not fit on a header line.
    """
    content = _header(width, height, metadata or {}) + evt3_bytes(
        events, width=width, height=height
    )
    path = Path(path)
    aside = path.with_name(f"{path.name}.part{os.getpid()}")
    try:
        aside.write_bytes(content)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _check(events: Events, width: int, height: int) -> None:
    if not (1 <= width <= SENSOR_LIMIT and 1 <= height <= SENSOR_LIMIT):
        raise ValueError(f"EVT3 sensors are 1..{SENSOR_LIMIT} pixels, got {width}x{height}")
    if not len(events):
        return
    for name, size in (("x", width), ("y", height)):
        largest = int(events[name].max())
        if largest >= size:
            raise ValueError(f"events must lie in {width}x{height}, got {name} = {largest}")
    first = int(events["t"][0])
    if not 0 <= first < TURN_US:
        raise ValueError(f"the first event's time must be 0..{TURN_US - 1} us, got {first} us")
    gaps = np.diff(events["t"])
    if len(gaps) and gaps.min() < 0:
        index = int(np.argmax(gaps < 0)) + 1
        raise ValueError(
            f"events must be sorted by time, event {index} is earlier than its neighbour"
        )
    if len(gaps) and gaps.max() > MAX_GAP_US:
        raise ValueError(f"silence of at most {MAX_GAP_US} us, got {int(gaps.max())} us")


def _groups(
    events: Events, width: int, breaks: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Which events share a vector group: index of its first event, is it this one, does it pay."""
    x = events["x"].astype(np.int32)
    leads = breaks | (np.diff(events["on"].view(np.int8), prepend=-1) != 0)
    leads |= (np.diff(x // GROUP, prepend=-1) != 0) | (np.diff(x, prepend=0) <= 0)
    firsts = np.flatnonzero(leads)
    sizes = np.diff(firsts, append=len(x))
    pays = (sizes > 4) & (width >= GROUP)
    return np.repeat(firsts, sizes), leads, np.repeat(pays, sizes)


def _put_time_high(
    words: NDArray[np.uint16],
    at_low: NDArray[np.int64],
    high: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None:
    """Before each TIME_LOW, ``counts`` TIME_HIGH words that end at the event's own."""
    owner = np.repeat(np.arange(len(counts)), counts)
    back = np.cumsum(counts)[owner] - np.arange(len(owner))  # counts .. 1 within each owner
    words[at_low[owner] - back] = TIME_HIGH | ((high[owner] - back + 1) & 0xFFF)


def _put_groups(
    words: NDArray[np.uint16],
    at: NDArray[np.int64],
    events: Events,
    group: NDArray[np.int64],
    width: int,
) -> None:
    """VECT_BASE_X, VECT_12, VECT_12, VECT_8 for each group, shifted left at the right edge.

    ``events``, ``group`` (the same number for all events of one group) and ``at`` (the index of the
    group's first word) are those of grouped events only.
    """
    firsts = np.flatnonzero(np.diff(group, prepend=-1))
    base = np.minimum(events["x"] // GROUP * GROUP, max(width - GROUP, 0))
    bits = np.uint32(1) << (events["x"] - base).astype(np.uint32)
    mask = np.bitwise_or.reduceat(bits, firsts) if len(firsts) else bits
    polarity = events["on"].astype(np.uint16) << 11
    words[at[firsts]] = VECT_BASE_X | polarity[firsts] | base[firsts]
    words[at[firsts] + 1] = VECT_12 | (mask & 0xFFF)
    words[at[firsts] + 2] = VECT_12 | (mask >> 12 & 0xFFF)
    words[at[firsts] + 3] = VECT_8 | (mask >> 24)


def _header(width: int, height: int, metadata: Mapping[str, str]) -> bytes:
    lines = [f"format EVT3;height={height};width={width}", f"geometry {width}x{height}", "evt 3.0"]
    for key, value in metadata.items():
        line = f"{key} {value}"
        taken = key in ("format", "geometry", "evt", "end")
        fits = line.isascii() and line.isprintable() and len(line) <= LONGEST_LINE
        if taken or not fits or not _KEY.fullmatch(key):
            raise ValueError(
                f"metadata must be 'key value' on one ASCII line, got {key!r}: {value!r}"
            )
        lines.append(line)
    return "".join(f"% {line}\n" for line in [*lines, "end"]).encode("ascii")
