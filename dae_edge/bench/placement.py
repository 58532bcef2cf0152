"""Where and in which precision the engine runs a model: as the engine tells it after compiling."""

from __future__ import annotations

from collections import Counter
from typing import Any


def placement(engine: Any) -> dict[str, Any]:
    """Devices, and nodes by precision where the engine tells them; empty where it does not."""
    compiled, session = getattr(engine, "compiled", None), getattr(engine, "session_", None)
    if compiled is not None:
        return _openvino(compiled)
    if session is not None:
        return {
            "devices": [name.removesuffix("ExecutionProvider") for name in session.get_providers()]
        }
    told = getattr(engine, "placement", None)
    found: dict[str, Any] = told() if callable(told) else {}
    return found


def _openvino(compiled: Any) -> dict[str, Any]:
    nodes: Counter[str] = Counter()
    slow: Counter[str] = Counter()
    for node in compiled.get_runtime_model().get_ordered_ops():
        info = node.get_rt_info()
        if "runtimePrecision" not in info:
            continue
        kind = str(info["layerType"].astype(str)) if "layerType" in info else node.get_type_name()
        if kind in ("Input", "Output", "Const", "Constant", "Parameter", "Result"):
            continue
        nodes[str(info["runtimePrecision"].astype(str))] += 1
        primitive = str(info["primitiveType"].astype(str)) if "primitiveType" in info else ""
        if primitive.startswith("ref"):
            slow[kind] += 1
    return {
        "devices": list(compiled.get_property("EXECUTION_DEVICES")),
        "nodes": dict(nodes.most_common()),
        "reference_nodes": dict(slow.most_common()),
    }
