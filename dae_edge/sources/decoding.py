"""Bytes and their C decoder: to arrays of events, or as they are, for a stream of depth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from dae_edge._native import Decoder
from dae_edge.errors import FormatError
from dae_edge.events import EVENT, Events

MOST_EVENTS_PER_WORD = 32
"""Least room the decoder asks for: one EVT2.1 or EVT4 word can hold this many events."""


@dataclass(frozen=True)
class Undecoded:
    """A packet of events that are still bytes of a recording. See ``Source.undecoded``.

    The decoder remembers where the packet before ended. So use each packet once, before the next
    one is asked for: push it into a stream, or decode it.

    Attributes:
        decoder: Shared by all packets of a pass.
        data: Bytes; they may begin and end within a word.
    """

    decoder: Decoder
    data: bytes

    def events(self) -> Events:
        """Decode it: a new array of dtype ``EVENT``."""
        blocks = decoded(self.decoder, [self.data], len(self.data))
        return np.concatenate([np.empty(0, EVENT), *blocks])


def decoder_for(name: str, format: str, sensor: tuple[int, int]) -> Decoder:
    """Make a decoder for one recording.

    Raises:
        FormatError: the format cannot address a sensor as large as this.
    """
    try:
        return Decoder(format, *sensor)
    except ValueError as error:
        raise FormatError(
            f"{name}: a sensor of {sensor[0]}x{sensor[1]} is not possible in {format}: {error}"
        ) from error


def decoded(decoder: Decoder, chunks: Iterable[Any], capacity: int) -> Iterator[Events]:
    """Decode bytes-like ``chunks`` into new arrays of at most ``capacity`` events.

    A chunk is used up before the next one is asked for, so all may share one buffer. A word cut
    between chunks is put together by the decoder.
    """
    capacity = max(capacity, MOST_EVENTS_PER_WORD)
    out, filled = np.empty(capacity, EVENT), 0
    for chunk in chunks:
        view, offset = memoryview(chunk), 0
        while offset < len(view):
            used, count = decoder.decode(view[offset:], out[filled:])
            offset += used
            filled += count
            if capacity - filled < MOST_EVENTS_PER_WORD:
                yield out[:filled]
                out, filled = np.empty(capacity, EVENT), 0
    if filled:
        yield out[:filled].copy()  # the last one is seldom full: do not keep the empty rest
