"""Ray casting: scenes and poses to brightness, exact depth and colour.

One ray per pixel centre. Every step is element by element or a reduction over objects, so that
``torch.compile`` makes a few fused loops of it, on a CPU as on an accelerator.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from dae_edge.world.chance import mixed
from dae_edge.world.motion import poses
from dae_edge.world.scene import BOXES, HALL_FACES, TEXTURE, Scenes

NEAREST_M = 0.05
MISS = 3e38
SKY_LIGHT = 1.2
DARK = 2e-3
"""Brightness that a pixel sees where there is no light: its own dark current."""


class Picture(NamedTuple):
    """What B cameras see at one moment.

    Attributes:
        brightness: Linear, above 0, float32 [B, H, W].
        depth: Metres along the optical axis, float32 [B, H, W]; 0 for the sky.
        row: Row of texture that each pixel shows, int64 [B, H, W].
    """

    brightness: Tensor
    depth: Tensor
    row: Tensor


def rays(scenes: Scenes, height: int, width: int) -> Tensor:
    """Directions with z = 1 in the cameras' frames, float32 [B, 3, H, W]."""
    focal = width / 2 / torch.tan(scenes.field / 2)
    x = torch.arange(width, device=focal.device) - (width - 1) / 2
    y = torch.arange(height, device=focal.device) - (height - 1) / 2
    shape = (len(scenes), height, width)
    across = (x / focal[:, None])[:, None, :].expand(shape)
    down = (y / focal[:, None])[:, :, None].expand(shape)
    return torch.stack([across, down, torch.ones(shape, device=focal.device)], dim=1)


def render(scenes: Scenes, t_s: Tensor, height: int, width: int) -> Picture:
    """Brightness, depth and what is seen, at times [B] in seconds."""
    position, turn = poses(scenes, t_s)
    geometry = _geometry(scenes, t_s, position, turn)
    directions = rays(scenes, height, width)
    which, depth = _cast(geometry, directions)
    return _shade(scenes, geometry, directions, which, depth, t_s, position, turn)


def colours(scenes: Scenes, picture: Picture) -> Tensor:
    """The frame of an ideal camera beside the event camera: RGB in [0, 1], float32 [B, 3, H, W].

    Exposed so that the median brightness comes to a third of white, then gamma 2.2.
    """
    count = len(scenes)
    tints = scenes.tint[torch.arange(count, device=picture.row.device)[:, None, None], picture.row]
    linear = picture.brightness[..., None] * tints
    middle = picture.brightness.flatten(1).median(dim=1).values.clamp(min=0.02)
    exposed = (linear / (3 * middle[:, None, None, None])).clamp(0, 1)
    return exposed.pow(1 / 2.2).permute(0, 3, 1, 2)


class _Geometry(NamedTuple):
    """All surfaces in their own axes and half sizes: the hall first, then the objects."""

    maps: Tensor  # [B, 1 + OBJECTS, 3, 3]: own units from the camera's metres
    origin: Tensor  # [B, 1 + OBJECTS, 3]: the camera in own units
    half: Tensor  # [B, 1 + OBJECTS, 3]


def _geometry(scenes: Scenes, t_s: Tensor, position: Tensor, turn: Tensor) -> _Geometry:
    centre = scenes.centre + t_s[:, None, None] * scenes.velocity
    centre = torch.cat([scenes.hall_centre[:, None], centre], dim=1)
    half = torch.cat([scenes.hall_half[:, None], scenes.half], dim=1)
    straight = torch.eye(3, device=turn.device).expand(len(scenes), 1, 3, 3)
    inverse = torch.cat([straight, scenes.turn], dim=1).transpose(-1, -2)
    maps = inverse @ turn[:, None] / half[..., None]
    origin = (inverse @ (position[:, None] - centre)[..., None])[..., 0] / half
    return _Geometry(maps, origin, half)


def _cast(geometry: _Geometry, directions: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest surface: its number (0: the hall), int64 [B, H, W], and its depth.

    Boxes by the slab method of Kay and Kajiya (1986): a ray is inside between the last plane that
    it enters and the first that it leaves.
    """
    boxes = 1 + BOXES
    enter, leave = _slabs(geometry, directions, 0, boxes)
    inside, near = leave[:, :1], enter[:, 1:]
    hit = (near < leave[:, 1:]) & (near > NEAREST_M)
    along = _along(geometry, directions, boxes, None)
    out = geometry.origin[:, boxes:, :, None, None]
    a = (along * along).sum(2)
    b = (along * out).sum(2)
    root = b * b - a * ((out * out).sum(2) - 1)
    ball = (-b - root.clamp(min=0).sqrt()) / a
    ball = torch.where((root > 0) & (ball > NEAREST_M), ball, MISS)
    depths = torch.cat([inside, torch.where(hit, near, MISS), ball], dim=1)
    depth, which = depths.min(dim=1)
    return which, depth


def _along(geometry: _Geometry, directions: Tensor, first: int, last: int | None) -> Tensor:
    """Directions in the surfaces' own units, [B, n, 3, H, W]."""
    maps = geometry.maps[:, first:last, :, :, None, None]
    x, y, z = (directions[:, None, None, axis] for axis in range(3))
    return maps[:, :, :, 0] * x + maps[:, :, :, 1] * y + maps[:, :, :, 2] * z


def _slabs(geometry: _Geometry, directions: Tensor, first: int, last: int) -> tuple[Tensor, Tensor]:
    along = _along(geometry, directions, first, last)
    inverse = 1 / torch.where(along.abs() < 1e-9, 1e-9, along)
    middle = -geometry.origin[:, first:last, :, None, None] * inverse
    reach = inverse.abs()
    return (middle - reach).amax(2), (middle + reach).amin(2)


class _Seen(NamedTuple):
    """The surface points that the rays meet, [B, H, W] and vectors [B, H, W, 3]."""

    point: Tensor  # in the camera's frame, metres
    towards: Tensor  # direction of the ray, unit length
    normal: Tensor  # unit length, in the camera's frame
    row: Tensor  # of the texture
    u: Tensor  # metres along the surface
    v: Tensor
    footprint: Tensor  # of a pixel on the surface, metres


def _shade(
    scenes: Scenes,
    geometry: _Geometry,
    directions: Tensor,
    which: Tensor,
    depth: Tensor,
    t_s: Tensor,
    position: Tensor,
    turn: Tensor,
) -> Picture:
    seen = _surface(scenes, geometry, directions, which, depth)
    batch = torch.arange(len(scenes), device=which.device)[:, None, None]
    look = dict(zip(TEXTURE, scenes.texture[batch, seen.row].unbind(-1), strict=True))
    number = scenes.seed[:, None, None] * 64 + seen.row.int()
    albedo = _albedo(look, seen.u, seen.v, seen.footprint, number)
    light = _light(scenes, seen.point, seen.normal, seen.towards, turn, position)
    brightness = torch.exp(albedo.clamp(-4, 0.3)) * light
    sky = look["sky"] > 0.5
    day = SKY_LIGHT * scenes.ambient[:, None, None] * (1 + 0.3 * torch.exp(albedo + 1))
    brightness = torch.where(sky, day, brightness)
    brightness = _blurred(brightness) + _glare(scenes, depth, sky, t_s, position, turn)
    return Picture(brightness + DARK, torch.where(sky, 0.0, depth), seen.row)


def _surface(
    scenes: Scenes, geometry: _Geometry, directions: Tensor, which: Tensor, depth: Tensor
) -> _Seen:
    """Where rays meet what, and how it lies there."""
    batch = torch.arange(len(scenes), device=which.device)[:, None, None]
    maps = geometry.maps[batch, which]  # [B, H, W, 3, 3]
    rows = [maps[..., axis, :] for axis in range(3)]
    ray = directions.permute(0, 2, 3, 1)
    point = depth[..., None] * ray
    own = geometry.origin[batch, which] + torch.stack([(row * point).sum(-1) for row in rows], -1)
    is_ball, is_hall = which > BOXES, which == 0
    size = own.abs()
    axis_x = (size[..., 0] >= size[..., 1]) & (size[..., 0] >= size[..., 2])
    axis_y = ~axis_x & (size[..., 1] >= size[..., 2])
    flat = torch.stack([axis_x, axis_y, ~axis_x & ~axis_y], -1) * own.sign()
    facing = torch.where(is_ball[..., None], own, flat)
    # a gradient in own units, taken back to the camera's frame, is a normal
    normal = facing[..., 0:1] * rows[0] + facing[..., 1:2] * rows[1] + facing[..., 2:3] * rows[2]
    normal = normal / normal.norm(dim=-1, keepdim=True)
    normal = torch.where(is_hall[..., None], -normal, normal)

    face = torch.where(axis_x, 0, torch.where(axis_y, 2, 4)) + (flat.sum(-1) > 0)
    metres = own * geometry.half[batch, which]
    length = ray.norm(dim=-1)
    slant = ((normal * ray).sum(-1) / length).abs().clamp(min=0.05)
    focal = which.shape[2] / 2 / torch.tan(scenes.field / 2)[:, None, None]
    return _Seen(
        point=point,
        towards=ray / length[..., None],
        normal=normal,
        row=torch.where(is_hall, face, which + HALL_FACES - 1),
        u=torch.where(axis_x & ~is_ball, metres[..., 2], metres[..., 0]),
        v=torch.where(axis_y & ~is_ball, metres[..., 2], metres[..., 1]),
        footprint=depth * length / (focal * slant),
    )


def _albedo(
    look: dict[str, Tensor], u: Tensor, v: Tensor, footprint: Tensor, number: Tensor
) -> Tensor:
    """Natural log of reflectance. A pattern fades before a pixel covers half its period."""
    value = look["tone"]
    for layer, (name, salt) in enumerate((("coarse", 1), ("fine", 2))):
        per_m = look[f"{name}_per_m"]
        noise = _lattice_noise(u * per_m, v * per_m, number * 4 + salt)
        hard = look["hard"]
        noise = noise * (1 - hard) + torch.tanh(noise * 6) * hard * (0.5 if layer else 0.7)
        value = value + look[name] * noise * torch.exp(-((2 * per_m * footprint) ** 2))
    across = torch.sin(look["across_per_m"] * u + look["across_phase"])
    along = torch.sin(look["along_per_m"] * v + look["along_phase"])
    for wave, name, per_m in (
        (across, "stripes", look["across_per_m"]),
        (across * along, "checker", torch.maximum(look["across_per_m"], look["along_per_m"])),
    ):
        blur = per_m * footprint
        soft = torch.tanh(torch.exp(-(blur**2) / 4) * wave / (0.16 + 0.5 * blur))
        value = value + look[name] * soft
    for wave, name, per_m in (
        (across, "joints_across", look["across_per_m"]),
        (along, "joints_along", look["along_per_m"]),
    ):
        blur = per_m * footprint
        line = 0.07 + 0.5 * blur
        joint = torch.exp(-(blur**2) / 4 - (wave / line) ** 2) * 0.07 / line
        value = value + look[name] * joint
    return value


def _lattice_noise(x: Tensor, y: Tensor, number: Tensor) -> Tensor:
    """Smooth noise in [-1, 1], one value per whole (x, y) and cubic between them (Perlin, 1985)."""
    left, top = x.floor(), y.floor()
    a, b = x - left, y - top
    a, b = a * a * (3 - 2 * a), b * b * (3 - 2 * b)
    column, line = left.int(), top.int()

    def corner(dx: int, dy: int) -> Tensor:
        place = (column + dx) * 73856093 ^ (line + dy) * 19349663 ^ number * 83492791
        return (mixed(place) & 0xFFFF).float() * (2 / 0xFFFF) - 1

    upper = corner(0, 0) * (1 - a) + corner(1, 0) * a
    lower = corner(0, 1) * (1 - a) + corner(1, 1) * a
    return upper * (1 - b) + lower * b


def _light(
    scenes: Scenes, point: Tensor, normal: Tensor, towards: Tensor, turn: Tensor, position: Tensor
) -> Tensor:
    """Light that a surface point sends back, [B, H, W]: from everywhere, sun, lamp, headlight."""
    back = turn.transpose(-1, -2)
    sun = (back @ scenes.sun[:, :3, None])[:, None, None, :, 0]
    lamp = (back @ (scenes.lamp[:, :3] - position)[:, :, None])[:, None, None, :, 0]
    to_lamp = lamp - point
    squared = (to_lamp * to_lamp).sum(-1)
    cosine = (normal * to_lamp).sum(-1) * (squared + 1e-4).rsqrt()

    def strength(values: Tensor) -> Tensor:
        return values[:, None, None]

    light = strength(scenes.ambient) * (0.85 + 0.15 * normal[..., 1])
    light = light + strength(scenes.sun[:, 3]) * (normal * sun).sum(-1).clamp(min=0)
    light = light + strength(scenes.lamp[:, 3]) * (0.3 + 0.7 * cosine.clamp(min=0)) / (
        1 + 0.25 * squared
    )
    beam = torch.exp(-4 * (towards[..., 0] ** 2 + towards[..., 1] ** 2))
    away = -(normal * towards).sum(-1)
    distance = (point * point).sum(-1)
    return light + strength(scenes.headlight) * beam * away.clamp(min=0) / (1 + 0.02 * distance)


def _glare(
    scenes: Scenes, depth: Tensor, sky: Tensor, t_s: Tensor, position: Tensor, turn: Tensor
) -> Tensor:
    """Lamps that are in sight, and what the lens scatters of them (veiling glare), [B, H, W]."""
    height, width = depth.shape[1:]
    focal = width / 2 / torch.tan(scenes.field / 2)
    place = scenes.lights[..., :3] + t_s[:, None, None] * scenes.lights_velocity
    place = (place - position[:, None]) @ turn  # in the camera's frame
    z = place[..., 2]
    ahead = z.clamp(min=0.2)
    x = focal[:, None] * place[..., 0] / ahead + (width - 1) / 2
    y = focal[:, None] * place[..., 1] / ahead + (height - 1) / 2
    column = x.round().clamp(0, width - 1).long()
    line = y.round().clamp(0, height - 1).long()
    batch = torch.arange(len(scenes), device=depth.device)[:, None]
    behind = torch.where(sky[batch, line, column], MISS, depth[batch, line, column])
    shines = (z > 0.2) & (behind > z - 0.3) & (x > -20) & (x < width + 20)
    power = torch.where(shines, scenes.lights[..., 3], 0.0)
    columns = torch.arange(width, device=depth.device)
    lines = torch.arange(height, device=depth.device)
    glare = torch.zeros_like(depth)
    for light in range(scenes.lights.shape[1]):
        dx = columns - x[:, light, None, None]
        dy = lines[:, None] - y[:, light, None, None]
        squared = dx * dx + dy * dy
        radius = (0.06 * focal / ahead[:, light]).clamp(min=0.7)[:, None, None]
        spot = torch.exp(-squared / (2 * radius**2)) * 3
        spread = scenes.halo[:, None, None] / (1 + squared / (0.03 * width) ** 2)
        glare = glare + power[:, light, None, None] * (spot + spread)
    return glare


def _blurred(image: Tensor) -> Tensor:
    """Binomial 3 by 3: the width of a pixel, and of a good lens."""
    padded = torch.nn.functional.pad(image[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    lines = (padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4
    return (lines[..., :-2] + 2 * lines[..., 1:-1] + lines[..., 2:]) / 4
