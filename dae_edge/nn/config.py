"""What makes one model differ from another: encoder size, recurrence, output, input size.

Refuses (ValueError) names it does not know and sizes the network cannot have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, get_args

PATCH = 14
"""Side of a ViT patch in pixels; every network size is a multiple of it."""

Encoder: TypeAlias = Literal["tiny", "small", "base", "large"]
Activation: TypeAlias = Literal["relu", "sigmoid", "softplus"]

MIN_RECURRENT_TOKENS = 5
"""Rows or columns of tokens below which layer4 is too small for the unpadded convolution."""


class EncoderSize(NamedTuple):
    """One size of the DINOv2 ViT, and the DPT head that goes with it.

    ``taps`` are the blocks whose outputs the head reads. small, base and large are the sizes of
    Depth Anything V2 (Yang et al., 2024); tiny is ViT-Ti with half of small's head.
    """

    width: int
    depth: int
    heads: int
    taps: tuple[int, int, int, int]
    features: int
    out_channels: tuple[int, int, int, int]


ENCODERS: dict[Encoder, EncoderSize] = {
    "tiny": EncoderSize(192, 12, 3, (2, 5, 8, 11), 32, (24, 48, 96, 192)),
    "small": EncoderSize(384, 12, 6, (2, 5, 8, 11), 64, (48, 96, 192, 384)),
    "base": EncoderSize(768, 12, 12, (2, 5, 8, 11), 128, (96, 192, 384, 768)),
    "large": EncoderSize(1024, 24, 16, (4, 11, 17, 23), 256, (256, 512, 1024, 1024)),
}


@dataclass(frozen=True)
class ModelConfig:
    """Everything that fixes the architecture and the meaning of its output.

    The defaults are DepthAnyEvent as released: ViT-S, ReLU, inverted, 350 x 266.

    Args:
        encoder: Size of the ViT.
        recurrent: One ConvLSTM per scale (DepthAnyEvent-R).
        activation: Of the last layer.
        inv_prediction: relu gives 1 / (x + 1e-6), sigmoid 1 - x, softplus is left as it is.
        scale_factor: The output is multiplied by it.
        input_width: The image is resized to cover this width and height, keeping its aspect.
        input_height: See ``input_width``.
        features: Channels of the head; 0 means what the encoder usually has.
        out_channels: Channels of the four reassembled maps, fine to coarse; () as above.

    Raises:
        ValueError: an unknown name, or a size the network cannot have.
    """

    encoder: Encoder = "small"
    recurrent: bool = False
    activation: Activation = "relu"
    inv_prediction: bool = True
    scale_factor: float = 1.0
    input_width: int = 350
    input_height: int = 266
    features: int = 0
    out_channels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _require_one_of("encoder", self.encoder, get_args(Encoder))
        _require_one_of("activation", self.activation, get_args(Activation))
        size = ENCODERS[self.encoder]
        object.__setattr__(self, "features", self.features or size.features)
        channels = tuple(self.out_channels) or size.out_channels
        object.__setattr__(self, "out_channels", channels)
        if self.features < 2 or self.features % 2:
            raise ValueError(f"features must be even and positive, got {self.features}")
        if len(channels) != 4 or min(channels) < 1:
            raise ValueError(f"out_channels must be four positive numbers, got {channels}")
        smallest = PATCH * (MIN_RECURRENT_TOKENS if self.recurrent else 1)
        if min(self.input_width, self.input_height) < smallest:
            got = f"{self.input_width} x {self.input_height}"
            raise ValueError(f"input size must be at least {smallest} x {smallest}, got {got}")


def _require_one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")
