"""MVSEC as E2Depth released it (Hidalgo-Carrio et al., 3DV 2020): what the paper's tables use.

Each sequence has ``depth/data/{depth_%010d.npy,timestamps.txt}`` and
``events/voxels/{event_tensor_%010d.npy,timestamps.txt}``: voxel grids of five bins instead of
events, left DAVIS, 346x260. Sequences lie in ``test/``, ``train/`` or in the root itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dae_edge.datasets.dataset import Dataset, Sample, Sequence, Splits
from dae_edge.datasets.reading import numbered, read_npy, read_times
from dae_edge.errors import FormatError

WIDTH, HEIGHT = 346, 260
BINS = 5


class Mvsec(Dataset):
    """The sequences of one split of MVSEC in E2Depth's form."""

    name = "mvsec"
    splits: ClassVar[Splits] = {
        "test": {
            "mvsec_outdoor_day1": 5125,
            "mvsec_outdoor_night1": 5111,
            "mvsec_outdoor_night2": 5478,
            "mvsec_outdoor_night3": 5411,
        },
        "validation": {"mvsec_dataset_day2/test": 1827},
        "train": {"mvsec_dataset_day2/train": 8524, "mvsec_dataset_day2/validation": 1827},
    }

    def _find(self, name: str) -> Path | None:
        for folder in (self.root / "test", self.root / "train", self.root):
            for place in (folder / name, folder / name / "sequence_0000000000"):
                if (place / "depth").is_dir() and (place / "events").is_dir():
                    return place
        return None

    def _open(self, name: str, path: Path) -> Sequence:
        return MvsecSequence(name, path)


class MvsecSequence(Sequence):
    """One sequence: a sample for each voxel grid, 20 a second."""

    def __init__(self, name: str, path: Path) -> None:
        super().__init__(name, path)
        voxels, self._times_us = _listed(path / "events" / "voxels", r"event_tensor_(\d+)\.npy")
        depths, depth_times_us = _listed(path / "depth" / "data", r"depth_(\d+)\.npy")
        self._voxels = voxels
        if len(voxels) == len(depths):
            self._depths = depths
        else:
            self._depths = [depths[i] for i in _nearest(depth_times_us, self._times_us)]
        self._images = self._frames()

    def __len__(self) -> int:
        return len(self._voxels)

    def __iter__(self) -> Iterator[Sample]:
        for index, t_us in enumerate(self._times_us.tolist()):
            depth = read_npy(self._depths[index], (HEIGHT, WIDTH))
            yield Sample(
                sequence=self.name,
                index=index,
                t_us=t_us,
                sensor=(WIDTH, HEIGHT),
                crop=(0, 0, WIDTH, HEIGHT),
                depth=np.where(np.isfinite(depth), depth, np.float32(0)),
                voxels=read_npy(self._voxels[index], (BINS, HEIGHT, WIDTH)),
                image=self._images.get(t_us),
            )

    def _frames(self) -> dict[int, Path]:
        """Frames by time. Depth can do without them, so a list that does not fit gives none."""
        for folder in ("davis_left_sync", "davis"):
            with contextlib.suppress(FormatError):
                frames, times_us = _listed(self.path / "rgb" / folder, r"frame_(\d+)\.png")
                return dict(zip(times_us.tolist(), frames, strict=True))
        return {}


def _listed(folder: Path, pattern: str) -> tuple[list[Path], NDArray[np.int64]]:
    """Files of a folder and their times, of which there must be equally many."""
    times_us = read_times(folder / "timestamps.txt", column=1, seconds=True)
    files = list(numbered(folder, pattern).values())
    if len(files) != len(times_us):
        raise FormatError(f"{folder}: {len(files)} files, but {len(times_us)} times")
    return files, times_us


def _nearest(times_us: NDArray[np.int64], wanted_us: NDArray[np.int64]) -> list[int]:
    """Position of the nearest of ``times_us`` for each wanted time; the earlier of two equal."""
    after = np.searchsorted(times_us, wanted_us).clip(1, max(1, len(times_us) - 1))
    before = after - 1
    after = after.clip(max=len(times_us) - 1)
    closer = times_us[after] - wanted_us < wanted_us - times_us[before]
    nearest: list[int] = np.where(closer, after, before).tolist()
    return nearest
