"""A C stream hands its engine the same images as a Python one, for the same events and windows."""

from __future__ import annotations

import copy
import ctypes
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import CONTENT
from hypothesis import given
from hypothesis import strategies as st
from native_library import Health, Inference, library, loaded, opened
from numpy.typing import NDArray

import dae_edge as dae
from dae_edge import bundle
from dae_edge.events import Events
from dae_edge.windows import open_windows

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")
WIDTH, HEIGHT = 7, 4


@pytest.fixture(scope="module", params=["tencode", "tencode on white", "voxel_grid"])
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle without states; the engine is the test's own."""
    content = copy.deepcopy(CONTENT)
    encoding, _, background = request.param.partition(" on ")
    content["input"] = {
        "encoding": encoding,
        "sensor": [WIDTH, HEIGHT],
        "window_us": 1000,
        "background": background or "black",
        **({"bins": 5} if encoding == "voxel_grid" else {}),
    }
    content["states"] = []
    content["output"] = {"shape": [HEIGHT, WIDTH], "unit": "m"}
    path = tmp_path_factory.mktemp("small") / "small.dae"
    with bundle.writing(path) as folder:
        (folder / "model.onnx").write_bytes(b"")
        bundle.seal(folder, content)
    return path


def images_in_python(path: Path, packets: list[Events], windows: dict[str, Any]) -> list[bytes]:
    """What the windows with events look like."""
    contract = bundle.read(path).contract
    white = bundle.read(path).manifest["input"]["background"] == "white"
    settings = windows if "window_events" in windows else {"window_us": 1000, **windows}
    encoder = open_windows(contract, white=white, **settings)
    image = np.empty(contract.input.shape, contract.input.dtype)
    images = []

    def draw() -> None:
        if encoder.window()["events"]:
            encoder.render(image[0])
            images.append(image.tobytes())

    for packet in packets:
        offset = 0
        while True:
            used, ready = encoder.push(packet, offset)
            offset += used
            if not ready:
                break
            draw()
    if encoder.flush():
        draw()
    return images


def images_in_c(
    path: Path, packets: list[Events], windows: dict[str, Any]
) -> tuple[list[bytes], Health]:
    """What the engine sees, and the stream's health."""
    spec = bundle.read(path).contract.input
    size = int(np.prod(spec.shape)) * np.dtype(spec.dtype).itemsize
    images: list[bytes] = []

    def infer(inference: Inference) -> int:
        images.append(ctypes.string_at(inference.events, size))
        return 0

    with loaded(path, infer) as (status, model), opened(model, **windows) as stream:
        assert status == 0
        for packet in packets:
            push(stream, packet)
        library().dae_stream_flush(stream)
        health = Health()
        library().dae_stream_health(stream, ctypes.byref(health))
    return images, health


def push(stream: ctypes.c_void_p, packet: NDArray[Any]) -> None:
    offset, used = 0, ctypes.c_size_t()
    while True:
        rest = np.ascontiguousarray(packet[offset:])
        start = rest.ctypes.data_as(ctypes.c_void_p)
        count = ctypes.c_size_t(len(rest))
        status = library().dae_stream_push(stream, start, count, ctypes.byref(used))
        offset += used.value
        assert status in (0, 2)
        if status == 0:
            return


EVENT = st.tuples(
    st.integers(-300, 900),  # since the one before: mostly forward, now and then back
    st.integers(0, WIDTH),  # one column and one row too many
    st.integers(0, HEIGHT),
    st.booleans(),
)
WINDOWS = st.one_of(
    st.fixed_dictionaries({}, optional={"hop_us": st.integers(100, 1000)}),
    st.fixed_dictionaries({"window_events": st.integers(1, 9)}),
    st.just({"window_events": 7, "hop_events": 3}),
    st.just({"max_gap_us": 400}),
)


def packet_of(steps: list[tuple[int, int, int, bool]]) -> Events:
    """Events by their steps in time."""
    if not steps:
        return dae.events_from([], [], [], [])
    dt, x, y, on = zip(*steps, strict=True)
    return dae.events_from(np.cumsum(dt) + 5000, x, y, on)


def test_engines_see_the_same_windows_in_c_and_in_python(small: Path) -> None:
    @given(steps=st.lists(EVENT, max_size=60), cut=st.integers(0, 60), windows=WINDOWS)
    def check(steps: list[Any], cut: int, windows: dict[str, Any]) -> None:
        events = packet_of(steps)
        packets = [events[:cut], events[cut:]]
        got, health = images_in_c(small, packets, windows)
        assert got == images_in_python(small, packets, windows)
        assert health.inferred == len(got)
        assert health.dropped_kept == 0

    check()


def test_a_window_with_more_events_than_may_be_kept_shows_the_newest(tmp_path: Path) -> None:
    content = copy.deepcopy(CONTENT)
    content["input"].update(encoding="voxel_grid", bins=3, sensor=[WIDTH, HEIGHT], window_us=1000)
    content["states"], content["output"]["shape"] = [], [HEIGHT, WIDTH]
    path = tmp_path / "small.dae"
    with bundle.writing(path) as folder:
        (folder / "model.onnx").write_bytes(b"")
        bundle.seal(folder, content)
    rng = np.random.default_rng(3)
    t = np.sort(rng.integers(0, 1000, 50))
    t[0] = 0
    events = dae.events_from(t, rng.integers(0, WIDTH, 50), rng.integers(0, HEIGHT, 50), t % 2)
    [image], health = images_in_c(path, [events], {"voxel_events": 20})
    assert image == dae.voxel_grid(events[-20:], HEIGHT, WIDTH, bins=3).tobytes()
    assert health.dropped_kept == 30
