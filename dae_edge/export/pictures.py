"""The pictures of a report: the worst window side by side, and what the search found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_edge.calibration.budget import Worst
from dae_edge.calibration.search import Attempt, front
from dae_edge.export.proving import Proof
from dae_edge.extras import require
from dae_edge.view.colours import depth_picture, events_picture, visible_range

WORST, FRONT = "worst-window.png", "accuracy-latency.png"
GROUND, TEXT, GRID = (24, 27, 34), (226, 229, 234), (60, 65, 74)
HELD, OVER = (120, 220, 130), (255, 120, 120)
CAPTION, GAP = 20, 6
FULL_ERROR = 0.2
"""Relative difference that is drawn white."""

SIZE, LEFT, RIGHT, TOP, BOTTOM = (760, 420), 80, 30, 40, 50


def write_pictures(folder: Path, proof: Proof) -> None:
    """Write what there is to see of a target that was judged.

    Raises:
        MissingExtraError: Pillow is not installed.
    """
    if proof.judgement is not None:
        worst_window(proof.judgement.worst).save(folder / WORST)
    if proof.search is not None and len(proof.search.attempts) > 1:
        accuracy_latency(proof.search.attempts).save(folder / FRONT)


def worst_window(worst: Worst) -> Any:
    """Events, truth, depth of float32, depth of the target, and their difference, in a row."""
    shown = visible_range(worst.fp32)
    panels: list[tuple[str, NDArray[Any]]] = []
    if worst.image.dtype == np.uint8 and worst.image.ndim == 3:
        panels.append((worst.where, events_picture(worst.image)))
    if worst.truth is not None:
        panels.append(("true depth", depth_picture(_filled(worst.truth))))
    panels.append(("float32", depth_picture(worst.fp32, near_far=shown)))
    finite = np.where(np.isfinite(worst.target), worst.target, 0)
    panels.append(("target", depth_picture(finite, near_far=shown)))
    apart = np.abs(finite - worst.fp32) / np.maximum(np.abs(worst.fp32), 1e-6)
    grey = (255 * np.clip(apart / FULL_ERROR, 0, 1)).astype(np.uint8)
    words = f"difference, mean {100 * worst.absrel:.2g} %, white {100 * FULL_ERROR:.0f} %"
    panels.append((words, np.repeat(grey[..., None], 3, axis=2)))
    return _row(panels)


def _filled(depth: NDArray[Any]) -> NDArray[Any]:
    """Sparse true depth, for the eye: an unknown pixel takes its upper or left neighbour's."""
    for axis in (0, 1):
        depth = np.where(depth > 0, depth, np.roll(depth, 1, axis))
    return depth


def _row(panels: Sequence[tuple[str, NDArray[Any]]]) -> Any:
    image_module = require("PIL.Image", extra="export", purpose="pictures of a report")
    draw_module = require("PIL.ImageDraw", extra="export", purpose="pictures of a report")
    height = max(picture.shape[0] for _, picture in panels)
    widths = [max(picture.shape[1], 150) for _, picture in panels]
    page = image_module.new("RGB", (sum(widths) + GAP * len(panels), height + CAPTION), GROUND)
    draw, left = draw_module.Draw(page), 0
    for (words, picture), width in zip(panels, widths, strict=True):
        draw.text((left + 3, 4), words, fill=TEXT)
        page.paste(image_module.fromarray(picture), (left, CAPTION))
        left += width + GAP
    return page


def accuracy_latency(attempts: Sequence[Attempt]) -> Any:
    """Each choice of layers as a point: time against distance to float32; the front as a line."""
    image_module = require("PIL.Image", extra="export", purpose="pictures of a report")
    draw_module = require("PIL.ImageDraw", extra="export", purpose="pictures of a report")
    page = image_module.new("RGB", SIZE, GROUND)
    draw = draw_module.Draw(page)
    right = 1.1 * max(1.0, *(one.latency_ratio for one in attempts))
    finite = [one for one in attempts if np.isfinite(one.absrel)]
    top = 1.15 * max([one.absrel for one in finite], default=1.0) or 1.0

    def place(one: Attempt) -> tuple[float, float]:
        x = LEFT + (SIZE[0] - LEFT - RIGHT) * one.latency_ratio / right
        return x, SIZE[1] - BOTTOM - (SIZE[1] - TOP - BOTTOM) * one.absrel / top

    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = LEFT + (SIZE[0] - LEFT - RIGHT) * share, float(SIZE[1] - BOTTOM)
        draw.line((x, TOP, x, y), fill=GRID)
        draw.text((x - 10, y + 6), f"{share * right:.2f}", fill=TEXT)
        level = y - (y - TOP) * share
        draw.line((LEFT, level, SIZE[0] - RIGHT, level), fill=GRID)
        draw.text((8, level - 6), f"{share * top:.4f}", fill=TEXT)
    draw.text((LEFT, 12), "AbsRel to float32; the number is of layers kept in float", fill=TEXT)
    draw.text(
        (LEFT, SIZE[1] - 22), "time of a window, float32 = 1; green holds the budget", fill=TEXT
    )
    line = [place(one) for one in front(finite)]
    if len(line) > 1:
        draw.line(line, fill=TEXT)
    for one in finite:
        x, y = place(one)
        draw.ellipse((x - 5, y - 5, x + 5, y + 5), fill=HELD if one.passed else OVER)
        draw.text((x + 8, y - 14), str(len(one.kept)), fill=TEXT)
    return page
