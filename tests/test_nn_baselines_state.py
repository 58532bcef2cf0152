"""The states of E2Depth and EReFormer are values: they move, they matter, nothing else is kept."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

pytest.importorskip("torch")

import torch
from baselines import flat, like, root_mean_square, seeded, sparse
from torch import Tensor

from dae_edge.nn import E2Depth, EReFormer

HEIGHT, WIDTH = 42, 63


class Baseline(NamedTuple):
    """A model, three windows for it, and the names of its state."""

    model: Any
    windows: Tensor
    names: tuple[str, ...]


@pytest.fixture(scope="module", params=["e2depth", "ereformer"])
def baseline(request: pytest.FixtureRequest) -> Baseline:
    if request.param == "e2depth":
        names = tuple(f"encoder{level}.{part}" for level in range(3) for part in ("hidden", "cell"))
        return Baseline(seeded(E2Depth()), sparse(3, 5, HEIGHT, WIDTH, seed=1), names)
    names = tuple(f"unit{level}" for level in range(4))
    return Baseline(seeded(EReFormer()), sparse(3, 3, HEIGHT, WIDTH, seed=2), names)


def test_names_and_shapes_describe_the_state(baseline: Baseline) -> None:
    _, state = baseline.model(baseline.windows[:1])
    assert baseline.model.state_names() == baseline.names
    shapes = baseline.model.state_shapes(HEIGHT, WIDTH)
    assert tuple(tuple(tensor.shape) for tensor in flat(state)) == shapes
    assert all(tensor.dtype == torch.float32 for tensor in flat(state))


def test_the_state_moves_and_matters(baseline: Baseline) -> None:
    window = baseline.windows[:1]
    first, state = baseline.model(window)
    second, later = baseline.model(window, state)
    assert all(not torch.equal(a, b) for a, b in zip(flat(state), flat(later), strict=True))
    assert (first - second).abs().max() > 1e-3 * first.abs().max()


def test_every_state_tensor_matters(baseline: Baseline) -> None:
    window = baseline.windows[1:2]
    _, state = baseline.model(baseline.windows[:1])
    reference, _ = baseline.model(window, state)
    for place, name in enumerate(baseline.names):
        tensors = flat(state)
        tensors[place] = torch.zeros_like(tensors[place])
        depth, _ = baseline.model(window, like(state, tensors))
        assert not torch.equal(depth, reference), name


def test_no_state_is_the_state_of_zeros(baseline: Baseline) -> None:
    window = baseline.windows[:1]
    bare, state_of_bare = baseline.model(window)
    zeros, state_of_zeros = baseline.model(window, baseline.model.zero_state(HEIGHT, WIDTH))
    assert torch.equal(bare, zeros)
    pairs = zip(flat(state_of_bare), flat(state_of_zeros), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_step_leaves_its_arguments_alone(baseline: Baseline) -> None:
    _, state = baseline.model(baseline.windows[:1])
    before = [tensor.clone() for tensor in flat(state)]
    window = baseline.windows[1:2].clone()
    baseline.model(window, state)
    assert torch.equal(window, baseline.windows[1:2])
    assert all(torch.equal(a, b) for a, b in zip(flat(state), before, strict=True))


def test_a_sequence_in_parts_gives_what_it_gives_in_one_go(baseline: Baseline) -> None:
    """The state goes through numpy between the parts, as it does between runs of an engine."""
    state, whole = None, []
    for window in baseline.windows:
        depth, state = baseline.model(window[None], state)
        whole.append(depth)
    first, kept = baseline.model(baseline.windows[:1])
    baseline.model(baseline.windows[2:])  # another stream in between
    stored = [torch.from_numpy(tensor.numpy().copy()) for tensor in flat(kept)]
    second, kept = baseline.model(baseline.windows[1:2], like(kept, stored))
    third, kept = baseline.model(baseline.windows[2:3], kept)
    for part, depth in zip((first, second, third), whole, strict=True):
        assert torch.equal(part, depth)
    assert all(torch.equal(a, b) for a, b in zip(flat(kept), flat(state), strict=True))


def test_batch_items_do_not_touch_each_other(baseline: Baseline) -> None:
    _, state = baseline.model(baseline.windows)
    together, later = baseline.model(baseline.windows.flip(0), state)
    for item in range(3):
        own = like(state, [tensor[item, None] for tensor in flat(state)])
        alone, own_later = baseline.model(baseline.windows[2 - item, None], own)
        torch.testing.assert_close(alone[0], together[item], rtol=1e-4, atol=1e-3)
        for a, b in zip(flat(own_later), flat(later), strict=True):
            assert root_mean_square(a[0] - b[item]) < 1e-4 * root_mean_square(b[item])


def test_a_state_of_another_size_or_length_is_refused(baseline: Baseline) -> None:
    window, count = baseline.windows[:1], len(baseline.names)
    with pytest.raises(ValueError, match=f"state must hold {count} tensors, got 0"):
        baseline.model(window, ())
    state = baseline.model.zero_state(2 * HEIGHT, WIDTH)
    name = baseline.names[0].replace(".", r"\.")
    with pytest.raises(ValueError, match=f"state {name} must have shape"):
        baseline.model(window, state)


def test_a_baked_copy_gives_the_same_depth_and_leaves_the_model_alone(baseline: Baseline) -> None:
    window = baseline.windows[:1]
    baked = baseline.model.bake(HEIGHT, WIDTH)
    assert torch.equal(baked(window)[0], baseline.model(window)[0])
    assert not baked.training
    baseline.model(torch.zeros(1, window.shape[1], WIDTH, HEIGHT))
