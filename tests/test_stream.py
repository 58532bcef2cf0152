"""Streams: windows, recurrent state, snapshots, gaps, trouble. Real engines, a small model."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from event_samples import random_events
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import dae_edge as dae
from dae_edge.events import Events

WIDTH, HEIGHT = 112, 84
BACKENDS = ("onnxruntime", "openvino", "openvino-stateful")


@pytest.fixture(scope="module", params=BACKENDS)
def model(request: pytest.FixtureRequest, small_bundle: Path) -> dae.Model:
    return dae.load(small_bundle, backend=request.param, threads=1)


@pytest.fixture(scope="module")
def one_model(small_bundle: Path) -> dae.Model:
    return dae.load(small_bundle, backend="onnxruntime", threads=1)


def events_of(windows: int, *, first_us: int = 0, seed: int = 0) -> Events:
    """Random events from ``first_us`` on, for some windows of 50 ms, and one that ends the last."""
    events = random_events(3000 * windows, width=WIDTH, height=HEIGHT, seed=seed, first_us=first_us)
    events["t"][0] = first_us
    events = events[events["t"] < first_us + 50_000 * windows]
    last = dae.events_from([first_us + 50_000 * windows], [1], [1], [1])
    return np.concatenate([events, last])


def values_of(depths: list[dae.Depth]) -> NDArray[np.float32]:
    return np.stack([depth.values for depth in depths])


def with_state(snapshot: dae.StreamState, value: float) -> dae.StreamState:
    filled = {name: np.full_like(array, value) for name, array in snapshot.recurrent.items()}
    return replace(snapshot, recurrent=filled)


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


def test_the_image_is_the_tencode_of_the_window_and_read_only(one_model: dae.Model) -> None:
    events = events_of(3)
    stream = one_model.stream(origin_us=0)
    for index, _ in enumerate(stream.each(events)):
        inside = events[events["t"] // 50_000 == index]
        np.testing.assert_array_equal(stream.image, dae.tencode(inside, HEIGHT, WIDTH))
    with pytest.raises(ValueError, match="read-only"):
        stream.image[0, 0, 0] = 1


def test_each_gives_what_push_gives(one_model: dae.Model) -> None:
    pushed, asked = one_model.stream(origin_us=0), one_model.stream(origin_us=0)
    np.testing.assert_array_equal(
        values_of(pushed.push(events_of(3))), values_of(list(asked.each(events_of(3))))
    )
    assert asked.health.windows == 3


def test_health_is_up_to_date_when_the_rest_of_a_packet_is_given_up(one_model: dae.Model) -> None:
    stream = one_model.stream(origin_us=0)
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


def test_a_depth_belongs_to_the_caller_who_may_change_it(one_model: dae.Model) -> None:
    stream = one_model.stream(origin_us=0)
    stream.push(events_of(1)[:-1])
    (depth,) = stream.advance(50_000)
    before = depth.values.copy()
    depth.values[...] = -1
    (stale,) = stream.advance(100_000)
    assert stale.stale
    np.testing.assert_array_equal(stale.values, before)


@settings(max_examples=8, deadline=None)  # a busy machine is no fault
@given(cuts=st.lists(st.integers(0, 9000), max_size=12), seed=st.integers(0, 99))
def test_packets_cut_anywhere_give_the_same_depth(
    one_model: dae.Model, cuts: list[int], seed: int
) -> None:
    events = events_of(3, seed=seed)
    whole = one_model.stream().push(events)
    stream = one_model.stream()
    pieces = [depth for part in np.split(events, sorted(cuts)) for depth in stream.push(part)]
    assert [depth.t_us for depth in pieces] == [depth.t_us for depth in whole]
    np.testing.assert_array_equal(values_of(pieces), values_of(whole))


def test_windows_by_count_of_events(one_model: dae.Model) -> None:
    events = events_of(2)
    depths = one_model.stream(window_events=1000, hop_events=500).push(events)
    assert len(depths) == (len(events) - 1000) // 500 + 1
    assert {depth.events for depth in depths} == {1000}
    assert depths[0].t_us == events["t"][999]


def test_overlapping_windows_come_one_per_hop(one_model: dae.Model) -> None:
    depths = one_model.stream(origin_us=0, hop_us=10_000).push(events_of(2))
    assert [depth.t_us for depth in depths] == [50_000, 60_000, 70_000, 80_000, 90_000, 100_000]


# ---- State ---------------------------------------------------------------------------------------


def test_the_state_moves_and_matters(model: dae.Model) -> None:
    stream = model.stream(origin_us=0)
    states = [stream.state().recurrent]
    for index in range(3):
        stream.push(events_of(1, first_us=index * 50_000, seed=index))
        states.append(stream.state().recurrent)
    for before, after in pairwise(states):
        for name, array in after.items():
            assert np.abs(array - before[name]).max() > 1e-3, name

    later = events_of(1, first_us=150_000, seed=3)
    snapshot = stream.state()
    (remembering,) = stream.push(later)
    stream.restore(with_state(snapshot, 0.0))
    (forgetful,) = stream.push(later)
    change = np.abs(forgetful.values - remembering.values) / remembering.values
    assert change.mean() > 1e-3


def test_a_restored_snapshot_gives_the_same_depth_bit_for_bit(model: dae.Model) -> None:
    stream = model.stream(origin_us=0)
    events = events_of(6)
    middle = len(events) // 2  # inside a window
    stream.push(events[:middle])
    snapshot, health = stream.state(), replace(stream.health)
    first = stream.push(events[middle:])
    stream.restore(snapshot)
    assert stream.health == health
    second = stream.push(events[middle:])
    other = model.stream(origin_us=0)
    other.restore(snapshot)
    third = other.push(events[middle:])
    assert len(first) >= 3
    np.testing.assert_array_equal(values_of(first), values_of(second))
    np.testing.assert_array_equal(values_of(first), values_of(third))


def test_a_snapshot_holds_copies_and_serves_more_than_once(model: dae.Model) -> None:
    stream = model.stream(origin_us=0)
    stream.push(events_of(2))
    snapshot = stream.state()
    kept = {name: array.copy() for name, array in snapshot.recurrent.items()}
    for _ in range(2):
        stream.restore(snapshot)
        stream.push(events_of(2, first_us=100_000, seed=1))
    stream.reset()
    for name, array in snapshot.recurrent.items():
        np.testing.assert_array_equal(array, kept[name])


def test_snapshots_of_other_models_or_windows_are_refused_and_change_nothing(
    model: dae.Model,
) -> None:
    stream = model.stream(origin_us=0)
    stream.push(events_of(2))
    snapshot = stream.state()
    cell = snapshot.recurrent["layer1.cell"]
    others = [
        replace(snapshot, recurrent={}),
        replace(snapshot, recurrent={**snapshot.recurrent, "layer5.cell": cell}),
        replace(snapshot, recurrent={**snapshot.recurrent, "layer1.cell": cell[..., 1:]}),
        replace(snapshot, recurrent={**snapshot.recurrent, "layer1.cell": cell.astype("f8")}),
        replace(snapshot, last=snapshot.last[1:]),
        replace(snapshot, window=snapshot.window[:-1]),
        replace(snapshot, window=b""),
        model.stream(origin_us=0, window_us=20_000).state(),
    ]
    for other in others:
        with pytest.raises(dae.ContractError, match="snapshot of"):
            stream.restore(other)
    later = events_of(1, first_us=100_000)
    depths = stream.push(later)
    stream.restore(snapshot)
    np.testing.assert_array_equal(values_of(depths), values_of(stream.push(later)))


def test_a_reset_stream_is_like_a_new_one(model: dae.Model) -> None:
    stream = model.stream()
    first = stream.push(events_of(3))
    warm = stream.push(events_of(3, first_us=150_000))
    stream.reset()
    assert stream.health == dae.Health()
    np.testing.assert_array_equal(values_of(first), values_of(stream.push(events_of(3))))
    assert not np.array_equal(first[0].values, warm[0].values)


def test_two_streams_of_a_model_do_not_know_of_each_other(model: dae.Model) -> None:
    packets = [
        [events_of(1, first_us=k * 50_000, seed=10 * s + k) for k in range(4)] for s in range(2)
    ]

    def alone(camera: list[Events]) -> NDArray[np.float32]:
        stream = model.stream(origin_us=0)
        return values_of([depth for packet in camera for depth in stream.push(packet)])

    wanted = [alone(camera) for camera in packets]
    streams = [model.stream(origin_us=0) for _ in packets]
    depths: list[list[dae.Depth]] = [[], []]
    for pair in zip(*packets, strict=True):
        for stream, packet, out in zip(streams, pair, depths, strict=True):
            out += stream.push(packet)
    with ThreadPoolExecutor(2) as pool:
        threaded = list(pool.map(alone, packets))
    for camera in range(2):
        np.testing.assert_array_equal(values_of(depths[camera]), wanted[camera])
        np.testing.assert_array_equal(threaded[camera], wanted[camera])


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


def test_windows_begin_with_the_first_event_wherever_the_grid_begins(one_model: dae.Model) -> None:
    stream = one_model.stream(origin_us=0)
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


def test_time_that_passes_without_events_ends_windows(one_model: dae.Model) -> None:
    stream, other = one_model.stream(origin_us=0), one_model.stream(origin_us=0)
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


def test_a_stream_without_events_has_nothing_to_flush(one_model: dae.Model) -> None:
    stream = one_model.stream()
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
    one_model: dae.Model,
) -> None:
    stream = one_model.stream(origin_us=0)
    events = np.concatenate([events_of(2), dae.events_from([320_000], [5], [5], [1])])
    (depth,) = stream.push(events, newest_only=True)
    assert (depth.t_us, depth.stale, depth.events) == (150_000, False, 1)
    assert stream.health.dropped_windows == 5
    (empty,) = stream.push(dae.events_from([700_000], [5], [5], [1]), newest_only=True)
    assert (empty.t_us, empty.stale) == (350_000, False)
    assert stream.health.backlog_us == 350_000


def test_newest_only_sees_a_gap_among_the_windows_it_drops(one_model: dae.Model) -> None:
    later = events_of(2, first_us=3_000_000, seed=4)
    stream = one_model.stream()
    stream.push(events_of(2))
    (depth,) = stream.push(later, newest_only=True)
    (alone,) = one_model.stream().push(later, newest_only=True)
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


def test_backlog_is_the_age_of_the_depth_against_the_newest_event(one_model: dae.Model) -> None:
    stream = one_model.stream(origin_us=0)
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
def test_what_is_no_packet_of_events_is_a_type_error(one_model: dae.Model, packet: Any) -> None:
    stream = one_model.stream()
    with pytest.raises(TypeError, match="structured array with fields t, x, y and on"):
        stream.push(packet)
    assert stream.health == dae.Health()


def test_packets_of_other_layouts_and_strides_are_taken(one_model: dae.Model) -> None:
    events = events_of(2)
    metavision = np.zeros(len(events), [("x", "u2"), ("y", "u2"), ("p", "i2"), ("t", "i8")])
    for name, own in (("x", "x"), ("y", "y"), ("t", "t"), ("p", "on")):
        metavision[name] = events[own]
    strided = np.repeat(events, 2)[::2]
    wanted = values_of(one_model.stream().push(events))
    np.testing.assert_array_equal(values_of(one_model.stream().push(metavision)), wanted)
    np.testing.assert_array_equal(values_of(one_model.stream().push(strided)), wanted)


@pytest.mark.parametrize("value", [np.nan, np.inf], ids=["nan", "inf"])
def test_a_state_that_is_not_finite_never_reaches_the_user_and_does_not_last(
    model: dae.Model, value: float
) -> None:
    stream = model.stream(origin_us=0)
    (good,) = stream.push(events_of(1))
    stream.restore(with_state(stream.state(), value))
    packets = [events_of(1, first_us=50_000 + k * 50_000, seed=k) for k in range(4)]
    depths = [depth for packet in packets for depth in stream.push(packet)]
    assert np.isfinite(values_of(depths)).all()
    failed = stream.health.not_finite
    assert failed == (1 if "states inside" in model.engine.description else 2)
    assert [depth.stale for depth in depths] == [k < failed for k in range(4)]
    for depth in depths[:failed]:
        np.testing.assert_array_equal(depth.values, good.values)
    assert all(np.isfinite(array).all() for array in stream.state().recurrent.values())
    assert stream.health.windows == stream.health.inferred == 5


def test_one_infinite_cell_is_found_though_the_depth_is_finite(model: dae.Model) -> None:
    stream = model.stream(origin_us=0)
    stream.push(events_of(1))
    snapshot = stream.state()
    snapshot.recurrent["layer1.cell"][0, 0, 5, 5] = np.inf
    stream.restore(snapshot)
    (depth,) = stream.push(events_of(1, first_us=50_000, seed=1))
    assert depth.stale
    assert stream.health.not_finite == 1


def test_after_the_second_failure_the_stream_is_as_good_as_new(one_model: dae.Model) -> None:
    stream = one_model.stream(origin_us=0)
    stream.push(events_of(1))
    stream.restore(with_state(stream.state(), np.nan))
    stream.push(events_of(2, first_us=50_000))
    later = events_of(3, first_us=150_000, seed=7)
    waiting = dae.events_from([150_000], [1], [1], [1])
    fresh = one_model.stream(origin_us=0).push(np.concatenate([waiting, later]))
    np.testing.assert_array_equal(values_of(stream.push(later)), values_of(fresh))
