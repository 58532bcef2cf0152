"""ROS 1 bags and ROS 2 bags (SQLite, MCAP) with event messages, through the ``rosbags`` package.

Reads ``event_camera_msgs/EventPacket`` (encodings evt3 and mono) and ``dvs_msgs/EventArray``.
Refuses the other encodings of EventPacket, and topics whose sensor or encoding changes.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dae_edge.errors import FormatError
from dae_edge.events import Events
from dae_edge.extras import require
from dae_edge.sources.decoding import MOST_EVENTS_PER_WORD, decoded, decoder_for
from dae_edge.sources.foreign import in_one_line
from dae_edge.sources.packets import agreed_sensor
from dae_edge.sources.recording import Recording
from dae_edge.sources.ros_messages import (
    EVENT_ARRAY,
    EVENT_PACKET,
    EventArray,
    EventPacket,
    mono_events,
    read_event_array,
    read_event_packet,
)
from dae_edge.sources.source import PACKET_EVENTS

ROS1_MAGIC = b"#ROSBAG"
ENCODINGS = ("evt3", "mono")
EVT3_CLOCK_US = 1 << 24
"""The clock of EVT3 goes once around in this time."""
EVENTS_PER_BYTE = 6
"""At most, in EVT3: 12 per word of two bytes."""


class RosbagRecording(Recording):
    """Messages of one topic of one bag, read one at a time.

    Counters: ``packets``, ``missed_packets`` by the driver's running number, ``sequence_gaps``, and
    those of the EVT3 decoder.
    """

    def __init__(
        self,
        path: Path,
        topic: str,
        *,
        encoding: str,
        sensor: tuple[int, int],
        packet_events: int,
    ) -> None:
        super().__init__(
            str(path),
            format=f"rosbag-{encoding}",
            sensor=sensor,
            metadata={"topic": topic},
            packet_events=packet_events,
        )
        self._path = path
        self._topic = topic
        self._encoding = encoding
        self._start_over()

    def _start_over(self) -> None:
        self._next_sequence: int | None = None
        self._evt3: _Evt3Packets | None = None
        if self._encoding == "evt3":
            self._evt3 = _Evt3Packets(self.name, (self.width, self.height), self._packet_events)

    def _blocks(self) -> Iterator[Events]:
        self._start_over()
        for message, fraction in _messages(self._path, self._topic):
            try:
                yield from self._events(message)
            except (struct.error, ValueError) as error:
                where = f"message {self._counts['packets']} of {self._topic}"
                raise FormatError(f"{self._path}: {where}: {in_one_line(error)}") from error
            self._done = fraction

    def _events(self, message: Message) -> Iterator[Events]:
        self._counts["packets"] += 1
        content = _content(message)
        if content.encoding != self._encoding:
            raise ValueError(f"the encoding changes from {self._encoding} to {content.encoding}")
        if (content.width, content.height) not in ((self.width, self.height), (0, 0)):
            raise ValueError(
                f"the sensor changes from {self.width}x{self.height} "
                f"to {content.width}x{content.height}"
            )
        if isinstance(content, EventArray):
            yield content.events
            return
        gap = self._count_gap(content.sequence)
        if self._evt3 is None:
            yield mono_events(content)
        else:
            yield from self._evt3.events(content, gap=gap)

    def _count_gap(self, sequence: int) -> bool:
        """Whether packets are missing before this one."""
        expected, self._next_sequence = self._next_sequence, sequence + 1
        if expected is None or sequence == expected:
            return False
        self._counts["sequence_gaps"] += 1
        self._counts["missed_packets"] += max(sequence - expected, 0)
        return True

    def counters(self) -> dict[str, int]:
        """Packets and gaps, and for evt3 what the decoder saw."""
        return {**(self._evt3.decoder.counters() if self._evt3 else {}), **self._counts}


class _Evt3Packets:
    """The EVT3 decoder of a topic: its state is carried from packet to packet.

    After a gap it starts afresh, so that no event gets the row of another packet; its time goes on
    from the last event, by whole turns of the sensor's clock.
    """

    def __init__(self, name: str, sensor: tuple[int, int], packet_events: int) -> None:
        self.decoder = decoder_for(name, "evt3", sensor)
        self._packet_events = packet_events
        self._turns_us: int | None = 0  # added to the decoder's time; None: not known yet
        self._last_us = 0

    def events(self, packet: EventPacket, *, gap: bool) -> Iterator[Events]:
        if gap:
            self.decoder.reset()
            self._turns_us = None
        most = EVENTS_PER_BYTE * len(packet.data) + MOST_EVENTS_PER_WORD
        for block in decoded(self.decoder, [packet.data], min(self._packet_events, most)):
            if self._turns_us is None:
                behind = self._last_us - int(block["t"][0])
                self._turns_us = max(-(-behind // EVT3_CLOCK_US), 0) * EVT3_CLOCK_US
            block["t"] += self._turns_us
            self._last_us = int(block["t"][-1])
            yield block


def open_rosbag(
    path: Path,
    *,
    sensor: tuple[int, int] | None = None,
    packet_events: int = PACKET_EVENTS,
    topic: str | None = None,
) -> RosbagRecording:
    """Open a ROS 1 bag, a ROS 2 bag's directory, or one .db3 or .mcap file.

    Args:
        topic: Which topic to read; not needed where only one has event messages.

    Raises:
        FormatError: not a readable bag, no such topic, several topics to choose from, no messages,
            or an encoding that is not read.
        MissingExtraError: the ``rosbags`` package is not installed.
    """
    with _opened(path) as bag:
        topic = _chosen_topic(path, bag, topic)
    first = next((message for message, _ in _messages(path, topic)), None)
    if first is None:
        raise FormatError(f"{path}: topic {topic} has no messages")
    try:
        content = _content(first)
    except (struct.error, ValueError) as error:
        raise FormatError(f"{path}: message 1 of {topic}: {in_one_line(error)}") from error
    size = (content.width, content.height)
    return RosbagRecording(
        path,
        topic,
        encoding=content.encoding,
        sensor=agreed_sensor(str(path), stated=None if size == (0, 0) else size, given=sensor),
        packet_events=packet_events,
    )


@dataclass(frozen=True)
class Message:
    """The bytes of a message, and what is needed to read them."""

    data: bytes
    type: str
    cdr: bool


def _content(message: Message) -> EventPacket | EventArray:
    """Parse a message; ValueError if it is in no form that is read."""
    if message.type == EVENT_ARRAY:
        return read_event_array(message.data, cdr=message.cdr)
    packet = read_event_packet(message.data, cdr=message.cdr)
    if packet.encoding not in ENCODINGS:
        raise ValueError(
            f"encoding {packet.encoding!r} cannot be read; wanted one of {', '.join(ENCODINGS)}"
        )
    if packet.encoding == "evt3" and packet.big_endian:
        raise ValueError("big-endian evt3 cannot be read")
    return packet


def _is_ros1(path: Path) -> bool:
    if path.is_dir():
        return False
    with path.open("rb") as file:
        return file.read(len(ROS1_MAGIC)) == ROS1_MAGIC


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open the bag with the reader of its kind; whatever this raises on bad bytes: FormatError."""
    kind = "rosbags.rosbag1" if _is_ros1(path) else "rosbags.rosbag2"
    reader_class = require(kind, extra="rosbag", purpose="reading ROS bags").Reader
    try:
        reader = reader_class(path)
        reader.open()
    except Exception as error:
        raise FormatError(f"{path}: not a readable ROS bag: {in_one_line(error)}") from error
    try:
        yield reader
    finally:
        reader.close()


def _messages(path: Path, topic: str) -> Iterator[tuple[Message, float | None]]:
    """Messages of a topic, each with the fraction of them that was read when it is done."""
    with _opened(path) as bag:
        connections = [connection for connection in bag.connections if connection.topic == topic]
        total = sum(connection.msgcount or 0 for connection in connections)
        cdr = not _is_ros1(path)
        rows = bag.messages(connections=connections)
        for count in itertools.count(1):
            try:
                row = next(rows, None)
            except Exception as error:
                raise FormatError(
                    f"{path}: damaged after {count - 1} messages: {in_one_line(error)}"
                ) from error
            if row is None:
                return
            message = Message(bytes(row[2]), row[0].msgtype, cdr)
            yield message, min(count / total, 1.0) if total else None


def _chosen_topic(path: Path, bag: Any, wanted: str | None) -> str:
    """Give the wanted topic, or the only one with event messages."""
    types: dict[str, str] = {connection.topic: connection.msgtype for connection in bag.connections}
    readable = sorted(topic for topic in types if types[topic] in (EVENT_PACKET, EVENT_ARRAY))
    if wanted is None and len(readable) == 1:
        return readable[0]
    if wanted in readable and wanted is not None:
        return wanted
    if not readable:
        listed = ", ".join(f"{topic} ({types[topic]})" for topic in sorted(types)) or "none"
        raise FormatError(f"{path}: no topic with event messages; its topics: {listed}")
    problem = f"no event topic {wanted!r}" if wanted else "several event topics: pass topic="
    raise FormatError(f"{path}: {problem}; choose from {', '.join(readable)}")
