"""Percentiles, intervals and the end of warming up: plain functions of latencies.

Latencies of neighbouring windows resemble each other, so resampling is done in blocks (moving block
bootstrap, Kuensch 1989), and never across two launches. All of it is seeded: the same samples give
the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)
SEED, RESAMPLES, CONFIDENCE = 20_260_101, 1000, 95.0
BLOCK, TOLERANCE = 5, 0.05
"""Warm-up: windows of a block, and how close two blocks' medians must be."""
_BATCH = 4_000_000
"""Values that are resampled at a time: bounds the memory."""

Latencies = NDArray[np.float64]


def percentile(values: Sequence[float] | Latencies, q: float) -> float | None:
    """The q-th percentile; None where too few values lie beyond it to know it (p99.9: 1,000).

    >>> percentile(range(101), 90), percentile(range(50), 99)
    (90.0, None)
    """
    if len(values) == 0 or len(values) * (100 - q) / 100 < 1 - 1e-9:
        return None
    return float(np.percentile(values, q))


def variation(values: Sequence[float] | Latencies) -> float | None:
    """Coefficient of variation: standard deviation by mean."""
    mean = float(np.mean(values)) if len(values) > 1 else 0.0
    return float(np.std(values, ddof=1)) / mean if mean else None


def settled(values: Sequence[float]) -> bool:
    """Whether warming up is over: the last three blocks of ``BLOCK`` have nearly one median.

    >>> settled([9, 9, 9, 9, 9] + [5] * 10), settled([5] * 15)
    (False, True)
    """
    if len(values) < 3 * BLOCK:
        return False
    blocks = np.median(np.asarray(values[-3 * BLOCK :]).reshape(3, BLOCK), axis=1)
    return bool(blocks.max() <= blocks.min() * (1 + TOLERANCE))


def block_length(values: Latencies) -> int:
    """How many neighbours to draw together: until their correlation is lost in the noise."""
    count = len(values)
    centred = values - values.mean() if count else values
    power = float(centred @ centred)
    shortest = max(1, round(float(np.cbrt(count))))
    if count < 4 or power == 0:
        return shortest
    for lag in range(1, count // 5):
        if abs(float(centred[:-lag] @ centred[lag:])) / power < 2 / math.sqrt(count):
            return max(shortest, lag)
    return max(shortest, count // 5)


def medians(launches: Sequence[Latencies], *, seed: int = SEED) -> Latencies:
    """Medians of ``RESAMPLES`` resamples: launches are drawn, then blocks within each."""
    generator = np.random.default_rng(seed)
    launches = [launch for launch in launches if len(launch)]
    each = round(sum(map(len, launches)) / len(launches))
    rows = max(1, _BATCH // (each * len(launches)))
    found = []
    for first in range(0, RESAMPLES, rows):
        count = min(rows, RESAMPLES - first)
        drawn = generator.integers(len(launches), size=(count, len(launches)))
        values = np.empty((count, len(launches), each))
        for number, launch in enumerate(launches):
            places = drawn == number
            values[places] = _blocks(launch, int(places.sum()), each, generator)
        found.append(np.median(values.reshape(count, -1), axis=1))
    return np.concatenate(found)


def median_interval(
    launches: Sequence[Latencies], *, seed: int = SEED
) -> tuple[float, float] | None:
    """Interval of the median at ``CONFIDENCE`` per cent; None without samples."""
    if not any(len(launch) for launch in launches):
        return None
    outside = (100 - CONFIDENCE) / 2
    low, high = np.percentile(medians(launches, seed=seed), [outside, 100 - outside])
    return float(low), float(high)


def summary(launches: Sequence[Latencies]) -> dict[str, Any]:
    """What is told of a stage: percentiles, largest, mean, variation, interval of the median."""
    values = np.concatenate([*launches, np.empty(0)])
    if not len(values):
        return {"windows": 0}
    told: dict[str, Any] = {"windows": len(values)}
    told |= {f"p{q:g}": percentile(values, q) for q in PERCENTILES}
    interval = median_interval(launches)
    return told | {
        "max": float(values.max()),
        "mean": float(values.mean()),
        "cov": variation(values),
        "p50_interval": list(interval) if interval else None,
    }


def _blocks(values: Latencies, rows: int, each: int, generator: np.random.Generator) -> Latencies:
    """``rows`` resamples of ``each`` values, drawn in blocks."""
    length = block_length(values)
    starts = generator.integers(len(values) - length + 1, size=(rows, -(-each // length)))
    index = (starts[:, :, None] + np.arange(length)).reshape(rows, -1)[:, :each]
    drawn: Latencies = values[index]
    return drawn
