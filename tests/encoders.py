"""Events to the bytes of EVT2, EVT2.1, EVT4 and DAT, for tests. EVT3: dae_edge.sources.evt3_writer.

Events must be sorted and fit the format. Each TIME_HIGH is written twice, so that a decoder
believes it after a silence, too.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dae_edge.events import Events


def evt2_bytes(events: Events) -> bytes:
    """32-bit words: one per event, and TIME_HIGH in units of 64 us."""
    words = []
    for highs, fields, on, _ in _masked(events, widest=1):
        words += [0x8 << 28 | high for high in highs]
        words.append(on << 28 | fields)
    return np.array(words, "<u4").tobytes()


def evt21_bytes(events: Events, *, legacy: bool = False) -> bytes:
    """64-bit words, a mask of 32 pixels each; ``legacy`` swaps their halves."""
    words = []
    for highs, fields, on, mask in _masked(events, widest=32):
        words += [(0x8 << 28 | high) << 32 for high in highs]
        words.append((on << 28 | fields) << 32 | mask)
    array = np.array(words, "<u8")
    return (array << 32 | array >> 32 if legacy else array).tobytes()


def evt4_bytes(events: Events) -> bytes:
    """32-bit words: single events, or vectors with the mask in the next word."""
    words = []
    for highs, fields, on, mask in _masked(events, widest=32):
        words += [0xE << 28 | high for high in highs]
        single = [(0xA + on) << 28 | fields]
        words += single if mask == 1 else [(0xC + on) << 28 | fields, mask]
    return np.array(words, "<u4").tobytes()


def dat_bytes(events: Events) -> bytes:
    """8 bytes per event: time, then x, y and polarity."""
    words = np.empty((len(events), 2), "<u4")
    words[:, 0] = events["t"] & 0xFFFFFFFF
    words[:, 1] = events["x"] | events["y"].astype("u4") << 14 | events["on"].astype("u4") << 28
    return words.tobytes()


def _masked(events: Events, *, widest: int) -> Iterator[tuple[list[int], int, int, int]]:
    """TIME_HIGH values to write first, time and pixel in their bits, polarity, mask from there on.

    Neighbours of one time, row and polarity share a mask while x grows by less than ``widest``.
    """
    rows = events.tolist()
    start, last_high = 0, -1
    while start < len(rows):
        t, x, y, on = rows[start]
        end, mask = start + 1, 1
        while end < len(rows) and rows[end] == (t, rows[end][1], y, on):
            if not rows[end - 1][1] < rows[end][1] < x + widest:
                break
            mask |= 1 << rows[end][1] - x
            end += 1
        highs = [t >> 6 & 0xFFFFFFF] * 2 if t >> 6 != last_high else []
        yield highs, (t & 63) << 22 | x << 11 | y, int(on), mask
        start, last_high = end, t >> 6
