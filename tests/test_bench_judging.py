"""When a run is called unstable, and when it is not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from test_bench_statistics import noise

from dae_edge.bench.comparison import compare_latencies
from dae_edge.bench.judging import drift, judge, judge_machine
from dae_edge.bench.statistics import Latencies

QUIET = {
    "warmed_up": True,
    "others_cores": 0.02,
    "stolen": 0.0,
    "involuntary_per_s": 3.0,
    "cpu_mhz": [3000.0, 2990.0, 3001.0],
    "gpu_mhz": None,
    "throttled": [],
}


def launches(count: int = 3) -> list[Latencies]:
    return [noise(seed, 150) for seed in range(count)]


def test_a_quiet_run_is_stable():
    assert judge(launches(), [QUIET] * 3) == []


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ({"warmed_up": False}, "warming up did not come to an end"),
        ({"others_cores": 1.01}, "other processes kept 1.01 cores busy"),
        ({"stolen": 0.08}, "the hypervisor took 8.0% of the time"),
        ({"involuntary_per_s": 4500.0}, "interrupted 4500 times a second"),
        ({"cpu_mhz": [3000.0] * 5 + [1500.0] * 5}, "CPU clock fell by 50% during the run"),
        ({"gpu_mhz": [1020.0] * 5 + [612.0] * 5}, "GPU clock fell by 40% during the run"),
        ({"throttled": ["cpu-throttle-alert"]}, "throttled: cpu-throttle-alert"),
    ],
)
def test_a_disturbed_machine_is_called_so(seen: dict[str, object], words: str):
    reasons = judge(launches(), [QUIET, {**QUIET, **seen}, QUIET])
    assert len(reasons) == 1
    assert reasons[0].startswith("launch 2: ")
    assert words in reasons[0]
    assert judge_machine([{**QUIET, **seen}])[0].startswith(words[:10])


def test_what_could_not_be_seen_is_no_reason():
    blind = dict.fromkeys(QUIET)
    assert judge(launches(), [blind, {}, {}]) == []


def test_few_windows_are_not_enough():
    assert judge([np.ones(12), np.ones(9)], []) == ["21 windows, at least 30 are needed"]
    assert judge([], []) == ["0 windows, at least 30 are needed"]


def test_a_latency_that_varies_is_unstable():
    values = np.where(np.arange(200) % 2, 100.0, 160.0)
    assert "varies by" in judge([values], [])[0]


def test_a_median_that_is_hardly_known_asks_for_more_windows():
    values = np.repeat(np.tile([90.0, 110.0], 4), 5)
    assert any("measure longer" in reason for reason in judge([values], []))


def test_a_latency_that_drifts_is_unstable():
    values = noise(2, 300) * np.linspace(1, 1.12, 300)
    assert drift(values) == pytest.approx(0.08, abs=0.02)
    assert any("drifts by +7%" in reason for reason in judge([values], []))


def test_launches_that_disagree_are_unstable():
    found = judge([noise(3, 150), noise(4, 150, level=115)], [])
    assert any("launches' medians are 15% apart" in reason for reason in found)


def recorded(name: str) -> list[Latencies]:
    """Latencies of a real run, launch by launch (golden/bench_runs.json)."""
    path = Path(__file__).resolve().parent / "golden" / "bench_runs.json"
    return [np.array(launch) for launch in json.loads(path.read_text())[name]]


@pytest.mark.parametrize("name", ["steady", "steady too"])
def test_a_recorded_steady_run_is_stable(name: str):
    assert judge(recorded(name), [QUIET] * 3) == []


@pytest.mark.parametrize(
    ("name", "words"), [("disturbed", "latency varies by 56%"), ("drifting", "drifts by +15%")]
)
def test_a_recorded_run_beside_busy_processes_is_unstable(name: str, words: str):
    assert any(words in reason for reason in judge(recorded(name), [QUIET] * 3))


def test_a_recorded_run_does_not_differ_from_itself_in_other_order():
    launches = recorded("steady")
    assert not compare_latencies(launches, launches[::-1])[3]
