"""The engines: all give what torch gives, keep their state apart, and refuse broken files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dae_edge import bundle
from dae_edge.backends import CPU, Engine, load_engine
from dae_edge.backends.parity import compare
from dae_edge.contract import Contract
from dae_edge.errors import ContractError
from dae_edge.recipes import Recipe, Sensor, load_target
from dae_edge.sample import sample_windows

WINDOWS = 20

# (engine, file, target whose limits hold)
ENGINES = [
    ("onnxruntime", "model.onnx", "onnx-fp32"),
    ("openvino", "model.onnx", "onnx-fp32"),
    ("openvino-stateful", "model.onnx", "onnx-fp32"),
    ("openvino", "model.xml", "ov-fp16"),
    ("openvino-stateful", "model.xml", "ov-fp16"),
]


@pytest.fixture(scope="module")
def contract(small_bundle: Path) -> Contract:
    return bundle.read(small_bundle).contract


@pytest.fixture(scope="module", params=CPU)
def engine(request: pytest.FixtureRequest, small_bundle: Path, contract: Contract) -> Engine:
    return load_engine(request.param, small_bundle / "model.onnx", contract, threads=1)


@pytest.fixture(scope="module")
def images() -> list[NDArray[np.uint8]]:
    return list(
        islice(sample_windows(Contract((112, 84), (84, 112), ()), window_us=50_000), WINDOWS)
    )


@pytest.fixture(scope="module")
def truth(
    small_bundle: Path, small_recipe: Recipe, small_sensor: Sensor, images: list[NDArray[np.uint8]]
) -> Any:
    from dae_edge.export.graph import ContractGraph, roll_torch
    from dae_edge.nn import DepthAnyEvent, ModelConfig, seeded_state_dict

    model = DepthAnyEvent(ModelConfig(**small_recipe.model)).eval()
    model.load_state_dict(seeded_state_dict(model))
    return roll_torch(ContractGraph(model, small_sensor), images)


# ---- Numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "file", "target"), ENGINES)
def test_every_engine_gives_what_torch_gives_with_the_state_carried(
    small_bundle: Path,
    contract: Contract,
    images: list[NDArray[np.uint8]],
    truth: Any,
    name: str,
    file: str,
    target: str,
) -> None:
    engine = load_engine(name, small_bundle / file, contract, threads=1)
    parity = compare(engine, images, truth, load_target(target).parity, reference="torch")
    assert len(parity.windows) == WINDOWS
    assert parity.passed, parity.worst


def test_a_new_session_begins_with_zero_state(engine: Engine, contract: Contract) -> None:
    state = engine.session().state()
    assert list(state) == [spec.name for spec in contract.states]
    assert not any(array.any() for array in state.values())


def test_a_restored_state_comes_back_and_gives_the_same_depth(
    engine: Engine, images: list[NDArray[np.uint8]]
) -> None:
    session = engine.session()
    session.image[...] = images[0]
    session.run()
    state = session.state()
    first = session.run()
    moved = session.state()
    session.restore(state)
    for name, array in session.state().items():
        np.testing.assert_array_equal(array, state[name])
        assert not np.array_equal(array, moved[name])
    np.testing.assert_array_equal(session.run(), first)


def test_a_discarded_run_leaves_no_trace_in_the_state(
    engine: Engine, images: list[NDArray[np.uint8]]
) -> None:
    session = engine.session()
    session.image[...] = images[0]
    session.run()
    before = session.state()
    session.run()
    session.discard()
    stateful = "states inside" in engine.description
    for name, array in session.state().items():
        wanted = np.zeros_like(array) if stateful else before[name]
        np.testing.assert_array_equal(array, wanted)


def test_a_state_is_finite_until_a_number_in_it_is_not(engine: Engine) -> None:
    session = engine.session()
    session.run()
    assert session.is_finite()
    for value in (np.nan, np.inf, -np.inf):
        state = session.state()
        state["layer3.cell"][0, -1, -1, -1] = value
        session.restore(state)
        assert not session.is_finite()
        session.restore({name: np.zeros_like(array) for name, array in state.items()})
        assert session.is_finite()


def test_the_engine_reads_the_image_where_it_is_written(
    engine: Engine, images: list[NDArray[np.uint8]]
) -> None:
    def first_depth(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        session = engine.session()
        session.image[...] = image
        return session.run()

    session = engine.session()
    memory = session.image.ctypes.data
    zero = session.state()
    depths = []
    for image in images[:3]:
        session.image[...] = image
        session.restore(zero)
        depths.append(session.run())
    assert session.image.ctypes.data == memory
    for image, depth in zip(images, depths, strict=False):
        np.testing.assert_array_equal(depth, first_depth(image))
    assert not np.array_equal(depths[0], depths[1])
    assert not np.shares_memory(depths[0], depths[1])


def test_sessions_of_one_engine_keep_their_states_apart(
    engine: Engine, images: list[NDArray[np.uint8]]
) -> None:
    one, other = engine.session(), engine.session()
    one.image[...] = images[0]
    wanted = one.run()
    one.run()
    assert not any(array.any() for array in other.state().values())
    other.image[...] = images[0]
    np.testing.assert_array_equal(other.run(), wanted)


# ---- What is refused -----------------------------------------------------------------------------


def complaint(name: str, path: Path, contract: Contract) -> str:
    with pytest.raises(ContractError) as caught:
        load_engine(name, path, contract, threads=1)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    return text


def test_an_unknown_engine_and_no_threads_are_refused(
    small_bundle: Path, contract: Contract
) -> None:
    path = small_bundle / "model.onnx"
    with pytest.raises(ValueError, match="unknown backend 'openvno': did you mean 'openvino'"):
        load_engine("openvno", path, contract, threads=1)
    for name in CPU:
        with pytest.raises(ValueError, match="threads must be at least 1, got 0"):
            load_engine(name, path, contract, threads=0)


@pytest.mark.parametrize("name", CPU)
@pytest.mark.parametrize("damage", ["empty", "text", "zeros", "head", "half", "absent"])
def test_a_damaged_onnx_file_is_refused_in_one_line(
    small_bundle: Path, contract: Contract, tmp_path: Path, name: str, damage: str
) -> None:
    data = (small_bundle / "model.onnx").read_bytes()
    path = tmp_path / "model.onnx"
    if damage != "absent":
        head, half = data[:1000], data[: len(data) // 2]
        texts = {"empty": b"", "text": b"a\nb", "zeros": bytes(999), "head": head, "half": half}
        path.write_bytes(texts[damage])
    complaint(name, path, contract)


@pytest.mark.parametrize("name", ["openvino", "openvino-stateful"])
@pytest.mark.parametrize("damage", ["empty", "half", "operation", "weights", "no weights"])
def test_a_damaged_ir_is_refused_in_one_line(
    small_bundle: Path, contract: Contract, tmp_path: Path, name: str, damage: str
) -> None:
    text = (small_bundle / "model.xml").read_text()
    texts = {
        "empty": "",
        "half": text[: len(text) // 2],
        "operation": text.replace('type="Interpolate"', 'type="Unknown"'),
    }
    (tmp_path / "model.xml").write_text(texts.get(damage, text))
    if damage != "no weights":
        weights = (small_bundle / "model.bin").read_bytes()
        weights = weights[:1000] if damage == "weights" else weights
        (tmp_path / "model.bin").write_bytes(weights)
    complaint(name, tmp_path / "model.xml", contract)


def rename(old: str, new: str) -> Callable[[Any], None]:
    """Swap two tensors' names everywhere in a graph."""
    names = {old: new, new: old}

    def change(model: Any) -> None:
        for node in model.graph.node:
            for tensors in (node.input, node.output):
                tensors[:] = [names.get(tensor, tensor) for tensor in tensors]
        for value in model.graph.output:
            value.name = names.get(value.name, value.name)

    return change


def strip(model: Any) -> None:
    del model.metadata_props[:]


def lose_output(model: Any) -> None:
    del model.graph.output[-1]


def free_height(model: Any) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "height"


@pytest.mark.parametrize("name", CPU)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (rename("state_out.layer4.hidden", "state_out.layer1.hidden"), "[1, 32, 1, 2], got"),
        (strip, "metadata 'dae.contract': wanted '1', got None"),
        (lose_output, "'state_out.layer1.cell' is missing"),
        (free_height, "[1, 84, 112, 3], got 'events' uint8 [1, -1, 112, 3]"),
    ],
    ids=["swapped outputs", "stripped metadata", "lost output", "free height"],
)
def test_an_onnx_file_that_breaks_the_contract_is_refused(
    small_bundle: Path,
    contract: Contract,
    tmp_path: Path,
    name: str,
    change: Callable[[Any], None],
    words: str,
) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(small_bundle / "model.onnx")
    change(model)
    onnx.save(model, tmp_path / "model.onnx")
    assert words in complaint(name, tmp_path / "model.onnx", contract)


def test_an_ir_whose_metadata_are_lost_is_refused(
    small_bundle: Path, contract: Contract, tmp_path: Path
) -> None:
    shutil.copy(small_bundle / "model.bin", tmp_path)
    text = (small_bundle / "model.xml").read_text()
    (tmp_path / "model.xml").write_text(text.replace("dae.states", "lost.states"))
    assert "metadata 'dae.states'" in complaint("openvino", tmp_path / "model.xml", contract)


@pytest.mark.parametrize("name", CPU)
def test_weights_outside_the_bundle_are_not_read(
    small_bundle: Path, contract: Contract, tmp_path: Path, name: str
) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(small_bundle / "model.onnx")
    tensor = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    (tmp_path / "outside.bin").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../outside.bin")
    (tmp_path / "inside").mkdir()
    path = tmp_path / "inside" / "model.onnx"
    path.write_bytes(model.SerializeToString())
    assert "outside" in complaint(name, path, contract)
