"""The recurrent unit of DepthAnyEvent-R: a convolution and a ConvLSTM, state in and state out.

The state is a value: nothing is kept between calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn

from dae_edge.nn.state import Shape

LstmState: TypeAlias = tuple[Tensor, Tensor]
"""(hidden, cell), each float32 [B, C, h, w]."""

LstmStates: TypeAlias = tuple[LstmState, ...]
"""One state per scale in the order of ``LAYERS``; () for a model without recurrence."""

LAYERS = (4, 3, 2, 1)
"""The order of the scales in every state, coarse to fine."""


def lstm_state_names() -> tuple[str, ...]:
    """``layer4.hidden``, ``layer4.cell`` .. ``layer1.cell``: flat state tensors, in order."""
    return tuple(f"layer{layer}.{part}" for layer in LAYERS for part in ("hidden", "cell"))


def lstm_state_shapes(rows: int, columns: int, *, channels: int) -> tuple[Shape, ...]:
    """Shapes of the flat state tensors for a grid of tokens, batch 1, in the order of the names.

    Maps are 4, 2, 1 and 1/2 times the grid (layer1 .. layer4); the unpadded convolution takes two
    rows and columns from each.
    """
    shapes: list[Shape] = []
    for layer in LAYERS:
        height, width = (
            {1: 4 * side, 2: 2 * side, 3: side, 4: (side + 1) // 2}[layer] - 2
            for side in (rows, columns)
        )
        shapes += [(1, channels, height, width)] * 2
    return tuple(shapes)


def in_pairs(tensors: Sequence[Tensor]) -> LstmStates:
    """hidden, cell, hidden, cell, .. as ((hidden, cell), ..)."""
    return tuple(zip(tensors[::2], tensors[1::2], strict=True))


def as_flat(states: LstmStates) -> list[Tensor]:
    """((hidden, cell), ..) as hidden, cell, hidden, cell, .."""
    return [tensor for pair in states for tensor in pair]


class ShrinkConv(nn.Module):
    """3 x 3 convolution without padding, then ReLU: two rows and columns fewer."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv2d = nn.Conv2d(channels, channels, kernel_size=3)

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, h, w] -> [B, C, h - 2, w - 2]."""
        out: Tensor = self.conv2d(features)
        return out.relu()


class ConvLSTM(nn.Module):
    """ConvLSTM (Shi et al., 2015) without peepholes: one 3 x 3 convolution makes all four gates."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.Gates = nn.Conv2d(2 * channels, 4 * channels, kernel_size=3, padding=1)

    def forward(self, features: Tensor, state: LstmState) -> LstmState:
        """One step over [B, C, h, w]. The channels of ``Gates`` are in, forget, out, cell."""
        hidden, cell = state
        gates: Tensor = self.Gates(torch.cat([features, hidden], dim=1))
        enter, keep, leave, candidate = gates.chunk(4, dim=1)
        cell = keep.sigmoid() * cell + enter.sigmoid() * candidate.tanh()
        return leave.sigmoid() * cell.tanh(), cell


class RecurrentUnit(nn.Module):
    """What sits between ``layerN_rn`` and fusion, once per scale."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = ShrinkConv(channels)
        self.recurrent_block = ConvLSTM(channels)

    def forward(self, features: Tensor, state: LstmState | None) -> LstmState:
        """[B, C, h, w] -> the new state at [B, C, h - 2, w - 2]; its hidden part is the output.

        ``None`` is a state of zeros, in float32 even under autocast: the cell accumulates.
        """
        features = self.conv(features)
        if state is None:
            zeros = torch.zeros_like(features, dtype=torch.float32)
            state = (zeros, zeros)
        new: LstmState = self.recurrent_block(features, state)
        return new
