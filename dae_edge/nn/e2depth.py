"""E2Depth (Hidalgo-Carrio et al., 3DV 2020): a recurrent U-Net from voxel grids to metric depth.

The network is E2VID's (Rebecq et al., 2019) with a ConvLSTM in each of three encoders. Everything
between the voxel grid and the depth map is inside: normalisation, padding, network, crop, metres.
Module names follow the public checkpoints. What it refuses: grids that are no [B, 5, H, W] or too
small to reflect at their borders, and states of a wrong shape (ValueError).
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from dae_edge.nn.convlstm import ConvLSTM, LstmState, LstmStates, as_flat, in_pairs
from dae_edge.nn.state import Shape, check_state

BINS = 5
"""Time bins of the voxel grid."""

BASE_CHANNELS = 32
ENCODERS = 3

STRIDE = 2**ENCODERS
"""The network takes heights and widths that are multiples of this; others are padded."""

MAX_DEPTH_M = 80.0
"""Depth of a network output of 1, in metres."""

LOG_RANGE = 3.70378
"""Natural logarithm of the ratio between the largest and the smallest depth."""


ROUNDING = 1e-5
"""A deviation smaller than this, relative to the mean, is the rounding error of equal voxels."""


def normalize_voxels(voxels: Tensor) -> Tensor:
    """Non-zero voxels of each grid to mean 0 and (population) standard deviation 1.

    :func:`dae_edge.reference.normalize_voxel_grid` for a batch, as sums that every inference engine
    has. Computed in float32 whatever the precision around it: the sums do not fit in FP16. A grid
    without events stays 0, one whose voxels are all equal becomes 0 (but for rounding, which is
    not magnified).

    Args:
        voxels: [B, bins, H, W].

    Returns:
        float32 [B, bins, H, W].
    """
    voxels = voxels.float()
    everything = (1, 2, 3)
    occupied = (voxels != 0).to(voxels.dtype)
    count = occupied.sum(dim=everything, keepdim=True).clamp(min=1)
    mean = voxels.sum(dim=everything, keepdim=True) / count
    centred = (voxels - mean) * occupied
    deviation = ((centred * centred).sum(dim=everything, keepdim=True) / count).sqrt()
    spread = deviation > ROUNDING * mean.abs()
    return centred / torch.where(spread, deviation, torch.ones_like(deviation))


def depth_from_log(log_depth: Tensor) -> Tensor:
    """Network output in [0, 1] to metres: 80 exp(3.70378 (p - 1)), from 1.97 m to 80 m."""
    return MAX_DEPTH_M * torch.exp(LOG_RANGE * (log_depth.float() - 1))


class ConvLayer(nn.Module):
    """A convolution that keeps the size, or halves it with ``stride=2``."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv2d = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2)

    def forward(self, features: Tensor) -> Tensor:
        """[B, inputs, h, w] -> [B, outputs, h / stride, w / stride], without activation."""
        out: Tensor = self.conv2d(features)
        return out


class RecurrentEncoder(nn.Module):
    """A strided convolution, ReLU, ConvLSTM; the output is the hidden part of the new state."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = ConvLayer(channels, 2 * channels, kernel=5, stride=2)
        self.recurrent_block = ConvLSTM(2 * channels)

    def forward(self, features: Tensor, state: LstmState) -> LstmState:
        """[B, C, h, w] -> the new state at [B, 2 C, h / 2, w / 2]."""
        new: LstmState = self.recurrent_block(self.conv(features).relu(), state)
        return new


class ResidualBlock(nn.Module):
    """relu(conv2(relu(conv1(x))) + x)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, kernel_size=3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, h, w] -> [B, C, h, w]."""
        out: Tensor = self.conv2(self.conv1(features).relu())
        return (out + features).relu()


class RecurrentUNet(nn.Module):
    """The network between padding and crop: normalised voxels to log depth."""

    def __init__(self) -> None:
        super().__init__()
        widths = [BASE_CHANNELS * 2**level for level in range(ENCODERS + 1)]
        self.head = ConvLayer(BINS, widths[0], kernel=5)
        self.encoders = nn.ModuleList(RecurrentEncoder(width) for width in widths[:-1])
        self.resblocks = nn.ModuleList(ResidualBlock(widths[-1]) for _ in range(2))
        self.decoders = nn.ModuleList(
            ConvLayer(2 * width, width, kernel=5) for width in reversed(widths[:-1])
        )
        self.pred = ConvLayer(widths[0], 1, kernel=1)

    def forward(self, voxels: Tensor, states: LstmStates) -> tuple[Tensor, LstmStates]:
        """[B, 5, 8 r, 8 c] -> log depth [B, 1, 8 r, 8 c] in [0, 1], and the new states."""
        head: Tensor = self.head(voxels).relu()
        features, new = head, []
        for encoder, state in zip(self.encoders, states, strict=True):
            new.append(encoder(features, state))
            features = new[-1][0]
        for block in self.resblocks:
            features = block(features)
        for decoder, (skip, _) in zip(self.decoders, reversed(new), strict=True):
            larger = functional.interpolate(
                features + skip, scale_factor=2, mode="bilinear", align_corners=False
            )
            features = decoder(larger).relu()
        return self.pred(features + head).sigmoid(), tuple(new)


class E2Depth(nn.Module):
    """Depth from one voxel grid and the state that the last one left; 10,710,401 parameters.

    ``load_state_dict(strict=True)`` takes the public checkpoint as it is
    (E2DEPTH_si_grad_loss_mixed.pth.tar).
    """

    def __init__(self) -> None:
        super().__init__()
        self.unetrecurrent = RecurrentUNet()

    def forward(self, voxels: Tensor, state: LstmStates | None = None) -> tuple[Tensor, LstmStates]:
        """One step.

        Args:
            voxels: Voxel grid as :func:`dae_edge.reference.voxel_grid` makes it, not normalised,
                float32 [B, 5, H, W].
            state: What the previous step returned; None is the state of zeros.

        Returns:
            Depth in metres, float32 [B, H, W], and the new state.

        Raises:
            ValueError: the grid cannot be taken, or the state does not belong to it.
        """
        log_depth, state = self.log_depth(voxels, state)
        return depth_from_log(log_depth), state

    def log_depth(
        self, voxels: Tensor, state: LstmStates | None = None
    ) -> tuple[Tensor, LstmStates]:
        """As :meth:`forward`, with the network's own output: [B, H, W] in [0, 1]."""
        if voxels.dim() != 4 or voxels.shape[1] != BINS:
            raise ValueError(f"voxels must be [B, {BINS}, H, W], got {list(voxels.shape)}")
        batch, _, height, width = voxels.shape
        if state is None:
            state = self.zero_state(height, width, batch=batch)
        shapes = self.state_shapes(height, width)
        check_state(as_flat(state), self.state_names(), shapes, batch=batch)
        left, right = _margins(width)
        top, bottom = _margins(height)
        padded = functional.pad(
            normalize_voxels(voxels), (left, right, top, bottom), mode="reflect"
        )
        log_depth, state = self.unetrecurrent(padded, state)
        return log_depth[:, 0, top : top + height, left : left + width], state

    def state_names(self) -> tuple[str, ...]:
        """``encoder0.hidden``, ``encoder0.cell``, .. ``encoder2.cell``, fine to coarse."""
        return tuple(f"encoder{n}.{part}" for n in range(ENCODERS) for part in ("hidden", "cell"))

    def state_shapes(self, height: int, width: int) -> tuple[Shape, ...]:
        """Shapes [1, C, h, w] of the state at a sensor size, in the order of the names."""
        shapes: list[Shape] = []
        for level in range(1, ENCODERS + 1):
            rows, columns = ((size + sum(_margins(size))) // 2**level for size in (height, width))
            shapes += [(1, BASE_CHANNELS * 2**level, rows, columns)] * 2
        return tuple(shapes)

    def zero_state(self, height: int, width: int, *, batch: int = 1) -> LstmStates:
        """The state before the first window at a sensor size, on the model's device."""
        device = self.unetrecurrent.pred.conv2d.weight.device
        shapes = self.state_shapes(height, width)
        return in_pairs([torch.zeros(batch, *shape[1:], device=device) for shape in shapes])

    def bake(self, height: int, width: int) -> E2Depth:
        """A copy in eval mode; nothing in this network depends on the size but its padding."""
        self.state_shapes(height, width)  # refuses what forward would refuse
        return copy.deepcopy(self).eval()


def _margins(size: int) -> tuple[int, int]:
    """Pixels to add before and after, to reach a multiple of 8; an odd one goes before.

    Reflection repeats up to 4 pixels next to the border pixel, so there must be at least 5.
    """
    if size < 5:
        raise ValueError(f"height and width must be at least 5, got {size}")
    missing = -size % STRIDE
    return (missing + 1) // 2, missing // 2
