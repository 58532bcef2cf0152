"""Where dae-run puts depth: video, pictures, numbers, a window. One interface: show, close."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dae_edge.depth import UNTRAINED, Depth
from dae_edge.model import Model
from dae_edge.reference import tencode_from_voxel_grid
from dae_edge.view.colours import DepthRange
from dae_edge.view.live import LiveWindow
from dae_edge.view.picture import depth_picture, events_picture, side_by_side
from dae_edge.view.video import FrameSink, open_sink

MAX_FPS = 60.0


class Output(Protocol):
    """Takes each depth with the Tencode image it was made of."""

    def show(self, image: NDArray[Any], depth: Depth) -> bool:
        """False when the user wants no more."""

    def close(self) -> None:
        """Finish the files."""


class Frames:
    """Events and depth side by side, to any number of videos, picture folders and one window."""

    def __init__(self, model: Model, sinks: Sequence[FrameSink], window: LiveWindow | None) -> None:
        self._model = model
        self._sinks = sinks
        self._window = window
        self._range = DepthRange()
        x, y, width, height = model.bundle.manifest["input"]["crop"]
        self._crop = np.s_[y : y + height, x : x + width]
        self._first_us: int | None = None

    def show(self, image: NDArray[Any], depth: Depth) -> bool:
        """See ``Output.show``."""
        frame = self._frame(image, depth)
        for sink in self._sinks:
            sink.write(frame)
        return self._window is None or self._window.show(frame)

    def close(self) -> None:
        """See ``Output.close``."""
        for sink in self._sinks:
            sink.close()
        if self._window is not None:
            self._window.close()

    def _frame(self, image: NDArray[Any], depth: Depth) -> NDArray[np.uint8]:
        if self._first_us is None:
            self._first_us = depth.t_us
        near_far = self._range.update(depth.values)
        notes = [
            note for note, told in (("stale", depth.stale), ("partial", depth.partial)) if told
        ]
        caption = [
            f"t = {depth.t_us / 1e6:.3f} s    {depth.events:,} events    {' '.join(notes)}",
            f"{self._model.name}    encode {depth.encode_us / 1e3:.2f} ms    "
            f"infer {depth.infer_us / 1e3:.1f} ms",
        ]
        notice = f"{UNTRAINED}: the depth has no meaning" if not self._model.trained else None
        return side_by_side(
            events_picture(_as_tencode(image)[self._crop]),
            depth_picture(depth.values, near_far=near_far),
            caption_lines=caption,
            near_far=near_far,
            unit=depth.unit,
            notice=notice,
        )


def _as_tencode(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Tencode of what a network saw: itself, or made of a voxel grid."""
    if image.dtype == np.uint8:
        return image
    levels = np.rint(tencode_from_voxel_grid(image) * 255).astype(np.uint8)
    return levels.transpose(1, 2, 0)


class NumbersSink:
    """One NPZ file, written as it goes.

    It holds ``depth_000000`` and so on, float32 [H, W], ``t_us``, ``stale`` and ``unit``, and is
    written beside its path and renamed at the end; memory does not grow with the recording.
    """

    def __init__(self, path: Path, unit: str) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._zip = zipfile.ZipFile(self._part, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        self._times: list[int] = []
        self._stale: list[bool] = []
        self._unit = unit

    def show(self, image: NDArray[Any], depth: Depth) -> bool:
        """See ``Output.show``."""
        self._add(f"depth_{len(self._times):06d}", depth.values)
        self._times.append(depth.t_us)
        self._stale.append(depth.stale)
        return True

    def close(self) -> None:
        """See ``Output.close``."""
        try:
            self._add("t_us", np.array(self._times, np.int64))
            self._add("stale", np.array(self._stale, bool))
            self._add("unit", np.array(self._unit))
            self._zip.close()
            os.replace(self._part, self._path)
        except OSError:
            self._part.unlink(missing_ok=True)
            raise

    def _add(self, name: str, array: NDArray[np.generic]) -> None:
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        try:
            self._zip.writestr(f"{name}.npy", buffer.getvalue())
        except OSError as error:
            raise OSError(f"{self._path}: cannot be written: {error}") from error


def open_outputs(
    paths: Sequence[Path], *, model: Model, window_us: int, live: bool
) -> list[Output]:
    """An output for each path, by its suffix, and a window if asked for.

    Raises:
        ValueError: a suffix that nothing writes, or the same path twice.
        FileNotFoundError: the folder to write into does not exist.
        OSError: no display for the window.
    """
    if len({path.absolute() for path in paths}) != len(paths):
        raise ValueError("the same --out twice")
    for path in paths:
        if not path.absolute().parent.is_dir():
            raise FileNotFoundError(f"{path}: the folder {path.parent} does not exist")
    fps = min(MAX_FPS, 1e6 / window_us)
    window = LiveWindow(f"dae-run: {model.name}") if live else None
    sinks = [open_sink(path, fps=fps) for path in paths if path.suffix != ".npz"]
    outputs: list[Output] = [Frames(model, sinks, window)] if sinks or window else []
    return outputs + [NumbersSink(path, model.unit) for path in paths if path.suffix == ".npz"]
