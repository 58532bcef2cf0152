"""The same work for every case: a recording, decoded once and cut where windows end, repeated.

A packet ends with the first event after its window's end, which is what closes a window. Decoding
is timed on the way, and is no part of the latency: a camera is decoded while its window fills.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_edge.bundle import sha256_of
from dae_edge.errors import FormatError
from dae_edge.events import Events
from dae_edge.sources import open_source

FEWEST = 2
DECODINGS = 5
"""Times that the recording is decoded; of a window's decoding times the median counts."""


@dataclass(frozen=True)
class Windows:
    """A recording as packets, one for each hop from one window's end to the next.

    Attributes:
        packets: Each with the events after the last packet's, up to and with the first one of the
            next hop. The last packet's closing event is the recording's first, one round later.
        opening: The recording's first event: comes before everything.
        origin_us: Start of the first window.
        hop_us: From one end to the next.
        decode_us: Time to decode each packet.
        about: The recording, for the record.
    """

    packets: list[Events]
    opening: Events
    origin_us: int
    hop_us: int
    decode_us: list[float]
    about: dict[str, Any]

    def rounds(self) -> Iterator[tuple[int, Events]]:
        """(Index in ``packets``, packet) without end: time goes on from round to round."""
        late = 0
        while True:
            for index, packet in enumerate(self.packets):
                shifted = packet.copy()
                shifted["t"] += late
                yield index, shifted
            late += len(self.packets) * self.hop_us


def read_windows(
    path: Path, *, sensor: tuple[int, int], hop_us: int, given: tuple[int, int] | None = None
) -> Windows:
    """Decode a recording and cut it.

    Args:
        path: Anything that ``dae_edge.open`` reads from a file.
        sensor: (width, height) that coordinates are scaled to.
        hop_us: From one window's end to the next.
        given: Sensor of a recording that does not say it.

    Raises:
        FormatError: it is shorter than ``FEWEST`` hops, or damaged.
    """
    events, decode_ns, about = _decode(path, given)
    width, height = about["sensor"]
    if (width, height) != sensor:
        events["x"] = events["x"].astype(np.uint32) * sensor[0] // width
        events["y"] = events["y"].astype(np.uint32) * sensor[1] // height
        about["scaled_to"] = list(sensor)
    origin = int(events["t"][0]) if len(events) else 0
    count = (int(events["t"][-1]) - origin) // hop_us if len(events) else 0
    if count < FEWEST:
        raise FormatError(f"{path}: shorter than {FEWEST} windows of {hop_us} us")
    again = events[:1].copy()  # the first event, a round later: closes the last window
    again["t"] += count * hop_us
    events = np.concatenate([events[events["t"] < origin + count * hop_us], again])
    ends = np.searchsorted(events["t"], origin + hop_us * np.arange(1, count + 1))
    starts = [1, *(ends[:-1] + 1)]
    packets = [events[a : b + 1] for a, b in zip(starts, ends, strict=True)]
    sizes = np.array([len(packet) for packet in packets])
    decode_us = np.round(sizes * (decode_ns / 1e3 / len(events)), 2).tolist()
    about |= {"windows": count, "hop_us": hop_us}
    return Windows(packets, events[:1], origin, hop_us, decode_us, about)


def _decode(
    path: Path, given: tuple[int, int] | None
) -> tuple[NDArray[Any], float, dict[str, Any]]:
    """All events, nanoseconds to decode them (median of several passes), and what they are of."""
    times = []
    with open_source(path, sensor=given) as source:
        if source.live:
            raise ValueError(f"{path}: cameras are not measured with dae-bench: record one first")
        for _ in range(DECODINGS):
            began = perf_counter_ns()
            packets = list(source)
            times.append(perf_counter_ns() - began)
        about: dict[str, Any] = {"name": path.name, "format": source.format}
        about |= {"sensor": [source.width, source.height], "sha256": _digest(path)}
    if not packets:
        raise FormatError(f"{path}: no events")
    events = np.concatenate(packets)
    order = np.maximum.accumulate(events["t"])
    if not np.array_equal(order, events["t"]):
        events["t"] = order  # as the encoder takes them
    about["events"] = len(events)
    return events, float(np.median(times)), about


def _digest(path: Path) -> str | None:
    return sha256_of(path)[:16] if path.is_file() else None
