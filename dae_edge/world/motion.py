"""Where the cameras are: six degrees of freedom, smooth, a straight way with shakes on it."""

from __future__ import annotations

import torch
from torch import Tensor

from dae_edge.world.scene import Scenes


def poses(scenes: Scenes, t_s: Tensor) -> tuple[Tensor, Tensor]:
    """Position [B, 3] and rotation [B, 3, 3] (world from camera) of each camera at times [B].

    The camera goes straight on in the direction that it has at time 0, turns at constant rates,
    and shakes in ``SHAKES`` sines of all six.
    """
    yaw, pitch, roll = scenes.facing.unbind(-1)
    straight = (rotation(yaw, pitch, roll) @ scenes.speed[:, :, None])[:, :, 0]
    waves = torch.sin(t_s[:, None] * scenes.shake[..., 6] + scenes.shake[..., 7])
    shaken = (waves[:, :, None] * scenes.shake[..., :6]).sum(1)  # [B, 6]
    position = scenes.start + t_s[:, None] * straight + shaken[:, :3]
    angles = scenes.facing + t_s[:, None] * scenes.rate + shaken[:, 3:]
    return position, rotation(*angles.unbind(-1))


def rotation(yaw: Tensor, pitch: Tensor, roll: Tensor) -> Tensor:
    """[B, 3, 3]: roll about z, then pitch about x, then yaw about y."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (torch.cos, torch.sin))
    rows = [
        cy * cr + sy * sp * sr, -cy * sr + sy * sp * cr, sy * cp,
        cp * sr, cp * cr, -sp,
        -sy * cr + cy * sp * sr, sy * sr + cy * sp * cr, cy * cp,
    ]  # fmt: skip
    return torch.stack(rows, dim=-1).reshape(-1, 3, 3)
