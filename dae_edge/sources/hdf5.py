"""HDF5 recordings of the DSEC, M3ED and MVSEC datasets, through h5py and hdf5plugin.

| layout | where | time | sensor |
| --- | --- | --- | --- |
| DSEC | ``/events/{x,y,t,p}`` and ``/t_offset`` | microseconds after ``t_offset`` | 640x480 |
| M3ED | ``/prophesee/<side>/{x,y,t,p}`` | microseconds | 1280x720 |
| MVSEC | ``/davis/<side>/events``, rows (x, y, t, p) | seconds | 346x260 |

The sizes are facts of these datasets, not of the files. ``/events/{x,y,t,p}`` without ``t_offset``
is read too, but then the caller must say how large the sensor is. Refuses Prophesee's own HDF5
files: their ECF compression is in no package.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dae_edge.errors import FormatError
from dae_edge.events import Events, events_from
from dae_edge.extras import require
from dae_edge.sources.foreign import in_one_line
from dae_edge.sources.packets import agreed_sensor, microseconds
from dae_edge.sources.recording import Recording
from dae_edge.sources.source import PACKET_EVENTS

BLOCK_EVENTS = 1 << 18
"""Events read at a time: compressed chunks should not be unpacked for every packet."""
_COLUMNS = ("t", "x", "y", "p")


@dataclass(frozen=True)
class _Layout:
    """Where the events are: a group of columns, or one table of rows (x, y, t in seconds, p)."""

    name: str
    where: str
    sensor: tuple[int, int] | None
    is_table: bool = False


class Hdf5Recording(Recording):
    """One HDF5 file, read in slices of ``BLOCK_EVENTS``."""

    def __init__(
        self, path: Path, layout: _Layout, *, sensor: tuple[int, int], packet_events: int
    ) -> None:
        super().__init__(
            str(path),
            format=f"hdf5-{layout.name}",
            sensor=sensor,
            metadata={"where": layout.where},
            packet_events=packet_events,
        )
        self._path = path
        self._layout = layout

    def _blocks(self) -> Iterator[Events]:
        h5py = _h5py()
        with h5py.File(self._path, "r") as file:
            columns, offset_us = _columns(file, self._layout, str(self._path))
            total = len(columns[0])
            for start in range(0, total, BLOCK_EVENTS):
                rows = slice(start, min(start + BLOCK_EVENTS, total))
                try:
                    block = _block(columns, rows, f"{self._path}: from event {start} on")
                except FormatError:
                    raise
                except Exception as error:  # h5py raises many kinds on damaged files
                    raise FormatError(
                        f"{self._path}: {self._layout.where} cannot be read "
                        f"from event {start} on: {in_one_line(error)}"
                    ) from error
                block["t"] += offset_us
                self._done = rows.stop / total
                yield block


def open_hdf5(
    path: Path,
    *,
    sensor: tuple[int, int] | None = None,
    packet_events: int = PACKET_EVENTS,
    side: str = "left",
) -> Hdf5Recording:
    """Open an HDF5 recording of one of the layouts above.

    Args:
        side: Which camera of a stereo pair, where the file has both: ``"left"`` or ``"right"``.

    Raises:
        FormatError: not a readable HDF5 file, or of none of the layouts.
        MissingExtraError: h5py or hdf5plugin is not installed.
    """
    h5py = _h5py()
    try:
        with h5py.File(path, "r") as file:
            layout = _layout(file, side, str(path))
            _columns(file, layout, str(path))
    except FormatError:
        raise
    except Exception as error:  # h5py raises many kinds on damaged files
        raise FormatError(f"{path}: not a readable HDF5 file: {in_one_line(error)}") from error
    return Hdf5Recording(
        path,
        layout,
        sensor=agreed_sensor(str(path), stated=layout.sensor, given=sensor),
        packet_events=packet_events,
    )


def _h5py() -> Any:
    purpose = "reading HDF5 recordings"
    require("hdf5plugin", extra="hdf5", purpose=purpose)  # before h5py opens: it brings blosc
    return require("h5py", extra="hdf5", purpose=purpose)


def _layout(file: Any, side: str, name: str) -> _Layout:
    """Tell which layout the file has, by the names in it."""

    def has(where: str) -> bool:
        return all(f"{where}/{column}" in file for column in _COLUMNS)

    if has("events"):
        return _Layout("dsec", "events", (640, 480) if "t_offset" in file else None)
    for layout in (
        _Layout("m3ed", f"prophesee/{side}", (1280, 720)),
        _Layout("mvsec", f"davis/{side}/events", (346, 260), is_table=True),
    ):
        if layout.where in file if layout.is_table else has(layout.where):
            return layout
    if "CD/events" in file:
        raise FormatError(
            f"{name}: Prophesee's HDF5 files are compressed with a codec (ECF) that no Python "
            "package has; convert it to RAW with the Metavision SDK"
        )
    raise FormatError(
        f"{name}: no events found for side {side!r}; wanted /events/{{x,y,t,p}}, "
        f"/prophesee/{side}/{{x,y,t,p}} or /davis/{side}/events; "
        f"it has {', '.join(map(repr, file)) or 'nothing'}"
    )


def _columns(file: Any, layout: _Layout, name: str) -> tuple[list[Any], int]:
    """Datasets t, x, y, p (or the one table), checked, and the microseconds to add to t."""
    if layout.is_table:
        table = file[layout.where]
        if getattr(table, "ndim", 0) != 2 or table.shape[1] != 4 or table.dtype.kind not in "iuf":
            raise FormatError(f"{name}: /{layout.where} is no table of numbers with 4 columns")
        return [table], 0
    columns = [file[f"{layout.where}/{column}"] for column in _COLUMNS]
    for column, data in zip(_COLUMNS, columns, strict=True):
        if getattr(data, "ndim", 0) != 1 or data.dtype.kind not in "iub":
            raise FormatError(f"{name}: /{layout.where}/{column} is no column of whole numbers")
    if len({len(data) for data in columns}) != 1:
        lengths = ", ".join(f"{c} {len(d)}" for c, d in zip(_COLUMNS, columns, strict=True))
        raise FormatError(f"{name}: the columns of /{layout.where} differ in length: {lengths}")
    if layout.name != "dsec" or "t_offset" not in file:
        return columns, 0
    offset = np.asarray(file["t_offset"])
    if offset.size != 1 or offset.dtype.kind not in "iu":
        raise FormatError(f"{name}: /t_offset must be one whole number of microseconds")
    return columns, int(offset.reshape(()))


def _block(columns: list[Any], rows: slice, where: str) -> Events:
    if len(columns) == 1:
        table = columns[0][rows]
        return events_from(microseconds(table[:, 2], where), table[:, 0], table[:, 1], table[:, 3])
    t, x, y, p = (column[rows] for column in columns)
    return events_from(t.astype(np.int64), x, y, p)
