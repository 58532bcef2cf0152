"""The frames worth looking at: best, median and worst by AbsRel, and their pictures' contents.

Only the frames that are shown are held: they are found among the scores first, and their sequences
are then predicted again, up to the last of them.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dae_edge import metrics
from dae_edge.datasets import Sequence
from dae_edge.errors import FormatError
from dae_edge.evaluation.judging import Prediction, predictions
from dae_edge.evaluation.predictors import Predictor
from dae_edge.evaluation.record import Evaluation

OF_EACH = 3
APART = 10
"""Shown frames of one sequence are at least a tenth of it apart: neighbours look the same."""


class Chosen(NamedTuple):
    """A frame that is to be shown: why, which, and its AbsRel."""

    rank: str
    sequence: str
    sample: int
    abs_rel: float


@dataclass(frozen=True)
class Frame:
    """A frame to look at.

    Attributes:
        chosen: Which it is.
        t_us: End of its window, microseconds.
        tencode: uint8 [h, w, 3], of the part with depth.
        truth: float32 [h, w], metres; 0 where unknown.
        depth: float32 [h, w], the prediction after alignment, if there was one.
    """

    chosen: Chosen
    t_us: int
    tencode: NDArray[np.uint8]
    truth: NDArray[np.float32]
    depth: NDArray[np.float32]


def ranking_protocol(evaluation: Evaluation) -> str:
    """The protocol whose AbsRel ranks the frames: the strict one where it was used."""
    return "strict" if "strict" in evaluation.protocols else next(iter(evaluation.protocols))


def choose(evaluation: Evaluation) -> list[Chosen]:
    """Up to ``OF_EACH`` best, median and worst frames; best first, worst last.

    Of few frames fewer are chosen. Frames without a value are not among them.
    """
    protocol = ranking_protocol(evaluation)
    ranked = sorted(
        (value, name, index)
        for name, record in evaluation.sequences.items()
        for index, value in enumerate(record.abs_rel[protocol])
        if not math.isnan(value)
    )
    middle = len(ranked) // 2
    by_distance = sorted(range(len(ranked)), key=lambda place: abs(place - middle))
    orders = {
        "best": ranked,
        "median": [ranked[place] for place in by_distance],
        "worst": ranked[::-1],
    }
    count = min(OF_EACH, max(1, len(ranked) // len(orders)))
    lengths = {name: record.frames for name, record in evaluation.sequences.items()}
    found: list[Chosen] = []
    for rank, order in orders.items():
        found += _apart(rank, order, lengths, count)
    return found


def _apart(
    rank: str, order: list[tuple[float, str, int]], lengths: dict[str, int], count: int
) -> list[Chosen]:
    kept: list[Chosen] = []
    for value, name, index in order:
        near = lengths[name] / APART
        if all(name != one.sequence or abs(index - one.sample) >= near for one in kept):
            kept.append(Chosen(rank, name, index, value))
        if len(kept) == count:
            break
    return kept


def collect(
    predictor: Predictor,
    sequences: list[Sequence],
    chosen: list[Chosen],
    *,
    align: bool,
    stop: threading.Event | None = None,
    progress: Callable[[int], None] = lambda frames: None,
) -> list[Frame]:
    """Predict the sequences of the chosen frames again and keep these, in the order of ``chosen``.

    Args:
        predictor: The one that was judged.
        sequences: Those of ``chosen``, or more.
        chosen: From ``choose``.
        align: Fit scale and shift before showing.
        stop: Once it is set, only the frames found so far are returned.
        progress: Called with the number of frames predicted.

    Raises:
        FormatError: a sequence is not among them, or a file of it is missing or damaged.
    """
    here = {sequence.name for sequence in sequences}
    absent = next((one.sequence for one in chosen if one.sequence not in here), None)
    if absent is not None:
        raise FormatError(f"{absent}: was judged, but is not here now: its frames cannot be shown")
    found: dict[Chosen, Frame] = {}
    done = 0
    for sequence in sequences:
        wanted = [one for one in chosen if one.sequence == sequence.name]
        last = max((one.sample for one in wanted), default=-1)
        for position, prediction in enumerate(predictions(predictor, sequence, last + 1)):
            found |= {
                one: _frame(one, prediction, align) for one in wanted if one.sample == position
            }
            done += 1
            progress(done)
            if stop is not None and stop.is_set():
                return [found[one] for one in chosen if one in found]
    return [found[one] for one in chosen]


def steps(chosen: list[Chosen]) -> int:
    """How many frames ``collect`` will predict."""
    last: dict[str, int] = {}
    for one in chosen:
        last[one.sequence] = max(one.sample + 1, last.get(one.sequence, 0))
    return sum(last.values())


def _frame(chosen: Chosen, prediction: Prediction, align: bool) -> Frame:
    sample, depth = prediction.sample, prediction.depth
    known = np.isfinite(sample.depth) & (sample.depth > 0) & np.isfinite(depth)
    if align and known.any():
        scale, shift = metrics.align(depth, sample.depth, known)
        depth = depth * np.float32(scale) + np.float32(shift)
    return Frame(chosen, sample.t_us, sample.tencode(), sample.depth.copy(), depth.copy())
