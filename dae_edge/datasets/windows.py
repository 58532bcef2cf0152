"""Windows cut from a stream of events: for each depth map the events that led to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

from dae_edge.datasets.dataset import WINDOW_US
from dae_edge.errors import FormatError
from dae_edge.events import EVENT, Events


def event_windows(
    packets: Iterable[Events], ends_us: Iterable[int], *, name: str, window_us: int = WINDOW_US
) -> Iterator[Events]:
    """For each end, in order of time, the events of [end - window_us, end).

    Windows may overlap or leave gaps; no more than one window and one packet is held.

    Args:
        packets: Events in order of time.
        ends_us: Ends of windows, not decreasing.
        name: What to call the recording in errors.
        window_us: Length of a window, microseconds.

    Raises:
        FormatError: the times of the events step back.
    """
    stream = _in_order(packets, name)
    held: deque[Events] = deque()
    newest = next(stream, None)
    for end in ends_us:
        start = end - window_us
        while held and held[0]["t"][-1] < start:
            held.popleft()
        while newest is not None and newest["t"][0] < end:
            if newest["t"][-1] >= start:
                held.append(newest)
                if newest["t"][-1] >= end:
                    break  # later packets have nothing for this window
            newest = next(stream, None)
        yield _between(held, start, end)
        if held and held[-1] is newest:
            held.pop()  # it is looked at again for the next window


def _in_order(packets: Iterable[Events], name: str) -> Iterator[Events]:
    last = None
    for packet in packets:
        if len(packet) == 0:
            continue
        t = packet["t"]
        back = np.flatnonzero(t[1:] < t[:-1])
        if len(back):
            raise FormatError(f"{name}: time steps back from {t[back[0]]} to {t[back[0] + 1]} us")
        if last is not None and t[0] < last:
            raise FormatError(f"{name}: time steps back from {last} to {t[0]} us")
        last = t[-1]
        yield packet


def _between(packets: Iterable[Events], start: int, end: int) -> Events:
    parts = [
        packet[slice(*np.searchsorted(packet["t"], (start, end), side="left"))]
        for packet in packets
    ]
    return np.concatenate([np.empty(0, EVENT), *parts])
