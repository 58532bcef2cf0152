"""The same thing twice is "no difference"; a real difference is told with its interval."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from test_bench_record import small_record
from test_bench_statistics import noise

from dae_edge.bench.comparison import compare, compare_latencies, differences
from dae_edge.bench.record import Record


def run(seed: int, launches: int = 3, level: float = 100.0) -> list[np.ndarray]:
    """Launches as they are: each has a level of its own, within a per cent or so."""
    generator = np.random.default_rng(1000 + seed)
    levels = level * np.exp(generator.normal(0, 0.008, launches))
    return [noise(seed * 10 + k, 150, levels[k]) for k in range(launches)]


@pytest.mark.parametrize("launches", [1, 3, 5])
def test_two_runs_of_the_same_are_rarely_called_different(launches: int):
    called = sum(
        compare_latencies(run(seed, launches), run(500 + seed, launches))[3] for seed in range(40)
    )
    assert called <= 1


@pytest.mark.parametrize(("launches", "factor"), [(3, 1.10), (5, 1.05), (1, 1.15)])
def test_a_real_difference_is_found_whichever_way(launches: int, factor: float):
    found = 0
    for seed in range(20):
        a, b = run(seed, launches), run(500 + seed, launches, 100 * factor)
        ratio, low, high, different = compare_latencies(a, b)
        found += different
        assert low <= ratio <= high
        assert compare_latencies(b, a)[0] == pytest.approx(1 / ratio)
        assert not different or (low > 1 and ratio == pytest.approx(factor, rel=0.06))
    assert found >= 17


def test_a_difference_too_small_to_matter_is_none_however_sure():
    a = [np.full(200, 100.0)] * 3
    b = [np.full(200, 101.0)] * 3
    assert compare_latencies(a, b) == (pytest.approx(1.01), *[pytest.approx(1.01)] * 2, False)


def test_nothing_to_compare_is_said():
    with pytest.raises(ValueError, match="no windows"):
        compare_latencies([np.empty(0)], run(1))


def test_cases_are_found_by_name_and_doubts_are_told():
    a = small_record()
    b = deepcopy(a)
    found = compare(a, b)
    assert [one.label for one in found] == [result.case.label for result in a.results]
    assert all("no difference (ratio 1.000" in str(one) for one in found)
    assert found[1].doubts == ("A is unstable", "B is unstable")
    b.results[0].about["weights_sha256"] = "other"
    assert "the weights are not the same" in compare(a, b)[0].doubts
    assert differences(a, a) == []
    b.machine["name"], b.protocol["pin"] = "another machine", [1]
    b.machine["facts"]["power_mode"] = "15W (0)"
    told = differences(a, b)
    assert any("another machine" in line for line in told)
    assert any("power mode" in line for line in told)
    assert any("pin" in line for line in told)


def test_one_case_each_is_compared_whatever_its_name_and_more_are_not():
    a, b = small_record(), small_record()
    with pytest.raises(ValueError, match="no case in common"):
        compare(a, _renamed(b))
    a.results, b.results = a.results[:1], b.results[:1]
    (found,) = compare(a, b)
    assert found.label == "quick / quick, renamed"


def test_faster_and_slower_are_named():
    a, b = small_record(), small_record(factor=1.5)
    assert "B is 1.488 times slower (ratio 1.488" in str(compare(a, b)[0])
    assert "B is 1.488 times faster (ratio 0.672" in str(compare(b, a)[0])


def _renamed(record: Record) -> Record:
    for result in record.results:
        result.case = replace(result.case, label=f"{result.case.label}, renamed")
    return record
