"""The recording that ships with the package, and its windows as network input."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_edge.contract import Contract
from dae_edge.sources import open_source
from dae_edge.windows import open_windows

SAMPLE = Path(__file__).resolve().parent / "data" / "sample.raw"
"""Two seconds of a synthetic scene, EVT3, 346x260; see README.md beside it."""


def sample_windows(
    contract: Contract, *, window_us: int, white: bool = False
) -> Iterator[NDArray[Any]]:
    """Consecutive windows of the sample as a model's input, scaled to its sensor.

    Coordinates are scaled, so every sensor sees the whole scene; on a larger one the events lie
    farther apart than a real camera's would.
    """
    encoder = open_windows(contract, window_us=window_us, white=white)
    width, height = contract.sensor
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
                image = np.empty(contract.input.shape[1:], contract.input.dtype)
                encoder.render(image)
                yield image
