"""What can happen to a stream of words, and how a damage says what the decoder promises then.

A damage changes one round of a stream, and says in the pieces what must come out and what must be
counted. Whatever is not touched comes out as if nothing was. Name and docstring of its function are
a row of the table in runtime/README.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from word_streams import FORMATS, Format, Round

Apply = Callable[[Format, list[Round], int], None]
"""Damage round ``number`` of a stream."""

START, MIDDLE, LASTING, END = range(4)
"""Where it can happen, in the order of the stream; LASTING: no later round stays what it was."""

EVT = tuple(name for name in FORMATS if name != "dat")
WITH_VECTORS = tuple(name for name, format in FORMATS.items() if format.has_vectors)


@dataclass(frozen=True)
class Damage:
    """``counters``: those that may move. ``exact``: all that comes out is foretold."""

    apply: Apply
    place: int
    formats: Sequence[str]
    counters: Sequence[str]
    exact: bool = True

    @property
    def name(self) -> str:
        return self.apply.__name__.replace("_", " ")

    @property
    def promise(self) -> str:
        return " ".join((self.apply.__doc__ or "").split())


def damage(
    place: int, *counters: str, formats: Sequence[str] = tuple(FORMATS), exact: bool = True
) -> Callable[[Apply], Damage]:
    return lambda apply: Damage(apply, place, formats, counters, exact)
