"""MVSEC as first released (Zhu et al., RA-L 2018): ``<name>_data.hdf5`` and ``<name>_gt.hdf5``.

Events of the left DAVIS, 346x260, and the depth of the same, unrectified, pixels
(``depth_image_raw``). The paper uses E2Depth's voxel grids instead (``dae_edge.datasets.mvsec``),
so numbers from here cannot be put beside its tables.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dae_edge.datasets.dataset import Dataset, Sequence, Splits
from dae_edge.datasets.hdf5_depth import DepthLayout, Hdf5DepthSequence

_LAYOUT = DepthLayout(
    events="hdf5-mvsec",
    depth="davis/left/depth_image_raw",
    times="davis/left/depth_image_raw_ts",
    seconds=True,
    sensor=(346, 260),
)


class MvsecRaw(Dataset):
    """The outdoor driving sequences of one split; the numbers of maps are not published."""

    name = "mvsec-raw"
    splits: ClassVar[Splits] = {
        "test": dict.fromkeys(
            ("outdoor_day1", "outdoor_night1", "outdoor_night2", "outdoor_night3")
        ),
        "train": {"outdoor_day2": None},
    }

    def _find(self, name: str) -> Path | None:
        folders = (self.root, self.root / name, self.root / name.rstrip("123"))
        return next((f for f in folders if (f / f"{name}_data.hdf5").is_file()), None)

    def _open(self, name: str, path: Path) -> Sequence:
        events, depth = path / f"{name}_data.hdf5", path / f"{name}_gt.hdf5"
        return Hdf5DepthSequence(name, events, depth, _LAYOUT)
