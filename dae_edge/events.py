"""The one event type: a structured array of (t, x, y, on), and views of others' layouts as such."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

EVENT = np.dtype([("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("on", "?")])
"""One event: ``t`` in integer microseconds, ``x`` to the right and ``y`` down in pixels from 0,
``on`` True for brighter. 13 bytes, packed; the layout of ``struct dae_event`` in dae.h."""

Events: TypeAlias = NDArray[Any]
"""A one-dimensional array of dtype ``EVENT``: a packet, or a window."""


def events_from(t: Any, x: Any, y: Any, on: Any) -> Events:
    """Pack four equally long columns into an ``EVENT`` array.

    Args:
        t: Microseconds, integer or float; floats are rounded to the nearest.
        x: Columns. Values that do not fit 0..65535 become 65535, which is outside every sensor,
            so that the encoder drops and counts them instead of wrapping around.
        y: Rows, as ``x``.
        on: Polarity: booleans, {0, 1} or {-1, 1}; greater than 0 is brighter.

    Raises:
        ValueError: the columns differ in length, or a time is not finite.

    >>> events_from([10, 20], [1, 2], [3, 4], [1, -1])["on"].tolist()
    [True, False]
    """
    columns = [np.asarray(column) for column in (t, x, y, on)]
    if len({column.shape for column in columns}) != 1 or columns[0].ndim != 1:
        shapes = ", ".join(str(column.shape) for column in columns)
        raise ValueError(f"t, x, y, on must be equally long columns, got shapes {shapes}")
    if columns[0].dtype.kind == "f" and not np.isfinite(columns[0]).all():
        raise ValueError("t must be finite, got NaN or infinity")
    events = np.empty(len(columns[0]), EVENT)
    events["t"] = np.rint(columns[0]) if columns[0].dtype.kind == "f" else columns[0]
    for name, column in zip("xy", columns[1:3], strict=True):
        inside = (column >= 0) & (column < 65535)
        events[name] = np.where(inside, column, np.int64(65535))  # wider than any column
    events["on"] = columns[3] > 0
    return events


def as_events(array: Any) -> Events:
    """Give any structured array with fields t, x, y and on or p as ``EVENT``; no copy if it is one.

    Understands Metavision's ``EventCD`` (x, y, p, t), neuromorphic-drivers' and faery's
    (t u64, x, y, on), and the aedat package's (t, x, y, on).

    Raises:
        TypeError: not a structured array with these fields.
    """
    events: Events = np.asarray(array).reshape(-1)
    if events.dtype == EVENT:
        return events
    names = events.dtype.names or ()
    polarity = next((name for name in ("on", "p", "polarity") if name in names), None)
    if not {"t", "x", "y"} <= set(names) or polarity is None:
        raise TypeError(
            "events must be a structured array with fields t, x, y and on (or p), "
            f"got {events.dtype}"
        )
    if events.dtype.itemsize == EVENT.itemsize and names == EVENT.names:
        return events.view(EVENT)  # the same bytes with an unsigned t
    return events_from(events["t"], events["x"], events["y"], events[polarity])
