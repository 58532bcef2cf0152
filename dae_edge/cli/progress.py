"""Progress on stderr: a bar on a terminal where tqdm is installed, lines of steps everywhere."""

from __future__ import annotations

import sys
from time import perf_counter
from typing import Any

from dae_edge.closing import Closing


class Progress:
    """Progress of one piece of work.

    Args:
        label: What is going on.
        total: How many steps there are, or 1.0 for fractions; None where nobody knows.
        unit: What is counted.
    """

    def __init__(self, label: str, *, total: float | None, unit: str) -> None:
        self._bar: Any = None
        if not sys.stderr.isatty():
            return
        try:
            from tqdm import tqdm
        except ModuleNotFoundError:
            return
        layout = "{l_bar}{bar}| {elapsed}<{remaining} {postfix}" if total == 1.0 else None
        self._bar = tqdm(desc=label, total=total, unit=unit, bar_format=layout, leave=False)

    def to(self, position: float | None, note: str = "") -> None:
        """Move on to a position, with a short note beside the bar."""
        if self._bar is not None:
            self._bar.update(0 if position is None else max(0.0, position - self._bar.n))
            self._bar.set_postfix_str(note)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()


class Steps(Closing):
    """Work in several steps: a line for each as it begins, and a bar where its length is known."""

    def __init__(self) -> None:
        self._began = perf_counter()
        self._step = ""
        self._bar: Progress | None = None

    def __call__(self, step: str, fraction: float | None = None, /) -> None:
        """A step begins, or this fraction of it is done."""
        if step != self._step:
            self.close()
            self._step = step
            print(f"[{perf_counter() - self._began:6.1f} s] {step}", file=sys.stderr)
            self._bar = None if fraction is None else Progress(step, total=1.0, unit="")
        if self._bar is not None:
            self._bar.to(fraction)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
