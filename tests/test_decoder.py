"""The C decoders, from Python: round trips, cuts, any bytes, malformed words, real recordings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from encoders import dat_bytes, evt2_bytes, evt4_bytes, evt21_bytes
from event_strategies import bursts, decode
from hypothesis import given
from hypothesis import strategies as st

from dae_edge._native import FORMATS, Decoder
from dae_edge.events import EVENT, Events, events_from
from dae_edge.sources.evt3_writer import evt3_bytes

ENCODERS: dict[str, Callable[[Events], bytes]] = {
    "evt2": evt2_bytes,
    "evt21": evt21_bytes,
    "evt21-legacy": lambda events: evt21_bytes(events, legacy=True),
    "evt3": lambda events: evt3_bytes(events, width=80, height=50),
    "evt4": evt4_bytes,
    "dat": dat_bytes,
}
FEATURES = {"bytes", "words", "events", "triggers", "time_wraps"}
"""Counters that say nothing against a recording."""

DRIVING_US = (219_596, 11_718_656, 11_727_457)
RECORDINGS = [
    ("vga_evt2.raw", "evt2", (640, 480), (539_481, 1_317_888, 1_367_888), {}),
    ("driving_720p_evt3.raw", "evt3", (1280, 720), DRIVING_US, {}),
    ("driving_720p_evt21_legacy.raw", "evt21-legacy", (1280, 720), DRIVING_US, {}),
    ("driving_720p_evt4.raw", "evt4", (1280, 720), DRIVING_US, {}),
    (
        "hd_evt3_triggers.raw",
        "evt3",
        (1280, 720),
        (82_469, 14_224_870, 15_476_187),
        {"triggers": 2, "other_words": 53_224},
    ),
    (
        "vga_evt3_triggers.raw",
        "evt3",
        (640, 480),
        (343_474, 7_139_845, 9_218_023),
        {"triggers": 4_157, "other_words": 1_800},
    ),
    ("ncars.dat", "dat", (120, 100), (2_009, 0, 99_952), {}),
]


def without_header(data: bytes) -> bytes:
    is_dat = b"% Version" in data[:200]
    while data.startswith(b"% "):
        line, data = data.split(b"\n", 1)
        if line == b"% end":
            break
    return data[2:] if is_dat else data


def test_every_format_has_an_encoder() -> None:
    assert set(ENCODERS) == set(FORMATS)


@pytest.mark.parametrize("format", [name for name in ENCODERS if name not in ("dat", "evt3")])
@given(sample=bursts(latest_start_us=(1 << 34) - 1, longest_gap_us=3600_000_000))
def test_encoded_events_decode_to_themselves(format: str, sample: tuple[Events, int, int]) -> None:
    events, width, height = sample
    decoded, counters = decode(format, ENCODERS[format](events), width, height)
    assert decoded.tolist() == events.tolist()
    assert counters["events"] == len(events)
    assert {name for name, count in counters.items() if count} <= FEATURES | {"time_glitches"}


@given(sample=bursts(latest_start_us=(1 << 32) - 1, longest_gap_us=1 << 20))
def test_dat_events_decode_to_themselves(sample: tuple[Events, int, int]) -> None:
    events, width, height = sample
    decoded, counters = decode("dat", dat_bytes(events), width, height)
    assert decoded.tolist() == events.tolist()
    assert {name for name, count in counters.items() if count} <= FEATURES


@pytest.mark.parametrize("format", ENCODERS)
@given(
    sample=bursts(latest_start_us=1 << 23, longest_gap_us=1 << 21),
    cuts=st.lists(st.integers(0, 600), max_size=12),
    room=st.integers(32, 100),
)
def test_cuts_and_rooms_make_no_difference(
    format: str, sample: tuple[Events, int, int], cuts: list[int], room: int
) -> None:
    events, width, height = sample
    data = ENCODERS[format](events)
    decoded, counters = decode(format, data, width, height)
    pieces, pieces_counters = decode(format, data, width, height, cuts=cuts, room=room)
    assert pieces.tolist() == decoded.tolist()
    assert pieces_counters == counters


@pytest.mark.parametrize("format", ENCODERS)
@given(data=st.binary(max_size=800), cuts=st.lists(st.integers(0, 800), max_size=5))
def test_any_bytes_give_events_inside_the_sensor_in_order(
    format: str, data: bytes, cuts: list[int]
) -> None:
    events, counters = decode(format, data, 200, 100, cuts=cuts, room=32)
    assert counters["events"] == len(events)
    assert counters["bytes"] <= len(data) < counters["bytes"] + 8
    assert (events["x"] < 200).all()
    assert (events["y"] < 100).all()
    assert (np.diff(events["t"]) >= 0).all()
    assert decode(format, data, 200, 100)[0].tolist() == events.tolist()


def evt3(*words: int) -> bytes:
    return np.array(words, "<u2").tobytes()


MALFORMED = {
    "no time": (evt3(0x0001, 0x2001), [], {"dropped_before_time": 1}),
    "no row": (evt3(0x8001, 0x2001), [], {"dropped_before_y": 1}),
    "no base": (evt3(0x8001, 0x0001, 0x4003), [], {"dropped_before_y": 2}),
    "column outside": (evt3(0x8001, 0x0001, 0x2040), [], {"dropped_x": 1}),
    "vector over the edge": (
        evt3(0x8001, 0x0001, 0x303F, 0x4003),
        [(4096, 63, 1, False)],
        {"dropped_x": 1},
    ),
    "row outside": (evt3(0x8001, 0x0030, 0x2001, 0x2002), [], {"dropped_y": 2}),
    "time back": (
        evt3(0x8009, 0x8009, 0x0001, 0x2001, 0x8008, 0x2002, 0x8009, 0x2003),
        [(9 << 12, 1, 1, False), (9 << 12, 3, 1, False)],
        {"time_glitches": 1, "dropped_glitch": 1},
    ),
    "time ahead": (
        evt3(0x8009, 0x8009, 0x0001, 0x8409, 0x2002, 0x8009, 0x2003),
        [(9 << 12, 3, 1, False)],
        {"time_glitches": 1, "dropped_glitch": 1},
    ),
    "low time back": (
        evt3(0x8001, 0x6009, 0x0001, 0x2001, 0x6008, 0x2002),
        [(4105, 1, 1, False), (4105, 2, 1, False)],
        {"time_glitches": 1},
    ),
    "vector group cut": (
        evt3(0x8001, 0x0001, 0x3000, 0x4001, 0x3000, 0x4001, 0x4000, 0x5000),
        [(4096, 0, 1, False), (4096, 0, 1, False)],
        {"partial_vectors": 1},
    ),
    "reserved words": (evt3(0x8001, 0x1000, 0xB000, 0xC000, 0xD000), [], {"reserved_words": 4}),
    "padding": (evt3(0x9999, 0x8001, 0x9999), [], {"padding_words": 2}),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_evt3_is_counted_and_decoding_goes_on(name: str) -> None:
    data, expected, faults = MALFORMED[name]
    events, counters = decode("evt3", data, 64, 48)
    assert events.tolist() == expected
    features = {"bytes": len(data), "words": len(data) // 2, "events": len(expected)}
    assert {name: count for name, count in counters.items() if count} == {
        key: value for key, value in (features | faults).items() if value
    }


@pytest.mark.parametrize("format", ENCODERS)
def test_a_truncated_recording_gives_its_whole_words_and_no_more(format: str) -> None:
    events = events_from(np.arange(50) * 30, np.arange(50), np.arange(50) % 7, np.arange(50) % 2)
    data = ENCODERS[format](events)
    decoded, counters = decode(format, data[:-1], 80, 50)
    assert decoded.tolist() == events[:-1].tolist()
    assert len(data) - 8 <= counters["bytes"] < len(data)


@pytest.mark.parametrize("format", ENCODERS)
def test_a_recording_cut_anywhere_in_front_is_decoded_from_the_next_time_word_on(
    format: str,
) -> None:
    events = events_from(np.arange(50) * 300, np.arange(50), np.arange(50) % 7, np.arange(50) % 2)
    word = {"evt3": 2, "evt2": 4, "evt4": 4}.get(format, 8)
    data = ENCODERS[format](events)
    for start in range(0, len(data), word):
        decoded, _ = decode(format, data[start:], 80, 50)
        assert decoded.tolist() == events[len(events) - len(decoded) :].tolist()


def test_after_a_reset_the_clock_starts_anew_and_the_counters_stay() -> None:
    decoder, out = Decoder("evt3", 64, 48), np.empty(32, EVENT)
    for high in (9, 3):
        data = evt3(0x8000 | high, 0x0001, 0x2001)
        assert decoder.decode(data, out) == (6, 1)
        assert out["t"][0] == high << 12
        decoder.reset()
    assert decoder.counters()["events"] == 2


@pytest.mark.parametrize(
    ("file", "format", "sensor", "span", "extras"), RECORDINGS, ids=[row[0] for row in RECORDINGS]
)
def test_real_recordings_give_their_known_events(
    recordings: Path,
    file: str,
    format: str,
    sensor: tuple[int, int],
    span: tuple[int, int, int],
    extras: dict[str, int],
) -> None:
    data = without_header((recordings / file).read_bytes())
    events, counters = decode(format, data, *sensor, room=65_536)
    assert (len(events), events["t"][0], events["t"][-1]) == span
    seen = {name: count for name, count in counters.items() if count}
    assert seen.pop("words") * (seen["bytes"] // counters["words"]) == len(data)
    assert seen == {"bytes": len(data), "events": span[0], **extras}


def test_the_driving_clip_is_the_same_in_three_formats(recordings: Path) -> None:
    clips = [
        decode(format, without_header((recordings / file).read_bytes()), *sensor, room=65_536)[0]
        for file, format, sensor, *_ in RECORDINGS
        if file.startswith("driving")
    ]
    assert all(np.array_equal(clip, clips[0]) for clip in clips[1:])
    assert len(clips) == 3
