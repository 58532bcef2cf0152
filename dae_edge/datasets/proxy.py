"""Proxy labels on disk: a teacher's depth for each frame, ``<folder of frames>_<name>/*.npz``.

The layout is that of the public code of Depth AnyEvent: ``depth`` in each file, float32, the size
of the frame, larger is farther, 0 (or anything that is not finite) where unknown. It is relative:
the teacher knows 1 / depth up to a scale and a shift, of its own for each frame, so the numbers are
no metres and a loss has to align before it compares.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dae_edge.datasets.reading import LARGEST_NPZ, check_shape, readable
from dae_edge.errors import FormatError


class Frames(NamedTuple):
    """The frames of a sequence that lie on the pixels of its events.

    Attributes:
        folder: Where they are.
        files: In order of time.
        times_us: int64 [n], one for each file.
        size: (width, height), pixels.
        crop: (x, y, width, height) of the part that has true depth.
    """

    folder: Path
    files: list[Path]
    times_us: NDArray[np.int64]
    size: tuple[int, int]
    crop: tuple[int, int, int, int]


def proxy_folder(frames: Path, name: str) -> Path:
    """Where the proxy labels of a folder of frames are."""
    return frames.with_name(f"{frames.name}_{name}")


def read_proxy(path: Path, size: tuple[int, int]) -> NDArray[np.float32]:
    """One map, float32 [height, width], relative; 0 where unknown.

    Args:
        path: The .npz.
        size: (width, height) that it must have.

    Raises:
        FormatError: missing, damaged, huge, without ``depth``, or not numbers of that size.
    """
    with readable(path):
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > LARGEST_NPZ:
                raise FormatError(f"{path}: unpacks to more than {LARGEST_NPZ} bytes")
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            if "depth" not in arrays:
                names = ", ".join(arrays) or "nothing"
                raise FormatError(f"{path}: no array 'depth', only {names}")
            depth = np.asarray(arrays["depth"])
    if depth.dtype.kind not in "fiu":
        raise FormatError(f"{path}: depth is no array of numbers")
    check_shape(path, depth.shape, (size[1], size[0]))
    with np.errstate(over="ignore"):  # what float32 cannot hold is unknown
        depth = depth.astype(np.float32)
    known: NDArray[np.float32] = np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(0))
    return known
