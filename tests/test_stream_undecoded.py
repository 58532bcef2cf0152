"""Undecoded packets give a stream the windows, depth and counts that their events give."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encoders import dat_bytes, evt2_bytes, evt4_bytes, evt21_bytes
from event_samples import random_events

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from fading_onnx import fading_bundle

import dae_edge as dae
from dae_edge.events import Events
from dae_edge.sample import SAMPLE
from dae_edge.sources import raw
from dae_edge.sources.decoding import Undecoded
from dae_edge.sources.evt3_writer import evt3_bytes

BY_COUNT = {"window_events": 10_001, "hop_events": 7_000}
RECORDINGS: list[tuple[str, tuple[int, int] | None, dict[str, int], int]] = [
    ("vga_evt2.raw", None, {"window_us": 5_000, "hop_us": 1_500}, 32),
    ("driving_720p_evt3.raw", None, {"window_us": 700}, 13),
    ("driving_720p_evt21_legacy.raw", None, {"window_us": 700}, 13),
    ("driving_720p_evt4.raw", None, BY_COUNT, 31),
    ("hd_evt3_triggers.raw", None, {"window_us": 50_000}, 26),
    ("vga_evt3_triggers.raw", None, BY_COUNT, 49),
    ("ncars.dat", (120, 100), {"window_us": 9_999, "hop_us": 700}, 130),
]
"""Name, sensor where the file does not say it, windows, and how many there are."""
FORMATS = {
    "2.0": evt2_bytes,
    "2.1": evt21_bytes,
    "3.0": lambda events: evt3_bytes(events, width=64, height=48),
    "4.0": evt4_bytes,
    "dat": dat_bytes,
}


def model_for(folder: Path, source: dae.Source, **changes: Any) -> dae.Model:
    path = folder / "fading.dae"
    return dae.load(fading_bundle(path, (source.width, source.height), **changes), threads=1)


def told(depth: dae.Depth) -> tuple[Any, ...]:
    """All of a depth but how long it took."""
    return depth.values.tobytes(), depth.t_us, depth.stale, depth.partial, depth.events


def counted(stream: dae.DepthStream) -> dict[str, int]:
    """All of a stream's health but times."""
    return {name: n for name, n in asdict(stream.health).items() if not name.endswith("_us")}


def followed(stream: dae.DepthStream, packets: Any) -> list[tuple[Any, ...]]:
    """What is told of each window, to the end of the recording."""
    depths = [told(depth) for packet in packets for depth in stream.each(packet)]
    return depths + [told(depth) for depth in stream.flush()]


def recorded(path: Path, events: Events, format: str = "3.0") -> dae.Source:
    """The events as a recording of a sensor of 64x48."""
    header = f"% evt {format}\n% geometry 64x48\n% end\n".encode()
    if format == "dat":
        header = b"% Version 2\n% Width 64\n% Height 48\n\x0c\x08"
    path.write_bytes(header + FORMATS[format](events))
    return dae.open(path)


def assert_both_ways_are_one(source: dae.Source, model: dae.Model, **windows: int) -> int:
    """Compare all that comes out; returns the number of windows."""
    decoding, fused = model.stream(**windows), model.stream(**windows)
    wanted = followed(decoding, source)
    seen = source.counters()
    assert followed(fused, source.undecoded()) == wanted
    assert counted(fused) == counted(decoding)
    assert source.counters() == seen
    return len(wanted)


@pytest.mark.parametrize("chunk_bytes", [509, 65_537])
@pytest.mark.parametrize(("name", "sensor", "windows", "count"), RECORDINGS)
def test_a_real_recording_gives_the_same_depth_and_counts(
    recordings: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    sensor: tuple[int, int] | None,
    windows: dict[str, int],
    count: int,
    chunk_bytes: int,
) -> None:
    monkeypatch.setattr(raw, "CHUNK_BYTES", chunk_bytes)
    source = dae.open(recordings / name, sensor=sensor)
    assert all(isinstance(packet, Undecoded) for packet in source.undecoded())
    assert assert_both_ways_are_one(source, model_for(tmp_path, source), **windows) == count


@pytest.mark.parametrize("chunk_bytes", [1_021, 1 << 18])
def test_the_shipped_recording_gives_the_same_depth_and_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int
) -> None:
    monkeypatch.setattr(raw, "CHUNK_BYTES", chunk_bytes)
    source = dae.open(SAMPLE)
    assert assert_both_ways_are_one(source, model_for(tmp_path, source)) == 40


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("chunk_bytes", [3, 1 << 18])
def test_silences_and_gaps_are_the_same_in_every_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str, chunk_bytes: int
) -> None:
    monkeypatch.setattr(raw, "CHUNK_BYTES", chunk_bytes)
    parts = [random_events(1500, first_us=t) for t in (1000, 400_000, 1_300_000)]
    source = recorded(tmp_path / "gaps.raw", np.concatenate(parts), format)
    model = model_for(tmp_path, source)
    windows = assert_both_ways_are_one(source, model, window_us=20_000, max_gap_us=500_000)
    stream = model.stream(window_us=20_000, max_gap_us=500_000)
    followed(stream, source.undecoded())
    assert windows > 15  # with those of the silence, which show nothing
    assert stream.health.stale > 10
    assert (stream.health.events, stream.health.restarts) == (4500, 1)


@pytest.mark.parametrize("hop_us", [20_000, 7_000])
def test_newest_only_runs_the_same_window(tmp_path: Path, hop_us: int) -> None:
    parts = [random_events(1500), dae.events_from([90_000], [1], [1], [1])]
    source = recorded(tmp_path / "drive.raw", np.concatenate(parts))
    model = model_for(tmp_path, source)
    decoding, fused = (model.stream(window_us=20_000, hop_us=hop_us) for _ in range(2))
    (events,), (undecoded,) = source, source.undecoded()
    (wanted,), (got,) = (
        stream.push(packet, newest_only=True)
        for stream, packet in ((decoding, events), (fused, undecoded))
    )
    assert told(got) == told(wanted)
    assert counted(fused) == counted(decoding)
    assert fused.health.dropped_windows > 1
    assert decoding.health.backlog_us > fused.health.backlog_us == 0  # bytes have no time yet


def test_what_is_given_up_is_not_taken_in(tmp_path: Path) -> None:
    source = recorded(tmp_path / "drive.raw", random_events(5000))
    model = model_for(tmp_path, source)
    decoding, fused = (model.stream(window_us=20_000) for _ in range(2))
    for stream, packets in ((decoding, iter(source)), (fused, source.undecoded())):
        depths = stream.each(next(packets))
        next(depths)
        depths.close()  # type: ignore[attr-defined]
    assert counted(fused) == counted(decoding)
    assert 0 < fused.health.events < 5000


def test_a_model_for_a_smaller_sensor_drops_and_counts_the_same_events(tmp_path: Path) -> None:
    source = recorded(tmp_path / "drive.raw", random_events(5000))
    model = dae.load(fading_bundle(tmp_path / "narrow.dae", (31, 48)), threads=1)
    stream = model.stream()
    assert assert_both_ways_are_one(source, model) > 1
    followed(stream, source.undecoded())
    assert stream.health.dropped_events == (random_events(5000)["x"] >= 31).sum()


def test_voxel_grids_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "CHUNK_BYTES", 501)
    source = recorded(tmp_path / "drive.raw", random_events(9000))
    model = model_for(tmp_path, source, voxel_bins=5)
    assert assert_both_ways_are_one(source, model, hop_us=10_000) > 10


def test_sources_without_bytes_give_their_usual_packets(tmp_path: Path) -> None:
    np.save(tmp_path / "events.npy", random_events(3000))
    source = dae.open(tmp_path / "events.npy", sensor=(64, 48), packet_events=1000)
    for packet, usual in zip(source.undecoded(), source, strict=True):
        assert isinstance(packet, np.ndarray)
        np.testing.assert_array_equal(packet, usual)
    assert assert_both_ways_are_one(source, model_for(tmp_path, source)) > 1
