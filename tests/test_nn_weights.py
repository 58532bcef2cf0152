"""Seeded weights, the public key layout, and strict loading of checkpoint files."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

import torch

from dae_edge.errors import ContractError, FormatError
from dae_edge.nn import (
    DepthAnyEvent,
    ModelConfig,
    load_weights,
    seeded_state_dict,
    seeded_tensor,
)
from dae_edge.nn.seeded import _uniform


@pytest.fixture(scope="module")
def model() -> DepthAnyEvent:
    return DepthAnyEvent(ModelConfig("tiny", input_width=98, input_height=98))


@pytest.fixture(scope="module")
def weights(model: DepthAnyEvent) -> dict[str, torch.Tensor]:
    return seeded_state_dict(model)


def test_seeded_weights_follow_the_published_rule(golden: Path) -> None:
    checks = json.loads((golden / "weights_check.json").read_text())
    ours = {key: check for key, check in checks.items() if key.startswith(("pre", "depth_head"))}
    assert len(ours) == 11
    for key, check in ours.items():
        tensor = seeded_tensor(key, tuple(check["shape"]))
        flat = tensor.flatten().double()
        assert _uniform(key, 4)[: flat.numel()].tolist() == check["v_first4"][: flat.numel()], key
        assert flat[:4].tolist() == check["tensor_first4"], key
        assert flat[-2:].tolist() == check["tensor_last2"], key
        assert flat.sum().item() == pytest.approx(check["tensor_sum64"], abs=1e-6), key


def test_seeded_values_stay_in_their_range() -> None:
    values = _uniform("any.weight", 100_000)
    assert values.min() >= -1
    assert values.max() < 1
    assert abs(values.mean()) < 0.01
    assert len(np.unique(values)) == values.size


@pytest.mark.parametrize("recurrent", [False, True])
def test_keys_shapes_and_order_are_those_of_the_public_checkpoints(
    recurrent: bool, golden: Path
) -> None:
    table = golden / ("keys_dae_r.txt" if recurrent else "keys_dae.txt")
    wanted = [line for line in table.read_text().splitlines() if not line.startswith("#")]
    layout = DepthAnyEvent(ModelConfig(recurrent=recurrent)).state_dict()
    found = [
        f"{key} {list(value.shape)} {str(value.dtype).removeprefix('torch.')}"
        for key, value in layout.items()
    ]
    assert found == wanted


@pytest.mark.parametrize(("encoder", "parameters"), [("base", 97_470_785), ("large", 335_315_649)])
def test_large_models_have_the_published_number_of_parameters(
    encoder: Any, parameters: int
) -> None:
    with torch.device("meta"):
        model = DepthAnyEvent(ModelConfig(encoder))
    assert sum(value.numel() for value in model.parameters()) == parameters


@pytest.mark.parametrize("wrap", [False, True])
def test_a_pth_file_loads_bare_or_wrapped(
    wrap: bool, tmp_path: Path, weights: dict[str, torch.Tensor]
) -> None:
    path = tmp_path / "model.pth"
    torch.save({"state_dict": weights, "config": {"a": [1, 2]}} if wrap else weights, path)
    fresh = DepthAnyEvent(ModelConfig("tiny"))
    assert load_weights(path, fresh) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert all(torch.equal(value, weights[key]) for key, value in fresh.state_dict().items())


def test_a_file_in_the_old_format_of_torch_loads(tmp_path: Path) -> None:
    path, model = tmp_path / "old.pth", torch.nn.Linear(2, 3)
    torch.save(
        {"weight": torch.ones(3, 2), "bias": torch.ones(3).half()},
        path,
        _use_new_zipfile_serialization=False,
    )
    load_weights(path, model)
    assert model.weight.eq(1).all()
    assert model.bias.dtype == torch.float32


def test_a_safetensors_file_loads(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    path = tmp_path / "model.safetensors"
    safetensors.save_file(weights, path)
    fresh = DepthAnyEvent(ModelConfig("tiny"))
    assert load_weights(path, fresh) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert all(torch.equal(value, weights[key]) for key, value in fresh.state_dict().items())
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(FormatError, match=r"model\.safetensors: not a checkpoint"):
        load_weights(path, fresh)


def test_missing_extra_and_misshaped_keys_are_named_and_nothing_is_loaded(
    tmp_path: Path, model: DepthAnyEvent, weights: dict[str, torch.Tensor]
) -> None:
    wrong = {key: value for key, value in weights.items() if "blocks.3." not in key}
    wrong["pretrained.registers"] = torch.zeros(2)
    wrong["pretrained.cls_token"] = torch.zeros(1, 1, 384)
    path = tmp_path / "wrong.pth"
    torch.save(wrong, path)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(ContractError) as raised:
        load_weights(path, model)
    text = str(raised.value)
    assert "wrong.pth: weights do not fit the model: 14 missing: pretrained.blocks.3." in text
    assert "norm1.bias, pretrained.blocks.3.attn.qkv.weight, ...;" in text
    assert "1 unexpected: pretrained.registers;" in text
    assert "1 of another shape: pretrained.cls_token [1, 1, 384] (wanted [1, 1, 192])" in text
    assert "\n" not in text
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_recurrent_checkpoint_does_not_pass_for_a_plain_one(
    tmp_path: Path, model: DepthAnyEvent
) -> None:
    path = tmp_path / "recurrent.pth"
    torch.save(DepthAnyEvent(ModelConfig("tiny", recurrent=True)).state_dict(), path)
    with pytest.raises(ContractError, match=r"16 unexpected: depth_head\.gru_layer_1\.conv"):
        load_weights(path, model)


class Malicious:
    """A pickle of this writes a file where it is loaded without care."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.write_text, (self.target, "executed")


def test_a_malicious_pickle_is_refused_and_not_executed(
    tmp_path: Path, model: DepthAnyEvent, weights: dict[str, torch.Tensor]
) -> None:
    path, target = tmp_path / "evil.pth", tmp_path / "executed.txt"
    torch.save({"state_dict": weights, "config": Malicious(target)}, path)
    with pytest.raises(FormatError, match=r"evil\.pth: not a checkpoint that can be read safely"):
        load_weights(path, model)
    assert not target.exists()
    torch.load(path, weights_only=False)
    assert target.exists(), "the file would have done harm"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2, 3], "must hold a dict of tensors, got list"),
        ({"state_dict": 3}, "must hold a dict of tensors, got int"),
        ({"weight": "text"}, "'weight' must be a dense float tensor, got str"),
        ({"weight": torch.zeros(3, dtype=torch.int64)}, "dense float tensor, got torch.strided"),
        ({"weight": torch.eye(3).to_sparse()}, "dense float tensor, got torch.sparse_coo"),
        ({3: torch.zeros(3)}, "3 must be a dense float tensor"),
    ],
)
def test_a_file_of_anything_but_tensors_is_refused(
    content: Any, message: str, tmp_path: Path, model: DepthAnyEvent
) -> None:
    path = tmp_path / "odd.pth"
    torch.save(content, path)
    with pytest.raises(FormatError, match=message):
        load_weights(path, model)


def test_a_prefix_on_all_keys_is_named_and_not_stripped(tmp_path: Path) -> None:
    path, model = tmp_path / "wrapped.pth", torch.nn.Linear(2, 2)
    torch.save({f"module.{key}": value for key, value in model.state_dict().items()}, path)
    with pytest.raises(ContractError, match=r"all 2 keys seem to have the prefix 'module\.'"):
        load_weights(path, model)
    torch.save({"module.weight": torch.zeros(2, 2), "bias": torch.zeros(2)}, path)
    with pytest.raises(ContractError, match=r"1 missing: weight; 1 unexpected: module\.weight$"):
        load_weights(path, model)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_refused_and_nothing_is_loaded(
    value: float, tmp_path: Path
) -> None:
    path, model = tmp_path / "nan.pth", torch.nn.Linear(2, 2)
    torch.save({"weight": torch.tensor([[0, 1], [value, value]]), "bias": torch.zeros(2)}, path)
    before = model.bias.clone()
    with pytest.raises(FormatError, match="weight: 2 of 4 values are not finite"):
        load_weights(path, model)
    assert torch.equal(model.bias, before)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.zeros(1).expand(10**12), r"claims \[1000000000000\], but fewer values are stored"),
        (torch.zeros(2, device="meta"), "must be a dense float tensor"),
        (torch.zeros(2).to(torch.float8_e4m3fn), "must be a dense float tensor, got .*float8"),
    ],
)
def test_tensors_that_are_not_all_there_are_refused(
    tensor: torch.Tensor, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "odd.pth"
    torch.save({"weight": tensor, "bias": torch.zeros(2)}, path)
    with pytest.raises(FormatError, match=message):
        load_weights(path, torch.nn.Linear(2, 2))


@pytest.mark.parametrize("kept", [0, 1, 100, 5_000, 1_000_000])
def test_a_truncated_file_is_one_clear_error(
    kept: int, tmp_path: Path, model: DepthAnyEvent, weights: dict[str, torch.Tensor]
) -> None:
    path = tmp_path / "cut.pth"
    torch.save(weights, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(FormatError) as raised:
        load_weights(path, model)
    assert "cut.pth: not a checkpoint that can be read safely" in str(raised.value)
    assert "\n" not in str(raised.value)


@settings(deadline=None, max_examples=200)
@given(position=st.floats(0, 1), junk=st.binary(min_size=1, max_size=8), zipped=st.booleans())
def test_damaged_bytes_give_one_of_the_two_errors(
    position: float, junk: bytes, zipped: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.pth"
    tiny = torch.nn.Linear(2, 2)
    torch.save(tiny.state_dict(), path, _use_new_zipfile_serialization=zipped)
    data = bytearray(path.read_bytes())
    start = int(position * (len(data) - 1))
    data[start : start + len(junk)] = junk
    path.write_bytes(data)
    with suppress(FormatError, ContractError):  # anything else is a failure
        load_weights(path, tiny)
