"""What happens to events on their way out of every source: bounds are checked, packets are cut."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_edge.errors import FormatError
from dae_edge.events import Events

LARGEST_SENSOR = 65_535
"""Width and height fit 16 bits, and the largest coordinate stays free to mean "outside"."""

LARGEST_EXACT = 2.0**53
"""Whole numbers below are exact in floating point."""


def inside_sensor(events: Events, width: int, height: int) -> Events:
    """Leave out the events whose x or y is outside the sensor; no copy when there are none."""
    inside = (events["x"] < width) & (events["y"] < height)
    return events if np.all(inside) else events[inside]


def cut(events: Events, most: int) -> Iterator[Events]:
    """Give ``events`` as packets of at most ``most`` events; nothing for no events."""
    for start in range(0, len(events), most):
        yield events[start : start + most]


def checked_packet_events(packet_events: int) -> int:
    """Give back the most events of a packet, or say that it is no such number."""
    if packet_events < 1:
        raise ValueError(f"packet_events must be at least 1, got {packet_events}")
    return packet_events


def agreed_sensor(
    name: str, *, stated: tuple[int, int] | None, given: tuple[int, int] | None
) -> tuple[int, int]:
    """(width, height) from what the recording states and what the caller gives.

    Raises:
        FormatError: neither says it, they differ, or it is no size of a sensor.
    """
    if stated is not None and given is not None and tuple(stated) != tuple(given):
        raise FormatError(
            f"{name}: the recording states a sensor of {stated[0]}x{stated[1]}, "
            f"but sensor={tuple(given)} was asked for"
        )
    sensor = stated if stated is not None else given
    if sensor is None:
        raise FormatError(
            f"{name}: the recording does not say how large its sensor is; "
            "pass sensor=(width, height)"
        )
    width, height = (int(side) for side in sensor)
    if not (0 < width <= LARGEST_SENSOR and 0 < height <= LARGEST_SENSOR):
        raise FormatError(
            f"{name}: a sensor of {width}x{height} pixels is not possible; "
            f"wanted 1..{LARGEST_SENSOR} each way"
        )
    return width, height


def microseconds(seconds: NDArray[Any], where: str) -> NDArray[np.int64]:
    """Round seconds (float) to whole microseconds (int64).

    Raises:
        FormatError: a time is not finite, or too large to be exact in floating point.
    """
    t_us = seconds.astype(np.float64) * 1e6
    wrong = np.flatnonzero(~(np.abs(t_us) < LARGEST_EXACT))
    if len(wrong):
        raise FormatError(
            f"{where}: event {wrong[0]} has the impossible time {seconds[wrong[0]]} s"
        )
    return np.rint(t_us).astype(np.int64)
