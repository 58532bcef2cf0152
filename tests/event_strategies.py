"""Hypothesis strategies of events as sensors send them, and decoding to compare with them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st

from dae_edge._native import Decoder
from dae_edge.events import EVENT, Events


@st.composite
def bursts(
    draw: st.DrawFn, *, latest_start_us: int, longest_gap_us: int
) -> tuple[Events, int, int]:
    """Sorted events of runs in rows, mostly soon after another: (events, width, height)."""
    width, height = draw(st.integers(1, 80)), draw(st.integers(1, 50))
    gap = st.one_of(st.integers(0, 3), st.integers(0, 5000), st.integers(0, longest_gap_us))
    run = st.tuples(
        gap,
        st.integers(0, height - 1),
        st.booleans(),
        st.lists(st.integers(0, width - 1), min_size=1, max_size=20, unique=True),
    )
    t = draw(st.integers(0, latest_start_us))
    rows = []
    for index, (step, y, on, columns) in enumerate(draw(st.lists(run, max_size=12))):
        t += step if index else 0
        rows += [(t, x, y, on) for x in sorted(columns)]
    return np.array(rows, EVENT), width, height


def decode(
    format: str, data: bytes, width: int, height: int, *, cuts: Iterable[int] = (), room: int = 4096
) -> tuple[Events, dict[str, int]]:
    """Decode ``data``, cut at the given positions, into buffers of ``room``: (events, counters)."""
    decoder: Any = Decoder(format, width, height)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    out, parts = np.empty(room, EVENT), []
    for start, end in pairwise(edges):
        while start < end:
            used, count = decoder.decode(data[start:end], out)
            assert 0 < used <= end - start
            parts.append(out[:count].copy())
            start += used
    return np.concatenate([np.empty(0, EVENT), *parts]), decoder.counters()
