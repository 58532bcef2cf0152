"""The stream form of Tencode: every window equals the definition applied to its events."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dae_edge as dae
from dae_edge import reference
from dae_edge._native import Encoder

WIDTH, HEIGHT = 21, 13


def make_events(gaps: list[int], seed: int = 0, start: int = 1_000_000) -> np.ndarray:
    """Events on the sensor and a little beyond it, with these times between them."""
    rng = np.random.default_rng(seed)
    n = len(gaps)
    x, y, on = (rng.integers(0, high, n) for high in (WIDTH + 2, HEIGHT + 2, 2))
    return dae.events_from(start + np.cumsum(gaps), x, y, on)


def windows_of(encoder: Encoder, packets: list[np.ndarray], *, flush: bool = True) -> Iterator[Any]:
    """(window, uint8 image, float image) of each window that ends, in order."""
    for packet in [*packets, None]:
        offset = 0
        while True:
            if packet is None:
                ready = flush and encoder.flush()
            else:
                used, ready = encoder.push(packet, offset)
                offset += used
            if not ready:
                break
            levels = np.empty((HEIGHT, WIDTH, 3), np.uint8)
            floats = np.empty((3, HEIGHT, WIDTH), np.float32)
            encoder.render(levels)
            encoder.render(floats)
            yield encoder.window(), levels, floats


def expected_by_time(events: np.ndarray, window: int, hop: int, origin: int) -> list[np.ndarray]:
    """The events of each window, by the definition; the last one may be partial."""
    expected, start, shown = [], origin, -1
    t = events["t"]
    while len(t) and start + window <= t[-1]:
        inside = np.flatnonzero((t >= start) & (t < start + window))
        expected.append(events[inside])
        shown = max([shown, *inside])
        start += hop
    if shown < len(t) - 1 and (t >= start).any():
        expected.append(events[t >= start])
    return expected


def expected_by_count(events: np.ndarray, window: int, hop: int) -> list[np.ndarray]:
    whole = [events[i : i + window] for i in range(0, len(events) - window + 1, hop)]
    start = len(whole) * hop
    shown = (len(whole) - 1) * hop + window if whole else 0
    return [*whole, events[start:]] if len(events) > max(shown, start) else whole


def check(
    encoder: Encoder, packets: list[np.ndarray], expected: list[np.ndarray], white: bool
) -> None:
    got = list(windows_of(encoder, packets))
    assert len(got) == len(expected)
    for (window, levels, floats), events in zip(got, expected, strict=True):
        columns = [events[name] for name in ("t", "x", "y", "on")]
        size: dict[str, Any] = {"height": HEIGHT, "width": WIDTH, "white": white}
        assert window["events"] == len(events)
        np.testing.assert_array_equal(levels, reference.tencode_uint8(*columns, **size))
        np.testing.assert_array_equal(floats, reference.tencode_float(*columns, **size))


def cut(events: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    return np.split(events, sorted(c % (len(events) + 1) for c in cuts))


streams = st.lists(st.one_of(st.just(0), st.integers(0, 30), st.integers(0, 700)), max_size=120)


@settings(deadline=None, max_examples=200)
@given(
    gaps=streams,
    cuts=st.lists(st.integers(0, 200), max_size=5),
    window=st.integers(1, 400),
    hop=st.integers(1, 400),
    white=st.booleans(),
    origin=st.one_of(st.none(), st.integers(999_000, 1_000_000)),
)
def test_every_window_by_time_equals_the_definition_however_the_packets_are_cut(
    gaps: list[int], cuts: list[int], window: int, hop: int, white: bool, origin: int | None
) -> None:
    window = max(window, hop)
    events = make_events(gaps)
    encoder = Encoder(WIDTH, HEIGHT, window_us=window, hop_us=hop, white=white, origin_us=origin)
    first = int(events["t"][0]) if len(events) else 0
    start = first if origin is None else origin
    # windows of the origin's grid that end before the first event are not made
    start += max(0, -(-(first - window - start + 1) // hop)) * hop
    check(encoder, cut(events, cuts), expected_by_time(events, window, hop, start), white)


@settings(deadline=None, max_examples=200)
@given(
    gaps=streams,
    cuts=st.lists(st.integers(0, 200), max_size=5),
    window=st.integers(1, 60),
    hop=st.integers(1, 60),
    white=st.booleans(),
)
def test_every_window_by_count_equals_the_definition_however_the_packets_are_cut(
    gaps: list[int], cuts: list[int], window: int, hop: int, white: bool
) -> None:
    window = max(window, hop)
    events = make_events(gaps)
    encoder = Encoder(WIDTH, HEIGHT, window_events=window, hop_events=hop, white=white)
    check(encoder, cut(events, cuts), expected_by_count(events, window, hop), white)


@settings(deadline=None, max_examples=100)
@given(gaps=streams, at=st.integers(0, 200), window=st.integers(1, 400), by_count=st.booleans())
def test_a_snapshot_restored_elsewhere_goes_on_as_if_nothing_had_happened(
    gaps: list[int], at: int, window: int, by_count: bool
) -> None:
    events = make_events(gaps)
    hop = (window + 2) // 3
    by_time = {"window_us": window, "hop_us": hop}
    windows: dict[str, Any] = {"window_events": window, "hop_events": hop} if by_count else by_time
    before, after = cut(events, [at])
    first, second = (Encoder(WIDTH, HEIGHT, **windows) for _ in range(2))
    list(windows_of(first, [before], flush=False))
    second.load(first.save())
    for a, b in zip(windows_of(first, [after]), windows_of(second, [after]), strict=True):
        assert a[0] == b[0]
        np.testing.assert_array_equal(a[1], b[1])
    assert first.counters() == second.counters()


@settings(deadline=None, max_examples=200)
@given(gaps=streams, where=st.integers(0, 10**6), byte=st.integers(0, 255))
def test_a_damaged_snapshot_is_refused_or_harmless(gaps: list[int], where: int, byte: int) -> None:
    encoder = Encoder(WIDTH, HEIGHT, window_us=100, hop_us=30)
    list(windows_of(encoder, [make_events(gaps)], flush=False))
    snapshot = bytearray(encoder.save())
    snapshot[where % min(len(snapshot), 600)] = byte  # the parameters, the state, the starts
    fresh = Encoder(WIDTH, HEIGHT, window_us=100, hop_us=30)
    try:
        fresh.load(bytes(snapshot))
    except ValueError:
        return
    for _ in zip(range(1000), windows_of(fresh, [make_events([5] * 50)]), strict=False):
        pass


def test_a_snapshot_of_other_windows_is_refused() -> None:
    encoder = Encoder(WIDTH, HEIGHT, window_us=100)
    for other in (Encoder(WIDTH, HEIGHT, window_us=101), Encoder(WIDTH + 1, HEIGHT, window_us=100)):
        with pytest.raises(ValueError, match="snapshot does not fit"):
            other.load(encoder.save())


def test_a_quiet_stretch_gives_empty_windows_and_a_gap_starts_a_new_grid() -> None:
    encoder = Encoder(WIDTH, HEIGHT, window_us=100, max_gap_us=1000)
    times = [0, 10, 350, 5000, 5010, 5100]
    events = dae.events_from(times, [1] * 6, [1] * 6, [1] * 6)
    got = [window for window, _, _ in windows_of(encoder, [events])]
    assert [(w["start_us"], w["end_us"], w["events"]) for w in got] == [
        (0, 100, 2),
        (100, 200, 0),
        (200, 300, 0),
        (300, 400, 1),
        (5000, 5100, 2),
        (5100, 5100, 1),
    ]
    assert [w["restart"] for w in got] == [False] * 4 + [True, False]
    assert [w["partial"] for w in got] == [False] * 5 + [True]
    assert encoder.counters()["restarts"] == 1


def test_a_step_back_within_the_gap_is_clamped_and_a_longer_one_starts_anew() -> None:
    encoder = Encoder(WIDTH, HEIGHT, window_us=100, max_gap_us=1000)
    events = dae.events_from([5000, 4990, 5050, 10, 20], [1] * 5, [1] * 5, [1] * 5)
    got = [window for window, _, _ in windows_of(encoder, [events])]
    assert [(w["first_us"], w["last_us"], w["events"]) for w in got] == [
        (5000, 5050, 3),
        (10, 20, 2),
    ]
    assert [w["restart"] for w in got] == [False, True]
    counters = encoder.counters()
    assert (counters["clamped_backward"], counters["restarts"]) == (1, 1)


def test_time_that_passes_without_events_closes_windows() -> None:
    encoder = Encoder(WIDTH, HEIGHT, window_us=100)
    encoder.push(dae.events_from([0], [1], [1], [1]))
    assert not encoder.advance(99)
    assert encoder.advance(200)
    assert encoder.window()["events"] == 1
    assert encoder.advance(200)
    assert encoder.window()["events"] == 0
    assert not encoder.advance(200)
    assert not encoder.advance(150)


def test_times_beyond_any_clock_are_dropped_and_counted() -> None:
    encoder = Encoder(WIDTH, HEIGHT, window_us=100)
    events = dae.events_from([-(2**63), 2**63 - 1, 5], [1, 1, 1], [1, 1, 1], [1, 1, 1])
    assert encoder.push(events) == (3, False)
    assert encoder.counters()["dropped_outside"] == 2


def test_a_window_by_count_may_span_more_time_than_a_cell_can_hold() -> None:
    encoder = Encoder(WIDTH, HEIGHT, window_events=4, max_gap_us=2**50)
    times = [0, 2**31, 2**32 - 5, 2**32 + 7, 2**33, 2**33 + 1, 2**33 + 2, 2**33 + 3]
    events = dae.events_from(times, range(8), [1] * 8, [1] * 8)
    got = [window["events"] for window, _, _ in windows_of(encoder, [events])]
    assert sum(got) <= len(events)
    assert got  # the stream goes on after the restart
    assert encoder.counters()["restarts"] >= 1


def test_a_long_recording_is_renumbered_without_a_trace() -> None:
    step = 2**31 + 12_345  # two windows an hour: the base of the times moves again and again
    events = make_events([step] * 40)
    encoder = Encoder(WIDTH, HEIGHT, window_us=2**29, max_gap_us=2**40)
    shown = [w["events"] for w, _, _ in windows_of(encoder, [events]) if w["events"]]
    assert shown == [1] * 40


@pytest.mark.parametrize(
    "windows",
    [
        {"window_us": 0},
        {"window_us": -5},
        {"window_us": 2**40},
        {"hop_us": 60_000},
        {"hop_us": -1},
        {"window_us": 5000, "hop_us": 1},
        {"window_events": 5, "hop_events": 6},
        {"window_events": 2**40},
        {"max_gap_us": 0},
        {"origin_us": 2**61},
    ],
)
def test_windows_that_cannot_be_are_refused(windows: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="hop <= window"):
        Encoder(WIDTH, HEIGHT, **windows)


def test_rendering_without_a_window_or_into_the_wrong_image_is_refused() -> None:
    encoder = Encoder(WIDTH, HEIGHT, window_us=100)
    with pytest.raises(ValueError, match="no window is ready"):
        encoder.render(np.empty((HEIGHT, WIDTH, 3), np.uint8))
    with pytest.raises(ValueError, match="image must be"):
        encoder.render(np.empty((WIDTH, HEIGHT, 3), np.uint8))
    with pytest.raises(ValueError, match="no window is ready"):
        encoder.window()
    with pytest.raises(TypeError, match="dtype EVENT"):
        encoder.push(np.zeros(3))
    with pytest.raises(ValueError, match="offset"):
        encoder.push(np.empty(2, dae.EVENT), 3)


def test_two_threads_on_one_encoder_are_refused_and_not_let_loose() -> None:
    encoder = Encoder(1280, 720, window_us=2**29, max_gap_us=2**40)
    events = dae.events_from(
        np.arange(2_000_000), np.zeros(2_000_000), np.zeros(2_000_000), np.ones(2_000_000)
    )
    refused: list[str] = []

    def work() -> None:
        for _ in range(5):
            try:
                encoder.push(events)
            except RuntimeError as error:
                refused.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(refused) <= {"this object is in use by another thread"}
    assert encoder.counters()["events"] % len(events) == 0
