"""The steps from weights to a bundle, in order."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from dae_edge import _native, bundle
from dae_edge.backends import load_engine
from dae_edge.backends.parity import Parity, Rolled, compare, told
from dae_edge.contract import Contract
from dae_edge.errors import BudgetError
from dae_edge.export.ahead import ahead_of_time
from dae_edge.export.graph import ContractGraph, export_onnx, roll_torch
from dae_edge.export.model import Prepared, prepare
from dae_edge.export.pictures import write_pictures
from dae_edge.export.proving import Proof, Prover, Wishes, complaint, judging_backend
from dae_edge.export.report import markdown
from dae_edge.finite import finite_only
from dae_edge.nn.network import DepthNetwork
from dae_edge.processor import processor
from dae_edge.recipes import Recipe, Sensor, Target, load_target
from dae_edge.sample import sample_windows

ONNX_FILE = "model.onnx"
PORTABLE = "onnx-fp32"
"""The target whose limits hold for the portable ONNX file, whatever is made of it."""

STEP_WITHOUT_MEMORY = 4
"""Every fourth window is compared of a model in which no window changes another."""


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
    wishes: Wishes | None = None,
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
        wishes: Of the proof: limits, on what it is calibrated and judged, whether a bundle over its
            budget is written.
        progress: Called with the name of each step as it begins, and again with the fraction of
            it that is done where that is known.

    Raises:
        BudgetError: an engine is farther from torch, or loses more against float32, than the target
            allows; no bundle is written. ``report`` of the error says what was measured.
        ContractError: the weights do not fit the model, or the exporter broke the contract.
        FormatError: ``weights`` is not a checkpoint.
    """
    wishes = wishes or Wishes()
    progress(f"{recipe.name}: weights")
    prepared = prepare(recipe, weights, config)
    model = prepared.model
    with bundle.writing(out) as folder:
        progress(f"ONNX for {sensor.width}x{sensor.height}")
        contract = export_onnx(model, recipe, sensor, folder / ONNX_FILE)
        portable = target if target.name == PORTABLE else load_target(PORTABLE)
        torch = _Torch(model, recipe, sensor, contract, [portable, target], progress)
        parities = [_parity(torch, portable, folder, progress)]
        if not parities[0].passed:  # what is made of it cannot be better
            raise BudgetError(_complaint(target, parities))
        prover = Prover(
            recipe,
            sensor,
            target,
            contract,
            folder,
            trained=bool(prepared.weights["trained"]),
            wishes=wishes,
            progress=progress,
        )
        proof = prover.prove()
        if target.parity and target.name != PORTABLE:
            parities.append(_parity(torch, target, folder, progress))
        manifest = _manifest(recipe, target, sensor, prepared, contract)
        report = _report(target, folder, parities, proof, manifest, progress)
        if not report["passed"] and not wishes.allow_over:
            raise BudgetError(_why_not(target, parities, prover, proof), report=report)
        manifest["verdict"] = _verdict(report, parities, proof)
        text = json.dumps(report, indent=2, allow_nan=False)
        (folder / "report.json").write_text(text + "\n", encoding="utf-8")
        (folder / "report.md").write_text(markdown(manifest, report, parities), encoding="utf-8")
        write_pictures(folder, proof)
        bundle.seal(folder, manifest)
    return ExportResult(out, report)


def _report(
    target: Target,
    folder: Path,
    parities: list[Parity],
    proof: Proof,
    manifest: dict[str, Any],
    progress: Steps,
) -> dict[str, Any]:
    report = {
        "passed": all(parity.passed for parity in parities) and proof.passed,
        "parity": [parity.as_dict() for parity in parities],
        **proof.as_dict(),
        "bytes": {file.name: file.stat().st_size for file in _files(folder)},
        "machine": processor(),
        "versions": manifest["created_with"],
    }
    if target.backend.startswith("tensorrt"):
        progress(f"{target.name}: parsed and built by TensorRT for RTX, without a GPU")
        report["ahead_of_time"] = ahead_of_time(folder / target.file)
    return report


def _verdict(report: dict[str, Any], parities: list[Parity], proof: Proof) -> dict[str, Any]:
    """The manifest's summary of the report."""
    judged = proof.judgement
    told = {
        "passed": report["passed"],
        "parity": [{"engine": one["engine"], **one["worst"]} for one in report["parity"]],
        "budget": judged
        and {
            "enforced": proof.enforced,
            "engine": proof.engine.description,
            "absrel": judged.mean("absrel"),
            "delta1": judged.mean("delta1"),
            "checks": judged.as_dict()["checks"],
        },
        "kept": [entry["layer"] for entry in proof.kept],
        "calibration_sha256": proof.calibration.get("sha256"),
    }
    return finite_only(told)  # type: ignore[no-any-return]


def _why_not(target: Target, parities: list[Parity], prover: Prover, proof: Proof) -> str:
    if not all(parity.passed for parity in parities):
        return _complaint(target, parities)
    assert prover.budget is not None  # parity held, so it is the budget that did not
    return complaint(target, proof, prover.budget)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


class _Torch:
    """What torch gives over windows of the sample: computed once, whatever is held against it.

    Args:
        model: To export.
        recipe: Of the model.
        sensor: Camera.
        contract: Of the model.
        targets: That will be held against it.
        progress: Told of the steps.

    Raises:
        ValueError: a target wants more windows than the sample has.
    """

    def __init__(
        self,
        model: DepthNetwork,
        recipe: Recipe,
        sensor: Sensor,
        contract: Contract,
        targets: list[Target],
        progress: Steps,
    ) -> None:
        self.recipe, self.contract = recipe, contract
        longest = max(targets, key=lambda one: one.parity.get("windows", 0))
        wanted = int(longest.parity["windows"])
        white = recipe.background == "white"
        windows = sample_windows(contract, window_us=recipe.window_us, white=white)
        images = list(islice(windows, wanted))
        if len(images) < wanted:
            raise ValueError(
                f"{longest.name}: parity over {wanted} windows, the sample has {len(images)}"
            )
        self._step = 1 if contract.states else STEP_WITHOUT_MEMORY
        self._images = images[:: self._step]
        graph = ContractGraph(model, sensor, voxel_bins=contract.voxel_bins)
        step = f"torch over {len(self._images)} windows"
        self._rolled = roll_torch(graph, told(self._images, step, progress))

    def first(self, windows: int) -> tuple[list[NDArray[Any]], list[Rolled]]:
        """Images and what torch gives, of the first windows of the sample."""
        count = -(-windows // self._step)
        return self._images[:count], self._rolled[:count]


def _parity(torch: _Torch, target: Target, folder: Path, progress: Steps) -> Parity:
    """Torch against a target's file in its engine."""
    recipe = torch.recipe
    images, truth = torch.first(int(target.parity["windows"]))
    backend, file = judging_backend(target), folder / target.file
    compute = target.precision["compute"]
    engine = load_engine(backend, file, torch.contract, threads=None, compute=compute)
    return compare(
        engine,
        told(images, f"{backend} over {len(images)} windows", progress),
        truth,
        recipe.widened(target.parity),
        reference="torch",
        stepwise=recipe.stepwise_parity,
    )


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
    packages += [target.backend] if target.backend == "openvino" else []
    packages += ["nncf"] if "nncf" in target.form else []
    versions = {"dae-edge": _native.VERSION, "python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def _complaint(target: Target, proofs: list[Parity]) -> str:
    over = "; ".join(f"{one.engine}: {one.complaint}" for one in proofs if not one.passed)
    return f"{target.name}: too far from the torch model, no bundle written: {over}"
