"""One frame for people: events and depth side by side, with a caption, legends and a notice.

Text is drawn by Pillow with the font that comes with it, so pictures are the same on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_edge.extras import require
from dae_edge.view.colours import (
    BACKGROUND,
    BRIGHTER,
    DARKER,
    Picture,
    depth_colours,
    depth_picture,
    events_picture,
)

__all__ = ["depth_picture", "events_picture", "panel_size", "side_by_side"]

TEXT = (226, 229, 234)
QUIET = (150, 156, 166)
BAR = (24, 27, 34)
ALERT = (255, 208, 92)

GAP = 4  # pixels between the two pictures
PANEL = 640  # pixels: small sensors are enlarged, by a whole factor, to about this width
LARGEST = 960  # pixels: larger pictures are reduced to this width or height
FONT = (13, 22)  # pixels: smallest and largest text


def panel_size(height: int, width: int) -> tuple[int, int]:
    """Height and width at which a picture of a sensor is shown.

    >>> panel_size(260, 346), panel_size(480, 640), panel_size(720, 1280)
    ((520, 692), (480, 640), (540, 960))
    """
    factor = max(1, round(PANEL / max(height, width)))
    scale = min(factor, LARGEST / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def side_by_side(
    events: NDArray[Any],
    depth: NDArray[Any],
    *,
    caption_lines: Sequence[str],
    near_far: tuple[float, float] | None = None,
    unit: str = "m",
    notice: str | None = None,
) -> Picture:
    """Events on the left, depth on the right.

    Args:
        events: uint8 [H, W, 3], from :func:`events_picture`.
        depth: uint8 [H, W, 3], from :func:`depth_picture`.
        caption_lines: Lines above the pictures; one that is too long is cut with an ellipsis.
        near_far: The range that ``depth`` shows, for the legend's ends; None leaves them out.
        unit: What the numbers of ``near_far`` are: ``"m"``, ``"relative depth"``.
        notice: A warning, drawn across the depth.

    Returns:
        uint8 [H', W', 3], RGB; H' and W' are even, as video encoders want them, and depend only on
        the sensor's size and the number of caption lines.

    Raises:
        MissingExtraError: Pillow is not installed.
        ValueError: the pictures are not uint8 [H, W, 3] of one size.
    """
    for name, picture in (("events", events), ("depth", depth)):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            got = f"{picture.dtype} {list(picture.shape)}"
            raise ValueError(f"{name}: a picture is uint8 [H, W, 3], got {got}")
    if events.shape != depth.shape:
        raise ValueError(f"pictures of one size wanted, got {events.shape} and {depth.shape}")
    page = _Page(*panel_size(*events.shape[:2]), lines=len(caption_lines))
    page.caption(caption_lines)
    page.panels(events, depth)
    page.events_legend()
    page.depth_legend(near_far, unit)
    if notice is not None:
        page.notice(notice)
    return page.finished()


class _Page:
    """A frame that is being drawn: caption, two panels, legends, from top to bottom."""

    def __init__(self, height: int, width: int, *, lines: int) -> None:
        self._image_module = require("PIL.Image", extra="view", purpose="drawing text")
        draw_module = require("PIL.ImageDraw", extra="view", purpose="drawing text")
        font_module = require("PIL.ImageFont", extra="view", purpose="drawing text")
        size = int(np.clip(round(width / 40), *FONT))
        self._font = font_module.load_default(size)
        self._line = round(size * 1.5)
        self._margin = round(size * 0.6)
        self._height, self._width = height, width
        self._top = lines * self._line + self._margin if lines else 0
        self._bottom = self._top + height
        self._right = width + GAP  # where the depth panel begins
        full = (self._right + width, self._bottom + self._line + self._margin)
        even = tuple(side + side % 2 for side in full)
        self._page = self._image_module.new("RGB", even, BAR)
        self._draw = draw_module.Draw(self._page)

    def caption(self, lines: Sequence[str]) -> None:
        room = self._page.width - 2 * self._margin
        for index, line in enumerate(lines):
            middle = self._margin / 2 + (index + 0.5) * self._line
            self._text(self._margin, middle, self._cut(line, room), QUIET if index else TEXT)

    def panels(self, events: NDArray[Any], depth: NDArray[Any]) -> None:
        box = (0, self._top, self._page.width, self._bottom)
        self._draw.rectangle(box, fill=BACKGROUND)
        for picture, left in ((events, 0), (depth, self._right)):
            image = self._image_module.fromarray(np.ascontiguousarray(picture))
            # Pixels of a small sensor stay square and sharp; those of a large one are averaged.
            methods = self._image_module.Resampling
            method = methods.NEAREST if image.width <= self._width else methods.BOX
            image = image.resize((self._width, self._height), method)
            self._page.paste(image, (left, self._top))

    def events_legend(self) -> None:
        middle = (self._bottom + self._page.height) / 2
        left = float(self._margin)
        for name, colour in (("brighter", BRIGHTER), ("darker", DARKER)):
            half = self._line * 0.22
            self._draw.rectangle((left, middle - half, left + 2 * half, middle + half), fill=colour)
            left = self._text(left + 3.2 * half, middle, name, QUIET) + 2 * self._margin

    def depth_legend(self, near_far: tuple[float, float] | None, unit: str) -> None:
        """A bar of the colours between its two values, near on the left."""
        middle = (self._bottom + self._page.height) / 2
        left = float(self._right + self._margin)
        right = float(self._page.width - self._margin)
        if near_far is not None:
            near, far = (_rounded(value) + " m" * (unit == "m") for value in near_far)
            if unit != "m":
                left = self._text(left, middle, unit, QUIET) + 2 * self._margin
            left = self._text(left, middle, near, TEXT) + self._margin
            right -= self._font.getlength(far)
            self._text(right, middle, far, TEXT)
            right -= self._margin
        width, height = max(1, round(right - left)), max(4, round(self._line * 0.4))
        shades = np.linspace(255, 0, width).round().astype(int)
        bar = np.broadcast_to(depth_colours()[shades], (height, width, 3))
        image = self._image_module.fromarray(np.ascontiguousarray(bar))
        self._page.paste(image, (round(left), round(middle - height / 2)))

    def notice(self, notice: str) -> None:
        """A dark band across the upper part of the depth, in as many lines as the words need."""
        lines = self._wrapped(notice, self._width - 2 * self._margin)
        left, right = self._right, self._right + self._width - 1
        top = self._top + 2 * self._margin
        bottom = top + len(lines) * self._line + 2 * self._margin
        self._draw.rectangle((left, top, right, bottom), fill=BACKGROUND)
        for edge in (top, bottom):
            self._draw.line((left, edge, right, edge), fill=ALERT, width=2)
        for index, line in enumerate(lines):
            start = left + (self._width - self._font.getlength(line)) / 2
            self._text(start, top + self._margin + (index + 0.5) * self._line, line, ALERT)

    def finished(self) -> Picture:
        return np.array(self._page)

    def _text(self, left: float, middle: float, words: str, colour: tuple[int, int, int]) -> float:
        """Draw, and give where it ends."""
        self._draw.text((left, middle), words, fill=colour, font=self._font, anchor="lm")
        return left + float(self._font.getlength(words))

    def _cut(self, words: str, room: float) -> str:
        if self._font.getlength(words) <= room:
            return words
        while words and self._font.getlength(words + "…") > room:
            words = words[:-1]
        return words.rstrip() + "…"

    def _wrapped(self, words: str, room: float) -> list[str]:
        lines: list[str] = []
        for word in words.split():
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and self._font.getlength(longer) <= room:
                lines[-1] = longer
            else:
                lines.append(self._cut(word, room))
        return lines


def _rounded(value: float) -> str:
    """Three digits at most before the eye gives up, and never an exponent for what has a name.

    >>> _rounded(0.1234), _rounded(7.0), _rounded(12.345), _rounded(1234.5)
    ('0.12', '7.0', '12.3', '1234')
    """
    if value < 1:
        return f"{value:.2g}"
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"
