"""Event Stream files: DVS and ATIS streams."""

import struct
from pathlib import Path

import numpy as np
import pytest
from event_samples import random_events
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dae_edge.errors import FormatError
from dae_edge.sources import es
from dae_edge.sources.es import open_es


def es_file(path: Path, body: bytes, *, kind: int = 1, version: int = 2, size=(64, 48)) -> Path:
    header = struct.pack("<12s3BBHH", b"Event Stream", version, 0, 0, kind, *size)
    path.write_bytes(header + body)
    return path


def encoded(events, *, kind: int) -> bytes:
    """Write records one by one, as the specification says it."""
    out, last_us = bytearray(), 0
    pause_us, shift, on = (127, 1, 1) if kind == 1 else (63, 2, 2)
    for t, x, y, is_on in events.tolist():
        pauses, step = divmod(t - last_us, pause_us)
        out += (b"\xff" if kind == 1 else b"\xfd") * pauses
        out += struct.pack("<BHH", step << shift | (on if is_on else 0), x, y)
        last_us = t
    return bytes(out)


def all_of(source) -> np.ndarray:
    return np.concatenate([*source, random_events(0)])


def test_the_real_recording_gives_exactly_its_events(recordings):
    source = open_es(recordings / "atis.es")
    events = all_of(source)
    assert (source.format, source.width, source.height) == ("es-dvs", 320, 240)
    assert (len(events), events["t"][0], events["t"][-1]) == (473_225, 0, 999_000)
    assert {name for name, count in source.counters().items() if count} == {"events"}


@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize("first_us", [0, 10_000_000])
def test_what_was_encoded_is_read(tmp_path, kind, first_us):
    events = random_events(3000, first_us=first_us)
    events["t"][1000:] += 123_456
    path = es_file(tmp_path / "clip.es", encoded(events, kind=kind), kind=kind)
    np.testing.assert_array_equal(all_of(open_es(path)), events)


@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 7, 64])
def test_records_may_be_cut_between_chunks(tmp_path, monkeypatch, chunk_bytes):
    monkeypatch.setattr(es, "CHUNK_BYTES", chunk_bytes)
    events = random_events(300)
    events["t"][100:] += 5_000
    path = es_file(tmp_path / "clip.es", encoded(events, kind=1))
    np.testing.assert_array_equal(all_of(open_es(path)), events)


def test_bytes_that_restore_synchrony_take_no_time(tmp_path):
    path = es_file(tmp_path / "clip.es", b"\xfe\xff\xfe" + struct.pack("<BHH", 3 << 1 | 1, 5, 6))
    assert all_of(open_es(path)).tolist() == [(130, 5, 6, True)]


def test_atis_pauses_count_their_lower_bits(tmp_path):
    body = b"\xfc\xff\xfe" + struct.pack("<BHH", 3 << 2 | 2, 5, 6)
    path = es_file(tmp_path / "clip.es", body, kind=2)
    assert all_of(open_es(path)).tolist() == [(5 * 63 + 3, 5, 6, True)]


def test_exposure_measurements_are_no_events_but_take_time(tmp_path):
    records = [(4 << 2 | 2, 1, 2), (5 << 2 | 1, 3, 4), (6 << 2 | 3, 3, 4), (7 << 2, 5, 6)]
    body = b"".join(struct.pack("<BHH", *record) for record in records)
    source = open_es(es_file(tmp_path / "clip.es", body, kind=2))
    assert all_of(source).tolist() == [(4, 1, 2, True), (22, 5, 6, False)]
    assert source.counters() == {"events": 2, "exposure_records": 2, "truncated_bytes": 0}


def test_a_cut_record_is_counted(tmp_path):
    events = random_events(10)
    path = es_file(tmp_path / "clip.es", encoded(events, kind=1)[:-2])
    source = open_es(path)
    np.testing.assert_array_equal(all_of(source), events[:-1])
    assert source.counters()["truncated_bytes"] == 3


def test_events_outside_the_sensor_are_left_out_and_counted(tmp_path):
    body = struct.pack("<BHHBHH", 0, 64, 0, 0, 63, 47)
    source = open_es(es_file(tmp_path / "clip.es", body))
    assert all_of(source).tolist() == [(0, 63, 47, False)]
    assert source.counters()["dropped_outside"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 1}, "version 1.0.0 cannot be read; wanted 2.x"),
        ({"kind": 4}, "type 4 holds no brightness changes"),
        ({"size": (0, 48)}, "0x48 pixels is not possible"),
    ],
)
def test_a_stream_that_cannot_be_read_is_an_error(tmp_path, change, message):
    with pytest.raises(FormatError, match=message):
        open_es(es_file(tmp_path / "clip.es", b"", **change))


def test_half_a_header_is_an_error(tmp_path):
    (tmp_path / "clip.es").write_bytes(b"Event Stream\x02")
    with pytest.raises(FormatError, match="no Event Stream header"):
        open_es(tmp_path / "clip.es")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.sampled_from([1, 2]))
def test_any_bytes_give_events_inside_the_sensor_in_order_of_time(tmp_path, body, kind):
    path = es_file(tmp_path / "noise.es", body, kind=kind, size=(4096, 4096))
    events = all_of(open_es(path))
    assert np.all((events["x"] < 4096) & (events["y"] < 4096))
    assert np.all(np.diff(events["t"]) >= 0)
