"""What the network sees and says, beside the truth: one row per window."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_edge import metrics
from dae_edge.extras import require
from dae_edge.view.colours import Picture, depth_picture, events_picture, visible_range
from training.validation import Frame

GAP, HEIGHT = 4, 180
"""Pixels between pictures, and about the height of one."""


def write_pictures(path: Path, frames: Sequence[Frame]) -> None:
    """Write rows of input, prediction and truth as one PNG; nothing without frames.

    Raises:
        MissingExtraError: Pillow is not installed.
    """
    if not frames:
        return
    image_module = require("PIL.Image", extra="training", purpose="drawing pictures")
    rows = [_row(frame, image_module) for frame in frames]
    width = max(row.shape[1] for row in rows)
    page = np.zeros((sum(len(row) + GAP for row in rows) - GAP, width, 3), np.uint8)
    top = 0
    for row in rows:
        page[top : top + len(row), : row.shape[1]] = row
        top += len(row) + GAP
    path.parent.mkdir(parents=True, exist_ok=True)
    image_module.fromarray(page).save(path)


def _row(frame: Frame, image_module: Any) -> Picture:
    shown = visible_range(frame.truth)
    prediction = _aligned(frame.prediction, frame.truth)
    pictures = (
        _window_picture(frame.window),
        depth_picture(prediction, near_far=shown),
        depth_picture(frame.truth, near_far=shown),
    )
    height, width = frame.truth.shape
    factor = max(1, round(HEIGHT / height))
    size = (width * factor, height * factor)
    nearest = image_module.Resampling.NEAREST
    resized = [np.array(image_module.fromarray(one).resize(size, nearest)) for one in pictures]
    gap = np.zeros((size[1], GAP, 3), np.uint8)
    return np.concatenate([resized[0], gap, resized[1], gap, resized[2]], axis=1)


def _aligned(prediction: NDArray[Any], truth: NDArray[Any]) -> NDArray[Any]:
    """In the truth's metres, so that the two can share a range of colours."""
    mask = np.isfinite(truth) & (truth > 0) & np.isfinite(prediction)
    if not mask.any() or np.ptp(prediction[mask]) == 0:
        return prediction
    scale, shift = metrics.align(prediction.astype(np.float64), truth, mask)
    aligned: NDArray[Any] = prediction * scale + shift
    return aligned


def _window_picture(window: NDArray[Any]) -> Picture:
    """Tencode as the live view shows it; of a voxel grid the sign of the sum over time."""
    if len(window) == 3:
        scale = 1 if window.dtype == np.uint8 else 255
        image = np.clip(window.astype(np.float32) * scale, 0, 255).round().astype(np.uint8)
        return events_picture(np.ascontiguousarray(image.transpose(1, 2, 0)))
    total = window.sum(axis=0)
    tencode = np.zeros((*total.shape, 3), np.uint8)
    tencode[..., 0], tencode[..., 2] = 255 * (total > 0), 255 * (total < 0)
    return events_picture(tencode)
