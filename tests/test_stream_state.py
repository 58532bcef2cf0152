"""The recurrent state of a stream: it moves, matters, can be kept, and trouble does not last."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from small_streams import events_of, values_of, with_state

import dae_edge as dae
from dae_edge.events import Events


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


def test_after_the_second_failure_the_stream_is_as_good_as_new(small_model: dae.Model) -> None:
    stream = small_model.stream(origin_us=0)
    stream.push(events_of(1))
    stream.restore(with_state(stream.state(), np.nan))
    stream.push(events_of(2, first_us=50_000))
    later = events_of(3, first_us=150_000, seed=7)
    waiting = dae.events_from([150_000], [1], [1], [1])
    fresh = small_model.stream(origin_us=0).push(np.concatenate([waiting, later]))
    np.testing.assert_array_equal(values_of(stream.push(later)), values_of(fresh))
