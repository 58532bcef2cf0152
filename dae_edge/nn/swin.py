"""Swin transformer blocks (Liu et al., 2021) as MMSegmentation has them, and the encoder of them.

Differences from the first publication: maps are padded with zeros to whole windows after the norm,
blocks shift their windows even where one window covers the map, and patch merging orders channels
as ``unfold`` does. Maps are [B, h, w, C]; module names follow the checkpoints of MMSegmentation.
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
        height, width = maps[0].shape[1:3]
        down, right = -height % WINDOW, -width % WINDOW
        padded = [functional.pad(tokens, (0, 0, 0, right, 0, down)) for tokens in maps]
        mask = None
        if self.shifted:
            padded = [tokens.roll((-SHIFT, -SHIFT), dims=(1, 2)) for tokens in padded]
            mask = shift_mask(height + down, width + right).to(maps[0])
        first, *others = (to_windows(tokens) for tokens in padded)
        mixed = from_windows(self.w_msa(first, mask, *others), height + down, width + right)
        if self.shifted:
            mixed = mixed.roll((SHIFT, SHIFT), dims=(1, 2))
        return mixed[:, :height, :width]


class FeedForward(nn.Module):
    """Two linear layers with an exact (erf) GELU between them."""

    def __init__(self, width: int, ratio: int) -> None:
        super().__init__()
        first = nn.Sequential(nn.Linear(width, ratio * width), nn.GELU())
        self.layers = nn.Sequential(first, nn.Linear(ratio * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """[.., width] -> [.., width]."""
        out: Tensor = self.layers(tokens)
        return out


class SwinBlock(nn.Module):
    """x + attn(norm1 x), then x + ffn(norm2 x)."""

    def __init__(self, width: int, heads: int, *, shifted: bool, ratio: int = 4) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Windowed(WindowAttention(width, heads), shifted=shifted)
        self.norm2 = nn.LayerNorm(width)
        self.ffn = FeedForward(width, ratio)

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, h, w, width] -> [B, h, w, width]."""
        tokens = tokens + self.attn(self.norm1(tokens))
        out: Tensor = tokens + self.ffn(self.norm2(tokens))
        return out


class CrossSwinBlock(nn.Module):
    """x + attn(norm1 x, norm2 skip), then x + ffn(norm3 x)."""

    def __init__(self, width: int, heads: int, *, shifted: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.attn = Windowed(CrossWindowAttention(width, heads), shifted=shifted)
        self.norm3 = nn.LayerNorm(width)
        self.ffn = FeedForward(width, 4)

    def forward(self, tokens: Tensor, skip: Tensor) -> Tensor:
        """Two [B, h, w, width] -> one."""
        tokens = tokens + self.attn(self.norm1(tokens), self.norm2(skip))
        out: Tensor = tokens + self.ffn(self.norm3(tokens))
        return out


class PatchEmbed(nn.Module):
    """[B, 3, 4 h, 4 w] -> [B, h, w, width]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.projection = nn.Conv2d(3, width, kernel_size=4, stride=4)
        self.norm = nn.LayerNorm(width)

    def forward(self, image: Tensor) -> Tensor:
        """Cut into patches, project and normalise each."""
        out: Tensor = self.norm(self.projection(image).permute(0, 2, 3, 1))
        return out


class PatchMerging(nn.Module):
    """Each 2 x 2 tokens become one of twice the width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, 2 h, 2 w, width] -> [B, h, w, 2 width]; channel first, then row, then column."""
        batch, height, width, channels = tokens.shape
        tiles = tokens.reshape(batch, height // 2, 2, width // 2, 2, channels)
        merged = tiles.permute(0, 1, 3, 5, 2, 4).flatten(3)
        out: Tensor = self.reduction(self.norm(merged))
        return out


class SwinStage(nn.Module):
    """Blocks of one width, every second one shifted, and what leads to the next stage."""

    def __init__(self, width: int, depth: int, heads: int, *, last: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            SwinBlock(width, heads, shifted=index % 2 == 1) for index in range(depth)
        )
        self.downsample = None if last else PatchMerging(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, h, w, width] -> [B, h, w, width], before ``downsample``."""
        for block in self.blocks:
            tokens = block(tokens)
        return tokens


class SwinTransformer(nn.Module):
    """The encoder: an image to normalised maps of 1/4, 1/8, 1/16 and 1/32 of its size."""

    def __init__(self, width: int, depths: tuple[int, ...], heads: tuple[int, ...]) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(width)
        last = len(depths) - 1
        self.stages = nn.ModuleList(
            SwinStage(width * 2**index, depth, heads[index], last=index == last)
            for index, depth in enumerate(depths)
        )
        for index in range(len(depths)):
            self.add_module(f"norm{index}", nn.LayerNorm(width * 2**index))

    def forward(self, image: Tensor) -> list[Tensor]:
        """float32 [B, 3, 32 r, 32 c] -> four [B, h, w, C], fine to coarse."""
        tokens: Tensor = self.patch_embed(image)
        maps = []
        for index, stage in enumerate(self.stages):
            tokens = stage(tokens)
            maps.append(self.get_submodule(f"norm{index}")(tokens))
            if stage.downsample is not None:
                tokens = stage.downsample(tokens)
        return maps
