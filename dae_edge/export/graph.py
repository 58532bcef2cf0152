"""A torch model as an ONNX file after the contract: window in, depth out, states by name.

Everything a host could get wrong is inside the graph: cast, scaling, crop, resize, normalisation.
The first node on the image is a Cast, because TensorRT takes uint8 into nothing else.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dae_edge.backends.parity import Rolled
from dae_edge.contract import INPUT, Contract, StateSpec, TensorSpec
from dae_edge.errors import ContractError
from dae_edge.extras import require
from dae_edge.nn.network import DepthNetwork, State, flat
from dae_edge.recipes import Recipe, Sensor

OPSET = 18
"""At least 17, so that LayerNormalization stays one node: decomposed, it overflows in FP16."""


class ContractGraph(nn.Module):
    """The network with all that the contract puts around it."""

    def __init__(self, model: DepthNetwork, sensor: Sensor, *, voxel_bins: int = 0) -> None:
        super().__init__()
        self.takes_images = voxel_bins == 0
        x, y, width, height = sensor.crop
        self.model: Any = model.bake(height, width)
        self.rows = slice(y, y + height)
        self.columns = slice(x, x + width)

    def forward(self, events: Tensor, state: State) -> tuple[Tensor, State]:
        """The contract's input and states -> float32 depth [1, h, w] and new states."""
        if self.takes_images:
            events = events.to(torch.float32).permute(0, 3, 1, 2) / 255.0
        depth: Tensor
        depth, state = self.model(events[:, :, self.rows, self.columns], state)
        return depth, state


def roll_torch(graph: ContractGraph, images: Iterable[NDArray[Any]]) -> list[Rolled]:
    """Depth and state of the torch model after each image, from zero state on."""
    rolled: list[Rolled] = []
    state: Any = None
    names = graph.model.state_names()
    with torch.inference_mode():
        for image in images:
            depth, state = graph(torch.from_numpy(image[None]), state)
            tensors = zip(names, flat(state), strict=True)
            arrays = {name: tensor.numpy().copy() for name, tensor in tensors}
            rolled.append((depth[0].numpy().copy(), arrays))
    return rolled


def contract_of(model: DepthNetwork, recipe: Recipe, sensor: Sensor) -> Contract:
    """What a recipe's model promises for a sensor."""
    _, _, width, height = sensor.crop
    shapes = model.state_shapes(height, width)
    states = [
        StateSpec(name, shape) for name, shape in zip(model.state_names(), shapes, strict=True)
    ]
    return Contract(
        (sensor.width, sensor.height),
        (height, width),
        tuple(states),
        recipe.voxel_bins,
        recipe.frames,
    )


def export_onnx(model: DepthNetwork, recipe: Recipe, sensor: Sensor, path: Path) -> Contract:
    """Write ``model`` for ``sensor`` to ``path``, and check the file against the contract.

    Raises:
        ContractError: the exporter gave something else than was promised.
    """
    contract = contract_of(model, recipe, sensor)
    graph = ContractGraph(model, sensor, voxel_bins=recipe.voxel_bins)
    _, _, width, height = sensor.crop
    events = torch.zeros(contract.input.shape, dtype=getattr(torch, contract.input.dtype))
    require("onnxscript", extra="export", purpose="exporting to ONNX")
    with _quiet():
        program: Any = torch.onnx.export(
            graph,
            (events, graph.model.zero_state(height, width)),
            dynamo=True,
            opset_version=OPSET,
            external_data=False,
            input_names=[spec.name for spec in contract.inputs()],
            output_names=[spec.name for spec in contract.outputs()],
            verbose=False,
        )
    onnx = require("onnx", extra="export", purpose="exporting to ONNX")
    proto = program.model_proto
    _tidy(proto)
    onnx.helper.set_model_props(proto, contract.metadata())
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, str(path))
    norms = sum(isinstance(module, nn.LayerNorm) for module in graph.modules())
    check_onnx(path, contract, layer_norms=norms)
    return contract


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter prints, logs and warns about its own internals; nobody can act on it."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def check_onnx(path: Path, contract: Contract, *, layer_norms: int) -> None:
    """Check a file on disk: tensors, metadata, and what the engines need of the graph.

    Raises:
        ContractError: names what differs.
    """
    onnx = require("onnx", extra="export", purpose="checking an ONNX file")
    model = onnx.load(str(path))
    inputs, outputs = (
        [_spec(onnx, value) for value in values]
        for values in (model.graph.input, model.graph.output)
    )
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    contract.check(inputs, outputs, where=str(path), metadata=metadata)
    readers = [node.op_type for node in model.graph.node if INPUT in node.input]
    if not contract.voxel_bins and readers != ["Cast"]:
        raise ContractError(f"{path}: {INPUT!r} must go into one Cast, goes into {readers}")
    found = sum(node.op_type == "LayerNormalization" for node in model.graph.node)
    if found < layer_norms:
        raise ContractError(
            f"{path}: wanted at least {layer_norms} LayerNormalization nodes, got {found}: "
            "a decomposed one overflows in FP16"
        )


def _tidy(proto: Any) -> None:
    """Take out the exporter's notes on source files and line numbers."""
    proto.doc_string = ""
    proto.graph.doc_string = ""
    for item in [
        *proto.graph.node,
        *proto.graph.value_info,
        *proto.graph.input,
        *proto.graph.output,
        *proto.graph.initializer,
        proto.graph,
    ]:
        item.doc_string = ""
        del item.metadata_props[:]
    del proto.metadata_props[:]


def _spec(onnx: Any, value: Any) -> TensorSpec:
    tensor = value.type.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    return TensorSpec(value.name, dtype, tuple(size.dim_value for size in tensor.shape.dim))
