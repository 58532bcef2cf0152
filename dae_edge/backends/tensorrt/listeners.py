"""What TensorRT calls while it works: a log that keeps the lines, a monitor that tells progress."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dae_edge.export.exporting import Steps

ERROR, WARNING = 1, 2
"""TensorRT's severities; 0 is an internal error, more than 2 is talk."""

MOST_LINES = 3
_STILL_TO_COME = 0.999


@cache
def logger_of(module: Any) -> Any:
    """The log of one TensorRT module.

    There is one for each, for good: TensorRT keeps a pointer to the first that it was given.
    """
    base: Any = module.ILogger

    class Log(base):  # type: ignore[misc]
        def __init__(self) -> None:
            base.__init__(self)
            self.listeners: list[list[tuple[int, str]]] = []

        def log(self, severity: Any, message: str) -> None:
            if int(severity) <= WARNING:
                for lines in list(self.listeners):
                    lines.append((int(severity), " ".join(message.split())))

    return Log()


@contextmanager
def listening(logger: Any) -> Iterator[list[tuple[int, str]]]:
    """Warnings and errors said inside the block, as (severity, line)."""
    lines: list[tuple[int, str]] = []
    logger.listeners.append(lines)
    try:
        yield lines
    finally:
        # by identity: two listeners that heard the same are equal
        logger.listeners[:] = [kept for kept in logger.listeners if kept is not lines]


def complaint(lines: list[tuple[int, str]], otherwise: str = "no reason given") -> str:
    """The first errors that were logged, in one line."""
    errors = list(dict.fromkeys(line for severity, line in lines if severity <= ERROR))
    more = f" (and {len(errors) - MOST_LINES} more)" if len(errors) > MOST_LINES else ""
    return "; ".join(errors[:MOST_LINES]) + more if errors else otherwise


class Phases:
    """How far nested phases have come. TensorRT may report from several threads.

    A phase has a number of steps; a phase inside it is one of them. The fraction never falls.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stack: list[tuple[str, int, int]] = []  # name, steps done, steps
        self._fraction = 0.0

    def start(self, name: str, steps: int) -> float:
        """A phase begins; the fraction of everything that is done."""
        with self._lock:
            self._stack.append((name, 0, max(steps, 1)))
            return self._so_far()

    def step(self, name: str, step: int) -> float:
        """A step of a phase, counted from zero, is done; the fraction of everything."""
        with self._lock:
            for index, (kept, _, steps) in enumerate(self._stack):
                if kept == name:
                    self._stack[index] = (name, min(step + 1, steps), steps)
            return self._so_far()

    def finish(self, name: str) -> float:
        """A phase ends; the fraction of everything that is done."""
        with self._lock:
            names = [kept for kept, _, _ in self._stack]
            if name in names:
                last = len(names) - 1 - names[::-1].index(name)
                del self._stack[last]
            if not self._stack:
                self._fraction = 1.0
            return self._so_far()

    def _so_far(self) -> float:
        share, fraction = 1.0, 0.0
        for _, done, steps in self._stack:
            fraction += share * done / steps
            share /= steps
        if self._stack:
            fraction = min(fraction, _STILL_TO_COME)
        self._fraction = max(self._fraction, fraction)
        return self._fraction


def monitor_of(module: Any, step: str, progress: Steps) -> Any:
    """A progress monitor that tells ``progress`` how far ``step`` is.

    An exception in ``progress``, a Ctrl-C for one, must not go through TensorRT: the build is asked
    to stop, and the exception waits in ``failure`` for whoever started it.
    """
    base: Any = module.IProgressMonitor

    class Monitor(base):  # type: ignore[misc]
        def __init__(self) -> None:
            base.__init__(self)
            self.phases = Phases()
            self.failure: BaseException | None = None

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._tell(self.phases.start(phase_name, num_steps))

        def step_complete(self, phase_name: str, step: int) -> bool:
            return self._tell(self.phases.step(phase_name, step))

        def phase_finish(self, phase_name: str) -> None:
            self._tell(self.phases.finish(phase_name))

        def _tell(self, fraction: float) -> bool:
            if self.failure is None:
                try:
                    progress(step, fraction)
                except BaseException as failure:
                    self.failure = failure
            return self.failure is None

    return Monitor()
