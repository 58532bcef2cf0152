"""Checks that recurrent states, as flat named tensors, belong to a model at a size."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from torch import Tensor

Shape: TypeAlias = tuple[int, ...]


def check_state(
    tensors: Iterable[Tensor], names: tuple[str, ...], shapes: tuple[Shape, ...], *, batch: int
) -> None:
    """Raise ValueError, naming the tensor, unless the tensors fit these shapes (batch aside)."""
    tensors = list(tensors)
    if len(tensors) != len(shapes):
        raise ValueError(f"state must hold {len(shapes)} tensors, got {len(tensors)}")
    for name, tensor, shape in zip(names, tensors, shapes, strict=True):
        wanted = (batch, *shape[1:])
        if tuple(tensor.shape) != wanted:
            raise ValueError(f"state {name} must have shape {wanted}, got {tuple(tensor.shape)}")
