"""A contact sheet: frames as events, truth, prediction and error side by side, beside the numbers.

HTML is one file with the pictures inside and no scripts; PNG is the same pictures on one page.
"""

from __future__ import annotations

import base64
import html
import io
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dae_edge.evaluation import text
from dae_edge.evaluation.frames import Frame, ranking_protocol
from dae_edge.evaluation.page import Strip, Table, draw_page
from dae_edge.evaluation.record import Evaluation
from dae_edge.extras import require
from dae_edge.view.colours import (
    NO_DEPTH,
    Picture,
    depth_colours,
    depth_picture,
    events_picture,
    visible_range,
)

SUFFIXES = (".html", ".png")
PANELS = ("events", "true depth", "prediction", "error")
WIDEST = 400
"""Pixels of a panel: larger pictures are reduced by a whole factor."""
LARGEST_ERROR = 0.5
"""Relative error that is drawn in the brightest colour."""


def write_sheet(path: Path, evaluation: Evaluation, frames: list[Frame]) -> None:
    """Write the sheet, whole or not at all.

    Args:
        path: ``.html`` or ``.png``.
        evaluation: The numbers.
        frames: From ``frames.collect``.

    Raises:
        ValueError: another suffix.
        MissingExtraError: Pillow is not installed.
    """
    check_sheet(path)
    if path.suffix == ".html":
        content = _html(evaluation, frames).encode()
    else:
        content = _png(_page(evaluation, frames))
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def check_sheet(path: Path) -> None:
    """Say so at once if no sheet can be written to a file of this name; see ``write_sheet``."""
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path}: a sheet is {' or '.join(SUFFIXES)}")
    require("PIL.Image", extra="view", purpose="drawing a sheet")


def panels(frame: Frame) -> list[Picture]:
    """The four pictures of a frame; truth and prediction in the same colours."""
    near_far = visible_range(frame.truth)
    pictures = [
        events_picture(frame.tencode),
        depth_picture(_spread(frame.truth), near_far=near_far),
        depth_picture(frame.depth, near_far=near_far),
        _error_picture(frame),
    ]
    step = -(-frame.truth.shape[1] // WIDEST)
    return [np.ascontiguousarray(picture[::step, ::step]) for picture in pictures]


def caption(frame: Frame) -> str:
    """Which frame it is and how good."""
    chosen = frame.chosen
    return (
        f"{chosen.rank}: {chosen.sequence}, sample {chosen.sample}, {frame.t_us / 1e6:.3f} s, "
        f"AbsRel {chosen.abs_rel:.3f}"
    )


def _error_picture(frame: Frame) -> Picture:
    known = np.isfinite(frame.truth) & (frame.truth > 0)
    error = np.full(frame.truth.shape, -1, np.float32)
    error[known] = np.abs(frame.depth - frame.truth)[known] / frame.truth[known]
    error = _spread(np.nan_to_num(error, nan=np.inf) + 1) - 1  # 0 is what _spread takes for unknown
    index = np.clip(error / LARGEST_ERROR * 255, 0, 255).astype(np.uint8)
    picture: Picture = depth_colours()[index]
    picture[error < 0] = NO_DEPTH
    return picture


def _spread(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pixels of 0 take the value of a neighbour that has one: single pixels can hardly be seen."""
    padded = np.pad(values, 1)
    height, width = values.shape
    spread = values.copy()
    for y, x in np.ndindex(3, 3):
        spread = np.where(spread == 0, padded[y : y + height, x : x + width], spread)
    return spread


def _png(picture: Picture) -> bytes:
    image_module = require("PIL.Image", extra="view", purpose="writing pictures")
    buffer = io.BytesIO()
    image_module.fromarray(picture).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _legend(evaluation: Evaluation) -> str:
    aligned = all(protocol.align for protocol in evaluation.protocols.values())
    return (
        f"Frames ranked by AbsRel of the {ranking_protocol(evaluation)} protocol. Near is bright, "
        f"far is dark, unknown is grey; the prediction is shown "
        f"{'after alignment' if aligned else 'as it is'}, in the colours of the truth. Error: "
        f"|prediction - truth| / truth, from dark (0) to bright ({LARGEST_ERROR:.0%} and more)."
    )


_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1700px;padding:0 1rem;
background:#14171c;color:#e2e5ea}h1{font-size:1.35rem}h2{font-size:1.05rem;margin-top:2rem}
table{border-collapse:collapse}td,th{padding:.15rem .7rem;text-align:right}
td:first-child,th:first-child{text-align:left}tr.worst td{color:#ffd05c}
.note{color:#ffd05c}.quiet{color:#969ca6}figure{margin:1.2rem 0}
.row{display:grid;grid-template-columns:repeat(4,1fr);gap:6px}
.row div{font-size:.8rem;color:#969ca6}img{width:100%;display:block;image-rendering:pixelated}
"""


def _html(evaluation: Evaluation, frames: list[Frame]) -> str:
    title = html.escape(text.title(evaluation))
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>',
        f"<style>{_STYLE}</style><h1>{title}</h1>",
    ]
    parts += [f'<p class="note">{html.escape(note)}</p>' for note in text.notices(evaluation)]
    for report in evaluation.reports().values():
        parts.append(f"<h2>{html.escape(text.heading(report.protocol))}</h2>")
        parts.append(_html_table(text.cells(report), text.worst_sequence(report)))
        parts.append(f'<p class="quiet">{html.escape(text.counts(evaluation, report))}</p>')
    parts.append(f'<p class="quiet">{html.escape(text.NOTE)}</p><h2>Frames</h2>')
    parts.append(f'<p class="quiet">{html.escape(_legend(evaluation))}</p>')
    parts += [_html_frame(frame) for frame in frames]
    return "\n".join(parts) + "\n"


def _html_table(rows: list[tuple[str, list[str]]], worst: str | None) -> str:
    header = "".join(f"<th>{name}</th>" for name in ("sequence", "frames", *text.COLUMNS))
    body = "".join(
        ('<tr class="worst">' if name == worst else "<tr>")
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in (name, *values))
        + "</tr>\n"
        for name, values in rows
    )
    return f"<table><tr>{header}</tr>\n{body}</table>"


def _html_frame(frame: Frame) -> str:
    words = html.escape(caption(frame))
    pictures = "".join(
        f'<div><img alt="{name}: {words}" src="data:image/png;base64,'
        f'{base64.b64encode(_png(picture)).decode()}">{name}</div>'
        for name, picture in zip(PANELS, panels(frame), strict=True)
    )
    return f'<figure><figcaption>{words}</figcaption><div class="row">{pictures}</div></figure>'


def _page(evaluation: Evaluation, frames: list[Frame]) -> Picture:
    """The same on one picture, uint8 [H, W, 3]."""
    tables = [
        Table(
            text.heading(report.protocol),
            ("sequence", "frames", *text.COLUMNS),
            text.cells(report),
            text.worst_sequence(report),
            text.counts(evaluation, report),
        )
        for report in evaluation.reports().values()
    ]
    strips = [Strip(caption(frame), panels(frame)) for frame in frames]
    title, notes = text.title(evaluation), text.notices(evaluation)
    return draw_page(title, notes, tables, f"{text.NOTE} {_legend(evaluation)}", PANELS, strips)
