"""Proxy labels to look at: frame, label and true depth side by side, and how far apart they are.

The teacher's inverse depth has a scale and a shift of its own for each frame. Where there is truth,
the label is shown after fitting the two to it, in its colours; else as it is, in its own.
"""

from __future__ import annotations

from collections.abc import Sequence as Many
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dae_edge import metrics
from dae_edge.datasets import Sequence
from dae_edge.datasets.proxy import Frames, read_proxy
from dae_edge.datasets.reading import read_frame
from dae_edge.evaluation.page import Strip, draw_page
from dae_edge.view.colours import Picture, depth_picture, visible_range
from training.whole import png_bytes, write_whole

SHOWN = 6
AHEAD = 4
"""Frames that are tried for true depth, which has half the rate of the frames in DSEC."""

PANELS = ("frame", "proxy label", "true depth")
LEGEND = (
    "Near is bright, far is dark, unknown is grey. Labels are relative: where true depth is known, "
    "scale and shift of 1 / depth are fitted to it for each frame before they are shown and judged."
)


class Labelled(NamedTuple):
    """A frame with its label.

    Attributes:
        sequence: Name.
        frame: The picture.
        t_us: Its time.
        proxy: The label.
        frames: What the frame is one of.
        truth: The sequence with true depth; None: there is none.
    """

    sequence: str
    frame: Path
    t_us: int
    proxy: Path
    frames: Frames
    truth: Sequence | None

    def true_depth(self) -> NDArray[np.float32] | None:
        """Of the crop, metres; None where there is none at this time."""
        return None if self.truth is None else self.truth.depth_at(self.t_us)


def write_proxy_sheet(path: Path, title: str, labelled: Many[Labelled]) -> float:
    """Draw some of the labels, evenly spread, as PNG; whole or not at all.

    Returns:
        Median AbsRel of those that have true depth; NaN if none has.

    Raises:
        FormatError: one of the files is damaged.
        MissingExtraError: Pillow is not installed.
    """
    strips, errors = [], []
    for one in _spread(labelled):
        strip, error = _strip(one)
        strips.append(strip)
        errors.append(error)
    write_whole(path, png_bytes(draw_page(title, [], [], LEGEND, PANELS, strips)))
    known = [error for error in errors if not np.isnan(error)]
    return float(np.median(known)) if known else float("nan")


def aligned(
    proxy: NDArray[np.float32], truth: NDArray[np.float32]
) -> tuple[NDArray[np.float32], float]:
    """The label in metres, and its AbsRel.

    Scale and shift of 1 / depth by least squares where both are known; what then is farther than
    anything true is put at the farthest true depth.

    Args:
        proxy: Relative depth [h, w], 0 where unknown.
        truth: Metres [h, w], 0 where unknown.

    Returns:
        float32 [h, w], 0 where unknown, and the error; the label as it is, and NaN, if the two
        have no pixel in common.
    """
    known = (proxy > 0) & (truth > 0)
    if not known.any():
        return proxy, float("nan")
    inverse = 1 / np.where(proxy > 0, proxy, 1).astype(np.float64)
    scale, shift = metrics.align(inverse[known], 1 / truth[known].astype(np.float64))
    metres = 1 / np.maximum(scale * inverse + shift, 1 / truth.max())
    error = metrics.abs_rel(metres, truth, known)
    return np.where(proxy > 0, metres, 0).astype(np.float32), error


def _spread(labelled: Many[Labelled]) -> list[Labelled]:
    """Up to ``SHOWN`` of them; near each place one with true depth, if one has it."""
    last = len(labelled) - 1
    places = {round(last * part / (SHOWN - 1)) for part in range(SHOWN)} if labelled else set()
    shown: set[int] = set()
    for place in sorted(places):
        near = [at for at in range(place, min(place + AHEAD, last + 1)) if at not in shown]
        true = (at for at in near if labelled[at].true_depth() is not None)
        shown |= {next(true, near[0])} if near else set()
    return [labelled[at] for at in sorted(shown)]


def _strip(one: Labelled) -> tuple[Strip, float]:
    x, y, width, height = one.frames.crop
    part = slice(y, y + height), slice(x, x + width)
    frame: Picture = read_frame(one.frame, one.frames.size)[part]
    proxy = read_proxy(one.proxy, one.frames.size)[part]
    truth = one.true_depth()
    if truth is None:
        truth = np.zeros_like(proxy)
    metres, error = aligned(proxy, truth)
    near_far = visible_range(metres if np.isnan(error) else truth)
    pictures = [frame, *(depth_picture(depth, near_far=near_far) for depth in (metres, truth))]
    judged = "" if np.isnan(error) else f", AbsRel {error:.3f}"
    caption = f"{one.sequence}, {one.frame.name}, {one.t_us / 1e6:.3f} s{judged}"
    return Strip(caption, [np.ascontiguousarray(picture) for picture in pictures]), error
