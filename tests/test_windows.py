"""Windows as voxel grids: those of the definition, whatever the packets, and snapshots of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dae_edge as dae
from dae_edge import _native, reference
from dae_edge.contract import Contract
from dae_edge.windows import VoxelEncoder, open_windows

WIDTH, HEIGHT, BINS = 17, 12, 5
CONTRACT = Contract((WIDTH, HEIGHT), (HEIGHT, WIDTH), (), BINS)


def make_events(gaps: list[int]) -> np.ndarray:
    rng = np.random.default_rng(len(gaps))
    x, y, on = (rng.integers(0, high, len(gaps)) for high in (WIDTH, HEIGHT, 2))
    return dae.events_from(5_000 + np.cumsum(gaps), x, y, on)


def grids_of(encoder: Any, packets: list[np.ndarray]) -> list[tuple[dict[str, int], np.ndarray]]:
    drawn = []
    for packet in packets:
        offset = 0
        while True:
            used, ready = encoder.push(packet, offset)
            offset += used
            if not ready:
                break
            drawn.append((encoder.window(), render(encoder)))
    if encoder.flush():
        drawn.append((encoder.window(), render(encoder)))
    return drawn


def render(encoder: Any) -> np.ndarray:
    grid = np.empty((BINS, HEIGHT, WIDTH), np.float32)
    encoder.render(grid)
    return grid


@settings(deadline=None, max_examples=150)
@given(
    gaps=st.lists(st.integers(0, 60), min_size=1, max_size=120),
    cuts=st.lists(st.integers(0, 120), max_size=4),
    window=st.integers(1, 400),
    hop=st.integers(1, 400),
    by_count=st.booleans(),
)
def test_every_window_holds_the_grid_of_exactly_its_events(
    gaps: list[int], cuts: list[int], window: int, hop: int, by_count: bool
) -> None:
    events = make_events(gaps)
    hop = min(hop, window)
    time = {"window_us": window, "hop_us": hop}
    windows = {"window_events": window, "hop_events": hop} if by_count else time
    encoder = open_windows(CONTRACT, **windows)
    assert isinstance(encoder, VoxelEncoder)
    packets = np.split(events, sorted(cut % (len(events) + 1) for cut in cuts))
    numbered = 0
    for about, grid in grids_of(encoder, packets):
        last = np.searchsorted(events["t"], about["last_us"], side="right")
        if by_count:  # several events may share the last one's time
            numbered = numbered + hop if numbered else window
            last = len(events) if about["partial"] else numbered
        part = events[last - about["events"] : last]
        columns = [part[name] for name in ("t", "x", "y", "on")]
        wanted = reference.voxel_grid(*columns, bins=BINS, height=HEIGHT, width=WIDTH)
        np.testing.assert_array_equal(grid, wanted)


def test_events_out_of_order_count_at_the_newest_time_before_them() -> None:
    encoder = open_windows(CONTRACT, window_us=100)
    events = dae.events_from([0, 80, 40, 200], [1, 2, 3, 4], [0, 0, 0, 0], [1, 1, 1, 1])
    ((_, grid), *_) = grids_of(encoder, [events])
    sorted_events = dae.events_from([0, 80, 80], [1, 2, 3], [0, 0, 0], [1, 1, 1])
    np.testing.assert_array_equal(grid, dae.voxel_grid(sorted_events, HEIGHT, WIDTH, bins=BINS))


@pytest.mark.parametrize("impossible", [2**62, -(2**62), -(2**63)])
def test_impossible_times_are_left_out_and_move_nothing(impossible: int) -> None:
    encoder = open_windows(CONTRACT, window_us=100)
    events = dae.events_from([0, impossible, 50, 200], [1, 2, 3, 4], [0, 0, 0, 0], [1, 1, 1, 1])
    ((about, grid), *_) = grids_of(encoder, [events])
    assert about["events"] == 2
    wanted = dae.voxel_grid(events[[0, 2]], HEIGHT, WIDTH, bins=BINS)
    np.testing.assert_array_equal(grid, wanted)


@settings(deadline=None, max_examples=50)
@given(gaps=st.lists(st.integers(0, 60), min_size=2, max_size=80), at=st.integers(0, 80))
def test_a_snapshot_goes_on_as_if_nothing_had_happened(gaps: list[int], at: int) -> None:
    events = make_events(gaps)
    before, after = np.split(events, [at % len(events)])
    first, second = (open_windows(CONTRACT, window_us=300, hop_us=100) for _ in range(2))
    offset = 0
    while True:
        used, ready = first.push(before, offset)
        offset += used
        if not ready:
            break
    second.load(first.save())
    for a, b in zip(grids_of(first, [after]), grids_of(second, [after]), strict=True):
        assert a[0] == b[0]
        np.testing.assert_array_equal(a[1], b[1])


@pytest.mark.parametrize("snapshot", [b"", b"12345678", b"\xff" * 40])
def test_what_is_no_snapshot_is_refused(snapshot: bytes) -> None:
    with pytest.raises(ValueError, match="fit"):
        open_windows(CONTRACT, window_us=100).load(snapshot)


def test_memory_is_that_of_a_window_however_long_the_stream() -> None:
    encoder = open_windows(CONTRACT, window_us=1000)
    for start in range(0, 200_000, 500):
        t = np.arange(start, start + 500)
        encoder.push(dae.events_from(t, t % WIDTH, t % HEIGHT, t % 2), 0)
        encoder.push(np.empty(0, dae.EVENT), 0)
    assert isinstance(encoder, VoxelEncoder)
    assert len(encoder._kept) <= 2000


def test_tencode_models_get_the_encoder_in_c() -> None:
    contract = Contract((WIDTH, HEIGHT), (HEIGHT, WIDTH), ())
    assert isinstance(open_windows(contract, window_us=100), _native.Encoder)
