"""Live Prophesee cameras through the Python modules of OpenEB or the Metavision SDK.

Address ``metavision:`` for the first camera found, ``metavision:SERIAL`` for a certain one. The
modules come with OpenEB (5.x was read for this), not from pip.
Decoding is left to the SDK: since its version 5 the raw buffers are closed to Python. Buffers are
polled, for the call that waits for one does not let other Python threads run meanwhile.
"""

from __future__ import annotations

import importlib
import time
from typing import Any

import numpy as np

from dae_edge.errors import MissingExtraError
from dae_edge.events import EVENT, Events, as_events
from dae_edge.sources.camera import WAIT_S, Camera
from dae_edge.sources.foreign import in_one_line
from dae_edge.sources.source import PACKET_EVENTS

POLL_S = 0.0005
"""Pause between two looks for a buffer: short against the 50 ms of a window."""


class MetavisionCamera(Camera):
    """One camera opened with Metavision's hardware layer; it starts with the first pass."""

    def __init__(self, address: str, device: Any, *, packet_events: int) -> None:
        self._device = device  # to be kept: the facilities do not keep it alive
        self._stream = _facility(address, device, "get_i_events_stream")
        self._decoder = _facility(address, device, "get_i_events_stream_decoder")
        self._changes = _facility(address, device, "get_i_event_cd_decoder")
        geometry = _facility(address, device, "get_i_geometry")
        super().__init__(
            address,
            format="metavision",
            sensor=(int(geometry.get_width()), int(geometry.get_height())),
            metadata=_identity(device),
            packet_events=packet_events,
        )
        self._blocks: list[Events] = []
        self._started = False
        self._callback = self._changes.add_event_buffer_callback(self._take)

    def _take(self, events: Any) -> None:
        """Called by the decoder: a copy, for the array may be a view of the decoder's memory."""
        self._blocks.append(as_events(events).copy())

    def _receive(self) -> Events | None:
        try:
            if not self._started:
                self._stream.start()
                self._started = True
            deadline = time.monotonic() + WAIT_S
            while (state := self._stream.poll_buffer()) == 0 and time.monotonic() < deadline:
                time.sleep(POLL_S)
            if state > 0:
                buffer = self._stream.get_latest_raw_data()
                if buffer is not None:
                    self._decoder.decode(buffer)
        except RuntimeError as error:
            raise ConnectionError(
                f"{self.name}: the camera stopped: {in_one_line(error)}"
            ) from error
        blocks, self._blocks = self._blocks, []
        if state < 0 and not blocks:
            return None
        return np.concatenate(blocks) if blocks else np.empty(0, EVENT)

    def _release(self) -> None:
        self._changes.remove_callback(self._callback)
        if self._started:
            self._stream.stop()
        # The SDK gives the device back when the last reference to it and its facilities is gone.
        self._device = self._stream = self._decoder = self._changes = None


def open_metavision(serial: str = "", *, packet_events: int = PACKET_EVENTS) -> MetavisionCamera:
    """Open the first camera that Metavision finds, or the one with ``serial``.

    Raises:
        ConnectionError: no such camera, or it lacks what is needed to read events.
        MissingExtraError: Metavision's Python modules cannot be imported.
    """
    try:
        hal = importlib.import_module("metavision_hal")
    except ImportError as error:
        raise MissingExtraError(
            "metavision: cameras need OpenEB's Python modules (metavision_hal), which pip does not "
            f'have: build OpenEB, see README.md, "Live cameras" ({in_one_line(error)})'
        ) from error
    address = f"metavision:{serial}"
    try:
        device = hal.DeviceDiscovery.open(serial)
        found = [] if device is not None else list(hal.DeviceDiscovery.list())
    except RuntimeError as error:
        raise ConnectionError(f"{address} could not be opened: {in_one_line(error)}") from error
    if device is None:  # how the SDK says that there is no such camera
        raise ConnectionError(
            f"{address}: no such camera; Metavision finds {', '.join(found) or 'none'}"
        )
    return MetavisionCamera(address, device, packet_events=packet_events)


def _facility(address: str, device: Any, getter: str) -> Any:
    """Give a part of the device; the SDK gives None for those that a camera does not have."""
    facility = getattr(device, getter)()
    if facility is None:
        raise ConnectionError(f"{address}: this camera does not offer {getter[len('get_') :]}")
    return facility


def _identity(device: Any) -> dict[str, str]:
    hardware = device.get_i_hw_identification()
    if hardware is None:
        return {}
    return {
        "serial": str(hardware.get_serial()),
        "integrator": str(hardware.get_integrator()),
        "encoding": str(hardware.get_current_data_encoding_format()),
    }
