"""The comparison that every engine has to pass, and its limits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import write_bundle

from dae_edge import bundle as bundles
from dae_edge.backends.tensorrt import gate
from dae_edge.backends.tensorrt.finish import limits_of
from dae_edge.backends.tensorrt.gate import compare, complaint
from dae_edge.errors import ContractError
from dae_edge.recipes import load_target


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


def test_a_difference_grows_with_the_state_and_the_worst_window_counts() -> None:
    assert compare(Rolling(), Rolling(), IMAGES, LIMITS)["passed"]
    parity = compare(Rolling(1.01), Rolling(), IMAGES, LIMITS)
    assert parity["passed"]
    assert parity["worst"]["depth_mean"] > 0.02  # 1 % in one window, more in the fourth
    assert not compare(Rolling(1.03), Rolling(), IMAGES, LIMITS)["passed"]
    stepwise = compare(Rolling(1.03), Rolling(), IMAGES, LIMITS, stepwise=True)
    assert stepwise["passed"]
    assert stepwise["worst"]["depth_mean"] == pytest.approx(0.03, rel=1e-3)


def test_a_miss_names_metrics_and_limits_and_nan_never_passes() -> None:
    parity = compare(Rolling(1.1), Rolling(), IMAGES, LIMITS | {"state": 9.0})
    assert complaint(parity) == "depth_mean 2.76e-01 > 5.00e-02; depth_p999 2.76e-01 > 5.00e-02"
    parity = compare(Rolling(bad_at=3), Rolling(), IMAGES, LIMITS)
    assert not parity["passed"]
    assert complaint(parity) == "NaN or infinity within 4 windows"
    json.dumps(parity, allow_nan=False)
    assert not compare(Rolling(), Rolling(), [], LIMITS)["passed"]


def test_limits_come_from_the_manifest_the_target_or_the_precision(tmp_path: Path) -> None:
    written = bundles.read(write_bundle(tmp_path / "a.dae"))
    onnx = written.path / "model.onnx"

    def limits(**changes: Any) -> dict[str, float]:
        manifest = {**written.manifest, "engine": {"file": "model.onnx"}, **changes}
        return limits_of(replace(written, manifest=manifest), onnx)

    assert limits(target="onnx-fp32") == load_target("onnx-fp32").parity
    half = {"compute": "float16"}
    assert limits(target="of a later version", precision=half) == gate.LIMITS["float16"]
    assert limits(target="unknown", precision={"compute": "int8"}) == gate.LIMITS["int8"]
    assert limits(engine={"file": "other.onnx"}, precision=half) == gate.LIMITS["float32"]
    assert limits(parity={"windows": 3, **LIMITS}, precision=half)["state"] == 0.05
    for bad in ("much", True, None, 0, -1, float("inf"), float("nan")):
        with pytest.raises(ContractError, match=r"parity\.state: wanted a number above 0"):
            limits(parity={"windows": 3, **LIMITS, "state": bad})
    with pytest.raises(ContractError, match=r"parity\.windows: wanted"):
        limits(parity=LIMITS)
    with pytest.raises(ContractError, match=r"parity\.depth_mean: wanted"):
        limits(parity=3)
