"""What to keep in float where INT8 misses its budget: the layers that hurt most, as few as do.

First each layer alone is quantized and its harm measured, on both metrics. Then the most harmful
ones are restored in that order: 1, 2, 4, .. until the budget holds, and then as few as still do.
Bounded in time; what was found so far is kept in a file, so that the same search goes on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dae_edge.calibration.budget import Budget, Check, Judgement
from dae_edge.calibration.layers import Layer

VERSION = 1


@dataclass(frozen=True)
class Harm:
    """What quantizing one layer alone does.

    Attributes:
        layer: Name of the ONNX node.
        about: The module it comes from.
        absrel: AbsRel with the depth of float32 as the truth.
        delta1: 1 - delta1 with the depth of float32 as the truth.
    """

    layer: str
    about: str
    absrel: float
    delta1: float

    def share(self, budget: Budget) -> float:
        """Of the budget, the larger of the two."""
        absrel = self.absrel / max(budget.fp32_absrel, 1e-9)
        return max(absrel, self.delta1 / max(budget.fp32_delta1, 1e-9))


@dataclass(frozen=True)
class Attempt:
    """One choice of layers, made and judged.

    Attributes:
        kept: Names of the layers that stayed float.
        passed: Whether it held the budget.
        absrel: AbsRel to float32, mean over sequences.
        delta1: 1 - delta1 to float32, mean over sequences.
        rise: Of AbsRel against the truth; None without truth.
        latency_ms: Of one window, median; and as a part of float32's in the same minute.
        latency_ratio: The same, divided by that of float32.
        over: The limits that were exceeded.
    """

    kept: tuple[str, ...]
    passed: bool
    absrel: float
    delta1: float
    rise: float | None
    latency_ms: float
    latency_ratio: float
    over: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**self.__dict__, "kept": list(self.kept), "over": list(self.over)}


@dataclass
class Found:
    """What a search knows, from its beginning or from its file.

    Attributes:
        harms: Of the layers measured so far.
        attempts: In order.
        seconds: Spent, over all runs.
        finished: It was not stopped by its time.
    """

    harms: list[Harm] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    seconds: float = 0.0
    finished: bool = False

    @property
    def best(self) -> Attempt | None:
        """The one that holds the budget with the fewest layers kept."""
        held = [attempt for attempt in self.attempts if attempt.passed]
        return min(held, key=lambda attempt: len(attempt.kept), default=None)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "harms": [harm.__dict__ for harm in self.harms],
            "attempts": [attempt.as_dict() for attempt in self.attempts],
            "seconds": round(self.seconds, 1),
            "finished": self.finished,
        }


@dataclass
class Memory:
    """The search's file; a key tells one search from another, ``None``: keep nothing."""

    path: Path | None
    key: str

    def read(self) -> Found:
        """What an earlier run left; nothing, if it was another search or the file is damaged."""
        try:
            content = json.loads((self.path or Path()).read_text(encoding="utf-8"))
            if (content["version"], content["key"]) != (VERSION, self.key):
                return Found()
            harms = [Harm(**one) for one in content["harms"]]
            attempts = [
                Attempt(**{**one, "kept": tuple(one["kept"]), "over": tuple(one["over"])})
                for one in content["attempts"]
            ]
            return Found(harms, attempts, float(content["seconds"]))
        except (OSError, ValueError, KeyError, TypeError):
            return Found()

    def write(self, found: Found) -> None:
        """Keep what is known; a half-written file does not replace a whole one."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(".part")
        content = {"version": VERSION, "key": self.key, **found.as_dict()}
        beside.write_text(json.dumps(content, indent=1), encoding="utf-8")
        beside.replace(self.path)


class Search:
    """Looks for the fewest layers to keep.

    Args:
        layers: What is quantized.
        budget: To hold.
        harm: Quantizes one layer alone and says (AbsRel, 1 - delta1) to float32.
        attempt: Makes and judges a choice: judgement, latency in ms, and as a part of float32's.
        minutes: Bound of this run; the next one goes on from what it found.
        most: Part of the layers that may be kept.
        memory: Where it is kept.
        progress: Told of what is done and of the part that is.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        budget: Budget,
        *,
        harm: Callable[[Layer], tuple[float, float]],
        attempt: Callable[[tuple[str, ...]], tuple[Judgement, float, float]],
        minutes: float,
        most: float,
        memory: Memory,
        progress: Callable[[str, float], None] = lambda step, part: None,
    ) -> None:
        self._layers = list(layers)
        self._budget = budget
        self._harm, self._attempt = harm, attempt
        self._seconds = 60 * minutes
        self._most = max(1, int(most * len(self._layers)))
        self._memory, self._progress = memory, progress
        self.found = memory.read()
        self._spent_before = self.found.seconds
        self._began = time.monotonic()

    def measure(self) -> list[Harm]:
        """The harm of every layer, worst first; of those there was time for."""
        known = {harm.layer for harm in self.found.harms}
        for place, layer in enumerate(self._layers):
            if layer.name in known:
                continue
            if self._late():
                break
            self._progress("harm of each layer", place / len(self._layers))
            self.found.harms.append(Harm(layer.name, layer.about, *self._harm(layer)))
            self._keep()
        return sorted(self.found.harms, key=lambda one: -one.share(self._budget))

    def restore(self) -> Attempt | None:
        """Restore layers until the budget holds; None if it cannot be, or time is over."""
        order = [harm.layer for harm in self.measure()]
        failed, held, count = 0, 0, 1
        while not held:
            count = min(count, self._most, len(order))
            if count <= failed or self._late():
                break
            if self._try(order[:count]).passed:
                held = count
            else:
                failed, count = count, 2 * count
        while held and held - failed > 1 and not self._late():
            middle = (held + failed) // 2
            if self._try(order[:middle]).passed:
                held = middle
            else:
                failed = middle
        self.found.finished = not self._late()
        self._keep()
        return self.found.best

    def exactly(self, count: int) -> Attempt:
        """The choice that keeps so many layers, the most harmful; it need not hold the budget.

        Raises:
            ValueError: there are not so many, or no time to measure them all.
        """
        if count > len(self._layers):
            raise ValueError(f"--keep {count}: there are {len(self._layers)} layers to quantize")
        order = [harm.layer for harm in self.measure()] if count else []
        if count and len(order) < len(self._layers):
            raise ValueError(
                f"--keep {count}: {len(order)} of {len(self._layers)} layers were measured in "
                f"{self._seconds / 60:g} minutes (--search-minutes); the same command goes on"
            )
        made = self._try(order[:count])
        self.found.finished = True
        self._keep()
        return made

    def seen(self, judged: Judgement, latency_ms: float, ratio: float) -> None:
        """The choice that keeps none was made and judged before the search."""
        if all(done.kept for done in self.found.attempts):
            self.found.attempts.insert(0, attempt_of((), judged, latency_ms, ratio))

    def _try(self, kept: list[str]) -> Attempt:
        chosen = tuple(sorted(kept))
        for done in self.found.attempts:
            if done.kept == chosen:
                return done
        self._progress(f"{len(chosen)} of {len(self._layers)} layers kept", 0.0)
        made = attempt_of(chosen, *self._attempt(chosen))
        self.found.attempts.append(made)
        self._keep()
        return made

    def _late(self) -> bool:
        return time.monotonic() - self._began > self._seconds

    def _keep(self) -> None:
        self.found.seconds = self._spent_before + time.monotonic() - self._began
        self._memory.write(self.found)


def attempt_of(
    kept: tuple[str, ...], judged: Judgement, latency_ms: float, ratio: float
) -> Attempt:
    """A judgement as a point among others."""
    rises = [check.value for check in judged.checks if _is(check, "absrel")]
    return Attempt(
        kept,
        judged.passed,
        next(check.value for check in judged.checks if _is(check, "fp32_absrel")),
        next(check.value for check in judged.checks if _is(check, "fp32_delta1")),
        rises[0] if rises else None,
        latency_ms,
        ratio,
        tuple(str(check) for check in judged.over),
    )


def _is(check: Check, name: str) -> bool:
    return check.name == name and check.where == "mean"


def front(attempts: Sequence[Attempt]) -> list[Attempt]:
    """The attempts that no other beats in both distance to float32 and latency, fastest first."""
    best: list[Attempt] = []
    for attempt in sorted(attempts, key=lambda one: (one.latency_ratio, one.absrel)):
        if not best or attempt.absrel < best[-1].absrel:
            best.append(attempt)
    return best


def blame(harms: Sequence[Harm], budget: Budget, *, most: int = 3) -> str:
    """The worst layers in words, for an error message."""
    worst = sorted(harms, key=lambda one: -one.share(budget))[:most]
    return ", ".join(f"{one.about} ({one.layer}: AbsRel {one.absrel:.4f})" for one in worst)


def read_settings(table: Mapping[str, Any], where: str) -> tuple[float, float]:
    """(minutes, most) of a target's ``[search]``.

    Raises:
        ValueError: no numbers within reason.
    """
    minutes, most = table.get("minutes", 20), table.get("most", 0.5)
    for name, value, top in (("minutes", minutes, 1e4), ("most", most, 1.0)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= top:
            raise ValueError(f"{where}: {name}: wanted 0 .. {top:g}, got {value!r}")
    return float(minutes), float(most)
