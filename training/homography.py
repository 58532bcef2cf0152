"""DSEC's left frames seen from its left event camera: one homography, right for what is far.

Calibration (``cam_to_cam.yaml``) names the event camera 0, the frame camera 1, and the rectified
cameras camRect0 and camRect1, whose pixels rectified events and frames have. ``R_rectX`` turns a
point from camera X to camRectX; ``T_10`` moves one from camera 0 to camera 1: as DSEC's own page
of its data format says. A point X in camRect0 is therefore

    R X + t   in camRect1,   R = R_rect1 R_10 R_rect0^T,   t = R_rect1 t_10,

and shows in the pixel K_0 X of the events and in K_1 (R X + t) of the frame. Frames have no depth,
so X is not known, only its ray. For what is infinitely far t does not matter, and

    frame pixel = K_1 R K_0^-1 event pixel:   H, the homography at infinity.

It removes the whole difference in rotation and focal length. What it leaves is parallax: a point
at depth Z lies f |t_xy| / Z pixels from where its events are, with f the focal length of camRect0
and t_xy the offset R^T t between the cameras, across the view. With DSEC's 4.4 cm and 583 pixels
these are 5 pixels at 5 m, 1.3 at 20 m, half a pixel at 50 m.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dae_edge.datasets.dsec import HEIGHT, WIDTH
from dae_edge.datasets.reading import read_yaml
from dae_edge.errors import FormatError
from dae_edge.extras import require

FRAME_WIDTH, FRAME_HEIGHT = 1440, 1080
SAMPLES = 2
"""Samples of the frame along each side of an event pixel: it covers about two frame pixels."""

TOLERANCE = 1e-3
"""Of a rotation's product with its transpose: calibrations are written with enough digits."""


class Rig(NamedTuple):
    """The two left cameras.

    Attributes:
        homography: float64 [3, 3], from pixels (x, y, 1) of rectified events to pixels of the
            rectified frame, for points at infinity; the centre of the first pixel is (0, 0).
        focal_px: Of the rectified event camera.
        offset_m: float64 [3], how much further to each side things seem from the frame camera, in
            the axes of the rectified event camera.
    """

    homography: NDArray[np.float64]
    focal_px: float
    offset_m: NDArray[np.float64]

    def parallax_px(self, depth_m: float) -> float:
        """How far from its events a point at this depth lies in the warped frame."""
        return float(self.focal_px * np.hypot(*self.offset_m[:2]) / depth_m)


def read_rig(path: Path) -> Rig:
    """The cameras of a ``cam_to_cam.yaml``.

    Raises:
        FormatError: missing, or without one of the matrices, or a rotation is none.
    """
    content = read_yaml(path)
    event, frame = (_camera(content, name, path) for name in ("camRect0", "camRect1"))
    rect_0, rect_1 = (_rotation(content, name, (3, 3), path) for name in ("R_rect0", "R_rect1"))
    moved = _rotation(content, "T_10", (4, 4), path)
    rotation = rect_1[:3, :3] @ moved[:3, :3] @ rect_0[:3, :3].T
    return Rig(
        homography=frame @ rotation @ np.linalg.inv(event),
        focal_px=float(event[0, 0]),
        offset_m=rotation.T @ rect_1[:3, :3] @ moved[:3, 3],
    )


def warp(frame: NDArray[np.uint8], homography: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The frame as the event camera would see it if all were far.

    A pixel is the mean of ``SAMPLES`` x ``SAMPLES`` bilinear samples: single ones would skip every
    second pixel of the frame and alias. Pixels that the frame does not see are black; in DSEC these
    are a few rows at the bottom, outside the part with depth.

    Args:
        frame: uint8 [1080, 1440, 3].
        homography: Of the ``Rig``.

    Returns:
        uint8 [480, 640, 3].
    """
    image_module = require("PIL.Image", extra="hdf5", purpose="warping frames")
    # Pillow's coordinates begin at the corner of the first pixel, ours at its centre
    to_corner, to_centre = (np.array([[1, 0, s], [0, 1, s], [0, 0, 1.0]]) for s in (0.5, -0.5))
    smaller = np.diag([1 / SAMPLES, 1 / SAMPLES, 1])
    matrix = to_corner @ homography @ to_centre @ smaller
    coefficients = (matrix / matrix[2, 2]).ravel()[:8].tolist()
    sampled = image_module.fromarray(frame).transform(
        (WIDTH * SAMPLES, HEIGHT * SAMPLES),
        image_module.Transform.PERSPECTIVE,
        coefficients,
        image_module.Resampling.BILINEAR,
    )
    return np.array(sampled.reduce(SAMPLES))


def _camera(content: Any, name: str, path: Path) -> NDArray[np.float64]:
    """The matrix K of ``intrinsics``, where it is written as fx, fy, cx, cy."""
    where = ("intrinsics", name, "camera_matrix")
    fx, fy, cx, cy = _numbers(content, where, (4,), path)
    if fx <= 0 or fy <= 0:
        raise FormatError(f"{path}: {'.'.join(where)}: focal lengths must be above 0")
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])


def _rotation(content: Any, name: str, shape: tuple[int, int], path: Path) -> NDArray[np.float64]:
    """A matrix of ``extrinsics`` whose upper left 3x3 numbers are a rotation."""
    matrix = _numbers(content, ("extrinsics", name), shape, path)
    turn = matrix[:3, :3]
    straight = np.abs(turn @ turn.T - np.eye(3)).max() < TOLERANCE
    if not straight or np.linalg.det(turn) < 0:
        raise FormatError(f"{path}: extrinsics.{name} is no rotation")
    return matrix


def _numbers(
    content: Any, where: tuple[str, ...], shape: tuple[int, ...], path: Path
) -> NDArray[np.float64]:
    try:
        for key in where:
            content = content[key]
        array = np.array(content, np.float64)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise FormatError(f"{path}: no numbers at {'.'.join(where)}") from error
    if array.shape != shape or not np.isfinite(array).all() or np.abs(array).max() > 1e9:
        wanted = " x ".join(map(str, shape))
        raise FormatError(f"{path}: {'.'.join(where)} is not {wanted} finite numbers")
    return array
