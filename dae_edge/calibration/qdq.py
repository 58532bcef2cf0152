"""FP32 to INT8 as Q/DQ pairs inside the graph: one file for every engine.

Weights: symmetric, one scale per output channel, stored as int8. Activations: symmetric, one scale
per tensor, zero point 0 (TensorRT takes no other). Biases stay float: TensorRT refuses
DequantizeLinear of INT32.

Weights take 7 of the 8 bits unless a target says otherwise. x86 processors without VNNI add two
products of an unsigned and a signed byte in 16 bits, and what does not fit saturates: 2 * 255 * 127
does not fit, 2 * 255 * 63 does. ONNX Runtime and OpenVINO both compute so there.

A convolution pads after quantization. OpenVINO (2026.4) gets the border wrong then where the
activation can be negative, so such a convolution gets its zeros before: eleven times less error in
the depth of the small recurrent student, at the same speed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_edge.calibration.graph import View, add_constant, drop_unused_constants, replace_nodes
from dae_edge.calibration.layers import ACTIVATION, Layer
from dae_edge.calibration.ranges import Range
from dae_edge.calibration.rounding import Stored, nearest

Rounding = Callable[[str, NDArray[np.float32], int], Stored]


def to_int8(
    model: Any, layers: list[Layer], ranges: Mapping[str, Range], rounding: Rounding
) -> Any:
    """Put Q/DQ before layers.

    Args:
        model: onnx.ModelProto in float32; changed.
        layers: Those to quantize.
        ranges: Of the activation that goes into each of them, by its name.
        rounding: Of weights by name, values and the axis that counts outputs.

    Returns:
        The model.
    """
    writer = _Writer(model, ranges, rounding)
    chosen = {layer.name: layer for layer in layers if layer.kind != ACTIVATION}
    bare = [layer.input for layer in layers if layer.kind == ACTIVATION]
    for name in bare:
        if name not in writer.view.maker:  # an input of the graph
            writer.replace(name)
    for node in model.graph.node:
        writer.renamed(node)
        layer = chosen.get(node.name)
        if layer is not None:
            writer.quantize(node, layer)
        writer.nodes.append(node)
        for name in node.output:
            if name in bare:
                writer.replace(name)
    replace_nodes(model, writer.nodes)
    drop_unused_constants(model)
    return model


def weights_to_int8(model: Any, layers: list[Layer]) -> Any:
    """Store the weights of layers as int8; what is computed stays float, and nothing is calibrated.

    Args:
        model: onnx.ModelProto in float32; changed.
        layers: Whose weights.

    Returns:
        The model.
    """
    writer = _Writer(model, {}, lambda name, values, axis: nearest(values, axis, 8))
    chosen = {layer.name: layer for layer in layers}
    for node in model.graph.node:
        if node.name in chosen:
            node.input[1] = writer.weights(node, chosen[node.name].weight)
        writer.nodes.append(node)
    replace_nodes(model, writer.nodes)
    drop_unused_constants(model)
    return model


class _Writer:
    def __init__(self, model: Any, ranges: Mapping[str, Range], rounding: Rounding) -> None:
        from onnx import helper

        self._helper = helper
        self._model = model
        self._ranges = ranges
        self._rounding = rounding
        self.view = View(model)
        self._dequantized: dict[str, str] = {}
        self._replaced: dict[str, str] = {}
        self._zero: str = ""
        self.nodes: list[Any] = []

    def replace(self, name: str) -> None:
        """From now on a tensor is read quantized and back."""
        self._replaced[name] = self._activation(name, self._ranges[name])

    def renamed(self, node: Any) -> None:
        """Tensors that were replaced, by their new names."""
        for index, name in enumerate(node.input):
            node.input[index] = self._replaced.get(name, name)

    def quantize(self, node: Any, layer: Layer) -> None:
        name = node.input[0]
        if self._ranges[layer.input].negative:
            name = self._padded(node, name)
        node.input[0] = self._activation(name, self._ranges[layer.input])
        node.input[1] = self.weights(node, layer.weight)

    def _padded(self, node: Any, name: str) -> str:
        """The activation with a convolution's zeros around it, which then pads no more."""
        pads = [a for a in node.attribute if a.name == "pads" and any(a.ints)]
        if node.op_type != "Conv" or not pads:
            return name
        top, left, bottom, right = pads[0].ints
        sizes = add_constant(
            self._model, f"{node.name}.pads", np.array([0, 0, top, left, 0, 0, bottom, right])
        )
        node.attribute.remove(pads[0])
        made = f"{name}.padded.{node.name}"
        self.nodes.append(self._helper.make_node("Pad", [name, sizes], [made], f"{made}.pad"))
        return made

    def _activation(self, name: str, seen: Range) -> str:
        """The activation after quantization and back; layers share it."""
        if name not in self._dequantized:
            scale = add_constant(self._model, f"{name}.scale", np.array(seen.scale(), np.float32))
            if not self._zero:
                self._zero = add_constant(self._model, "int8.zero", np.array(0, np.int8))
            made = f"{name}.dequantized"
            self._pair(name, f"{name}.int8", scale, made)
            self._dequantized[name] = made
        return self._dequantized[name]

    def _pair(self, name: str, quantized: str, scale: str, made: str) -> None:
        inputs = [name, scale, self._zero]
        self.nodes.append(
            self._helper.make_node("QuantizeLinear", inputs, [quantized], f"{quantized}.q")
        )
        inputs = [quantized, scale, self._zero]
        self.nodes.append(
            self._helper.make_node("DequantizeLinear", inputs, [made], f"{quantized}.dq")
        )

    def weights(self, node: Any, name: str) -> str:
        """A layer's weights, stored as int8 and dequantized before use; layers share them."""
        key = f"{name}.weights"
        if key not in self._dequantized:
            values = self.view.array(name)
            axis = output_axis(node)
            stored, scales = self._rounding(name, values, axis)
            inputs = [
                add_constant(self._model, f"{name}.int8", stored),
                add_constant(self._model, f"{name}.scale", scales),
            ]
            made = f"{name}.dequantized"
            self.nodes.append(
                self._helper.make_node("DequantizeLinear", inputs, [made], f"{name}.dq", axis=axis)
            )
            self._dequantized[key] = made
        return self._dequantized[key]


def output_axis(node: Any) -> int:
    """The axis of a layer's weights that counts its outputs."""
    if node.op_type == "Conv":
        return 0
    if node.op_type == "Gemm":
        return 0 if any(a.name == "transB" and a.i for a in node.attribute) else 1
    return 1
