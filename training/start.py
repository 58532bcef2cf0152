"""Where training from nothing starts: weights that get a small computer somewhere in an hour.

Default initialisations are made for pictures that fill the frame and for days of training. Most of
a Tencode image is black, which after normalisation is a large constant in every token; what is left
is noisy, and white filters pass on all of the noise; and signals shrink or grow with each layer of
a head that normalises nothing.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from dae_edge.nn import DepthAnyEvent
from dae_edge.nn.config import PATCH
from dae_edge.nn.seeded import LAST_BIAS_KEY
from dae_edge.nn.vit import TABLE_SIDE

START_DEPTH_M = 10.0
"""A network without weights begins with about this depth everywhere."""

POSITION = 0.7
"""Amplitude of the positions, so that they count beside patches from the first step on."""

LAST_LAYER = LAST_BIAS_KEY.removesuffix(".bias")

GAINS = {"conv1": math.sqrt(2), "conv2": 0.5, "Gates": 1.5}
"""Of convolutions in the head by the end of their name, where it is not 1: ``conv1`` follows a
ReLU, ``conv2`` ends a residual branch, which begins small."""


@torch.no_grad()
def start_from_nothing(model: DepthAnyEvent) -> None:
    """Set weights of a freshly built model; what is not named here stays as torch made it.

    Patches: cosines of low frequency, and black gives zero. Positions: sines and cosines of row and
    column as in MAE (He et al., CVPR 2022), free to learn. Head: normal, so that each layer hands
    on the variance that it gets. ConvLSTM: gates open (bias 1 for enter and leave).
    """
    encoder = model.pretrained
    encoder.pos_embed[0, 1:] = POSITION * positions(encoder.pos_embed.shape[-1])
    patches = encoder.patch_embed.proj
    patches.weight.copy_(cosines(len(patches.weight)))
    black = (-model.mean / model.deviation).reshape(1, 3, 1, 1)
    assert patches.bias is not None
    patches.bias.copy_(-(patches.weight * black).sum((1, 2, 3)))
    for name, module in model.depth_head.named_modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            _even(module, GAINS.get(name.rpartition(".")[2], 1.0))
            if name.endswith("Gates"):
                _open(module)
    start_from_a_room(model)


def _even(conv: nn.Conv2d | nn.ConvTranspose2d, gain: float) -> None:
    """Output of the input's variance, times gain squared. Transposed ones here do not overlap."""
    area = 1 if isinstance(conv, nn.ConvTranspose2d) else conv.kernel_size[0] * conv.kernel_size[1]
    conv.weight.normal_(0, gain / math.sqrt(conv.in_channels * area))
    if conv.bias is not None:
        conv.bias.zero_()


def _open(gates: nn.Module) -> None:
    """Channels are enter, keep, leave, candidate."""
    enter, _, leave, _ = gates.get_parameter("bias").chunk(4)
    enter.fill_(1)
    leave.fill_(1)


@torch.no_grad()
def start_from_a_room(model: DepthAnyEvent) -> None:
    """Inverted outputs: begin at about ``START_DEPTH_M``, where the last layer has its slope."""
    config = model.config
    if config.activation == "softplus" or not config.inv_prediction:
        return
    ratio = config.scale_factor / START_DEPTH_M
    sigmoid = config.activation == "sigmoid"
    last = model.get_submodule(LAST_LAYER)
    # x is inverse depth itself, or about the logarithm of it: deviations are small beside both
    last.get_parameter("weight").mul_(0.1 if sigmoid else 0.1 * ratio)
    last.get_parameter("bias").fill_(math.log(max(ratio - 1, 0.1)) if sigmoid else ratio)


def cosines(width: int) -> Tensor:
    """Filters of a patch, float32 [width, 3, 14, 14]: the two-dimensional DCT's lowest frequencies,
    the same for each colour; the higher the stronger, as images have less of them."""
    of_colour = -(-width // 3)
    number = torch.arange(PATCH)
    wave = torch.cos(math.pi * (number + 0.5) * number[:, None] / PATCH) * math.sqrt(2 / PATCH)
    wave[0] /= math.sqrt(2)
    frequency = (number[:, None] ** 2 + number**2).float().sqrt().flatten()
    lowest = frequency.argsort(stable=True)[:of_colour]
    filters = torch.einsum("ky,lx->klyx", wave, wave).flatten(0, 1)[lowest]
    strength = 0.6 * ((1 + frequency[lowest]) / (1 + frequency[lowest].max())) ** 0.7
    filters = filters * strength[:, None, None]
    kernel = torch.zeros(3 * of_colour, 3, PATCH, PATCH)
    for colour in range(3):
        kernel[colour::3, colour] = filters
    return kernel[:width]


def positions(width: int) -> Tensor:
    """float32 [37 * 37, width]: a quarter of the channels each for sin, cos of row, column."""
    count = width // 4
    frequency = 100.0 ** (-torch.arange(count) / count)
    angle = torch.arange(TABLE_SIDE)[:, None] * frequency
    line = torch.cat([angle.sin(), angle.cos()], dim=1)
    grid = (TABLE_SIDE, TABLE_SIDE, 2 * count)
    both = torch.cat([line[:, None].expand(grid), line[None].expand(grid)], dim=-1)
    table = torch.zeros(TABLE_SIDE**2, width)
    table[:, : 4 * count] = both.reshape(TABLE_SIDE**2, -1)
    return table
