"""Prophesee's RAW (EVT2, EVT2.1, EVT3, EVT4) and DAT recordings, decoded by the C core.

Refuses DAT files of version 1 and DAT files of other than change-detection events. Nothing is
silent: the decoder counts whatever is not an event of the sensor (dae.h, dae_decoder_counters).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from dae_edge.errors import FormatError
from dae_edge.events import Events
from dae_edge.sources.decoding import decoded, decoder_for
from dae_edge.sources.packets import agreed_sensor
from dae_edge.sources.raw_header import RawHeader, read_raw_header
from dae_edge.sources.recording import Recording
from dae_edge.sources.source import PACKET_EVENTS

CHUNK_BYTES = 1 << 18
_DAT_EVENT_TYPES = (0x00, 0x0C)
"""Event2d of old files, and EventCD."""
_DAT_EVENT_BYTES = 8


class RawRecording(Recording):
    """One RAW or DAT file. Read in chunks of ``CHUNK_BYTES`` whatever its size."""

    _bounds_checked = True

    def __init__(
        self,
        path: Path,
        header: RawHeader,
        *,
        format: str,
        body_start: int,
        sensor: tuple[int, int],
        packet_events: int,
    ) -> None:
        super().__init__(
            str(path),
            format=format,
            sensor=sensor,
            metadata=header.fields,
            packet_events=packet_events,
        )
        self._path = path
        self._body_start = body_start
        self._read = 0
        self._decoder = decoder_for(self.name, format, sensor)

    def _blocks(self) -> Iterator[Events]:
        self._decoder = decoder_for(self.name, self.format, (self.width, self.height))
        with self._path.open("rb", buffering=0) as file:
            yield from decoded(self._decoder, self._chunks(file), self._packet_events)
        self._counts["truncated_bytes"] = self._read - self._decoder.counters()["bytes"]

    def _chunks(self, file: BinaryIO) -> Iterator[memoryview]:
        """Bytes after the header, in one buffer that is used again and again."""
        total = os.fstat(file.fileno()).st_size - self._body_start
        buffer = memoryview(bytearray(CHUNK_BYTES))
        file.seek(self._body_start)
        self._read = 0
        while count := file.readinto(buffer):  # type: ignore[attr-defined]  # raw files have it
            self._read += count
            self._done = min(self._read / total, 1.0) if total > 0 else 1.0
            yield buffer[:count]

    def counters(self) -> dict[str, int]:
        """What the decoder saw; ``truncated_bytes`` is the word that the end of the file cut."""
        return {**self._decoder.counters(), **self._counts}


def open_raw(
    path: Path, *, sensor: tuple[int, int] | None = None, packet_events: int = PACKET_EVENTS
) -> RawRecording:
    """Open a RAW or DAT file.

    Raises:
        FormatError: the header is missing, contradicts itself or ``sensor``, names a format that
            is not read, or neither header nor ``sensor`` says how large the sensor is.
    """
    with path.open("rb") as file:
        header = read_raw_header(file, str(path))
        body_start = header.size
        if header.is_dat or (path.suffix.lower() == ".dat" and "evt" not in header.fields):
            format = "dat"
            body_start += _check_dat(file, header)
        else:
            format = header.format()
    return RawRecording(
        path,
        header,
        format=format,
        body_start=body_start,
        sensor=agreed_sensor(str(path), stated=header.sensor(), given=sensor),
        packet_events=packet_events,
    )


def _check_dat(file: BinaryIO, header: RawHeader) -> int:
    """Read the two bytes between a DAT header and its events; returns how many they are."""
    version = header.fields.get("Version")
    if version != "2":
        raise FormatError(f"{header.name}: DAT version {version} cannot be read; wanted 2")
    kind = file.read(2)
    if len(kind) < 2:
        raise FormatError(f"{header.name}: the file ends within its header")
    if kind[0] not in _DAT_EVENT_TYPES or kind[1] != _DAT_EVENT_BYTES:
        raise FormatError(
            f"{header.name}: DAT events of type {kind[0]:#04x} and {kind[1]} bytes cannot be read; "
            f"wanted change-detection events of {_DAT_EVENT_BYTES} bytes"
        )
    return len(kind)
