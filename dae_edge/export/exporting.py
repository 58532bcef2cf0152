"""The steps from weights to a bundle, in order."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from dae_edge import _native, bundle
from dae_edge.backends import load_engine
from dae_edge.contract import Contract
from dae_edge.errors import BudgetError
from dae_edge.export.graph import ContractGraph, export_onnx
from dae_edge.export.model import Prepared, prepare
from dae_edge.export.parity import Parity, compare, roll_torch
from dae_edge.export.report import markdown
from dae_edge.extras import require
from dae_edge.nn.network import DepthNetwork
from dae_edge.recipes import Recipe, Sensor, Target, load_target
from dae_edge.sample import sample_windows

ONNX_FILE = "model.onnx"
PORTABLE = "onnx-fp32"
"""The target whose limits hold for the portable ONNX file, whatever is made of it."""


class Steps(Protocol):
    """Hears of progress: the name of a step, and the fraction of it that is done if known."""

    def __call__(self, step: str, fraction: float | None = None, /) -> None:
        """Called when a step begins, and as it goes on."""


@dataclass(frozen=True)
class ExportResult:
    """What an export made.

    Attributes:
        path: The bundle.
        report: What report.json says: parity, sizes, versions.
    """

    path: Path
    report: dict[str, Any]


def export_bundle(
    recipe: Recipe,
    target: Target,
    sensor: Sensor,
    out: Path,
    *,
    weights: Path | None = None,
    config: Path | None = None,
    progress: Steps = lambda step, fraction=None: None,
) -> ExportResult:
    """Export a model and prove it; the bundle appears at ``out`` only if the proof succeeds.

    Args:
        recipe: Which model.
        target: For which engine, in which precision.
        sensor: For which camera.
        out: Path of the bundle; an older one there is replaced at the very end.
        weights: Checkpoint (.pth or .safetensors); None: the seeded initialisation, which marks
            the bundle and everything it gives as untrained.
        config: The checkpoint's config.json, instead of the one inside or beside it.
        progress: Called with the name of each step as it begins, and again with the fraction of
            it that is done where that is known.

    Raises:
        BudgetError: an engine is farther from torch than the target allows; no bundle is written.
        ContractError: the weights do not fit the model, or the exporter broke the contract.
        FormatError: ``weights`` is not a checkpoint.
    """
    progress(f"{recipe.name}: weights")
    prepared = prepare(recipe, weights, config)
    model = prepared.model
    with bundle.writing(out) as folder:
        progress(f"ONNX for {sensor.width}x{sensor.height}")
        contract = export_onnx(model, recipe, sensor, folder / ONNX_FILE)
        if target.file != ONNX_FILE:
            progress(f"{target.name}: {target.file}")
            _write_ir(folder / ONNX_FILE, folder / target.file)
        manifest = _manifest(recipe, target, sensor, prepared, contract)
        proofs = _prove(model, recipe, sensor, target, contract, folder, progress)
        report = {
            "passed": all(proof.passed for proof in proofs),
            "parity": [proof.as_dict() for proof in proofs],
            "machine": f"{platform.machine()} {platform.system()}",
            "versions": manifest["created_with"],
        }
        manifest["verdict"] = {
            "passed": report["passed"],
            "parity": [{"engine": proof.engine, **proof.worst} for proof in proofs],
        }
        if not report["passed"]:
            raise BudgetError(_complaint(target, proofs))
        text = json.dumps(report, indent=2, allow_nan=False)
        (folder / "report.json").write_text(text + "\n", encoding="utf-8")
        (folder / "report.md").write_text(markdown(manifest, proofs), encoding="utf-8")
        bundle.seal(folder, manifest)
    return ExportResult(out, report)


def _write_ir(onnx: Path, xml: Path) -> None:
    openvino = require("openvino", extra="openvino", purpose="this target")
    model = openvino.Core().read_model(str(onnx))
    openvino.save_model(model, str(xml), compress_to_fp16=True)


def _prove(
    model: DepthNetwork,
    recipe: Recipe,
    sensor: Sensor,
    target: Target,
    contract: Contract,
    folder: Path,
    progress: Steps,
) -> list[Parity]:
    """Torch against the ONNX in ONNX Runtime, and against the target's own file and engine."""
    windows = sample_windows(
        contract,
        window_us=recipe.window_us,
        white=recipe.background == "white",
    )
    images = list(islice(windows, int(target.parity["windows"])))
    if len(images) < target.parity["windows"]:
        wanted = int(target.parity["windows"])
        raise ValueError(
            f"{target.name}: parity over {wanted} windows, the sample has {len(images)}"
        )
    told = _told(images, f"torch over {len(images)} windows", progress)
    truth = roll_torch(ContractGraph(model, sensor, voxel_bins=contract.voxel_bins), told)
    engines = [("onnxruntime", ONNX_FILE)]
    if (target.backend, target.file) not in engines:
        engines.append((target.backend, target.file))
    proofs = []
    for backend, file in engines:
        engine = load_engine(backend, folder / file, contract, threads=None)
        told = _told(images, f"{backend} over {len(images)} windows", progress)
        limits = target.parity if file == target.file else load_target(PORTABLE).parity
        proofs.append(compare(engine, told, truth, limits, stepwise=recipe.stepwise_parity))
    return proofs


def _told(images: list[Any], step: str, progress: Steps) -> Iterator[Any]:
    """The images one by one, telling how many are done."""
    for index, image in enumerate(images):
        progress(step, index / len(images))
        yield image


def _manifest(
    recipe: Recipe,
    target: Target,
    sensor: Sensor,
    prepared: Prepared,
    contract: Contract,
) -> dict[str, Any]:
    return {
        "model": {
            "name": recipe.name,
            **prepared.about,
            "parameters": sum(parameter.numel() for parameter in prepared.model.parameters()),
        },
        "weights": prepared.weights,
        "input": {
            "encoding": contract.encoding,
            **({"bins": contract.voxel_bins} if contract.voxel_bins else {}),
            "sensor_name": sensor.name,
            "sensor": list(contract.sensor),
            "crop": list(sensor.crop),
            "window_us": recipe.window_us,
            "background": recipe.background,
        },
        "states": [
            {"name": state.name, "shape": list(state.shape), "dtype": state.dtype}
            for state in contract.states
        ],
        "output": {
            "shape": list(contract.depth_shape),
            "unit": prepared.unit,
        },
        "target": target.name,
        "precision": target.precision,
        "onnx": ONNX_FILE,
        "engine": {"backend": target.backend, "file": target.file},
        "created_with": _versions(target),
    }


def _versions(target: Target) -> dict[str, str]:
    packages = ["torch", "onnx", "onnxscript", "onnxruntime"]
    packages += [target.backend] if target.backend not in packages else []
    versions = {"dae-edge": _native.VERSION, "python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def _complaint(target: Target, proofs: list[Parity]) -> str:
    over = [
        f"{proof.engine}: {name} {value:.2e} > {proof.limits[name]:.2e}"
        for proof in proofs
        for name, value in proof.worst.items()
        if not value <= proof.limits[name]
    ]
    return f"{target.name}: too far from the torch model, no bundle written: {'; '.join(over)}"
