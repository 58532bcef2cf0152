"""Attention within windows of 7 x 7 tokens, shifted or not (Liu et al., Swin transformer, 2021).

As MMSegmentation has it: maps are padded with zeros to whole windows, and windows shift even where
one covers the map. Maps are [B, h, w, C]; module names follow the checkpoints of MMSegmentation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

WINDOW = 7
"""Side of an attention window, in tokens."""

SHIFT = WINDOW // 2
AREA = WINDOW * WINDOW

APART = -100.0
"""Added to the scores of tokens that meet in a window only because the map was rolled."""


def pad_to_multiple(tokens: Tensor, side: int) -> Tensor:
    """[B, h, w, C] with zeros added at the bottom and the right, up to multiples of ``side``."""
    height, width = tokens.shape[1:3]
    return functional.pad(tokens, (0, 0, 0, -width % side, 0, -height % side))


def relative_position_index() -> Tensor:
    """Row of the bias table for each pair of tokens in a window: int64 [49, 49]."""
    side = 2 * WINDOW - 1
    rows, columns = torch.arange(WINDOW), torch.arange(WINDOW)
    place = (side * rows[:, None] + columns).flatten()
    return place[:, None] - place + (side + 1) * (WINDOW - 1)


def to_windows(tokens: Tensor) -> Tensor:
    """[B, 7 r, 7 c, C] -> [B, r c, 49, C]."""
    batch, height, width, channels = tokens.shape
    rows, columns = height // WINDOW, width // WINDOW
    tiles = tokens.reshape(batch, rows, WINDOW, columns, WINDOW, channels).transpose(2, 3)
    return tiles.reshape(batch, rows * columns, AREA, channels)


def from_windows(windows: Tensor, height: int, width: int) -> Tensor:
    """[B, r c, 49, C] -> [B, height = 7 r, width = 7 c, C]."""
    batch, _, _, channels = windows.shape
    rows, columns = height // WINDOW, width // WINDOW
    tiles = windows.reshape(batch, rows, columns, WINDOW, WINDOW, channels).transpose(2, 3)
    return tiles.reshape(batch, height, width, channels)


def shift_mask(height: int, width: int) -> Tensor:
    """What a shifted map adds to its scores: float32 [r c, 1, 49, 49], 0 or -100.

    Rolling brings the first rows (columns) next to the last; tokens see only their own side.
    """

    def sides(size: int) -> Tensor:
        return torch.arange(size).ge(size - WINDOW).long() + torch.arange(size).ge(size - SHIFT)

    regions = 3 * sides(height)[:, None] + sides(width)
    windows = to_windows(regions[None, :, :, None])[0, :, :, 0]
    apart = windows[:, None, :, None] != windows[:, None, None, :]
    return apart.float() * APART


class WindowBias(nn.Module):
    """What the attention of every window adds to its scores: a learned bias per offset and head."""

    relative_position_index: Tensor

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * WINDOW - 1) ** 2, heads))
        self.register_buffer("relative_position_index", relative_position_index())

    def bias(self) -> Tensor:
        """[heads, 49, 49]."""
        pairs = self.relative_position_bias_table[self.relative_position_index.flatten()]
        return pairs.T.reshape(self.heads, AREA, AREA)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """Softmax attention within windows: three [B, n, 49, C] -> one.

        The scale goes on q before the product, which keeps FP16 in range.
        """
        channels = q.shape[-1]
        split = (*q.shape[:-1], self.heads, channels // self.heads)
        q = q * (channels // self.heads) ** -0.5
        q, k, v = (part.reshape(split).transpose(2, 3) for part in (q, k, v))
        scores = q @ k.transpose(-1, -2) + self.bias()  # [B, n, heads, 49, 49]
        if mask is not None:
            scores = scores + mask
        return (scores.softmax(dim=-1) @ v).transpose(2, 3).flatten(3)


class WindowAttention(WindowBias):
    """Self-attention within windows."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(heads)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """[B, n, 49, width] -> [B, n, 49, width]."""
        q, k, v = self.qkv(windows).chunk(3, dim=-1)
        out: Tensor = self.proj(self.attend(q, k, v, mask))
        return out


class CrossWindowAttention(WindowBias):
    """Attention of one map's windows to the same windows of another."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(heads)
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, windows: Tensor, mask: Tensor | None, others: Tensor) -> Tensor:
        """Two [B, n, 49, width] -> one."""
        k, v = self.kv(others).chunk(2, dim=-1)
        out: Tensor = self.proj(self.attend(self.q(windows), k, v, mask))
        return out


class Windowed(nn.Module):
    """Attention over whole maps: pads, shifts, cuts into windows, and back."""

    def __init__(self, attention: nn.Module, *, shifted: bool) -> None:
        super().__init__()
        self.w_msa = attention
        self.shifted = shifted

    def forward(self, *maps: Tensor) -> Tensor:
        """One or more [B, h, w, C] -> [B, h, w, C]."""
        padded, mask = [pad_to_multiple(tokens, WINDOW) for tokens in maps], None
        height, width = padded[0].shape[1:3]
        if self.shifted:
            padded = [tokens.roll((-SHIFT, -SHIFT), dims=(1, 2)) for tokens in padded]
            mask = shift_mask(height, width).to(padded[0])
        first, *others = (to_windows(tokens) for tokens in padded)
        mixed = from_windows(self.w_msa(first, mask, *others), height, width)
        if self.shifted:
            mixed = mixed.roll((SHIFT, SHIFT), dims=(1, 2))
        return mixed[:, : maps[0].shape[1], : maps[0].shape[2]]
