"""Public datasets of events with true depth, in their official layouts."""

from __future__ import annotations

import os
from pathlib import Path

from dae_edge.datasets.dataset import Dataset, Sample, Sequence
from dae_edge.datasets.dsec import Dsec
from dae_edge.datasets.eventscape import EventScape
from dae_edge.datasets.m3ed import M3ed
from dae_edge.datasets.mvsec import Mvsec
from dae_edge.datasets.mvsec_raw import MvsecRaw

DATASETS: dict[str, type[Dataset]] = {
    kind.name: kind for kind in (Dsec, Mvsec, MvsecRaw, EventScape, M3ed)
}
"""Datasets by the name users give them."""

__all__ = ["DATASETS", "Dataset", "Sample", "Sequence", "open_dataset"]


def open_dataset(name: str, root: str | os.PathLike[str], *, split: str | None = None) -> Dataset:
    """Open a dataset that lies below a folder.

    Args:
        name: ``"dsec"``, ``"mvsec"`` (E2Depth's form), ``"mvsec-raw"``, ``"eventscape"`` or
            ``"m3ed"``.
        root: The folder.
        split: Which part; by default what models are judged on (see ``splits`` of the dataset).

    Raises:
        ValueError: no such dataset or split.
        FormatError: no such folder.
    """
    if name not in DATASETS:
        raise ValueError(f"no dataset {name!r}, only {', '.join(map(repr, DATASETS))}")
    kind = DATASETS[name]
    return kind(Path(root), next(iter(kind.splits)) if split is None else split)
