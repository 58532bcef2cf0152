"""MVSEC as E2Depth released it (Hidalgo-Carrio et al., 3DV 2020): what the paper's tables use.

Each sequence has ``depth/data/{depth_%010d.npy,timestamps.txt}`` and
``events/voxels/{event_tensor_%010d.npy,timestamps.txt}``: voxel grids of five bins instead of
events, left DAVIS, 346x260. Sequences lie in ``test/``, ``train/`` or in the root itself.

With proxy labels (``rgb/<davis_left_sync or davis>_<name>/*.npz``) there is a sample for each frame
that a voxel grid belongs to; no depth is read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dae_edge.datasets.dataset import WINDOW_US, Dataset, Sample, Sequence, Splits
from dae_edge.datasets.proxy import Frames, proxy_folder, read_proxy
from dae_edge.datasets.reading import numbered, read_npy, read_times
from dae_edge.errors import FormatError

WIDTH, HEIGHT = 346, 260
BINS = 5
CROP = (0, 0, WIDTH, HEIGHT)
FRAMES = ("davis_left_sync", "davis")
"""Folders of ``rgb/`` with frames, the test sequences' before the training sequences'."""
APART_US = WINDOW_US // 2
"""Longest time between a frame and the end of the voxel grid that it labels."""


class Mvsec(Dataset):
    """The sequences of one split of MVSEC in E2Depth's form."""

    name = "mvsec"
    takes_proxies = True
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

    def _open_proxies(self, name: str, path: Path, proxy: str) -> Sequence | None:
        for folder in FRAMES:
            frames = path / "rgb" / folder
            if proxy_folder(frames, proxy).is_dir():
                return MvsecProxySequence(name, path, frames, proxy)
        return None

    def frames(self, path: Path) -> Frames:
        """See ``Dataset``. They are the DAVIS's own, of the same pixels."""
        folders = [path / "rgb" / folder for folder in FRAMES]
        folder = next((folder for folder in folders if folder.is_dir()), folders[-1])
        files, times_us = _listed(folder, r"frame_(\d+)\.png")
        return Frames(folder, files, times_us, (WIDTH, HEIGHT), CROP)


class MvsecSequence(Sequence):
    """One sequence: a sample for each voxel grid, 20 a second."""

    def __init__(self, name: str, path: Path) -> None:
        super().__init__(name, path)
        voxels, self._times_us = _listed_voxels(path)
        depths, depth_times_us = _listed(path / "depth" / "data", r"depth_(\d+)\.npy")
        self._depth_files = dict(zip(depth_times_us.tolist(), depths, strict=True))
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
            yield Sample(
                sequence=self.name,
                index=index,
                t_us=t_us,
                sensor=(WIDTH, HEIGHT),
                crop=CROP,
                depth=_depth(self._depths[index]),
                voxels=read_npy(self._voxels[index], (BINS, HEIGHT, WIDTH)),
                image=self._images.get(t_us),
            )

    def depth_at(self, t_us: int) -> NDArray[np.float32] | None:
        """See ``Sequence``; of the map next in time, if it is no more than 5 ms away."""
        times_us = np.array(list(self._depth_files))
        nearest = int(times_us[_nearest(times_us, np.array([t_us]))[0]])
        return _depth(self._depth_files[nearest]) if abs(nearest - t_us) <= 5_000 else None

    def _frames(self) -> dict[int, Path]:
        """Frames by time. Depth can do without them, so a list that does not fit gives none."""
        for folder in FRAMES:
            with contextlib.suppress(FormatError):
                frames, times_us = _listed(self.path / "rgb" / folder, r"frame_(\d+)\.png")
                return dict(zip(times_us.tolist(), frames, strict=True))
        return {}


class MvsecProxySequence(Sequence):
    """One sequence with proxy labels: a sample for each frame that a voxel grid belongs to.

    Frames and grids have clocks of their own. A frame and a grid belong together if each is the
    one nearest to the other and they are no more than ``APART_US`` apart: no grid and no label is
    used twice. The time of a sample is its frame's.

    Args:
        name: Of the sequence.
        path: Its folder.
        frames: The folder of the frames; of these themselves only the times are needed.
        proxy: Name of the labels.

    Raises:
        FormatError: not as many labels as frames have times, or no frame near a grid.
    """

    relative = True

    def __init__(self, name: str, path: Path, frames: Path, proxy: str) -> None:
        super().__init__(name, path)
        voxels, ends_us = _listed_voxels(path)
        times_us = _times(frames)
        labels = list(numbered(proxy_folder(frames, proxy), r"(?:frame_)?(\d+)\.npz").values())
        if len(labels) != len(times_us):
            raise FormatError(
                f"{proxy_folder(frames, proxy)}: {len(labels)} labels, but {len(times_us)} frames"
            )
        pairs = _belonging(times_us, ends_us)
        if not pairs:
            raise FormatError(f"{frames}: no frame is near the end of a voxel grid")
        images = {path.stem: path for path in frames.glob("*.png")}
        self._samples = [
            (int(times_us[frame]), labels[frame], voxels[grid], images.get(labels[frame].stem))
            for frame, grid in pairs
        ]

    def __len__(self) -> int:
        return len(self._samples)

    def __iter__(self) -> Iterator[Sample]:
        for index, (t_us, label, voxels, image) in enumerate(self._samples):
            yield Sample(
                sequence=self.name,
                index=index,
                t_us=t_us,
                sensor=(WIDTH, HEIGHT),
                crop=CROP,
                depth=read_proxy(label, (WIDTH, HEIGHT)),
                voxels=read_npy(voxels, (BINS, HEIGHT, WIDTH)),
                image=image,
                relative=True,
            )


def _belonging(frames_us: NDArray[np.int64], ends_us: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Pairs of a frame and a grid that are each other's nearest, in order of time."""
    grid_of, frame_of = _nearest(ends_us, frames_us), _nearest(frames_us, ends_us)
    return [
        (frame, grid)
        for frame, grid in enumerate(grid_of)
        if frame_of[grid] == frame and abs(frames_us[frame] - ends_us[grid]) <= APART_US
    ]


def _listed_voxels(path: Path) -> tuple[list[Path], NDArray[np.int64]]:
    return _listed(path / "events" / "voxels", r"event_tensor_(\d+)\.npy")


def _times(folder: Path) -> NDArray[np.int64]:
    return read_times(folder / "timestamps.txt", column=1, seconds=True)


def _depth(path: Path) -> NDArray[np.float32]:
    """Metres; 0 where unknown."""
    depth = read_npy(path, (HEIGHT, WIDTH))
    return np.where(np.isfinite(depth), depth, np.float32(0))


def _listed(folder: Path, pattern: str) -> tuple[list[Path], NDArray[np.int64]]:
    """Files of a folder and their times, of which there must be equally many."""
    times_us = _times(folder)
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
