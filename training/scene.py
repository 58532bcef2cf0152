"""A room that opens into a corridor, rendered by ray casting: brightness and depth, numpy only.

Boxes and one rolling ball with soft procedural patterns, seen by a pinhole camera that a person
might carry. Patterns fade before they would alias, so that a slow camera makes smooth brightness
curves, which the event model needs. No shadows, no reflections, no rolling shutter, no lens blur
but that of one pixel: it is a scene to make events of, not a renderer to make pictures with.

Axes: x right, y down, z forward, in metres; the camera starts near the origin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]

WIDTH, HEIGHT = 346, 260
FOCAL = 250.0  # pixels, as a DAVIS346 with a lens of 4.6 mm: about 69 by 55 degrees
INTRINSICS = (FOCAL, FOCAL, (WIDTH - 1) / 2, (HEIGHT - 1) / 2)
"""fx, fy, cx, cy in pixels; the centre of the first pixel is (0, 0)."""

NEAREST = 0.05  # metres; nothing closer is seen
HALL = ((-3.4, -1.5, -3.0), (3.4, 1.1, 14.0))
BOXES = (
    ((-3.4, -1.5, 7.0), (-1.0, 1.1, 14.0)),  # the walls of the corridor
    ((1.1, -1.5, 7.0), (3.4, 1.1, 14.0)),
    ((-1.0, -1.5, 7.0), (1.1, -0.85, 7.4)),  # the lintel over its entrance
    ((-2.7, 0.2, 3.4), (-1.7, 1.1, 4.4)),  # crates, one on the other
    ((-2.5, -0.5, 3.6), (-1.8, 0.2, 4.2)),
    ((1.6, 0.35, 2.7), (2.9, 0.42, 4.1)),  # a table: its top, a leg, what stands on it
    ((2.1, 0.42, 3.2), (2.4, 1.1, 3.6)),
    ((1.9, -0.1, 3.1), (2.3, 0.35, 3.5)),
    ((1.25, -1.5, 5.3), (1.65, 1.1, 5.7)),  # a pillar
    ((-0.75, 0.55, 5.6), (-0.15, 1.1, 6.2)),  # a low box on the way
    ((-3.4, -0.9, 4.9), (-3.1, 0.5, 6.3)),  # a shelf on the wall
    ((-0.5, -0.35, 10.4), (0.1, 1.1, 10.9)),  # something tall in the corridor
    ((-2.9, -1.0, 6.96), (-1.9, -0.3, 7.0)),  # pictures on the walls
    ((1.9, -0.9, 6.96), (2.6, -0.1, 7.0)),
    ((3.36, -0.8, 4.4), (3.4, 0.1, 6.0)),
)
BALL_RADIUS = 0.32
OBJECTS = 2 + len(BOXES)  # the hall, the boxes, the ball
FACES = 6

LAYERS = 3  # patterns of one face: coarse, medium, fine
WAVELENGTHS = ((1.2, 2.0), (0.45, 0.9), (0.15, 0.25))  # metres, from and to
STRENGTHS = ((0.0, 0.12), (0.12, 0.22), (0.0, 0.08))  # of natural-log reflectance, from and to
STRIPED, CHECKED, TILED = range(3)  # kinds of pattern
LINE = 0.1  # width of the joints between tiles, as a part of their wave
SHADE = np.array([0.80, 0.62, 0.42, 1.0, 0.9, 0.55], np.float32)  # by face: -x +x -y +y -z +z


@dataclass(frozen=True)
class Pose:
    """Where the camera is: position [3] in metres, rotation [3, 3] from camera to world."""

    position: Floats
    rotation: Floats


def pose(t: float) -> Pose:
    """The camera at ``t`` seconds: walking forward, looking around a little; all six degrees."""
    position = np.array(
        [
            0.10 * np.sin(1.7 * t) + 0.006 * np.sin(11.5 * t),
            0.009 * np.sin(11.5 * t + 0.6),
            0.25 + 0.8 * t + 0.015 * np.sin(11.5 * t + 1.1),
        ]
    )
    yaw = 0.06 * np.sin(2.1 * t - 0.5)
    pitch = 0.02 * np.sin(2.9 * t + 0.4) + 0.002 * np.sin(11.5 * t)
    roll = 0.02 * np.sin(1.9 * t + 1.0)
    return Pose(position, _rotation(yaw, pitch, roll))


def ball_centre(t: float) -> Floats:
    """The ball at ``t`` seconds [3], rolling over the floor from the right to the left."""
    return np.array([1.2 - 0.9 * t, 1.1 - BALL_RADIUS, 3.9 - 0.1 * t])


def _rotation(yaw: float, pitch: float, roll: float) -> Floats:
    """About y, then x, then z; positive yaw looks right, positive pitch looks up."""
    (cy, sy), (cp, sp), (cr, sr) = ((np.cos(a), np.sin(a)) for a in (yaw, pitch, roll))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_y @ about_x @ about_z)


class Scene:
    """The room with its patterns, which a seed decides.

    >>> brightness, depth = Scene(seed=1).render(0.0)
    >>> brightness.shape, bool((depth > 0).all())
    ((260, 346), True)
    """

    def __init__(self, *, seed: int) -> None:
        random = np.random.default_rng(seed)
        shape = (LAYERS, OBJECTS * FACES)
        low, high = np.array(WAVELENGTHS).T[:, :, None]
        wavelength = random.uniform(low, high, shape)
        self._number = (2 * np.pi / wavelength).astype(np.float32)  # radians per metre
        low, high = np.array(STRENGTHS).T[:, :, None]
        self._strength = random.uniform(low, high, shape)
        angle = random.choice([0.0, 0.0, 0.0, 0.4, 1.1], shape)
        self._along = np.stack([np.cos(angle), np.sin(angle)]).astype(np.float32)
        self._phase = random.uniform(0, 2 * np.pi, (2, *shape)).astype(np.float32)
        self._kind = random.choice([STRIPED, CHECKED, TILED, TILED], shape)
        tone = random.uniform(-1.1, -0.2, (OBJECTS, 1)) + random.normal(0, 0.1, (OBJECTS, FACES))
        self._tone = tone.reshape(-1).astype(np.float32)
        fx, fy, cx, cy = INTRINSICS
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        rays = [(columns - cx) / fx, (rows - cy) / fy, np.ones((HEIGHT, WIDTH))]
        self._rays = np.stack(rays).astype(np.float32)

    def render(self, t: float) -> tuple[Floats, Floats]:
        """What the camera sees at ``t`` seconds.

        Returns:
            Linear brightness, float32 [H, W], above 0; and depth along the optical axis, float32
            [H, W], metres.
        """
        view = pose(t)
        # The third component of a ray in the camera is 1, so a ray's parameter is the depth.
        rays = np.tensordot(view.rotation.astype(np.float32), self._rays, 1)
        rays = np.where(np.abs(rays) < 1e-7, np.float32(1e-7), rays)
        depth, face = self._cast(view, rays, t)
        points = view.position.astype(np.float32)[:, None, None] + depth * rays
        albedo = self._reflectance(points, rays, depth, face, t)
        # One lamp under the ceiling of the room, and light from everywhere.
        lamp = np.array([0.4, -1.3, 3.5], np.float32)[:, None, None]
        light = 0.45 + 1.4 / (1.0 + 0.35 * ((points - lamp) ** 2).sum(0))
        brightness = np.exp(albedo) * light * SHADE[face % FACES]
        return _one_pixel_blur(brightness), depth

    def _cast(self, view: Pose, rays: Floats, t: float) -> tuple[Floats, Floats]:
        """The nearest surface: depth float32 [H, W], and which face of which object, int [H, W]."""
        inverse = 1.0 / rays
        depth, axis = _slab(HALL, view.position, inverse, inside=True)
        face = 2 * axis + (np.take_along_axis(rays, axis[None], 0)[0] > 0)
        for index, box in enumerate(BOXES, start=1):
            part = _bounds(box, view)
            if part is None:
                continue
            near, axis = _slab(box, view.position, inverse[(slice(None), *part)], inside=False)
            seen = near < depth[part]
            towards = np.take_along_axis(rays[(slice(None), *part)], axis[None], 0)[0] < 0
            depth[part] = np.where(seen, near, depth[part])
            face[part] = np.where(seen, index * FACES + 2 * axis + towards, face[part])
        near = _ball_depth(ball_centre(t) - view.position, rays)
        seen = near < depth
        return np.where(seen, near, depth), np.where(seen, (OBJECTS - 1) * FACES + 4, face)

    def _reflectance(
        self, points: Floats, rays: Floats, depth: Floats, face: Floats, t: float
    ) -> Floats:
        """Natural log of reflectance, float32 [H, W], of the surface points [3, H, W]."""
        u, v, normal = _surface_coordinates(points, face, t)
        slant = np.abs(np.take_along_axis(rays, normal[None], 0)[0])
        length = np.sqrt((rays**2).sum(0))
        footprint = depth * length / (FOCAL * np.maximum(slant / length, 0.05))  # metres
        value = self._tone[face]
        for layer in range(LAYERS):
            number = self._number[layer][face]
            c, s = self._along[:, layer][:, face]
            first, second = self._phase[:, layer][:, face]
            across = np.sin(number * (c * u + s * v) + first)
            along = np.sin(number * (c * v - s * u) + second)
            pattern = _pattern(across, along, number * footprint, self._kind[layer][face])
            value = value + (self._strength[layer][face] * pattern).astype(np.float32)
        return value


def _pattern(across: Floats, along: Floats, blur: Floats, kind: Floats) -> Floats:
    """Reflectance of -1..1 from two waves across each other, soft where ``blur`` is large.

    ``blur`` is the size of a pixel on the surface in radians of the wave: the pattern is gone
    before a period is two pixels (pi).
    """
    fade = np.exp(-(blur**2) / 4)
    wave = np.where(kind == CHECKED, across * along, across)
    soft = np.tanh(fade * wave / (0.16 + 0.5 * blur))
    width = LINE + 0.5 * blur
    nearest_joint = np.minimum(across**2, along**2)
    joint = -2 * fade * (LINE / width) * np.exp(-nearest_joint / width**2)
    return np.where(kind == TILED, joint, soft)


def _slab(
    box: tuple[tuple[float, ...], tuple[float, ...]],
    origin: Floats,
    inverse: Floats,
    *,
    inside: bool,
) -> tuple[Floats, Floats]:
    """Where rays enter a box (inf for a miss), or leave it from ``inside``; and through which axis.

    The slab method of Kay and Kajiya, Ray Tracing Complex Scenes, SIGGRAPH 1986.
    """
    low, high = (
        (np.array(corner) - origin).astype(np.float32)[:, None, None] * inverse for corner in box
    )
    enter, leave = np.minimum(low, high), np.maximum(low, high)
    if inside:
        return leave.min(0), leave.argmin(0)
    near = enter.max(0)
    hit = (near < leave.min(0)) & (near > NEAREST)
    return np.where(hit, near, np.float32(np.inf)), enter.argmax(0)


def _bounds(
    box: tuple[tuple[float, ...], tuple[float, ...]], view: Pose
) -> tuple[slice, slice] | None:
    """The rows and columns that a box can cover; None if it is out of sight."""
    corners = np.array(np.meshgrid(*zip(*box, strict=True))).reshape(3, -1)
    x, y, z = view.rotation.T @ (corners - view.position[:, None])
    if (z < NEAREST).all():
        return None
    if (z < NEAREST).any():
        return slice(0, HEIGHT), slice(0, WIDTH)
    fx, fy, cx, cy = INTRINSICS
    columns, rows = fx * x / z + cx, fy * y / z + cy
    left, right = np.clip([columns.min(), columns.max() + 2], 0, WIDTH).astype(int)
    top, bottom = np.clip([rows.min(), rows.max() + 2], 0, HEIGHT).astype(int)
    return None if left == right or top == bottom else (slice(top, bottom), slice(left, right))


def _ball_depth(centre: Floats, rays: Floats) -> Floats:
    """Depth float32 [H, W] where rays meet the ball at ``centre`` seen from the camera, or inf."""
    centre = centre.astype(np.float32)
    squared = (rays**2).sum(0)
    along = np.tensordot(centre, rays, 1)
    root = along**2 - squared * np.float32(centre @ centre - BALL_RADIUS**2)
    near = (along - np.sqrt(np.maximum(root, 0))) / squared
    return np.where((root > 0) & (near > NEAREST), near, np.float32(np.inf))


def _surface_coordinates(points: Floats, face: Floats, t: float) -> tuple[Floats, Floats, Floats]:
    """Metres along a face, u and v, [H, W] each; and the axis of its normal, int [H, W]."""
    normal = (face % FACES) // 2
    u = np.where(normal == 0, points[2], points[0])
    v = np.where(normal == 1, points[2], points[1])
    ball = face >= (OBJECTS - 1) * FACES
    if ball.any():  # it rolls: its pattern turns with the way it went
        x, y, _ = points[:, ball] - ball_centre(t).astype(np.float32)[:, None]
        turn = np.float32((ball_centre(t) - ball_centre(0.0))[0] / BALL_RADIUS)
        u[ball] = np.cos(turn) * x + np.sin(turn) * y
        v[ball] = np.cos(turn) * y - np.sin(turn) * x
    return u, v, normal


def _one_pixel_blur(image: Floats) -> Floats:
    """Binomial 3 by 3: the width of a pixel, and of a good lens."""
    padded = np.pad(image, 1, mode="edge")
    rows = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    blurred: Floats = ((rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 4).astype(np.float32)
    return blurred
