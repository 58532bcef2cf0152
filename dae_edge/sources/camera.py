"""A source that is a live camera: packets as they come, and a close that any thread may call."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping

from dae_edge.events import Events
from dae_edge.sources.packets import checked_packet_events, cut, inside_sensor
from dae_edge.sources.source import PACKET_EVENTS, Source

WAIT_S = 0.1
"""Longest wait for events before a camera looks whether it was closed."""


class Camera(Source):
    """Events of one camera. It gives no empty packets: a quiet scene gives nothing at all.

    A pass ends when the camera is closed, from any thread, within ``WAIT_S``.
    """

    live = True

    def __init__(
        self,
        name: str,
        *,
        format: str,
        sensor: tuple[int, int],
        metadata: Mapping[str, str] | None = None,
        packet_events: int = PACKET_EVENTS,
    ) -> None:
        super().__init__(name, format, sensor, metadata)
        self._packet_events = checked_packet_events(packet_events)
        self._counts: Counter[str] = Counter(events=0)
        self._closing = threading.Event()
        self._device_lock = threading.Lock()  # held while the driver is being called
        self._released = False

    @abstractmethod
    def _receive(self) -> Events | None:
        """Wait at most ``WAIT_S``: new events, possibly none, or None when the camera stopped."""

    @abstractmethod
    def _release(self) -> None:
        """Give the device back; called once."""

    def __iter__(self) -> Iterator[Events]:
        while True:
            with self._device_lock:
                block = None if self._closing.is_set() else self._receive()
            if block is None:
                return
            events = inside_sensor(block, self.width, self.height)
            if len(events) < len(block):
                self._counts["dropped_outside"] += len(block) - len(events)
            for packet in cut(events, self._packet_events):
                self._counts["events"] += len(packet)
                yield packet

    def counters(self) -> dict[str, int]:
        """Events given out since the camera was opened, and what the driver reported."""
        return dict(self._counts)

    def close(self) -> None:
        """Stop the camera and give the device back. Harmless when called twice."""
        self._closing.set()
        with self._device_lock:
            if not self._released:
                self._released = True
                self._release()
