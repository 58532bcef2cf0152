"""What is measured: a bundle in its engine, or whatever else takes packets of events."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from time import perf_counter_ns
from typing import Any, Protocol

import numpy as np

from dae_edge import bundle as bundles
from dae_edge.backends.placement import placement
from dae_edge.bench.accuracy import accuracy
from dae_edge.bench.case import Case
from dae_edge.bench.windows import Windows
from dae_edge.bundle import MANIFEST, sha256_of
from dae_edge.events import Events
from dae_edge.model import load

STAGES = ("encode", "copy_in", "infer", "copy_out", "post")
"""Of the latency, in order. Engines on the CPU read our memory: they have no copies. TensorRT's are
within its one call for a window, and so within ``infer``."""

Step = dict[str, float]
"""Microseconds by stage, with ``total``; ``events`` is the window's count."""


class Subject(Protocol):
    """Made from a case, cheaply; then ``load``, ``open``, and one ``step`` for each packet."""

    sensor: tuple[int, int]
    """(width, height) that it takes events of."""
    window_us: int
    """Length of its windows."""

    def __init__(self, case: Case) -> None:
        """Read what there is to know; do not load an engine yet."""

    def load(self) -> None:
        """Make it ready to run."""

    def open(self, windows: Windows) -> None:
        """Zero state; the first event."""

    def step(self, packet: Events) -> list[Step]:
        """A packet that ends a window: what each of its windows took."""

    def newest(self, packet: Events) -> tuple[int, int]:
        """Catch up: only the newest window of the packet; (windows inferred, dropped)."""

    def about(self) -> dict[str, Any]:
        """Model, engine, placement, accuracy, states: for the record; after ``load``."""


def open_subject(case: Case) -> Subject:
    """The subject that a case names.

    Raises:
        ValueError: ``module:class`` names nothing.
    """
    module, _, name = case.subject.partition(":")
    try:
        made: Subject = getattr(importlib.import_module(module), name)(case)
    except (ModuleNotFoundError, AttributeError) as error:
        raise ValueError(f"no subject {case.subject!r}: {error}") from error
    return made


class BundleSubject:
    """A bundle through the public interface: ``load``, ``stream``, ``push``."""

    def __init__(self, case: Case) -> None:
        if case.bundle is None:
            raise ValueError("a bundle must be named")
        self._case = case
        self._bundle = bundles.read(case.bundle)
        self.sensor = self._bundle.contract.sensor
        self.window_us = case.window_us or int(self._bundle.manifest["input"]["window_us"])

    def load(self) -> None:
        """See ``Subject.load``; the files are compared with the manifest, as on a robot."""
        case = self._case
        self.model = load(self._bundle.path, backend=case.backend, threads=case.threads)

    def open(self, windows: Windows) -> None:
        """See ``Subject.open``."""
        self._stream = self.model.stream(
            window_us=self.window_us, hop_us=windows.hop_us, origin_us=windows.origin_us
        )
        self._stream.push(windows.opening)

    def step(self, packet: Events) -> list[Step]:
        """See ``Subject.step``; all events but the closing one first, to tell the stages apart."""
        began = perf_counter_ns()
        depths = self._stream.push(packet[:-1])
        taken = perf_counter_ns()
        depths += self._stream.push(packet[-1:])
        total = (perf_counter_ns() - began) / 1e3
        inferred = [depth for depth in depths if depth.infer_us]
        if len(inferred) != 1:
            return []
        (depth,) = inferred
        stages = {"encode": (taken - began) / 1e3 + depth.encode_us, "infer": depth.infer_us}
        stages["post"] = max(0.0, total - sum(stages.values()))
        return [{**stages, "total": total, "events": float(depth.events)}]

    def newest(self, packet: Events) -> tuple[int, int]:
        """See ``Subject.newest``."""
        before = self._stream.health.dropped_windows
        depths = self._stream.push(packet, newest_only=True)
        return len(depths), self._stream.health.dropped_windows - before

    def about(self) -> dict[str, Any]:
        """See ``Subject.about``."""
        manifest, contract = self._bundle.manifest, self._bundle.contract
        states = sum(
            int(np.prod(state.shape)) * np.dtype(state.dtype).itemsize for state in contract.states
        )
        placed = placement(self.model.engine)
        return {
            "model": self.model.name,
            "target": manifest["target"],
            "engine": self.model.engine.description,
            "unit": self.model.unit,
            "trained": self.model.trained,
            "passed": manifest["verdict"]["passed"] if "verdict" in manifest else None,
            "sensor": list(contract.sensor),
            "window_us": self.window_us,
            "hop_us": self._case.hop_us or self.window_us,
            "bundle": str(self._bundle.path),
            "bundle_sha256": sha256_of(self._bundle.path / MANIFEST),
            "weights_sha256": manifest["weights"].get("sha256"),
            "parameters": manifest["model"].get("parameters"),
            "bundle_bytes": _size(self._bundle.path),
            "states_bytes": states,
            "placement": placed and placed.as_dict(),
            "accuracy": accuracy(self.model),
        }


def _size(path: Path) -> int:
    return sum(entry.stat().st_size for entry in os.scandir(path) if entry.is_file())
