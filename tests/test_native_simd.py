"""Vector units, layouts and bytes straight into windows, against numpy and the serial loops."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from encoders import evt2_bytes, evt4_bytes, evt21_bytes
from event_strategies import bursts
from hypothesis import given, settings
from hypothesis import strategies as st

from dae_edge import reference
from dae_edge._native import Decoder, Encoder, simd_levels, tencode
from dae_edge.encoding import tencode as encode
from dae_edge.events import EVENT, Events
from dae_edge.sources.evt3_writer import evt3_bytes

EVENT_CD = np.dtype(
    {
        "names": ["x", "y", "p", "t"],
        "formats": ["<u2", "<u2", "<i2", "<i8"],
        "offsets": [0, 2, 4, 8],
        "itemsize": 16,
    }
)


def as_cd(events: Events) -> Events:
    cd = np.zeros(len(events), EVENT_CD)
    for name, column in (("t", "t"), ("x", "x"), ("y", "y"), ("p", "on")):
        cd[name] = events[column]
    return cd


def windows_of_bytes(
    data: bytes, cuts: list[int], format: str, width: int, height: int, simd: str
) -> Iterator[Any]:
    """(window, image) of each window, without events in between."""
    decoder = Decoder(format, width, height, simd=simd)
    encoder = Encoder(width, height, window_us=700, hop_us=300, simd=simd)
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    image = np.empty((height, width, 3), np.uint8)
    for start, end in pairwise(edges):
        ready, offset = True, 0
        while ready:
            used, ready = encoder.push_bytes(decoder, data[start:end], offset)
            offset += used
            if ready:
                encoder.render(image)
                yield encoder.window(), image.copy()
    while encoder.flush():
        encoder.render(image)
        yield encoder.window(), image.copy()


WRITERS: dict[str, Any] = {
    "evt2": lambda events, *_: evt2_bytes(events),
    "evt21": lambda events, *_: evt21_bytes(events),
    "evt3": lambda events, width, height: evt3_bytes(events, width=width, height=height),
    "evt4": lambda events, *_: evt4_bytes(events),
}


@pytest.mark.parametrize("simd", simd_levels())
@pytest.mark.parametrize("format", WRITERS)
@settings(deadline=None, max_examples=25)
@given(
    sample=bursts(latest_start_us=1 << 23, longest_gap_us=2000),
    cuts=st.lists(st.integers(0, 600), max_size=6),
)
def test_bytes_straight_into_windows_equal_the_numpy_definition(
    format: str, simd: str, sample: tuple[Events, int, int], cuts: list[int]
) -> None:
    events, width, height = sample
    data = WRITERS[format](events, width, height)
    got = list(windows_of_bytes(data, cuts, format, width, height, simd))
    assert len(events) == 0 or got
    for window, image in got:
        inside = (events["t"] >= window["start_us"]) & (
            (events["t"] < window["end_us"]) | bool(window["partial"])
        )
        shown = events[inside]
        assert window["events"] == len(shown)
        columns = [shown[name] for name in ("t", "x", "y", "on")]
        wanted = reference.tencode_uint8(*columns, height=height, width=width)
        np.testing.assert_array_equal(image, wanted)


@pytest.mark.parametrize("simd", simd_levels())
@settings(deadline=None, max_examples=60)
@given(
    gaps=st.lists(st.integers(0, 300), max_size=200),
    seed=st.integers(0, 1000),
    white=st.booleans(),
    is_cd=st.booleans(),
)
def test_tencode_of_an_array_equals_numpy_on_each_unit_and_in_both_layouts(
    simd: str, gaps: list[int], seed: int, white: bool, is_cd: bool
) -> None:
    rng = np.random.default_rng(seed)
    events = np.zeros(len(gaps), EVENT)
    events["t"] = np.cumsum(gaps, dtype=np.int64) - 1000
    events["x"], events["y"], events["on"] = (
        rng.integers(0, high, len(gaps)) for high in (35, 22, 2)
    )
    image = np.empty((20, 33, 3), np.uint8)
    dropped = tencode(as_cd(events) if is_cd else events, image, 33, 20, white, simd)
    assert dropped == ((events["x"] >= 33) | (events["y"] >= 20)).sum()
    columns = [events[name] for name in ("t", "x", "y", "on")]
    wanted = reference.tencode_uint8(*columns, height=20, width=33, white=white)
    np.testing.assert_array_equal(image, wanted)


def test_metavision_events_give_the_same_image_and_windows_as_ours() -> None:
    rng = np.random.default_rng(3)
    events = np.zeros(500, EVENT)
    events["t"] = np.sort(rng.integers(0, 5000, 500))
    events["x"], events["y"], events["on"] = (rng.integers(0, high, 500) for high in (40, 30, 2))
    cd = as_cd(events)
    np.testing.assert_array_equal(encode(cd, 30, 40), encode(events, 30, 40))
    ours, theirs = (Encoder(40, 30, window_us=1000) for _ in range(2))
    assert ours.push(events) == theirs.push(cd)
    assert ours.window() == theirs.window()


def test_half_precision_is_the_float_image_rounded() -> None:
    rng = np.random.default_rng(4)
    events = np.zeros(3000, EVENT)
    events["t"] = np.sort(rng.integers(0, 49_000, 3000))
    events["x"], events["y"] = rng.integers(0, 40, 3000), rng.integers(0, 30, 3000)
    events["on"] = rng.integers(0, 2, 3000)
    for simd in simd_levels():
        encoder = Encoder(40, 30, simd=simd, white=True)
        assert encoder.push(events) == (3000, False)
        assert encoder.flush()
        floats, halves = np.empty((3, 30, 40), np.float32), np.empty((3, 30, 40), np.float16)
        encoder.render(floats)
        encoder.render(halves)
        np.testing.assert_array_equal(halves, floats.astype(np.float16))


def test_what_cannot_be_is_refused_in_one_line() -> None:
    encoder = Encoder(40, 30)
    with pytest.raises(ValueError, match="simd must be"):
        Encoder(40, 30, simd="mmx")
    missing = {"neon", "avx2", "avx512"} - set(simd_levels())
    for name in missing:
        with pytest.raises(ValueError, match=f"this machine has no {name}"):
            Decoder("evt3", 40, 30, simd=name)
    with pytest.raises(TypeError, match="wants a Decoder"):
        encoder.push_bytes(encoder, b"")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="offset"):
        encoder.push_bytes(Decoder("evt3", 40, 30), b"12", 3)
    with pytest.raises(TypeError, match="EVENT or EventCD"):
        encoder.push(np.zeros(3, np.int32))
