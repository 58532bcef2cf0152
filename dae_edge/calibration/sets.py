"""Where the windows come from: the shipped sample, recordings, or a dataset, by what was typed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_edge import datasets
from dae_edge.calibration.sequences import WindowSequence
from dae_edge.contract import Contract
from dae_edge.evaluation.predictors import network_input
from dae_edge.recipes import Recipe, Sensor
from dae_edge.sample import sample_windows
from dae_edge.sources import open_source
from dae_edge.windows import open_windows

SAMPLE = "sample"
LONGEST = 200
"""Windows of one sequence that are judged."""


def read_set(
    spec: str, contract: Contract, recipe: Recipe, sensor: Sensor, *, root: Path | None, most: int
) -> list[WindowSequence]:
    """The sequences that a word of ``--calibrate-on`` or ``--judge-on`` means.

    Args:
        spec: ``"sample"``; a dataset, ``"dsec"`` or ``"synthetic:val"``; or a recording's path.
        contract: What the windows must fit.
        recipe: Length and background of windows.
        sensor: The camera, with its crop.
        root: Folder of the dataset.
        most: Windows of each sequence.

    Raises:
        ValueError: no such dataset or split, or made for another sensor.
        FileNotFoundError: no such recording.
    """
    white = recipe.background == "white"
    name, _, split = spec.partition(":")
    if spec == SAMPLE:
        windows = sample_windows(contract, window_us=recipe.window_us, white=white)
        return [WindowSequence(SAMPLE, tuple(islice(windows, most)))]
    if name in datasets.DATASETS:
        found = datasets.open_dataset(name, root, split=split or None).sequences()
        return [_of_dataset(one, contract, sensor, white=white, most=most) for one in found]
    return [_of_recording(Path(spec), contract, recipe, most)]


def held_out_sample(contract: Contract, recipe: Recipe, sensor: Sensor) -> list[WindowSequence]:
    """The second half of the sample, twice: with true depth, ten windows a second; and whole.

    On another sensor than its own, coordinates and depth are scaled.
    """
    white = recipe.background == "white"
    windows = list(sample_windows(contract, window_us=recipe.window_us, white=white))
    whole = WindowSequence("sample, second half", tuple(windows[len(windows) // 2 :]))
    (sequence,) = datasets.open_dataset("synthetic").sequences()
    samples = list(sequence)[len(sequence) // 2 :]
    images, truths = [], []
    for sample in samples:
        images.append(_scaled(sample, contract, white=white))
        truths.append(_crop(_stretch(sample.depth, contract.sensor), sensor))
    return [WindowSequence("sample with depth", tuple(images), tuple(truths)), whole]


def _of_dataset(
    sequence: datasets.Sequence, contract: Contract, sensor: Sensor, *, white: bool, most: int
) -> WindowSequence:
    images, truths = [], []
    for sample in islice(sequence, most):
        if (sample.sensor, sample.crop) != (contract.sensor, sensor.crop):
            raise ValueError(
                f"{sequence.name} is of a {sample.sensor[0]}x{sample.sensor[1]} sensor with depth "
                f"at {sample.crop}, the export is for {sensor.name}"
            )
        images.append(_input(sample, contract, white=white))
        truths.append(sample.depth)
    return WindowSequence(sequence.name, tuple(images), tuple(truths))


def _of_recording(path: Path, contract: Contract, recipe: Recipe, most: int) -> WindowSequence:
    encoder = open_windows(contract, window_us=recipe.window_us, white=recipe.background == "white")
    images: list[NDArray[Any]] = []
    with open_source(path) as source:
        if (source.width, source.height) != contract.sensor:
            width, height = contract.sensor
            raise ValueError(
                f"{path}: sensor {source.width}x{source.height}, wanted {width}x{height}"
            )
        for packet in source:
            offset, ready = 0, True
            while ready and len(images) < most:
                used, ready = encoder.push(packet, offset)
                offset += used
                if ready and encoder.window()["events"]:
                    image = np.empty(contract.input.shape[1:], contract.input.dtype)
                    encoder.render(image)
                    images.append(image)
            if len(images) >= most:
                break
    if not images:
        raise ValueError(f"{path}: no whole window of {recipe.window_us} us in it")
    return WindowSequence(path.name, tuple(images))


def _input(sample: datasets.Sample, contract: Contract, *, white: bool) -> NDArray[Any]:
    return network_input(
        sample, voxel_bins=contract.voxel_bins, white=white, cropped=False, dtype=np.uint8
    )


def _scaled(sample: datasets.Sample, contract: Contract, *, white: bool) -> NDArray[Any]:
    assert sample.events is not None  # the sample is a recording
    events = sample.events.copy()
    for axis, own, wanted in zip("xy", sample.sensor, contract.sensor, strict=True):
        events[axis] = events[axis].astype(np.uint32) * wanted // own
    moved = replace(sample, sensor=contract.sensor, events=events)
    return _input(moved, contract, white=white)


def _stretch(depth: NDArray[np.float32], sensor: tuple[int, int]) -> NDArray[np.float32]:
    """Depth at another size; where there is none, there is none: each pixel is taken as it is."""
    height, width = depth.shape
    if (width, height) == sensor:
        return depth
    known = depth[::2, ::2]  # true depth of the sample is on every other pixel
    rows = np.arange(sensor[1]) * known.shape[0] // sensor[1]
    columns = np.arange(sensor[0]) * known.shape[1] // sensor[0]
    return np.ascontiguousarray(known[rows][:, columns])


def _crop(depth: NDArray[np.float32], sensor: Sensor) -> NDArray[np.float32]:
    x, y, width, height = sensor.crop
    return np.ascontiguousarray(depth[y : y + height, x : x + width])


def read_sets(
    specs: Sequence[str],
    contract: Contract,
    recipe: Recipe,
    sensor: Sensor,
    *,
    root: Path | None,
    most: int = LONGEST,
) -> list[WindowSequence]:
    """All sequences that several words mean; see :func:`read_set`."""
    found: list[WindowSequence] = []
    for spec in specs:
        found += read_set(spec, contract, recipe, sensor, root=root, most=most)
    return found
