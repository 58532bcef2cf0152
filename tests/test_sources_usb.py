"""The USB adapter, against a stand-in for neuromorphic-drivers. No real camera was used.

The real package is asked only what it says when no camera is connected.
"""

import sys

import numpy as np
import pytest
from event_samples import random_events
from standin_neuromorphic_drivers import StandinDevice, standin_neuromorphic_drivers

from dae_edge.errors import MissingExtraError
from dae_edge.sources import open_source


def connect(monkeypatch, device: StandinDevice | None) -> None:
    module = standin_neuromorphic_drivers(device)
    monkeypatch.setitem(sys.modules, "neuromorphic_drivers", module)


def test_packets_come_as_the_camera_sends_them(monkeypatch):
    events = random_events(900)
    device = StandinDevice([None, events[:400], events[:0], None, events[400:]])
    connect(monkeypatch, device)
    with open_source("usb:") as source:
        assert source.live
        assert (source.format, source.width, source.height) == ("usb-prophesee_evk4", 64, 48)
        packets = list(source)
    assert [len(packet) for packet in packets] == [400, 500]
    np.testing.assert_array_equal(np.concatenate(packets), events)
    counters = source.counters()
    assert counters == {"events": 900, "backlog": 3, "dropped_packets": 2, "overflows": 2}
    assert device.closed == 1


def test_a_camera_is_chosen_by_its_serial(monkeypatch):
    connect(monkeypatch, StandinDevice([]))
    assert open_source("usb:00051234").metadata == {"serial": "00051234"}
    with pytest.raises(ConnectionError, match="no camera '1' could be opened"):
        open_source("usb:1")


def test_an_unplugged_camera_ends_in_one_clear_error(monkeypatch):
    connect(monkeypatch, StandinDevice([random_events(5), RuntimeError("Other error")]))
    source = open_source("usb:")
    packets = iter(source)
    assert len(next(packets)) == 5
    with pytest.raises(ConnectionError, match="usb:: the camera stopped: Other error"):
        next(packets)
    source.close()


def test_a_closed_camera_gives_nothing(monkeypatch):
    device = StandinDevice([random_events(5)])
    connect(monkeypatch, device)
    source = open_source("usb:")
    source.close()
    source.close()
    assert list(source) == []
    assert device.closed == 1


def test_a_missing_package_is_an_error_that_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "neuromorphic_drivers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'dae-edge\[usb\]'"):
        open_source("usb:")


def test_the_real_package_without_a_camera_gives_one_clear_error():
    pytest.importorskip("neuromorphic_drivers")
    with pytest.raises(ConnectionError, match=r"no camera 'none' could be opened .*udev rules"):
        open_source("usb:none")
