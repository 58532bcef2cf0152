"""The DINOv2 vision transformer (Oquab et al., 2023), patch 14, without register tokens.

Attention is spelled out as matmul, softmax, matmul, and the position table is made for one grid at
a time, because fused attention and a resize of the table are what inference engines stumble over.
Module names follow the public checkpoints of DINOv2 and Depth Anything V2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from dae_edge.nn.config import PATCH, EncoderSize

TABLE_SIDE = 37
"""The position table is for 37 x 37 tokens (518 pixels)."""


class PatchEmbed(nn.Module):
    """[B, 3, 14 r, 14 c] -> [B, r c, width], row by row."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, kernel_size=PATCH, stride=PATCH)

    def forward(self, image: Tensor) -> Tensor:
        """Cut into patches and project each."""
        patches: Tensor = self.proj(image)
        return patches.flatten(2).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head self-attention over [B, N, width], written with two matrix products."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (width // heads) ** -0.5
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Mix the tokens. The scale goes on q before the product, which keeps FP16 in range."""
        batch, count, width = tokens.shape
        q, k, v = (
            part.reshape(batch, count, self.heads, width // self.heads)
            for part in self.qkv(tokens).split(width, dim=-1)
        )
        scores = (q * self.scale).transpose(1, 2) @ k.permute(0, 2, 3, 1)  # [B, heads, N, N]
        mixed = scores.softmax(dim=-1) @ v.transpose(1, 2)
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, count, width))
        return out


class Mlp(nn.Module):
    """Two linear layers with an exact (erf) GELU between them."""

    def __init__(self, width: int, *, ratio: int = 4) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, ratio * width)
        self.fc2 = nn.Linear(ratio * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, N, width] -> [B, N, width]."""
        out: Tensor = self.fc2(functional.gelu(self.fc1(tokens)))
        return out


class LayerScale(nn.Module):
    """A learned factor per channel on a residual branch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, tokens: Tensor) -> Tensor:
        """Scale the branch."""
        return tokens * self.gamma


class Block(nn.Module):
    """One pre-norm transformer block: x + ls1(attn(norm1 x)), then x + ls2(mlp(norm2 x))."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.ls1 = LayerScale(width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width)
        self.ls2 = LayerScale(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, N, width] -> [B, N, width]."""
        tokens = tokens + self.ls1(self.attn(self.norm1(tokens)))
        out: Tensor = tokens + self.ls2(self.mlp(self.norm2(tokens)))
        return out


class VisionTransformer(nn.Module):
    """The encoder: an image to the tokens of four of its blocks.

    ``mask_token`` belongs to the public layout and is not used.
    """

    baked_positions: Tensor | None

    def __init__(self, size: EncoderSize) -> None:
        super().__init__()
        self.taps = size.taps
        self.cls_token = nn.Parameter(torch.zeros(1, 1, size.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + TABLE_SIDE**2, size.width))
        self.mask_token = nn.Parameter(torch.zeros(1, size.width))
        self.patch_embed = PatchEmbed(size.width)
        self.blocks = nn.ModuleList(Block(size.width, size.heads) for _ in range(size.depth))
        self.norm = nn.LayerNorm(size.width, eps=1e-6)
        self.baked_grid: tuple[int, int] | None = None
        self.register_buffer("baked_positions", None, persistent=False)
        self._initialise()

    def _initialise(self) -> None:
        """Random weights for training from nothing: as DINOv2, normal of deviation 0.02."""
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        nn.init.normal_(self.cls_token, std=1e-6)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def position_embedding(self, rows: int, columns: int) -> Tensor:
        """The position table for a grid of tokens: float32 [1, 1 + rows * columns, width].

        As DINOv2: bicubic with the explicit scale factors (rows + 0.1) / 37, (columns + 0.1) / 37.
        torch maps coordinates with these factors, not with the ratio of the sizes, so the 0.1 moves
        every sample a little; weights trained with it expect it. The class token has no place and
        keeps its row.
        """
        if rows == columns == TABLE_SIDE:
            return self.pos_embed
        grid = self.pos_embed[:, 1:].reshape(1, TABLE_SIDE, TABLE_SIDE, -1).permute(0, 3, 1, 2)
        scale = ((rows + 0.1) / TABLE_SIDE, (columns + 0.1) / TABLE_SIDE)
        resized = functional.interpolate(grid, scale_factor=scale, mode="bicubic")
        return torch.cat([self.pos_embed[:, :1], resized.flatten(2).transpose(1, 2)], dim=1)

    def bake(self, rows: int, columns: int) -> None:
        """Keep the table for one grid as a constant; from then on no other grid is accepted."""
        self.baked_grid = (rows, columns)
        self.baked_positions = self.position_embedding(rows, columns).detach().clone()

    def _positions(self, rows: int, columns: int) -> Tensor:
        if self.baked_positions is None:
            return self.position_embedding(rows, columns)
        if self.baked_grid != (rows, columns):
            raise ValueError(f"baked for a grid of {self.baked_grid}, got {(rows, columns)}")
        return self.baked_positions

    def forward(self, image: Tensor) -> list[Tensor]:
        """float32 [B, 3, 14 r, 14 c], ImageNet-normalised -> four [B, r c, width].

        All four pass the one final norm; the class token is dropped.
        """
        rows, columns = image.shape[-2] // PATCH, image.shape[-1] // PATCH
        patches: Tensor = self.patch_embed(image)
        cls_token = self.cls_token.expand(patches.shape[0], -1, -1)
        tokens = torch.cat([cls_token, patches], dim=1) + self._positions(rows, columns)
        tapped = []
        for index, block in enumerate(self.blocks):
            tokens = block(tokens)
            if index in self.taps:
                tapped.append(self.norm(tokens)[:, 1:])
        return tapped
