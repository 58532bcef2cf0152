"""Checkpoints in the exact layout of the released ones, whole and broken in every way we know."""

from __future__ import annotations

import copy
import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

import torch
from torch import Tensor

from dae_edge import catalogue
from dae_edge.errors import ContractError, FormatError
from dae_edge.nn import DepthAnyEvent, ModelConfig, seeded_state_dict, seeded_tensor
from dae_edge.nn.checkpoint import Checkpoint, fill_model, read_checkpoint, save_safetensors
from dae_edge.nn.checkpoint_config import Trainer, read_config, released

RELEASED: dict[str, Any] = {
    "name": "DAv2 Train 0",
    "cuda": True,
    "gpu": 0,
    "trainer": {
        "clip_distance": 80.0,
        "reg_factor": 3.70378,
        "use_logdepth": False,
        "use_scaleshift": True,
    },
    "model": {
        "model_type": "DAv2",
        "encoder": "vits",
        "activation": "relu",
        "scale_factor": 1.0,
        "inv_prediction": True,
        "input_size_width": 350,
        "input_size_height": 266,
        "freeze_encoder": False,
        "input_channels": 3,
    },
}
SMALL_HEAD = ModelConfig("tiny", features=16, out_channels=(8, 8, 8, 8))


def compact(config: ModelConfig) -> dict[str, Tensor]:
    """Every key and shape of a model, all views of one small storage: a small file."""
    with torch.device("meta"):
        layout = DepthAnyEvent(config).state_dict()
    longest = max(value.numel() for value in layout.values())
    values = seeded_tensor("any.bias", (longest,))
    return {key: values[: value.numel()].view(value.shape) for key, value in layout.items()}


@pytest.fixture(scope="module")
def plain() -> dict[str, Tensor]:
    return compact(ModelConfig())


@pytest.fixture(scope="module")
def recurrent() -> dict[str, Tensor]:
    return compact(ModelConfig(recurrent=True))


def config_with(section: str = "model", **changes: Any) -> dict[str, Any]:
    config = copy.deepcopy(RELEASED)
    config[section] |= changes
    return config


def write(
    folder: Path,
    state: dict[str, Tensor],
    *,
    name: str = "dav2/finetuned_dsec",
    beside: Any = None,
    inside: Any = None,
) -> Path:
    """weights/MODEL/NAME/NAME.pth, with a configuration beside it or inside."""
    path = folder / "weights" / name / f"{Path(name).name}.pth"
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state if inside is None else {"state_dict": state, "config": inside}, path)
    if beside is not None:
        path.with_name("config.json").write_text(json.dumps(beside))
    return path


def test_a_released_checkpoint_with_its_config_beside_it_is_understood(
    tmp_path: Path, plain: dict[str, Tensor]
) -> None:
    path = write(tmp_path, plain, beside=RELEASED)
    found = read_checkpoint(path)
    assert found.config == ModelConfig() == found.layout
    assert (found.clip_distance_m, found.reg_factor) == (80.0, 3.70378)
    assert (found.use_logdepth, found.use_scaleshift) == (False, True)
    assert found.sha256 == found.source_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.source == "dav2/finetuned_dsec (by its name)"
    assert found.licence == "unstated (no licence in the authors' repository)"
    assert found.format == "torch"
    assert list(found.state) == list(plain)


def test_a_released_recurrent_checkpoint_with_its_config_inside_is_understood(
    tmp_path: Path, recurrent: dict[str, Tensor]
) -> None:
    inside = config_with(model_type="RecDAv2", recurrent_block_type="convlstm")
    path = write(tmp_path, recurrent, name="rec_dav2/distillation_mvsec", inside=inside)
    found = read_checkpoint(path)
    assert found.config == ModelConfig(recurrent=True)
    assert found.source == "rec_dav2/distillation_mvsec (by its name)"
    assert found.licence == (
        "unstated; distilled from Depth Anything V2 Large (CC-BY-NC-4.0, non-commercial)"
    )


@pytest.mark.slow
def test_a_model_filled_from_a_released_file_has_its_weights(tmp_path: Path) -> None:
    config = ModelConfig(recurrent=True)
    with torch.device("meta"):
        layout = DepthAnyEvent(config).state_dict()
    state = {key: seeded_tensor(key, tuple(value.shape)) for key, value in layout.items()}
    inside = config_with(model_type="RecDAv2", activation="sigmoid")
    checkpoint = read_checkpoint(write(tmp_path, state, name="rec_dav2/synth", inside=inside))
    model = DepthAnyEvent(checkpoint.config_for(config))
    assert fill_model(checkpoint, model) == ()
    assert model.config.activation == "sigmoid"
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


def test_the_settings_of_the_checkpoint_win_over_those_of_the_recipe(
    tmp_path: Path, plain: dict[str, Tensor]
) -> None:
    said = config_with(activation="softplus", inv_prediction=False, scale_factor=80)
    found = read_checkpoint(write(tmp_path, plain, beside=said))
    wanted = ModelConfig(input_width=98, input_height=98)
    used = found.config_for(wanted)
    assert (used.activation, used.inv_prediction, used.scale_factor) == ("softplus", False, 80.0)
    assert (used.input_width, used.input_height) == (350, 266)
    assert read_checkpoint(write(tmp_path / "bare", plain)).config_for(wanted) == wanted


def test_a_checkpoint_of_another_size_than_the_recipe_is_refused(
    tmp_path: Path, plain: dict[str, Tensor]
) -> None:
    found = read_checkpoint(write(tmp_path, plain, beside=RELEASED))
    with pytest.raises(ContractError, match=r"weights are ViT-S without .* asked for is ViT-Ti"):
        found.config_for(ModelConfig("tiny"))
    with pytest.raises(ContractError, match=r"asked for is ViT-S, head 32 / \[48, 96, 192, 384\],"):
        found.config_for(ModelConfig(features=32))


def test_the_same_config_inside_and_beside_is_fine_and_two_that_differ_are_not(
    tmp_path: Path, plain: dict[str, Tensor]
) -> None:
    path = write(tmp_path, plain, inside=RELEASED, beside=RELEASED)
    assert read_checkpoint(path).config == ModelConfig()
    other = config_with(activation="softplus")
    other["trainer"]["clip_distance"] = 50
    path = write(tmp_path, plain, inside=RELEASED, beside=other)
    with pytest.raises(FormatError) as raised:
        read_checkpoint(path)
    text = str(raised.value)
    assert "finetuned_dsec.pth: the configuration inside and " in text
    assert "differ (activation: 'relu', 'softplus'; clip_distance_m: 80.0, 50.0): " in text
    assert read_checkpoint(path, config=path.with_name("config.json")).clip_distance_m == 50


def test_a_config_that_says_vitl_over_small_weights_is_refused_with_the_remedy(
    tmp_path: Path, plain: dict[str, Tensor]
) -> None:
    path = write(tmp_path, plain, beside=config_with(encoder="vitl"))
    with pytest.raises(ContractError) as raised:
        read_checkpoint(path)
    text = str(raised.value)
    assert "the weights are ViT-S without recurrent units, but " in text
    assert "config.json says ViT-L without recurrent units" in text
    assert 'correct it to "model_type": "DAv2", "encoder": "vits"' in text
    right = tmp_path / "right.json"
    right.write_text(json.dumps(RELEASED))
    assert read_checkpoint(path, config=right).config == ModelConfig()


def test_recurrence_is_read_off_the_keys_and_must_be_what_the_config_says(
    tmp_path: Path, plain: dict[str, Tensor], recurrent: dict[str, Tensor]
) -> None:
    said = config_with(model_type="RecDAv2")
    with pytest.raises(
        ContractError, match=r"without recurrent units, but .* ViT-S with recurrent"
    ):
        read_checkpoint(write(tmp_path, plain, beside=said))
    with pytest.raises(ContractError, match=r"with recurrent units, but .* without recurrent"):
        read_checkpoint(write(tmp_path, recurrent, inside=RELEASED, name="rec_dav2/synth"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "DAv3"}, "model: 'model_type' must be 'DAv2' or 'RecDAv2', got 'DAv3'"),
        ({"encoder": "vitg"}, "'encoder' must be 'vits' or 'vitb' or 'vitl', got 'vitg'"),
        ({"activation": "tanh"}, "'activation' must be 'relu' or .*, got 'tanh'"),
        ({"inv_prediction": 1}, "'inv_prediction' must be true or false, got 1"),
        ({"scale_factor": 0}, "'scale_factor' must be a number above 0, got 0"),
        ({"scale_factor": float("nan")}, "'scale_factor' must be a number above 0, got nan"),
        ({"scale_factor": 10**400}, "'scale_factor' must be a number above 0, got <int>"),
        ({"input_size_width": 350.5}, "'input_size_width' must be a whole number above 0"),
        ({"input_size_height": True}, "'input_size_height' must be a whole number above 0"),
        ({"input_size_height": 10**9}, "'input_size_height' must be a whole number above 0"),
        ({"input_size_height": 13}, "model: input size must be at least 14 x 14"),
        ({"input_channels": 5}, "'input_channels' must be 3: it is about event images only, got 5"),
        ({"input_type": "rgb"}, "'input_type' must be 'events', got 'rgb'"),
        ({"recurrent_block_type": "convgru"}, "must be 'convlstm', got 'convgru'"),
        ({"use_clstoken": False, "use_bn": True}, "model: unknown: 'use_clstoken', 'use_bn'"),
        ({"encoder": ["vits"] * 1000}, "'encoder' must be .*, got <list>"),
        ({"x" * 100_000: 1}, r"model: unknown: 'x{60}\.\.\.'$"),
    ],
)
def test_settings_that_are_not_understood_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        released(config_with(**changes), "config.json")


@pytest.mark.parametrize("missing", ["model_type", "encoder", "activation", "input_size_width"])
def test_a_setting_that_is_missing_is_named(missing: str) -> None:
    config = config_with()
    del config["model"][missing]
    with pytest.raises(FormatError, match=f"config.json: model: '{missing}' is missing"):
        released(config, "config.json")


def test_the_trainer_section_may_say_more_and_less() -> None:
    config = config_with("trainer", epochs=30, use_scaleshift=False)
    del config["trainer"]["reg_factor"]
    assert released(config, "").trainer == Trainer(80.0, None, False, False)
    del config["trainer"]
    assert released(config, "").trainer == Trainer()
    config["trainer"] = {"clip_distance": "far"}
    with pytest.raises(FormatError, match="trainer: 'clip_distance' must be metres above 0"):
        released(config, "config.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "config.json: not JSON"),
        (b"\xff\xfe\x00", "config.json: not JSON"),
        (b"[" * 100_000, "config.json: not JSON"),
        (b"9" * 10_000, "config.json: "),
        (b"[]", "config.json: wanted an object with settings, got list"),
        (b"{}", "config.json: model: wanted an object with settings, got nothing"),
    ],
)
def test_a_broken_config_file_is_one_clear_error(text: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(text)
    with pytest.raises(FormatError, match=message) as raised:
        read_config(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("prefix", ["module.", "model.", "module.model."])
def test_a_prefix_is_named_and_not_stripped(
    prefix: str, tmp_path: Path, plain: dict[str, Tensor]
) -> None:
    state = {prefix + key: value for key, value in plain.items()}
    with pytest.raises(ContractError) as raised:
        read_checkpoint(write(tmp_path, state, beside=RELEASED))
    assert f"all 239 keys seem to have the prefix '{prefix}'" in str(raised.value)
    assert f"(model.{prefix}state_dict())" in str(raised.value)


def test_missing_extra_and_misshaped_keys_are_named(
    tmp_path: Path, plain: dict[str, Tensor]
) -> None:
    state = {key: value for key, value in plain.items() if "blocks.3." not in key}
    state["input_mapping.0.weight"] = torch.zeros(2)
    state["pretrained.pos_embed"] = torch.zeros(1, 1369, 384)
    with pytest.raises(ContractError) as raised:
        read_checkpoint(write(tmp_path, state))
    text = str(raised.value)
    assert "14 missing: pretrained.blocks.3.norm1.weight" in text
    assert "1 unexpected: input_mapping.0.weight" in text
    assert "pretrained.pos_embed [1, 1369, 384] (wanted [1, 1370, 384])" in text


def test_one_recurrent_unit_too_few_is_named(tmp_path: Path, recurrent: dict[str, Tensor]) -> None:
    state = {key: value for key, value in recurrent.items() if "gru_layer_2" not in key}
    with pytest.raises(ContractError, match=r"4 missing: depth_head\.gru_layer_2\.conv"):
        read_checkpoint(write(tmp_path, state))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pretrained.cls_token": torch.zeros(())}, "cls_token cannot have the shape"),
        ({"pretrained.cls_token": torch.zeros(1, 1, 100)}, "no known ViT has width 100, only 192"),
        ({"depth_head.scratch.layer1_rn.weight": torch.zeros(10**9, 0)}, "cannot have the shape"),
        ({"depth_head.scratch.layer1_rn.weight": torch.zeros(3, 3)}, "features must be even"),
        (
            {"depth_head.projects.0.weight": torch.zeros(1).expand(48, 384, 1, 1)},
            r"claims \[48, 384, 1, 1\], but fewer values are stored",
        ),
    ],
)
def test_tensors_of_impossible_shapes_are_refused(
    changes: dict[str, Tensor], message: str, tmp_path: Path, plain: dict[str, Tensor]
) -> None:
    with pytest.raises((ContractError, FormatError), match=message):
        read_checkpoint(write(tmp_path, plain | changes))


def test_the_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    state = {"unetrecurrent.head.conv2d.weight": torch.zeros(3)}
    with pytest.raises(ContractError, match=r"neither DepthAnyEvent nor .* \(unetrecurrent\.head"):
        read_checkpoint(write(tmp_path, state))
    with pytest.raises(ContractError, match=r"missing from its 0 keys \(none"):
        read_checkpoint(write(tmp_path, {}))


@pytest.mark.parametrize(
    ("bad", "dtype"), [(float("nan"), None), (-float("inf"), None), (1e300, torch.float64)]
)
def test_a_value_that_is_not_finite_is_refused_and_its_key_named(
    bad: float, dtype: torch.dtype | None, tmp_path: Path, plain: dict[str, Tensor]
) -> None:
    key = "pretrained.blocks.7.mlp.fc1.bias"
    broken = plain[key].clone().to(dtype)
    broken[3] = bad
    with pytest.raises(FormatError, match=f"{key}: 1 of 1536 values are not finite"):
        read_checkpoint(write(tmp_path, plain | {key: broken}, beside=RELEASED))


class Malicious:
    """A pickle of this writes a file where it is loaded without care."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.write_text, (self.target, "executed")


def test_code_in_the_config_inside_is_not_executed(
    tmp_path: Path, plain: dict[str, Tensor]
) -> None:
    target = tmp_path / "executed.txt"
    path = write(tmp_path, plain, inside=config_with(activation=Malicious(target)))
    with pytest.raises(FormatError, match="not a checkpoint that can be read safely"):
        read_checkpoint(path)
    assert not target.exists()


@pytest.mark.parametrize("kept", [0, 1, 100, 100_000])
def test_a_truncated_file_is_one_clear_error(
    kept: int, tmp_path: Path, plain: dict[str, Tensor]
) -> None:
    path = write(tmp_path, plain, beside=RELEASED)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(FormatError, match="not a checkpoint that can be read safely") as raised:
        read_checkpoint(path)
    assert "\n" not in str(raised.value)


def test_depth_anything_v2_is_a_start_for_a_recurrent_model_only_when_asked_for(
    tmp_path: Path,
) -> None:
    state = compact(SMALL_HEAD)
    path = tmp_path / "depth_anything_v2_vits.pth"
    torch.save(state, path)
    (tmp_path / "config.json").write_text('{"model_type": "depth_anything"}')  # of another program
    found = read_checkpoint(path)
    assert found.config is None
    model = DepthAnyEvent(found.config_for(SMALL_HEAD))
    assert fill_model(found, model) == ()
    wanted = ModelConfig("tiny", recurrent=True, features=16, out_channels=(8, 8, 8, 8))
    model = DepthAnyEvent(found.config_for(wanted))
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ContractError, match=r"weights without recurrent units .* initialise=True"):
        fill_model(found, model)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    kept = fill_model(found, model, initialise=True)
    assert len(kept) == 16
    assert all(key.startswith("depth_head.gru_layer_") for key in kept)
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key] if key in kept else state[key]), key


def test_recurrent_weights_do_not_go_into_a_plain_model_even_as_a_start() -> None:
    config = ModelConfig("tiny", recurrent=True, features=16, out_channels=(8, 8, 8, 8))
    found = known(compact(config), config)
    model = DepthAnyEvent(SMALL_HEAD)
    with pytest.raises(ContractError, match=r"16 unexpected: depth_head\.gru_layer_1"):
        fill_model(found, model, initialise=True)


def known(state: dict[str, Tensor], config: ModelConfig) -> Checkpoint:
    return Checkpoint(
        state=state,
        layout=config,
        config=config,
        clip_distance_m=80.0,
        reg_factor=None,
        use_logdepth=False,
        use_scaleshift=True,
        sha256="0" * 64,
        source_sha256="1" * 64,
        source="a test",
        licence="Apache-2.0",
        format="torch",
    )


@pytest.mark.parametrize(
    ("name", "sha256", "encoder", "recurrent", "expected"),
    [
        ("x.pth", catalogue.ENTRIES[0].sha256, "small", False, "depth-anything-v2-small Apache-2"),
        ("x.pth", catalogue.ENTRIES[2].sha256, "large", False, "depth-anything-v2-large CC-BY-NC"),
        ("depth_anything_v2_vitb.pth", "", "base", False, "depth_anything_v2_vitb.pth unknown (na"),
        ("rec_dav2/metric_dsec/a.pth", "", "small", True, "rec_dav2/metric_dsec (by its name) uns"),
        (
            "dav2/distillation_dsec/a.pth",
            "",
            "small",
            False,
            "dav2/distillation_dsec (by its name)",
        ),
        ("finetuned_dsec.pth", "", "small", True, "rec_dav2/finetuned_dsec (by its name) unstat"),
        ("finetuned_dsec.pth", "", "tiny", True, "finetuned_dsec.pth unknown"),
        ("synth/mine.pth", "", "small", True, "mine.pth unknown"),
    ],
)
def test_the_licence_is_known_by_the_bytes_or_by_name_and_size(
    name: str, sha256: str, encoder: str, recurrent: bool, expected: str
) -> None:
    found = catalogue.origin(Path(name), sha256 or "0" * 64, encoder, recurrent=recurrent)
    assert " ".join(found).startswith(expected)


def test_a_safetensors_copy_says_and_gives_all_that_the_original_did(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    with torch.device("meta"):
        layout = DepthAnyEvent(SMALL_HEAD)
    state = seeded_state_dict(layout)
    config = ModelConfig(
        "tiny", activation="softplus", inv_prediction=False, scale_factor=2.5, input_width=98
    )
    config = ModelConfig(**{**vars(config), "features": 16, "out_channels": (8, 8, 8, 8)})
    original = known(state, config)
    path = tmp_path / "copy.safetensors"
    save_safetensors(original, path)
    copied = read_checkpoint(path)
    assert copied.format == "safetensors"
    assert copied.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    for name in vars(original).keys() - {"state", "layout", "sha256", "format"}:
        assert getattr(copied, name) == getattr(original, name), name
    assert copied.layout == SMALL_HEAD
    assert copied.state.keys() == state.keys()
    assert all(torch.equal(copied.state[key], state[key]) for key in state)
    save_safetensors(copied, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "again.safetensors",
        "copy.safetensors",
    ]


def test_a_copy_that_cannot_be_written_leaves_nothing_and_the_old_one_whole(
    tmp_path: Path,
) -> None:
    pytest.importorskip("safetensors")
    original = known({"any": torch.zeros(2)}, SMALL_HEAD)
    with pytest.raises(ValueError, match=r"copy\.pth: the name must end in \.safetensors"):
        save_safetensors(original, tmp_path / "copy.pth")
    (tmp_path / "full.safetensors").mkdir()
    with pytest.raises(OSError, match="full"):
        save_safetensors(original, tmp_path / "full.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["full.safetensors"]


@pytest.mark.parametrize(
    ("note", "message"),
    [
        ("{", "metadata: not JSON"),
        ("[]", "metadata: not of version 1"),
        ('{"version": 2}', "metadata: not of version 1"),
        ('{"version": 1}', "metadata: 'source' must be one printable line"),
        (
            '{"version": 1, "source": "\\u001b[2J", "source_sha256": "0", "licence": "x"}',
            "metadata: 'source' must be one printable line",
        ),
        (
            '{"version": 1, "source": "a", "source_sha256": "0", "licence": "x", "model": {}}',
            "metadata: model: 'activation' must be|metadata: model: 'activation' is missing",
        ),
    ],
)
def test_a_safetensors_file_with_a_broken_note_is_refused(
    note: str, message: str, tmp_path: Path
) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    path = tmp_path / "model.safetensors"
    state = {key: value.clone() for key, value in compact(SMALL_HEAD).items()}
    safetensors.save_file(state, path, metadata={"dae-edge checkpoint": note})
    with pytest.raises(FormatError, match=message):
        read_checkpoint(path)


@settings(deadline=None, max_examples=50)
@given(position=st.floats(0, 1), junk=st.binary(min_size=1, max_size=8))
def test_damaged_bytes_give_one_of_the_two_errors(
    position: float, junk: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.pth"
    state = {key: torch.zeros(2) for key in ("pretrained.cls_token", "pretrained.pos_embed")}
    torch.save({"state_dict": state, "config": RELEASED}, path)
    data = bytearray(path.read_bytes())
    start = int(position * (len(data) - 1))
    data[start : start + len(junk)] = junk
    path.write_bytes(data)
    with suppress(FormatError, ContractError):  # anything else is a failure
        read_checkpoint(path)
