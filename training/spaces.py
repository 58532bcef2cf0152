"""Where losses compare: a network's own output as depth, inverse depth or log depth, with gradients
that do not die.

The released networks end in ReLU and inversion, depth = 1 / (x + 1e-6): where x is not positive
there is no gradient, and just above, it explodes. So x counts as it is only down to a floor, half
the inverse of the largest depth that counts; below, the straight line goes on that touches the
curve there, with a tenth of its slope. Pixels that are right are not changed by this at all.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from dae_edge.nn.depth_anyevent import INVERSE_EPSILON, DepthAnyEvent
from dae_edge.nn.e2depth import LOG_RANGE, MAX_DEPTH_M, depth_from_log
from dae_edge.nn.network import State
from training.recipe import Space
from training.student import Student

LEAK = 0.1
"""Slope below the floor, relative to that at the floor."""

NEAREST_M = 0.05
"""Nearer true depths do not count: one pixel at 1 mm would outweigh an image of inverse depths."""

LOG_EPSILON = 1e-6


class Truth(NamedTuple):
    """True values [N, 1, H, W] in one space, and where there are any (bool)."""

    values: Tensor
    mask: Tensor


def own_output(model: Student, window: Tensor, state: State | None) -> tuple[Tensor, State]:
    """One step to what the network itself says, [B, 1, h, w], before it becomes depth."""
    if isinstance(model, DepthAnyEvent):
        return model.raw(window, state)
    log_depth, state = model.log_depth(window, state)
    return log_depth[:, None], state


def inferred(model: Student, own: Tensor, size: tuple[int, int]) -> Tensor:
    """Depth as the model gives it in use: [B, 1, h, w] of :func:`own_output` -> [B, *size]."""
    depth = model.decode(own) if isinstance(model, DepthAnyEvent) else depth_from_log(own)
    return functional.interpolate(depth, size=size, mode="bilinear", align_corners=False)[:, 0]


def predicted(
    model: Student, own: Tensor, space: Space, *, size: tuple[int, int], range_m: float
) -> Tensor:
    """The network's output as values of a space.

    Args:
        model: Whose output it is.
        own: float [N, 1, h, w], from :func:`own_output`.
        space: Of the result: metres, 1 / metres or ln(metres); or up to scale and shift, so far.
        size: Height and width of the result.
        range_m: Largest depth that counts.

    Returns:
        float32 [N, 1, *size], finite.
    """
    own = own.float()
    if not isinstance(model, DepthAnyEvent):
        values = _from_log(math.log(MAX_DEPTH_M) + LOG_RANGE * (own - 1), space)
    elif model.config.activation == "relu" and model.config.inv_prediction:
        scale = model.config.scale_factor  # depth = scale / (x + eps)
        values = _from_inverse(own / scale, space, floor=0.5 / range_m)
    else:
        values = _from_depth(model.decode(own), space)
    if values.shape[-2:] == torch.Size(size):
        return values
    return functional.interpolate(values, size=size, mode="bilinear", align_corners=False)


def true(depth: Tensor, space: Space, *, range_m: float) -> Truth:
    """True depth [N, 1, H, W] in metres as values of a space; unknown ones are masked."""
    mask = torch.isfinite(depth) & (depth > NEAREST_M) & (depth <= range_m)
    known = torch.where(mask, depth, torch.ones_like(depth))
    return Truth(_from_depth(known, space), mask)


def _from_inverse(x: Tensor, space: Space, *, floor: float) -> Tensor:
    """Inverse depth x, of any sign, as values of a space: exact above the floor, a line below."""
    above = x.clamp(min=floor)
    below = x - above
    if space == "inverse":
        return above + LEAK * below
    if space == "log":
        return -torch.log(above + INVERSE_EPSILON) - LEAK / floor * below
    return 1 / (above + INVERSE_EPSILON) - LEAK / floor**2 * below


def _from_log(log_depth: Tensor, space: Space) -> Tensor:
    if space == "log":
        return log_depth
    return torch.exp(log_depth if space == "depth" else -log_depth)


def _from_depth(depth: Tensor, space: Space) -> Tensor:
    if space == "depth":
        return depth
    return torch.log(depth + LOG_EPSILON) if space == "log" else 1 / (depth + LOG_EPSILON)
