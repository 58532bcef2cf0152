"""Finish a bundle on the device: build the engine, prove it against ONNX Runtime, keep it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from dae_edge import bundle as bundles
from dae_edge import recipes
from dae_edge.backends.onnxruntime import OnnxRuntimeEngine
from dae_edge.backends.parity import LIMITS, METRICS, compare, roll, told
from dae_edge.backends.tensorrt import plans
from dae_edge.backends.tensorrt.api import MODULES, Api, load_api
from dae_edge.backends.tensorrt.build import build_plan
from dae_edge.backends.tensorrt.cuda import Cuda
from dae_edge.backends.tensorrt.device import Device, this_device
from dae_edge.backends.tensorrt.inspect import placement
from dae_edge.backends.tensorrt.key import EngineKey, engine_key
from dae_edge.backends.tensorrt.session import PlanEngine
from dae_edge.backends.tensorrt.signature import secret_of
from dae_edge.backends.tensorrt.versions import warnings_for
from dae_edge.default_model import cache_folder
from dae_edge.errors import BudgetError, ContractError
from dae_edge.sample import sample_windows

if TYPE_CHECKING:
    from dae_edge.export.exporting import Steps

FULL_PRECISION = {"weights": "float32", "compute": "float32", "state": "float32"}


@dataclass(frozen=True)
class FinishReport:
    """What was finished.

    Attributes:
        path: The plan; ``engine-KEY.json`` beside it says the same as this and more.
        key: What it is good for.
        reused: It was there already.
        seconds: What building and comparing took this time.
        parity: The comparison with ONNX Runtime, as ``Parity.as_dict`` gives it, but of the
            windows the number only.
        placement: Layers by precision, as ``Placement.as_dict`` gives it.
        warnings: Of this version of TensorRT, and of its builder.
    """

    path: Path
    key: EngineKey
    reused: bool
    seconds: float
    parity: Mapping[str, Any]
    placement: Mapping[str, Any]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For reports."""
        return {**asdict(self), "path": str(self.path)}

    def __str__(self) -> str:
        """For people: where, on what, how far from ONNX Runtime, in which precision."""
        key, parity = self.key, self.parity
        release = f", Jetson Linux {key.l4t}" if key.l4t else ""
        errors = ", ".join(
            f"{name} {value:.1e} (limit {parity['limits'][name]:.0e})"
            for name, value in parity["worst"].items()
        )
        layers = self.placement.get("precision", {})
        lines = [
            f"{self.path}: {'there already' if self.reused else f'built in {self.seconds:.0f} s'}",
            f"for {key.flavour} {key.version}, {key.gpu} ({key.compute_capability}), "
            f"CUDA {key.cuda}{release}",
            f"against {parity['reference']} over {parity['windows']} windows: {errors}",
            "layers: " + ", ".join(f"{count} {name}" for name, count in layers.items()),
            *(f"warning: {line}" for line in self.warnings),
        ]
        return "\n".join(lines)


def finish_bundle(
    bundle: bundles.Bundle,
    *,
    cache: Path | None = None,
    progress: Steps = lambda step, fraction=None: None,
) -> FinishReport:
    """Complete a TensorRT bundle on the device it will run on.

    The plan and its sidecar go into the bundle, or into ``cache`` where the bundle cannot be
    written. They are not in its manifest: each device has its own.

    Args:
        bundle: For a TensorRT target; its files are verified first.
        cache: Folder for engines and timings; default: the user's cache.
        progress: Hears of the steps.

    Raises:
        BudgetError: the engine is too far from ONNX Runtime; nothing is kept.
        ContractError: not such a bundle, damaged, or TensorRT refuses its ONNX.
        MissingExtraError: TensorRT or ONNX Runtime is not installed.
        CudaError: no usable GPU.
    """
    backend = bundle.manifest["engine"]["backend"]
    if backend not in MODULES:
        raise ContractError(f"{bundle.path}: made for {backend}, there is nothing to finish")
    bundle.verify()
    onnx = bundle.file(bundle.manifest["engine"]["file"])
    return Finishing(onnx, bundle, backend, cache=cache, progress=progress).engine()[1]


class Finishing:
    """One ONNX file of a bundle on this device.

    Args:
        onnx: The file.
        bundle: Where it lies.
        flavour: ``"tensorrt"`` or ``"tensorrt-rtx"``.
        cache: Folder for engines and timings; default: the user's cache.
        progress: Hears of the steps.
    """

    def __init__(
        self,
        onnx: Path,
        bundle: bundles.Bundle,
        flavour: str,
        *,
        cache: Path | None,
        progress: Steps,
    ) -> None:
        self.onnx = onnx
        self.bundle = bundle
        self.api: Api = load_api(flavour)
        self.cuda = Cuda()
        self.device: Device = this_device(self.cuda)
        self.progress = progress
        # beside the folders of this package's versions: an engine does not depend on them
        self.cache = cache if cache is not None else cache_folder().parent / "engines"
        self.secret = secret_of(self.cache)
        self.folders = [bundle.path, self.cache]
        self.limits = limits_of(bundle, onnx)
        self.precision = precision_of(bundle, onnx)
        self.key = engine_key(
            onnx=onnx,
            api=self.api,
            device=self.device,
            precision=self.precision,
            contract=bundle.contract,
        )

    def engine(self) -> tuple[PlanEngine, FinishReport]:
        """The engine of this device: the one that is there, or a new one that was proven."""
        found = plans.find(self.folders, self.key, self.secret)
        if found is not None:
            engine = self._loaded(found.plan, str(found.path))
            return engine, self._report(found, reused=True, seconds=0.0)
        began = perf_counter()
        for line in plans.others(self.folders, self.key, self.secret):
            self.progress(f"not for this device: {line}")
        for line in self._suspicions():
            self.progress(f"warning: {line}")
        # ONNX Runtime first: what it refuses to read, no parser of another kind gets to see.
        self._reference()
        self.progress(f"{self.api.name}: an engine for {self.device.gpu}, once; it takes minutes")
        capabilities = ["CURRENT"] if self.api.portable else []
        built = build_plan(
            self.api,
            self.onnx,
            timing_cache=self.cache / f"timing-{self.key.device_short}.cache",
            compute_capabilities=capabilities,
            progress=self.progress,
        )
        engine = self._loaded(built.plan, f"{self.onnx}: the new engine")
        parity = self._prove(engine)
        about = {
            "parity": parity,
            "placement": placement(self.api, engine.engine_).as_dict(),
            "network": built.placement.as_dict(),
            "seconds": round(perf_counter() - began, 2),
            "power_mode": self.device.power_mode,
            "warnings": [*self._suspicions(), *built.warnings],
        }
        found = plans.publish(self.folders, self.key, built.plan, about, self.secret)
        self.progress(f"engine kept: {found.path}")
        return engine, self._report(found, reused=False, seconds=perf_counter() - began)

    def _reference(self) -> OnnxRuntimeEngine:
        compute = self.precision.get("compute", "float32")
        return OnnxRuntimeEngine(self.onnx, self.bundle.contract, compute=compute)

    def _loaded(self, plan: bytes, where: str) -> PlanEngine:
        return PlanEngine(self.api, self.cuda, plan, self.bundle.contract, where)

    def _suspicions(self) -> list[str]:
        if self.api.portable:  # its versions count otherwise
            return []
        capability = self.device.compute_capability
        return warnings_for(self.api.version, self.device.l4t, compute_capability=capability)

    def _prove(self, engine: PlanEngine) -> dict[str, Any]:
        said = self.bundle.manifest["input"]
        white = said["background"] == "white"
        wanted = int(self.limits["windows"])
        windows = sample_windows(self.bundle.contract, window_us=said["window_us"], white=white)
        images = list(islice(windows, wanted))
        if len(images) < wanted:
            raise ContractError(
                f"{self.bundle.path}: parity over {wanted} windows, the sample has {len(images)}"
            )
        reference = self._reference()
        step = f"{engine.description} against {reference.description}"
        parity = compare(
            engine,
            told(images, step, self.progress),
            roll(reference, images),
            self.limits,
            reference=reference.description,
            stepwise=_stepwise(self.bundle, self.limits),
        )
        if not parity.passed:
            remarks = "".join(f"; {line}" for line in self._suspicions())
            raise BudgetError(
                f"{self.onnx}: {engine.description} is too far from ONNX Runtime, no engine kept: "
                f"{parity.complaint}{remarks}"
            )
        return {**parity.as_dict(), "windows": len(parity.windows)}

    def _report(self, found: plans.FoundPlan, *, reused: bool, seconds: float) -> FinishReport:
        return FinishReport(
            found.path,
            self.key,
            reused,
            seconds,
            found.about["parity"],
            found.about.get("placement", {}),
            tuple(str(line) for line in found.about.get("warnings", [])),
        )


def _stepwise(bundle: bundles.Bundle, limits: Mapping[str, float]) -> bool:
    name = bundle.manifest["model"]["name"]
    if "stepwise" in limits or name not in recipes.recipe_names():
        return bool(limits.get("stepwise", False))
    return recipes.load_recipe(name).stepwise_parity


def limits_of(bundle: bundles.Bundle, onnx: Path) -> dict[str, float]:
    """Limits of the comparison: the manifest's own (``parity``), the target's, or ``LIMITS``.

    Raises:
        ContractError: the manifest's are not numbers.
    """
    manifest = bundle.manifest
    compute = precision_of(bundle, onnx).get("compute", "float32")
    limits = LIMITS.get(compute, LIMITS["float16"])
    if onnx.name != manifest["engine"]["file"]:
        return dict(limits)
    if "parity" in manifest:
        return _checked(manifest["parity"], str(bundle.path))
    if manifest["target"] in recipes.target_names():
        return dict(recipes.load_target(manifest["target"]).parity or limits)
    return dict(limits)


def precision_of(bundle: bundles.Bundle, onnx: Path) -> dict[str, str]:
    """What an ONNX file of a bundle is computed in: the portable one in float32."""
    if onnx.name != bundle.manifest["engine"]["file"]:
        return dict(FULL_PRECISION)
    return dict(bundle.manifest.get("precision", FULL_PRECISION))


def _checked(limits: Any, where: str) -> dict[str, float]:
    for name in (*METRICS, "windows"):
        value: Any = limits.get(name) if isinstance(limits, dict) else None
        if type(value) not in (int, float) or not 0 < value < math.inf:
            raise ContractError(f"{where}: manifest.json: parity.{name}: wanted a number above 0")
    return dict(limits)
