"""Chance without state: uniform numbers that are a function of where they are asked for.

The hash is integer arithmetic, so a CPU and an accelerator, a batch of one and of many, give the
same numbers, and nothing has to be stored to give them again.
"""

from __future__ import annotations

import torch
from torch import Tensor

_FIRST, _SECOND = 0x7FEB352D, 0x846CA68B - (1 << 32)
"""Multipliers of Ellis's lowbias32 (nullprogram.com, "Prospecting for Hash Functions", 2018)."""

_START, _SPREAD = 0x3E200043, 0x01000193


def mixed(x: Tensor) -> Tensor:
    """int32 -> int32, each bit of the result dependent on all bits of ``x``."""
    x = x ^ ((x >> 16) & 0xFFFF)
    x = x * _FIRST
    x = x ^ ((x >> 15) & 0x1FFFF)
    x = x * _SECOND
    return x ^ ((x >> 16) & 0xFFFF)


def uniform(first: Tensor, *more: Tensor | int) -> Tensor:
    """Numbers of [0, 1), float32, of the shape that the int32 coordinates broadcast to.

    >>> uniform(torch.tensor([7, 7], dtype=torch.int32), torch.tensor([1, 2], dtype=torch.int32))
    tensor([0.6761, 0.4463])
    """
    total = mixed(first + _START)
    for coordinate in more:
        total = mixed(total * _SPREAD ^ coordinate)
    return (total & 0xFFFFFF).float() * 2.0**-24


def pixel_numbers(height: int, width: int, device: torch.device | str) -> Tensor:
    """0, 1, .. row by row: int32 [height, width]."""
    return torch.arange(height * width, dtype=torch.int32, device=device).reshape(height, width)
