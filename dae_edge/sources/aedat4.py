"""AEDAT4 files of iniVation cameras (DAVIS, DVXplorer), through the ``aedat`` package.

Only brightness changes are given: frames, IMU samples and triggers are left out. Where a file has
several event streams, the first is taken and the others are counted as ``other_event_packets``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dae_edge.errors import FormatError
from dae_edge.events import Events, as_events
from dae_edge.extras import require
from dae_edge.sources.aedat4_header import check_aedat4_header
from dae_edge.sources.foreign import in_one_line
from dae_edge.sources.packets import agreed_sensor
from dae_edge.sources.recording import Recording
from dae_edge.sources.source import PACKET_EVENTS

_PACKET_HEAD = struct.Struct("<ii")
"""Stream and size of each packet."""
_CUT_SHORT = "failed to fill whole buffer"
"""What the package says when the file ends within a packet."""


class Aedat4Recording(Recording):
    """One AEDAT4 file, read packet by packet."""

    def __init__(
        self, path: Path, stream: int, *, sensor: tuple[int, int], packet_events: int
    ) -> None:
        super().__init__(str(path), format="aedat4", sensor=sensor, packet_events=packet_events)
        self._path = path
        self._stream = stream

    def _blocks(self) -> Iterator[Events]:
        with self._path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            position = check_aedat4_header(file, str(self._path))
            decoder = _decoder(self._path)
            while (packet := self._next_packet(decoder)) is not None:
                file.seek(position)
                head = file.read(_PACKET_HEAD.size)
                if len(head) == _PACKET_HEAD.size:
                    position += _PACKET_HEAD.size + max(_PACKET_HEAD.unpack(head)[1], 0)
                self._done = min(position / size, 1.0)
                if "events" in packet and packet["stream_id"] == self._stream:
                    yield as_events(packet["events"])
                elif "events" in packet:
                    self._counts["other_event_packets"] += 1

    def _next_packet(self, decoder: Any) -> dict[str, Any] | None:
        """Give the decoder's next packet; None at the end, be it whole or cut short."""
        try:
            packet: dict[str, Any] | None = next(decoder, None)
        except BaseException as error:
            _raise_unless_foreign(error)
            if str(error) == _CUT_SHORT:
                self._counts["truncated_packets"] += 1
                return None
            raise FormatError(
                f"{self._path}: damaged after {self._counts['events']} events: {in_one_line(error)}"
            ) from error
        return packet


def open_aedat4(
    path: Path, *, sensor: tuple[int, int] | None = None, packet_events: int = PACKET_EVENTS
) -> Aedat4Recording:
    """Open an AEDAT4 file.

    Raises:
        FormatError: not such a file, no event stream in it, or ``sensor`` is not what it states.
        MissingExtraError: the ``aedat`` package is not installed.
    """
    with path.open("rb") as file:
        check_aedat4_header(file, str(path))
    streams = _decoder(path).id_to_stream()
    events = [number for number, stream in sorted(streams.items()) if stream["type"] == "events"]
    if not events:
        kinds = ", ".join(sorted(stream["type"] for stream in streams.values())) or "nothing"
        raise FormatError(f"{path}: no event stream in this AEDAT4 file; it holds {kinds}")
    stated = (streams[events[0]]["width"], streams[events[0]]["height"])
    return Aedat4Recording(
        path,
        events[0],
        sensor=agreed_sensor(str(path), stated=stated, given=sensor),
        packet_events=packet_events,
    )


def _decoder(path: Path) -> Any:
    aedat = require("aedat", extra="aedat", purpose="reading AEDAT4 files")
    try:
        return aedat.Decoder(path)
    except BaseException as error:
        _raise_unless_foreign(error)
        raise FormatError(f"{path}: not a readable AEDAT4 file: {in_one_line(error)}") from error


def _raise_unless_foreign(error: BaseException) -> None:
    """Let the errors of the interpreter pass; what the package raises on bad bytes is no such one.

    Its panics are no ``Exception`` but a class of their own right below ``BaseException``.
    """
    if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
        raise error
