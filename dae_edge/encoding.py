"""Tencode and voxel grid of one window of events, computed in C.

Bit for bit the definitions in ``dae_edge.reference``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_edge import _native
from dae_edge.events import Events, as_events

_EVENT_CD = np.dtype(
    {
        "names": ["x", "y", "p", "t"],
        "formats": ["<u2", "<u2", "<i2", "<i8"],
        "offsets": [0, 2, 4, 8],
        "itemsize": 16,
    }
)
"""Metavision's events, which the C core reads as they are."""


def tencode(
    events: Any, height: int, width: int, *, white: bool = False, dtype: Any = np.uint8
) -> NDArray[Any]:
    """The Tencode image of a window of events: the input of the DepthAnyEvent networks.

    Per pixel the latest event counts: red = brighter, blue = darker, green = age, from 1 (255) at
    the first event of the window to 0 at the last. Without any time between first and last, green
    is 1. Events outside the sensor are left out.

    Args:
        events: Structured array with fields t (microseconds), x, y and on, in time order.
        height: Sensor height in pixels.
        width: Sensor width in pixels.
        white: White background; the published models are trained on black.
        dtype: ``uint8`` (what the networks of a bundle take) or ``float32`` (values in [0, 1]).

    Returns:
        uint8 [height, width, 3] or float32 [3, height, width].

    Raises:
        TypeError: ``events`` is no array of events, or another dtype is asked for.
        ValueError: the sensor size is out of range.

    >>> import dae_edge as dae
    >>> window = dae.events_from([0, 10], [1, 2], [0, 0], [True, False])
    >>> dae.tencode(window, height=1, width=4)[0].tolist()
    [[0, 0, 0], [255, 255, 0], [0, 0, 255], [0, 0, 0]]
    """
    if np.dtype(dtype) == np.uint8:
        shape: tuple[int, int, int] = (height, width, 3)
    elif np.dtype(dtype) == np.float32:
        shape = (3, height, width)
    else:
        raise TypeError(f"Tencode comes as uint8 or float32, got {np.dtype(dtype)}")
    _check_sensor(height, width)
    image = np.empty(shape, dtype)
    _native.tencode(_readable(events), image, width, height, white)
    return image


def voxel_grid(events: Any, height: int, width: int, *, bins: int = 5) -> NDArray[np.float32]:
    """The voxel grid of a window of events: polarity (+1, -1) spread linearly over time bins.

    Args:
        events: Structured array with fields t (microseconds), x, y and on, in time order.
        height: Sensor height in pixels.
        width: Sensor width in pixels.
        bins: Time bins between the first and the last event; E2Depth uses 5.

    Returns:
        float32 [bins, height, width], not normalised (see ``reference.normalize_voxel_grid``).

    Raises:
        TypeError: ``events`` is no array of events.
        ValueError: the sensor size or the number of bins is out of range.
    """
    _check_sensor(height, width)
    if not 1 <= bins <= 65535:
        raise ValueError(f"bins must be 1..65535, got {bins}")
    grid = np.empty((bins, height, width), np.float32)
    _native.voxel_grid(_readable(events), grid)
    return grid


def _readable(events: Any) -> Events:
    """What the C core takes: EVENT, or EventCD without a copy."""
    array: Events = np.asarray(events).reshape(-1)
    is_cd = array.dtype == _EVENT_CD and array.ctypes.data % 8 == 0
    return np.ascontiguousarray(array if is_cd else as_events(array))


def _check_sensor(height: int, width: int) -> None:
    if not (1 <= height <= 65535 and 1 <= width <= 65535):
        raise ValueError(f"sensor size must be 1..65535 pixels, got {width}x{height}")
