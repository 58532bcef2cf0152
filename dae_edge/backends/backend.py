"""What an engine offers: itself for all threads, and a session with its own state per stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Session(Protocol):
    """One camera's place in an engine: image buffer, recurrent state. One thread at a time."""

    image: NDArray[Any]
    """What the engine reads, and what the encoder writes: no copy in between. uint8
    [height, width, 3] for Tencode, float32 [bins, height, width] for voxel grids."""

    def run(self) -> NDArray[np.float32]:
        """Depth [height, width] of the image, in a new array; the state moves on."""

    def discard(self) -> None:
        """Undo the last run's change of state, after a depth that is not finite.

        Explicit states go back to what they were; an engine that keeps them inside starts at zero.
        """

    def is_finite(self) -> bool:
        """Is the recurrent state free of NaN and infinity?"""

    def state(self) -> dict[str, NDArray[Any]]:
        """A copy of the recurrent state, by name."""

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Set the recurrent state; the names and shapes were checked."""


class Engine(Protocol):
    """A compiled model: immutable, shared between threads, and found to keep the contract."""

    description: str
    """Name, version and settings, for reports."""

    def session(self) -> Session:
        """A new session with zero state."""
