"""A pool: sequences of windows and depth on disk, made once, read in any order.

Rendering and decoding are slower than training on a small computer, so what a stage trains on is
made once and mapped into memory. A pool is finished or it is not there: it is filled in a folder
beside and renamed.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dae_edge.errors import FormatError
from training.filming import stopped_at_once

ABOUT, WINDOWS, DEPTH = "pool.json", "windows.f16", "depth.f16"
VERSION = 1


class Strip(NamedTuple):
    """One sequence.

    Attributes:
        windows: float16 [L, C, H, W]; Tencode in [0, 1] (a resize may overshoot), or voxel grids.
        depth: float16 [L + 1, H, W], metres, 0 where unknown: before the first window, and at the
            end of each.
    """

    windows: NDArray[np.float16]
    depth: NDArray[np.float16]


class Pool:
    """Sequences by number.

    Args:
        folder: As :func:`fill` left it.

    Raises:
        FormatError: damaged, or of another version.
    """

    def __init__(self, folder: Path) -> None:
        about = _about(folder)
        self._lengths: list[int] = about["lengths"]
        self._starts = np.concatenate([[0], np.cumsum(self._lengths)])
        total, count = int(self._starts[-1]), len(self._lengths)
        channels, height, width = about["window"]
        self._windows = _mapped(folder / WINDOWS, (total, channels, height, width))
        self._depth = _mapped(folder / DEPTH, (total + count, height, width))

    def __len__(self) -> int:
        return len(self._lengths)

    def length(self, index: int) -> int:
        """Windows of one sequence."""
        return self._lengths[index]

    def read(self, index: int, start: int, count: int) -> Strip:
        """``count`` windows of a sequence from ``start`` on."""
        at = int(self._starts[index]) + start
        return Strip(
            self._windows[at : at + count], self._depth[at + index : at + index + count + 1]
        )


def fill(folder: Path, strips: Iterable[Strip], about: dict[str, Any]) -> Pool:
    """Write a pool; nothing is at ``folder`` until all of it is.

    Args:
        folder: To be.
        strips: Sequences, at least one, with windows of one shape.
        about: What it was made from, kept in ``pool.json``.

    Raises:
        ValueError: no sequence.
        OSError: it cannot be written.
    """
    beside = folder.with_name(f".{folder.name}.part{os.getpid()}")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    lengths, shape = [], None
    try:
        with (beside / WINDOWS).open("wb") as windows, (beside / DEPTH).open("wb") as depth:
            for strip in strips:
                lengths.append(len(strip.windows))
                shape = list(strip.windows.shape[1:])
                windows.write(np.ascontiguousarray(strip.windows, np.float16).tobytes())
                depth.write(np.ascontiguousarray(strip.depth, np.float16).tobytes())
        if shape is None:
            raise ValueError(f"{folder}: no sequence to train on")
        content = {"version": VERSION, "lengths": lengths, "window": shape, "about": about}
        (beside / ABOUT).write_text(json.dumps(content, indent=1), encoding="utf-8")
        _publish(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return Pool(folder)


def _publish(beside: Path, folder: Path) -> None:
    """Rename; another process may have made the same pool meanwhile, and that one is as good."""
    try:
        beside.rename(folder)
    except OSError:
        if not (folder / ABOUT).is_file():
            raise


def made_once(folder: Path, make: Callable[[], Pool]) -> Pool:
    """The pool at ``folder``: of the processes of a machine that want it one makes it.

    The others wait, and a Ctrl-C ends their waiting as it ends the making.

    Args:
        folder: Where it is or will be.
        make: Called if it is not there.
    """
    if _is_filled(folder):
        return Pool(folder)
    with stopped_at_once(), _alone(folder):
        return Pool(folder) if _is_filled(folder) else make()


def _is_filled(folder: Path) -> bool:
    return (folder / ABOUT).is_file()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Only one process of this machine at a time is in the block."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    lock = folder.with_name(f".{folder.name}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as opened:
        with suppress(OSError):  # a disk without locks: then each makes its own, which is as good
            fcntl.flock(opened, fcntl.LOCK_EX)
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)  # who waits for it finds the pool, or makes its own


def _about(folder: Path) -> dict[str, Any]:
    try:
        about: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        sizes = [int(length) for length in about["lengths"]]
        if about["version"] != VERSION or len(about["window"]) != 3 or min(sizes) < 1:
            raise ValueError("another version, or no sizes")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{folder}: not a pool: {error}; delete it, it is made again") from error
    return about


def _mapped(path: Path, shape: tuple[int, ...]) -> NDArray[np.float16]:
    wanted = 2 * int(np.prod(shape))
    if not path.is_file() or path.stat().st_size != wanted:
        raise FormatError(f"{path}: wanted {wanted} bytes; delete the pool, it is made again")
    return np.memmap(path, np.float16, mode="r", shape=shape)


def all_strips(pool: Pool) -> Iterator[Strip]:
    """Every sequence, whole."""
    for index in range(len(pool)):
        yield pool.read(index, 0, pool.length(index))
