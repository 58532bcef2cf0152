"""Windows of a stream as network input: Tencode straight from C, or voxel grids.

One interface, two encoders; which one, the model's contract says.
"""

from __future__ import annotations

import struct
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dae_edge import _native
from dae_edge.contract import Contract
from dae_edge.events import EVENT, Events

_LENGTH = struct.Struct("<Q")
_TIME_LIMIT = 1 << 60


class WindowEncoder(Protocol):
    """Takes events, says when a window ends, and draws it. See ``dae_edge._native.Encoder``."""

    def push(self, events: Events, offset: int = ..., /) -> tuple[int, bool]:
        """Take events from ``offset`` on: (how many were taken, whether a window is ready)."""

    def advance(self, t_us: int, /) -> bool:
        """Time has passed without events: whether a window is ready."""

    def flush(self) -> bool:
        """The recording has ended: whether a last, partial window is ready."""

    def window(self) -> dict[str, int]:
        """The window that is ready."""

    def render(self, image: NDArray[Any], /) -> None:
        """Draw the window that is ready."""

    def counters(self) -> dict[str, int]:
        """What was seen so far."""

    def reset(self) -> None:
        """Back to the beginning."""

    def save(self) -> bytes:
        """A snapshot."""

    def load(self, snapshot: bytes, /) -> None:
        """Return to a snapshot; ValueError if it does not fit."""


class VoxelEncoder:
    """Windows as voxel grids, float32 [bins, height, width].

    The C encoder says where windows begin and end; a voxel grid needs every event of its window,
    so they are kept until it is drawn. Memory is proportional to a window.
    """

    def __init__(self, encoder: _native.Encoder) -> None:
        self._encoder = encoder
        self._kept = np.empty(0, EVENT)

    def push(self, events: Events, offset: int = 0, /) -> tuple[int, bool]:
        """See ``WindowEncoder.push``."""
        used, ready = self._encoder.push(events, offset)
        taken = events[offset : offset + used]
        t_us = taken["t"]  # numpy's |-2^63| is negative
        in_time = (t_us > -_TIME_LIMIT) & (t_us < _TIME_LIMIT)  # the encoder numbers no others
        self._kept = np.concatenate([self._kept, taken[in_time]])
        if ready:
            self._forget()
        return used, ready

    def advance(self, t_us: int, /) -> bool:
        """See ``WindowEncoder.advance``."""
        ready = self._encoder.advance(t_us)
        if ready:
            self._forget()
        return ready

    def flush(self) -> bool:
        """See ``WindowEncoder.flush``."""
        ready = self._encoder.flush()
        if ready:
            self._forget()
        return ready

    def window(self) -> dict[str, int]:
        """See ``WindowEncoder.window``."""
        return self._encoder.window()

    def render(self, image: NDArray[Any], /) -> None:
        """See ``WindowEncoder.render``; float32 [bins, height, width]."""
        self._encoder.window()  # or it says that none is ready
        events = self._kept.copy()
        # The encoder takes no event for older than the one before it, and so do we.
        events["t"] = np.maximum.accumulate(events["t"])
        _native.voxel_grid(events, image)

    def counters(self) -> dict[str, int]:
        """See ``WindowEncoder.counters``."""
        return self._encoder.counters()

    def reset(self) -> None:
        """See ``WindowEncoder.reset``."""
        self._encoder.reset()
        self._kept = np.empty(0, EVENT)

    def save(self) -> bytes:
        """See ``WindowEncoder.save``."""
        windows = self._encoder.save()
        return _LENGTH.pack(len(windows)) + windows + self._kept.tobytes()

    def load(self, snapshot: bytes, /) -> None:
        """See ``WindowEncoder.load``."""
        end = _LENGTH.size + _LENGTH.unpack(snapshot[: _LENGTH.size].ljust(_LENGTH.size, b"\0"))[0]
        kept = snapshot[end:]
        if len(kept) % EVENT.itemsize:
            raise ValueError("the snapshot does not fit")
        self._encoder.load(snapshot[_LENGTH.size : end])
        self._kept = np.frombuffer(kept, EVENT)

    def _forget(self) -> None:
        """Keep the events of the window that is ready: no later window reaches further back."""
        self._kept = self._kept[len(self._kept) - self._encoder.window()["events"] :]


def open_windows(contract: Contract, **windows: Any) -> WindowEncoder:
    """The encoder for a model's input; ``windows`` as of ``dae_edge._native.Encoder``.

    Raises:
        ValueError: windows that cannot be.
    """
    width, height = contract.sensor
    encoder = _native.Encoder(width, height, **windows)
    return VoxelEncoder(encoder) if contract.voxel_bins else encoder
