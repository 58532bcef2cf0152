"""Where training from nothing starts."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", exc_type=ImportError)

import torch

from dae_edge.nn import DepthAnyEvent, ModelConfig
from training.start import START_DEPTH_M, cosines, positions, start_from_nothing


def _model(**settings: object) -> DepthAnyEvent:
    torch.manual_seed(0)
    model = DepthAnyEvent(
        ModelConfig(encoder="tiny", input_width=84, input_height=70, **settings)  # type: ignore[arg-type]
    )
    start_from_nothing(model)
    return model


@pytest.mark.parametrize(
    "settings",
    [{}, {"recurrent": True}, {"activation": "sigmoid", "scale_factor": 100.0}],
    ids=["relu", "recurrent", "sigmoid"],
)
def test_depth_begins_near_ten_metres_everywhere(settings: dict[str, object]):
    image = (torch.rand(2, 3, 70, 84) < 0.2).float()
    with torch.no_grad():
        depth, _ = _model(**settings)(image)
    assert (depth > START_DEPTH_M / 3).all()
    assert (depth < START_DEPTH_M * 3).all()


def test_black_patches_say_nothing_but_where_they_are():
    encoder = _model().pretrained
    model = _model()
    black = model.prepare(torch.zeros(1, 3, 70, 84))
    assert encoder.patch_embed(black).abs().max() < 1e-4


def test_filters_of_patches_are_apart_and_see_each_colour():
    filters = cosines(192)
    flat = filters.flatten(1)
    apart = flat @ flat.T
    off = apart - torch.diag(apart.diag())
    assert off.abs().max() < 1e-4
    assert (filters.abs().amax((2, 3)) > 0).sum(0).tolist() == [64, 64, 64]
    assert cosines(384).shape == (384, 3, 14, 14)


def test_positions_tell_every_place_from_every_other():
    table = positions(192)
    assert table.shape == (37 * 37, 192)
    distance = torch.cdist(table[:200], table[:200]) + torch.eye(200) * 10
    assert distance.min() > 0.1


def test_the_head_hands_on_the_variance_it_gets():
    model = _model(recurrent=True)
    taps = [torch.randn(2, 30, 192) for _ in range(4)]
    with torch.no_grad():
        layers = model.depth_head.scratch.reduce(model.depth_head.reassemble(taps, (5, 6)))
    for layer in layers:
        assert 0.3 < layer.std() < 2


def test_gates_begin_open():
    model = _model(recurrent=True)
    enter, keep, leave, candidate = model.depth_head.gru_layer_1.recurrent_block.Gates.bias.chunk(4)
    assert (enter == 1).all()
    assert (leave == 1).all()
    assert (keep == 0).all()
    assert (candidate == 0).all()
