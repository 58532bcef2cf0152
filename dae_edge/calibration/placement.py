"""Which nodes run in which precision: what the engine made of the file, not what the file asks."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dae_edge.backends import Engine
from dae_edge.calibration.graph import WEIGHTED

HEAVY = {
    *WEIGHTED, "FusedConv", "FusedMatMul", "FusedGemm",
    "FullyConnected", "Convolution", "Deconvolution",
    "QLinearConv", "QLinearMatMul", "QGemm", "MatMulIntegerToFloat", "DynamicQuantizeMatMul",
}  # fmt: skip
"""What multiplies by weights, or activations by activations: where the time goes."""

INT8_KINDS = {"QLinearConv", "QLinearMatMul", "QGemm", "MatMulIntegerToFloat"}


@dataclass(frozen=True)
class Placement:
    """What an engine runs.

    Attributes:
        source: Who says so.
        nodes: ``"kind precision"`` to number of nodes, most first.
        heavy: Precision to number of layers and products.
    """

    source: str
    nodes: dict[str, int]
    heavy: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """For report.json."""
        return {"source": self.source, "nodes": self.nodes, "heavy": self.heavy}


def placement(engine: Engine) -> Placement | None:
    """What the engine tells of itself; None if it tells nothing."""
    if hasattr(engine, "compiled"):
        return _of_openvino(engine.compiled)
    if hasattr(engine, "profile"):
        return _of_onnxruntime(engine)
    return None


def _of_openvino(compiled: Any) -> Placement:
    nodes: Counter[tuple[str, str]] = Counter()
    for node in compiled.get_runtime_model().get_ordered_ops():
        info = node.get_rt_info()
        kind = info["layerType"].astype(str)
        if kind not in ("Const", "Input", "Output"):
            nodes[kind, info["runtimePrecision"].astype(str)] += 1
    return _counted("OpenVINO's runtime model", nodes)


def _of_onnxruntime(engine: Any) -> Placement:
    with tempfile.TemporaryDirectory() as folder:
        events = json.loads(engine.profile(Path(folder)).read_text(encoding="utf-8"))
    nodes: Counter[tuple[str, str]] = Counter()
    for event in events:
        if event.get("cat") != "Node" or not event["name"].endswith("_kernel_time"):
            continue
        arguments: Mapping[str, Any] = event["args"]
        kind = str(arguments["op_name"])
        nodes[kind, _onnx_precision(kind, arguments)] += 1
    return _counted("ONNX Runtime's profile", nodes)


def _onnx_precision(kind: str, arguments: Mapping[str, Any]) -> str:
    types = [next(iter(one)) for one in arguments.get("input_type_shape", ()) if one]
    if kind in INT8_KINDS or any(one in ("int8", "uint8") for one in types[:1]):
        return "int8"
    return {"float": "float32"}.get(types[0], types[0]) if types else "none"


def _counted(source: str, nodes: Counter[tuple[str, str]]) -> Placement:
    heavy: Counter[str] = Counter()
    for (kind, precision), count in nodes.items():
        if kind in HEAVY:
            heavy[
                {"u8": "int8", "i8": "int8", "f32": "float32", "bf16": "bfloat16"}.get(
                    precision, precision
                )
            ] += count
    ordered = {f"{kind} {precision}": count for (kind, precision), count in nodes.most_common()}
    return Placement(source, ordered, dict(heavy.most_common()))
