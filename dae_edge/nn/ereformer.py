"""EReFormer (Liu et al., IEEE TCSVT 2024, arXiv 2212.02791): event images to depth, recurrent.

A Swin encoder, one recurrent unit (GRViT) per scale, a Swin decoder with cross-attention to what
the units put out. Module names follow the checkpoints of the public training code; no weights are
public. What it refuses: images that are no [B, 3, H, W], and states of a wrong shape (ValueError).

Sizes. The public code runs at 224 x 224 and other multiples of 32, where nothing is padded. Here
every size runs: the image is padded with zeros at the bottom and the right to a multiple of 4, odd
maps likewise before they are halved, and what was added is cropped on the way back. Parity with the
public code is proved at 224 x 224 only.

Range. The attention of a recurrent unit is a sum over all tokens that nothing divides by their
number N, and the state keeps it. With seeded weights at 224 x 224 (N = 3136) attention reaches
1.1e6 and the state 7e5; FP16 ends at 65504. To stay in float32 whatever the precision of the rest:
the states; ``GRViT_*``; ``norm2`` of ``decoder*_query*``, which reads the output of a unit; and
``resblock_*``, ``decoder1_*`` and ``PatchSplitting1``, on whose residual path it stays (2.6e4 at
N = 49, growing with N). All other tensors stay below 500.
A guard that would let the rest of a unit leave float32: hold its output and state divided by N, and
multiply the state's half of ``update_gate`` by N. Units 0 to 2 are read through LayerNorm alone, so
only its epsilon would differ. It is not done: the states would no longer be those of the public
code.
The gate reads the state as it is, so it switches rather than blends, and with seeded weights a
rounding error grows two or three times per window: compare engines step by step, from one state.
"""

from __future__ import annotations

import copy
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from dae_edge.nn.e2depth import depth_from_log
from dae_edge.nn.grvit import RecurrentUnit
from dae_edge.nn.state import Shape, check_state
from dae_edge.nn.swin import PATCH, CrossSwinBlock, SwinBlock, SwinTransformer, map_sizes

Variant: TypeAlias = Literal["tiny", "small"]

States: TypeAlias = tuple[Tensor, ...]
"""One float32 [B, tokens, C] per unit, fine to coarse; rows of a map follow one another."""

DEPTHS: dict[Variant, tuple[int, ...]] = {"tiny": (2, 2, 6, 2), "small": (2, 2, 18, 2)}
"""Blocks per stage: Swin-T as in the paper, Swin-S as in the public configuration."""

WIDTHS = (96, 192, 384, 768)
HEADS = (3, 6, 12, 24)
TABLE_SIDES = (56, 28, 14, 7)
"""The position tables are for an image of 224 x 224."""


class PatchSplitting(nn.Module):
    """Each token becomes 2 x 2 of half the width: the inverse of patch merging."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.increase = nn.Linear(width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(width // 2)

    def forward(self, tokens: Tensor, rows: int, columns: int) -> Tensor:
        """[B, h, w, width] -> [B, rows, columns, width / 2], where rows is 2 h or 2 h - 1."""
        batch, height, width, channels = tokens.shape
        tiles = self.increase(tokens).reshape(batch, height, width, channels // 2, 2, 2)
        larger = tiles.permute(0, 1, 4, 2, 5, 3).flatten(3, 4)
        split = larger.reshape(batch, 2 * height, 2 * width, channels // 2)
        out: Tensor = self.norm(split[:, :rows, :columns])
        return out


class RecurrentTransformer(nn.Module):
    """The network: an image and the states to log depth and the new states."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        for level, (width, side) in enumerate(zip(WIDTHS, TABLE_SIDES, strict=True)):
            self.register_parameter(
                f"pos_embed_{level}", nn.Parameter(torch.zeros(1, side * side, width))
            )
            self.register_buffer(f"baked_positions_{level}", None, persistent=False)
        self.norm = nn.LayerNorm(WIDTHS[0])
        self.SwinTransformer = SwinTransformer(WIDTHS[0], DEPTHS[variant], HEADS)
        for level, (width, heads) in enumerate(zip(WIDTHS, HEADS, strict=True)):
            self.add_module(f"GRViT_{level}", RecurrentUnit(width, heads))
        self._add_pair("resblock_", WIDTHS[3], HEADS[3], ratio=2)
        self._add_pair("decoder1_block", WIDTHS[3], HEADS[3], ratio=2)
        for level in (2, 1, 0):
            self._add_decoder(4 - level, WIDTHS[level], HEADS[level])
        self.conv2d0 = nn.Conv2d(WIDTHS[0], WIDTHS[0], kernel_size=3, padding=1)
        self.head = nn.Sequential(
            nn.Conv2d(WIDTHS[0], 32, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 1, kernel_size=1),
        )

    def _add_pair(self, name: str, width: int, heads: int, *, ratio: int = 4) -> None:
        """Two blocks, the second of which shifts its windows."""
        for index in range(2):
            block = SwinBlock(width, heads, shifted=index == 1, ratio=ratio)
            self.add_module(f"{name}{index}", block)

    def _add_decoder(self, stage: int, width: int, heads: int) -> None:
        self.add_module(f"PatchSplitting{stage - 1}", PatchSplitting(2 * width))
        for index in range(2):
            query = CrossSwinBlock(width, heads, shifted=index == 1)
            self.add_module(f"decoder{stage}_query{index}", query)
        self._add_pair(f"decoder{stage}_block", width, heads)

    def _pair(self, name: str, tokens: Tensor, *skip: Tensor) -> Tensor:
        for index in range(2):
            tokens = self.get_submodule(f"{name}{index}")(tokens, *skip)
        return tokens

    def positions(self, level: int, rows: int, columns: int) -> Tensor:
        """The position table of a level for a map: float32 [1, rows * columns, width]."""
        baked: Tensor | None = getattr(self, f"baked_positions_{level}")
        if baked is not None:
            return baked
        table, side = self.get_parameter(f"pos_embed_{level}"), TABLE_SIDES[level]
        if rows == columns == side:
            return table
        grid = table.reshape(1, side, side, -1).permute(0, 3, 1, 2)
        resized = functional.interpolate(
            grid, size=(rows, columns), mode="bicubic", align_corners=False
        )
        return resized.flatten(2).transpose(1, 2)

    def bake(self, sizes: tuple[tuple[int, int], ...]) -> None:
        """Keep the position tables for these maps as constants."""
        for level, (rows, columns) in enumerate(sizes):
            table = self.positions(level, rows, columns).detach().clone()
            setattr(self, f"baked_positions_{level}", table)

    def remember(self, maps: list[Tensor], states: States) -> tuple[list[Tensor], States]:
        """One step of each unit: maps [B, h, w, C] of the encoder -> maps of the units, states."""
        outs, new = [], []
        for level, (tokens, state) in enumerate(zip(maps, states, strict=True)):
            rows, columns = tokens.shape[1:3]
            positions = self.positions(level, rows, columns)
            out, later = self.get_submodule(f"GRViT_{level}")(
                tokens.flatten(1, 2), positions, state
            )
            outs.append(out.reshape(tokens.shape))
            new.append(later)
        return outs, tuple(new)

    def decode(self, maps: list[Tensor]) -> Tensor:
        """Four maps of the units, fine to coarse -> [B, h, w, 96] at the finest size."""
        tokens = maps[3] + self._pair("resblock_", maps[3])
        tokens = self._pair("decoder1_block", tokens)
        for stage, skip in zip((2, 3, 4), reversed(maps[:3]), strict=True):
            split = self.get_submodule(f"PatchSplitting{stage - 1}")
            tokens = split(tokens, skip.shape[1], skip.shape[2])
            tokens = tokens + self._pair(f"decoder{stage}_query", tokens, skip)
            tokens = self._pair(f"decoder{stage}_block", tokens)
        out: Tensor = self.norm(tokens)
        return out

    def forward(self, image: Tensor, states: States) -> tuple[Tensor, States]:
        """Image [B, 3, H, W] -> log depth [B, 1, H, W] in [0, 1], and the new states."""
        height, width = image.shape[-2:]
        maps, states = self.remember(self.SwinTransformer(image), states)
        features: Tensor = self.conv2d0(self.decode(maps).permute(0, 3, 1, 2))
        covered = (PATCH * features.shape[-2], PATCH * features.shape[-1])
        features = functional.interpolate(
            features, size=covered, mode="bicubic", align_corners=True
        )[..., :height, :width]
        return self.head(features).sigmoid(), states


class EReFormer(nn.Module):
    """Depth from one event image and the state that the last one left.

    68,211,215 parameters as ``tiny``, 89,529,119 as ``small``.
    """

    def __init__(self, variant: Variant = "tiny") -> None:
        super().__init__()
        if variant not in DEPTHS:
            raise ValueError(f"variant must be one of {', '.join(DEPTHS)}, got {variant!r}")
        self.transformerrecurrent = RecurrentTransformer(variant)
        self.baked_size: tuple[int, int] | None = None

    def forward(self, image: Tensor, state: States | None = None) -> tuple[Tensor, States]:
        """One step.

        Args:
            image: Red and blue events, as Tencode, float32 [B, 3, H, W] in [0, 1].
            state: What the previous step returned; None is the state of zeros.

        Returns:
            Depth in metres, float32 [B, H, W], and the new state. Log depth is read as E2Depth's.

        Raises:
            ValueError: the image cannot be taken, or the state does not belong to it.
        """
        log_depth, state = self.log_depth(image, state)
        return depth_from_log(log_depth), state

    def log_depth(self, image: Tensor, state: States | None = None) -> tuple[Tensor, States]:
        """As :meth:`forward`, with the network's own output: [B, H, W] in [0, 1]."""
        if image.dim() != 4 or image.shape[1] != 3 or min(image.shape[2:]) < 1:
            raise ValueError(f"image must be [B, 3, H, W], got {list(image.shape)}")
        batch, _, height, width = image.shape
        if self.baked_size not in (None, (height, width)):
            raise ValueError(f"baked for a size of {self.baked_size}, got {(height, width)}")
        if state is None:
            state = self.zero_state(height, width, batch=batch)
        shapes = self.state_shapes(height, width)
        check_state(state, self.state_names(), shapes, batch=batch)
        log_depth, state = self.transformerrecurrent(image, state)
        return log_depth[:, 0], state

    def state_names(self) -> tuple[str, ...]:
        """``unit0`` .. ``unit3``, fine to coarse."""
        return tuple(f"unit{level}" for level in range(len(WIDTHS)))

    def state_shapes(self, height: int, width: int) -> tuple[Shape, ...]:
        """Shapes [1, tokens, C] of the state at a sensor size, in the order of the names."""
        sizes = map_sizes(height, width)
        return tuple(
            (1, rows * columns, channels)
            for (rows, columns), channels in zip(sizes, WIDTHS, strict=True)
        )

    def zero_state(self, height: int, width: int, *, batch: int = 1) -> States:
        """The state before the first window at a sensor size, on the model's device."""
        device = self.transformerrecurrent.conv2d0.weight.device
        shapes = self.state_shapes(height, width)
        return tuple(torch.zeros(batch, *shape[1:], device=device) for shape in shapes)

    def bake(self, height: int, width: int) -> EReFormer:
        """A copy in eval mode for one sensor size, with the position tables as constants.

        A traced graph of the copy holds the tables themselves, not the arithmetic that resizes
        them; no other size is accepted.
        """
        baked = copy.deepcopy(self).eval()
        baked.transformerrecurrent.bake(map_sizes(height, width))
        baked.baked_size = (height, width)
        return baked
