"""EVT3 files: what is written is what was given, and what EVT3 cannot say is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from event_strategies import bursts, decode
from hypothesis import given
from hypothesis import strategies as st

from dae_edge.events import EVENT, Events, events_from
from dae_edge.sources.evt3_writer import evt3_bytes, write_evt3

FAULTS = ("dropped", "time_glitches", "time_resets", "partial", "reserved", "other", "padding")


def words_of(events: Events, width: int = 640, height: int = 480) -> list[int]:
    words: list[int] = np.frombuffer(evt3_bytes(events, width=width, height=height), "<u2").tolist()
    return words


@given(bursts(latest_start_us=(1 << 24) - 1, longest_gap_us=20_000_000))
def test_decoding_gives_the_same_events(sample: tuple[Events, int, int]) -> None:
    events, width, height = sample
    data = evt3_bytes(events, width=width, height=height)
    decoded, counters = decode("evt3", data, width, height)
    assert decoded.tolist() == events.tolist()
    assert not {name: n for name, n in counters.items() if n and name.startswith(FAULTS)}


@given(bursts(latest_start_us=1000, longest_gap_us=1000), st.randoms())
def test_events_of_one_time_keep_their_order(
    sample: tuple[Events, int, int], random: object
) -> None:
    events, width, height = sample
    shuffled = events.copy()
    random.shuffle(order := list(range(len(events))))  # type: ignore[attr-defined]
    shuffled[["x", "y", "on"]] = events[["x", "y", "on"]][order]
    decoded, _ = decode("evt3", evt3_bytes(shuffled, width=width, height=height), width, height)
    assert decoded.tolist() == shuffled.tolist()


def test_words_of_single_events() -> None:
    events = events_from([4100, 4100, 4101], [7, 6, 6], [2, 2, 3], [1, 0, 1])
    expected = [0x8001, 0x6004, 0x0002, 0x2807, 0x2006, 0x6005, 0x0003, 0x2806]
    assert words_of(events) == expected


def test_five_events_in_32_columns_become_one_group() -> None:
    events = events_from([0] * 5, [32, 33, 44, 56, 63], [1] * 5, [1] * 5)
    assert words_of(events) == [0x8000, 0x6000, 0x0001, 0x3820, 0x4003, 0x4001, 0x5081]


def test_a_group_at_the_right_edge_is_shifted_inside() -> None:
    events = events_from([0] * 5, [32, 33, 34, 35, 39], [1] * 5, [0] * 5)
    assert words_of(events, width=40)[3:] == [0x3008, 0x4000, 0x4000, 0x508F]


def test_a_sensor_narrower_than_a_group_gets_single_events() -> None:
    events = events_from([0] * 6, [0, 1, 2, 3, 4, 5], [0] * 6, [0] * 6)
    assert {word >> 12 for word in words_of(events, width=31)[3:]} == {0x2}


def test_silence_is_filled_with_time_high() -> None:
    events = events_from([0, 3 * 4096 + 5], [1, 1], [0, 0], [0, 0])
    expected = [0x8000, 0x6000, 0x0000, 0x2001, 0x8001, 0x8002, 0x8003, 0x6005, 0x2001]
    assert words_of(events) == expected


def test_time_high_is_repeated_within_its_4096_us() -> None:
    events = events_from([0, 255, 256, 257], [1] * 4, [0] * 4, [0] * 4)
    assert [word >> 12 for word in words_of(events)] == [8, 6, 0, 2, 6, 2, 8, 6, 2, 6, 2]


def test_a_file_has_a_header_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "clip.raw"
    events = events_from([5], [1], [2], [1])
    write_evt3(path, events, width=346, height=260, metadata={"date": "2026-01-31 12:00:00"})
    assert path.read_bytes() == (
        b"% format EVT3;height=260;width=346\n% geometry 346x260\n% evt 3.0\n"
        b"% date 2026-01-31 12:00:00\n% end\n" + evt3_bytes(events, width=346, height=260)
    )
    assert list(tmp_path.iterdir()) == [path]


def test_a_refused_file_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "clip.raw"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="sorted"):
        write_evt3(path, events_from([5, 4], [1, 1], [2, 2], [1, 1]), width=9, height=9)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_no_events_are_no_words() -> None:
    assert evt3_bytes(np.empty(0, EVENT), width=4, height=4) == b""


@pytest.mark.parametrize(
    ("t", "x", "y", "message"),
    [
        ([3, 2], [0, 0], [0, 0], "sorted by time, event 1"),
        ([-1, 2], [0, 0], [0, 0], "first event's time"),
        ([1 << 24, 1 << 24], [0, 0], [0, 0], "first event's time"),
        ([0, 3_600_000_001], [0, 0], [0, 0], "silence"),
        ([0, 1], [0, 8], [0, 0], "x = 8"),
        ([0, 1], [0, 7], [6, 0], "y = 6"),
    ],
)
def test_what_evt3_cannot_say_is_refused(
    t: list[int], x: list[int], y: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        evt3_bytes(events_from(t, x, y, [1, 1]), width=8, height=6)


@pytest.mark.parametrize(("width", "height"), [(0, 1), (1, 0), (2049, 1), (1, 2049)])
def test_a_sensor_beyond_11_bits_is_refused(width: int, height: int) -> None:
    with pytest.raises(ValueError, match="EVT3 sensors are"):
        evt3_bytes(np.empty(0, EVENT), width=width, height=height)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("note", "two\nlines"),
        ("note", "tab\t"),
        ("note", "é"),
        ("note", "x" * 2000),
        ("two words", "x"),
        ("", "x"),
        ("a", "x"),
        ("end", ""),
        ("evt", "2.0"),
    ],
)
def test_metadata_that_breaks_the_header_is_refused(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(ValueError, match="metadata"):
        write_evt3(tmp_path / "x.raw", np.empty(0, EVENT), width=4, height=4, metadata={key: value})
    assert not list(tmp_path.iterdir())
