"""Which nodes run where, in which precision: what the engine made of the file, not what it asks."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dae_edge.backends.backend import Engine

HEAVY = {
    "Conv", "ConvTranspose", "MatMul", "Gemm", "FusedConv", "FusedMatMul", "FusedGemm",
    "FullyConnected", "Convolution", "Deconvolution",
    "QLinearConv", "QLinearMatMul", "QGemm", "MatMulIntegerToFloat", "DynamicQuantizeMatMul",
    "MatMulNBits",
}  # fmt: skip
"""What multiplies by weights, or activations by activations: where the time goes. TensorRT fuses
these into kinds of its own, which are not counted."""

INT8_KINDS = {"QLinearConv", "QLinearMatMul", "QGemm", "MatMulIntegerToFloat"}

_NAMES = {"u8": "int8", "i8": "int8", "f32": "float32", "bf16": "bfloat16", "f16": "float16"}

_TOLD = ("layerType", "runtimePrecision", "primitiveType")

Node = tuple[str, str]
"""Kind and precision."""


@dataclass(frozen=True)
class Placement:
    """What an engine runs.

    Attributes:
        source: Who says so.
        devices: Where.
        nodes: ``"kind precision"`` to number of nodes, most first.
        heavy: Precision to number of layers and products.
        reference: Kind to number of nodes for which the engine has no fast code.
    """

    source: str
    devices: tuple[str, ...]
    nodes: dict[str, int]
    heavy: dict[str, int]
    reference: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For reports."""
        return {**asdict(self), "devices": list(self.devices)}


def placement(engine: Engine) -> Placement | None:
    """What the engine tells of itself; None if it tells nothing."""
    if hasattr(engine, "compiled"):
        return _of_openvino(engine.compiled)
    if hasattr(engine, "profile"):
        return _of_onnxruntime(engine)
    if hasattr(engine, "report"):
        return _of_tensorrt(engine.report.placement)
    return None


def _of_openvino(compiled: Any) -> Placement:
    nodes: Counter[Node] = Counter()
    slow: Counter[str] = Counter()
    for node in compiled.get_runtime_model().get_ordered_ops():
        told = node.get_rt_info()
        info = {name: str(told[name].astype(str)) for name in _TOLD if name in told}
        kind = info.get("layerType", node.get_type_name())
        if kind in ("Const", "Input", "Output") or "runtimePrecision" not in info:
            continue
        nodes[kind, info["runtimePrecision"]] += 1
        if info.get("primitiveType", "").startswith("ref"):
            slow[kind] += 1
    devices = compiled.get_property("EXECUTION_DEVICES")
    return _counted("OpenVINO's runtime model", devices, nodes, slow)


def _of_onnxruntime(engine: Any) -> Placement:
    with tempfile.TemporaryDirectory() as folder:
        events = json.loads(engine.profile(Path(folder)).read_text(encoding="utf-8"))
    nodes = Counter(_profiled(events))
    providers = engine.session_.get_providers()
    devices = [name.removesuffix("ExecutionProvider") for name in providers]
    return _counted("ONNX Runtime's profile", devices, nodes)


def _profiled(events: list[Any]) -> Iterator[Node]:
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            arguments: Mapping[str, Any] = event["args"]
            kind = str(arguments["op_name"])
            yield kind, _onnx_precision(kind, arguments)


def _onnx_precision(kind: str, arguments: Mapping[str, Any]) -> str:
    types = [next(iter(one)) for one in arguments.get("input_type_shape", ()) if one]
    if kind in INT8_KINDS or any(one in ("int8", "uint8") for one in types[:1]):
        return "int8"
    return {"float": "float32"}.get(types[0], types[0]) if types else "none"


def _of_tensorrt(told: Mapping[str, Any]) -> Placement:
    """From what is written beside the plan: its inspector was asked when the plan was built."""
    kinds: Mapping[str, Mapping[str, int]] = told.get("kinds", {})
    nodes = Counter(
        {(kind, name): count for kind, of in kinds.items() for name, count in of.items()}
    )
    return _counted("TensorRT's inspector", ["GPU"], nodes)


def _counted(
    source: str, devices: list[str], nodes: Counter[Node], slow: Counter[str] | None = None
) -> Placement:
    heavy: Counter[str] = Counter()
    for (kind, precision), count in nodes.items():
        if kind in HEAVY:
            heavy[_NAMES.get(precision, precision)] += count
    return Placement(
        source,
        tuple(devices),
        {f"{kind} {precision}": count for (kind, precision), count in nodes.most_common()},
        dict(heavy.most_common()),
        dict((slow or Counter[str]()).most_common()),
    )
