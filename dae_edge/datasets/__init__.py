"""Public datasets of events with true depth, in their official layouts."""

from __future__ import annotations

import os
from pathlib import Path

from dae_edge.datasets.dataset import Dataset, Sample, Sequence
from dae_edge.datasets.dsec import Dsec
from dae_edge.datasets.eventscape import EventScape
from dae_edge.datasets.labels import Labels
from dae_edge.datasets.m3ed import M3ed
from dae_edge.datasets.mvsec import Mvsec
from dae_edge.datasets.mvsec_raw import MvsecRaw
from dae_edge.datasets.synthetic import Synthetic

DATASETS: dict[str, type[Dataset]] = {
    kind.name: kind for kind in (Dsec, Mvsec, MvsecRaw, EventScape, M3ed, Synthetic)
}
"""Datasets by the name users give them."""

__all__ = ["DATASETS", "Dataset", "Sample", "Sequence", "open_dataset"]


def open_dataset(
    name: str,
    root: str | os.PathLike[str] | None = None,
    *,
    split: str | None = None,
    labels: str = "truth",
) -> Dataset:
    """Open a dataset that lies below a folder.

    Args:
        name: ``"dsec"``, ``"mvsec"`` (E2Depth's form), ``"mvsec-raw"``, ``"eventscape"``,
            ``"m3ed"`` or ``"synthetic"``.
        root: The folder; only ``"synthetic"``, which is part of the package, needs none.
        split: Which part; by default what models are judged on (see ``splits`` of the dataset).
        labels: ``"truth"``, the dataset's own depth; ``"proxy:NAME"``, the relative depth that a
            teacher gave to each frame of DSEC or MVSEC, kept under that name; ``"hybrid:NAME"``,
            samples of the one and samples of the other.

    Raises:
        ValueError: no such dataset, split or kind of labels, or a folder is needed.
        FormatError: no such folder.
    """
    if name not in DATASETS:
        raise ValueError(f"no dataset {name!r}, only {', '.join(map(repr, DATASETS))}")
    kind = DATASETS[name]
    root = kind.home if root is None else Path(root)
    if root is None:
        raise ValueError(f"{name} is not part of the package: say in which folder it is")
    part = next(iter(kind.splits)) if split is None else split
    return kind(root, part, Labels.read(labels))
