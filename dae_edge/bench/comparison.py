"""Are two results different? With an answer that two runs of the same thing do not get wrong.

From process to process the same program differs by more than the samples within one can tell
(memory layout, clock, neighbours). So where both results have three launches or more, a launch is
one observation: Welch's interval of the difference of the logarithms of the launches' medians. With
fewer, samples are resampled in blocks, and a larger difference is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dae_edge.bench.record import Record, Result
from dae_edge.bench.statistics import CONFIDENCE, SEED, Latencies, medians

SMALLEST, SMALLEST_FEW = 0.02, 0.05
"""Differences below are not told, with three launches or more and with fewer."""
FEW = 3

_T = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}
_T |= {10: 2.228, 12: 2.179, 15: 2.131, 20: 2.086, 30: 2.042}
"""Two-sided 95 % quantiles of Student's t by degrees of freedom."""


@dataclass(frozen=True)
class Comparison:
    """How the second result's latency compares with the first one's.

    Attributes:
        label: The case.
        ratio: Second median by first.
        low: Lower end of the ratio's interval.
        high: Upper end.
        different: Whether a difference may be claimed.
        doubts: Why not to trust either; e.g. one of them is unstable.
    """

    label: str
    ratio: float
    low: float
    high: float
    different: bool
    doubts: tuple[str, ...] = ()

    def __str__(self) -> str:
        interval = f"{CONFIDENCE:.0f} % interval {self.low:.3f}..{self.high:.3f}"
        if not self.different:
            return f"{self.label}: no difference (ratio {self.ratio:.3f}, {interval})"
        word = "slower" if self.ratio > 1 else "faster"
        times = max(self.ratio, 1 / self.ratio)
        return f"{self.label}: B is {times:.3f} times {word} (ratio {self.ratio:.3f}, {interval})"


def compare_latencies(
    first: Sequence[Latencies], second: Sequence[Latencies]
) -> tuple[float, float, float, bool]:
    """(Ratio of the medians, its interval's ends, whether a difference may be claimed).

    Raises:
        ValueError: one has no samples.
    """
    first, second = ([one for one in side if len(one)] for side in (first, second))
    if not first or not second:
        raise ValueError("nothing to compare: a result has no windows")
    if min(len(first), len(second)) >= FEW:
        ratio, low, high = _welch(first, second)
        smallest = SMALLEST
    else:
        ratio, low, high = _resampled(first, second)
        smallest = SMALLEST_FEW
    different = (low > 1 or high < 1) and abs(math.log(ratio)) > math.log(1 + smallest)
    return ratio, low, high, different


def compare(first: Record, second: Record) -> list[Comparison]:
    """Every case that both have, by its label; or the only one of each, whatever their labels.

    Raises:
        ValueError: they have no case in common.
    """
    others = {result.case.label: result for result in second.results}
    pairs = [(one, others[one.case.label]) for one in first.results if one.case.label in others]
    if not pairs and len(first.results) == len(second.results) == 1:
        pairs = [(first.results[0], second.results[0])]
    if not pairs:
        mine = ", ".join(result.case.label for result in first.results)
        raise ValueError(f"no case in common: A has {mine}; B has {', '.join(others)}")
    return [_compare(a, b) for a, b in pairs]


def differences(first: Record, second: Record) -> list[str]:
    """What else is not the same: machine, its state, recording, protocol."""
    told = []
    if first.machine["name"] != second.machine["name"]:
        told.append(f"machine: {first.machine['name']} / {second.machine['name']}")
    for name in ("power_mode", "clocks", "governor"):
        a, b = (one.machine["facts"].get(name) for one in (first, second))
        if a != b:
            told.append(f"{name.replace('_', ' ')}: {a} / {b}")
    for name in ("scenario", "pin", "speed"):
        a, b = (one.protocol.get(name) for one in (first, second))
        if a != b:
            told.append(f"{name}: {a} / {b}")
    a, b = (one.protocol["recording"].get("sha256") for one in (first, second))
    if a != b:
        told.append("recordings are not the same")
    return told


def _compare(a: Result, b: Result) -> Comparison:
    label = a.case.label if a.case.label == b.case.label else f"{a.case.label} / {b.case.label}"
    doubts = [f"{name} is unstable" for name, one in (("A", a), ("B", b)) if not one.stable]
    if a.about.get("weights_sha256") != b.about.get("weights_sha256"):
        doubts.append("the weights are not the same")
    return Comparison(label, *compare_latencies(a.samples(), b.samples()), tuple(doubts))


def _welch(first: Sequence[Latencies], second: Sequence[Latencies]) -> tuple[float, float, float]:
    logs = [np.log([np.median(one) for one in side]) for side in (first, second)]
    difference = float(logs[1].mean() - logs[0].mean())
    parts = [float(side.var(ddof=1)) / len(side) for side in logs]
    error = math.sqrt(sum(parts))
    if error == 0:
        return math.exp(difference), math.exp(difference), math.exp(difference)
    below = sum(part**2 / (len(side) - 1) for part, side in zip(parts, logs, strict=True))
    half = _quantile(sum(parts) ** 2 / below) * error
    return math.exp(difference), math.exp(difference - half), math.exp(difference + half)


def _resampled(
    first: Sequence[Latencies], second: Sequence[Latencies]
) -> tuple[float, float, float]:
    ratios = medians(second, seed=SEED + 1) / medians(first, seed=SEED)
    outside = (100 - CONFIDENCE) / 2
    low, high = np.percentile(ratios, [outside, 100 - outside])
    ratio = float(np.median(np.concatenate(second)) / np.median(np.concatenate(first)))
    return ratio, float(low), float(high)


def _quantile(freedom: float) -> float:
    """Of Student's t, for the next lower degrees of freedom in the table: never too narrow."""
    return _T[max(entry for entry in _T if entry <= max(1.0, freedom))]
