"""Windows at the sensor's pace, by a clock that the test turns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from dae_edge.bench.case import REALTIME, Case
from dae_edge.bench.realtime import run_realtime
from dae_edge.bench.subjects import Step
from dae_edge.bench.windows import Windows
from dae_edge.events import EVENT, Events

HOP_US = 10_000


class Clock:
    """Time passes by waiting and by working."""

    def __init__(self) -> None:
        self.s = 100.0

    def now(self) -> float:
        return self.s

    def wait(self, seconds: float) -> None:
        self.s += seconds


class Worker:
    """A subject that takes as long as it is told to, whatever it sees."""

    sensor, window_us = (8, 8), HOP_US

    def __init__(self, clock: Clock, takes_s: list[float]) -> None:
        self._clock = clock
        self._takes = iter(takes_s)

    def load(self) -> None: ...

    def open(self, windows: Windows) -> None: ...

    def step(self, packet: Events) -> list[Step]:
        return []

    def newest(self, packet: Events) -> tuple[int, int]:
        self._clock.s += next(self._takes)
        return 1, len(packet) - 1

    def about(self) -> dict[str, Any]:
        return {}


def packets() -> Iterator[tuple[int, Events]]:
    """One event stands for one window."""
    while True:
        yield 0, np.zeros(1, EVENT)


def run(takes_s: list[float], windows: int, speed: float = 1.0) -> dict[str, Any]:
    clock = Clock()
    case = Case("a", "b", scenario=REALTIME, windows=windows, speed=speed)
    worker = Worker(clock, takes_s)
    return run_realtime(worker, packets(), HOP_US, case, now=clock.now, wait=clock.wait)


def test_a_fast_worker_is_never_late():
    told = run([0.004] * 20, 20)
    assert told["realtime"] == {
        "due": 20,
        "late": 0,
        "dropped": 0,
        "backlog": 0,
        "hop_us": HOP_US,
        "speed": 1.0,
    }
    assert told["samples_us"]["total"] == pytest.approx([4000] * 20, abs=1)
    assert told["elapsed_s"] == pytest.approx(0.204, abs=1e-6)


def test_a_slow_worker_drops_windows_and_is_late():
    told = run([0.025] * 20, 20)
    counts = told["realtime"]
    assert counts["due"] == 20
    assert counts["dropped"] > 8
    assert counts["late"] == len(told["samples_us"]["total"])
    assert counts["dropped"] + counts["late"] == 20  # each is computed or dropped
    assert counts["backlog"] >= 1


def test_one_hiccup_is_caught_up_with():
    told = run([0.004] * 5 + [0.031] + [0.004] * 20, 20)
    assert told["realtime"]["dropped"] == 2
    assert told["realtime"]["late"] == 1
    assert told["realtime"]["backlog"] == 2


def test_twice_the_speed_halves_the_time():
    told = run([0.001] * 20, 20, speed=2.0)
    assert told["elapsed_s"] == pytest.approx(0.101, abs=1e-6)
    assert run([0.008] * 20, 20, speed=2.0)["realtime"]["late"] > 0
