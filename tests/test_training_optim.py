"""What moves and by how much: frozen parts, weight decay, the schedule, the averaged weights."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

from small_training import small_recipe
from torch import nn

from dae_edge.nn import DepthAnyEvent, E2Depth, ModelConfig
from training.optim import (
    Average,
    decays,
    freeze,
    learning_rate,
    make_optimiser,
    set_learning_rate,
)
from training.recipe import Stage


def stage(**settings: Any) -> Stage:
    return replace(small_recipe().stages[0], **settings)


def network(*, recurrent: bool = True) -> DepthAnyEvent:
    config = ModelConfig(
        "tiny", recurrent=recurrent, features=8, out_channels=(8, 8, 8, 8),
        input_width=84, input_height=70,
    )  # fmt: skip
    return DepthAnyEvent(config)


def moved(model: nn.Module, settings: Stage) -> set[str]:
    """Names of the parameters that one step changes."""
    freeze(model, settings)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    optimiser = make_optimiser(model, settings)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    return {name for name, value in model.named_parameters() if not value.equal(before[name])}


def names(model: nn.Module, *, inside: str = "", outside: str = "none") -> set[str]:
    every = [name for name, _ in model.named_parameters()]
    return {name for name in every if name.startswith(inside) and not name.startswith(outside)}


def test_without_freezing_everything_moves():
    assert moved(network(), stage(freeze="none")) == names(network())


def test_with_the_encoder_frozen_exactly_the_head_moves():
    assert moved(network(), stage(freeze="encoder")) == names(network(), outside="pretrained.")


def test_with_all_but_the_recurrent_units_frozen_exactly_these_move():
    got = moved(network(), stage(freeze="all_but_recurrent"))
    assert got == names(network(), inside="depth_head.gru_layer_")
    assert len(got) == 16


@pytest.mark.parametrize(
    ("model", "what", "part"),
    [
        (network(recurrent=False), "all_but_recurrent", "recurrent units"),
        (E2Depth(), "encoder", "ViT encoder"),
        (E2Depth(), "all_but_recurrent", "recurrent units"),
    ],
)
def test_a_model_without_the_part_is_refused(model: nn.Module, what: str, part: str):
    with pytest.raises(ValueError, match=f"stage 'first': freeze: this model has no {part}"):
        freeze(model, stage(freeze=what))


def test_matrices_decay_and_vectors_tokens_and_tables_do_not():
    model = network()
    optimiser = make_optimiser(model, stage(weight_decay=0.1, head_lr=10.0))
    name_of = {id(value): name for name, value in model.named_parameters()}
    groups = {
        (group["factor"], group["weight_decay"]): {name_of[id(p)] for p in group["params"]}
        for group in optimiser.param_groups
    }
    assert set(groups) == {(1.0, 0.1), (1.0, 0.0), (10.0, 0.1), (10.0, 0.0)}
    assert set().union(*groups.values()) == names(model)
    for (factor, decay), members in groups.items():
        assert all(name.startswith("pretrained.") == (factor == 1.0) for name in members)
        for name in members:
            value = model.get_parameter(name)
            vector = value.dim() < 2 or name.endswith((".pos_embed", ".cls_token", ".mask_token"))
            assert (decay == 0) == vector, name


def test_a_tokens_shape_does_not_make_it_a_matrix():
    assert not decays("pretrained.cls_token", torch.zeros(1, 1, 8))
    assert not decays("blocks.0.relative_position_bias_table", torch.zeros(4, 8))
    assert decays("blocks.0.attn.qkv.weight", torch.zeros(4, 8))


def test_the_rate_climbs_to_its_top_and_falls_to_nothing():
    one = stage(lr=1e-3, warmup=10, steps=110, schedule="cosine")
    rates = [learning_rate(one, step) for step in range(110)]
    assert rates[0] == pytest.approx(1e-4)
    assert rates[9] == rates[10] == pytest.approx(1e-3)
    assert all(b > a for a, b in pairwise(rates[:10]))
    assert all(b < a for a, b in pairwise(rates[10:]))
    assert rates[60] == pytest.approx(0.5e-3)
    assert 0 < rates[-1] < 1e-6
    assert learning_rate(one, 110) == pytest.approx(0)


def test_the_rate_can_stay_and_a_warm_up_can_be_longer_than_the_stage():
    flat = stage(lr=1e-3, warmup=2, steps=9, schedule="constant")
    assert [learning_rate(flat, step) for step in (0, 1, 2, 8)] == [5e-4, 1e-3, 1e-3, 1e-3]
    short = stage(lr=1e-3, warmup=20, steps=10)
    assert learning_rate(short, 9) == pytest.approx(5e-4)
    assert learning_rate(stage(lr=1.0, warmup=0, steps=1), 0) == 1.0


def test_the_head_learns_by_its_factor_at_every_step():
    optimiser = make_optimiser(network(), stage(lr=1e-3, head_lr=10.0))
    set_learning_rate(optimiser, 2e-4)
    assert {group["factor"]: group["lr"] for group in optimiser.param_groups} == {
        1.0: pytest.approx(2e-4),
        10.0: pytest.approx(2e-3),
    }


def test_the_average_is_what_its_formula_says():
    model = nn.Linear(1, 1, bias=False)
    average = Average(model, 0.9)
    wanted = float(model.weight.detach())
    for step in range(200):
        with torch.no_grad():
            model.weight.fill_(math.sin(step))
        average.update(model, step)
        share = min(0.9, (1 + step) / (10 + step))
        wanted = share * wanted + (1 - share) * math.sin(step)
        assert float(average.model.weight) == pytest.approx(wanted, abs=1e-6)
    assert average.decay_at(10_000) == 0.9


def test_no_average_is_the_weights_themselves_and_the_model_is_not_touched():
    model = network()
    average = Average(model, 0.0)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(torch.randn_like(value))
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    average.update(model, 0)
    for name, value in average.model.named_parameters():
        assert value.equal(before[name])
        assert value.equal(model.get_parameter(name))
        assert not value.requires_grad
    assert model.training
    assert not average.model.training
