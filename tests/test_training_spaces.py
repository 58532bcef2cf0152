"""Outputs as values to compare: right where they are right, and never without a gradient."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

from dae_edge.nn import DepthAnyEvent, E2Depth, ModelConfig
from training.spaces import inferred, own_output, predicted, true

RANGE_M = 80.0
FLOOR = 0.5 / RANGE_M
SPACES = ("depth", "inverse", "log")


def network(**settings: Any) -> DepthAnyEvent:
    """Only its settings count here: nothing is computed with its weights."""
    with torch.device("meta"):
        return DepthAnyEvent(ModelConfig("tiny", **settings))


def in_space(model: Any, own: torch.Tensor, space: Any) -> torch.Tensor:
    return predicted(model, own, space, size=tuple(own.shape[-2:]), range_m=RANGE_M)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_pixels_above_the_floor_are_what_the_model_says_in_use(space: str, scale: float):
    model = network(scale_factor=scale)
    own = torch.linspace(scale * FLOOR * 1.01, scale * 3, 50).reshape(1, 1, 5, 10)
    wanted = true(model.decode(own), space, range_m=1000).values
    # but for the 1e-6 that keeps both from dividing by 0, which a factor moves
    torch.testing.assert_close(in_space(model, own, space), wanted, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("space", SPACES)
def test_below_the_floor_a_gradient_is_left_that_leads_back(space: str):
    model = network()
    own = torch.tensor([-100.0, -1.0, 0.0, FLOOR / 2, FLOOR, 2 * FLOOR]).reshape(1, 1, 2, 3)
    own.requires_grad_()
    values = in_space(model, own, space)
    assert torch.isfinite(values).all()
    (slope,) = torch.autograd.grad(values.sum(), own)
    up = 1.0 if space == "inverse" else -1.0  # a larger inverse depth is a smaller depth
    assert (up * slope > 0).all()
    at_the_floor = slope.flatten()[4]
    below = slope.flatten()[:4]
    torch.testing.assert_close(below, (0.1 * at_the_floor).expand(4), rtol=0.02, atol=0)


@pytest.mark.parametrize("space", SPACES)
def test_the_line_below_the_floor_joins_the_curve_and_goes_on_falling(space: str):
    own = torch.linspace(-2 * FLOOR, 2 * FLOOR, 4001).reshape(1, 1, 1, -1)
    values = in_space(network(), own, space).flatten().double()
    steps = values.diff() * (1 if space == "inverse" else -1)
    assert (steps > 0).all()
    assert steps.max() < 0.01 * (values.max() - values.min())  # no jump


def test_where_the_released_output_has_no_gradient_ours_has_one():
    model, own = network(), torch.full((1, 1, 2, 2), -0.5, requires_grad=True)
    (dead,) = torch.autograd.grad(model.decode(own).log().sum(), own)
    (alive,) = torch.autograd.grad(in_space(model, own, "log").sum(), own)
    assert (dead == 0).all()
    assert (alive < 0).all()


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(
    ("activation", "inverted"), [("relu", False), ("sigmoid", True), ("softplus", True)]
)
def test_other_outputs_are_compared_as_they_are(space: str, activation: str, inverted: bool):
    model = network(activation=activation, inv_prediction=inverted, scale_factor=20.0)
    own = torch.linspace(0.5, 3, 20).reshape(1, 1, 4, 5)
    wanted = true(model.decode(own), space, range_m=1000).values
    torch.testing.assert_close(in_space(model, own, space), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("space", SPACES)
def test_log_depth_of_a_metric_network_becomes_metres(space: str):
    with torch.device("meta"):
        model = E2Depth()
    own = torch.linspace(0, 1, 20).reshape(1, 1, 4, 5)
    metres = inferred(model, own, (4, 5))[:, None]
    assert float(metres.max()) == pytest.approx(80)
    wanted = true(metres, space, range_m=1000).values
    torch.testing.assert_close(in_space(model, own, space), wanted, rtol=1e-4, atol=1e-5)


def test_values_come_at_the_size_of_the_truth():
    own = torch.rand(2, 1, 7, 9) + 0.1
    model = network()
    assert predicted(model, own, "log", size=(21, 27), range_m=RANGE_M).shape == (2, 1, 21, 27)
    assert inferred(model, own, (21, 27)).shape == (2, 21, 27)


def test_unknown_far_and_touching_depths_do_not_count():
    depth = torch.tensor([0.0, -1.0, float("nan"), float("inf"), 0.01, 79.0, 81.0, 2.0])
    for space in SPACES:
        truth = true(depth.reshape(1, 1, 2, 4), space, range_m=RANGE_M)
        assert truth.mask.flatten().tolist() == [False] * 5 + [True, False, True]
        assert torch.isfinite(truth.values).all()
    assert float(true(depth.reshape(1, 1, 2, 4), "inverse", range_m=80).values[0, 0, 1, 3]) == (
        pytest.approx(0.5, abs=1e-5)
    )


def test_the_models_own_output_is_the_one_it_makes_depth_of():
    torch.manual_seed(0)
    model = DepthAnyEvent(ModelConfig("tiny", recurrent=True, input_width=84, input_height=70))
    window = torch.rand(1, 3, 40, 52)
    with torch.no_grad():
        own, state = own_output(model, window, None)
        again, _ = own_output(model, window, state)
        depth, _ = model(window)
    torch.testing.assert_close(inferred(model, own, (40, 52)), depth)
    assert not torch.equal(own, again)


def test_a_sigmoid_that_means_metres_has_a_gradient_from_near_to_far():
    model = network(activation="sigmoid", scale_factor=100.0)
    own = torch.linspace(-4, 8, 100).reshape(1, 1, 10, 10).requires_grad_()
    assert float(model.decode(own.detach()).min()) < 0.05
    assert float(model.decode(own.detach()).max()) > RANGE_M
    (slope,) = torch.autograd.grad(in_space(model, own, "log").sum(), own)
    assert (slope < -0.01).all()
