"""What is minimised: the published losses in each space, one number for many processes."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

from torch import Tensor

from dae_edge.nn import DepthAnyEvent, E2Depth, ModelConfig
from dae_edge.protocols import Strict
from training import losses
from training.objective import objective, spread_by_image
from training.recipe import Term
from training.spaces import predicted, true

RANGE_M = 80.0
SPACES = ("depth", "inverse", "log")
NAMES = ("ssi", "silog", "gradient", "multi_scale_gradient", "l1")


@pytest.fixture(scope="module")
def model() -> DepthAnyEvent:
    with torch.device("meta"):  # only its settings count
        return DepthAnyEvent(ModelConfig("tiny"))


@pytest.fixture(scope="module")
def depth() -> Tensor:
    """Four images with holes of different size, the last one without any truth."""
    draw = torch.Generator().manual_seed(5)
    depth = 2 + 20 * torch.rand(4, 32, 40, generator=draw)
    for index in range(3):
        depth[index, : 4 * index] = 0
    depth[3] = float("nan")
    return depth


@pytest.fixture(scope="module")
def own() -> Tensor:
    return 0.02 + 0.4 * torch.rand(4, 1, 16, 20, generator=torch.Generator().manual_seed(6))


def alone(tensor: Tensor) -> Tensor:
    """The mean over one process."""
    return tensor


def loss_of(model: Any, own: Tensor, depth: Tensor, *terms: Term, mean: Any = alone) -> Tensor:
    return objective(model, own, depth, terms, range_m=RANGE_M, mean=mean)


def published(term: Term, prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """The loss of one image as ``training.losses`` has it, which equals the official one."""
    if term.name == "ssi":
        return losses.scale_and_shift_invariant(
            prediction, target, mask, alpha=term.alpha, scales=term.scales
        )
    if term.name == "silog":
        return losses.scale_invariant(prediction, target, mask, weight=term.mean_weight)
    if term.name == "gradient":
        return losses.gradient(prediction, target, mask, scales=term.scales)
    if term.name == "l1":
        return (prediction - target)[mask].abs().mean()
    target = torch.where(mask, target, torch.nan)
    return losses.multi_scale_gradient(prediction, target, mask, scales=term.scales)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("name", NAMES)
def test_a_loss_is_the_mean_of_the_published_one_over_images(
    name: Any, space: Any, model: DepthAnyEvent, own: Tensor, depth: Tensor
):
    term = Term(name, space)
    prediction = predicted(model, own, space, size=(32, 40), range_m=RANGE_M)
    target, mask = true(depth[:, None], space, range_m=RANGE_M)
    wanted = [published(term, prediction[i : i + 1], target[i : i + 1], mask[i : i + 1])
              for i in range(3)]  # fmt: skip
    # the image without truth counts as 0
    torch.testing.assert_close(
        loss_of(model, own, depth, term), torch.stack(wanted).sum() / 4, rtol=2e-4, atol=1e-6
    )


@pytest.mark.parametrize("name", ["ssi", "gradient"])
def test_by_batch_all_pixels_count_alike_as_published(
    name: Any, model: DepthAnyEvent, own: Tensor, depth: Tensor
):
    term = Term(name, "inverse", reduction="batch")
    prediction = predicted(model, own, "inverse", size=(32, 40), range_m=RANGE_M)
    target, mask = true(depth[:, None], "inverse", range_m=RANGE_M)
    torch.testing.assert_close(
        loss_of(model, own, depth, term),
        published(term, prediction, target, mask),
        rtol=2e-4,
        atol=1e-7,
    )


def test_terms_are_summed_with_their_weights(model: DepthAnyEvent, own: Tensor, depth: Tensor):
    one, other = Term("ssi", "inverse"), Term("silog", "log")
    both = loss_of(model, own, depth, one, Term("silog", "log", weight=0.25))
    parts = loss_of(model, own, depth, one) + 0.25 * loss_of(model, own, depth, other)
    torch.testing.assert_close(both, parts)


@pytest.mark.parametrize("space", SPACES)
def test_aligned_losses_do_not_see_scale_and_shift(space: Any, model: DepthAnyEvent, depth: Tensor):
    target, mask = true(depth[:3, None], "inverse", range_m=RANGE_M)
    right = torch.where(mask, target, torch.ones_like(target))
    assert float(loss_of(model, 3 * right + 0.2, depth[:3], Term("ssi", "inverse"))) < 1e-6
    silog = Term("silog", "log", mean_weight=0.0)
    assert float(loss_of(model, 3 * right, depth[:3], silog)) < 1e-3
    assert float(loss_of(model, 3 * right, depth[:3], Term("silog", "log", mean_weight=1.0))) > 1
    assert float(loss_of(model, right, depth[:3], Term("l1", space))) < 1e-3


def test_abs_rel_is_what_evaluation_says_after_alignment(
    model: DepthAnyEvent, own: Tensor, depth: Tensor
):
    prediction = predicted(model, own, "depth", size=(32, 40), range_m=RANGE_M)
    strict = Strict(range_m=RANGE_M)
    said = [strict.frame(prediction[i, 0].numpy(), depth[i].numpy())["abs_rel"] for i in range(3)]
    loss = loss_of(model, own, depth, Term("abs_rel", "depth"))
    assert float(loss) == pytest.approx(sum(said) / 4, rel=1e-4)  # one image has no truth


@pytest.mark.parametrize(("name", "space"), [*product(NAMES, SPACES), ("abs_rel", "depth")])
@pytest.mark.parametrize("start", [0.1, 0.0, -1.0])
def test_every_loss_in_every_space_has_a_finite_gradient_wherever_the_output_is(
    name: Any, space: Any, start: float, model: DepthAnyEvent, depth: Tensor
):
    noise = torch.rand(4, 1, 16, 20, generator=torch.Generator().manual_seed(1))
    own = (start + 0.01 * noise).requires_grad_()
    loss = loss_of(model, own, depth, Term(name, space))
    (slope,) = torch.autograd.grad(loss, own)
    assert torch.isfinite(loss)
    assert torch.isfinite(slope).all()
    assert (slope[:3].abs().amax((1, 2, 3)) > 0).all()
    assert (slope[3] == 0).all()  # an image without truth teaches nothing


@pytest.mark.parametrize("name", NAMES)
def test_a_network_that_says_the_same_everywhere_can_still_learn(name: Any, model: DepthAnyEvent):
    depth = torch.linspace(2, 30, 32 * 40).reshape(1, 32, 40)
    own = torch.full((1, 1, 16, 20), 0.1, requires_grad=True)
    loss = loss_of(model, own, depth, Term(name, "log"))
    (slope,) = torch.autograd.grad(loss, own)
    assert torch.isfinite(loss)
    assert torch.isfinite(slope).all()


def test_nothing_known_is_no_loss_but_no_error(model: DepthAnyEvent):
    own = torch.rand(2, 1, 16, 20).requires_grad_()
    terms = [Term(name, "log") for name in NAMES]
    terms += [Term(name, "inverse", reduction="batch") for name in ("ssi", "gradient")]
    loss = loss_of(model, own, torch.zeros(2, 32, 40), *terms)
    (slope,) = torch.autograd.grad(loss, own)
    assert float(loss.detach()) == 0
    assert (slope == 0).all()


def test_a_metric_network_is_compared_in_metres(depth: Tensor):
    with torch.device("meta"):
        model = E2Depth()
    own = torch.rand(4, 1, 32, 40, generator=torch.Generator().manual_seed(2))
    own = own.requires_grad_()
    for space in SPACES:
        loss = loss_of(model, own, depth, Term("l1", space))
        prediction = predicted(model, own, space, size=(32, 40), range_m=RANGE_M)
        target, mask = true(depth[:, None], space, range_m=RANGE_M)
        each = [(prediction - target)[i][mask[i]].abs().mean() for i in range(3)]
        torch.testing.assert_close(loss, torch.stack(each).sum() / 4)


@pytest.mark.parametrize("reduction", ["image", "batch"])
@pytest.mark.parametrize("name", ["ssi", "gradient", "silog", "l1", "multi_scale_gradient"])
def test_the_mean_over_processes_is_the_loss_of_the_whole_batch(
    name: Any, reduction: Any, model: DepthAnyEvent, own: Tensor, depth: Tensor
):
    if reduction == "batch" and name not in ("ssi", "gradient"):
        return
    term = Term(name, "log" if name == "silog" else "inverse", reduction=reduction)
    whole = loss_of(model, own, depth, term)
    parts = [(own[:2], depth[:2]), (own[2:], depth[2:])]
    counts: list[list[Tensor]] = [[], []]
    for (mine, truth), heard in zip(parts, counts, strict=True):  # what each would tell the others
        loss_of(model, mine, truth, term, mean=lambda t, heard=heard: (heard.append(t), t)[1])
    means = [(one + other) / 2 for one, other in zip(*counts, strict=True)]
    shares = []
    for mine, truth in parts:
        answers = iter(means)
        shares.append(
            loss_of(model, mine, truth, term, mean=lambda t, answers=answers: next(answers))
        )
    torch.testing.assert_close(sum(shares) / 2, whole, rtol=1e-5, atol=1e-7)


def test_an_image_that_is_right_but_for_its_scale_has_no_spread():
    difference = torch.full((2, 1, 4, 5), 0.3, requires_grad=True)
    mask = torch.ones(2, 1, 4, 5, dtype=torch.bool)
    assert float(spread_by_image(difference.detach(), mask, weight=0.0)) < 1e-3
    assert float(spread_by_image(difference.detach(), mask, weight=1.0)) == pytest.approx(0.3)
    (slope,) = torch.autograd.grad(spread_by_image(0 * difference, mask, weight=1.0), difference)
    assert (slope == 0).all()  # the root of 0 has no slope of its own
