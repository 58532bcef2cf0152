"""The work: a recording cut where windows end, again and again."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from dae_edge._native import Encoder
from dae_edge.bench.windows import read_windows
from dae_edge.errors import FormatError
from dae_edge.events import events_from
from dae_edge.sample import SAMPLE
from dae_edge.sources import open_source
from dae_edge.sources.evt3_writer import write_evt3


def test_each_packet_closes_one_window_round_after_round():
    windows = read_windows(SAMPLE, sensor=(346, 260), hop_us=50_000)
    encoder = Encoder(346, 260, window_us=50_000, origin_us=windows.origin_us)
    assert encoder.push(windows.opening) == (1, False)
    counts = []
    for _, packet in islice(windows.rounds(), 3 * len(windows.packets)):
        used, ready = encoder.push(packet[:-1])
        assert not ready
        assert used == len(packet) - 1
        used, ready = encoder.push(packet[-1:])
        assert ready
        window = encoder.window()
        assert not window["restart"]
        counts.append(window["events"])
        encoder.push(packet[-1:], used)
    per_round = len(windows.packets)
    assert counts[:per_round] == counts[per_round : 2 * per_round] == counts[2 * per_round :]


def test_all_events_of_the_recording_are_in_the_windows():
    windows = read_windows(SAMPLE, sensor=(346, 260), hop_us=50_000)
    with open_source(SAMPLE) as source:
        events = np.concatenate(list(source))
    end = windows.origin_us + 50_000 * len(windows.packets)
    inside = events[events["t"] < end]
    joined = np.concatenate([windows.opening, *windows.packets])[:-1]
    assert np.array_equal(joined, inside)
    assert windows.about["events"] == len(events)
    assert windows.about["windows"] == len(windows.decode_us) == len(windows.packets)
    assert all(value > 0 for value in windows.decode_us)


@pytest.mark.parametrize("sensor", [(640, 480), (100, 80)])
def test_coordinates_are_scaled_to_the_bundles_sensor_and_it_says_so(sensor: tuple[int, int]):
    windows = read_windows(SAMPLE, sensor=sensor, hop_us=100_000)
    assert windows.about["scaled_to"] == list(sensor)
    joined = np.concatenate(windows.packets)
    assert int(joined["x"].max()) in range(sensor[0] * 9 // 10, sensor[0])
    assert int(joined["y"].max()) in range(sensor[1] * 9 // 10, sensor[1])


def test_silence_makes_empty_packets_and_loses_no_event(tmp_path: Path):
    t = [0, 10_000, 20_000, 130_000, 140_000, 250_000]
    write_evt3(tmp_path / "gap.raw", events_from(t, [1] * 6, [1] * 6, [1] * 6), width=8, height=8)
    windows = read_windows(tmp_path / "gap.raw", sensor=(8, 8), hop_us=50_000)
    assert [len(packet) for packet in windows.packets] == [3, 0, 2, 0, 0]
    times = np.concatenate([windows.opening, *windows.packets])["t"]
    assert times.tolist() == [0, 10_000, 20_000, 130_000, 140_000, 250_000]


def test_a_recording_that_is_too_short_is_refused(tmp_path: Path):
    events = events_from([0, 60_000], [1, 1], [1, 1], [1, 0])
    write_evt3(tmp_path / "short.raw", events, width=8, height=8)
    with pytest.raises(FormatError, match="shorter than 2 windows"):
        read_windows(tmp_path / "short.raw", sensor=(8, 8), hop_us=50_000)


def test_an_empty_recording_is_refused(tmp_path: Path):
    write_evt3(tmp_path / "empty.raw", events_from([], [], [], []), width=8, height=8)
    with pytest.raises(FormatError, match=r"empty\.raw"):
        read_windows(tmp_path / "empty.raw", sensor=(8, 8), hop_us=50_000)
