"""What every dataset is: named sequences, each giving samples of events and true depth in order.

A sample is one window of events (or its voxel grid) and the depth at the window's end. Sequences
are streamed: at most a window and a block of events are in memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dae_edge import encoding, reference
from dae_edge.datasets.labels import TRUTH, Labels
from dae_edge.datasets.proxy import Frames
from dae_edge.errors import FormatError
from dae_edge.events import Events

WINDOW_US = 50_000
"""Length of a window of events before each depth map: that of the paper."""


Splits: TypeAlias = Mapping[str, Mapping[str, int | None]]
"""Splits by name, the first being what models are judged on; of each the sequences, in order, with
their number of samples where it is published."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One window and the depth at its end.

    Attributes:
        sequence: Name of the sequence.
        index: Position in the sequence, from 0.
        t_us: End of the window, microseconds of the dataset's clock.
        sensor: (width, height) of the image that the events lie on, in pixels.
        crop: (x, y, width, height) of the part of it that has depth.
        depth: float32 [crop height, crop width], metres along the optical axis; 0 where unknown.
            Where ``relative``, no metres: larger is farther, and 1 / depth is right up to a scale
            and a shift of its own.
        events: ``EVENT`` array on the sensor; coordinates outside it are of events that rectifying
            moved out: the encoder leaves them out, but their times count. None where there are
            ``voxels``.
        voxels: float32 [bins, height, width], where the dataset has these instead of events.
        image: The frame that the same pixels saw at that time, where the dataset has one.
        relative: The depth is a proxy label, not the dataset's own.
    """

    sequence: str
    index: int
    t_us: int
    sensor: tuple[int, int]
    crop: tuple[int, int, int, int]
    depth: NDArray[np.float32]
    events: Events | None = None
    voxels: NDArray[np.float32] | None = None
    image: Path | None = None
    relative: bool = False

    def tencode(
        self, *, cropped: bool = True, white: bool = False, dtype: Any = np.uint8
    ) -> NDArray[Any]:
        """The Tencode image of the window.

        Args:
            cropped: Only the part that has depth, not the whole sensor.
            white: White background; the published models are trained on black.
            dtype: ``uint8`` for [height, width, 3], or ``float32`` for [3, height, width].
        """
        width, height = self.sensor
        if self.events is not None:
            image = encoding.tencode(self.events, height, width, white=white, dtype=dtype)
        else:
            assert self.voxels is not None  # a sample has one or the other
            image = reference.tencode_from_voxel_grid(self.voxels, white=white)
            if np.dtype(dtype) == np.uint8:
                image = np.rint(image * np.float32(255)).astype(np.uint8).transpose(1, 2, 0)
        if cropped:
            rows, columns = self._crop()
            image = image[rows, columns] if image.dtype == np.uint8 else image[:, rows, columns]
        return np.ascontiguousarray(image)

    def voxel_grid(self, bins: int, *, cropped: bool = True) -> NDArray[np.float32]:
        """The voxel grid of the window, float32 [bins, height, width], not normalised.

        Args:
            bins: Time bins; where the dataset has voxel grids, it must be theirs.
            cropped: Only the part that has depth, not the whole sensor.

        Raises:
            FormatError: the dataset has voxel grids of other bins.
        """
        width, height = self.sensor
        if self.voxels is None:
            grid = encoding.voxel_grid(self.events, height, width, bins=bins)
        elif len(self.voxels) == bins:
            grid = self.voxels
        else:
            raise FormatError(f"{self.sequence}: has {len(self.voxels)} bins, wanted {bins}")
        if cropped:
            rows, columns = self._crop()
            grid = grid[:, rows, columns]
        return np.ascontiguousarray(grid)

    def _crop(self) -> tuple[slice, slice]:
        """Rows and columns that have depth."""
        x, y, width, height = self.crop
        return slice(y, y + height), slice(x, x + width)


class Sequence(ABC):
    """One recording of a dataset. Iterating starts from its beginning each time.

    Attributes:
        name: Its name in the dataset.
        path: Its folder.
        relative: Its samples carry proxy labels; see ``Sample``.
    """

    relative: ClassVar[bool] = False

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path

    @abstractmethod
    def __len__(self) -> int:
        """Number of samples."""

    @abstractmethod
    def __iter__(self) -> Iterator[Sample]:
        """Samples in order of time.

        Raises:
            FormatError: a file is missing, damaged or not what it should be.
        """

    def depth_at(self, t_us: int) -> NDArray[np.float32] | None:
        """True depth at a time as samples have it, without reading events; None if there is none.

        Raises:
            FormatError: its file is missing or damaged.
        """
        return None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}: {len(self)} samples>"


class Dataset(ABC):
    """The sequences of one split of a dataset, below one folder.

    Attributes:
        name: Name of the dataset.
        home: The folder of a dataset that comes with the package, else None.
        root: The folder.
        split: Name of the split.
        labels: Whose depth the samples carry.
        expected: Official sequences, in order, with their number of samples where it is published.
    """

    name: ClassVar[str]
    splits: ClassVar[Splits]
    home: ClassVar[Path | None] = None
    takes_proxies: ClassVar[bool] = False

    def __init__(self, root: Path, split: str, labels: Labels = TRUTH) -> None:
        if split not in self.splits:
            raise ValueError(
                f"{self.name} has no split {split!r}, only {', '.join(map(repr, self.splits))}"
            )
        if labels.proxy is not None and not self.takes_proxies:
            raise ValueError(f"{self.name} has no proxy labels, only its own depth")
        if not root.is_dir():
            raise FormatError(f"{root}: no such folder; wanted the root of {self.name}")
        self.root = root
        self.split = split
        self.labels = labels
        self.expected = self._official()

    def _official(self) -> dict[str, int | None]:
        return dict(self.splits[self.split])

    @abstractmethod
    def _find(self, name: str) -> Path | None:
        """The folder of a sequence, None if there is none below the root."""

    @abstractmethod
    def _open(self, name: str, path: Path) -> Sequence:
        """The sequence in this folder; raises FormatError if it cannot be read."""

    def _open_proxies(self, name: str, path: Path, proxy: str) -> Sequence | None:
        """The same with proxy labels of this name, None if it has none of them."""
        raise NotImplementedError  # never asked unless takes_proxies

    def frames(self, path: Path) -> Frames:
        """What a teacher can make proxy labels from, of the sequence in a folder.

        Raises:
            ValueError: the dataset takes no proxy labels.
            FormatError: there are no frames, or not as many as times.
        """
        raise ValueError(f"{self.name} has no frames to make proxy labels from")

    def folders(self) -> dict[str, Path]:
        """Where the official sequences are that are there, in official order."""
        found = {name: self._find(name) for name in self.expected}
        return {name: path for name, path in found.items() if path is not None}

    def sequences(self) -> list[Sequence]:
        """The official sequences that are there, in official order; ``check`` tells of the others.

        With proxy labels, those that have some; with hybrid ones, first all that have true depth,
        then those that have proxies: one may be there twice under its name, told apart by
        ``relative``.

        Raises:
            FormatError: there is none, or one cannot be read.
        """
        opened: list[Sequence] = []
        for name, path in self.folders().items():
            opened += self._labelled(name, path)
        if not opened:
            labelled = f" with proxy labels {self.labels.proxy!r}" if self.labels.proxy else ""
            raise FormatError(
                f"{self.root}: none of the {len(self.expected)} sequences of {self.name} "
                f"{self.split!r} is here{labelled}"
            )
        return sorted(opened, key=lambda sequence: sequence.relative)

    def _labelled(self, name: str, path: Path) -> list[Sequence]:
        opened = [self._open(name, path)] if self.labels.truth else []
        if self.labels.proxy is not None:
            proxies = self._open_proxies(name, path, self.labels.proxy)
            opened += [] if proxies is None else [proxies]
        return opened

    def check(self) -> list[str]:
        """What is missing or odd, one line each; empty if all is well.

        Reads the lists of files and the first sample of each sequence, not the whole of it.
        """
        found: list[str] = []
        for name, samples in self.expected.items():
            path = self._find(name)
            if path is None:
                found.append(f"{name}: not found below {self.root}")
                continue
            try:
                opened = self._labelled(name, path)
                for sequence in opened:
                    expected = None if sequence.relative else samples
                    found += [f"{name}: {line}" for line in _odd(sequence, expected)]
            except FormatError as error:
                found.append(f"{name}: {error}")
                continue
            if self.labels.proxy and not any(sequence.relative for sequence in opened):
                found.append(f"{name}: no proxy labels {self.labels.proxy!r}")
        return found


def _odd(sequence: Sequence, expected: int | None) -> list[str]:
    found = []
    if expected is not None and len(sequence) != expected:
        found.append(f"{len(sequence)} samples, wanted {expected}")
    first = next(iter(sequence), None)
    if first is None:
        return [*found, "no samples"]
    if not (first.depth > 0).any():
        found.append("no depth in the first sample")
    if not (np.any(first.voxels) if first.events is None else len(first.events)):
        found.append("no events in the first sample")
    return found
