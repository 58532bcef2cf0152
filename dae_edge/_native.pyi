"""The C core (runtime/), bound in runtime/python/.

Buffers are the caller's; long calls release the GIL.
"""

from typing import Any

from numpy.typing import NDArray

VERSION: str
FORMATS: tuple[str, ...]

class Decoder:
    """Bytes of a recording to events: incremental, bounds-checked, every violation counted."""

    def __init__(self, format: str, width: int, height: int, *, simd: str = ...) -> None:
        """``format``: one of FORMATS; ``simd``: ``auto``, or one of ``simd_levels()``."""

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
        simd: str = ...,
    ) -> None: ...
    def push(self, events: NDArray[Any], offset: int = ..., /) -> tuple[int, bool]:
        """Take events (EVENT or EventCD) from ``offset`` on: (how many, is a window ready)."""

    def push_bytes(self, decoder: Decoder, data: Any, offset: int = ..., /) -> tuple[int, bool]:
        """Take bytes of a recording from ``offset`` on: (how many, whether a window is ready).

        While a window is ready, ``decoder`` may hold events: call again until none is.
        """

    def advance(self, t_us: int, /) -> bool: ...
    def flush(self) -> bool: ...
    def window(self) -> dict[str, int]: ...
    def render(self, image: NDArray[Any], /) -> None:
        """Into uint8 [height, width, 3], or float32 or float16 [3, height, width]."""

    def counters(self) -> dict[str, int]: ...
    def reset(self) -> None: ...
    def save(self) -> bytes: ...
    def load(self, snapshot: bytes, /) -> None: ...

def all_finite(array: NDArray[Any], /) -> bool:
    """Whether a contiguous float32 or float16 array has no NaN and no infinity."""

def simd_levels() -> list[str]:
    """The vector units of this machine, the best one first; all give the same bits."""

def tencode(
    events: NDArray[Any],
    image: NDArray[Any],
    width: int,
    height: int,
    white: bool,
    simd: str = ...,
    /,
) -> int:
    """Into uint8 [height, width, 3] or float32 [3, height, width]; returns the events dropped."""

def voxel_grid(events: NDArray[Any], grid: NDArray[Any], /) -> int:
    """Into float32 [bins, height, width]; returns the events dropped."""
