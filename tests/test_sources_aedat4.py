"""AEDAT4 files of DAVIS cameras."""

import numpy as np
import pytest
from event_samples import format_error_of, random_events

from dae_edge.errors import FormatError
from dae_edge.sources.aedat4 import open_aedat4

pytest.importorskip("aedat")


def all_of(source) -> np.ndarray:
    return np.concatenate([*source, random_events(0)])


@pytest.mark.parametrize(
    ("name", "count", "first_us", "last_us"),
    [
        ("davis346_frames.aedat4", 117_667, 1_633_953_690_975_950, 1_633_953_691_105_949),
        ("davis346_short.aedat4", 6_676, 1_589_163_147_368_868, 1_589_163_147_538_809),
    ],
)
def test_a_real_recording_gives_exactly_its_events(recordings, name, count, first_us, last_us):
    source = open_aedat4(recordings / name)
    events = all_of(source)
    assert (source.width, source.height) == (346, 260)
    assert (len(events), events["t"][0], events["t"][-1]) == (count, first_us, last_us)
    assert source.counters() == {"events": count}


def test_progress_grows_with_the_file(recordings):
    source = open_aedat4(recordings / "davis346_frames.aedat4")
    seen = [source.progress() for _ in source]
    assert seen == sorted(seen)
    assert 0 < seen[0] < 0.5 < seen[-1] <= 1
    assert source.progress() == 1.0


def test_a_truncated_file_gives_its_whole_packets_and_counts_the_cut_one(recordings, tmp_path):
    whole = all_of(open_aedat4(recordings / "davis346_short.aedat4"))
    data = (recordings / "davis346_short.aedat4").read_bytes()
    (tmp_path / "cut.aedat4").write_bytes(data[:200_000])
    source = open_aedat4(tmp_path / "cut.aedat4")
    events = all_of(source)
    assert 0 < len(events) < len(whole)
    np.testing.assert_array_equal(events, whole[: len(events)])
    assert source.counters()["truncated_packets"] == 1


def test_a_damaged_packet_is_an_error_that_says_how_far_it_came(recordings, tmp_path):
    data = bytearray((recordings / "davis346_short.aedat4").read_bytes())
    data[200_000:210_000] = bytes(10_000)
    (tmp_path / "bad.aedat4").write_bytes(data)
    with pytest.raises(FormatError, match=r"damaged after \d+ events"):
        list(open_aedat4(tmp_path / "bad.aedat4"))


def test_any_damage_gives_events_or_a_format_error(recordings, tmp_path):
    data = (recordings / "davis346_short.aedat4").read_bytes()
    random = np.random.default_rng(0)
    for _ in range(25):
        damaged = np.frombuffer(data, np.uint8).copy()
        where = random.integers(0, len(data) if random.integers(2) else 4000, 20)
        damaged[where] = random.integers(0, 256, 20)
        (tmp_path / "bad.aedat4").write_bytes(damaged.tobytes())
        problem = format_error_of(lambda: list(open_aedat4(tmp_path / "bad.aedat4")))
        assert problem is None or "bad.aedat4" in problem


def test_another_sensor_than_the_file_states_is_an_error(recordings):
    with pytest.raises(FormatError, match=r"346x260.*\(640, 480\)"):
        open_aedat4(recordings / "davis346_short.aedat4", sensor=(640, 480))
