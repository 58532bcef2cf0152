"""Numbers to colours: depth maps and Tencode images as pictures for people. numpy only.

Colours are for looking at; nothing should be measured on them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""uint8 [H, W, 3], RGB."""

# Ten evenly spaced anchors of "Inferno", far to near. The map is by S. van der Walt and N. Smith
# (matplotlib 1.5, CC0): lightness grows evenly, so equal steps of depth look equal, also in grey
# print and to the colour-blind.
_INFERNO = "000004 1b0c41 4a0c6b 781c6d a52c60 cf4446 ed6925 fb9b06 f7d13d fcffa4"
# The map starts a little above black: black is what people read as "nothing measured".
_DARKEST = 0.05

NO_DEPTH = (104, 108, 114)
"""Grey of pixels without a depth: not finite, zero or negative. Inferno has no grey."""
BACKGROUND = (13, 15, 20)
"""Pixels without an event, and the frame around the pictures."""
BRIGHTER = (255, 176, 64)
DARKER = (58, 158, 255)
_OLDEST = 0.30  # strength of the oldest event of a window; the newest has 1

DEFAULT_RANGE = (1.0, 10.0)  # for as long as no pixel has a depth
PERCENTILES = (2, 98)
SAMPLE = 1 << 16  # pixels that are looked at: enough for percentiles, quick for large sensors
MIN_RATIO = 1.25  # of far to near: a flat wall is shown flat, not as its noise


def visible_range(values: NDArray[Any]) -> tuple[float, float] | None:
    """The range of depth that a picture should show; None if no pixel has a depth.

    Percentiles 2 and 98 of log depth. Log, because equal ratios then get equal steps of colour:
    errors of depth grow with depth, and relative depth is only known up to a factor, which log
    turns into a shift. Inverse depth would give a road scene two colours: near, and the rest.

    Args:
        values: Depth, float [H, W], larger is farther; pixels that are not finite or not positive
            do not count.
    """
    values = np.asarray(values)
    stride = max(1, round((values.size / SAMPLE) ** 0.5))
    values = values[::stride, ::stride]
    valid = values[np.isfinite(values) & (values > 0)]
    if not len(valid):
        return None
    low, high = np.percentile(np.log(valid.astype(np.float64)), PERCENTILES)
    missing = max(np.log(MIN_RATIO) - (high - low), 0.0)
    return float(np.exp(low - missing / 2)), float(np.exp(high + missing / 2))


class DepthRange:
    """A range of depth that follows the scene slowly, so that a video does not flicker.

    >>> shown = DepthRange(weight=0.5)
    >>> shown.update(np.full((4, 4), 2.0))[1] < shown.update(np.full((4, 4), 8.0))[1]
    True
    """

    def __init__(self, *, weight: float = 0.08) -> None:
        """``weight``: of the newest window, 0..1; 0.08 forgets half in eight windows."""
        if not 0 < weight <= 1:
            raise ValueError(f"weight: got {weight}, wanted more than 0 and at most 1")
        self._weight = weight
        self._log: NDArray[Any] | None = None

    def update(self, values: NDArray[Any]) -> tuple[float, float]:
        """Take in one depth map, float [H, W], and give the (near, far) to show it with."""
        seen = visible_range(values)
        if seen is not None:
            now = np.log(seen)
            before = now if self._log is None else self._log
            self._log = before + self._weight * (now - before)
        if self._log is None:
            return DEFAULT_RANGE
        near, far = np.exp(self._log)
        return float(near), float(far)

    def reset(self) -> None:
        """Forget the past, as after a cut."""
        self._log = None


def depth_picture(values: NDArray[Any], *, near_far: tuple[float, float] | None = None) -> Picture:
    """Colour a depth map: near is bright and warm, far is dark, nothing known is grey.

    Args:
        values: Depth in metres or relative depth, float [H, W], larger is farther.
        near_far: The range to show, both above 0; without it, this map's :func:`visible_range`.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        ValueError: ``values`` is not [H, W], or the range is not 0 < near < far < inf.
    """
    values = np.asarray(values, np.float32)
    if values.ndim != 2:
        raise ValueError(f"a depth map is [H, W], got shape {values.shape}")
    near, far = near_far or visible_range(values) or DEFAULT_RANGE
    if not 0 < near < far < float("inf"):
        raise ValueError(f"near_far: got ({near}, {far}), wanted 0 < near < far")
    valid = np.isfinite(values) & (values > 0)
    log = np.log(np.where(valid, values, np.float32(1)))  # what is not valid gets no colour
    scale = np.float32(255 / (np.log(far) - np.log(near)))
    index = np.clip((np.float32(np.log(far)) - log) * scale, 0, 255).round().astype(np.uint8)
    picture: Picture = depth_colours()[index]
    picture[~valid] = NO_DEPTH
    return picture


def depth_colours() -> Picture:
    """The colour map, uint8 [256, 3], from far to near in equal steps of log depth."""
    anchors = np.array([list(bytes.fromhex(code)) for code in _INFERNO.split()])
    places = np.linspace(0, 1, len(anchors))
    steps = np.linspace(_DARKEST, 1, 256)
    channels = [np.interp(steps, places, anchors[:, channel]) for channel in range(3)]
    return np.stack(channels, 1).round().astype(np.uint8)


def events_picture(tencode_image: NDArray[Any]) -> Picture:
    """A Tencode image on a dark ground: amber is brighter, blue is darker, newer is stronger.

    Args:
        tencode_image: uint8 [H, W, 3] as the encoder leaves it, on black or white background.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        ValueError: another shape or type.
    """
    image = np.asarray(tencode_image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(
            f"a Tencode image is uint8 [H, W, 3], got {image.dtype} {list(image.shape)}"
        )
    # An event sets exactly one of red (brighter) and blue (darker), on either background.
    red, green, blue = image[..., 0] > 127, image[..., 1], image[..., 2] > 127
    picture = np.empty(image.shape, np.uint8)
    picture[:] = BACKGROUND
    picture[red & ~blue] = _event_colours(BRIGHTER)[green[red & ~blue]]
    picture[blue & ~red] = _event_colours(DARKER)[green[blue & ~red]]
    return picture


def _event_colours(hue: tuple[int, int, int]) -> Picture:
    """Colour by Tencode's green, the age: uint8 [256, 3], newest first."""
    strength = np.linspace(1, _OLDEST, 256)[:, None]
    ground = np.array(BACKGROUND)
    colours: Picture = (ground + strength * (np.array(hue) - ground)).round().astype(np.uint8)
    return colours
