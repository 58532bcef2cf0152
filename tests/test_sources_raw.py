"""RAW and DAT recordings through the C decoders."""

import itertools
import struct
from pathlib import Path

import numpy as np
import pytest
from event_samples import random_events
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dae_edge.errors import FormatError
from dae_edge.sources import raw
from dae_edge.sources.evt3_writer import write_evt3
from dae_edge.sources.raw import open_raw

REAL = {
    "driving_720p_evt3.raw": ("evt3", (1280, 720), 219_596, 11_718_656, 11_727_457, 0),
    "driving_720p_evt21_legacy.raw": (
        "evt21-legacy", (1280, 720), 219_596, 11_718_656, 11_727_457, 0,
    ),
    "driving_720p_evt4.raw": ("evt4", (1280, 720), 219_596, 11_718_656, 11_727_457, 0),
    "vga_evt2.raw": ("evt2", (640, 480), 539_481, 1_317_888, 1_367_888, 0),
    "hd_evt3_triggers.raw": ("evt3", (1280, 720), 82_469, 14_224_870, 15_476_187, 2),
    "vga_evt3_triggers.raw": ("evt3", (640, 480), 343_474, 7_139_845, 9_218_023, 4_157),
}  # fmt: skip


def dat_file(path: Path, events, header: bytes = b"% Version 2\n% Width 64\n% Height 48\n") -> Path:
    words = np.empty((len(events), 2), "<u4")
    words[:, 0] = events["t"]
    words[:, 1] = events["x"] | events["y"].astype("u4") << 14 | events["on"].astype("u4") << 28
    path.write_bytes(header + b"\x0c\x08" + words.tobytes())
    return path


def all_of(source) -> np.ndarray:
    return np.concatenate([*source, random_events(0)])


@pytest.mark.parametrize("name", REAL)
def test_a_real_recording_gives_exactly_its_events(recordings, name):
    format, sensor, count, first_us, last_us, triggers = REAL[name]
    source = open_raw(recordings / name)
    events = all_of(source)
    assert (source.format, (source.width, source.height)) == (format, sensor)
    assert (len(events), events["t"][0], events["t"][-1]) == (count, first_us, last_us)
    counters = source.counters()
    assert (counters["events"], counters["triggers"]) == (count, triggers)
    faults = ("dropped_", "time_", "truncated", "partial", "reserved")
    assert not {name: n for name, n in counters.items() if name.startswith(faults) and n}


def test_three_encodings_of_the_same_events_decode_to_the_same_events(recordings):
    one, two, three = (
        all_of(open_raw(recordings / f"driving_720p_{name}.raw"))
        for name in ("evt3", "evt21_legacy", "evt4")
    )
    order = ["t", "y", "x", "on"]  # words of one time and row may be grouped in another order
    np.testing.assert_array_equal(np.sort(one, order=order), np.sort(two, order=order))
    np.testing.assert_array_equal(np.sort(one, order=order), np.sort(three, order=order))


def test_an_old_dat_file_needs_the_sensor_and_then_gives_its_events(recordings):
    with pytest.raises(FormatError, match=r"pass sensor=\(width, height\)"):
        open_raw(recordings / "ncars.dat")
    events = all_of(open_raw(recordings / "ncars.dat", sensor=(120, 100)))
    assert (len(events), events["t"][0], events["t"][-1]) == (2009, 0, 99_952)


def test_what_was_written_as_evt3_is_read(tmp_path):
    events = random_events(5000)
    write_evt3(tmp_path / "clip.raw", events, width=64, height=48)
    np.testing.assert_array_equal(all_of(open_raw(tmp_path / "clip.raw")), events)


def test_what_was_written_as_dat_is_read(tmp_path):
    events = random_events(5000)
    np.testing.assert_array_equal(all_of(open_raw(dat_file(tmp_path / "clip.dat", events))), events)


@pytest.mark.parametrize("name", REAL)
def test_undecoded_packets_decode_to_the_same_events(recordings, monkeypatch, name):
    monkeypatch.setattr(raw, "CHUNK_BYTES", 30_001)
    source = open_raw(recordings / name)
    wanted, counters = all_of(source), source.counters()
    got = np.concatenate([packet.events() for packet in source.undecoded()])
    np.testing.assert_array_equal(got, wanted)
    assert source.counters() == counters


def test_undecoded_packets_tell_progress_and_what_the_end_cut(tmp_path, monkeypatch):
    path = dat_file(tmp_path / "clip.dat", random_events(1000))
    path.write_bytes(path.read_bytes()[:-3])
    monkeypatch.setattr(raw, "CHUNK_BYTES", 1000)
    source = open_raw(path)
    for _ in range(2):  # each pass starts anew
        seen = [(source.progress(), len(packet.events())) for packet in source.undecoded()]
        assert seen[0] == (pytest.approx(1 / 8, rel=0.01), 125)
        assert seen[-1] == (1.0, 124)
        assert (source.counters()["events"], source.counters()["truncated_bytes"]) == (999, 5)


def test_packets_are_no_longer_than_asked_and_the_second_pass_equals_the_first(tmp_path):
    write_evt3(tmp_path / "clip.raw", random_events(5000), width=64, height=48)
    source = open_raw(tmp_path / "clip.raw", packet_events=100)
    packets = list(source)
    assert max(map(len, packets)) <= 100
    np.testing.assert_array_equal(np.concatenate(packets), all_of(source))
    assert source.counters()["events"] == 5000


def test_packets_may_be_kept(tmp_path):
    events = random_events(5000)
    write_evt3(tmp_path / "clip.raw", events, width=64, height=48)
    kept = list(open_raw(tmp_path / "clip.raw", packet_events=512))
    np.testing.assert_array_equal(np.concatenate(kept), events)


def test_small_chunks_give_the_same_events(tmp_path, monkeypatch):
    events = random_events(2000)
    write_evt3(tmp_path / "clip.raw", events, width=64, height=48)
    monkeypatch.setattr(raw, "CHUNK_BYTES", 7)
    np.testing.assert_array_equal(all_of(open_raw(tmp_path / "clip.raw")), events)


def test_progress_grows_to_one(tmp_path, monkeypatch):
    write_evt3(tmp_path / "clip.raw", random_events(5000), width=64, height=48)
    monkeypatch.setattr(raw, "CHUNK_BYTES", 1000)
    source = open_raw(tmp_path / "clip.raw", packet_events=200)
    seen = [source.progress() for _ in source]
    assert all(one <= other for one, other in itertools.pairwise(seen))
    assert 0 < seen[0] < 0.5
    assert source.progress() == 1.0


def test_a_truncated_file_gives_its_whole_words_and_counts_the_rest(tmp_path):
    events = random_events(1000)
    path = dat_file(tmp_path / "clip.dat", events)
    path.write_bytes(path.read_bytes()[:-3])
    source = open_raw(path)
    np.testing.assert_array_equal(all_of(source), events[:-1])
    assert source.counters()["truncated_bytes"] == 5


def test_a_file_with_nothing_but_a_header_gives_no_events(tmp_path):
    (tmp_path / "clip.raw").write_bytes(b"% evt 3.0\n% geometry 64x48\n% end\n")
    source = open_raw(tmp_path / "clip.raw")
    assert list(source) == []
    assert source.counters()["events"] == 0


def test_a_sensor_that_differs_from_the_header_is_an_error_that_names_both(tmp_path):
    write_evt3(tmp_path / "clip.raw", random_events(10), width=64, height=48)
    with pytest.raises(FormatError, match=r"64x48.*\(640, 480\)"):
        open_raw(tmp_path / "clip.raw", sensor=(640, 480))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"% Version 1\n% Width 9\n% Height 9\n\x00\x08", "version 1 cannot be read"),
        (b"% Version 2\n% Width 9\n% Height 9\n\x0c", "ends within its header"),
        (b"% Version 2\n% Width 9\n% Height 9\n\x0e\x08", "type 0x0e"),
        (b"% Version 2\n% Width 9\n% Height 9\n\x0c\x10", "16 bytes"),
        (b"% Version 2\n% Width 0\n% Height 9\n\x0c\x08", "0x9 pixels is not possible"),
    ],
)
def test_a_dat_file_that_cannot_be_read_is_an_error(tmp_path, data, message):
    (tmp_path / "clip.dat").write_bytes(data)
    with pytest.raises(FormatError, match=message):
        open_raw(tmp_path / "clip.dat")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([("evt", "2.0"), ("evt", "2.1"), ("evt", "3.0"), ("evt", "4.0")]),
    st.lists(st.integers(0, 2**32 - 1), max_size=200),
)
def test_any_bytes_give_events_inside_the_sensor_in_order_of_time(tmp_path, key, words):
    body = struct.pack(f"<{len(words)}I", *words)
    header = f"% {key[0]} {key[1]}\n% geometry 64x48\n% end\n".encode()
    (tmp_path / "noise.raw").write_bytes(header + body)
    events = all_of(open_raw(tmp_path / "noise.raw", packet_events=50))
    assert np.all((events["x"] < 64) & (events["y"] < 48))
    assert np.all(np.diff(events["t"]) >= 0)


def test_a_sensor_beyond_what_the_format_can_say_is_an_error(tmp_path):
    (tmp_path / "clip.raw").write_bytes(b"% evt 3.0\n% geometry 60000x48\n")
    with pytest.raises(FormatError, match="a sensor of 60000x48 is not possible in evt3"):
        open_raw(tmp_path / "clip.raw")


def test_data_that_begins_with_the_mark_of_a_header_line_is_read_as_data(tmp_path):
    words = np.array([0x2025, 0x8000, 0x6001, 0x0003, 0x2804], "<u2")  # the first says "% "
    header = b"% evt 3.0\n% geometry 64x48\n"
    (tmp_path / "clip.raw").write_bytes(header + words.tobytes())
    events = all_of(open_raw(tmp_path / "clip.raw"))
    assert events.tolist() == [(1, 4, 3, True)]
