"""Swin transformer blocks (Liu et al., 2021) as MMSegmentation has them, and the encoder of them.

Patch merging orders channels as ``unfold`` does. Maps are [B, h, w, C]; module names follow the
checkpoints of MMSegmentation.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from dae_edge.nn.windows import CrossWindowAttention, WindowAttention, Windowed, pad_to_multiple

PATCH = 4
"""Side of an image patch, in pixels."""


def map_sizes(height: int, width: int) -> tuple[tuple[int, int], ...]:
    """(rows, columns) of the four maps of an image, fine to coarse: each division rounds up.

    >>> map_sizes(224, 224), map_sizes(260, 346)
    (((56, 56), (28, 28), (14, 14), (7, 7)), ((65, 87), (33, 44), (17, 22), (9, 11)))
    """
    return tuple(
        (-(-height // (PATCH << level)), -(-width // (PATCH << level))) for level in range(4)
    )


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
    """[B, 3, H, W] -> [B, h, w, width], a quarter of the size; the image is padded with zeros."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.projection = nn.Conv2d(3, width, kernel_size=PATCH, stride=PATCH)
        self.norm = nn.LayerNorm(width)

    def forward(self, image: Tensor) -> Tensor:
        """Cut into patches, project and normalise each."""
        height, width = image.shape[-2:]
        image = functional.pad(image, (0, -width % PATCH, 0, -height % PATCH))
        out: Tensor = self.norm(self.projection(image).permute(0, 2, 3, 1))
        return out


class PatchMerging(nn.Module):
    """Each 2 x 2 tokens become one of twice the width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, h, w, width] -> [B, h / 2, w / 2, 2 width]; an odd map gets a row or column of zeros.

        The channels of the four tokens are ordered by channel first, then row, then column.
        """
        tokens = pad_to_multiple(tokens, 2)
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

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """[B, h, w, width] -> the map of this stage, and the tokens of the next."""
        for block in self.blocks:
            tokens = block(tokens)
        return tokens, tokens if self.downsample is None else self.downsample(tokens)


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
        """float32 [B, 3, H, W] -> four [B, h, w, C], fine to coarse; sizes as :func:`map_sizes`."""
        tokens: Tensor = self.patch_embed(image)
        maps = []
        for index, stage in enumerate(self.stages):
            features, tokens = stage(tokens)
            maps.append(self.get_submodule(f"norm{index}")(features))
        return maps
