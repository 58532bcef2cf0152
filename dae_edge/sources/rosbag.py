"""ROS 1 bags and ROS 2 bags (SQLite, MCAP) with event messages, through the ``rosbags`` package.

Reads ``event_camera_msgs/EventPacket`` (encodings evt3 and mono) and ``dvs_msgs/EventArray``.
Refuses the other encodings of EventPacket, and topics whose sensor or encoding changes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dae_edge._native import Decoder
from dae_edge.errors import FormatError
from dae_edge.events import Events
from dae_edge.extras import require
from dae_edge.sources.decoding import decoded
from dae_edge.sources.packets import agreed_sensor
from dae_edge.sources.recording import Recording
from dae_edge.sources.ros_messages import (
    EVENT_ARRAY,
    EVENT_PACKET,
    EventPacket,
    mono_events,
    read_event_array,
    read_event_packet,
)
from dae_edge.sources.source import PACKET_EVENTS

ENCODINGS = ("evt3", "mono")
EVT3_CLOCK_US = 1 << 24
"""The clock of EVT3 goes once around in this time."""


class RosbagRecording(Recording):
    """Messages of one topic of one bag, read one at a time.

    Counters: ``packets``, ``missed_packets`` by the driver's running number, ``sequence_gaps``, and
    those of the EVT3 decoder. After a gap the decoder starts afresh, so that no event gets the row
    of another packet; its time goes on from the last event, by whole turns of the sensor's clock.
    """

    def __init__(
        self, path: Path, topic: str, *, first: EventPacket | tuple[int, int], **options: Any
    ) -> None:
        encoding = first.encoding if isinstance(first, EventPacket) else "dvs_msgs"
        super().__init__(
            str(path), format=f"rosbag-{encoding}", metadata={"topic": topic}, **options
        )
        self._path = path
        self._topic = topic
        self._encoding = encoding
        self._decoder = Decoder("evt3", self.width, self.height)
