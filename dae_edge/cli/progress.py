"""A progress bar on a terminal, nothing elsewhere; tqdm draws it where it is installed."""

from __future__ import annotations

import sys
from typing import Any


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
            print(f"{label} ...", file=sys.stderr)
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
