"""A dataset of 112x84 pixels, made of arrays: three short drives for the small models of tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np

from dae_edge.datasets.dataset import Dataset, Sample, Sequence, Splits
from dae_edge.errors import FormatError
from dae_edge.events import EVENT, Events

WIDTH, HEIGHT = 112, 84
LENGTHS = {"avenue": 4, "bridge": 3, "canal": 5}


class Drives(Dataset):
    """The second window of "bridge" has no events."""

    name = "drives"
    splits: ClassVar[Splits] = {"test": LENGTHS}

    def _find(self, name: str) -> Path | None:
        return self.root

    def _open(self, name: str, path: Path) -> Sequence:
        return Drive(name, path)


class Drive(Sequence):
    """Its first event is in the first microsecond, all others in the last.

    So the ages that Tencode draws are 0 and 1, which are the same in uint8 and in float.
    """

    def __len__(self) -> int:
        return LENGTHS[self.name]

    def __iter__(self) -> Iterator[Sample]:
        random = np.random.default_rng(len(self.name) + ord(self.name[0]))
        for index in range(len(self)):
            if (self.path / f"damaged_{self.name}").exists():
                raise FormatError(f"{self.path}: damaged")
            if (self.path / f"interrupt_{self.name}").exists():
                signal.raise_signal(signal.SIGINT)
            depth = random.uniform(2, 60, (HEIGHT, WIDTH)).astype(np.float32)
            depth[random.random(depth.shape) < 0.3] = 0
            events = _events(random, 50_000 * index)
            empty = (self.name, index) == ("bridge", 1)
            yield Sample(
                sequence=self.name,
                index=index,
                t_us=50_000 * (index + 1),
                sensor=(WIDTH, HEIGHT),
                crop=(0, 0, WIDTH, HEIGHT),
                depth=depth,
                events=events[:0] if empty else events,
            )


def _events(random: np.random.Generator, start_us: int) -> Events:
    events = np.empty(3000, EVENT)
    events["t"] = start_us + 49_999
    events["t"][0] = start_us
    events["x"] = random.integers(0, WIDTH, len(events))
    events["y"] = random.integers(0, HEIGHT, len(events))
    events["on"] = random.random(len(events)) < 0.5
    return events
