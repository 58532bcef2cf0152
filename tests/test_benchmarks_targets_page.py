"""The tables of targets: what is there, why something is not, and nothing that was not measured."""

from __future__ import annotations

from typing import Any

from benchmarks.targets_page import lines

TARGETS = ["onnx-fp16", "onnx-fp32", "ov-int8", "trt-fp16"]


def scores(absrel: float, distance: float) -> list[dict[str, Any]]:
    return [
        {"absrel": absrel, "delta1": 1 - absrel, "fp32_absrel": distance},
        {"absrel": None, "delta1": None, "fp32_absrel": distance + 0.002},
    ]


def row(target: str, **changes: Any) -> dict[str, Any]:
    check = {"name": "absrel", "where": "mean", "value": 0.01, "passed": True}
    return {
        "model": "m", "target": target, "trained": True, "weights_about": "", "recurrent": True,
        "machine": "a CPU",
        "engine": "openvino", "scores": scores(0.31, 0.004), "fp32": scores(0.3, 0.0),
        "drift": [{"fp32_absrel": 0.005}], "checks": [check], "bytes": 2_500_000,
        "latency_ms": {"target": 5.0, "float32": 10.0}, "kept": 1, **changes,
    }  # fmt: skip


def float32() -> dict[str, Any]:
    return row(
        "onnx-fp32", engine="onnxruntime", scores=None, fp32=None, drift=None, checks=None,
        latency_ms={"target": 10.0}, kept=0,
    )  # fmt: skip


def page(*rows: dict[str, Any], models: tuple[str, ...] = ("m",)) -> list[str]:
    content = {
        "when": "2026-01-02T03:04:05", "protocol": "strict",
        "judged_on": "a,b", "calibrated_on": "c", "rows": list(rows),
    }  # fmt: skip
    return lines(content, models, TARGETS)


def test_a_trained_model_is_told_with_its_scores_and_what_they_lost():
    made = page(row("onnx-fp16"), float32())
    assert made[0] == (
        "a CPU; last measured 2026-01-02; strict. Trained weights: judged on a, b; int8 calibrated "
        "on c."
    )
    assert "**m**, the student that ships" in made
    assert (
        "| `onnx-fp16` | 0.3100 | +0.0100 | 0.6900 | -0.0100 | 0.0050 | 0.0050 | 2.5 | 5.0 | 0.50 "
        "| 1 | held |"
    ) in made
    assert (
        "| `onnx-fp32` | 0.3000 | 0 | 0.7000 | 0 | 0 | 0 | 2.5 | 10.0 | 1 | 0 | none: float32 |"
    ) in made


def test_of_an_untrained_model_only_the_distance_is_told():
    made = page(row("ov-int8", trained=False))
    assert "| target | AbsRel to float32 | MB | ms | of float32's | layers kept | budget |" in made
    assert "| `ov-int8` | 0.0050 | 2.5 | 5.0 | 0.50 | 1 | held |" in made


def test_a_file_that_another_engine_judged_has_no_time():
    made = page(row("trt-fp16", engine="onnxruntime 1.32.0 CPU"))
    (told,) = (line for line in made if line.startswith("| `trt-fp16`"))
    assert told.endswith("| 2.5 | not measured | not measured | 1 | held, in ONNX Runtime |")


def test_bits_of_quantized_weights_are_told():
    made = page(
        row("ov-int8", weight_bits=7, compensate=True),
        row("trt-int8", weight_bits=8, compensate=False),
        row("onnx-fp16", weight_bits=None, compensate=None),
    )
    assert [line.split(" | ")[0] for line in made if line.startswith("| `")] == [
        "| `ov-int8`, 7 bits", "| `trt-int8`, 8 bits, nearest", "| `onnx-fp16`",
    ]  # fmt: skip


def test_a_row_of_another_machine_is_marked():
    made = page(row("onnx-fp16", machine="an older CPU"), float32(), row("ov-int8"))
    assert made[0].startswith("a CPU; ¹ on an older CPU; last measured 2026-01-02; ")
    assert [line.split(" | ")[0] for line in made if line.startswith("| `")] == [
        "| `onnx-fp16`¹", "| `onnx-fp32`", "| `ov-int8`",
    ]  # fmt: skip


def test_a_budget_that_was_missed_and_an_export_that_was_refused_say_why():
    over = {"name": "absrel", "where": "worst: road", "value": 0.041, "passed": False}
    refused = {
        "model": "m",
        "target": "ov-int8",
        "trained": True,
        "machine": "a CPU",
        "error": "no such node",
    }
    made = page(row("onnx-fp16", checks=[over]), refused)
    assert made[-4].endswith("| over: absrel +0.041 (worst: road) |")
    assert made[-3] == "| `ov-int8` |" + " |" * 10 + " not exported: no such node |"
    (titles,) = (line for line in made if line.startswith("| target"))
    assert titles.count("|") == made[-3].count("|")


def test_what_was_not_measured_is_named():
    made = page(row("onnx-fp16"), float32(), models=("m", "other"))
    assert made[-1] == "Not measured: m: ov-int8, trt-fp16; other: all."
    assert page(*(row(target) for target in TARGETS))[-1].startswith("| `trt-fp16`")


def test_a_model_without_a_state_cannot_drift_and_other_weights_are_named():
    made = page(row("ov-int8", drift=[], recurrent=False, weights_about="trained: `a/b`"))
    assert "**m**, trained: `a/b`" in made
    assert "| 0.0050 | no state | 2.5 |" in "\n".join(made)
    assert "| 0.0050 | not measured | 2.5 |" in "\n".join(page(row("ov-int8", drift=[])))


def test_depth_that_is_not_finite_is_called_so():
    check = {"name": "absrel", "where": "mean", "value": None, "passed": False}
    gone = [{"absrel": None, "delta1": 0.0, "fp32_absrel": None}]
    drift = [{"fp32_absrel": None}]
    made = "\n".join(page(row("onnx-fp16", scores=gone, drift=drift, checks=[check])))
    assert f"| `onnx-fp16` |{' not finite |' * 6} 2.5 | 5.0 | 0.50 | 1 |" in made
    assert made.endswith(
        "| over: depth is not finite |\n\nNot measured: m: onnx-fp32, ov-int8, trt-fp16."
    )
