"""Which layers run in which precision: in the typed network, and in the engine made from it.

A network's layers are what the ONNX says; the builder fuses them. Only the engine's inspector knows
what runs, and only a GPU can load an engine, so off the device the network's placement is all.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dae_edge.backends.tensorrt.api import INSPECTED_TENSORS, Api
from dae_edge.backends.tensorrt.listeners import complaint, listening
from dae_edge.errors import ContractError

# As inspectors of versions 8 to 11 write them: "Half", "Row major linear FP16 format", ...
_FORMATS = [
    (re.compile(pattern, re.IGNORECASE), name)
    for pattern, name in (
        (r"bfloat16|bf16", "bfloat16"),
        (r"fp16|\bhalf\b|float16", "float16"),
        (r"fp8", "float8"),
        (r"fp4", "float4"),
        (r"fp32|\bfloat\b|float32", "float32"),
        (r"uint8", "uint8"),
        (r"int4", "int4"),
        (r"int8", "int8"),
        (r"int32", "int32"),
        (r"int64", "int64"),
        (r"bool", "bool"),
    )
]


@dataclass(frozen=True)
class Layer:
    """A layer, its kind, and the element type that it computes in (of its first input)."""

    name: str
    kind: str
    precision: str


@dataclass(frozen=True)
class Placement:
    """Layers and their precision.

    Attributes:
        source: ``"network"``: as the ONNX says; ``"engine"``: as it runs.
        layers: In order.
        tensors: Inputs and outputs with their type.
    """

    source: str
    layers: tuple[Layer, ...]
    tensors: tuple[tuple[str, str], ...] = ()

    def counts(self) -> dict[str, int]:
        """Number of layers by precision, most first."""
        return _counted(layer.precision for layer in self.layers)

    def kinds(self) -> dict[str, dict[str, int]]:
        """Number of layers by precision, for each kind."""
        kinds = sorted({layer.kind for layer in self.layers})
        return {
            kind: _counted(layer.precision for layer in self.layers if layer.kind == kind)
            for kind in kinds
        }

    def as_dict(self) -> dict[str, Any]:
        """For reports: counts, not each layer."""
        return {
            "source": self.source,
            "layers": len(self.layers),
            "precision": self.counts(),
            "kinds": self.kinds(),
            "tensors": dict(self.tensors),
        }


def network_placement(api: Api, network: Any) -> Placement:
    """Placement in a parsed, strongly typed network.

    A layer whose first input comes from a DequantizeLinear counts as int8 (or what was quantized):
    the builder fuses the two.
    """
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    dequantized = {
        layer.get_output(0).name: api.dtype(layer.get_input(0).dtype)
        for layer in layers
        if layer.type.name == "DEQUANTIZE"
    }
    tensors = [network.get_input(index) for index in range(network.num_inputs)]
    tensors += [network.get_output(index) for index in range(network.num_outputs)]
    return Placement(
        "network",
        tuple(_network_layer(api, layer, dequantized) for layer in layers),
        tuple((tensor.name, api.dtype(tensor.dtype)) for tensor in tensors),
    )


def _network_layer(api: Api, layer: Any, dequantized: dict[str, str]) -> Layer:
    first = layer.get_input(0) if layer.num_inputs else None
    if first is None:
        first = layer.get_output(0)
    kind = str(layer.type.name).lower()
    precision = api.dtype(first.dtype)
    if kind != "quantize":
        precision = dequantized.get(first.name, precision)
    return Layer(str(layer.name), kind, precision)


def placement(api: Api, engine: Any) -> Placement:
    """Placement in an engine, or in a plan (bytes), by TensorRT's inspector.

    Raises:
        ContractError: the plan cannot be loaded here, or the inspector gives no JSON.
    """
    if isinstance(engine, bytes):
        engine = deserialise(api, engine, "plan")
    inspector = engine.create_engine_inspector()
    text = inspector.get_engine_information(api.module.LayerInformationFormat.JSON)
    try:
        information = json.loads(text)
        layers = information["Layers"]
    except (ValueError, TypeError, KeyError) as error:
        raise ContractError(f"{api.name}: the engine inspector gives no layers") from error
    listed: list[Any] = next((information[k] for k in INSPECTED_TENSORS if k in information), [])
    return Placement(
        "engine",
        tuple(_engine_layer(layer) for layer in layers),
        tuple((str(t["Name"]), _type_of(t)) for t in listed if isinstance(t, dict) and "Name" in t),
    )


def _engine_layer(layer: Any) -> Layer:
    if not isinstance(layer, dict):  # built without details: a name is all there is
        return Layer(str(layer), "unknown", "unknown")
    ends = [*layer.get("Inputs", ()), *layer.get("Outputs", ())]
    precision = _type_of(ends[0]) if ends else "unknown"
    return Layer(str(layer.get("Name", "")), str(layer.get("LayerType", "unknown")), precision)


def _type_of(tensor: dict[str, Any]) -> str:
    text = str(tensor.get("Format/Datatype", tensor.get("Datatype", "")))
    return next((name for pattern, name in _FORMATS if pattern.search(text)), text or "unknown")


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())


def deserialise(api: Api, plan: bytes, where: str) -> Any:
    """A plan as an engine.

    Only for plans whose origin was checked: a plan is code.

    Raises:
        ContractError: TensorRT refuses it; says why.
    """
    with listening(api.logger) as lines:
        runtime = api.module.Runtime(api.logger)
        engine = None if runtime is None else runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise ContractError(f"{where}: {api.name} cannot load it: {complaint(lines)}")
    return engine
