"""EventScape (Gehrig et al., RA-L 2021): CARLA, 512x256, events and dense depth at 25 Hz.

``Town0<n>/sequence_<k>/{events,depth,rgb}/data/`` as the three archives unpack, in the root or one
folder down; ``Town05`` has the validation and the test sequences, told apart by number. Each file
of events is the time since the frame before: these 40 ms are the windows here.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np

from dae_edge.datasets.dataset import Dataset, Sample, Sequence, Splits
from dae_edge.datasets.reading import numbered, read_npy, read_npz, read_times
from dae_edge.errors import FormatError
from dae_edge.events import Events, events_from
from dae_edge.sources.packets import LARGEST_EXACT

WIDTH, HEIGHT = 512, 256

_VALIDATION = (
    8, 9, 23, 24, 35, 36, 37, 38, 39, 43, 44, 51, 52, 65, 85, 86, 95, 96, 98, 102, 103, 112, 113,
    118, 119, 121, 127, 128, 131, 133, 135, 136, 139, 141, 143, 145, 146, 149, 152, 156, 159, 160,
    161, 163, 164, 165, 169, 174, 177, 178, 179, 180, 189, 199, 200, 204, 206, 207, 208, 209, 210,
    211, 212, 213, 214, 215, 216, 219, 220, 221, 222, 228, 230, 231, 232, 233, 234, 235, 236, 237,
    242, 243, 244, 245, 249, 250, 270, 272, 273, 280, 281, 289, 290, 291, 292, 294, 295, 296, 297,
    300,
)  # fmt: skip


class EventScape(Dataset):
    """The sequences of one split. Only the numbers of the validation sequences are known to us."""

    name = "eventscape"
    splits: ClassVar[Splits] = {
        "test": {},
        "validation": {f"Town05/sequence_{number}": None for number in _VALIDATION},
        "train": {},
    }

    def _official(self) -> dict[str, int | None]:
        self._folders = dict(sorted(_folders(self.root).items()))
        if self.split == "validation":
            return dict(self.splits["validation"])
        towns = ("Town05",) if self.split == "test" else ("Town01", "Town02", "Town03")
        known = self.splits["validation"]
        names = [f"{town}/sequence_{n}" for town, n in self._folders if town in towns]
        return {name: None for name in names if name not in known}

    def _find(self, name: str) -> Path | None:
        town, number = name.split("/sequence_")
        return self._folders.get((town, int(number)))

    def _open(self, name: str, path: Path) -> Sequence:
        return EventScapeSequence(name, path)


class EventScapeSequence(Sequence):
    """One sequence: a sample for each file of events that has a depth map at its time."""

    def __init__(self, name: str, path: Path) -> None:
        super().__init__(name, path)
        events = _timed(path / "events" / "data", r".*_(\d+)_events\.npz")
        depths = _timed(path / "depth" / "data", r".*_(\d+)_depth\.npy")
        self._files = [(t_us, events[t_us], depths[t_us]) for t_us in events if t_us in depths]
        if not self._files:
            raise FormatError(f"{path}: no file of events has the time of a depth map")
        self._images: dict[int, Path] = {}
        with contextlib.suppress(FormatError):  # depth can do without frames
            self._images = _timed(path / "rgb" / "data", r".*_(\d+)_image\.png")

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[Sample]:
        for index, (t_us, events, depth) in enumerate(self._files):
            metres = read_npy(depth, (HEIGHT, WIDTH))
            yield Sample(
                sequence=self.name,
                index=index,
                t_us=t_us,
                sensor=(WIDTH, HEIGHT),
                crop=(0, 0, WIDTH, HEIGHT),
                depth=np.where(np.isfinite(metres), metres, np.float32(0)),
                events=_read_events(events),
                image=self._images.get(t_us),
            )


def _folders(root: Path) -> dict[tuple[str, int], Path]:
    """Folders of sequences by (town, number), in the root or one folder down."""
    found: dict[tuple[str, int], Path] = {}
    for path in [*root.glob("Town*/sequence_*"), *root.glob("Town*/Town*/sequence_*")]:
        town = re.match(r"Town0\d", path.parent.name)
        number = re.fullmatch(r"sequence_(\d+)", path.name)
        if town and number and path.is_dir():
            found[town[0], int(number[1])] = path
    return found


def _timed(folder: Path, pattern: str) -> dict[int, Path]:
    """Files of a folder by their time in microseconds."""
    times_us = read_times(folder / "timestamps.txt", column=1, seconds=True)
    files = list(numbered(folder, pattern).values())
    if len(files) != len(times_us):
        raise FormatError(f"{folder}: {len(files)} files, but {len(times_us)} times")
    return dict(zip(times_us.tolist(), files, strict=True))


def _read_events(path: Path) -> Events:
    """Events of one file, put in order of time: the simulator leaves some out of it."""
    t, x, y, p = read_npz(path, "txyp")
    impossible = np.flatnonzero(~(np.abs(t.astype(np.float64)) < LARGEST_EXACT))
    if len(impossible):
        raise FormatError(
            f"{path}: event {impossible[0]} has the impossible time {t[impossible[0]]}"
        )
    events: Events = events_from(t, x, y, p)
    return events[np.argsort(events["t"], kind="stable")]
