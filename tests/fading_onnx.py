"""A model for any sensor that keeps the ONNX contract: depth = seen + depth before / 2.

Each pixel's depth tells which windows there were, what each looked like, and where they began anew.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dae_edge import bundle
from dae_edge.contract import Contract, StateSpec


def fading_model(contract: Contract) -> onnx.ModelProto:
    """``seen`` weights the channels, or time bins, of a pixel by 1, 2, 3 and so on."""
    channels = contract.voxel_bins or 3
    axis, shape = (1, (-1, 1, 1)) if contract.voxel_bins else (3, (-1,))
    constants = {
        "weights": np.arange(1, channels + 1, dtype=np.float32).reshape(shape),
        "axis": np.array([axis]),
        "half": np.float32(0.5),
    }
    nodes = [
        helper.make_node("Cast", ["events"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["pixels", "weights"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "axis"], ["seen"], keepdims=0),
        helper.make_node("Mul", ["state_in.before", "half"], ["faded"]),
        helper.make_node("Add", ["faded", "seen"], ["depth"]),
        helper.make_node("Identity", ["depth"], ["state_out.before"]),
    ]
    types = {"uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT}
    inputs, outputs = (
        [helper.make_tensor_value_info(s.name, types[s.dtype], s.shape) for s in specs]
        for specs in (contract.inputs(), contract.outputs())
    )
    initializers = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    graph = helper.make_graph(nodes, "fading", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, contract.metadata())
    onnx.checker.check_model(model, full_check=True)
    return model


def fading_bundle(path: Path, sensor: tuple[int, int], *, voxel_bins: int = 0) -> Path:
    """The model in a bundle, with windows of 50 ms."""
    width, height = sensor
    state = StateSpec("before", (1, height, width))
    contract = Contract(sensor, (height, width), (state,), voxel_bins)
    with bundle.writing(path) as folder:
        onnx.save(fading_model(contract), folder / "model.onnx")
        content = {
            "model": {"name": "fading", "recurrent": True},
            "weights": {"source": "none", "sha256": "0" * 64, "trained": True},
            "input": {
                "encoding": contract.encoding,
                "sensor": list(sensor),
                "window_us": 50_000,
                "background": "black",
                **({"bins": voxel_bins} if voxel_bins else {}),
            },
            "states": [{"name": state.name, "shape": list(state.shape), "dtype": state.dtype}],
            "output": {"shape": [height, width], "unit": "m"},
            "target": "onnx-fp32",
            "onnx": "model.onnx",
            "engine": {"backend": "onnxruntime", "file": "model.onnx"},
            "verdict": {"passed": True},
        }
        bundle.seal(folder, content)
    return path
