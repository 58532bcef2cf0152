"""FP32 to FP16 inside the graph, strongly typed: every engine computes what the file says.

Inputs, states and depth stay float32 (the image uint8). In float32 stay, with the overflow or
rounding that each guards against:

- what comes before the first layer: pixels are scaled, resized and normalised as calibrated;
- what comes after the last layer: ``1 / (x + 1e-6)`` reaches 1e6, FP16 ends at 65504;
- the cells: f * c + i * g is summed over thousands of windows, where FP16 rounds small steps away;
- LayerNormalization, as one node: its squares reach 2e6 in the residual stream of DINOv2.

Constants beyond FP16's range stay float32 as well, and with them the nodes that read them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dae_edge.calibration.graph import (
    QUANTIZED,
    View,
    add_constant,
    coda,
    drop_unused_constants,
    prelude,
    raise_opset,
    replace_nodes,
)
from dae_edge.contract import Contract

FLOAT, HALF = 1, 10
"""onnx.TensorProto.FLOAT and FLOAT16."""

LARGEST = 65504.0
KEPT_KINDS = {"LayerNormalization"}
ONLY_SHAPES = {
    # reads these inputs by value, whatever the type of the data
    "Reshape": {1}, "Resize": {1, 2, 3}, "Slice": {1, 2, 3, 4}, "Split": {1}, "Expand": {1},
    "Gather": {1}, "Transpose": set(), "Unsqueeze": {1}, "Squeeze": {1}, "Tile": {1}, "Pad": {1},
}  # fmt: skip
SCALES_OPSET = 19
"""From here on the scale of a QuantizeLinear may be FP16."""


def to_half(model: Any, contract: Contract) -> Any:
    """A strongly typed FP16 model from an FP32 one, with Q/DQ or without.

    Args:
        model: onnx.ModelProto; changed.
        contract: Names what stays float32 outside.

    Returns:
        The model.
    """
    if any(node.op_type in QUANTIZED for node in model.graph.node):
        model = raise_opset(model, SCALES_OPSET)
    kept = kept_high(model, contract)
    rewriter = _Rewriter(model, kept)
    for node in model.graph.node:
        rewriter.take(node)
    rewriter.finish()
    drop_unused_constants(model)
    return model


def kept_high(model: Any, contract: Contract) -> dict[str, str]:
    """The nodes that stay in float32, by name, and why."""
    view = View(model)
    kept: dict[str, str] = {}
    before, after = prelude(view), coda(view)
    for node in model.graph.node:
        if node.name in before:
            kept[node.name] = "scales, resizes and normalises the image"
        elif node.name in after:
            kept[node.name] = "turns the last layer's output into depth: up to 1e6"
        elif node.op_type in KEPT_KINDS:
            kept[node.name] = "its squares exceed FP16"
        elif _too_large(view, node):
            kept[node.name] = f"has a constant beyond {LARGEST:.0f}"
    for name in _cells(view, contract):
        kept.setdefault(name, "sums up a cell state")
    return kept


def _cells(view: View, contract: Contract) -> set[str]:
    """The arithmetic between a cell's old and new state: its sums and products, not its gates."""
    found = set()
    for state in contract.states:
        if not state.name.endswith("cell"):
            continue
        total = view.maker[state.output]
        found.add(total.name)
        makers = (view.maker.get(name) for name in total.input)
        found |= {maker.name for maker in makers if maker is not None and maker.op_type == "Mul"}
    return found


def _too_large(view: View, node: Any) -> bool:
    constants = [name for name in node.input if name in view.constants]
    arrays = (view.array(name) for name in constants if view.constants[name].data_type == FLOAT)
    return any(a.size > 0 and float(np.abs(a).max()) > LARGEST for a in arrays)


class _Rewriter:
    """Goes through the nodes in order and puts Casts where a tensor meets another type."""

    def __init__(self, model: Any, kept: dict[str, str]) -> None:
        from onnx import helper

        self._helper = helper
        self._model = model
        self._kept = kept
        self._view = View(model)
        # types of the tensors that are floating point at all; the others are not of interest
        self._types = {
            value.name: value.type.tensor_type.elem_type
            for value in model.graph.input
            if value.type.tensor_type.elem_type == FLOAT
        }
        self._floats = _float_tensors(model)
        self._cast: dict[tuple[str, int], str] = {}
        self._halves: dict[str, str] = {}
        self._nodes: list[Any] = []
        self._outputs = {value.name for value in model.graph.output}

    def take(self, node: Any) -> None:
        """The next node, with its inputs as it wants them."""
        wanted = FLOAT if node.name in self._kept else HALF
        moving = node.op_type in ONLY_SHAPES
        if node.op_type == "Cast":
            wanted = self._target_of(node, wanted)
        for index, name in enumerate(node.input):
            by_value = moving and index in ONLY_SHAPES[node.op_type]
            if name and name in self._floats and not by_value:
                node.input[index] = self._as(name, wanted)
        names = list(node.output)
        for index, name in enumerate(names):
            if name not in self._floats:
                continue
            if name in self._outputs and wanted == HALF:
                node.output[index] = inner = f"{name}_half"
                self._types[inner] = self._types[name] = HALF
                self._cast[name, HALF] = inner
            else:
                self._types[name] = wanted
        self._nodes.append(node)
        for index, name in enumerate(names):
            if node.output[index] != name:  # outputs keep their name and type
                cast = self._helper.make_node(
                    "Cast", [node.output[index]], [name], f"{name}_cast", to=FLOAT
                )
                self._nodes.append(cast)
                self._types[name] = FLOAT

    def _target_of(self, node: Any, wanted: int) -> int:
        """A Cast to float gives what its readers want, from what it gets."""
        for attribute in node.attribute:
            if attribute.name == "to" and attribute.i in (FLOAT, HALF):
                attribute.i = wanted
        return wanted

    def _as(self, name: str, wanted: int) -> str:
        if name in self._view.constants:
            return self._constant(name) if wanted == HALF else name
        if self._types[name] == wanted:
            return name
        key = (name, wanted)
        if key not in self._cast:
            suffix = "half" if wanted == HALF else "float"
            self._cast[key] = made = f"{name}_as_{suffix}"
            self._nodes.append(
                self._helper.make_node("Cast", [name], [made], f"{made}_cast", to=wanted)
            )
            self._types[made] = wanted
        return self._cast[key]

    def _constant(self, name: str) -> str:
        if name not in self._halves:
            values = self._view.array(name)
            self._halves[name] = add_constant(
                self._model, f"{name}_half", np.asarray(values).astype(np.float16)
            )
        return self._halves[name]

    def finish(self) -> None:
        """The nodes as they are now."""
        replace_nodes(self._model, self._nodes)


def _float_tensors(model: Any) -> set[str]:
    """Names of all float32 tensors."""
    import onnx

    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    graph = inferred.graph
    values = [*graph.value_info, *graph.input, *graph.output]
    floats = {v.name for v in values if v.type.tensor_type.elem_type == FLOAT}
    return floats | {c.name for c in graph.initializer if c.data_type == FLOAT}
