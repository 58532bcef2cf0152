"""What comes out: a depth map with its time and its circumstances, and a stream's health."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNTRAINED = "untrained weights"
"""The unit of a depth that means nothing: the network's weights are a seeded initialisation."""


@dataclass(frozen=True, slots=True)
class Depth:
    """Depth of one window of events.

    Attributes:
        values: float32 [height, width], larger is farther. Yours: no later window overwrites it.
        t_us: End of the window, microseconds of the sensor's clock.
        unit: ``"m"``, ``"relative depth"`` (true up to scale and shift) or ``"untrained weights"``.
        stale: The window had no events, or the engine failed to give finite numbers (depth and
            state): ``values`` are those of an earlier window, zeros where there was none.
        partial: The recording ended, or its clock jumped, before the window did.
        events: Events in the window.
        encode_us: Time to render the Tencode image, microseconds.
        infer_us: Time in the inference engine, microseconds.
        latency_us: From the call of ``push`` to this depth, microseconds: taking the packet in,
            earlier windows of the same packet, encoding, inference.
    """

    values: NDArray[np.float32]
    t_us: int
    unit: str
    stale: bool
    partial: bool
    events: int
    encode_us: float
    infer_us: float
    latency_us: float


@dataclass(slots=True)
class Health:
    """How a stream fares, as numbers. Counts are since the stream began or was reset.

    Attributes:
        events: Events pushed.
        windows: Windows that ended.
        inferred: Windows that went through the network.
        stale: Windows without events, or not finite: an earlier depth was repeated.
        dropped_windows: Windows skipped because a newer one was at hand (``newest_only``).
        dropped_events: Events outside the sensor.
        clamped_events: Events older than the newest one, moved up to its time.
        restarts: Gaps and steps back of the clock; each begins with zero state.
        not_finite: Windows whose depth or state was not finite; both were thrown away.
        backlog_us: Age of the last depth when it was made: newest event pushed minus its ``t_us``.
        encode_us: Last time to render a Tencode image, microseconds.
        infer_us: Last time in the inference engine, microseconds.
    """

    events: int = 0
    windows: int = 0
    inferred: int = 0
    stale: int = 0
    dropped_windows: int = 0
    dropped_events: int = 0
    clamped_events: int = 0
    restarts: int = 0
    not_finite: int = 0
    backlog_us: int = 0
    encode_us: float = 0.0
    infer_us: float = 0.0
