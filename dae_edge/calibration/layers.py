"""The layers of a model that may be quantized, and why the others may not.

Only what multiplies by constant weights: convolutions and linear layers. Residual sums,
normalisation, softmax and the cells' arithmetic stay as they are: quantizing the residual stream
took a ViT-B from 85 % to less than 5 % on ImageNet (see calibrate/README.md for the source).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from dae_edge.calibration.graph import View, prelude
from dae_edge.contract import Contract
from dae_edge.hints import closest

ACTIVATION = "activation"
"""Kind of what has no weights: only the tensor itself is quantized."""


class Layer(NamedTuple):
    """A layer with weights.

    Attributes:
        name: Of the ONNX node; what reports, recipes and ``keep`` call it.
        kind: ONNX operation, or ``ACTIVATION``.
        input: Name of the activation that goes in.
        weight: Name of its weights.
        multiplications: Of the weights' values: where the time goes, about.
        about: The module it comes from, for people.
    """

    name: str
    kind: str
    input: str
    weight: str
    multiplications: int
    about: str


def quantizable(model: Any) -> list[Layer]:
    """Every layer with constant weights, in the graph's order, but for the last one.

    What resizes the image before the first layer is no layer, though it is a product. The last
    layer gives depth's logarithm or inverse itself, in one channel: a rounding error there is an
    error of depth, and it costs next to nothing.
    """
    view, shapes = View(model), tensor_shapes(model)
    before = prelude(view)
    found = []
    for node in model.graph.node:
        weight = view.weight(node)
        if weight is None or node.name in before:
            continue
        size = view.constants[weight].dims
        values = 1
        for length in size:
            values *= int(length)
        positions = _positions(node, shapes)
        found.append(
            Layer(
                node.name,
                node.op_type,
                node.input[0],
                weight,
                values * positions,
                about(view, node),
            )
        )
    return found[:-1]


RESIDUAL_SUMS, CELL_STATES = "residual sums", "cell states"
ALSO = (RESIDUAL_SUMS, CELL_STATES)


def also_quantizable(model: Any, contract: Contract, what: Collection[str]) -> list[Layer]:
    """Activations that are better left alone, each as a layer without weights.

    Args:
        model: onnx.ModelProto.
        contract: Of the model.
        what: Of ``ALSO``.

    Raises:
        ValueError: none of these.
    """
    for name in what:
        if name not in ALSO:
            raise ValueError(f"also: no {name!r}{closest(name, ALSO)}")
    view = View(model)
    found = []
    if RESIDUAL_SUMS in what:
        for node in model.graph.node:
            computed = [name for name in node.input if name in view.maker]
            if node.op_type == "Add" and len(computed) == 2 and node.output[0] not in view.outputs:
                found.append(Layer(node.name, ACTIVATION, node.output[0], "", 0, RESIDUAL_SUMS))
    if CELL_STATES in what:
        for state in contract.states:
            if state.name.endswith("cell"):
                found.append(Layer(state.input, ACTIVATION, state.input, "", 0, CELL_STATES))
    return found


def tensor_shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """Static shapes of all tensors."""
    import onnx

    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    known = [*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output]
    return {
        value.name: tuple(size.dim_value for size in value.type.tensor_type.shape.dim)
        for value in known
    }


def _positions(node: Any, shapes: dict[str, tuple[int, ...]]) -> int:
    """How often each weight is used: pixels, or tokens."""
    name = node.input[0] if node.op_type == "ConvTranspose" else node.output[0]
    shape = shapes.get(name, ())
    shape = shape[2:] if node.op_type in ("Conv", "ConvTranspose") else shape[:-1]
    positions = 1
    for length in shape:
        positions *= max(1, length)
    return positions


def about(view: View, node: Any) -> str:
    """The module that a layer comes from, as far as the graph tells: by its weights or its bias."""
    names = [str(name) for name in node.input[1:] if name in view.constants]
    for reader in view.readers[node.output[0]]:
        if reader.op_type == "Add":  # a linear layer's bias is added by a node of its own
            names += [str(name) for name in reader.input if name in view.constants]
    for name in names:
        if name.startswith("model."):
            return name.removeprefix("model.").rsplit(".", 1)[0]
    return str(node.name)
