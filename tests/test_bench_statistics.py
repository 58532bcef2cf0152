"""Percentiles, intervals and the end of warming up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dae_edge.bench import statistics


def noise(seed: int, count: int = 400, level: float = 100.0) -> statistics.Latencies:
    """Latencies whose neighbours resemble each other, as on a real machine."""
    generator = np.random.default_rng(seed)
    steps = generator.normal(0, 1, count)
    values = np.empty(count)
    last = 0.0
    for index, step in enumerate(steps):
        last = 0.6 * last + step
        values[index] = level + last
    return values


@pytest.mark.parametrize(
    ("q", "fewest"), [(50.0, 2), (90.0, 10), (95.0, 20), (99.0, 100), (99.9, 1000)]
)
def test_a_percentile_needs_a_window_beyond_it(q: float, fewest: int):
    assert statistics.percentile([1.0] * (fewest - 1), q) is None
    assert statistics.percentile([1.0] * fewest, q) == 1.0


def test_percentiles_are_numpys():
    values = noise(0, 1000)
    for q in statistics.PERCENTILES:
        assert statistics.percentile(values, q) == pytest.approx(np.percentile(values, q))


@given(st.lists(st.floats(1, 1e6), min_size=1, max_size=200), st.floats(1, 1e6))
def test_a_constant_end_is_always_settled(before: list[float], level: float):
    assert statistics.settled([*before, *[level] * 15])


def test_a_falling_latency_is_not_settled():
    assert not statistics.settled([100 * 0.97**k for k in range(40)])


def test_neighbours_that_resemble_each_other_are_drawn_together():
    slow = np.repeat(noise(1, 40), 25)  # the same for 25 windows, then another
    assert statistics.block_length(slow) > 15
    independent = np.random.default_rng(2).normal(100, 1, 1000)
    assert statistics.block_length(independent) <= 12


def test_the_interval_holds_the_true_median_about_as_often_as_it_says():
    held = 0
    for seed in range(60):
        low, high = statistics.median_interval([noise(seed, 150)]) or (0, 0)
        held += low <= 100 <= high
    assert held >= 50  # 95 % of 60 are 57; short runs with memory fall a little short


def test_the_same_samples_give_the_same_interval():
    values = [noise(3), noise(4)]
    assert statistics.median_interval(values) == statistics.median_interval(values)
    assert statistics.median_interval([]) is None


def test_launches_that_differ_make_the_interval_wide():
    alike = statistics.median_interval([noise(5), noise(6), noise(7)])
    apart = statistics.median_interval([noise(5), noise(6, level=120), noise(7, level=110)])
    assert alike is not None
    assert apart is not None
    assert apart[1] - apart[0] > 10 * (alike[1] - alike[0])


def test_a_summary_leaves_out_what_it_cannot_know():
    told = statistics.summary([noise(8, 50), noise(9, 60)])
    assert told["windows"] == 110
    assert told["p99"] is not None
    assert told["p99.9"] is None
    assert told["p50_interval"][0] <= told["p50"] <= told["p50_interval"][1] <= told["max"]
    assert statistics.summary([np.empty(0)]) == {"windows": 0}


@given(st.lists(st.floats(0.1, 1e7), min_size=1, max_size=60))
def test_a_summary_exists_for_any_latencies(values: list[float]):
    told = statistics.summary([np.array(values)])
    assert min(values) <= told["mean"] * (1 + 1e-12)
    assert told["max"] == max(values)
