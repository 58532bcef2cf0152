"""The Metavision adapter, against a stand-in for OpenEB's modules. No real camera was used."""

import sys
import threading

import numpy as np
import pytest
from event_samples import random_events
from standin_metavision import StandinCamera, standin_metavision_hal

from dae_edge.errors import MissingExtraError
from dae_edge.sources import open_source


def connect(monkeypatch, *cameras: StandinCamera) -> None:
    monkeypatch.setitem(sys.modules, "metavision_hal", standin_metavision_hal(*cameras))


def test_packets_come_as_the_camera_sends_them(monkeypatch):
    events = random_events(900)
    camera = StandinCamera(buffers=[None, events[:400], None, None, events[400:]])
    connect(monkeypatch, camera)
    with open_source("metavision:") as source:
        assert source.live
        assert (source.width, source.height, source.progress()) == (64, 48, None)
        assert source.metadata["serial"] == "S1"
        assert camera.started == 0  # nothing piles up before the first pass
        packets = list(source)
    assert [len(packet) for packet in packets] == [400, 500]
    np.testing.assert_array_equal(np.concatenate(packets), events)
    assert source.counters() == {"events": 900}
    assert (camera.started, camera.stopped, camera.callbacks) == (1, 1, {})


def test_a_camera_is_chosen_by_its_serial(monkeypatch):
    connect(monkeypatch, StandinCamera("A"), StandinCamera("B", size=(128, 96)))
    assert open_source("metavision:B").width == 128


def test_a_camera_that_is_not_there_is_an_error_that_lists_those_that_are(monkeypatch):
    connect(monkeypatch, StandinCamera("A"))
    with pytest.raises(ConnectionError, match="metavision:Z: no such camera; Metavision finds A"):
        open_source("metavision:Z")
    connect(monkeypatch)
    with pytest.raises(ConnectionError, match="no such camera; Metavision finds none"):
        open_source("metavision:")


def test_missing_modules_point_to_the_readme(monkeypatch):
    monkeypatch.setitem(sys.modules, "metavision_hal", None)
    with pytest.raises(MissingExtraError, match=r'build OpenEB, see README\.md, "Live cameras"'):
        open_source("metavision:")


@pytest.mark.parametrize(
    "part", ["get_i_geometry", "get_i_events_stream", "get_i_event_cd_decoder"]
)
def test_a_camera_without_a_needed_part_is_an_error(monkeypatch, part):
    connect(monkeypatch, StandinCamera(missing=[part]))
    with pytest.raises(ConnectionError, match=f"does not offer {part[4:]}"):
        open_source("metavision:")


def test_a_camera_without_identification_is_read_all_the_same(monkeypatch):
    connect(monkeypatch, StandinCamera(missing=["get_i_hw_identification"]))
    assert open_source("metavision:").metadata == {}


def test_an_unplugged_camera_ends_in_one_clear_error(monkeypatch):
    camera = StandinCamera(buffers=[random_events(5)], failure=RuntimeError("USB error"))
    connect(monkeypatch, camera)
    source = open_source("metavision:")
    packets = iter(source)
    assert len(next(packets)) == 5
    with pytest.raises(ConnectionError, match="the camera stopped: USB error"):
        next(packets)
    source.close()
    assert camera.stopped == 1


def test_events_outside_the_sensor_are_left_out_and_counted(monkeypatch):
    connect(monkeypatch, StandinCamera(buffers=[random_events(500, width=80)]))
    source = open_source("metavision:")
    assert all(np.all(packet["x"] < 64) for packet in source)
    counters = source.counters()
    assert counters["dropped_outside"] > 0
    assert counters["events"] + counters["dropped_outside"] == 500


def test_packets_are_no_longer_than_asked(monkeypatch):
    connect(monkeypatch, StandinCamera(buffers=[random_events(500)]))
    source = open_source("metavision:", packet_events=150)
    assert [len(packet) for packet in source] == [150, 150, 150, 50]


def test_close_from_another_thread_ends_a_pass_over_a_quiet_scene(monkeypatch):
    camera = StandinCamera(buffers=[None] * 1_000_000)
    connect(monkeypatch, camera)
    source = open_source("metavision:")
    reader = threading.Thread(target=lambda: list(source))
    reader.start()
    source.close()
    source.close()
    reader.join(timeout=5)
    assert not reader.is_alive()
    assert list(source) == []
    assert camera.stopped == camera.started
