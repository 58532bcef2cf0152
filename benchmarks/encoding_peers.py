"""Other libraries, as benchmarks/encoding.py calls them. Each is imported where it is used."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

NAMES = ("evt3", "eventcv", "expelliarmus", "faery", "evutils", "numba", "torch")


def versions() -> dict[str, str]:
    """Version of each peer, or why it is not here."""
    found = {}
    for name in NAMES:
        try:
            importlib.import_module(name)
            found[name] = importlib.metadata.version(name)
        except Exception as error:
            found[name] = f"not measured: {error!r}"[:160]
    return found


def _has(name: str) -> bool:
    return not versions()[name].startswith("not measured")


def readers(path: Path, format: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Reading a whole RAW file into memory, by the peers that read the format: how many events."""
    if format == "evt3" and _has("evt3"):
        import evt3

        yield "evt3 decode_file", lambda: len(evt3.decode_file(str(path)).x)
    if _has("eventcv"):
        import eventcv

        yield "eventcv load", lambda: len(eventcv.load(str(path)))
    if _has("expelliarmus"):
        from expelliarmus import Wizard

        yield "expelliarmus Wizard.read", lambda: len(Wizard(encoding=format).read(path))
    if _has("faery"):
        import faery

        yield (
            "faery events_stream_from_file",
            lambda: sum(len(packet) for packet in faery.events_stream_from_file(path)),
        )
    if _has("evutils"):
        from evutils.io import EventReader

        yield "evutils EventReader", lambda: _drain(EventReader(str(path)))


def _drain(reader: Any) -> int:
    with reader:
        return sum(len(part) for part in reader)


def tencoders(events: Any, width: int, height: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Tencode of one window; events in a peer's own form are made before anything is timed."""
    t, x, y, on = (np.ascontiguousarray(events[name]) for name in ("t", "x", "y", "on"))
    span = int(t[-1] - t[0]) + 1
    if _has("eventcv"):
        import eventcv

        rows = np.stack([x, y, t, on], axis=1).astype(np.int64)
        stream = eventcv.from_numpy(rows, sensor_size=(width, height), time_unit="us")
        yield "eventcv tencode", lambda: stream.tencode(window_us=span)
    if _has("numba"):
        kernel = _numba_kernel()
        yield "numba loop", lambda: kernel(t, x, y, on, np.zeros((height, width, 3), np.uint8))
    if _has("torch"):
        import torch

        torch.set_num_threads(1)
        tensors = [torch.from_numpy(column.astype(np.int64)) for column in (t, x, y, on)]
        yield "torch put_", lambda: _torch_tencode(torch, tensors, width, height)


def _numba_kernel() -> Callable[..., Any]:
    import numba

    @numba.njit
    def kernel(t: Any, x: Any, y: Any, on: Any, image: Any) -> Any:
        first = t[0]
        interval = np.float32(t[-1] - first)
        height, width, _ = image.shape
        for i in range(len(t)):
            if x[i] >= width or y[i] >= height:
                continue
            age = np.float32(t[i] - first) / interval
            image[y[i], x[i], 0] = 255 if on[i] else 0
            image[y[i], x[i], 1] = np.uint8(np.rint(np.float32(255) * (np.float32(1) - age)))
            image[y[i], x[i], 2] = 0 if on[i] else 255
        return image

    return kernel


def _torch_tencode(torch: Any, columns: list[Any], width: int, height: int) -> Any:
    """The published way: three scatters of float values, the last event of a pixel wins."""
    t, x, y, on = columns
    image = torch.zeros(3, height * width)
    at = y * width + x
    green = 255 * (1 - (t - t[0]).float() / (t[-1] - t[0]).float())
    image[0].put_(at, on.float() * 255)
    image[1].put_(at, green)
    image[2].put_(at, (1 - on).float() * 255)
    return image
