"""Events for the streams of the small exported model, and what tests do with depths and states."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from event_samples import random_events
from numpy.typing import NDArray

import dae_edge as dae
from dae_edge.events import Events

WIDTH, HEIGHT = 112, 84


def events_of(windows: int, *, first_us: int = 0, seed: int = 0) -> Events:
    """Random events from ``first_us`` on, for some windows of 50 ms, and one that ends the last."""
    events = random_events(3000 * windows, width=WIDTH, height=HEIGHT, seed=seed, first_us=first_us)
    events["t"][0] = first_us
    events = events[events["t"] < first_us + 50_000 * windows]
    last = dae.events_from([first_us + 50_000 * windows], [1], [1], [1])
    return np.concatenate([events, last])


def values_of(depths: list[dae.Depth]) -> NDArray[np.float32]:
    return np.stack([depth.values for depth in depths])


def with_state(snapshot: dae.StreamState, value: float) -> dae.StreamState:
    filled = {name: np.full_like(array, value) for name, array in snapshot.recurrent.items()}
    return replace(snapshot, recurrent=filled)
