"""An ONNX graph as the precision passes see it: who makes a tensor, who reads it, what is constant.

The graph itself is edited in place; this view is made anew after each edit.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_edge.extras import require

WEIGHTED = ("Conv", "ConvTranspose", "MatMul", "Gemm")
"""Operations with weights: what is worth quantizing."""

QUANTIZED = ("QuantizeLinear", "DequantizeLinear")


def load(path: Path) -> Any:
    """An ONNX model with its weights inside.

    Raises:
        ContractError: onnx is not installed, or the file cannot be read.
    """
    onnx = require("onnx", extra="export", purpose="changing a model's precision")
    return onnx.load(str(path))


def save(model: Any, path: Path) -> None:
    """Check a model and write it.

    Raises:
        onnx.checker.ValidationError: a pass broke the graph.
    """
    onnx = require("onnx", extra="export", purpose="changing a model's precision")
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))


class View:
    """What leads where in a graph.

    Attributes:
        graph: onnx.GraphProto.
        constants: Initializers by name.
        named: Nodes by name.
        maker: The node that makes a tensor.
        readers: The nodes that read a tensor, in order.
        outputs: Names of the graph's outputs.
    """

    def __init__(self, model: Any) -> None:
        self.graph = model.graph
        self.constants: dict[str, Any] = {one.name: one for one in self.graph.initializer}
        self.named = {node.name: node for node in self.graph.node}
        self.maker: dict[str, Any] = {}
        self.readers: dict[str, list[Any]] = defaultdict(list)
        for node in self.graph.node:
            for name in node.output:
                self.maker[name] = node
            for name in dict.fromkeys(node.input):
                self.readers[name].append(node)
        self.outputs = {one.name for one in self.graph.output}

    def array(self, name: str) -> NDArray[Any]:
        """A constant's values."""
        from onnx import numpy_helper

        values: NDArray[Any] = numpy_helper.to_array(self.constants[name])
        return values

    def weight(self, node: Any) -> str | None:
        """Name of the constant matrix or kernel of a weighted node; None where it has none."""
        if node.op_type not in WEIGHTED or len(node.input) < 2:
            return None
        name = str(node.input[1])
        return name if name in self.constants else None


def prelude(view: View) -> set[str]:
    """Names of the nodes that an image goes through before the first convolution.

    Q/DQ of the convolution's own input are not among them.
    """
    first = next(node for node in view.graph.node if node.op_type == "Conv")
    found: set[str] = set()
    open_ends = [first.input[0]]
    while open_ends:
        maker = view.maker.get(open_ends.pop())
        if maker is not None and maker.name not in found:
            found.add(maker.name)
            open_ends.extend(maker.input)
    return {name for name in found if view.named[name].op_type not in QUANTIZED}


def coda(view: View) -> set[str]:
    """Names of the nodes between the last layer and the depth."""
    last = [node for node in view.graph.node if node.op_type in WEIGHTED][-1]
    found: set[str] = set()
    open_ends = list(last.output)
    while open_ends:
        for reader in view.readers[open_ends.pop()]:
            if reader.name not in found:
                found.add(reader.name)
                open_ends.extend(reader.output)
    return found


def add_constant(model: Any, name: str, values: NDArray[Any]) -> str:
    """Add an initializer; its name, which is changed if it is taken."""
    from onnx import numpy_helper

    taken = {one.name for one in model.graph.initializer}
    while name in taken:
        name += "_"
    model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
    return name


def drop_unused_constants(model: Any) -> None:
    """Take out initializers that nothing reads any more."""
    used = {name for node in model.graph.node for name in node.input}
    used |= {one.name for one in model.graph.output}
    kept = [one for one in model.graph.initializer if one.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def replace_nodes(model: Any, nodes: list[Any]) -> None:
    """Put other nodes, already in order, in the place of all there are."""
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    del model.graph.value_info[:]  # of the old types


def raise_opset(model: Any, least: int) -> Any:
    """The model at an opset of at least ``least``."""
    from onnx import version_converter

    if model.opset_import[0].version >= least:
        return model
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    converted = version_converter.convert_version(model, least)
    import onnx

    onnx.helper.set_model_props(converted, metadata)
    return converted
