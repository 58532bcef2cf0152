"""A quick latency, for choosing; ``dae-bench`` is for numbers that are to be believed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from dae_edge.backends import Engine

WARM, RUNS = 5, 25
ENOUGH_S, FEWEST = 20.0, 5
"""Slow models are run fewer times: once it took so long, and that many are there."""


def side_by_side(engines: Mapping[str, Engine], image: NDArray[Any]) -> dict[str, float]:
    """Median time of one window in ms, of engines in turns, so that noise hits all alike.

    Args:
        engines: By name.
        image: What they all get.
    """
    sessions = {name: engine.session() for name, engine in engines.items()}
    taken: dict[str, list[float]] = {name: [] for name in engines}
    for session in sessions.values():
        session.image[...] = image
    started = time.perf_counter()
    for turn in range(WARM + RUNS):
        for name, session in sessions.items():
            began = time.perf_counter()
            session.run()
            if turn >= WARM:
                taken[name].append(1000 * (time.perf_counter() - began))
        if turn + 1 >= WARM + FEWEST and time.perf_counter() - started > ENOUGH_S:
            break
    return {name: statistics.median(times) for name, times in taken.items()}
