"""Streams: windows in time and by count, gaps, ends, catching up, health. Real engines."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_streams import HEIGHT, WIDTH, events_of, values_of

import dae_edge as dae

# ---- What comes out ------------------------------------------------------------------------------


def test_each_window_gives_a_depth_with_its_circumstances(model: dae.Model) -> None:
    events = events_of(3)
    depths = model.stream(origin_us=0).push(events)
    assert [depth.t_us for depth in depths] == [50_000, 100_000, 150_000]
    for index, depth in enumerate(depths):
        inside = events[events["t"] // 50_000 == index]
        assert depth.events == len(inside)
        assert depth.values.shape == (HEIGHT, WIDTH)
        assert depth.values.dtype == np.float32
        assert np.isfinite(depth.values).all()
        assert depth.unit == "untrained weights"
        assert not depth.stale
        assert not depth.partial
        assert depth.latency_us >= depth.infer_us > 0
        assert depth.encode_us > 0


def test_the_image_is_the_tencode_of_the_window_and_read_only(small_model: dae.Model) -> None:
    events = events_of(3)
    stream = small_model.stream(origin_us=0)
    for index, _ in enumerate(stream.each(events)):
        inside = events[events["t"] // 50_000 == index]
        np.testing.assert_array_equal(stream.image, dae.tencode(inside, HEIGHT, WIDTH))
    with pytest.raises(ValueError, match="read-only"):
        stream.image[0, 0, 0] = 1


def test_each_gives_what_push_gives(small_model: dae.Model) -> None:
    pushed, asked = small_model.stream(origin_us=0), small_model.stream(origin_us=0)
    np.testing.assert_array_equal(
        values_of(pushed.push(events_of(3))), values_of(list(asked.each(events_of(3))))
    )
    assert asked.health.windows == 3


def test_health_is_up_to_date_when_the_rest_of_a_packet_is_given_up(small_model: dae.Model) -> None:
    stream = small_model.stream(origin_us=0)
    depths = stream.each(events_of(3))
    next(depths)
    depths.close()  # type: ignore[attr-defined]
    assert (stream.health.windows, stream.health.inferred) == (1, 1)
    assert stream.health.events > 0


def test_no_later_window_overwrites_a_depth(model: dae.Model) -> None:
    stream = model.stream(origin_us=0)
    first = stream.push(events_of(2))
    before = values_of(first)
    stream.push(events_of(2, first_us=100_000, seed=1))
    stream.reset()
    stream.push(events_of(2, seed=2))
    np.testing.assert_array_equal(values_of(first), before)


def test_a_depth_belongs_to_the_caller_who_may_change_it(small_model: dae.Model) -> None:
    stream = small_model.stream(origin_us=0)
    stream.push(events_of(1)[:-1])
    (depth,) = stream.advance(50_000)
    before = depth.values.copy()
    depth.values[...] = -1
    (stale,) = stream.advance(100_000)
    assert stale.stale
    np.testing.assert_array_equal(stale.values, before)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cuts=st.lists(st.integers(0, 9000), max_size=12), seed=st.integers(0, 99))
def test_packets_cut_anywhere_give_the_same_depth(
    small_model: dae.Model, cuts: list[int], seed: int
) -> None:
    events = events_of(3, seed=seed)
    whole = small_model.stream().push(events)
    stream = small_model.stream()
    pieces = [depth for part in np.split(events, sorted(cuts)) for depth in stream.push(part)]
    assert [depth.t_us for depth in pieces] == [depth.t_us for depth in whole]
    np.testing.assert_array_equal(values_of(pieces), values_of(whole))


def test_windows_by_count_of_events(small_model: dae.Model) -> None:
    events = events_of(2)
    depths = small_model.stream(window_events=1000, hop_events=500).push(events)
    assert len(depths) == (len(events) - 1000) // 500 + 1
    assert {depth.events for depth in depths} == {1000}
    assert depths[0].t_us == events["t"][999]


def test_overlapping_windows_come_one_per_hop(small_model: dae.Model) -> None:
    depths = small_model.stream(origin_us=0, hop_us=10_000).push(events_of(2))
    assert [depth.t_us for depth in depths] == [50_000, 60_000, 70_000, 80_000, 90_000, 100_000]


# ---- Windows without events, gaps, ends ----------------------------------------------------------


def test_empty_windows_repeat_the_last_depth_and_do_not_run_the_network(model: dae.Model) -> None:
    stream = model.stream(origin_us=0)
    (real,) = stream.push(events_of(1))
    state = stream.state().recurrent
    depths = stream.push(dae.events_from([230_000], [5], [5], [1]))
    assert [depth.stale for depth in depths] == [False, True, True]  # an event lies at 50,000 us
    assert [depth.t_us for depth in depths] == [100_000, 150_000, 200_000]
    after = stream.state().recurrent
    assert any(not np.array_equal(after[name], state[name]) for name in state)
    (more,) = stream.push(dae.events_from([250_000], [5], [5], [1]))
    empty = stream.push(dae.events_from([310_000], [5], [5], [1]))
    assert not more.stale
    assert len(empty) == 1
    for depth in depths[1:]:
        np.testing.assert_array_equal(depth.values, depths[0].values)
        assert (depth.events, depth.infer_us) == (0, 0.0)
    assert not np.array_equal(depths[0].values, real.values)
    assert stream.health.stale == 2


def test_windows_begin_with_the_first_event_wherever_the_grid_begins(
    small_model: dae.Model,
) -> None:
    stream = small_model.stream(origin_us=0)
    (depth,) = stream.push(dae.events_from([120_000, 150_000], [5, 5], [5, 5], [1, 1]))
    assert (depth.t_us, depth.stale) == (150_000, False)


@pytest.mark.parametrize("step_us", [1_200_000, -1_500_000])
def test_after_a_gap_or_a_step_back_all_is_as_in_a_new_stream(
    model: dae.Model, step_us: int
) -> None:
    start_us = 2_000_000
    stream = model.stream()
    before = stream.push(events_of(3, first_us=start_us))
    later = events_of(3, first_us=start_us + 150_000 + step_us, seed=1)
    after = stream.push(later)
    fresh = model.stream().push(later)
    assert len(before) == 3
    assert [depth.t_us for depth in after[-3:]] == [depth.t_us for depth in fresh]
    np.testing.assert_array_equal(values_of(after[-3:]), values_of(fresh))
    assert stream.health.restarts == 1
    assert len(after) == 4  # the one event that was waiting makes a window of its own
    assert after[0].partial == (step_us < 0)


def test_time_that_passes_without_events_ends_windows(small_model: dae.Model) -> None:
    stream, other = small_model.stream(origin_us=0), small_model.stream(origin_us=0)
    events = events_of(1)[:-1]
    assert stream.push(events) == []
    assert stream.advance(49_999) == []
    depths = stream.advance(120_000)
    assert [(depth.t_us, depth.stale) for depth in depths] == [(50_000, False), (100_000, True)]
    np.testing.assert_array_equal(depths[0].values, other.push(events_of(1))[0].values)


def test_flush_gives_the_window_that_never_ended_once(model: dae.Model) -> None:
    events = events_of(2)[:-1]
    stream = model.stream(origin_us=0)
    assert len(stream.push(events)) == 1
    (depth,) = stream.flush()
    assert depth.partial
    assert depth.t_us == events["t"][-1]
    assert depth.events == (events["t"] >= 50_000).sum()
    assert stream.flush() == []
    assert stream.health.windows == stream.health.inferred == 2


def test_a_stream_without_events_has_nothing_to_flush(small_model: dae.Model) -> None:
    stream = small_model.stream()
    assert stream.push(np.empty(0, dae.EVENT)) == []
    assert stream.flush() == []
    assert stream.health == dae.Health()


# ---- Catching up ---------------------------------------------------------------------------------


def test_newest_only_runs_the_newest_window_and_counts_the_others(model: dae.Model) -> None:
    events = events_of(5)
    stream = model.stream(origin_us=0)
    (depth,) = stream.push(events, newest_only=True)
    alone = model.stream(origin_us=200_000).push(events[events["t"] >= 200_000])
    assert depth.t_us == 250_000
    np.testing.assert_array_equal(depth.values, alone[0].values)
    assert (stream.health.inferred, stream.health.dropped_windows) == (1, 4)
    assert stream.health.windows == 5


def test_newest_only_prefers_a_window_with_events_to_a_later_empty_one(
    small_model: dae.Model,
) -> None:
    stream = small_model.stream(origin_us=0)
    events = np.concatenate([events_of(2), dae.events_from([320_000], [5], [5], [1])])
    (depth,) = stream.push(events, newest_only=True)
    assert (depth.t_us, depth.stale, depth.events) == (150_000, False, 1)
    assert stream.health.dropped_windows == 5
    (empty,) = stream.push(dae.events_from([700_000], [5], [5], [1]), newest_only=True)
    assert (empty.t_us, empty.stale) == (350_000, False)
    assert stream.health.backlog_us == 350_000


def test_newest_only_sees_a_gap_among_the_windows_it_drops(small_model: dae.Model) -> None:
    later = events_of(2, first_us=3_000_000, seed=4)
    stream = small_model.stream()
    stream.push(events_of(2))
    (depth,) = stream.push(later, newest_only=True)
    (alone,) = small_model.stream().push(later, newest_only=True)
    np.testing.assert_array_equal(depth.values, alone.values)


# ---- Trouble -------------------------------------------------------------------------------------


def test_the_numbers_of_health_add_up(model: dae.Model) -> None:
    events = events_of(4)
    events["x"][::10] = WIDTH
    events["t"][5] = 0
    stream = model.stream(origin_us=0)
    depths = stream.push(events[:7000], newest_only=True)
    depths += stream.push(events[7000:])
    depths += stream.push(dae.events_from([420_000, 2_000_000], [1, 1], [1, 1], [1, 1]))
    depths += stream.flush()
    health = stream.health
    assert health.events == len(events) + 2
    assert health.dropped_events == len(events[::10])
    assert health.clamped_events == 1
    assert health.restarts == 1
    assert health.windows == health.inferred + health.stale + health.dropped_windows
    assert health.windows == len(depths) + health.dropped_windows
    assert health.stale == sum(depth.stale for depth in depths)
    assert health.not_finite == 0
    assert health.infer_us > 0
    assert health.encode_us > 0


def test_backlog_is_the_age_of_the_depth_against_the_newest_event(small_model: dae.Model) -> None:
    stream = small_model.stream(origin_us=0)
    backlog = [stream.health.backlog_us for _ in stream.each(events_of(3))]
    assert backlog == [100_000, 50_000, 0]


@pytest.mark.parametrize(
    "packet",
    [
        [1, 2, 3],
        None,
        "events",
        np.zeros(3),
        np.zeros((2, 4)),
        np.zeros(3, [("t", "i8"), ("x", "u2"), ("y", "u2")]),
    ],
    ids=["list", "none", "text", "floats", "matrix", "no polarity"],
)
def test_what_is_no_packet_of_events_is_a_type_error(small_model: dae.Model, packet: Any) -> None:
    stream = small_model.stream()
    with pytest.raises(TypeError, match="structured array with fields t, x, y and on"):
        stream.push(packet)
    assert stream.health == dae.Health()


def test_a_second_caller_is_refused_while_a_packet_is_being_taken_in(
    small_model: dae.Model,
) -> None:
    stream = small_model.stream(origin_us=0)
    depths = stream.each(events_of(3))
    next(depths)
    with ThreadPoolExecutor(1) as pool:
        pushed = pool.submit(stream.push, events_of(1))
        assert "in use by another thread" in str(pushed.exception())
    for call in (stream.flush, stream.reset, lambda: stream.advance(1)):
        with pytest.raises(RuntimeError, match="an unfinished each"):
            call()
    assert len(list(depths)) == 2
    assert stream.flush()


def test_packets_of_other_layouts_and_strides_are_taken(small_model: dae.Model) -> None:
    events = events_of(2)
    metavision = np.zeros(len(events), [("x", "u2"), ("y", "u2"), ("p", "i2"), ("t", "i8")])
    for name, own in (("x", "x"), ("y", "y"), ("t", "t"), ("p", "on")):
        metavision[name] = events[own]
    strided = np.repeat(events, 2)[::2]
    wanted = values_of(small_model.stream().push(events))
    np.testing.assert_array_equal(values_of(small_model.stream().push(metavision)), wanted)
    np.testing.assert_array_equal(values_of(small_model.stream().push(strided)), wanted)
