"""A batch of procedural scenes as tensors: what stands where, how it looks, how the camera moves.

A scene is an enclosing hall and ``OBJECTS`` objects in it (boxes, then ellipsoids); each surface
has a row of texture parameters. Everything is a function of the scene's seed and family.

Axes: x right, y down, z forward; metres, seconds, radians.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BOXES, ELLIPSOIDS = 14, 6
OBJECTS = BOXES + ELLIPSOIDS
HALL_FACES = 6
ROWS = HALL_FACES + OBJECTS
"""Rows of texture parameters: the hall's faces (-x, +x, -y, +y, -z, +z), then one per object."""

LIGHTS = 3
SHAKES = 3

TEXTURE = (
    "tone",  # mean natural log of reflectance
    "coarse_per_m", "coarse", "fine_per_m", "fine", "hard",  # two layers of lattice noise
    "across_per_m", "along_per_m", "across_phase", "along_phase",  # waves along the surface
    "stripes", "checker", "joints_across", "joints_along",  # what is made of the waves
    "sky",  # 1: light of its own and no depth
)  # fmt: skip
"""Columns of ``Scenes.texture``."""


@dataclass(frozen=True)
class Scenes:
    """B scenes. All float32 but ``seed``; the first axis of each is B.

    Attributes:
        seed: int32 [B].
        hall_centre: [B, 3].
        hall_half: [B, 3], half sizes.
        centre: [B, OBJECTS, 3] at time 0.
        half: [B, OBJECTS, 3].
        turn: [B, OBJECTS, 3, 3], world from object.
        velocity: [B, OBJECTS, 3].
        texture: [B, ROWS, len(TEXTURE)].
        tint: [B, ROWS, 3], RGB factors whose luma is 1.
        ambient: [B].
        sun: [B, 4], direction towards it (unit length) and strength.
        lamp: [B, 4], position and strength.
        headlight: [B], strength of a light at the camera.
        lights: [B, LIGHTS, 4], position and strength of what shines into the lens.
        lights_velocity: [B, LIGHTS, 3].
        halo: [B], part of a light that is scattered over the image.
        start: [B, 3], the camera's place at time 0.
        speed: [B, 3], its velocity in its own frame at time 0.
        facing: [B, 3], yaw, pitch, roll at time 0.
        rate: [B, 3], of yaw, pitch, roll.
        shake: [B, SHAKES, 8], amplitudes of x, y, z, yaw, pitch, roll; frequency in rad/s; phase.
        field: [B], horizontal field of view.
    """

    seed: Tensor
    hall_centre: Tensor
    hall_half: Tensor
    centre: Tensor
    half: Tensor
    turn: Tensor
    velocity: Tensor
    texture: Tensor
    tint: Tensor
    ambient: Tensor
    sun: Tensor
    lamp: Tensor
    headlight: Tensor
    lights: Tensor
    lights_velocity: Tensor
    halo: Tensor
    start: Tensor
    speed: Tensor
    facing: Tensor
    rate: Tensor
    shake: Tensor
    field: Tensor

    def __len__(self) -> int:
        return len(self.seed)

    def to(self, device: torch.device | str) -> Scenes:
        """The same scenes on a device."""
        return Scenes(*(getattr(self, field.name).to(device) for field in fields(self)))


def stacked(scenes: list[dict[str, NDArray[Any]]]) -> Scenes:
    """Scenes as the families make them, one dict of arrays each, as a batch on the CPU."""
    columns = {}
    for field in fields(Scenes):
        kind = np.int32 if field.name == "seed" else np.float32
        arrays = [np.asarray(scene[field.name], kind) for scene in scenes]
        columns[field.name] = torch.from_numpy(np.stack(arrays))
    return Scenes(**columns)
