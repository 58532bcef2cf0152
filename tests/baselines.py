"""What the tests of the baseline networks share: seeded weights, flat states, published layouts."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from dae_edge.nn import seeded_state_dict

AnyModel = TypeVar("AnyModel", bound=nn.Module)


def seeded(model: AnyModel) -> AnyModel:
    """The model with seeded weights, for inference."""
    model.load_state_dict(seeded_state_dict(model))
    return model.eval().requires_grad_(requires_grad=False)


def flat(state: Any) -> list[Tensor]:
    """The tensors of a state, nested or not, in the order of its names."""
    if isinstance(state, Tensor):
        return [state]
    return [tensor for part in state for tensor in flat(part)]


def like(state: Any, tensors: list[Tensor]) -> Any:
    """Flat tensors nested as ``state`` is."""
    left = iter(tensors)
    return tuple(
        next(left) if isinstance(part, Tensor) else tuple(next(left) for _ in part)
        for part in state
    )


def layout(model: nn.Module) -> list[str]:
    """Name, shape and type of every tensor of the state dict, in order."""
    return [
        f"{key} {list(value.shape)} {str(value.dtype).removeprefix('torch.')}"
        for key, value in model.state_dict().items()
    ]


def published_layout(golden: Path, name: str) -> list[str]:
    """The same lines for the public code's model."""
    text = lzma.decompress((golden / f"keys_{name}.txt.xz").read_bytes()).decode()
    return [line for line in text.splitlines() if not line.startswith("#")]


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file."""
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def root_mean_square(tensor: Tensor) -> float:
    """Of all elements, in float64."""
    return tensor.double().square().mean().sqrt().item()


def sparse(*shape: int, seed: int, fraction: float = 0.2) -> Tensor:
    """Random values in [0, 1) at a fraction of the places, 0 elsewhere: something like events."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(shape, generator=generator)
    return values * (torch.rand(shape, generator=generator) < fraction)
