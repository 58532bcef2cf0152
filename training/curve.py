"""The curves of a stage, read from its tables and drawn with Pillow: loss above, AbsRel below."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dae_edge.extras import require
from training.logbook import read
from training.validation import DECIDES

SIZE, LEFT, RIGHT, TOP = (900, 360), 70, 20, 28
GROUND, LINE, TEXT, GRID = (24, 27, 34), (255, 176, 64), (226, 229, 234), (60, 65, 74)
COLOURS = (
    (58, 158, 255), (120, 220, 130), (255, 120, 120), (200, 150, 255),
    (255, 208, 92), (90, 225, 225), (255, 150, 60), (190, 190, 190),
)  # fmt: skip

Points = Sequence[tuple[float, float]]


def write_curve(path: Path, out: Path, stage: str) -> None:
    """Draw the loss (smoothed, logarithmic) and the validation of a stage over its steps.

    Raises:
        MissingExtraError: Pillow is not installed.
    """
    loss = _losses(out, stage)
    judged: dict[str, list[tuple[float, float]]] = {}
    for row in read(out / "validation.csv"):
        if row["stage"] == stage:
            point = (float(row["step"]), float(row[DECIDES]))
            judged.setdefault(row["sequence"], []).append(point)
    page = _page(2)
    last = max([x for x, _ in loss] or [1.0])
    _plot(page, 0, f"{stage}: loss", {"": smoothed(loss)}, last)
    _plot(page, SIZE[1], "validation: AbsRel, strict", judged, last)
    _write(page, path)


def write_losses(path: Path, runs: Mapping[str, Path], stages: Sequence[str]) -> None:
    """Draw the losses of several runs, a diagram for each stage, over its percentage that is done.

    Raises:
        MissingExtraError: Pillow is not installed.
    """
    page = _page(len(stages))
    for index, stage in enumerate(stages):
        lines = {name: _in_percent(smoothed(_losses(out, stage))) for name, out in runs.items()}
        known = {name: points for name, points in lines.items() if points}
        _plot(page, index * SIZE[1], f"{stage}: loss", known, 100.0)
    _write(page, path)


def _losses(out: Path, stage: str) -> list[tuple[float, float]]:
    return [
        (float(row["step"]), float(row["loss"]))
        for row in read(out / "log.csv")
        if row["stage"] == stage and row["skipped"] == "0"
    ]


def _in_percent(points: Points) -> Points:
    return [(100 * x / points[-1][0], y) for x, y in points]


def _page(diagrams: int) -> Any:
    image_module = require("PIL.Image", extra="training", purpose="drawing curves")
    return image_module.new("RGB", (SIZE[0], diagrams * SIZE[1]), GROUND)


def _write(page: Any, path: Path) -> None:
    part = path.with_name(f".{path.name}")
    page.save(part, format="PNG")
    part.replace(path)


def smoothed(points: Points, most: int = 80) -> list[tuple[float, float]]:
    """Means of neighbours, so that at most so many are left."""
    size = max(1, math.ceil(len(points) / most))
    groups = [points[at : at + size] for at in range(0, len(points), size)]
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]


def _plot(page: Any, top: int, title: str, lines: Mapping[str, Points], last: float) -> None:
    """One diagram, logarithmic upwards where all values are positive."""
    draw_module = require("PIL.ImageDraw", extra="training", purpose="drawing curves")
    draw = draw_module.Draw(page)
    draw.text((LEFT, top + 6), title, fill=TEXT)
    values = [y for points in lines.values() for _, y in points if math.isfinite(y)]
    if not values:
        return
    scale = math.log if min(values) > 0 else float
    low, high = scale(min(values)), scale(max(values))
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    width, height = SIZE[0] - LEFT - RIGHT, SIZE[1] - 2 * TOP

    def place(x: float, y: float) -> tuple[float, float]:
        return LEFT + width * x / last, top + TOP + height * (1 - (scale(y) - low) / (high - low))

    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        level = low + share * (high - low)
        y = top + TOP + height * (1 - share)
        draw.line((LEFT, y, LEFT + width, y), fill=GRID)
        value = math.exp(level) if scale is math.log else level
        draw.text((6, y - 6), f"{value:.3g}", fill=TEXT)
        draw.text((LEFT + width * share - 12, top + SIZE[1] - 20), f"{share * last:.0f}", fill=TEXT)
    step = min(130, (width - 170) // max(1, len(lines)))
    for index, (name, points) in enumerate(lines.items()):
        colour = COLOURS[index % len(COLOURS)] if name else LINE
        path = [place(x, y) for x, y in points if math.isfinite(y)]
        draw.line(path, fill=colour, width=2)
        for x, y in path if name else ():
            draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=colour)
        draw.text((LEFT + 170 + step * index, top + 6), name, fill=colour)
