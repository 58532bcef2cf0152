"""Pages with parts that are made: found by their marks, wrapped like the rest."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from dae_edge.bench.record import write_whole

WIDTH = 120


def put(page: Path, begin: str, end: str, lines: Sequence[str]) -> None:
    """Put lines between two marks of a page.

    Raises:
        ValueError: it lacks the marks.
    """
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"{page}: lacks the marks {begin} and {end}")
    write_whole(page, "\n".join([before + begin, *lines, end + after]))


def bullet(text: str) -> str:
    """An entry of a list."""
    return paragraph(text, "- ", "  ")


def paragraph(text: str, first: str = "", others: str = "") -> str:
    """Lines of at most ``WIDTH``; words are not broken."""
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )


def folded(heading: str, lines: Sequence[str]) -> list[str]:
    """Lines that are shown when the heading is clicked."""
    return ["", f"<details><summary>{heading}</summary>", "", *lines, "", "</details>"]
