"""Plots as SVG text, in the colours of the page they stand on: curves, bars, points."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

COLOURS = ("#4c9be8", "#ffb454", "#5ccfa0", "#e06c9f", "#b28cf0", "#d8d05c", "#67c7d6", "#f07c5c")
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 760, 62, 18, 14, 46
_MOST_POINTS, _MOST_TICKS = 1500, 8


@dataclass(frozen=True)
class Axis:
    """What is along a side of a plot, and which part of it."""

    name: str
    low: float
    high: float
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """0 at the low end, 1 at the high one."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        return (self._scaled(value) - low) / (high - low) if high > low else 0.5

    def ticks(self) -> list[float]:
        """Round values within."""
        if self.logarithmic:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            values = [step * 10.0**power for power in powers for step in (1, 2, 5)]
            return [value for value in values if self.low <= value <= self.high]
        step = 10 ** math.floor(math.log10(max(self.high - self.low, 1e-9)))
        step *= next(
            (part for part in (0.1, 0.2, 0.5) if (self.high - self.low) / step / part <= 8), 1
        )
        first = math.ceil(self.low / step - 1e-9)
        return [step * k for k in range(first, math.floor(self.high / step + 1e-9) + 1)]

    def _scaled(self, value: float) -> float:
        return math.log10(max(value, 1e-9)) if self.logarithmic else value


def span(
    values: Sequence[float], *, zero: bool = False, margin: float = 0.05
) -> tuple[float, float]:
    """Ends of an axis that shows all values; from 0 on, if asked for."""
    low, high = (0.0 if zero else min(values)), max(values)
    room = (high - low) * margin or abs(high) * margin or 1.0
    return (0.0 if zero else max(0.0, low - room) if low >= 0 else low - room), high + room


class Plot:
    """A frame with two axes; things are added, then ``svg`` gives the text."""

    def __init__(self, title: str, across: Axis, up: Axis, *, height: int = 300) -> None:
        self._title, self._across, self._up, self._height = title, across, up, height
        self._parts: list[str] = []
        self._grid()

    def x(self, value: float) -> float:
        """Pixels from the left."""
        return LEFT + self._across.place(value) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        return TOP + (1 - self._up.place(value)) * (self._height - TOP - BOTTOM)

    def line(
        self, xs: Sequence[float], ys: Sequence[float], colour: str, *, dashes: str = ""
    ) -> None:
        """A curve through points; thinned where there are more than can be seen."""
        step = max(1, -(-len(xs) // _MOST_POINTS))
        keep = sorted({*range(0, len(xs), step), len(xs) - 1}) if len(xs) else []
        points = " ".join(f"{self.x(xs[k]):.1f},{self.y(ys[k]):.1f}" for k in keep)
        self._parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6" '
            f'stroke-dasharray="{dashes}"/>'
        )

    def dots(self, xs: Sequence[float], ys: Sequence[float], colour: str) -> None:
        """Small points."""
        step = max(1, -(-len(xs) // _MOST_POINTS))
        self._parts += [
            f'<circle cx="{self.x(xs[k]):.1f}" cy="{self.y(ys[k]):.1f}" r="1.6" fill="{colour}"/>'
            for k in range(0, len(xs), step)
        ]

    def mark(self, x: float, y: float, colour: str, words: str) -> None:
        """A point with a word or two above it."""
        left, top = self.x(x), self.y(y)
        self._parts.append(
            f'<circle cx="{left:.1f}" cy="{top:.1f}" r="5" fill="{colour}"/>'
            f'<text x="{left:.1f}" y="{top - 9:.1f}" text-anchor="middle" class="word">'
            f"{html.escape(words)}</text>"
        )

    def shade(self, first: float, last: float, colour: str) -> None:
        """A stretch across that is marked."""
        left, right = self.x(first), self.x(last)
        self._parts.append(
            f'<rect x="{left:.1f}" y="{TOP}" width="{max(2.0, right - left):.1f}" '
            f'height="{self._height - TOP - BOTTOM}" fill="{colour}" opacity="0.25"/>'
        )

    def svg(self) -> str:
        """The plot."""
        title = html.escape(self._title)
        return (
            f'<svg viewBox="0 0 {WIDTH} {self._height}" role="img" aria-label="{title}">'
            f"<title>{title}</title>{''.join(self._parts)}</svg>"
        )

    def _grid(self) -> None:
        bottom, right = self._height - BOTTOM, WIDTH - RIGHT
        for value in self._across.ticks():
            x = self.x(value)
            self._parts.append(
                f'<path d="M{x:.1f} {TOP}V{bottom}" class="grid"/>'
                f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{value:g}</text>'
            )
        for value in self._up.ticks():
            y = self.y(value)
            self._parts.append(
                f'<path d="M{LEFT} {y:.1f}H{right}" class="grid"/>'
                f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
            )
        middle = (TOP + bottom) / 2
        self._parts.append(
            f'<text x="{(LEFT + right) / 2}" y="{self._height - 8}" text-anchor="middle" '
            f'class="name">{html.escape(self._across.name)}</text>'
            f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle" '
            f'class="name">{html.escape(self._up.name)}</text>'
        )


def stacked(
    title: str, rows: Sequence[tuple[str, Sequence[float]]], names: Sequence[str], unit: str
) -> str:
    """Horizontal bars made of parts, one below the other, longest total across the whole width."""
    most = max((sum(values) for _, values in rows), default=0.0) or 1.0
    right, height = WIDTH - 90, 40 * len(rows) + 8
    parts = []
    for row, (label, values) in enumerate(rows):
        top, left = 40 * row + 20, 0.0
        parts.append(f'<text x="0" y="{top - 5}" class="word">{html.escape(label)}</text>')
        for number, value in enumerate(values):
            width = value / most * right
            parts.append(
                f'<rect x="{left:.1f}" y="{top}" width="{width:.2f}" height="14" '
                f'fill="{colour(number)}"><title>'
                f"{html.escape(names[number])} {value:.3f} {unit}</title></rect>"
            )
            left += width
        parts.append(f'<text x="{left + 6:.1f}" y="{top + 12}">{sum(values):.2f} {unit}</text>')
    title = html.escape(title)
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}">'
        f"<title>{title}</title>{''.join(parts)}</svg>"
    )


def colour(number: int) -> str:
    """Of the case or stage with this number, from 0."""
    return COLOURS[number % len(COLOURS)]


def dashes(number: int) -> str:
    """How its curve is drawn: dashed where the colours have been used up once, dotted twice."""
    return ("", "7 4", "2 3")[min(number // len(COLOURS), 2)]


def legend(names: Sequence[str], *, numbered: bool = False) -> str:
    """Names in the colours of their curves, as HTML."""
    items = (
        f'<span><i style="background:{colour(k)}"></i>'
        f"{f'{k + 1}: ' if numbered else ''}{html.escape(name)}</span>"
        for k, name in enumerate(names)
    )
    return f'<p class="legend">{"".join(items)}</p>'


def distribution(values: Sequence[float]) -> tuple[list[float], list[float]]:
    """Sorted values, and the fraction of values up to each: a cumulative distribution."""
    ordered = np.sort(np.asarray(values, np.float64))
    return ordered.tolist(), (np.arange(1, len(ordered) + 1) / len(ordered)).tolist()
