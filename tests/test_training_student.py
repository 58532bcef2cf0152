"""The network that learns: where it starts, and that all else reads what it leaves."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

from small_dataset import Drives
from small_training import small_recipe

from dae_edge.errors import ContractError
from dae_edge.evaluation.torch_predictor import TorchPredictor
from dae_edge.export.model import prepare
from dae_edge.nn import DepthAnyEvent, E2Depth, ModelConfig
from dae_edge.nn.checkpoint import read_checkpoint
from dae_edge.recipes import load_recipe as load_model_recipe
from training.spaces import own_output
from training.start import START_DEPTH_M
from training.student import build, network_size, start_from, write_weights

HEAD = {"features": 8, "out_channels": [8, 8, 8, 8]}
SIZE = {"input_width": 98, "input_height": 84}


def trained(model: Any) -> Any:
    """As if it had been trained: no weight is what it began with."""
    torch.manual_seed(7)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(0.02 * torch.randn_like(value))
    return model


def network(encoder: Any = "tiny", *, recurrent: bool = True, **settings: Any) -> DepthAnyEvent:
    return DepthAnyEvent(ModelConfig(encoder, recurrent=recurrent, **{**HEAD, **SIZE, **settings}))


@pytest.mark.parametrize(
    ("name", "encoder", "suffix", "format_"),
    [
        ("depthanyevent-r-tiny", "tiny", ".safetensors", "safetensors"),
        ("depthanyevent-r", "small", ".pth", "torch"),
    ],
)
def test_weights_are_read_by_all_that_reads_weights(
    name: str, encoder: str, suffix: str, format_: str, tmp_path: Path
):
    model = trained(network(encoder, activation="relu", scale_factor=2.0)).eval()
    recipe = small_recipe(f"name={name}")
    path = write_weights(tmp_path, "first", model, recipe)
    assert path == tmp_path / f"first{suffix}"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    found = read_checkpoint(path)
    assert found.format == format_
    assert found.config == model.config
    assert (found.clip_distance_m, found.use_scaleshift, found.use_logdepth) == (80, True, False)
    for key, value in model.state_dict().items():
        assert found.state[key].equal(value), key

    asked = load_model_recipe(name)
    asked = replace(asked, model={**asked.model, **HEAD})  # sizes come from the file
    predictor = TorchPredictor(asked, path)
    exported = prepare(asked, path)
    assert exported.unit == "relative depth"
    state = again = None
    for sample in Drives(tmp_path, "test").sequences()[0]:
        window = torch.from_numpy(sample.tencode(dtype="float32"))[None]
        with torch.no_grad():
            wanted, state = model(window, state)
            got, again = exported.model(window, again)
        assert got.equal(wanted)
        assert torch.from_numpy(predictor.predict(sample)).equal(wanted[0])


def test_weights_of_e2depth_are_read_by_all_that_reads_weights(tmp_path: Path):
    model = trained(E2Depth()).eval()
    path = write_weights(tmp_path, "first", model, small_recipe("metric=true"))
    assert path.suffix == ".pth"
    predictor = TorchPredictor(load_model_recipe("e2depth"), path)
    sample = next(iter(Drives(tmp_path, "test").sequences()[0]))
    with torch.no_grad():
        wanted, _ = model(torch.from_numpy(sample.voxel_grid(5))[None])
    assert torch.from_numpy(predictor.predict(sample)).equal(wanted[0])
    other = E2Depth()
    assert start_from(path, other) == ()
    assert all(value.equal(model.state_dict()[key]) for key, value in other.state_dict().items())


def test_metres_are_said_to_be_metres_unless_a_teacher_taught_them(tmp_path: Path):
    recipe = small_recipe("metric=true", "second.labels=proxy", "second.after=''")
    asked = load_model_recipe("depthanyevent-r-tiny")
    asked = replace(asked, model={**asked.model, **HEAD})
    for stage, unit in zip(recipe.stages, ("m", "relative depth"), strict=True):
        path = write_weights(tmp_path, stage.name, network(), recipe.taught_by(stage))
        assert prepare(asked, path).unit == unit


def test_stages_of_different_size_share_a_folder(tmp_path: Path):
    for name, encoder in (("first", "small"), ("second", "tiny")):
        small, large = (network(encoder, input_width=width) for width in (84, 98))
        one = write_weights(tmp_path, f"{name}-a", small, small_recipe())
        other = write_weights(tmp_path, f"{name}-b", large, small_recipe())
        for path, model in ((one, small), (other, large)):
            assert read_checkpoint(path).config == model.config
    start_from(tmp_path / "second-a.safetensors", large)  # the next stage can be larger


def gates(model: DepthAnyEvent) -> torch.Tensor:
    return model.get_parameter("depth_head.gru_layer_1.recurrent_block.Gates.weight").detach()


def test_from_depth_anything_recurrent_units_start_as_those_of_a_network_from_nothing(
    tmp_path: Path,
):
    plain = trained(network(recurrent=False))
    path = tmp_path / "depth_anything_v2_vitt.pth"
    torch.save(plain.state_dict(), path)
    recipe = small_recipe()
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        model = build(recipe, recipe.stages[0])[0]
        before = copy.deepcopy(model.state_dict())
        fresh = start_from(path, model)
        assert len(fresh) == 16
        assert all(name.startswith("depth_head.gru_layer_") for name in fresh)
        for key, value in model.state_dict().items():
            assert value.equal(before[key] if key in fresh else plain.state_dict()[key]), key
        drawn.append(gates(model))
    assert drawn[0].equal(drawn[1])  # the seed of the stage decides
    assert not drawn[0].equal(drawn[2])
    # not three times that: cells would begin near their limits, where gates have no gradient
    fan = math.prod(drawn[0].shape[1:])
    assert float(drawn[0].std()) * math.sqrt(fan) < 2.5
    with torch.no_grad():
        _, state = own_output(model, torch.rand(1, 3, 70, 84), None)
    assert max(float(cell.abs().mean()) for _, cell in state) < 0.7


def test_weights_of_another_network_are_refused(tmp_path: Path):
    path = write_weights(tmp_path, "first", network(), small_recipe())
    with pytest.raises(ContractError, match=r"weights are ViT-Ti, head .*, the model asked for"):
        start_from(path, DepthAnyEvent(ModelConfig("tiny", recurrent=True)))
    with pytest.raises(ContractError, match=r"16 unexpected: depth_head\.gru_layer"):
        start_from(path, network(recurrent=False))
    with pytest.raises(ValueError, match=r"nowhere\.pth: no such file of weights"):
        start_from(tmp_path / "nowhere.pth", network())


@pytest.mark.parametrize(
    ("activation", "scale"), [("relu", 1.0), ("relu", 20.0), ("sigmoid", 100.0)]
)
def test_without_weights_it_begins_at_about_the_depth_of_a_room(activation: str, scale: float):
    recipe = small_recipe(
        f"model_settings.activation={activation}", f"model_settings.scale_factor={scale}"
    )
    torch.manual_seed(3)
    model, kind = build(recipe, recipe.stages[0])
    assert kind == "tencode"
    with torch.no_grad():
        depth, _ = model(torch.rand(1, 3, 40, 52))
    assert 0.5 * START_DEPTH_M < float(depth.median()) < 2 * START_DEPTH_M


def test_a_stage_can_have_its_own_size():
    recipe = small_recipe("first.input=[112, 98]")
    sizes = [network_size(build(recipe, stage)[0]) for stage in recipe.stages]
    assert sizes == [(98, 112), (70, 84)]
    assert network_size(E2Depth()) is None
