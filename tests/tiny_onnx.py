"""A recurrent model of a dozen nodes that keeps the ONNX contract: its windows take no time.

Its parts are those an engine could get wrong: a uint8 image, states in and out, a depth that
depends on both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dae_edge import bundle
from dae_edge.contract import Contract, StateSpec

WIDTH, HEIGHT = 24, 16
STATES = (
    StateSpec("layer1.hidden", (1, 1, HEIGHT, WIDTH)),
    StateSpec("layer1.cell", (1, 1, HEIGHT, WIDTH)),
)
CONTRACT = Contract((WIDTH, HEIGHT), (HEIGHT, WIDTH), STATES)
LIMITS = {"windows": 3, "depth_mean": 1e-5, "depth_p999": 1e-4, "state": 1e-4}
FOR_TENSORRT: dict[str, Any] = {
    "engine": {"backend": "tensorrt", "file": "model.onnx"},
    "target": "trt-fp32",
    "parity": LIMITS,
}
"""Changes to the manifest that make it a bundle for TensorRT."""

_TYPES = {"uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT}


def tiny_model(*, image_op: str = "Cast") -> onnx.ModelProto:
    """cell' = cell / 2 + grey + 1, hidden' = tanh(cell'), depth = hidden' + hidden / 4 + grey + 1.

    ``image_op``: what the image goes into first; "Transpose" is what TensorRT refuses.
    """
    constants = {
        "scale": np.float32(255), "half": np.float32(0.5), "quarter": np.float32(0.25),
        "one": np.float32(1), "channels": np.array([1]), "axis": np.array([1]),
    }  # fmt: skip
    if image_op == "Cast":
        first = [
            helper.make_node("Cast", ["events"], ["cast"], "cast", to=TensorProto.FLOAT),
            helper.make_node("Transpose", ["cast"], ["image"], "transpose", perm=[0, 3, 1, 2]),
        ]
    else:
        first = [
            helper.make_node("Transpose", ["events"], ["turned"], "transpose", perm=[0, 3, 1, 2]),
            helper.make_node("Cast", ["turned"], ["image"], "cast", to=TensorProto.FLOAT),
        ]
    nodes = [
        *first,
        helper.make_node("Div", ["image", "scale"], ["scaled"], "div"),
        helper.make_node("ReduceMean", ["scaled", "channels"], ["grey"], "mean", keepdims=1),
        helper.make_node("Mul", ["state_in.layer1.cell", "half"], ["kept"], "forget"),
        helper.make_node("Add", ["kept", "grey"], ["added"], "add"),
        helper.make_node("Add", ["added", "one"], ["state_out.layer1.cell"], "cell"),
        helper.make_node("Tanh", ["state_out.layer1.cell"], ["state_out.layer1.hidden"], "tanh"),
        helper.make_node("Mul", ["state_in.layer1.hidden", "quarter"], ["before"], "before"),
        helper.make_node("Add", ["state_out.layer1.hidden", "before"], ["memory"], "memory"),
        helper.make_node("Add", ["memory", "grey"], ["seen"], "seen"),
        helper.make_node("Add", ["seen", "one"], ["positive"], "positive"),
        helper.make_node("Squeeze", ["positive", "axis"], ["depth"], "squeeze"),
    ]
    values = [
        [helper.make_tensor_value_info(s.name, _TYPES[s.dtype], s.shape) for s in specs]
        for specs in (CONTRACT.inputs(), CONTRACT.outputs())
    ]
    weights = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    graph = helper.make_graph(nodes, "tiny", *values, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, CONTRACT.metadata())
    onnx.checker.check_model(model, full_check=True)
    return model


def tiny_bundle(path: Path, **changes: Any) -> Path:
    """The model in a bundle; ``changes`` to the manifest."""
    with bundle.writing(path) as folder:
        onnx.save(tiny_model(), folder / "model.onnx")
        content = {
            "model": {"name": "tiny", "recurrent": True},
            "weights": {"source": "none", "sha256": "0" * 64, "trained": True},
            "input": {
                "encoding": "tencode",
                "sensor": [WIDTH, HEIGHT],
                "window_us": 50_000,
                "background": "black",
            },
            "states": [{"name": s.name, "shape": list(s.shape), "dtype": s.dtype} for s in STATES],
            "output": {"shape": [HEIGHT, WIDTH], "unit": "m"},
            "target": "onnx-fp32",
            "onnx": "model.onnx",
            "engine": {"backend": "onnxruntime", "file": "model.onnx"},
            "verdict": {"passed": True},
        }
        bundle.seal(folder, content | changes)
    return path
