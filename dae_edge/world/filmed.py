"""Sequences of the named splits, filmed once and kept: events and the depth at each window's end.

Filming takes seconds to minutes on a CPU, so what is made stays in the user's cache folder. A kept
file holds numbers only, and one that is damaged is made again.
"""

from __future__ import annotations

import os
import shutil
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dae_edge.events import EVENT, Events
from dae_edge.world.families import make_scenes
from dae_edge.world.film import WINDOW_US, Film
from dae_edge.world.sensor import load_profile
from dae_edge.world.splits import WORLD_VERSION, SyntheticSequence


class Filmed(NamedTuple):
    """A sequence.

    Attributes:
        events: ``EVENT`` array in order of time, from 0 to ``windows`` times 50 ms.
        depth: float16 [windows, H, W], metres; 0 for the sky.
        t_us: int64 [windows], the ends of the windows.
    """

    events: Events
    depth: NDArray[np.float16]
    t_us: NDArray[np.int64]


def filmed(sequence: SyntheticSequence, folder: Path) -> Filmed:
    """A sequence, from ``folder`` if it was kept there, else filmed and kept.

    A folder that cannot be written to is no error: the sequence is then filmed each time.
    """
    path = folder / f"world{WORLD_VERSION}-{sequence.name}-{sequence.windows}.npz"
    kept = _read(path, sequence)
    if kept is not None:
        return kept
    made = film(sequence)
    _keep(path, made)
    return made


def film(sequence: SyntheticSequence) -> Filmed:
    """Film a sequence on the CPU."""
    scenes = make_scenes([sequence.seed], [sequence.family])
    reel = Film(scenes, load_profile(sequence.sensor), keep_events=True, compiled=has_compiler())
    parts, depths = [], []
    for _ in range(sequence.windows):
        window = reel.window()
        assert window.events is not None  # they were asked for
        parts.append(window.events[0])
        depths.append(window.depth[0].numpy().astype(np.float16))
    times = np.arange(1, sequence.windows + 1, dtype=np.int64) * WINDOW_US
    return Filmed(np.concatenate(parts), np.stack(depths), times)


def has_compiler() -> bool:
    """Whether ``torch.compile`` can make code for this CPU."""
    return any(shutil.which(os.environ.get("CXX", name)) for name in ("g++", "clang++"))


def _read(path: Path, sequence: SyntheticSequence) -> Filmed | None:
    sensor = load_profile(sequence.sensor)
    try:
        # numpy leaves a file open that it cannot read
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            found = Filmed(*(arrays[name] for name in Filmed._fields))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    shape = (sequence.windows, sensor.height, sensor.width)
    whole = found.events.dtype == EVENT and found.depth.shape == shape
    return found if whole and found.t_us.shape == shape[:1] else None


def _keep(path: Path, made: Filmed) -> None:
    beside = path.with_name(f"{path.name}.part{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            np.savez_compressed(file, **made._asdict())
        beside.replace(path)
    except OSError:
        with suppress(OSError):
            beside.unlink()
