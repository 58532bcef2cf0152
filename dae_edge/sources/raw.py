"""Prophesee's RAW (EVT2, EVT2.1, EVT3, EVT4) and DAT recordings, decoded by the C core.

Refuses DAT files of version 1 and DAT files of other than change-detection events. Nothing is
silent: the decoder counts whatever is not an event of the sensor (dae.h, dae_decoder_counters).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from dae_edge._native import Decoder
from dae_edge.errors import FormatError
from dae_edge.events import Events
from dae_edge.sources.decoding import Undecoded, decoded, decoder_for
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
        self._decoder = self._new_decoder()

    def undecoded(self) -> Iterator[Undecoded]:
        """See ``Source.undecoded``; ``CHUNK_BYTES`` each."""
        self._counts, self._done = Counter(), None
        decoder = self._decoder = self._new_decoder()
        for data in self._chunks(decoder):
            yield Undecoded(decoder, data)
        self._done = 1.0

    def _blocks(self) -> Iterator[Events]:
        decoder = self._decoder = self._new_decoder()
        yield from decoded(decoder, self._chunks(decoder), self._packet_events)

    def _new_decoder(self) -> Decoder:
        return decoder_for(self.name, self.format, (self.width, self.height))

    def _chunks(self, decoder: Decoder) -> Iterator[bytes]:
        """Bytes after the header; each has gone through the decoder when the next is asked for."""
        with self._path.open("rb", buffering=0) as file:
            total = os.fstat(file.fileno()).st_size - self._body_start
            file.seek(self._body_start)
            read = 0
            while data := file.read(CHUNK_BYTES):
                read += len(data)
                self._done = min(read / total, 1.0) if total > 0 else 1.0
                yield data
        self._counts["truncated_bytes"] = read - decoder.counters()["bytes"]

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
