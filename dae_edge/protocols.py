"""How depth is judged: what counts as a pixel, what is aligned, and how frames become one number.

``Paper`` is the published evaluation of Depth AnyEvent, with all that it forgives; its numbers can
be put beside the paper's tables. ``Strict`` forgives nothing: every pixel with a true depth counts.
Both score one frame at a time; ``Tally`` is the one place where frames are averaged.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_edge import metrics
from dae_edge.metrics import CUTOFFS_M

_Score = Callable[[NDArray[Any], NDArray[Any], float], float]

_ERRORS: dict[str, _Score] = {
    "abs_rel": lambda p, t, eps: metrics.abs_rel(p, t, eps=eps),
    "sq_rel_squared": lambda p, t, eps: metrics.sq_rel_squared(p, t, eps=eps),
    "rmse": lambda p, t, eps: metrics.rmse(p, t),
    "rmse_log": lambda p, t, eps: metrics.rmse_log(p, t, eps=eps),
    "silog": lambda p, t, eps: metrics.silog(p, t, eps=eps),
    "mae": lambda p, t, eps: metrics.mae(p, t),
    "median_diff": lambda p, t, eps: metrics.median_diff(p, t),
    "delta1": lambda p, t, eps: metrics.delta(p, t, power=1, eps=eps),
    "delta2": lambda p, t, eps: metrics.delta(p, t, power=2, eps=eps),
    "delta3": lambda p, t, eps: metrics.delta(p, t, power=3, eps=eps),
}
_DEPTHS: dict[str, _Score] = {
    "mean_target": lambda p, t, eps: metrics.mean_depth(t),
    "median_target": lambda p, t, eps: metrics.median_depth(t),
    "mean_prediction": lambda p, t, eps: metrics.mean_depth(p),
    "median_prediction": lambda p, t, eps: metrics.median_depth(p),
}

_OFFICIAL = {
    "abs_rel": "abs_rel_diff",
    "sq_rel_squared": "squ_rel_diff",
    "rmse": "RMS_linear",
    "rmse_log": "RMS_log",
    "silog": "SILog",
    "mae": "mean_depth_error",
    "median_diff": "median_diff",
    "delta1": "threshold_delta_1.25",
    "delta2": "threshold_delta_1.25^2",
    "delta3": "threshold_delta_1.25^3",
    "mean_target": "mean_target_depth",
    "median_target": "median_target_depth",
    "mean_prediction": "mean_prediction_depth",
    "median_prediction": "median_prediction_depth",
}
OFFICIAL_NAMES = {f"{ours}": f"_{theirs}" for ours, theirs in _OFFICIAL.items()} | {
    f"{ours}_{limit:.0f}m": f"_{limit:.0f}_{theirs}"
    for limit in CUTOFFS_M
    for ours, theirs in _OFFICIAL.items()
}
"""Our name of each of the 56 numbers of the published evaluation code, to the name it gives it."""


class Protocol(ABC):
    """A way to judge one frame; stateless, so one object serves all frames."""

    name: str

    @abstractmethod
    def frame(self, prediction: Any, target: Any) -> dict[str, float]:
        """Score one frame.

        Args:
            prediction: Depth [H, W]; metres, or up to scale and shift where the protocol aligns.
            target: True depth [H, W], metres; 0, negative or not finite where there is none.

        Returns:
            Metric name to value, NaN where no pixel counts. Names ending in ``_10m`` etc. are of
            the pixels whose target is nearer than that. ``pixels`` is how many counted.

        Raises:
            ValueError: the two are not maps of one shape.
        """


@dataclass(frozen=True, slots=True)
class Paper(Protocol):
    """The evaluation that the tables of Depth AnyEvent (ICCV 2025) come from, quirks included.

    Targets are clipped at ``clip_m`` and then stretched so that the farthest is ``clip_m``. The
    prediction is aligned to all of them, also to those at the clip. Then pixels at the clip do not
    count, nor do pixels whose prediction falls outside (0, clip): bad predictions drop out. A NaN
    anywhere makes the alignment, and so the frame, NaN; a constant prediction becomes 0 and NaN.

    Attributes:
        clip_m: Largest depth, metres.
        align: Fit scale and shift per frame. False for models that give metres.
        log_depth: The prediction is log depth in [0, 1], as of E2Depth; it is normalised by its own
            maximum.
        regularisation: ln of the ratio of largest to smallest log depth.
    """

    clip_m: float = 80.0
    align: bool = True
    log_depth: bool = False
    regularisation: float = 3.70378
    name = "paper"

    def frame(self, prediction: Any, target: Any) -> dict[str, float]:
        """Score one frame in float32, as published; the names are those of ``OFFICIAL_NAMES``."""
        p, t = _maps(prediction, target)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            t = self._stretched(t)
            p = self._prepared(p, t)
            mask = (t > 0) & (t < self.clip_m) & (p > 0) & (p < self.clip_m)
        return _scores(p, t, mask, _ERRORS | _DEPTHS, eps=1e-5)

    def _stretched(self, target: NDArray[np.float32]) -> NDArray[np.float32]:
        limit = np.float32(self.clip_m)
        clipped = np.clip(target, np.float32(0), limit)
        farthest = np.fmax.reduce(clipped, axis=None, initial=np.float32(0))
        stretched: NDArray[np.float32] = clipped / farthest * limit
        return stretched

    def _prepared(
        self, prediction: NDArray[np.float32], target: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        limit = np.float32(self.clip_m)
        if self.align:
            scale, shift = self._alignment(prediction, target)
            prediction = prediction * np.float32(scale) + np.float32(shift)
        if self.log_depth:
            depth = np.exp(np.float32(self.regularisation) * (prediction - np.float32(1)))
            prediction = depth / depth.max(initial=-np.inf) * limit
        else:
            prediction = np.clip(prediction, np.float32(0), limit)
        return prediction

    def _alignment(
        self, prediction: NDArray[np.float32], target: NDArray[np.float32]
    ) -> tuple[float, float]:
        if not (np.isfinite(prediction).all() and np.isfinite(target).all()):
            return np.nan, np.nan  # the published sums multiply by the mask, and 0 * NaN is NaN
        mask = target > 0
        if not mask.any() or np.ptp(prediction[mask]) == 0:
            return 0.0, 0.0  # the published code's answer to a determinant of 0
        return metrics.align(prediction, target, mask)


@dataclass(frozen=True, slots=True)
class Strict(Protocol):
    """Every pixel with a true depth up to ``range_m`` counts, whatever was predicted there.

    Nothing is stretched or dropped. The prediction is aligned in float64 over the pixels that
    count; then what is below ``nearest_m`` (so also what is not positive) becomes ``nearest_m`` and
    is counted as ``clamped``, and what is not finite becomes ``nearest_m`` too and is counted as
    ``not_finite``. With at least one pixel that counts, no score is NaN but those of cut-offs
    without pixels.

    Attributes:
        range_m: Largest true depth that counts, metres.
        nearest_m: Smallest prediction after alignment, metres.
        align: Fit scale and shift per frame. False for models that give metres.
    """

    range_m: float = 80.0
    nearest_m: float = 0.1
    align: bool = True
    name = "strict"

    def frame(self, prediction: Any, target: Any) -> dict[str, float]:
        """Score one frame in float64; both definitions of SqRel, and the counts named above."""
        p32, t32 = _maps(prediction, target)
        mask = np.isfinite(t32) & (t32 > 0) & (t32 <= self.range_m)
        p, t = p32[mask].astype(np.float64), t32[mask].astype(np.float64)
        finite = np.isfinite(p)
        if self.align and finite.any():
            scale, shift = metrics.align(p, t, finite)
            p = scale * np.where(finite, p, 0.0) + shift
        clamped = finite & (p < self.nearest_m)
        p = np.where(finite & ~clamped, p, self.nearest_m)
        everywhere = np.ones(len(t), np.bool_)
        sq_rel: dict[str, _Score] = {"sq_rel": lambda p, t, eps: metrics.sq_rel(p, t)}
        scores = _scores(p, t, everywhere, _ERRORS | sq_rel, eps=0.0)
        return scores | {
            "clamped": float(np.count_nonzero(clamped)),
            "not_finite": float(np.count_nonzero(~finite)),
        }


PROTOCOLS: dict[str, type[Paper] | type[Strict]] = {"paper": Paper, "strict": Strict}
"""Protocols by the name users give them."""


def _maps(prediction: Any, target: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    with np.errstate(over="ignore"):  # beyond float32 is infinite: not a depth
        p, t = (np.asarray(side, dtype=np.float32) for side in (prediction, target))
    if p.shape != t.shape or p.ndim != 2:
        raise ValueError(
            f"prediction and target must be maps [H, W] of one shape, got {p.shape} and {t.shape}"
        )
    return p, t


def _scores(
    prediction: NDArray[Any],
    target: NDArray[Any],
    mask: NDArray[np.bool_],
    table: Mapping[str, _Score],
    *,
    eps: float,
) -> dict[str, float]:
    """All scores of ``table`` over the mask, and again for what is nearer than each cut-off."""
    p, t = prediction[mask], target[mask]
    found = {"pixels": float(len(t))}
    for suffix, limit in [("", np.inf)] + [(f"_{limit:.0f}m", limit) for limit in CUTOFFS_M]:
        near = t < limit
        near_p, near_t = p[near], t[near]
        found |= {f"{name}{suffix}": score(near_p, near_t, eps) for name, score in table.items()}
    return found
