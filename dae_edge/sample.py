"""The recording that ships with the package, and its windows as network input."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dae_edge._native import Encoder
from dae_edge.sources import open_source

SAMPLE = Path(__file__).resolve().parent / "data" / "sample.raw"
"""Two seconds of a synthetic scene, EVT3, 346x260; see README.md beside it."""


def sample_windows(
    width: int, height: int, *, window_us: int, white: bool = False
) -> Iterator[NDArray[np.uint8]]:
    """Consecutive Tencode windows of the sample, uint8 [height, width, 3], scaled to a sensor.

    Coordinates are scaled, so every sensor sees the whole scene; on a larger one the events lie
    farther apart than a real camera's would.
    """
    encoder = Encoder(width, height, window_us=window_us, white=white)
    with open_source(SAMPLE) as source:
        for packet in source:
            packet["x"] = packet["x"].astype(np.uint32) * width // source.width
            packet["y"] = packet["y"].astype(np.uint32) * height // source.height
            offset = 0
            while True:
                used, ready = encoder.push(packet, offset)
                offset += used
                if not ready:
                    break
                image = np.empty((height, width, 3), np.uint8)
                encoder.render(image)
                yield image
