"""The DPT head (Ranftl et al., 2021) as Depth Anything V2 has it, plain and recurrent.

The last upsampling of Depth Anything V2 aligns corners, that of DepthAnyEvent does not; the final
activation is left to the caller. Module names follow the public checkpoints.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from dae_edge.nn.config import PATCH
from dae_edge.nn.convlstm import (
    LAYERS,
    LstmStates,
    RecurrentUnit,
    as_flat,
    lstm_state_names,
    lstm_state_shapes,
)
from dae_edge.nn.state import check_state


def _conv3(inputs: int, outputs: int, *, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=bias)


class ResidualConvUnit(nn.Module):
    """x + conv2(relu(conv1(relu(x)))); the sum takes x as it came, not its ReLU."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = _conv3(features, features)
        self.conv2 = _conv3(features, features)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] -> [B, C, h, w]."""
        out: Tensor = self.conv2(self.conv1(x.relu()).relu())
        return out + x


class FeatureFusionBlock(nn.Module):
    """Adds a finer map to the path from below, refines, enlarges.

    The coarsest block has no path to join: its ``resConfUnit1`` keeps its place in the public
    layout and is not used.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.out_conv = nn.Conv2d(features, features, kernel_size=1)
        self.resConfUnit1 = ResidualConvUnit(features)
        self.resConfUnit2 = ResidualConvUnit(features)

    def forward(self, path: Tensor, layer: Tensor | None, size: tuple[int, int]) -> Tensor:
        """Path (and layer) [B, C, h, w] -> [B, C, *size], bilinear with aligned corners.

        The public code enlarges first. A convolution of single pixels and a weighted mean of
        pixels commute, and before the enlargement there is a quarter of the pixels.
        """
        if layer is not None:
            path = path + self.resConfUnit1(layer)
        out: Tensor = self.out_conv(self.resConfUnit2(path))
        return functional.interpolate(out, size=size, mode="bilinear", align_corners=True)


class Scratch(nn.Module):
    """The part of the head that Depth Anything V2 trained from scratch: fusion and output."""

    def __init__(
        self, features: int, out_channels: tuple[int, ...], *, align_corners: bool
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        first, second, third, fourth = out_channels
        self.layer1_rn = _conv3(first, features, bias=False)
        self.layer2_rn = _conv3(second, features, bias=False)
        self.layer3_rn = _conv3(third, features, bias=False)
        self.layer4_rn = _conv3(fourth, features, bias=False)
        self.refinenet1 = FeatureFusionBlock(features)
        self.refinenet2 = FeatureFusionBlock(features)
        self.refinenet3 = FeatureFusionBlock(features)
        self.refinenet4 = FeatureFusionBlock(features)
        self.output_conv1 = _conv3(features, features // 2)
        self.output_conv2 = nn.Sequential(
            _conv3(features // 2, 32), nn.ReLU(), nn.Conv2d(32, 1, kernel_size=1)
        )

    def reduce(self, maps: list[Tensor]) -> list[Tensor]:
        """Four maps of ``out_channels``, fine to coarse -> four of ``features`` channels."""
        convolutions = (self.layer1_rn, self.layer2_rn, self.layer3_rn, self.layer4_rn)
        return [conv(features) for conv, features in zip(convolutions, maps, strict=True)]

    def fuse(self, layers: list[Tensor], size: tuple[int, int]) -> Tensor:
        """Four [B, C, h, w], fine to coarse -> [B, 1, *size], before the final activation."""
        layer1, layer2, layer3, layer4 = layers
        path = self.refinenet4(layer4, None, _size(layer3))
        path = self.refinenet3(path, layer3, _size(layer2))
        path = self.refinenet2(path, layer2, _size(layer1))
        height, width = _size(layer1)
        path = self.refinenet1(path, layer1, (2 * height, 2 * width))
        path = self.output_conv1(path)
        path = functional.interpolate(
            path, size=size, mode="bilinear", align_corners=self.align_corners
        )
        out: Tensor = self.output_conv2(path)
        return out


class DPTHead(nn.Module):
    """Four sets of tokens to one map at network size; carries no state.

    ``align_corners`` is that of the last upsampling.
    """

    def __init__(
        self,
        width: int,
        features: int,
        out_channels: tuple[int, ...],
        *,
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        first, second, _, fourth = out_channels
        self.projects = nn.ModuleList(
            nn.Conv2d(width, channels, kernel_size=1) for channels in out_channels
        )
        self.resize_layers = nn.ModuleList(
            [
                nn.ConvTranspose2d(first, first, kernel_size=4, stride=4),
                nn.ConvTranspose2d(second, second, kernel_size=2, stride=2),
                nn.Identity(),
                nn.Conv2d(fourth, fourth, kernel_size=3, stride=2, padding=1),
            ]
        )
        self.scratch = Scratch(features, out_channels, align_corners=align_corners)

    def reassemble(self, taps: list[Tensor], grid: tuple[int, int]) -> list[Tensor]:
        """Four [B, rows * columns, width] -> maps at 4, 2, 1 and 1/2 times the grid."""
        maps = []
        for tokens, project, resize in zip(taps, self.projects, self.resize_layers, strict=True):
            batch, _, width = tokens.shape
            image = tokens.transpose(1, 2).reshape(batch, width, *grid)
            maps.append(resize(project(image)))
        return maps

    def remember(
        self, layers: list[Tensor], grid: tuple[int, int], states: LstmStates | None
    ) -> tuple[list[Tensor], LstmStates]:
        """Nothing to remember: the layers as they are."""
        if states:
            raise ValueError(f"this model has no state, got one of {len(states)} layers")
        return layers, ()

    def forward(
        self, taps: list[Tensor], grid: tuple[int, int], states: LstmStates | None
    ) -> tuple[Tensor, LstmStates]:
        """Four [B, rows * columns, width] -> [B, 1, 14 rows, 14 columns], and the new states."""
        layers = self.scratch.reduce(self.reassemble(taps, grid))
        layers, states = self.remember(layers, grid, states)
        rows, columns = grid
        return self.scratch.fuse(layers, (PATCH * rows, PATCH * columns)), states


class RecurrentDPTHead(DPTHead):
    """The head with one ConvLSTM unit per scale, between ``layerN_rn`` and fusion."""

    def __init__(self, width: int, features: int, out_channels: tuple[int, ...]) -> None:
        super().__init__(width, features, out_channels)
        self.features = features
        self.gru_layer_1 = RecurrentUnit(features)  # "gru" in the public layout, yet an LSTM
        self.gru_layer_2 = RecurrentUnit(features)
        self.gru_layer_3 = RecurrentUnit(features)
        self.gru_layer_4 = RecurrentUnit(features)

    def remember(
        self, layers: list[Tensor], grid: tuple[int, int], states: LstmStates | None
    ) -> tuple[list[Tensor], LstmStates]:
        """One step of each unit; what goes on to fusion is the hidden part of the new state."""
        if states is not None:
            shapes = lstm_state_shapes(*grid, channels=self.features)
            check_state(as_flat(states), lstm_state_names(), shapes, batch=layers[0].shape[0])
        units = {1: self.gru_layer_1, 2: self.gru_layer_2, 3: self.gru_layer_3, 4: self.gru_layer_4}
        new = tuple(
            units[layer](layers[layer - 1], None if states is None else states[place])
            for place, layer in enumerate(LAYERS)
        )
        return [hidden for hidden, _ in reversed(new)], new


def _size(features: Tensor) -> tuple[int, int]:
    return cast("tuple[int, int]", tuple(features.shape[-2:]))
