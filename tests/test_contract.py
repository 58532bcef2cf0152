"""The ONNX contract: what a model promises, and the words for each way to break it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from dae_edge.contract import Contract, StateSpec, TensorSpec
from dae_edge.errors import ContractError

HIDDEN = StateSpec("layer1.hidden", (1, 32, 22, 30))
CELL = StateSpec("layer1.cell", (1, 32, 22, 30))
COARSE = StateSpec("layer4.hidden", (1, 32, 1, 2))
CONTRACT = Contract((112, 100), (84, 112), (COARSE, HIDDEN, CELL))


def complaint(
    inputs: list[TensorSpec] | None = None,
    outputs: list[TensorSpec] | None = None,
    metadata: dict[str, str] | None = None,
) -> str:
    with pytest.raises(ContractError) as caught:
        CONTRACT.check(
            CONTRACT.inputs() if inputs is None else inputs,
            CONTRACT.outputs() if outputs is None else outputs,
            where="model.onnx",
            metadata=metadata,
        )
    text = str(caught.value)
    assert text.startswith("model.onnx: ")
    assert "\n" not in text
    return text


def test_the_image_comes_first_and_the_states_follow_in_order() -> None:
    assert [str(spec) for spec in CONTRACT.inputs()] == [
        "'events' uint8 [1, 100, 112, 3]",
        "'state_in.layer4.hidden' float32 [1, 32, 1, 2]",
        "'state_in.layer1.hidden' float32 [1, 32, 22, 30]",
        "'state_in.layer1.cell' float32 [1, 32, 22, 30]",
    ]
    assert [str(spec) for spec in CONTRACT.outputs()] == [
        "'depth' float32 [1, 84, 112]",
        "'state_out.layer4.hidden' float32 [1, 32, 1, 2]",
        "'state_out.layer1.hidden' float32 [1, 32, 22, 30]",
        "'state_out.layer1.cell' float32 [1, 32, 22, 30]",
    ]


def test_the_metadata_say_version_sensor_and_pairs_as_text() -> None:
    assert CONTRACT.metadata() == {
        "dae.contract": "1",
        "dae.encoding": "tencode",
        "dae.sensor": "112x100",
        "dae.states": "state_in.layer4.hidden=state_out.layer4.hidden "
        "state_in.layer1.hidden=state_out.layer1.hidden "
        "state_in.layer1.cell=state_out.layer1.cell",
    }


def test_a_model_that_keeps_the_contract_passes() -> None:
    metadata = {**CONTRACT.metadata(), "producer": "anybody"}
    CONTRACT.check(CONTRACT.inputs(), CONTRACT.outputs(), where="it", metadata=metadata)


def test_names_count_and_positions_do_not() -> None:
    CONTRACT.check(CONTRACT.inputs()[::-1], CONTRACT.outputs()[::-1], where="it")


def test_a_model_without_memory_has_one_input_and_one_output() -> None:
    contract = replace(CONTRACT, states=())
    assert contract.metadata()["dae.states"] == ""
    contract.check(contract.inputs(), contract.outputs(), where="it", metadata=contract.metadata())


@pytest.mark.parametrize("index", range(4))
def test_a_missing_tensor_is_named_with_those_that_are_there(index: int) -> None:
    inputs, outputs = CONTRACT.inputs(), CONTRACT.outputs()
    lost_input, lost_output = inputs.pop(index), outputs.pop(index)
    text = complaint(inputs=inputs)
    assert f"inputs: {lost_input.name!r} is missing" in text
    assert all(spec.name in text for spec in inputs)
    assert f"outputs: {lost_output.name!r} is missing" in complaint(outputs=outputs)


def test_a_tensor_too_many_is_named() -> None:
    extra = TensorSpec("state_out.layer9.cell", "float32", (1,))
    text = complaint(outputs=[*CONTRACT.outputs(), extra])
    assert text == "model.onnx: outputs: not in the contract: state_out.layer9.cell"


@pytest.mark.parametrize("index", range(4))
def test_a_wrong_dtype_is_named(index: int) -> None:
    inputs = CONTRACT.inputs()
    inputs[index] = replace(inputs[index], dtype="float16")
    wanted = CONTRACT.inputs()[index]
    assert complaint(inputs=inputs) == (f"model.onnx: inputs: wanted {wanted}, got {inputs[index]}")


@pytest.mark.parametrize("index", range(4))
def test_a_wrong_shape_is_named(index: int) -> None:
    outputs = CONTRACT.outputs()
    outputs[index] = replace(outputs[index], shape=(*outputs[index].shape[:-1], -1))
    assert re.search(r"outputs: wanted .* got .*, -1\]$", complaint(outputs=outputs))


def test_swapped_names_of_states_of_different_size_are_named() -> None:
    outputs = CONTRACT.outputs()
    names = [spec.name for spec in outputs]
    outputs[1], outputs[2] = (
        replace(outputs[1], name=names[2]),
        replace(outputs[2], name=names[1]),
    )
    text = complaint(outputs=outputs)
    assert "'state_out.layer4.hidden' float32 [1, 32, 1, 2], got" in text


@pytest.mark.parametrize("key", list(CONTRACT.metadata()))
def test_lost_or_changed_metadata_are_named(key: str) -> None:
    metadata = CONTRACT.metadata()
    del metadata[key]
    assert f"metadata {key!r}: wanted" in complaint(metadata=metadata)
    assert complaint(metadata=metadata).endswith("got None")
    assert complaint(metadata={**metadata, key: "2"}).endswith("got '2'")


def test_metadata_that_are_not_there_at_all_are_missed() -> None:
    assert "dae.contract" in complaint(metadata={})
