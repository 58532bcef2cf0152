"""A stand-in for the package neuromorphic_drivers 0.18: no camera.

It has only the calls, fields and dtype that are documented there, as far as dae_edge uses them:
iterating gives (status, packet), with no packet after a time-out and None for absent events.
"""

from __future__ import annotations

import enum
from types import SimpleNamespace

import numpy as np

POLARITY_EVENTS = np.dtype([("t", "<u8"), ("x", "<u2"), ("y", "<u2"), (("p", "on"), "?")])


class Name(enum.Enum):
    PROPHESEE_EVK4 = "prophesee_evk4"


class StandinDevice:
    """One camera: ``packets`` has arrays of events, None for a time-out, or an error to raise."""

    def __init__(self, packets, serial="00051234"):
        self._packets = iter(packets)
        self._serial = serial
        self.closed = 0

    def name(self):
        return Name.PROPHESEE_EVK4

    def serial(self):
        return self._serial

    def properties(self):
        return SimpleNamespace(width=64, height=48)

    def close(self):
        self.closed += 1

    def __next__(self):
        item = next(self._packets)
        if isinstance(item, Exception):
            raise item
        if item is None:
            return SimpleNamespace(system_time=0.0, ring=None), None
        ring = SimpleNamespace(system_time=0.0, backlog=3, dropped_packets=2)
        packet = SimpleNamespace(
            polarity_events=item.astype(POLARITY_EVENTS) if len(item) else None,
            polarity_events_overflow_indices=np.array([0]) if len(item) else None,
        )
        return SimpleNamespace(system_time=0.0, ring=ring), packet


def standin_neuromorphic_drivers(device: StandinDevice | None):
    """Make the module, with this camera connected or none."""

    def open(serial=None, iterator_timeout=None):
        assert iterator_timeout is not None  # without it, waiting could not be interrupted
        if device is None or serial not in (None, device.serial()):
            raise RuntimeError("Other error")
        return device

    return SimpleNamespace(open=open)
