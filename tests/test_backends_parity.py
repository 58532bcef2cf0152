"""The comparison that every engine has to pass: with torch, and on the device with another."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dae_edge import bundle as bundles
from dae_edge.backends import load_engine
from dae_edge.backends.parity import Parity, WindowError, compare, roll, told
from dae_edge.contract import Contract
from dae_edge.sample import sample_windows


class Rolling:
    """An engine whose depth and state count windows, scaled by a factor."""

    def __init__(self, factor: float = 1.0, bad_at: int = 99) -> None:
        self.description = f"times {factor}"
        self._factor, self._bad_at, self._value = factor, bad_at, 0.0
        self.image = np.zeros((2, 2, 3), np.uint8)

    def session(self) -> Rolling:
        return Rolling(self._factor, self._bad_at)

    def run(self) -> Any:
        self._value = (self._value + 1) * self._factor
        depth = np.full((2, 2), self._value, np.float32)
        if self._value >= self._bad_at:
            depth[0, 0] = np.nan
        return depth

    def state(self) -> dict[str, Any]:
        return {"s": np.full((1, 2), self._value, np.float32)}

    def restore(self, state: dict[str, Any]) -> None:
        self._value = float(state["s"][0, 0])


IMAGES = [np.zeros((2, 2, 3), np.uint8)] * 4
LIMITS = {"depth_mean": 0.05, "depth_p999": 0.05, "state": 0.05}


def against_counting(engine: Rolling, count: int = 4, **options: Any) -> Parity:
    images = IMAGES[:count]
    limits = LIMITS | options.pop("limits", {})
    truth = roll(Rolling(), images)
    return compare(engine, images, truth, limits, reference="counting", **options)


def test_a_difference_grows_with_the_state_and_the_worst_window_counts() -> None:
    assert against_counting(Rolling()).passed
    parity = against_counting(Rolling(1.01))
    assert parity.passed
    assert parity.worst["depth_mean"] > 0.02  # 1 % in one window, more in the fourth
    assert not against_counting(Rolling(1.03)).passed
    stepwise = against_counting(Rolling(1.03), stepwise=True)
    assert stepwise.passed
    assert stepwise.worst["depth_mean"] == pytest.approx(0.03, rel=1e-3)


def test_a_miss_names_metrics_and_limits_and_nan_never_passes() -> None:
    parity = against_counting(Rolling(1.1), limits={"state": 9.0})
    assert parity.complaint == "depth_mean 2.76e-01 > 5.00e-02; depth_p999 2.76e-01 > 5.00e-02"
    parity = against_counting(Rolling(bad_at=3))
    assert not parity.passed
    assert parity.complaint == "NaN or infinity within 4 windows"
    assert not against_counting(Rolling(), count=0).passed


def test_a_truth_that_is_not_finite_proves_nothing() -> None:
    infinite = {name: float("inf") for name in LIMITS}
    truth = roll(Rolling(bad_at=1), IMAGES)
    parity = compare(Rolling(), IMAGES, truth, infinite, reference="broken")
    assert not parity.finite
    assert not parity.passed


def test_a_window_that_is_not_finite_fails_whatever_the_limits() -> None:
    infinite = float("inf")
    limits = {"depth_mean": infinite, "depth_p999": infinite, "state": infinite}
    good = WindowError(0.0, 0.0, 0.0, finite=True)
    bad = WindowError(infinite, infinite, infinite, finite=False)
    assert Parity("engine", "torch", limits, (good, good)).passed
    assert not Parity("engine", "torch", limits, (good, bad)).passed


def test_a_report_is_json_and_has_every_window_also_where_one_is_not_finite() -> None:
    report = json.loads(json.dumps(against_counting(Rolling(bad_at=3)).as_dict(), allow_nan=False))
    assert (report["engine"], report["reference"]) == ("times 1.0", "counting")
    assert report["worst"] == dict.fromkeys(LIMITS)
    assert [window["finite"] for window in report["windows"]] == [True, True, False, False]


def test_progress_is_told_before_each_window() -> None:
    steps: list[tuple[str, float | None]] = []
    for _ in told(IMAGES, "rolled", lambda step, fraction=None: steps.append((step, fraction))):
        assert len(steps)
    assert steps == [("rolled", k / 4) for k in range(4)]


def test_parity_of_a_real_engine_finds_a_state_that_is_too_far(small_bundle: Path) -> None:
    pytest.importorskip("onnxruntime")
    contract = bundles.read(small_bundle).contract
    engine = load_engine("onnxruntime", small_bundle / "model.onnx", contract, threads=1)
    images = list(islice(sample_windows(Contract((112, 84), (84, 112), ()), window_us=50_000), 2))
    truth = list(roll(engine, images))
    limits = {"depth_mean": 1e-6, "depth_p999": 1e-6, "state": 1e-6}
    same = compare(engine, images, truth, limits, reference="itself")
    assert same.passed
    assert same.worst == {"depth_mean": 0.0, "depth_p999": 0.0, "state": 0.0}
    truth[1][1]["layer2.cell"][0, 0, 0, 0] += 1.0
    moved = compare(engine, images, truth, limits, reference="itself, moved")
    assert not moved.passed
    assert moved.worst["state"] > 0.1
    assert moved.worst["depth_mean"] == 0.0
