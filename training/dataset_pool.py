"""Pools of a dataset on disk: DSEC, MVSEC, EventScape, .. with true depth, proxies, or both."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from tqdm import tqdm

from dae_edge.datasets import Dataset, Sample, open_dataset
from dae_edge.default_model import cache_folder
from dae_edge.hints import closest
from training import pool as pools
from training.clip import WindowKind
from training.pool import Pool, Strip
from training.recipe import Stage
from training.synthesis import VOXEL_BINS

LONGEST = 64
"""Windows of a strip: long sequences are cut, so that no more than this is in memory."""

OPTIONS = {"proxies": "", "validate_split": "", "validate_windows": 64, "white": False}
"""What ``[stage.options]`` can say: the name of the proxy labels; the split to validate on (by
default what the dataset is judged on) and how many windows of each sequence; Tencode's
background."""


def dataset_pools(
    stage: Stage, root: Path, kind: WindowKind, size: tuple[int, int] | None
) -> tuple[Pool, dict[str, Pool]]:
    """What a stage trains on, and what it validates on by sequence.

    Raises:
        ValueError: an unknown option, or no such dataset, split or labels.
        FormatError: the dataset is not there, or damaged.
    """
    options = _options(stage)
    labels = stage.labels if stage.labels == "truth" else f"{stage.labels}:{options['proxies']}"
    source = open_dataset(stage.data, root, split=stage.split, labels=labels)
    needed = stage.clip * stage.carry
    about = _about(source, labels, kind, size, options) | {"shortest": needed}
    strips = _all_strips(source, kind, size, options["white"], needed)
    total = sum(len(sequence) for sequence in source.sequences())
    training = _made(about, strips, f"reading {stage.data} {stage.split}", total)
    judged = open_dataset(stage.data, root, split=options["validate_split"] or None)
    validation = {}
    for sequence in judged.sequences():
        count = min(len(sequence), int(options["validate_windows"]))
        about = _about(judged, "truth", kind, size, options) | {"of": sequence.name, "count": count}
        strips = _strips(islice(sequence, count), kind, size, options["white"], 1, longest=count)
        validation[sequence.name] = _made(about, strips, f"reading {sequence.name}", count)
    return training, validation


def _options(stage: Stage) -> dict[str, Any]:
    where = f"stage {stage.name!r}: options"
    for name in stage.options:
        if name not in OPTIONS:
            raise ValueError(f"{where}: no option {name!r}{closest(name, OPTIONS)}")
    options = OPTIONS | dict(stage.options)
    if stage.labels != "truth" and not options["proxies"]:
        raise ValueError(f"{where}: labels {stage.labels!r} ask for proxies = NAME")
    return options


def _about(
    dataset: Dataset,
    labels: str,
    kind: WindowKind,
    size: tuple[int, int] | None,
    options: dict[str, Any],
) -> dict[str, Any]:
    """What the content of a pool depends on, and so its name."""
    return {
        "dataset": dataset.name,
        "root": str(dataset.root.resolve()),
        "split": dataset.split,
        "labels": labels,
        "sequences": {sequence.name: len(sequence) for sequence in dataset.sequences()},
        "kind": kind,
        "size": size,
        "white": options["white"],
    }


def _made(about: dict[str, Any], strips: Iterable[Strip], label: str, total: int) -> Pool:
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]
    folder = cache_folder() / "pools" / f"{about['dataset']}-{about['split']}-{key}"

    def make() -> Pool:
        quiet = not sys.stderr.isatty()
        with tqdm(desc=label, total=total, unit=" windows", disable=quiet) as bar:
            return pools.fill(folder, _told(strips, bar), about)

    return pools.made_once(folder, make)


def _told(strips: Iterable[Strip], bar: Any) -> Iterator[Strip]:
    for strip in strips:
        yield strip
        bar.update(len(strip.windows))


def _all_strips(
    dataset: Dataset, kind: WindowKind, size: tuple[int, int] | None, white: bool, shortest: int
) -> Iterator[Strip]:
    for sequence in dataset.sequences():
        yield from _strips(sequence, kind, size, white, shortest, longest=max(LONGEST, shortest))


def _strips(
    samples: Iterable[Sample],
    kind: WindowKind,
    size: tuple[int, int] | None,
    white: bool,
    shortest: int,
    *,
    longest: int,
) -> Iterator[Strip]:
    """A sequence in strips; what is left at its end is given up if it is shorter than asked."""
    stream = iter(samples)
    while True:
        pairs = [_arrays(sample, kind, size, white) for sample in islice(stream, longest)]
        if len(pairs) < shortest or not pairs:
            return
        windows, depth = (np.stack(arrays) for arrays in zip(*pairs, strict=True))
        before = np.zeros_like(depth[:1])  # nobody knows the depth before the first window
        yield Strip(windows, np.concatenate([before, depth]))


def _arrays(
    sample: Sample, kind: WindowKind, size: tuple[int, int] | None, white: bool
) -> tuple[Any, Any]:
    """Window and depth of one sample, float16, at network size."""
    if kind == "voxels":
        window = torch.from_numpy(sample.voxel_grid(VOXEL_BINS))
    else:
        window = torch.from_numpy(sample.tencode(white=white, dtype=np.float32))
        if size is not None:
            window = functional.interpolate(window[None], size=size, mode="bicubic")[0]
    depth = torch.from_numpy(np.nan_to_num(sample.depth, posinf=0, neginf=0))
    if size is not None:
        depth = functional.interpolate(depth[None, None], size=size, mode="nearest-exact")[0, 0]
    return window.half().numpy(), depth.half().numpy()
