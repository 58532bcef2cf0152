"""Datasets that nobody has to fetch: the sample recording of the package, and the synthetic world.

Split ``test``: one sequence, ``sample``, the recording that ships: DAVIS346 size, 20 windows of
50 ms, one ending at each depth map; depth is known at every second pixel of every second row, and
compared at these alone. The other splits (``val``, ``test-indoor``, ``test-road``, ..; ``train`` is
the first of the training scenes) are filmed in the synthetic world when they are first read, and
need torch: see ``dae_edge.world.splits``.

All of it is rendered, not recorded: a measure of one model beside another, not of how one does on a
road.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dae_edge.datasets.dataset import Dataset, Sample, Sequence, Splits
from dae_edge.datasets.reading import check_shape, readable
from dae_edge.datasets.windows import event_windows
from dae_edge.default_model import cache_folder
from dae_edge.errors import FormatError
from dae_edge.extras import require
from dae_edge.sample import SAMPLE
from dae_edge.sources import open_source
from dae_edge.world.splits import SPLITS, SyntheticSequence

EVENTS = SAMPLE.name
DEPTH = "sample_depth.npz"
WIDTH, HEIGHT = 346, 260
STRIDE = 2
"""``depth[n, i, j]`` of the file belongs to the pixel in row 2 i, column 2 j."""


class Synthetic(Dataset):
    """The sample lies in the package's own folder unless another root is given."""

    name = "synthetic"
    home = SAMPLE.parent
    splits: ClassVar[Splits] = {
        "test": {"sample": 20},
        **{name: {one.name: one.windows for one in split} for name, split in SPLITS.items()},
    }

    def _find(self, name: str) -> Path | None:
        return self.root if name != "sample" or (self.root / EVENTS).is_file() else None

    def _open(self, name: str, path: Path) -> Sequence:
        if name == "sample":
            return SampleSequence(name, path)
        require("torch", extra="training", purpose=f"the synthetic world's split {self.split!r}")
        recipe = next(one for one in SPLITS[self.split] if one.name == name)
        return WorldSequence(recipe)


class WorldSequence(Sequence):
    """A sequence of the synthetic world, filmed when it is read; kept in the cache folder."""

    def __init__(self, recipe: SyntheticSequence) -> None:
        super().__init__(recipe.name, cache_folder() / "world")
        self._recipe = recipe

    def __len__(self) -> int:
        return self._recipe.windows

    def __iter__(self) -> Iterator[Sample]:
        from dae_edge.world.filmed import filmed

        reel = filmed(self._recipe, self.path)
        height, width = reel.depth.shape[1:]
        windows = event_windows([reel.events], reel.t_us.tolist(), name=self.name)
        for index, (t_us, events) in enumerate(zip(reel.t_us.tolist(), windows, strict=True)):
            yield Sample(
                sequence=self.name,
                index=index,
                t_us=t_us,
                sensor=(width, height),
                crop=(0, 0, width, height),
                depth=reel.depth[index].astype(np.float32),
                events=events,
            )


class SampleSequence(Sequence):
    """The sample: a window for each depth map, 10 a second."""

    def __init__(self, name: str, path: Path) -> None:
        super().__init__(name, path)
        self._times_us, self._depth = _read_depth(path / DEPTH)

    def __len__(self) -> int:
        return len(self._times_us)

    def __iter__(self) -> Iterator[Sample]:
        ends = self._times_us.tolist()
        with open_source(self.path / EVENTS) as source:
            if (source.width, source.height) != (WIDTH, HEIGHT):
                got = f"{source.width}x{source.height}"
                raise FormatError(f"{source.name}: sensor {got}, wanted {WIDTH}x{HEIGHT}")
            windows = event_windows(source, ends, name=source.name)
            for index, (t_us, window) in enumerate(zip(ends, windows, strict=True)):
                depth = np.zeros((HEIGHT, WIDTH), np.float32)
                depth[::STRIDE, ::STRIDE] = self._depth[index]
                yield Sample(
                    sequence=self.name,
                    index=index,
                    t_us=t_us,
                    sensor=(WIDTH, HEIGHT),
                    crop=(0, 0, WIDTH, HEIGHT),
                    depth=depth,
                    events=window,
                )


def _read_depth(path: Path) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Times [n] in microseconds and depth maps [n, 130, 173] in metres."""
    # numpy leaves a file open that it cannot read
    with readable(path), path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        times, depth, stride = (np.asarray(arrays[name]) for name in ("t_us", "depth", "stride"))
    if stride.shape != () or stride != STRIDE or times.dtype != np.int64:
        raise FormatError(f"{path}: wanted a stride of {STRIDE} and times in int64")
    check_shape(path, times.shape, (None,))
    check_shape(path, depth.shape, (len(times), HEIGHT // STRIDE, WIDTH // STRIDE))
    if depth.dtype != np.float16 or not np.isfinite(depth).all() or not (depth > 0).all():
        raise FormatError(f"{path}: wanted positive depths in float16")
    if (np.diff(times) <= 0).any():
        raise FormatError(f"{path}: times do not increase")
    return times, depth.astype(np.float32)
