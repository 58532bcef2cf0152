"""Averages of frames' scores: per sequence, over sequences, over frames; and the worst sequence.

Sums are kept exactly, so neither the order of frames nor the merging of parts changes a bit of the
result. A tally goes to and from plain JSON values, so that a long evaluation can be resumed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dae_edge.errors import FormatError

COUNTS = ("pixels", "clamped", "not_finite")
"""Scores that are counts: reported as totals, not as means."""

_NOT_ERRORS = ("mean_target", "median_target", "mean_prediction", "median_prediction")


@dataclass(frozen=True, slots=True)
class Report:
    """What a tally says.

    Attributes:
        protocol: Name of the protocol that scored the frames.
        frames: Frames of each sequence, also those that have no value for some metric.
        totals: Sum over all frames of ``COUNTS``, and of their forms for the cut-offs.
        sequences: Mean of each metric over the frames of each sequence that have a value.
        mean_of_sequences: Mean over the sequences that have a value: what the paper's tables show.
        mean_of_frames: Mean over all frames that have a value.
        worst: For each error metric the sequence with the worst mean, and that mean.
        without_value: Frames without a value, for the metrics where there are any.
    """

    protocol: str
    frames: dict[str, int]
    totals: dict[str, float]
    sequences: dict[str, dict[str, float]]
    mean_of_sequences: dict[str, float]
    mean_of_frames: dict[str, float]
    worst: dict[str, tuple[str, float]]
    without_value: dict[str, int]


class Tally:
    """Scores of frames, summed per sequence.

    >>> tally = Tally("strict")
    >>> for sequence, error in [("a", 1.0), ("a", 2.0), ("b", 6.0)]:
    ...     tally.add(sequence, {"rmse": error})
    >>> report = tally.report()
    >>> report.mean_of_sequences["rmse"], report.mean_of_frames["rmse"], report.worst["rmse"]
    (3.75, 3.0, ('b', 6.0))
    """

    def __init__(self, protocol: str) -> None:
        self.protocol = protocol
        self._sequences: dict[str, _Sequence] = {}

    def add(self, sequence: str, scores: Mapping[str, float]) -> None:
        """Add one frame. NaN means that the metric has no value there.

        Raises:
            ValueError: a score is infinite, or the frame has other metrics than those before it.
        """
        known = self._names()
        if known is not None and known != set(scores):
            difference = ", ".join(sorted(known ^ set(scores)))
            raise ValueError(
                f"{sequence}: frames must have the same metrics; not in all: {difference}"
            )
        for name, value in scores.items():
            if math.isinf(value):
                raise ValueError(f"{sequence}: {name} is infinite")
        entry = self._sequences.setdefault(sequence, _Sequence())
        entry.frames += 1
        for name, value in scores.items():
            total = entry.sums.setdefault(name, _Sum())
            if not math.isnan(value):
                total.count += 1
                total.add(float(value))

    def merge(self, other: Tally) -> None:
        """Add all frames of another tally of the same protocol.

        Raises:
            ValueError: another protocol or other metrics.
        """
        if other.protocol != self.protocol:
            raise ValueError(f"cannot merge {other.protocol!r} into {self.protocol!r}")
        ours, theirs = self._names(), other._names()
        if None not in (ours, theirs) and ours != theirs:
            raise ValueError("cannot merge tallies of different metrics")
        for name, entry in other._sequences.items():
            mine = self._sequences.setdefault(name, _Sequence())
            mine.frames += entry.frames
            for metric, total in entry.sums.items():
                kept = mine.sums.setdefault(metric, _Sum())
                kept.count += total.count
                for part in list(total.parts):
                    kept.add(part)

    def frames(self, sequence: str) -> int:
        """How many frames of this sequence were added."""
        entry = self._sequences.get(sequence)
        return entry.frames if entry else 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, from which ``from_dict`` makes the same tally again."""
        return {
            "protocol": self.protocol,
            "sequences": {
                name: {
                    "frames": entry.frames,
                    "sums": {metric: [s.count, *s.parts] for metric, s in entry.sums.items()},
                }
                for name, entry in self._sequences.items()
            },
        }

    @classmethod
    def from_dict(cls, saved: Any) -> Tally:
        """The tally that ``as_dict`` was called on.

        Raises:
            FormatError: not what ``as_dict`` gives.
        """
        try:
            tally = cls(str(saved["protocol"]))
            for name, entry in saved["sequences"].items():
                sums = {m: _Sum.of(values) for m, values in entry["sums"].items()}
                tally._sequences[name] = _Sequence(_count(entry["frames"]), sums)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise FormatError(f"not a saved tally: {error!r}") from error
        if len({frozenset(entry.sums) for entry in tally._sequences.values()}) > 1:
            raise FormatError("not a saved tally: its sequences have different metrics")
        return tally

    def report(self) -> Report:
        """The averages; metrics without any value are NaN."""
        entries = dict(sorted(self._sequences.items()))
        counts = [name for name in sorted(self._names() or ()) if name.startswith(COUNTS)]
        metrics = sorted((self._names() or set()) - set(counts))
        sequences = {
            name: {metric: entry.sums[metric].mean() for metric in metrics}
            for name, entry in entries.items()
        }
        frames = {name: entry.frames for name, entry in entries.items()}
        sums = {metric: _joined(e.sums[metric] for e in entries.values()) for metric in metrics}
        empty = {metric: sum(frames.values()) - sums[metric].count for metric in metrics}
        return Report(
            protocol=self.protocol,
            frames=frames,
            totals={
                name: _joined(e.sums[name] for e in entries.values()).total() for name in counts
            },
            sequences=sequences,
            mean_of_sequences={m: _mean(s[m] for s in sequences.values()) for m in metrics},
            mean_of_frames={m: sums[m].mean() for m in metrics},
            worst=_worst(sequences, metrics),
            without_value={m: n for m, n in empty.items() if n},
        )

    def _names(self) -> set[str] | None:
        entry = next(iter(self._sequences.values()), None)
        return set(entry.sums) if entry else None


@dataclass(slots=True)
class _Sum:
    """A sum without rounding: floats that do not overlap, and how many values went in."""

    count: int = 0
    parts: list[float] = field(default_factory=list)

    def add(self, value: float) -> None:
        """Add exactly: Shewchuk, Adaptive precision floating-point arithmetic, 1997."""
        kept = []
        for part in self.parts:
            large, small = (value, part) if abs(value) >= abs(part) else (part, value)
            value = large + small
            rest = small - (value - large)
            if rest:
                kept.append(rest)
        self.parts = [*kept, value]

    def total(self) -> float:
        return math.fsum(self.parts)

    def mean(self) -> float:
        return self.total() / self.count if self.count else math.nan

    @classmethod
    def of(cls, saved: list[Any]) -> _Sum:
        total = cls(_count(saved[0]))
        for part in saved[1:]:
            if isinstance(part, bool) or not math.isfinite(part):
                raise ValueError(f"{part!r} is no part of a sum")
            total.add(float(part))
        return total


@dataclass(slots=True)
class _Sequence:
    frames: int = 0
    sums: dict[str, _Sum] = field(default_factory=dict)


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value


def _joined(sums: Iterable[_Sum]) -> _Sum:
    joined = _Sum()
    for one in sums:
        joined.count += one.count
        for part in one.parts:
            joined.add(part)
    return joined


def _mean(values: Iterable[float]) -> float:
    present = [value for value in values if not math.isnan(value)]
    return math.fsum(present) / len(present) if present else math.nan


def _worst(
    sequences: Mapping[str, Mapping[str, float]], metrics: Iterable[str]
) -> dict[str, tuple[str, float]]:
    """Of each error metric the largest mean, of each delta the smallest; ties by name."""
    found = {}
    for metric in metrics:
        means = [(m[metric], name) for name, m in sequences.items() if not math.isnan(m[metric])]
        if means and not metric.startswith(_NOT_ERRORS):
            value, name = min(means) if metric.startswith("delta") else max(means)
            found[metric] = (name, value)
    return found
