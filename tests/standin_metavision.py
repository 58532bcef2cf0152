"""A stand-in for the module metavision_hal of OpenEB 5.1: no camera, no SDK.

It has only the calls and the dtype that are documented there, as far as dae_edge uses them: opening
gives None for a camera that is absent, raw buffers cannot be looked into, polling gives 1, 0 or -1,
decoding calls back in the same thread with an array that is used again, and facilities may be None.
"""

from __future__ import annotations

import numpy as np

EVENT_CD = np.dtype(
    {"names": ["x", "y", "p", "t"], "formats": ["<u2", "<u2", "<i2", "<i8"],
     "offsets": [0, 2, 4, 8], "itemsize": 16}
)  # fmt: skip


class _RawBuffer:
    def __init__(self, events):
        self._events = events

    def size(self):
        return 2 * len(self._events)


class StandinCamera:
    """What is connected: its serial, its sensor, and the buffers it will send."""

    def __init__(self, serial="S1", size=(64, 48), buffers=(), missing=(), failure=None):
        self.serial, self.size, self.missing, self.failure = serial, size, missing, failure
        self.buffers = list(buffers)
        self.started = self.stopped = 0
        self.callbacks = {}
        self._memory = np.zeros(100_000, EVENT_CD)

    def __getattr__(self, name):
        if name.startswith("get_i_"):
            return lambda: None if name in self.missing else self
        raise AttributeError(name)

    def get_width(self):
        return self.size[0]

    def get_height(self):
        return self.size[1]

    def get_serial(self):
        return self.serial

    def get_integrator(self):
        return "Stand-in"

    def get_current_data_encoding_format(self):
        return "EVT3"

    def start(self):
        self.started += 1

    def stop(self):
        self.stopped += 1

    def poll_buffer(self):
        if not self.buffers:
            if self.failure is not None:
                raise self.failure
            return -1
        if self.buffers[0] is None:  # nothing yet
            self.buffers.pop(0)
            return 0
        return 1

    def get_latest_raw_data(self):
        return _RawBuffer(self.buffers.pop(0))

    def decode(self, buffer):
        view = self._memory[: len(buffer._events)]
        for name, ours in zip(("x", "y", "p", "t"), ("x", "y", "on", "t"), strict=True):
            view[name] = buffer._events[ours]
        for callback in self.callbacks.values():
            callback(view)

    def add_event_buffer_callback(self, callback):
        self.callbacks[7] = callback
        return 7

    def remove_callback(self, number):
        del self.callbacks[number]


def standin_metavision_hal(*cameras: StandinCamera):
    """Make the module, with these cameras connected."""

    class DeviceDiscovery:
        @staticmethod
        def open(serial):
            return next((camera for camera in cameras if serial in ("", camera.serial)), None)

        @staticmethod
        def list():
            return [camera.serial for camera in cameras]

    class Module:
        pass

    module = Module()
    module.DeviceDiscovery = DeviceDiscovery
    return module
