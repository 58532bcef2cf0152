"""A stream through the decoder in every way that must not matter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from word_streams import HEIGHT, WIDTH, Format

from dae_edge._native import Decoder, Encoder, simd_levels
from dae_edge.events import EVENT, Events

SIMD = [level for level in ("serial", "avx512") if level in simd_levels()]
"""The decoders have these two forms."""
SHORT = 400
"""Streams of fewer bytes are cut everywhere, longer ones at each 7th: in every phase of a word."""

Outcome = tuple[bytes, dict[str, int]]
"""Events and counters."""


class Decoding:
    """One stream through the decoder in many ways."""

    def __init__(self, format: Format, data: bytes) -> None:
        self.format, self.data = format.name, data
        self.out = np.empty(4096, EVENT)

    def in_pieces(self, edges: list[int], simd: str) -> Outcome:
        decoder, count = Decoder(self.format, WIDTH, HEIGHT, simd=simd), 0
        for start, end in pairwise([0, *edges, len(self.data)]):
            used, more = decoder.decode(self.data[start:end], self.out[count:])
            assert used == end - start
            count += more
        return self.out[:count].tobytes(), decoder.counters()

    def everywhere(self, *, thorough: bool, every: int) -> Iterator[tuple[str, Outcome]]:
        """(how, what came) for each place to cut, on both vector units or on one after another."""
        size = len(self.data)
        for simd in SIMD:
            yield f"{simd}, byte by byte", self.in_pieces(list(range(1, size)), simd)
        for cut in range(0, size, every if size < SHORT else 7):
            for simd in SIMD if thorough else [SIMD[cut % len(SIMD)]]:
                yield f"{simd}, cut at {cut}", self.in_pieces([cut], simd)

    def windows(self, step: int, simd: str, *, fused: bool) -> list[Any]:
        """Windows, images and counters: of the bytes themselves, or of events decoded first."""
        decoder = Decoder(self.format, WIDTH, HEIGHT, simd=simd)
        encoder = Encoder(WIDTH, HEIGHT, window_us=7000, hop_us=3000, simd=simd)
        image, shown = np.empty((HEIGHT, WIDTH, 3), np.uint8), []

        def show() -> None:
            encoder.render(image)
            shown.append((encoder.window(), image.tobytes()))

        for start in range(0, len(self.data), step):
            chunk, offset, ready = self.data[start : start + step], 0, True
            events = None if fused else self.out[: decoder.decode(chunk, self.out)[1]]
            while ready:
                if events is None:
                    used, ready = encoder.push_bytes(decoder, chunk, offset)
                else:
                    used, ready = encoder.push(events, offset)
                offset += used
                if ready:
                    show()
        while encoder.flush():
            show()
        return [shown, encoder.counters(), decoder.counters()]


def readable(outcome: Outcome) -> tuple[Counter[str], list[Any]]:
    return +Counter(outcome[1]), np.frombuffer(outcome[0], EVENT).tolist()


def check(
    format: Format,
    data: bytes,
    wanted: Outcome | None = None,
    *,
    thorough: bool = True,
    every: int = 1,
) -> Events:
    """The same comes out however the stream is cut, on each vector unit: what is wanted."""
    decoding = Decoding(format, data)
    wanted = wanted or decoding.in_pieces([], "serial")
    for how, got in decoding.everywhere(thorough=thorough, every=every):
        assert got == wanted, (how, *readable(got), "wanted", *readable(wanted))
    for step in (3, 64) if thorough else (64,):
        windows = decoding.windows(step, "serial", fused=False)
        for simd in SIMD:
            assert decoding.windows(step, simd, fused=True) == windows, (simd, step)
    return np.frombuffer(wanted[0], EVENT)
