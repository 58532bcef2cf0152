"""The definitions of Tencode and the voxel grid in plain numpy: slow and obvious.

The C core must equal them bit for bit; ``dae_edge.encoding`` is the fast way to the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def tencode_float(
    t: Any, x: Any, y: Any, on: Any, *, height: int, width: int, white: bool = False
) -> NDArray[np.float32]:
    """Tencode of one window of events, as the DepthAnyEvent networks were trained on it.

    Per pixel only the last event in array order counts: R = brighter, B = darker, and
    G = 1 - (t - t_first) / (t_last - t_first), so 1 is oldest and 0 newest. First and last are the
    ends of the array, whatever lies outside the sensor or out of order. A zero interval gives G = 1
    (the published code gives NaN there, which poisons the whole depth map).

    Args:
        t: Microseconds [n], integers.
        x: Columns [n]; floats are truncated towards zero after the test against 0..width.
        y: Rows [n], as ``x``.
        on: Polarity [n]; true is brighter.
        height: Sensor height in pixels.
        width: Sensor width in pixels.
        white: Background 1 instead of 0.

    Returns:
        float32 [3, height, width]; values in [0, 1] when the times are in order.

    Source: Depth AnyEvent, ICCV 2025, section on event representation; after Huang et al.,
    "Tencode", WACV 2023.
    """
    t, x, y, on = (np.asarray(column) for column in (t, x, y, on))
    image = np.full((3, height, width), 1.0 if white else 0.0, np.float32)
    if len(t) == 0:
        return image
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    green = (np.float32(255) * (np.float32(1) - _age(t)))[inside] / np.float32(255)
    pixel = y[inside].astype(np.int64) * width + x[inside].astype(np.int64)
    pixel, latest = _latest(pixel)
    flat = image.reshape(3, -1)
    flat[0, pixel] = on[inside][latest].astype(bool)
    flat[1, pixel] = green[latest]
    flat[2, pixel] = ~on[inside][latest].astype(bool)
    return image


def tencode_uint8(
    t: Any, x: Any, y: Any, on: Any, *, height: int, width: int, white: bool = False
) -> NDArray[np.uint8]:
    """The same window as the network's input: uint8 [height, width, 3].

    255 times the float form, rounded half to even and clipped to 0..255. The rounding moves G by
    at most 1/510.
    """
    image = tencode_float(t, x, y, on, height=height, width=width, white=white)
    levels = np.clip(np.rint(image * np.float32(255)), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(1, 2, 0))


def tencode_from_voxel_grid(
    grid: NDArray[np.floating[Any]], *, white: bool = False
) -> NDArray[np.float32]:
    """Tencode of a voxel grid [bins, height, width]: how the MVSEC results of the paper are made.

    Bins in order overwrite one another; a positive voxel is (1, g, 0), a negative (0, g, 1), with
    g = 1 - bin / (bins - 1). Returns float32 [3, height, width].

    Raises:
        ValueError: fewer than two bins.
    """
    bins = len(grid)
    if bins < 2:
        raise ValueError(f"a voxel grid needs at least two bins, got {bins}")
    image = np.zeros((3, *grid.shape[1:]), np.float32)
    for index, voxels in enumerate(grid):
        green = np.float32(255 * (1 - index / (bins - 1)))
        for sign, colour in ((voxels > 0, (255, green, 0)), (voxels < 0, (0, green, 255))):
            image[:, sign] = np.array(colour, np.float32)[:, None]
    if white:
        image[:, image.sum(axis=0) == 0] = 255
    return np.divide(image, np.float32(255), dtype=np.float32)


def voxel_grid(
    t: Any, x: Any, y: Any, on: Any, *, bins: int, height: int, width: int
) -> NDArray[np.float32]:
    """Signed events spread over time bins, and over pixels where coordinates are fractional.

    Time is scaled to [0, bins - 1] between the first and the last event of the array (a zero
    interval puts all into bin 0); each event adds its polarity, +1 or -1, to its neighbours with
    trilinear weights. Neighbours outside the grid are left out.

    Args:
        t: Times [n], any unit.
        x: Columns [n], integer or float.
        y: Rows [n], as ``x``.
        on: Polarity [n]; true is brighter.
        bins: Time bins.
        height: Sensor height in pixels.
        width: Sensor width in pixels.

    Returns:
        float32 [bins, height, width].

    Source: Zhu et al., CVPR 2019, equation 1-2; E2Depth (Hidalgo-Carrio et al., 3DV 2020) for
    integer coordinates.
    """
    grid = np.zeros((bins, height, width), np.float32)
    if len(t) == 0:
        return grid
    t, x, y = (np.asarray(column, np.float64) for column in (t, x, y))
    interval = t[-1] - t[0]
    scaled = (bins - 1) * (t - t[0]) / (interval if interval != 0 else 1.0)
    polarity = np.where(np.asarray(on).astype(bool), 1.0, -1.0)
    corner = [np.floor(scaled), np.trunc(x), np.trunc(y)]
    for dt, dy, dx in np.ndindex(2, 2, 2):
        bin_, column, row = corner[0] + dt, corner[1] + dx, corner[2] + dy
        weight = polarity * (1 - np.abs(column - x)) * (1 - np.abs(row - y))
        weight = weight * (1 - np.abs(bin_ - scaled))
        inside = (bin_ >= 0) & (bin_ < bins) & (column >= 0) & (column < width)
        inside &= (row >= 0) & (row < height)
        index = tuple(axis[inside].astype(np.int64) for axis in (bin_, row, column))
        np.add.at(grid, index, weight[inside].astype(np.float32))
    return grid


def normalize_voxel_grid(grid: NDArray[np.float32]) -> NDArray[np.float32]:
    """Non-zero voxels to mean 0 and (population) standard deviation 1, as E2Depth expects."""
    occupied = grid != 0
    if not occupied.any():
        return grid.copy()
    deviation = grid[occupied].std()
    centred = np.where(occupied, grid - grid[occupied].mean(), np.float32(0))
    return centred / deviation if deviation > 0 else centred


def _age(t: NDArray[Any]) -> NDArray[np.float32]:
    """(t - first) / (last - first) in float32; zeros for a zero interval."""
    elapsed = (t - t[0]).astype(np.float32)
    return elapsed / elapsed[-1] if elapsed[-1] != 0 else np.zeros_like(elapsed)


def _latest(pixel: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Distinct pixels, and for each the position of its last occurrence."""
    distinct, from_the_end = np.unique(pixel[::-1], return_index=True)
    return distinct, len(pixel) - 1 - from_the_end
