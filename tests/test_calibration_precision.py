"""FP16 and INT8 inside the graph: what changes type, what does not, and what engines make of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")

from hypothesis import given
from hypothesis import strategies as st

from dae_edge import bundle
from dae_edge.backends import load_engine
from dae_edge.calibration import forms, graph, half, layers, qdq
from dae_edge.calibration.int8 import Int8, Settings
from dae_edge.calibration.ranges import LEVELS, Range
from dae_edge.calibration.sequences import WindowSequence, digest, shared_windows
from dae_edge.contract import Contract
from dae_edge.recipes import load_target
from dae_edge.sample import sample_windows

WINDOWS = 6


@pytest.fixture(scope="module")
def contract(small_bundle: Path) -> Contract:
    return bundle.read(small_bundle).contract


@pytest.fixture(scope="module")
def windows(contract: Contract) -> WindowSequence:
    return WindowSequence("sample", tuple(sample_windows(contract, window_us=50_000))).part(
        0, WINDOWS
    )


@pytest.fixture(scope="module")
def calibrated(small_bundle: Path, contract: Contract, windows: WindowSequence) -> Int8:
    return Int8(small_bundle / "model.onnx", contract, [windows], Settings(smooth=0.5))


def roll(path: Path, backend: str, contract: Contract, windows: WindowSequence) -> Iterator[Any]:
    session = load_engine(backend, path, contract, threads=1, compute="float32").session()
    for image in windows.images:
        session.image[...] = image
        yield session.run()


def far(path: Path, backend: str, small_bundle: Path, contract: Contract, seen: Any) -> float:
    own = roll(path, backend, contract, seen)
    true = roll(small_bundle / "model.onnx", "onnxruntime", contract, seen)
    return max(
        float(np.median(np.abs(one - other) / other)) for one, other in zip(own, true, strict=True)
    )


# ---- FP16 ----------------------------------------------------------------------------------------


def test_half_keeps_inputs_outputs_and_what_overflows_in_float32(
    small_bundle: Path, contract: Contract, windows: WindowSequence, tmp_path: Path
) -> None:
    model = graph.load(small_bundle / "model.onnx")
    kept = half.kept_high(model, contract)
    reasons = Counter(kept.values())
    assert reasons["its squares exceed FP16"] == 28
    assert reasons["sums up a cell state"] == 4 * 3
    graph.save(half.to_half(model, contract), tmp_path / "half.onnx")
    model = graph.load(tmp_path / "half.onnx")
    types = {
        v.name: v.type.tensor_type.elem_type for v in (*model.graph.input, *model.graph.output)
    }
    assert set(types.values()) == {half.FLOAT, onnx.TensorProto.UINT8}
    assert (tmp_path / "half.onnx").stat().st_size < 0.6 * (
        small_bundle / "model.onnx"
    ).stat().st_size
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    of = {v.name: v.type.tensor_type.elem_type for v in inferred.graph.value_info}
    of.update({c.name: c.data_type for c in model.graph.initializer}, **types)
    for node in model.graph.node:
        if node.op_type in ("Conv", "MatMul") and node.name not in kept:
            assert {of[name] for name in node.input} == {half.HALF}, node.name
        if node.name in kept and node.op_type in ("LayerNormalization", "Mul", "Add"):
            assert {of[name] for name in node.input} == {half.FLOAT}, node.name
    assert far(tmp_path / "half.onnx", "onnxruntime", small_bundle, contract, windows) < 0.02


def test_a_constant_beyond_half_keeps_its_node_in_float32(
    small_bundle: Path, contract: Contract
) -> None:
    model = graph.load(small_bundle / "model.onnx")
    node = next(node for node in model.graph.node if node.op_type == "Erf")
    large = graph.add_constant(model, "large", np.array(1e6, np.float32))
    reader = next(one for one in model.graph.node if node.output[0] in one.input)
    reader.input[1 - list(reader.input).index(node.output[0])] = large
    assert half.kept_high(model, contract)[reader.name] == "has a constant beyond 65504"


# ---- INT8 ----------------------------------------------------------------------------------------


def test_every_layer_but_the_last_is_quantized_and_the_resize_is_none(
    small_bundle: Path,
) -> None:
    model = graph.load(small_bundle / "model.onnx")
    found = layers.quantizable(model)
    kinds = Counter(layer.kind for layer in found)
    # patch embedding; four projections, two enlargements, one reduction; the head; four gates
    assert kinds == {"MatMul": 4 * 12, "Conv": 38, "ConvTranspose": 2}
    assert found[0].about == "pretrained.patch_embed.proj"
    assert {layer.about for layer in found if "Gates" in layer.about} == {
        f"depth_head.gru_layer_{place}.recurrent_block.Gates" for place in (1, 2, 3, 4)
    }
    assert not any("output_conv2.2" in layer.about for layer in found)
    assert all(layer.multiplications > 0 for layer in found)


def test_int8_is_close_to_float32_in_both_engines_and_a_quarter_of_the_size(
    calibrated: Int8,
    small_bundle: Path,
    contract: Contract,
    windows: WindowSequence,
    tmp_path: Path,
) -> None:
    path = tmp_path / "int8.onnx"
    graph.save(calibrated.model(), path)
    assert path.stat().st_size < 0.32 * (small_bundle / "model.onnx").stat().st_size
    in_ort = far(path, "onnxruntime", small_bundle, contract, windows)
    in_openvino = far(path, "openvino", small_bundle, contract, windows)
    assert in_ort < 0.2  # the weights are random
    assert in_openvino < 1.5 * in_ort  # borders too: padding comes before quantization


def test_weights_alone_in_int8_need_no_calibration_and_move_depth_less(
    calibrated: Int8,
    small_bundle: Path,
    contract: Contract,
    windows: WindowSequence,
    tmp_path: Path,
) -> None:
    model = graph.load(small_bundle / "model.onnx")
    found = layers.quantizable(model)
    path, both = tmp_path / "w8.onnx", tmp_path / "int8.onnx"
    graph.save(qdq.weights_to_int8(model, found), path)
    graph.save(calibrated.model(), both)
    kinds = Counter(node.op_type for node in onnx.load(path).graph.node)
    assert (kinds["QuantizeLinear"], kinds["DequantizeLinear"]) == (0, len(found))
    assert path.stat().st_size < 0.32 * (small_bundle / "model.onnx").stat().st_size
    of_weights = far(path, "onnxruntime", small_bundle, contract, windows)
    assert 0 < of_weights < 0.7 * far(both, "onnxruntime", small_bundle, contract, windows)
    assert far(path, "openvino", small_bundle, contract, windows) < 0.2


def test_layers_that_are_kept_have_no_quantizer(calibrated: Int8) -> None:
    keep = {layer.name for layer in calibrated.layers[::2]}
    model = calibrated.model(keep)
    view = graph.View(model)
    for layer in calibrated.layers:
        node = view.named[layer.name]
        makers = [view.maker[name].op_type for name in node.input[:2] if name in view.maker]
        assert (makers.count("DequantizeLinear") == 2) == (layer.name not in keep), layer.name


def test_the_portable_int8_file_has_only_what_tensorrt_takes(calibrated: Int8) -> None:
    model = calibrated.model()
    constants = {one.name: one for one in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            zero = constants[node.input[2]]
            assert zero.data_type == onnx.TensorProto.INT8
            assert not onnx.numpy_helper.to_array(zero).any()
        if node.op_type == "DequantizeLinear" and node.input[0] in constants:
            assert constants[node.input[0]].data_type == onnx.TensorProto.INT8  # never a bias


def test_int8_between_fp16_is_strongly_typed(
    calibrated: Int8,
    small_bundle: Path,
    contract: Contract,
    windows: WindowSequence,
    tmp_path: Path,
) -> None:
    model = half.to_half(calibrated.model(), contract)
    assert model.opset_import[0].version >= half.SCALES_OPSET
    graph.save(model, tmp_path / "mixed.onnx")
    assert far(tmp_path / "mixed.onnx", "onnxruntime", small_bundle, contract, windows) < 0.2
    constants = {one.name: one.data_type for one in model.graph.initializer}
    scales = [n.input[1] for n in model.graph.node if n.op_type == "QuantizeLinear"]
    assert {constants[name] for name in scales} <= {half.HALF, half.FLOAT}
    assert half.HALF in {constants[name] for name in scales}


def test_smoothing_changes_nothing_in_float32(
    small_bundle: Path, contract: Contract, windows: WindowSequence, tmp_path: Path
) -> None:
    smoothed = Int8(small_bundle / "model.onnx", contract, [windows], Settings(smooth=0.6))
    assert len(smoothed.smoothed) == 24  # qkv and the first layer of each MLP
    graph.save(smoothed.model(only=()), tmp_path / "smooth.onnx")
    assert far(tmp_path / "smooth.onnx", "onnxruntime", small_bundle, contract, windows) < 1e-4


def test_residual_sums_and_cell_states_can_be_quantized_to_see_why_they_are_not(
    small_bundle: Path, contract: Contract, windows: WindowSequence
) -> None:
    settings = Settings(smooth=0, also=layers.ALSO)
    made = Int8(small_bundle / "model.onnx", contract, [windows], settings)
    kinds = Counter(layer.about for layer in made.layers if layer.kind == layers.ACTIVATION)
    assert kinds["cell states"] == 4
    assert kinds["residual sums"] > 24
    view = graph.View(made.model())
    readers = view.readers["state_in.layer1.cell"]
    assert [node.op_type for node in readers] == ["QuantizeLinear"]
    with pytest.raises(ValueError, match="no 'cell state': did you mean 'cell states'"):
        Int8(small_bundle / "model.onnx", contract, [windows], Settings(also=("cell state",)))


# ---- Ranges --------------------------------------------------------------------------------------


@given(st.lists(st.floats(0.001, 1000), min_size=1, max_size=8))
def test_a_range_ends_within_what_was_seen(sizes: list[float]) -> None:
    seen = Range()
    for size in sizes:
        seen.add(np.linspace(-size, size, 500, dtype=np.float32))
    assert seen.largest == pytest.approx(max(sizes), rel=1e-6)
    assert seen.negative
    assert 0 < seen.scale() * LEVELS <= seen.largest * 1.0001
    assert seen.counts is not None
    assert seen.counts.sum() == 500 * len(sizes)


def test_a_lone_outlier_does_not_take_the_whole_range() -> None:
    seen = Range()
    seen.add(np.concatenate([np.random.default_rng(1).normal(size=100_000), [12.0]]).astype("f4"))
    assert seen.scale() * LEVELS < 9
    nothing = Range()
    nothing.add(np.zeros(5, np.float32))
    assert nothing.scale() == 1.0


def test_the_hash_of_calibration_tells_windows_and_sequences_apart(windows: WindowSequence) -> None:
    whole, parts = digest([windows]), digest([windows.part(0, 3), windows.part(3)])
    assert whole != parts
    assert whole == digest([windows.part(0)])


def test_windows_that_were_calibrated_and_judged_on_are_counted(windows: WindowSequence) -> None:
    known = windows.part(0, 3)
    assert shared_windows([known], [windows.part(2), windows.part(1, 2)]) == 2
    assert shared_windows([windows.part(3)], [known]) == 0
    nothing = WindowSequence("dark", (np.zeros((2, 2, 3), np.uint8),))
    assert shared_windows([nothing], [nothing]) == 0


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"window": 8},
            r"calibrate/ov-int8\.toml: int8: no setting 'window': did you mean 'windows'",
        ),
        ({"windows": 0}, "windows: wanted at least 1, got 0"),
        ({"smooth": 1}, r"smooth: wanted 0 \.\. 1, got 1"),
        ({"compensate": 1}, "compensate: wanted true or false, got 1"),
        ({"weight_bits": 4}, "weight_bits: wanted 7 or 8, got 4"),
    ],
)
def test_a_wrong_setting_of_int8_is_explained(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        forms.read_settings(replace(load_target("ov-int8"), int8=table))


def test_what_nncf_does_not_do_is_not_promised() -> None:
    target = load_target("ov-int8-nncf")
    with pytest.raises(ValueError, match=r"ov-int8-nncf.*compensate: wanted false"):
        forms.read_settings(replace(target, int8={**target.int8, "compensate": True}))
