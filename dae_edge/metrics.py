"""Errors of a depth map against the true one, in plain numpy: what tables and budgets are made of.

All functions take a prediction and a target of one shape, metres, and a boolean mask of the pixels
that count (None: all). They compute in the wider float type of the two, average in float64, and
give NaN when no pixel counts. What to mask, clip or align first is a protocol's affair
(``dae_edge.protocols``). ``eps`` is added where the published evaluation code of Depth AnyEvent
adds it: to each depth that is divided by or taken the logarithm of.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Mask: TypeAlias = "NDArray[np.bool_] | None"

CUTOFFS_M = (10.0, 20.0, 30.0)
"""Distances below which errors are also reported, after E2Depth (Hidalgo-Carrio et al., 2020)."""


def abs_rel(prediction: Any, target: Any, mask: Mask = None, *, eps: float = 0.0) -> float:
    """Mean of |p - t| / t.

    >>> abs_rel([1.0, 3.0], [2.0, 2.0])
    0.5
    """
    p, t = _counted(prediction, target, mask)
    return _mean(np.abs(p - t) / (t + eps))


def sq_rel(prediction: Any, target: Any, mask: Mask = None, *, eps: float = 0.0) -> float:
    """Mean of (p - t)^2 / t, metres: the definition of Eigen et al. (NeurIPS 2014)."""
    p, t = _counted(prediction, target, mask)
    return _mean((p - t) ** 2 / (t + eps))


def sq_rel_squared(prediction: Any, target: Any, mask: Mask = None, *, eps: float = 0.0) -> float:
    """Mean of (p - t)^2 / t^2: what Depth AnyEvent and E2Depth print as SqRel."""
    p, t = _counted(prediction, target, mask)
    return _mean((p - t) ** 2 / (t**2 + eps))


def mae(prediction: Any, target: Any, mask: Mask = None) -> float:
    """Mean of |p - t|, metres."""
    p, t = _counted(prediction, target, mask)
    return _mean(np.abs(p - t))


def rmse(prediction: Any, target: Any, mask: Mask = None) -> float:
    """Root of the mean of (p - t)^2, metres."""
    p, t = _counted(prediction, target, mask)
    return float(np.sqrt(_mean((p - t) ** 2)))


def rmse_log(prediction: Any, target: Any, mask: Mask = None, *, eps: float = 0.0) -> float:
    """Root of the mean of (ln p - ln t)^2. Depths must be positive where they count."""
    return float(np.sqrt(_mean(_log_ratio(prediction, target, mask, eps) ** 2)))


def silog(prediction: Any, target: Any, mask: Mask = None, *, eps: float = 0.0) -> float:
    """Variance of ln p - ln t: the scale-invariant error of Eigen et al., with lambda = 1."""
    difference = _log_ratio(prediction, target, mask, eps)
    return max(0.0, _mean(difference**2) - _mean(difference) ** 2) if len(difference) else np.nan


def delta(
    prediction: Any, target: Any, mask: Mask = None, *, power: int = 1, eps: float = 0.0
) -> float:
    """Fraction of pixels with max(p / t, t / p) <= 1.25^power. Larger is better."""
    p, t = _counted(prediction, target, mask)
    return _mean(np.maximum(t / (p + eps), p / (t + eps)) <= 1.25**power)


def median_diff(prediction: Any, target: Any, mask: Mask = None) -> float:
    """|median of p - median of t|, metres."""
    p, t = _counted(prediction, target, mask)
    return abs(median_depth(p) - median_depth(t))


def mean_depth(depth: Any, mask: Mask = None) -> float:
    """Mean depth, metres."""
    return _mean(_counted(depth, depth, mask)[0])


def median_depth(depth: Any, mask: Mask = None) -> float:
    """Median depth, metres."""
    values, _ = _counted(depth, depth, mask)
    return float(np.median(values)) if len(values) else np.nan


def align(prediction: Any, target: Any, mask: Mask = None) -> tuple[float, float]:
    """Scale and shift that bring the prediction closest to the target in the least squares.

    Minimises the sum of (scale * p + shift - t)^2 over the mask, in closed form and float64. A
    constant prediction has no scale: (0, mean of t). No pixel at all: (NaN, NaN).

    >>> align([1.0, 2.0, 3.0], [5.0, 7.0, 9.0])
    (2.0, 3.0)
    """
    p, t = (side.astype(np.float64) for side in _counted(prediction, target, mask))
    if len(p) == 0:
        return np.nan, np.nan
    centre, level = p.mean(), t.mean()
    spread = np.abs(p - centre).max()
    if p.min() == p.max() or spread == 0:
        return 0.0, float(level)
    unit = (p - centre) / spread  # within [-1, 1], so that no square overflows or vanishes
    with np.errstate(over="ignore"):
        scale = float((unit @ (t - level)) / (unit @ unit) / spread)
    if not np.isfinite(scale):
        return 0.0, float(level)
    return scale, float(level - scale * centre)


def _counted(prediction: Any, target: Any, mask: Mask) -> tuple[NDArray[Any], NDArray[Any]]:
    """Prediction and target of the pixels that count, 1-D, of one float type."""
    p, t = np.asarray(prediction), np.asarray(target)
    shapes = [a.shape for a in (p, t) if mask is not None] + ([] if mask is None else [mask.shape])
    if p.shape != t.shape or len(set(shapes)) > 1:
        raise ValueError(
            f"prediction, target and mask must have one shape, got {p.shape}, {t.shape} and "
            f"{None if mask is None else mask.shape}"
        )
    kind = np.result_type(p, t, np.float32)
    if mask is None:
        return p.ravel().astype(kind, copy=False), t.ravel().astype(kind, copy=False)
    return p[mask].astype(kind, copy=False), t[mask].astype(kind, copy=False)


def _log_ratio(prediction: Any, target: Any, mask: Mask, eps: float) -> NDArray[Any]:
    p, t = _counted(prediction, target, mask)
    difference: NDArray[Any] = np.log(t + eps) - np.log(p + eps)
    return difference


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean(dtype=np.float64)) if len(values) else np.nan
