"""What was measured so far, a line of JSON each: a run that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from dae_edge.bench.case import Case
from dae_edge.bench.launch import launch
from dae_edge.bench.tree import Tree
from dae_edge.bundle import MANIFEST, sha256_of


class OutOfTimeError(Exception):
    """The time that was given is over; what is measured is kept."""


class Kept:
    """Values by key, in a file.

    Args:
        path: The file; made when there is something to keep.
        minutes: After these nothing new is begun.
    """

    def __init__(self, path: Path, minutes: float = math.inf) -> None:
        self.path = path
        self._until = time.monotonic() + 60 * minutes
        self._values: dict[str, dict[str, Any]] = {}
        self._got: set[str] = set()
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        for line in lines:
            try:
                key, value = json.loads(line)
            except ValueError:  # the run was stopped while it wrote this
                continue
            self._values[key] = value

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def get(self, key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The value, made now if it is not there.

        Raises:
            OutOfTimeError: it is not there, and the time is over.
        """
        if key not in self._values:
            if time.monotonic() >= self._until:
                raise OutOfTimeError
            self._append(key, make())
        self._got.add(key)
        return self._values[key]

    def finish(self) -> None:
        """What this run got is in its result: the next run measures it anew."""
        left = {key: value for key, value in self._values.items() if key not in self._got}
        self.forget()
        for key, value in left.items():
            self._append(key, value)

    def forget(self) -> None:
        """Begin anew."""
        self._values.clear()
        self._got.clear()
        self.path.unlink(missing_ok=True)

    def _append(self, key: str, value: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"\n{json.dumps([key, value])}")  # whole also after half a line
        self._values[key] = value


class Launches:
    """Stands for ``launch`` in ``matrix.run``: what was launched is not launched again.

    A launch is known by its number, everything in its case, and its bundle's hash.
    """

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._begun: Counter[str] = Counter()

    def __call__(self, case: Case, tree: Tree, *, about: bool = True) -> dict[str, Any]:
        """See ``launch``; ``about`` says the day too."""
        self._begun[case.label] += 1
        return self._kept.get(
            _key(case, self._begun[case.label]), lambda: _launched(case, tree, about)
        )


def is_kept(kept: Kept, case: Case, number: int) -> bool:
    """Whether a case's launch, from 1 on, was measured."""
    there = case.bundle is None or (Path(case.bundle) / MANIFEST).is_file()
    return there and _key(case, number) in kept


def _key(case: Case, number: int) -> str:
    told = json.dumps(case.as_dict(), sort_keys=True)
    bundle = sha256_of(Path(case.bundle) / MANIFEST) if case.bundle else ""
    return f"{case.label}: {number}: {hashlib.sha256((told + bundle).encode()).hexdigest()[:16]}"


def _launched(case: Case, tree: Tree, about: bool) -> dict[str, Any]:
    with _cold_compiler():
        told = launch(case, tree, about=about)
    if "about" in told:
        told["about"]["date"] = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return told


@contextmanager
def _cold_compiler() -> Iterator[None]:
    """torch.compile's cache is empty: it starts as cold as the others, and finds no half library of
    a launch that was stopped.
    """
    name = "TORCHINDUCTOR_CACHE_DIR"
    before = os.environ.get(name)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[name] = folder
        try:
            yield
        finally:
            del os.environ[name]
            if before is not None:
                os.environ[name] = before
