"""The families of scenes: indoor, road, clutter, each by day or by night, from a seed.

indoor: a furnished room and a corridor's proportions; road: a street with buildings, vehicles,
poles and people, in which the camera drives; clutter: things of all sizes hanging around a camera
that flies. Sizes, speeds and lights are drawn widely rather than modelled on a place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dae_edge.hints import closest
from dae_edge.world.scene import (
    HALL_FACES,
    LIGHTS,
    OBJECTS,
    ROWS,
    SHAKES,
    TEXTURE,
    Scenes,
    stacked,
)

Floats: TypeAlias = NDArray[np.float64]
Draw: TypeAlias = np.random.Generator
Parts: TypeAlias = dict[str, Any]

AWAY_M = 1e4
"""Where an object goes that would stand in the camera's way: nobody sees it."""

WAY_S = 2.5
"""The camera's way is kept free for this long."""

CLEARANCE_M = 0.35

LUMA = np.array([0.299, 0.587, 0.114])
"""ITU-R BT.601."""


def make_scenes(seeds: list[int], families: list[str]) -> Scenes:
    """One scene per seed and family, on the CPU.

    Args:
        seeds: 0 .. 2^31 - 1.
        families: ``"indoor"``, ``"road"``, ``"clutter"``; with ``"-night"`` after it, in the dark.

    Raises:
        ValueError: no such family.
    """
    return stacked([_scene(seed, name) for seed, name in zip(seeds, families, strict=True)])


def _scene(seed: int, name: str) -> Parts:
    family, _, time = name.partition("-")
    if family not in FAMILIES or time not in ("", "night"):
        known = [*FAMILIES, *(f"{family}-night" for family in FAMILIES)]
        raise ValueError(f"no family of scenes {name!r}{closest(name, known)}")
    draw = np.random.default_rng([seed, 0xDAE])
    parts = FAMILIES[family](draw)
    parts["seed"] = seed
    _furnish(draw, parts)
    _light(draw, parts, outdoors=family == "road", night=time == "night")
    _clear_the_way(parts)
    return parts


def _indoor(draw: Draw) -> Parts:
    low = -np.array([draw.uniform(1, 4), draw.uniform(0.9, 2.2), draw.uniform(0.5, 2)])
    high = np.array([draw.uniform(1, 4), draw.uniform(0.5, 1.5), draw.uniform(3, 14)])
    parts = _camera(
        draw,
        speed=(draw.normal(0, 0.35), draw.normal(0, 0.1), draw.uniform(-0.2, 1.4)),
        rate=draw.normal(0, (0.35, 0.15, 0.1)),
        shake=(0.03, 0.02),
        tilt=(0.12, 0.06),
    )
    floor, size = high[1], 10 ** draw.uniform(-1.0, 0.1, (OBJECTS, 3)) * 0.5
    centre = draw.uniform(low, high, (OBJECTS, 3))
    standing = draw.random(OBJECTS) < 0.75
    centre[:, 1] = np.where(standing, floor - size[:, 1], centre[:, 1])
    at_wall = draw.random(OBJECTS) < 0.3
    side = np.where(draw.random(OBJECTS) < 0.5, low[0], high[0])
    centre[:, 0] = np.where(at_wall, side - np.sign(side) * size[:, 0], centre[:, 0])
    return (
        parts
        | _hall(low, high)
        | {
            "centre": centre,
            "half": size,
            "turn": _turns(draw, upright=0.9),
            "velocity": _movers(draw, part=0.15, speed_m_s=1.2, flat=True),
        }
    )


def _road(draw: Draw) -> Parts:
    camera_height = draw.uniform(1.0, 1.9)
    lane, kerb = draw.uniform(2.8, 4.5), draw.uniform(4, 12)
    low = np.array([-150.0, -60.0, -150.0])
    high = np.array([150.0, camera_height, 250.0])
    fast = draw.uniform(1.5, 16)
    parts = _camera(
        draw,
        speed=(draw.normal(0, 0.1), 0.0, fast),
        rate=draw.normal(0, (0.12, 0.02, 0.02)),
        shake=(0.02, 0.012),
        tilt=(0.05, 0.015),
    )
    half = np.empty((OBJECTS, 3))
    centre = np.empty((OBJECTS, 3))
    side = np.where(draw.random(OBJECTS) < 0.5, -1.0, 1.0)
    houses, vehicles = np.arange(OBJECTS) < 6, (np.arange(OBJECTS) >= 6) & (np.arange(OBJECTS) < 11)
    half[:] = draw.uniform((0.05, 0.8, 0.05), (0.35, 3.0, 0.35), (OBJECTS, 3))  # poles, people
    half[houses] = draw.uniform((3, 2, 4), (8, 9, 14), (houses.sum(), 3))
    half[vehicles] = draw.uniform((0.75, 0.6, 1.5), (1.2, 1.6, 4.0), (vehicles.sum(), 3))
    crowns = np.arange(OBJECTS) >= OBJECTS - 3
    half[crowns] = draw.uniform((0.8, 1.0, 0.8), (2.5, 2.5, 2.5), (3, 3))
    centre[:, 0] = side * (kerb + draw.uniform(-1.5, 1.5, OBJECTS))
    centre[houses, 0] = (side * (kerb + 1 + half[:, 0] + draw.uniform(0, 6, OBJECTS)))[houses]
    centre[vehicles, 0] = (side * lane * draw.choice([0.5, 1.0, 1.5], OBJECTS))[vehicles]
    centre[:, 1] = camera_height - half[:, 1]
    centre[crowns, 1] -= draw.uniform(1.5, 3, 3)
    centre[:, 2] = 2 + draw.uniform(0, 1, OBJECTS) ** 1.5 * 70
    centre[houses, 2] = np.linspace(0, 75, 6) + draw.uniform(-6, 6, 6)
    velocity = np.zeros((OBJECTS, 3))
    drives = vehicles & (draw.random(OBJECTS) < 0.6)
    velocity[drives, 2] = (-side * draw.uniform(2, 14, OBJECTS))[drives]
    walks = ~houses & ~vehicles & ~crowns & (draw.random(OBJECTS) < 0.3)
    velocity[walks] = draw.normal(0, (1.0, 0.0, 1.0), (walks.sum(), 3))
    return (
        parts
        | _hall(low, high)
        | {
            "centre": centre,
            "half": half,
            "turn": _turns(draw, upright=1.0, yaw=0.06),
            "velocity": velocity,
            "lane": lane,
        }
    )


def _clutter(draw: Draw) -> Parts:
    size = 10 ** draw.uniform(0.3, 1.2)
    low = -size * draw.uniform(0.3, 1, 3)
    high = size * draw.uniform(0.3, 1, 3)
    high[2] += draw.uniform(1, size)
    parts = _camera(
        draw,
        speed=draw.normal(0, (0.5, 0.3, 0.6)) * size**0.4,
        rate=draw.normal(0, (0.6, 0.4, 0.4)),
        shake=(0.04, 0.03),
        tilt=(0.5, 0.4),
    )
    distance = 0.5 + (high[2] - 0.5) * draw.random(OBJECTS) ** 1.5
    direction = draw.normal(0, (0.6, 0.45, 0.0), (OBJECTS, 3))
    direction[:, 2] = 1
    half = distance[:, None] * 10 ** draw.uniform(-1.5, -0.45, (OBJECTS, 3))
    return (
        parts
        | _hall(low, high)
        | {
            "centre": distance[:, None] * direction,
            "half": half,
            "turn": _turns(draw, upright=0.2),
            "velocity": _movers(draw, part=0.25, speed_m_s=0.8 * size**0.3, flat=False),
        }
    )


FAMILIES: dict[str, Callable[[Draw], Parts]] = {
    "indoor": _indoor,
    "road": _road,
    "clutter": _clutter,
}


def _hall(low: Floats, high: Floats) -> Parts:
    return {"hall_centre": (low + high) / 2, "hall_half": (high - low) / 2}


def _camera(
    draw: Draw, *, speed: Any, rate: Any, shake: tuple[float, float], tilt: tuple[float, float]
) -> Parts:
    """The camera starts at the origin; ``shake`` in metres and radians, ``tilt`` in radians."""
    waves = np.empty((SHAKES, 8))
    waves[:, :3] = draw.normal(0, shake[0], (SHAKES, 3))
    waves[:, 3:6] = draw.normal(0, shake[1], (SHAKES, 3))
    waves[:, 6] = 2 * np.pi * np.array([0.9, 2.1, 5.0]) * draw.uniform(0.6, 1.5, SHAKES)
    waves[:, :6] /= waves[:, 6:7] / waves[0, 6]  # fast shakes are small ones
    waves[:, 7] = draw.uniform(0, 2 * np.pi, SHAKES)
    return {
        "start": np.zeros(3),
        "speed": np.asarray(speed),
        "facing": draw.normal(0, (tilt[0], tilt[0], tilt[1])),
        "rate": np.asarray(rate),
        "shake": waves,
        "field": np.deg2rad(draw.uniform(50, 95)),
    }


def rotation(yaw: Any, pitch: Any, roll: Any) -> Floats:
    """[..., 3, 3] world from body: roll about z, then pitch about x, then yaw about y."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    rows = [
        [cy * cr + sy * sp * sr, -cy * sr + sy * sp * cr, sy * cp],
        [cp * sr, cp * cr, -sp],
        [-sy * cr + cy * sp * sr, sy * sr + cy * sp * cr, cy * cp],
    ]
    return np.moveaxis(np.array(rows), (0, 1), (-2, -1))


def _turns(draw: Draw, *, upright: float, yaw: float = np.pi) -> Floats:
    angles = draw.uniform(-1, 1, (3, OBJECTS)) * np.array([yaw, np.pi, np.pi])[:, None]
    angles[1:, draw.random(OBJECTS) < upright] = 0
    return rotation(*angles)


def _movers(draw: Draw, *, part: float, speed_m_s: float, flat: bool) -> Floats:
    velocity = draw.normal(0, speed_m_s, (OBJECTS, 3)) * (draw.random((OBJECTS, 1)) < part)
    if flat:
        velocity[:, 1] = 0
    return velocity


def _furnish(draw: Draw, parts: Parts) -> None:
    """Texture and colour of each surface; finer on smaller things."""
    half = np.concatenate([np.repeat(parts["hall_half"][None], HALL_FACES, 0), parts["half"]])
    size = np.clip(np.median(half, axis=1), 0.15, 6)
    one = {name: np.zeros(ROWS) for name in TEXTURE}
    one["tone"] = draw.normal(-1.0, 0.5, ROWS)
    one["coarse_per_m"] = 10 ** draw.uniform(-0.2, 0.7, ROWS) / size
    one["fine_per_m"] = one["coarse_per_m"] * 10 ** draw.uniform(0.4, 1.1, ROWS)
    one["coarse"] = draw.uniform(0.05, 1.0, ROWS)
    one["fine"] = draw.uniform(0.02, 0.8, ROWS)
    one["hard"] = draw.random(ROWS)
    for name in ("across_per_m", "along_per_m"):
        one[name] = 10 ** draw.uniform(0.4, 1.2, ROWS) / size
    for name in ("across_phase", "along_phase"):
        one[name] = draw.uniform(0, 2 * np.pi, ROWS)
    kind = draw.random(ROWS)
    one["stripes"] = np.where(kind < 0.2, draw.normal(0, 0.5, ROWS), 0)
    one["checker"] = np.where((kind > 0.2) & (kind < 0.4), draw.normal(0, 0.5, ROWS), 0)
    tiles = (kind > 0.4) & (kind < 0.7)
    one["joints_across"] = np.where(tiles, draw.normal(0, 0.9, ROWS), 0)
    one["joints_along"] = np.where(tiles & (draw.random(ROWS) < 0.7), one["joints_across"], 0)
    if "lane" in parts:
        _pave(draw, one, parts.pop("lane"))
    parts["texture"] = np.stack([one[name] for name in TEXTURE], axis=-1)
    tint = np.exp(draw.normal(0, 0.25, (ROWS, 3)))
    tint[parts["texture"][:, TEXTURE.index("sky")] > 0] = (0.9, 1.0, 1.15)
    parts["tint"] = tint / (tint @ LUMA)[:, None]


def _pave(draw: Draw, one: dict[str, Floats], lane: float) -> None:
    """A road: asphalt with lines, and sky on every other face of the hall."""
    ground = 3
    for face in range(HALL_FACES):
        one["sky"][face] = face != ground
    one["coarse_per_m"][ground] = draw.uniform(0.1, 0.8)
    one["fine_per_m"][ground] = draw.uniform(2, 8)
    one["coarse"][ground], one["fine"][ground] = draw.uniform(0.05, 0.4), draw.uniform(0.1, 0.6)
    one["across_per_m"][ground] = np.pi / lane  # a wave crosses zero at each line
    one["across_phase"][ground] = draw.choice([0, np.pi / 2])
    one["along_per_m"][ground] = draw.uniform(0.05, 0.6)
    one["stripes"][ground] = one["checker"][ground] = 0
    one["joints_across"][ground] = draw.uniform(0.4, 1.6)
    one["joints_along"][ground] = draw.choice([0.0, 0.6])


def _light(draw: Draw, parts: Parts, *, outdoors: bool, night: bool) -> None:
    sun = draw.normal(0, 1, 3) * (1, 1, 1)
    sun[1] = -abs(sun[1]) - 0.3
    sun /= np.linalg.norm(sun)
    dark = 10 ** draw.uniform(-2.0, -1.0) if night else 1.0
    parts["ambient"] = dark * draw.uniform(0.3, 0.7)
    parts["sun"] = [*sun, dark * (draw.uniform(0.2, 1.2) if outdoors else draw.uniform(0, 0.4))]
    low, high = (parts["hall_centre"] + sign * parts["hall_half"] for sign in (-1, 1))
    place = draw.uniform(low, high)
    place[1] = low[1] + 0.1 * (high[1] - low[1])
    if outdoors:
        place = draw.uniform((-6, -7, 3), (6, -4, 25))
    strength = draw.uniform(0.5, 2) if not outdoors or night else 0.0
    parts["lamp"] = [*place, strength * (0.3 if night else 1.0)]
    parts["headlight"] = (
        draw.uniform(0.2, 1.0) if night and (outdoors or draw.random() < 0.5) else 0
    )
    lights = np.zeros((LIGHTS, 4))
    lights[:, :3] = draw.normal(0, (0.35, 0.2, 0), (LIGHTS, 3)) + np.array([0, -0.15, 1])
    lights[:, :3] *= draw.uniform(3, 40 if outdoors else 8, (LIGHTS, 1))
    shining = draw.random(LIGHTS) < (0.6 if night else 0.15)
    lights[:, 3] = np.where(shining, 10 ** draw.uniform(-0.3, 0.7, LIGHTS), 0)
    velocity = np.zeros((LIGHTS, 3))
    velocity[:, 2] = np.where(draw.random(LIGHTS) < 0.5, draw.uniform(-12, 6, LIGHTS), 0) * outdoors
    parts["lights"], parts["lights_velocity"] = lights, velocity
    parts["halo"] = 10 ** draw.uniform(-2.5, -1.0)


def _clear_the_way(parts: Parts) -> None:
    """Push walls back and send objects away where the camera would run into them."""
    times = np.linspace(0, WAY_S, 26)
    way = camera_way(parts, times)  # [26, 3]
    low, high = (parts["hall_centre"] + sign * parts["hall_half"] for sign in (-1, 1))
    low = np.minimum(low, way.min(0) - CLEARANCE_M)
    high = np.maximum(high, way.max(0) + CLEARANCE_M)
    parts |= _hall(low, high)
    place = parts["centre"] + times[:, None, None] * parts["velocity"]
    seen = np.einsum("oji,toj->toi", parts["turn"], way[:, None] - place)  # in the object's axes
    gap = np.maximum(np.abs(seen) - parts["half"], 0)
    blocked = (np.linalg.norm(gap, axis=-1) < CLEARANCE_M).any(0)
    parts["centre"] = np.where(blocked[:, None], AWAY_M, parts["centre"])


def camera_way(parts: Parts, times: Floats) -> Floats:
    """Where the camera is at times [T], [T, 3]; the rule is ``motion.poses``'s, in numpy."""
    yaw, pitch, roll = parts["facing"]
    straight = rotation(yaw, pitch, roll) @ parts["speed"]
    waves = np.sin(times[:, None] * parts["shake"][:, 6] + parts["shake"][:, 7])
    way: Floats = parts["start"] + times[:, None] * straight + waves @ parts["shake"][:, :3]
    return way
