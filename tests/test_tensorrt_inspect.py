"""Which layers of an engine run in which precision."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from dae_edge.backends.tensorrt.api import Api
from dae_edge.backends.tensorrt.inspect import placement
from dae_edge.errors import ContractError


def inspected(information: Any) -> Any:
    text = information if isinstance(information, str) else json.dumps(information)
    inspector = SimpleNamespace(get_engine_information=lambda kind: text)
    return SimpleNamespace(create_engine_inspector=lambda: inspector)


API = Api(
    SimpleNamespace(LayerInformationFormat=SimpleNamespace(JSON=1)), "tensorrt", "10.13.3"
)  # the inspector needs no more of the module


@pytest.mark.parametrize("key", ["Bindings", "I/O Tensors"])
def test_an_engine_says_which_layers_run_in_which_precision(key: str) -> None:
    def tensor(text: str) -> list[dict[str, Any]]:
        return [{"Name": "x", "Dimensions": [1, 2], "Format/Datatype": text}]

    formats = {
        "Half": "float16",
        "Row major linear FP16 format": "float16",
        "Thirty-two wide channel vectorized row major Int8 format.": "int8",
        "Float": "float32",
        "BFloat16": "bfloat16",
        "UInt8": "uint8",
        "Strange": "Strange",
    }
    layers = [
        {"Name": f"l{i}", "LayerType": "gemm", "Inputs": tensor(t), "Outputs": tensor("Float")}
        for i, t in enumerate(formats)
    ]
    layers.append({"Name": "constant", "LayerType": "Constant", "Inputs": [], "Outputs": []})
    placed = placement(API, inspected({"Layers": [*layers, "only a name"], key: tensor("Half")}))
    assert [layer.precision for layer in placed.layers[:7]] == list(formats.values())
    assert placed.as_dict()["precision"]["unknown"] == 2
    assert placed.as_dict()["kinds"]["Constant"] == {"unknown": 1}
    assert placed.tensors == (("x", "float16"),)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null"])
def test_an_inspector_without_layers_is_an_error(text: str) -> None:
    with pytest.raises(ContractError, match=r"TensorRT 10\.13\.3: the engine inspector"):
        placement(API, inspected(text))
