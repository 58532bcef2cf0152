"""A sequence that is two HDF5 files: one of events, one of depth maps with their times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dae_edge.datasets.dataset import Sample, Sequence
from dae_edge.datasets.reading import hdf5_array
from dae_edge.datasets.windows import event_windows
from dae_edge.errors import FormatError
from dae_edge.sources.hdf5 import BLOCK_EVENTS, open_hdf5
from dae_edge.sources.packets import microseconds


@dataclass(frozen=True, slots=True)
class DepthLayout:
    """Where a dataset keeps its depth.

    Attributes:
        events: Format that the file of events must have, as ``sources.hdf5`` names it.
        depth: HDF5 path of the maps [n, height, width], metres; not finite where unknown.
        times: HDF5 path of their times [n].
        seconds: The times are seconds, not microseconds.
        sensor: (width, height), pixels.
    """

    events: str
    depth: str
    times: str
    seconds: bool
    sensor: tuple[int, int]


class Hdf5DepthSequence(Sequence):
    """One sequence: a sample for each depth map."""

    def __init__(self, name: str, events: Path, depth: Path, layout: DepthLayout) -> None:
        super().__init__(name, events.parent)
        self._events, self._depth, self._layout = events, depth, layout
        if not events.is_file():
            raise FormatError(f"{events}: no such file")
        self._times_us = _times_us(depth, layout)
        width, height = layout.sensor
        with hdf5_array(depth, layout.depth, (len(self._times_us), height, width)):
            pass

    def __len__(self) -> int:
        return len(self._times_us)

    def __iter__(self) -> Iterator[Sample]:
        layout = self._layout
        recording = open_hdf5(self._events, packet_events=BLOCK_EVENTS)
        if recording.format != layout.events:
            raise FormatError(
                f"{self._events}: events as in {recording.format}, wanted {layout.events}"
            )
        ends = self._times_us.tolist()
        windows = event_windows(recording, ends, name=recording.name)
        for index, (t_us, window) in enumerate(zip(ends, windows, strict=True)):
            with hdf5_array(self._depth, layout.depth) as maps:
                depth = np.asarray(maps[index], np.float32)
            yield Sample(
                sequence=self.name,
                index=index,
                t_us=t_us,
                sensor=layout.sensor,
                crop=(0, 0, *layout.sensor),
                depth=np.where(np.isfinite(depth), depth, np.float32(0)),
                events=window,
            )


def _times_us(path: Path, layout: DepthLayout) -> NDArray[np.int64]:
    with hdf5_array(path, layout.times, (None,)) as array:
        stored = np.asarray(array[()])
    times = microseconds(stored, str(path)) if layout.seconds else stored.astype(np.int64)
    back = np.flatnonzero(np.diff(times) <= 0)
    if len(back):
        raise FormatError(
            f"{path}: /{layout.times}: time {times[back[0] + 1]} us at {back[0] + 1} does not "
            "follow the one before"
        )
    return times
