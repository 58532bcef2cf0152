"""Live cameras on USB without the vendor's SDK, through the ``neuromorphic-drivers`` package.

Address ``usb:`` for the first camera found, ``usb:SERIAL`` for a certain one: Prophesee EVK3 HD and
EVK4, CenturyArks VGA, iniVation DAVIS346 and DVXplorer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dae_edge.events import EVENT, Events, as_events
from dae_edge.extras import require
from dae_edge.sources.camera import WAIT_S, Camera
from dae_edge.sources.foreign import in_one_line
from dae_edge.sources.source import PACKET_EVENTS


class UsbCamera(Camera):
    """One USB camera.

    Counters: ``backlog`` (driver packets waiting when the last one was taken), ``dropped_packets``
    (by the driver, so far) and ``overflows`` (times that the computer was too slow).
    """

    def __init__(self, address: str, device: Any, *, packet_events: int) -> None:
        properties = device.properties()
        super().__init__(
            address,
            format=f"usb-{device.name().value}",
            sensor=(int(properties.width), int(properties.height)),
            metadata={"serial": str(device.serial())},
            packet_events=packet_events,
        )
        self._device = device

    def _receive(self) -> Events | None:
        try:
            status, packet = next(self._device)
        except StopIteration:
            return None
        except RuntimeError as error:
            raise ConnectionError(
                f"{self.name}: the camera stopped: {in_one_line(error)}"
            ) from error
        if status.ring is not None:
            self._counts["backlog"] = int(status.ring.backlog)
            self._counts["dropped_packets"] = int(status.ring.dropped_packets)
        if packet is None or packet.polarity_events is None:
            return np.empty(0, EVENT)
        if packet.polarity_events_overflow_indices is not None:
            self._counts["overflows"] += len(packet.polarity_events_overflow_indices)
        return as_events(packet.polarity_events)

    def _release(self) -> None:
        self._device.close()


def open_usb(serial: str = "", *, packet_events: int = PACKET_EVENTS) -> UsbCamera:
    """Open the first camera on USB, or the one with ``serial``.

    Raises:
        ConnectionError: no such camera, or it may not be used by this user.
        MissingExtraError: neuromorphic-drivers is not installed.
    """
    drivers = require("neuromorphic_drivers", extra="usb", purpose="USB cameras")
    try:
        device = drivers.open(serial=serial or None, iterator_timeout=WAIT_S)
    except RuntimeError as error:
        wanted = f"camera {serial!r}" if serial else "event camera"
        raise ConnectionError(
            f"usb: no {wanted} could be opened (driver: {in_one_line(error)}); is it plugged in, "
            "and were the udev rules installed with neuromorphic-drivers-install-udev-rules?"
        ) from error
    return UsbCamera(f"usb:{serial}", device, packet_events=packet_events)
