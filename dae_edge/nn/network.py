"""What every depth network here has in common: a window and a state in, depth and a state out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, TypeAlias

from torch import Tensor, nn

from dae_edge.nn.state import Shape

State: TypeAlias = tuple[Any, ...]
"""Tensors, or tuples of tensors, in the order of ``state_names``; () without memory."""


class DepthNetwork(Protocol):
    """DepthAnyEvent, E2Depth, EReFormer: modules with this face."""

    def __call__(self, window: Tensor, state: State | None = None, /) -> tuple[Tensor, State]:
        """Image or voxel grid [B, C, H, W], state -> depth [B, H, W], new state."""

    def state_names(self) -> tuple[str, ...]:
        """Names of the state's tensors, in order."""

    def state_shapes(self, height: int, width: int) -> tuple[Shape, ...]:
        """Shapes of the state's tensors at a sensor size."""

    def zero_state(self, height: int, width: int, *, batch: int = 1) -> State:
        """The state before the first window."""

    def bake(self, height: int, width: int) -> nn.Module:
        """A copy for one sensor size."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """The weights."""


def flat(state: State) -> list[Tensor]:
    """The tensors of a state, in the order of ``state_names``.

    >>> flat((1, (2, 3)))
    [1, 2, 3]
    """
    tensors: list[Tensor] = []
    for part in state:
        tensors += flat(part) if isinstance(part, tuple) else [part]
    return tensors
