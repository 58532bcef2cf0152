"""A sheet as one picture: words, tables and rows of panels, from top to bottom.

Text is drawn with the font that comes with Pillow, so sheets are the same on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dae_edge.extras import require
from dae_edge.view.colours import BACKGROUND, Picture

TEXT, QUIET, ALERT = (226, 229, 234), (150, 156, 166), (255, 208, 92)
FONT, LINE, MARGIN, GAP = 15, 22, 16, 6
FIRST_COLUMN, COLUMN = 240, 80
NARROWEST = FIRST_COLUMN + 10 * COLUMN
"""Width in pixels that a table needs."""


class Table(NamedTuple):
    """Numbers: the first cell of a row is its name; the marked row is drawn brighter."""

    heading: str
    header: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]
    marked: str | None
    foot: str


class Strip(NamedTuple):
    """Pictures of one size, side by side under a caption."""

    caption: str
    pictures: Sequence[Picture]


def draw_page(
    title: str,
    notes: Sequence[str],
    tables: Sequence[Table],
    legend: str,
    names: Sequence[str],
    strips: Sequence[Strip],
) -> Picture:
    """The page, uint8 [H, W, 3], as high as it needs to be.

    Args:
        title: First line.
        notes: Lines in the colour of warnings.
        tables: Below one another.
        legend: Explains the pictures; wrapped.
        names: Of the pictures of a strip, written above them.
        strips: Below one another.

    Raises:
        MissingExtraError: Pillow is not installed.
    """
    widths = [sum(p.shape[1] + GAP for p in strip.pictures) - GAP for strip in strips]
    page = _Page(max([NARROWEST, *widths]))
    page.words(title, TEXT)
    for note in notes:
        page.words(note, ALERT)
    for table in tables:
        page.table(table)
    page.top += LINE // 2
    page.words(legend, QUIET)
    for strip in strips:
        page.words(strip.caption, TEXT)
        page.names(names, strip)
        page.pictures(strip)
    return page.finished()


class _Page:
    """A page that grows downwards."""

    def __init__(self, width: int) -> None:
        self._image_module = require("PIL.Image", extra="view", purpose="drawing a sheet")
        self._draw_module = require("PIL.ImageDraw", extra="view", purpose="drawing a sheet")
        font_module = require("PIL.ImageFont", extra="view", purpose="drawing a sheet")
        self._font = font_module.load_default(FONT)
        self._width = width
        self._image = self._image_module.new("RGB", (width + 2 * MARGIN, LINE), BACKGROUND)
        self.top = MARGIN

    def words(self, words: str, colour: tuple[int, int, int]) -> None:
        line = ""
        for word in words.split():
            longer = f"{line} {word}" if line else word
            if line and self._font.getlength(longer) > self._width:
                self._line(line, colour)
                longer = word
            line = longer
        self._line(line, colour)

    def table(self, table: Table) -> None:
        self.top += LINE // 2
        self._line(table.heading, TEXT)
        self._cells(table.header, QUIET)
        for name, values in table.rows:
            self._cells([name, *values], ALERT if name == table.marked else TEXT)
        self._line(table.foot, QUIET)

    def names(self, names: Sequence[str], strip: Strip) -> None:
        self._reach(self.top + LINE)
        left = MARGIN
        for name, picture in zip(names, strip.pictures, strict=True):
            self._text(left, name, QUIET)
            left += picture.shape[1] + GAP
        self.top += LINE

    def pictures(self, strip: Strip) -> None:
        self._reach(self.top + max(picture.shape[0] for picture in strip.pictures))
        left = MARGIN
        for picture in strip.pictures:
            self._image.paste(self._image_module.fromarray(picture), (left, self.top))
            left += picture.shape[1] + GAP
        self.top += max(picture.shape[0] for picture in strip.pictures) + 2 * GAP

    def finished(self) -> Picture:
        self._reach(self.top)
        size = (self._image.width, self.top + MARGIN)
        return np.array(self._image.crop((0, 0, *size)))

    def _line(self, words: str, colour: tuple[int, int, int]) -> None:
        self._reach(self.top + LINE)
        self._text(MARGIN, words, colour)
        self.top += LINE

    def _cells(self, cells: Sequence[str], colour: tuple[int, int, int]) -> None:
        self._reach(self.top + LINE)
        self._text(MARGIN, cells[0], colour)
        for column, cell in enumerate(cells[1:], 1):
            right = MARGIN + FIRST_COLUMN + column * COLUMN
            self._text(right, cell, colour, anchor="rm")
        self.top += LINE

    def _text(
        self, left: int, words: str, colour: tuple[int, int, int], anchor: str = "lm"
    ) -> None:
        place = (left, self.top + LINE / 2)
        self._draw_module.Draw(self._image).text(
            place, words, fill=colour, font=self._font, anchor=anchor
        )

    def _reach(self, bottom: int) -> None:
        """Make the page at least this high, with a margin."""
        if bottom + MARGIN > self._image.height:
            height = max(bottom + MARGIN, 2 * self._image.height)
            larger = self._image_module.new("RGB", (self._image.width, height), BACKGROUND)
            larger.paste(self._image, (0, 0))
            self._image = larger
