"""Recurrent state as a value, sizes of the network, and configurations, on tiny models."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from dae_edge.nn import (
    DepthAnyEvent,
    LstmStates,
    ModelConfig,
    network_size,
    seeded_state_dict,
)

HEIGHT, WIDTH = 90, 120  # net 98 x 126: 7 x 9 tokens
SMALL_INPUT: dict[str, Any] = {"input_width": 126, "input_height": 98}


def seeded(*, recurrent: bool, **options: Any) -> DepthAnyEvent:
    config = ModelConfig(encoder="tiny", recurrent=recurrent, **SMALL_INPUT, **options)
    model = DepthAnyEvent(config).eval()
    model.load_state_dict(seeded_state_dict(model))
    return model.requires_grad_(requires_grad=False)


@pytest.fixture(scope="module")
def recurrent() -> DepthAnyEvent:
    return seeded(recurrent=True)


@pytest.fixture(scope="module")
def plain() -> DepthAnyEvent:
    return seeded(recurrent=False)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(3, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(7))


def flat(state: LstmStates) -> list[torch.Tensor]:
    return [tensor for pair in state for tensor in pair]


def test_the_state_moves_and_matters(recurrent: DepthAnyEvent, images: torch.Tensor) -> None:
    first, state = recurrent(images[:1])
    second, later = recurrent(images[:1], state)
    assert all(not torch.equal(a, b) for a, b in zip(flat(state), flat(later), strict=True))
    assert (first - second).abs().max() > 1e-3 * first.abs().max()


@pytest.mark.parametrize("place", range(8))
def test_every_state_tensor_matters(
    place: int, recurrent: DepthAnyEvent, images: torch.Tensor
) -> None:
    tensors = flat(recurrent.zero_state(HEIGHT, WIDTH))
    reference, _ = recurrent(images[:1])
    tensors[place] = tensors[place] + 0.5
    depth, _ = recurrent(images[:1], tuple(zip(tensors[::2], tensors[1::2], strict=True)))
    assert not torch.equal(depth, reference)


def test_no_state_is_the_state_of_zeros(recurrent: DepthAnyEvent, images: torch.Tensor) -> None:
    bare, state_of_bare = recurrent(images[:1])
    zeros, state_of_zeros = recurrent(images[:1], recurrent.zero_state(HEIGHT, WIDTH))
    assert torch.equal(bare, zeros)
    pairs = zip(flat(state_of_bare), flat(state_of_zeros), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_step_leaves_its_arguments_alone(recurrent: DepthAnyEvent, images: torch.Tensor) -> None:
    _, state = recurrent(images[:1])
    before = [tensor.clone() for tensor in flat(state)]
    image = images[1:2].clone()
    recurrent(image, state)
    assert torch.equal(image, images[1:2])
    assert all(torch.equal(a, b) for a, b in zip(flat(state), before, strict=True))


def test_batch_items_do_not_touch_each_other(
    recurrent: DepthAnyEvent, images: torch.Tensor
) -> None:
    _, state = recurrent(images)
    together, later = recurrent(images.flip(0), state)
    for item in range(3):
        own = tuple((hidden[item, None], cell[item, None]) for hidden, cell in state)
        alone, own_later = recurrent(images[2 - item, None], own)
        torch.testing.assert_close(alone[0], together[item], rtol=1e-4, atol=1e-5)
        for a, b in zip(flat(own_later), flat(later), strict=True):
            torch.testing.assert_close(a[0], b[item], rtol=1e-4, atol=1e-4)


def test_names_and_shapes_describe_the_state(
    recurrent: DepthAnyEvent, images: torch.Tensor
) -> None:
    _, state = recurrent(images[:1])
    names = recurrent.state_names()
    assert names[:2] == ("layer4.hidden", "layer4.cell")
    assert names[-2:] == ("layer1.hidden", "layer1.cell")
    shapes = recurrent.state_shapes(HEIGHT, WIDTH)
    assert len(names) == len(shapes) == 8
    assert tuple(tuple(tensor.shape) for tensor in flat(state)) == shapes


@pytest.mark.parametrize(
    ("sensor", "input_size", "maps"),
    [
        ((260, 346), (266, 350), [(8, 11), (17, 23), (36, 48), (74, 98)]),
        ((320, 640), (266, 350), [(8, 17), (17, 36), (36, 74), (74, 150)]),
        ((320, 640), (322, 644), [(10, 21), (21, 44), (44, 90), (90, 182)]),
    ],
)
def test_state_shapes_are_those_of_the_reference(
    sensor: tuple[int, int], input_size: tuple[int, int], maps: list[tuple[int, int]]
) -> None:
    height, width = input_size
    config = ModelConfig("tiny", True, input_height=height, input_width=width)
    shapes = DepthAnyEvent(config).state_shapes(*sensor)
    assert [shape[2:] for shape in shapes[::2]] == maps
    assert shapes[::2] == shapes[1::2]


def test_a_model_without_recurrence_has_the_empty_state(
    plain: DepthAnyEvent, images: torch.Tensor
) -> None:
    depth, state = plain(images, ())
    assert state == ()
    assert plain.zero_state(HEIGHT, WIDTH) == ()
    assert plain.state_names() == ()
    assert plain.state_shapes(HEIGHT, WIDTH) == ()
    assert depth.shape == (3, HEIGHT, WIDTH)
    assert torch.equal(depth, plain(images)[0])


def test_a_state_of_another_model_or_size_is_refused(
    plain: DepthAnyEvent, recurrent: DepthAnyEvent, images: torch.Tensor
) -> None:
    state = recurrent.zero_state(HEIGHT, WIDTH)
    with pytest.raises(ValueError, match="this model has no state"):
        plain(images[:1], state)
    with pytest.raises(ValueError, match="state must hold 8 tensors, got 0"):
        recurrent(images[:1], ())
    with pytest.raises(ValueError, match=r"state layer4\.hidden must have shape \(3, 32, 2, 3\)"):
        recurrent(images, state)


def test_a_baked_model_gives_the_same_depth_for_its_size_and_refuses_others(
    recurrent: DepthAnyEvent, images: torch.Tensor
) -> None:
    baked = recurrent.bake(HEIGHT, WIDTH)
    torch.testing.assert_close(baked(images)[0], recurrent(images)[0], rtol=1e-4, atol=1e-5)
    assert list(baked.state_dict()) == list(recurrent.state_dict())
    other = torch.zeros(1, 3, HEIGHT, 2 * WIDTH)
    with pytest.raises(ValueError, match=r"baked for images of \(\d+, \d+\) pixels, got"):
        baked(other)
    recurrent(other)  # the original still takes any size


def test_training_reaches_every_parameter_that_is_used() -> None:
    model = seeded(recurrent=True).requires_grad_()
    depth, _ = model(torch.rand(1, 3, HEIGHT, WIDTH))
    depth.mean().backward()
    unused = [key for key, value in model.named_parameters() if value.grad is None]
    assert all("mask_token" in key or "refinenet4.resConfUnit1" in key for key in unused)
    assert len(unused) == 5


def test_scale_factor_multiplies_the_depth(plain: DepthAnyEvent, images: torch.Tensor) -> None:
    scaled = seeded(recurrent=False, scale_factor=2.5)
    torch.testing.assert_close(scaled(images[:1])[0], 2.5 * plain(images[:1])[0])


@pytest.mark.parametrize(
    ("sensor", "input_size", "wanted"),
    [
        ((260, 346), (266, 350), (266, 350)),
        ((320, 640), (266, 350), (266, 532)),
        ((320, 640), (322, 644), (322, 644)),
        ((480, 640), (266, 350), (266, 350)),
        ((720, 1280), (266, 350), (266, 476)),
        ((240, 304), (266, 350), (280, 350)),
        ((260, 346), (518, 518), (518, 686)),
    ],
)
def test_network_sizes_are_those_of_the_reference(
    sensor: tuple[int, int], input_size: tuple[int, int], wanted: tuple[int, int]
) -> None:
    height, width = input_size
    assert network_size(*sensor, input_height=height, input_width=width) == wanted


def test_network_size_never_falls_below_the_input_size() -> None:
    assert network_size(100, 100, input_height=99, input_width=99) == (112, 112)
    with pytest.raises(ValueError, match="got 0 x 346"):
        network_size(0, 346)


def test_a_configuration_fills_in_the_head_of_its_encoder() -> None:
    assert ModelConfig("small").features == 64
    assert ModelConfig("tiny").out_channels == (24, 48, 96, 192)
    assert ModelConfig("large", features=32).features == 32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "vits"}, "encoder must be one of tiny, small, base, large, got 'vits'"),
        ({"activation": "gelu"}, "activation must be one of relu"),
        ({"features": 63}, "features must be even"),
        ({"out_channels": (1, 2, 3)}, "out_channels must be four positive numbers"),
        ({"input_width": 13}, "input size must be at least 14 x 14, got 13 x 266"),
        ({"input_width": 56, "recurrent": True}, "input size must be at least 70 x 70"),
    ],
)
def test_an_impossible_configuration_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelConfig(**options)
