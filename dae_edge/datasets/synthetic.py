"""The dataset that is always there: the sample recording of the package, with its true depth.

One sequence, ``sample``: DAVIS346 size, 20 windows of 50 ms, one ending at each depth map. Depth is
known at every second pixel of every second row, and compared at these alone. It is rendered, not
recorded: good for trying things out and for tests, no measure of how a model does on a road.
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
from dae_edge.errors import FormatError
from dae_edge.sample import SAMPLE
from dae_edge.sources import open_source

EVENTS = SAMPLE.name
DEPTH = "sample_depth.npz"
WIDTH, HEIGHT = 346, 260
STRIDE = 2
"""``depth[n, i, j]`` of the file belongs to the pixel in row 2 i, column 2 j."""


class Synthetic(Dataset):
    """The one sequence, in the package's own folder unless another root is given."""

    name = "synthetic"
    home = SAMPLE.parent
    splits: ClassVar[Splits] = {"test": {"sample": 20}}

    def _find(self, name: str) -> Path | None:
        return self.root if (self.root / EVENTS).is_file() else None

    def _open(self, name: str, path: Path) -> Sequence:
        return SyntheticSequence(name, path)


class SyntheticSequence(Sequence):
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
