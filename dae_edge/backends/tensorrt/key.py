"""What an engine is good for, as a key: any difference in it means another engine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dae_edge.backends.tensorrt.api import Api
from dae_edge.backends.tensorrt.device import Device
from dae_edge.bundle import sha256_of
from dae_edge.contract import Contract


@dataclass(frozen=True)
class EngineKey:
    """Everything an engine depends on, as text.

    Attributes:
        onnx_sha256: Of the ONNX file, and of the weights beside it if it has any there.
        flavour: ``"tensorrt"`` or ``"tensorrt-rtx"``.
        version: Of it.
        cuda: The driver's CUDA version.
        gpu: The GPU's name: modules with one compute capability differ in size and clocks.
        compute_capability: E.g. ``"8.7"``.
        l4t: Release of Jetson Linux, or empty.
        precision: Of weights, arithmetic and states.
        shapes: Inputs and outputs.
    """

    onnx_sha256: str
    flavour: str
    version: str
    cuda: str
    gpu: str
    compute_capability: str
    l4t: str
    precision: str
    shapes: str

    @property
    def short(self) -> str:
        """Sixteen hexadecimal digits for file names."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def device_short(self) -> str:
        """The same of TensorRT and GPU alone: timings serve every model on them."""
        names = ("flavour", "version", "cuda", "gpu", "compute_capability", "l4t")
        text = json.dumps([getattr(self, name) for name in names])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """In what another key differs, in words."""
        ours = asdict(self)
        return [
            f"{name} {_cut(other.get(name))} instead of {_cut(value)}"
            for name, value in ours.items()
            if other.get(name) != value
        ]


def engine_key(
    *,
    onnx: Path,
    api: Api,
    device: Device,
    precision: Mapping[str, str],
    contract: Contract,
) -> EngineKey:
    """The key of an engine that is made here from ``onnx``."""
    tensors = [*contract.inputs(), *contract.outputs()]
    return EngineKey(
        model_sha256(onnx),
        api.flavour,
        api.version,
        device.cuda,
        device.gpu,
        device.compute_capability,
        device.l4t,
        ", ".join(f"{name} {value}" for name, value in sorted(precision.items())),
        ", ".join(str(tensor) for tensor in tensors),
    )


def model_sha256(onnx: Path) -> str:
    """Hex sha256 of an ONNX file, and of the files beside it that hold its weights.

    Which those are is in the file, as a name: each plain file beside it whose name it mentions
    counts. That may be one too many, never one too few.
    """
    content = onnx.read_bytes()
    digest = hashlib.sha256(content)
    for path in sorted(onnx.parent.iterdir()):
        if path != onnx and path.is_file() and path.name.encode() in content:
            digest.update(f"\n{path.name} {sha256_of(path)}".encode())
    return digest.hexdigest()


def _cut(value: object, length: int = 40) -> str:
    text = repr(value)
    return text if len(text) <= length else f"{text[:length]}..."
