"""Event Stream files (.es), version 2: DVS streams, and the change detections of ATIS streams.

After the 20-byte header, a record is one byte with the time since the previous record in its upper
bits, then x and y as 16-bit little endian numbers; some first bytes are no record but only let time
pass. Source of the layout: the Event Stream specification (neuromorphic-paris/event_stream) and
files written by its encoders. Refuses the generic, display and colour streams, which hold no
brightness changes, and other versions.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_edge.errors import FormatError
from dae_edge.events import EVENT, Events
from dae_edge.sources.packets import agreed_sensor
from dae_edge.sources.recording import Recording
from dae_edge.sources.source import PACKET_EVENTS

MAGIC = b"Event Stream"
HEADER = struct.Struct("<12s3BBHH")
"""Magic, version, type of stream, width, height."""
CHUNK_BYTES = 1 << 16
_RECORD = np.dtype([("first", "u1"), ("x", "<u2"), ("y", "<u2")])


@dataclass(frozen=True)
class _Layout:
    """How one kind of stream uses the first byte of a record.

    The upper bits, from ``time_bit`` on, hold the microseconds since the previous record. With all
    of them set the byte is no record: it lets that most time pass, times its lower bits.
    ``runs`` splits bytes into whole records followed by such pauses.
    """

    name: str
    time_bit: int
    on_mask: int
    exposure_mask: int
    runs: re.Pattern[bytes]

    @property
    def pause_us(self) -> int:
        return (1 << (8 - self.time_bit)) - 1

    @property
    def low_mask(self) -> int:
        return (1 << self.time_bit) - 1


_DVS_RUNS = re.compile(rb"((?:[\x00-\xfd].{4})*)([\xfe\xff]*)", re.DOTALL)
_ATIS_RUNS = re.compile(rb"((?:[\x00-\xfb].{4})*)([\xfc-\xff]*)", re.DOTALL)
_LAYOUTS = {
    1: _Layout("es-dvs", time_bit=1, on_mask=1, exposure_mask=0, runs=_DVS_RUNS),
    2: _Layout("es-atis", time_bit=2, on_mask=2, exposure_mask=1, runs=_ATIS_RUNS),
}
"""By the type byte of the header. ATIS records with the exposure bit measure absolute intensity."""


class EventStreamRecording(Recording):
    """One .es file, read in chunks of ``CHUNK_BYTES`` whatever its size."""

    def __init__(
        self, path: Path, layout: _Layout, sensor: tuple[int, int], packet_events: int
    ) -> None:
        super().__init__(str(path), format=layout.name, sensor=sensor, packet_events=packet_events)
        self._path = path
        self._layout = layout

    def _blocks(self) -> Iterator[Events]:
        time_us, rest = 0, b""
        with self._path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(HEADER.size)
            while chunk := file.read(CHUNK_BYTES):
                self._done = file.tell() / size
                events, time_us, rest = self._decode(rest + chunk, time_us)
                yield events
        self._counts["truncated_bytes"] = len(rest)

    def _decode(self, data: bytes, time_us: int) -> tuple[Events, int, bytes]:
        """Events of the whole records in ``data``, the time after them, and the unfinished record.

        ``time_us`` is the time of the record before.
        """
        layout = self._layout
        runs, pauses, used = [], [], 0
        for match in layout.runs.finditer(data):
            if match.end() == used:
                break  # an empty match: what is left is no whole record
            used = match.end()
            runs.append(match[1])
            pauses.append(match[2])
        records = np.frombuffer(b"".join(runs), _RECORD)
        steps = np.zeros(len(records) + 1, np.int64)  # the last one is for the next chunk
        steps[:-1] = records["first"] >> layout.time_bit
        next_record = np.cumsum([len(run) // _RECORD.itemsize for run in runs], dtype=np.int64)
        pause_bytes = np.frombuffer(b"".join(pauses), np.uint8) & layout.low_mask
        pause_owner = np.repeat(next_record, [len(pause) for pause in pauses])
        np.add.at(steps, pause_owner, pause_bytes.astype(np.int64) * layout.pause_us)
        times = time_us + np.cumsum(steps)
        return self._events(records, times[:-1]), int(times[-1]), data[used:]

    def _events(self, records: NDArray[Any], times: NDArray[np.int64]) -> Events:
        changes = (records["first"] & self._layout.exposure_mask) == 0
        if not np.all(changes):
            self._counts["exposure_records"] += int(len(records) - np.count_nonzero(changes))
            records, times = records[changes], times[changes]
        events = np.empty(len(records), EVENT)
        events["t"], events["x"], events["y"] = times, records["x"], records["y"]
        events["on"] = (records["first"] & self._layout.on_mask) != 0
        return events


def open_es(
    path: Path, *, sensor: tuple[int, int] | None = None, packet_events: int = PACKET_EVENTS
) -> EventStreamRecording:
    """Open an Event Stream file.

    Raises:
        FormatError: not such a file, another version, another kind of stream, or ``sensor`` is not
            the one that the file states.
    """
    with path.open("rb") as file:
        header = file.read(HEADER.size)
    if len(header) < HEADER.size or not header.startswith(MAGIC):
        raise FormatError(f"{path}: no Event Stream header of {HEADER.size} bytes")
    _, major, minor, patch, kind, width, height = HEADER.unpack(header)
    if major != 2:
        raise FormatError(
            f"{path}: Event Stream version {major}.{minor}.{patch} cannot be read; wanted 2.x"
        )
    if kind not in _LAYOUTS:
        raise FormatError(
            f"{path}: an Event Stream of type {kind} holds no brightness changes; "
            "wanted 1 (DVS) or 2 (ATIS)"
        )
    agreed = agreed_sensor(str(path), stated=(width, height), given=sensor)
    return EventStreamRecording(path, _LAYOUTS[kind], agreed, packet_events)
