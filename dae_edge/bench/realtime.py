"""Windows at the sensor's pace: which are late, which are dropped, how far it falls behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dae_edge.bench.case import Case
from dae_edge.bench.subjects import Subject
from dae_edge.events import Events

_ROUNDING = 1e-6
"""Of a hop: a clock that has just reached it may read a little less."""


def run_realtime(
    subject: Subject,
    rounds: Iterator[tuple[int, Events]],
    hop_us: int,
    case: Case,
    *,
    now: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Give a packet whenever it is due; all that are due at once, if it fell behind.

    Args:
        subject: Opened and warm.
        rounds: Packets, one for each hop.
        hop_us: Of the recording.
        case: How many windows, or how long; how fast.
        now: A clock, seconds.
        wait: Sleeps for so many seconds.

    Returns:
        ``samples_us.total``: from when a window was due to its depth, of those that were computed;
        ``realtime``: counts of windows ``due``, ``late`` (the next window was there before the
        depth), ``dropped``, and the largest ``backlog`` in windows.
    """
    hop_s = hop_us / 1e6 / case.speed
    count = case.windows if case.windows is not None else max(1, round(case.duration_s / hop_s))
    responses: list[float] = []
    ends: list[float] = []
    dropped = late = backlog = given = 0
    began = now()
    while given < count:
        waiting = min(int((now() - began) / hop_s + _ROUNDING), count) - given
        if waiting < 1:
            wait(max(0.0, began + (given + 1) * hop_s - now()))
            continue
        packets = [next(rounds)[1] for _ in range(waiting)]
        given += waiting
        backlog = max(backlog, waiting - 1)
        inferred, skipped = subject.newest(np.concatenate(packets))
        dropped += skipped
        ended = now()
        response = ended - (began + given * hop_s)
        if inferred:
            responses.append(round(response * 1e6, 1))
            ends.append(round(ended - began, 5))
            late += response > hop_s
    counts = {"due": given, "late": late, "dropped": dropped, "backlog": backlog}
    return {
        "samples_us": {"total": responses},
        "ends_s": ends,
        "elapsed_s": now() - began,
        "realtime": {**counts, "hop_us": hop_us, "speed": case.speed},
    }
