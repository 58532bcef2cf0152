"""DSEC (Gehrig et al., RA-L 2021) as Depth AnyEvent is judged on it: left event camera, 640x480.

Root: ``train/<sequence>/`` (or ``<sequence>/``) with ``calibration/cam_to_cam.yaml``,
``disparity/{timestamps.txt,event/*.png}`` and ``events/left/{events.h5,rectify_map.h5}``.
The paper's validation split is ten sequences of DSEC's training set, whose test set has no public
depth. Depth and images are the centre 640x320; the first disparity of a sequence is not used.

With proxy labels (``images/left/ev_inf_<name>/<position in images/timestamps.txt>.npz``) there is a
sample for each frame but the first, 20 a second; no disparity is read.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dae_edge.datasets.dataset import Dataset, Sample, Sequence, Splits
from dae_edge.datasets.proxy import Frames, proxy_folder, read_proxy
from dae_edge.datasets.reading import (
    hdf5_array,
    numbered,
    read_disparity_png,
    read_times,
    read_yaml,
)
from dae_edge.datasets.windows import event_windows
from dae_edge.errors import FormatError
from dae_edge.events import Events
from dae_edge.sources.hdf5 import BLOCK_EVENTS, open_hdf5

WIDTH, HEIGHT = 640, 480
CROP = (0, 80, 640, 320)
OUTSIDE = 65_535
"""A coordinate on no sensor: where rectifying moves an event out of the image."""

_DISPARITIES = {
    "validation": {
        "interlaken_00_f": 746, "interlaken_00_g": 668, "thun_00_a": 120,
        "zurich_city_05_a": 877, "zurich_city_05_b": 815, "zurich_city_06_a": 762,
        "zurich_city_07_a": 732, "zurich_city_08_a": 394, "zurich_city_09_d": 850,
        "zurich_city_10_b": 1203,
    },
    "train": {
        "interlaken_00_c": 269, "interlaken_00_d": 996, "interlaken_00_e": 996,
        "zurich_city_00_a": 470, "zurich_city_00_b": 732, "zurich_city_01_a": 341,
        "zurich_city_01_b": 663, "zurich_city_01_c": 489, "zurich_city_01_d": 398,
        "zurich_city_01_e": 996, "zurich_city_01_f": 787, "zurich_city_02_a": 118,
        "zurich_city_02_b": 613, "zurich_city_02_c": 1442, "zurich_city_02_d": 922,
        "zurich_city_02_e": 923, "zurich_city_03_a": 442, "zurich_city_04_a": 351,
        "zurich_city_04_b": 135, "zurich_city_04_c": 591, "zurich_city_04_d": 479,
        "zurich_city_04_e": 135, "zurich_city_04_f": 430, "zurich_city_09_a": 907,
        "zurich_city_09_b": 184, "zurich_city_09_c": 662, "zurich_city_09_e": 409,
        "zurich_city_10_a": 1158, "zurich_city_11_a": 233, "zurich_city_11_b": 967,
        "zurich_city_11_c": 979,
    },
}  # fmt: skip


class Dsec(Dataset):
    """The sequences of one split of DSEC."""

    name = "dsec"
    takes_proxies = True
    splits: ClassVar[Splits] = {
        split: {name: count - 1 for name, count in counts.items()}
        for split, counts in _DISPARITIES.items()
    }

    def _find(self, name: str) -> Path | None:
        places = (self.root / "train" / name, self.root / name)
        return next((place for place in places if place.is_dir()), None)

    def _open(self, name: str, path: Path) -> Sequence:
        return DsecSequence(name, path)

    def _open_proxies(self, name: str, path: Path, proxy: str) -> Sequence | None:
        folder = proxy_folder(_warped(path), proxy)
        return DsecProxySequence(name, path, folder) if folder.is_dir() else None

    def frames(self, path: Path) -> Frames:
        """See ``Dataset``. They are the left camera's, warped to the event camera."""
        folder = _warped(path)
        if not folder.is_dir():
            raise FormatError(f"{folder}: no frames warped to the event camera: see training.warp")
        times_us = read_times(path / "images" / "timestamps.txt")
        files = numbered(folder, r"(\d+)\.png")
        _require_times(folder, files, times_us)
        return Frames(folder, list(files.values()), times_us[list(files)], (WIDTH, HEIGHT), CROP)


class _DsecWindows(Sequence):
    """Windows of events that end at given times, with whatever depth there is then."""

    def __init__(self, name: str, path: Path, times_us: NDArray[np.int64]) -> None:
        super().__init__(name, path)
        self._times_us = times_us

    @abstractmethod
    def _depth_maps(self) -> Iterator[NDArray[np.float32]]:
        """Depth in the crop, one for each time."""

    def __len__(self) -> int:
        return len(self._times_us)

    def __iter__(self) -> Iterator[Sample]:
        events = self.path / "events" / "left"
        rectified = read_rectified_pixels(events / "rectify_map.h5")
        images = self._images()
        with hdf5_array(events / "events.h5", "t_offset", ()):
            pass  # without it the times would silently be of another clock
        recording = open_hdf5(
            events / "events.h5", sensor=(WIDTH, HEIGHT), packet_events=BLOCK_EVENTS
        )
        ends = self._times_us.tolist()
        windows = event_windows(recording, ends, name=recording.name)
        maps = self._depth_maps()
        for index, (t_us, depth, window) in enumerate(zip(ends, maps, windows, strict=True)):
            yield Sample(
                sequence=self.name,
                index=index,
                t_us=t_us,
                sensor=(WIDTH, HEIGHT),
                crop=CROP,
                depth=depth,
                events=rectify(window, rectified),
                image=images.get(t_us),
                relative=self.relative,
            )

    def _images(self) -> dict[int, Path]:
        """Frames warped to the event camera, by time; the dataset itself has none.

        Their numbers are positions in the list of image times.
        """
        warped = _warped(self.path)
        if not warped.is_dir():
            return {}
        frames = numbered(warped, r"(\d+)\.png")
        times_us = read_times(self.path / "images" / "timestamps.txt").tolist()
        return {times_us[n]: path for n, path in frames.items() if n < len(times_us)}


class DsecSequence(_DsecWindows):
    """One sequence: a sample for each disparity map but the first, 10 a second."""

    def __init__(self, name: str, path: Path) -> None:
        disparity = path / "disparity"
        times_us = read_times(disparity / "timestamps.txt")[1:]
        super().__init__(name, path, times_us)
        self._maps = list(numbered(disparity / "event", r"(\d+)\.png").values())[1:]
        if len(self._maps) != len(times_us):
            raise FormatError(
                f"{disparity}: {len(self._maps) + 1} maps in event/, but "
                f"{len(times_us) + 1} times in timestamps.txt"
            )

    def depth_at(self, t_us: int) -> NDArray[np.float32] | None:
        """See ``Sequence``; at the very times of the maps that are used."""
        position = int(np.searchsorted(self._times_us, t_us))
        if position == len(self) or self._times_us[position] != t_us:
            return None
        return _depth(self._maps[position], self._factor())

    def _depth_maps(self) -> Iterator[NDArray[np.float32]]:
        factor = self._factor()
        return (_depth(path, factor) for path in self._maps)

    def _factor(self) -> np.float32:
        return read_depth_factor(self.path / "calibration" / "cam_to_cam.yaml")


class DsecProxySequence(_DsecWindows):
    """One sequence with proxy labels: a sample for each frame but the first.

    Args:
        name: Of the sequence.
        path: Its folder.
        proxies: The folder of the labels, one for each time but the first, which may be there.

    Raises:
        FormatError: a label is missing, or has no time.
    """

    relative = True

    def __init__(self, name: str, path: Path, proxies: Path) -> None:
        times_us = read_times(path / "images" / "timestamps.txt")
        super().__init__(name, path, times_us[1:])
        self._files = numbered(proxies, r"(\d+)\.npz")
        _require_times(proxies, self._files, times_us)
        missing = [number for number in range(1, len(times_us)) if number not in self._files]
        if missing:
            raise FormatError(
                f"{proxies}: {len(missing)} of {len(times_us) - 1} labels are not there, the first "
                f"is {missing[0]:06d}.npz"
            )
        self._files.pop(0, None)

    def _depth_maps(self) -> Iterator[NDArray[np.float32]]:
        x, y, width, height = CROP
        for path in self._files.values():
            yield read_proxy(path, (WIDTH, HEIGHT))[y : y + height, x : x + width]


def _warped(path: Path) -> Path:
    """The folder of a sequence with the left camera's frames warped to the event camera."""
    return path / "images" / "left" / "ev_inf"


def _require_times(folder: Path, files: dict[int, Path], times_us: NDArray[np.int64]) -> None:
    """Their numbers are positions in the list of image times."""
    last = max(files, default=-1)
    if last >= len(times_us):
        raise FormatError(
            f"{folder}: {files[last].name} has no time: images/timestamps.txt has {len(times_us)}"
        )


def read_depth_factor(path: Path) -> np.float32:
    """Metres times pixels: what divided by a disparity gives depth, from cam_to_cam.yaml.

    Raises:
        FormatError: the file lacks ``disparity_to_depth.cams_03``, the 4x4 matrix Q of the event
            cameras, or it is no such matrix.
    """
    content = read_yaml(path)
    try:
        q = np.array(content["disparity_to_depth"]["cams_03"], np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{path}: no matrix at disparity_to_depth.cams_03") from error
    if q.shape != (4, 4) or not np.isfinite(q).all() or not q[2, 3] or not q[3, 2]:
        raise FormatError(f"{path}: disparity_to_depth.cams_03 is no matrix Q of 4x4 numbers")
    return np.float32(abs(q[2, 3]) * abs(1 / q[3, 2]))


def read_rectified_pixels(path: Path) -> NDArray[np.uint16]:
    """Where each pixel of the sensor lies in the rectified image: uint16 [480, 640, 2] of (x, y).

    Coordinates are truncated as the published Tencode does it; (-1, 0) is outside, not 0. What is
    outside becomes ``OUTSIDE``.

    Raises:
        FormatError: missing, damaged, or not of the sensor's size.
    """
    with hdf5_array(path, "rectify_map", (HEIGHT, WIDTH, 2)) as array:
        exact = np.asarray(array[()], np.float32)
    inside = (exact >= 0) & (exact < np.array([WIDTH, HEIGHT], np.float32))
    return np.where(inside, exact, np.float32(OUTSIDE)).astype(np.uint16)


def rectify(events: Events, rectified: NDArray[np.uint16]) -> Events:
    """Events moved to their rectified pixels; those outside keep their time and lie ``OUTSIDE``."""
    pixel = events["y"].astype(np.intp) * WIDTH + events["x"]
    moved = events.copy()
    for axis, name in enumerate("xy"):
        moved[name] = rectified[..., axis].ravel()[pixel]
    return moved


def _depth(path: Path, factor: np.float32) -> NDArray[np.float32]:
    """Depth in the crop, metres. The order of operations is that of the published code."""
    x, y, width, height = CROP
    stored: NDArray[Any] = read_disparity_png(path, (HEIGHT, WIDTH))
    disparity = stored[y : y + height, x : x + width].astype(np.float32) / np.float32(256)
    inverse = np.divide(1, disparity, out=np.zeros_like(disparity), where=disparity > 0)
    depth: NDArray[np.float32] = factor * inverse
    return depth
