"""Random events for tests of readers and writers, and what a reader says of bad bytes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dae_edge.errors import FormatError
from dae_edge.events import Events, events_from


def random_events(
    count: int, *, width: int = 64, height: int = 48, seed: int = 0, first_us: int = 0
) -> Events:
    """Sorted events inside a sensor, 0 to 40 us apart, with some at equal times."""
    random = np.random.default_rng(seed)
    return events_from(
        first_us + np.cumsum(random.integers(0, 41, count)),
        random.integers(0, width, count),
        random.integers(0, height, count),
        random.integers(0, 2, count),
    )


def format_error_of(read: Callable[[], object]) -> str | None:
    """Call ``read``: the text of its FormatError, or None where it succeeds."""
    try:
        read()
    except FormatError as error:
        return str(error)
    return None
