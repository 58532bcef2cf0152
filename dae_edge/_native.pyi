"""The C core (runtime/), bound in runtime/python.c.

Buffers are the caller's; long calls release the GIL.
"""

from typing import Any

from numpy.typing import NDArray

VERSION: str
FORMATS: tuple[str, ...]

class Decoder:
    """Bytes of a recording to events: incremental, bounds-checked, every violation counted."""

    def __init__(self, format: str, width: int, height: int) -> None:
        """``format``: one of FORMATS (``evt2 evt21 evt21-legacy evt3 evt4 dat``)."""

    def decode(self, data: Any, out: NDArray[Any], /) -> tuple[int, int]:
        """Decode bytes-like ``data`` into ``out`` (EVENT, 32 or longer): (bytes used, events)."""

    def counters(self) -> dict[str, int]: ...
    def reset(self) -> None: ...

class Encoder:
    """Events to windows to Tencode images; see dae_encoder_* in dae.h."""

    def __init__(
        self,
        width: int,
        height: int,
        *,
        window_us: int = ...,
        hop_us: int = ...,
        window_events: int = ...,
        hop_events: int = ...,
        origin_us: int | None = ...,
        max_gap_us: int = ...,
        white: bool = ...,
    ) -> None: ...
    def push(self, events: NDArray[Any], offset: int = ..., /) -> tuple[int, bool]:
        """Take events from ``offset`` on: (how many were taken, whether a window is ready)."""

    def advance(self, t_us: int, /) -> bool: ...
    def flush(self) -> bool: ...
    def window(self) -> dict[str, int]: ...
    def render(self, image: NDArray[Any], /) -> None:
        """Into uint8 [height, width, 3] or float32 [3, height, width]."""

    def counters(self) -> dict[str, int]: ...
    def reset(self) -> None: ...
    def save(self) -> bytes: ...
    def load(self, snapshot: bytes, /) -> None: ...

def tencode(
    events: NDArray[Any], image: NDArray[Any], width: int, height: int, white: bool, /
) -> int:
    """Into uint8 [height, width, 3] or float32 [3, height, width]; returns the events dropped."""

def voxel_grid(events: NDArray[Any], grid: NDArray[Any], /) -> int:
    """Into float32 [bins, height, width]; returns the events dropped."""
