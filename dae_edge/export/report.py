"""The verdict of an export as a page for people: report.md."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from dae_edge.backends.parity import Parity

MOST_NODES = 12
"""Kinds of nodes that the placement lists."""


def markdown(manifest: dict[str, Any], report: dict[str, Any], parities: list[Parity]) -> str:
    """What was exported, how far it is from torch and from float32, and what it took.

    Args:
        manifest: Of the bundle.
        report: As in report.json.
        parities: Engines against torch.
    """
    lines = [*_head(manifest, report), *_parity(parities)]
    if report["budget"]:
        lines += [*_budget(report), *_drift(report)]
    lines += [*_int8(report), *_search(report), *_cost(report), *_placement(report)]
    if "ahead_of_time" in report:
        lines += _device(manifest, report["ahead_of_time"])
    versions = ", ".join(f"{name} {value}" for name, value in report["versions"].items())
    return "\n".join([*lines, "", f"Made with {versions}, on {report['machine']}.", ""])


def _head(manifest: dict[str, Any], report: dict[str, Any]) -> Iterator[str]:
    width, height = manifest["input"]["sensor"]
    yield f"# {manifest['model']['name']} for {manifest['target']}, {width}x{height}"
    yield ""
    yield f"Weights: {manifest['weights']['source']} (sha256 {manifest['weights']['sha256'][:16]})"
    yield ""
    verdict = "passed" if report["passed"] else "FAILED, written because it was asked for"
    yield f"Verdict: **{verdict}**"
    if not manifest["weights"]["trained"]:
        yield ""
        yield "**Untrained weights: the depth has no meaning.** Budgets are measured, not enforced."


def _parity(parities: list[Parity]) -> Iterator[str]:
    yield "\n## Parity with torch\n"
    if parities[0].stepwise:
        yield "In this model rounding grows from window to window, in torch and engines alike: each"
        yield "window was compared from torch's state, not from the engine's own.\n"
    yield "Engine against torch in float32, over consecutive windows of the shipped sample with the"
    yield "state carried along; the worst window of each error, and the limit.\n"
    yield "| engine | windows | depth, mean relative | depth, 99.9th percentile | state | verdict |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for proof in parities:
        cells = [
            f"{value:.1e} (limit {proof.limits[name]:.0e})" for name, value in proof.worst.items()
        ]
        verdict = "passed" if proof.passed else "failed"
        yield f"| {proof.engine} | {len(proof.windows)} | {' | '.join(cells)} | {verdict} |"


def _budget(report: dict[str, Any]) -> Iterator[str]:
    budget = report["budget"]
    yield "\n## Budget: what is lost against float32\n"
    yield f"Judged in {report['engine']}, states carried along."
    yield "`absrel` and `delta1`: the rise and the fall against the truth (strict protocol);"
    yield "`fp32_absrel` and `fp32_delta1`: AbsRel and 1 - delta1 with the depth of float32 as the"
    yield "truth, not aligned.\n"
    yield "| limit | where | measured | allowed | verdict |"
    yield "| --- | --- | --- | --- | --- |"
    for check in budget["checks"]:
        value = _told(check["value"], "+.4f")
        verdict = "passed" if check["passed"] else "**over**"
        yield f"| {check['name']} | {check['where']} | {value} | {check['limit']:g} | {verdict} |"
    yield "\n| sequence | windows | AbsRel float32 | AbsRel | delta1 float32 | delta1 |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for before, after in zip(budget["fp32"], budget["target"], strict=True):
        cells = [before["absrel"], after["absrel"], before["delta1"], after["delta1"]]
        shown = ["no truth" if value is None else f"{value:.4f}" for value in cells]
        yield f"| {after['name']} | {after['windows']} | {' | '.join(shown)} |"


def _drift(report: dict[str, Any]) -> Iterator[str]:
    drift = report["budget"]["drift"]
    if drift:
        yield "\nDrift, the longest sequence again and again: " + "; ".join(
            f"window {one['window']}: AbsRel {_told(one['fp32_absrel'])}" for one in drift
        )


def _int8(report: dict[str, Any]) -> Iterator[str]:
    if not report["calibration"]:
        return
    yield "\n## INT8\n"
    about = report["calibration"]
    sequences = ", ".join(f"{name} ({count} windows)" for name, count in about["sequences"].items())
    yield f"Calibrated on {sequences}, sha256 {about['sha256'][:16]}, with the states that occur."
    if about["also_judged"]:
        yield f"**{about['also_judged']} of these windows were judged on too: the verdict"
        yield "flatters.**"
    yield f"{report['quantized_layers']} layers in int8, {len(report['kept'])} kept in float;"
    how = "by what goes in together" if about["compensate"] else "each to the nearest"
    yield f"weights in {about['weight_bits']} bits, rounded {how}."
    if report["kept"]:
        yield "\n| layer kept | module | AbsRel to float32, this layer alone in int8 |"
        yield "| --- | --- | --- |"
        for one in report["kept"]:
            yield f"| {one['layer']} | {one['module']} | {_told(one['absrel_alone'])} |"


def _search(report: dict[str, Any]) -> Iterator[str]:
    search = report["search"]
    if not search:
        return
    yield "\n## What was tried\n"
    harms = sorted(search["harms"], key=lambda one: -_or_infinite(one["absrel"]))[:10]
    if harms:
        yield "The most harmful layers, each quantized alone (AbsRel to float32): " + ", ".join(
            f"{one['about']} {_told(one['absrel'])}" for one in harms
        )
    if search["attempts"]:
        yield "\n| layers kept | AbsRel to float32 | 1 - delta1 | time, float32 = 1 | verdict |"
        yield "| --- | --- | --- | --- | --- |"
        for one in sorted(search["attempts"], key=lambda one: len(one["kept"])):
            verdict = "held" if one["passed"] else "over"
            yield (
                f"| {len(one['kept'])} | {_told(one['absrel'])} | {_told(one['delta1'])} | "
                f"{one['latency_ratio']:.2f} | {verdict} |"
            )
        yield "\nAnother of these, or any other number of layers: `--keep N` with the same command."
    if not search["finished"]:
        yield "\nStopped by its time: the same command goes on."


def _cost(report: dict[str, Any]) -> Iterator[str]:
    yield "\n## Size and time\n"
    yield ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in report["bytes"].items())
    target, float32 = report["latency_ms"]["target"], report["latency_ms"].get("float32")
    if float32 is None:
        yield f"\nOne window, median: {target:.1f} ms. To rely on: dae-bench."
    else:
        yield f"\nOne window, median, side by side with float32 in ONNX Runtime: {target:.1f} ms"
        yield f"against {float32:.1f} ms ({target / float32:.2f} of it). To rely on: dae-bench."


def _placement(report: dict[str, Any]) -> Iterator[str]:
    placed = report["placement"]
    if not placed:
        return
    yield "\n## What the engine runs\n"
    heavy = ", ".join(f"{count} in {name}" for name, count in placed["heavy"].items())
    yield f"By {placed['source']}: layers and products: {heavy}. Most frequent nodes: " + ", ".join(
        f"{name} {count}" for name, count in list(placed["nodes"].items())[:MOST_NODES]
    )


def _device(manifest: dict[str, Any], ahead: dict[str, Any]) -> Iterator[str]:
    yield "\n## On the device\n"
    if ahead["built"]:
        capabilities = ", ".join(ahead["compute_capabilities"])
        yield f"TensorRT for RTX {ahead['version']} parsed and built it ahead of time for"
        yield f"{capabilities}: {ahead['layers']} layers, {ahead['plan_bytes'] / 1e6:.1f} MB."
        yield "Nothing was executed on a GPU."
    else:
        yield f"Not built ahead of time: {ahead['reason']}."
    yield "The engine is built, and compared with ONNX Runtime, on the device: by"
    yield "`dae-export --finish BUNDLE`, or at the first load. Accuracy above is of"
    yield f"{manifest['engine']['file']} in ONNX Runtime."


def _told(value: float | None, form: str = ".4f") -> str:
    """A number of a report, in which what was not finite is ``None``."""
    return "not finite" if value is None else format(value, form)


def _or_infinite(value: float | None) -> float:
    return math.inf if value is None else value
