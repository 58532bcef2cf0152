"""What a target may lose against float32, and what it does lose: AbsRel and delta1.

Three questions, each for the mean over sequences and for the worst one, states carried along: how
much worse is the depth against the truth; how far is it from what float32 gives; and does that
distance grow over hundreds of windows (drift)?
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import cycle, islice
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from dae_edge import metrics
from dae_edge.backends import Engine, Session
from dae_edge.calibration.sequences import WindowSequence
from dae_edge.finite import finite_only
from dae_edge.hints import closest
from dae_edge.protocols import Strict

Depth = NDArray[np.float32]
Progress = Callable[[str, float], None]

DRIFT = (1, 50, 200, 500)
"""Windows at which drift is looked at."""


@dataclass(frozen=True)
class Budget:
    """Limits, all absolute.

    Attributes:
        absrel: Largest rise of AbsRel against the truth.
        delta1: Largest fall of delta1 against the truth.
        fp32_absrel: Largest AbsRel with the depth of float32 as the truth, not aligned.
        fp32_delta1: Largest 1 - delta1 with the depth of float32 as the truth, not aligned.
        drift: Windows (from 1) at which the distance to float32 is also looked at.
    """

    absrel: float
    delta1: float
    fp32_absrel: float
    fp32_delta1: float
    drift: tuple[int, ...] = DRIFT

    @classmethod
    def read(cls, table: Mapping[str, Any], where: str) -> Budget:
        """From a target's ``[budget]``.

        Raises:
            ValueError: a limit is missing, unknown or no number.
        """
        names = [field.name for field in fields(cls)]
        for name in table:
            if name not in names:
                raise ValueError(f"{where}: no limit {name!r}{closest(name, names)}")
        for name in names[:-1]:
            value = table.get(name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
                raise ValueError(f"{where}: {name}: wanted a number of 0 or more, got {value!r}")
        drift = table.get("drift", list(DRIFT))
        if not isinstance(drift, list) or not all(type(one) is int and one > 0 for one in drift):
            raise ValueError(f"{where}: drift: wanted windows from 1 on, got {drift!r}")
        limits = {name: float(table[name]) for name in names[:-1]}
        return cls(**limits, drift=tuple(sorted(set(drift))))

    def changed(self, text: str) -> Budget:
        """With limits as typed: ``absrel=0.02,delta1=0.01``.

        Raises:
            ValueError: not of that form.
        """
        limits: dict[str, float] = {}
        known = [field.name for field in fields(self)][:-1]
        for part in filter(None, text.split(",")):
            name, _, value = (piece.strip() for piece in part.partition("="))
            if name not in known:
                raise ValueError(f"--budget: no limit {name!r}{closest(name, known)}")
            try:
                limits[name] = float(value)
            except ValueError as error:
                raise ValueError(f"--budget: {name}: wanted a number, got {value!r}") from error
            if not limits[name] >= 0:
                raise ValueError(f"--budget: {name}: wanted 0 or more, got {value!r}")
        return replace(self, **cast("Any", limits))


@dataclass(frozen=True)
class Check:
    """One limit and what was measured.

    Attributes:
        name: A limit's name in ``Budget``; ``"finite"``.
        where: ``"mean"``, a sequence's name after ``"worst: "``, or ``"window N"``.
        value: Measured; infinite where depth was not finite.
        limit: Allowed.
    """

    name: str
    where: str
    value: float
    limit: float

    @property
    def passed(self) -> bool:
        """Within the limit."""
        return self.value <= self.limit

    @property
    def share(self) -> float:
        """Of the limit that was used: 1 is all of it."""
        return self.value / max(self.limit, 1e-9)

    def __str__(self) -> str:
        value = f"{self.value:.4f}" if np.isfinite(self.value) else "not finite"
        return f"{self.name} ({self.where}) {value}, allowed {self.limit:g}"


@dataclass(frozen=True)
class Scores:
    """Means over a sequence's windows; ``None``: no truth."""

    name: str
    windows: int
    absrel: float | None
    delta1: float | None
    fp32_absrel: float = 0.0
    fp32_delta1: float = 1.0


@dataclass(frozen=True)
class Worst:
    """The window in which a target is farthest from float32, to look at.

    Attributes:
        where: Sequence and window.
        image: What the network got.
        truth: True depth, metres, 0 where unknown; None without truth.
        fp32: Depth of float32.
        target: Depth of the target.
        absrel: Between the two.
    """

    where: str
    image: NDArray[Any]
    truth: Depth | None
    fp32: Depth
    target: Depth
    absrel: float


@dataclass(frozen=True)
class Judgement:
    """What a target does, and whether that is within its budget.

    Attributes:
        checks: Every limit.
        fp32: Scores of float32, by sequence.
        target: Scores of the target.
        worst: The window to look at.
        drift: (window, AbsRel, delta1) to float32.
    """

    checks: tuple[Check, ...]
    fp32: tuple[Scores, ...]
    target: tuple[Scores, ...]
    worst: Worst
    drift: tuple[tuple[int, float, float], ...] = ()

    @property
    def passed(self) -> bool:
        """Every limit held."""
        return all(check.passed for check in self.checks)

    @property
    def finite(self) -> bool:
        """Every depth was."""
        return all(np.isfinite(check.value) for check in self.checks)

    @property
    def over(self) -> list[Check]:
        """What is over its limit."""
        return [check for check in self.checks if not check.passed]

    def mean(self, name: str) -> float | None:
        """A score's mean over sequences, of the target."""
        return _mean(getattr(scores, name) for scores in self.target)

    def as_dict(self) -> dict[str, Any]:
        """For report.json; what is not finite is ``None``."""
        told = {
            "passed": self.passed,
            "checks": [{**asdict(check), "passed": check.passed} for check in self.checks],
            "fp32": [asdict(scores) for scores in self.fp32],
            "target": [asdict(scores) for scores in self.target],
            "drift": [
                {"window": window, "fp32_absrel": absrel, "fp32_delta1": delta1}
                for window, absrel, delta1 in self.drift
            ],
        }
        return finite_only(told)  # type: ignore[no-any-return]


def apart(judgement: Judgement) -> tuple[float, float]:
    """(AbsRel, 1 - delta1) to float32, mean over sequences."""
    return (
        judgement.mean("fp32_absrel") or 0.0,
        1 - (judgement.mean("fp32_delta1") or 0.0),
    )


class Judge:
    """Judges engines of one model on the same windows; what float32 gives is computed once.

    Args:
        reference: The portable ONNX in float32.
        sequences: What is judged on.
        budget: The limits.
        progress: Told of the part that is done.
    """

    def __init__(
        self,
        reference: Engine,
        sequences: Sequence[WindowSequence],
        budget: Budget,
        progress: Progress = lambda step, part: None,
    ) -> None:
        self.budget = budget
        self.sequences = tuple(sequences)
        self._progress = progress
        told = self._told("float32")
        self._depths = [_roll(reference.session(), told(one.images)) for one in self.sequences]
        self._fp32 = tuple(
            _scores(one, depths, depths)
            for one, depths in zip(self.sequences, self._depths, strict=True)
        )
        self._reference = reference
        self._drifted: dict[int, Depth] = {}

    def accuracy(self, engine: Engine, step: str = "budget") -> Judgement:
        """AbsRel and delta1, without drift."""
        told = self._told(step)
        scores, worst = [], []
        for sequence, fp32 in zip(self.sequences, self._depths, strict=True):
            depths = _roll(engine.session(), told(sequence.images))
            scores.append(_scores(sequence, depths, fp32))
            worst.append(_worst(sequence, depths, fp32))
        farthest = max(worst, key=lambda one: one.absrel)
        return Judgement(tuple(self._checks(scores)), self._fp32, tuple(scores), farthest)

    def whole(self, engine: Engine) -> Judgement:
        """Everything: accuracy, then drift."""
        found = self.accuracy(engine)
        if not self.budget.drift:
            return found
        if not self._drifted:
            self._drifted = self._drift(self._reference, "drift of float32")
        drifted = self._drift(engine, "drift")
        drift = tuple(
            (window, *_distance(depth, self._drifted[window])) for window, depth in drifted.items()
        )
        checks = []
        for window, absrel, delta1 in drift:
            where = f"window {window}"
            checks.append(Check("fp32_absrel", where, absrel, self.budget.fp32_absrel))
            checks.append(Check("fp32_delta1", where, 1 - delta1, self.budget.fp32_delta1))
        return replace(found, checks=(*found.checks, *checks), drift=drift)

    def _drift(self, engine: Engine, step: str) -> dict[int, Depth]:
        """Depth at the windows that are looked at: the longest sequence, again and again.

        Without a state, no window changes another: only those are run.
        """
        longest = max(self.sequences, key=len)
        session, last = engine.session(), max(self.budget.drift)
        remembers = bool(session.state())
        found = {}
        for window, image in enumerate(islice(cycle(longest.images), last), start=1):
            if not remembers and window not in self.budget.drift:
                continue
            session.image[...] = image
            depth = session.run()
            if window in self.budget.drift:
                found[window] = depth
            self._progress(step, window / last)
        return found

    def _checks(self, scores: Sequence[Scores]) -> Iterable[Check]:
        limits = self.budget
        rises, falls = [], []
        for before, after in zip(self._fp32, scores, strict=True):
            if before.absrel is not None and after.absrel is not None:
                rises.append((after.absrel - before.absrel, after.name))
            if before.delta1 is not None and after.delta1 is not None:
                falls.append((before.delta1 - after.delta1, after.name))
        yield from _mean_and_worst("absrel", rises, limits.absrel)
        yield from _mean_and_worst("delta1", falls, limits.delta1)
        apart = [(one.fp32_absrel, one.name) for one in scores]
        yield from _mean_and_worst("fp32_absrel", apart, limits.fp32_absrel)
        apart = [(1 - one.fp32_delta1, one.name) for one in scores]
        yield from _mean_and_worst("fp32_delta1", apart, limits.fp32_delta1)

    def _told(self, step: str) -> Callable[[Sequence[Any]], Iterable[Any]]:
        total, done = sum(map(len, self.sequences)), 0

        def told(images: Sequence[Any]) -> Iterable[Any]:
            nonlocal done
            for image in images:
                yield image
                done += 1
                self._progress(step, done / total)

        return told


def _roll(session: Session, images: Iterable[Any]) -> list[Depth]:
    depths = []
    for image in images:
        session.image[...] = image
        depths.append(session.run())
    return depths


def _scores(sequence: WindowSequence, depths: Sequence[Depth], fp32: Sequence[Depth]) -> Scores:
    absrels: list[float] = []
    deltas: list[float] = []
    for depth, truth in zip(depths, sequence.truths, strict=False):
        frame = Strict().frame(depth, truth)
        bad = frame["not_finite"] > 0
        absrels.append(np.inf if bad else frame["abs_rel"])
        deltas.append(0.0 if bad else frame["delta1"])
    apart = [_distance(depth, own) for depth, own in zip(depths, fp32, strict=True)]
    return Scores(
        sequence.name,
        len(depths),
        _mean(value for value in absrels if not np.isnan(value)),
        _mean(value for value in deltas if not np.isnan(value)),
        float(np.mean([absrel for absrel, _ in apart])),
        float(np.mean([delta1 for _, delta1 in apart])),
    )


def _worst(sequence: WindowSequence, depths: Sequence[Depth], fp32: Sequence[Depth]) -> Worst:
    apart = [_distance(depth, own)[0] for depth, own in zip(depths, fp32, strict=True)]
    at = int(np.argmax(apart))
    return Worst(
        f"{sequence.name}, window {at}",
        sequence.images[at],
        sequence.truths[at] if sequence.truths else None,
        fp32[at],
        depths[at],
        apart[at],
    )


def _distance(depth: Depth, fp32: Depth) -> tuple[float, float]:
    """AbsRel and delta1 with float32's depth as the truth; infinite and 0 where not finite."""
    if not np.isfinite(depth).all():
        return np.inf, 0.0
    truth = np.maximum(np.abs(fp32), 1e-6)
    depth = np.maximum(depth, 1e-6)
    return metrics.abs_rel(depth, truth), metrics.delta(depth, truth)


def _mean_and_worst(name: str, values: list[tuple[float, str]], limit: float) -> Iterable[Check]:
    if values:
        yield Check(name, "mean", float(np.mean([value for value, _ in values])), limit)
        value, sequence = max(values)
        yield Check(name, f"worst: {sequence}", value, limit)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
