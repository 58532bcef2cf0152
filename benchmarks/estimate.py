"""How long a run will take, by what was measured on this machine before."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from benchmarks.cases import Planned
from dae_edge.bench.case import Case
from dae_edge.bench.record import Record, Result

STARTING_S = 1.0
"""Of the interpreter, and of reading the recording."""


UNKNOWN_S = 60.0
"""Where nothing at all was measured before."""


def seconds(planned: Planned, before: Record | None) -> float:
    """About how long one launch takes.

    A case that was not measured before is taken for the slowest with its model and threads, or else
    of all.
    """
    results = before.results if before else []
    case, model = planned.case, planned.bundle.model
    same = [one for one in results if one.case.label == case.label]
    alike = [
        one
        for one in results
        if one.about.get("model") == model and one.case.threads == case.threads
    ]
    return max((_launch(one, case) for one in same or alike or results), default=UNKNOWN_S)


def _launch(result: Result, case: Case) -> float:
    launch = result.launches[0]
    window = launch["elapsed_s"] / max(1, len(launch["ends_s"]))
    windows = launch["warm_up"]["windows"] + (case.windows or 0)
    return float(STARTING_S + result.middle("cold_start_ms") / 1e3 + window * windows)


class Clock:
    """What is left of a run: the estimate, corrected by how it went so far.

    Args:
        planned: Label and seconds of each launch to come; 0 for one that is kept.
    """

    def __init__(self, planned: Sequence[tuple[str, float]]) -> None:
        self._left: dict[str, list[float]] = {}
        for label, estimate in planned:
            self._left.setdefault(label, []).append(estimate)
        self._running = self._expected = self._took = 0.0
        self._since = monotonic()

    def begin(self, label: str) -> float:
        """A launch begins: the seconds that are left, its own with them."""
        self.end()
        self._running = self._left[label].pop(0)
        pace = self._took / self._expected if self._expected else 1.0
        return pace * (self._running + sum(map(sum, self._left.values())))

    def end(self) -> None:
        """The launch is over; what comes until the next one does not count."""
        if self._running:
            self._expected += self._running
            self._took += monotonic() - self._since
        self._running, self._since = 0.0, monotonic()

    def drop(self, label: str) -> None:
        """A case cannot be measured."""
        self._left.pop(label)
