"""The bytes of two ROS messages: event_camera_msgs/EventPacket and dvs_msgs/EventArray.

Read by hand, in ROS 1's packed form and in ROS 2's CDR, instead of from the definitions that a bag
brings along: these are turned into Python code by the usual readers, and a recording should not be.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_edge.events import Events, events_from

EVENT_PACKET = "event_camera_msgs/msg/EventPacket"
EVENT_ARRAY = "dvs_msgs/msg/EventArray"


@dataclass(frozen=True)
class EventPacket:
    """One message: encoded events of a sensor, with the running number of the driver."""

    width: int
    height: int
    sequence: int
    time_base_ns: int
    encoding: str
    big_endian: bool
    data: memoryview


@dataclass(frozen=True)
class EventArray:
    """One message: events of a sensor, not encoded."""

    width: int
    height: int
    events: Events
    encoding = "dvs_msgs"


class _Cursor:
    """Reads fields one after another; ``aligned`` as CDR does, to their own size."""

    def __init__(self, message: bytes, *, cdr: bool) -> None:
        if cdr and message[1:2] not in (b"\x00", b"\x01"):
            raise ValueError(f"CDR of kind {message[:2].hex()} is not plain CDR")
        self.order = ">" if cdr and message[1:2] == b"\x00" else "<"
        self.aligned = cdr
        self.view = memoryview(message)[4 if cdr else 0 :]
        self.position = 0

    def number(self, code: str) -> int:
        size = struct.calcsize(self.order + code)
        if self.aligned:
            self.position += -self.position % size
        (value,) = struct.unpack_from(self.order + code, self.view, self.position)
        self.position += size
        return int(value)

    def bytes(self) -> memoryview:
        length = self.number("I")
        if length > len(self.view) - self.position:
            raise ValueError(f"{length} bytes promised, {len(self.view) - self.position} left")
        self.position += length
        return self.view[self.position - length : self.position]

    def text(self) -> str:
        return bytes(self.bytes()).rstrip(b"\0").decode("utf-8")

    def skip_header(self) -> None:
        """std_msgs/Header; the sequence number is ROS 1's alone."""
        for _ in range(2 if self.aligned else 3):
            self.number("I")
        self.text()


def read_event_packet(message: bytes, *, cdr: bool) -> EventPacket:
    """Read an EventPacket; its ``data`` is a view of ``message``.

    Raises:
        ValueError, struct.error: the message is shorter than it says, or not plain CDR.
    """
    cursor = _Cursor(message, cdr=cdr)
    cursor.skip_header()
    height, width = cursor.number("I"), cursor.number("I")
    sequence, time_base_ns = cursor.number("Q"), cursor.number("Q")
    encoding, big_endian = cursor.text(), cursor.number("B") != 0
    return EventPacket(width, height, sequence, time_base_ns, encoding, big_endian, cursor.bytes())


def mono_events(packet: EventPacket) -> Events:
    """Events of the ``mono`` encoding, 8 bytes each: ns after ``time_base_ns``, x, y, polarity.

    Bytes behind the last whole event are left out.
    """
    order = ">" if packet.big_endian else "<"
    words = np.frombuffer(packet.data[: len(packet.data) // 8 * 8], order + "u8").astype(np.uint64)
    t_ns = packet.time_base_ns + (words & np.uint64(0xFFFFFFFF)).astype(np.int64)
    x = (words >> np.uint64(32)) & np.uint64(0xFFFF)
    y = (words >> np.uint64(48)) & np.uint64(0x7FFF)
    return events_from(t_ns // 1000, x, y, words >> np.uint64(63))


def read_event_array(message: bytes, *, cdr: bool) -> EventArray:
    """Read an EventArray.

    Raises:
        ValueError, struct.error: the message is shorter than it says, or not plain CDR.
    """
    cursor = _Cursor(message, cdr=cdr)
    cursor.skip_header()
    height, width, count = cursor.number("I"), cursor.number("I"), cursor.number("I")
    body = bytes(cursor.view[cursor.position :])
    order = cursor.order
    fields = [("x", "u2"), ("y", "u2"), ("s", "u4"), ("ns", "u4"), ("on", "u1")]
    if not cdr:
        table = np.frombuffer(body, [(name, order + kind) for name, kind in fields], count)
        return EventArray(width, height, _array_events(table, table["x"], table["y"]))
    # In CDR the first event takes 13 bytes from the start, every other one 16: x at 14, y at 16,
    # seconds at 20 and so on, because each number is aligned to its own size.
    padded = np.dtype(
        {
            "names": ["y", "s", "ns", "on", "next_x"],
            "formats": [order + kind for kind in ("u2", "u4", "u4", "u1", "u2")],
            "offsets": [0, 4, 8, 12, 14],
            "itemsize": 16,
        }
    )
    if count and len(body) < 16 * count - 3:
        raise ValueError(f"{count} events promised, {len(body)} bytes left")
    table = np.frombuffer(body + bytes(3), padded, count)
    first = np.frombuffer(body, order + "u2", 2 if count else 0)
    x = np.concatenate([first[:1], table["next_x"][:-1]])
    y = np.concatenate([first[1:], table["y"][1:]])
    return EventArray(width, height, _array_events(table, x, y))


def _array_events(table: NDArray[Any], x: NDArray[Any], y: NDArray[Any]) -> Events:
    t_us = table["s"].astype(np.int64) * 1_000_000 + table["ns"].astype(np.int64) // 1000
    return events_from(t_us, x, y, table["on"])
