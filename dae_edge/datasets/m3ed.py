"""M3ED (Chaney et al., CVPR-W 2023): ``<sequence>/<sequence>_{data,depth_gt}.h5``, 1280x720.

Events of the left Prophesee EVK4 and the lidar's depth in the same, unrectified, pixels.
Sequences lie in the root or in ``processed/``. Only those whose depth is public are listed.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dae_edge.datasets.dataset import Dataset, Sequence, Splits
from dae_edge.datasets.hdf5_depth import DepthLayout, Hdf5DepthSequence

_LAYOUT = DepthLayout(
    events="hdf5-m3ed", depth="depth/prophesee/left", times="ts", seconds=False, sensor=(1280, 720)
)

_SEQUENCES = {
    "car_forest": "sand_1 tree_tunnel into_ponds_long into_ponds_short",
    "car_urban_day": "city_hall horse penno_big_loop penno_small_loop rittenhouse ucity_small_loop",
    "car_urban_night": "city_hall penno_big_loop penno_small_loop penno_small_loop_darker "
    "rittenhouse ucity_small_loop",
    "falcon_forest": "road_1 road_forest up_down into_forest_4 road_2 into_forest_1 into_forest_2",
    "falcon_indoor": "flight_1 flight_2 flight_3",
    "falcon_outdoor_day": "penno_parking_1 penno_parking_2 penno_plaza penno_cars penno_trees "
    "fast_flight_1 fast_flight_2",
    "falcon_outdoor_night": "penno_parking_1 penno_parking_2 high_beams",
    "spot_forest": "easy_1 easy_2 hard road_1 road_3",
    "spot_indoor": "building_loop obstacles stairs stairwell",
    "spot_outdoor_day": "art_plaza_loop srt_green_loop skatepark_1 skatepark_2 rocky_steps "
    "srt_under_bridge_1 srt_under_bridge_2 penno_short_loop",
    "spot_outdoor_night": "penno_plaza_lights penno_short_loop",
}


class M3ed(Dataset):
    """The sequences with public depth, all or of one vehicle; numbers of maps are not published."""

    name = "m3ed"
    splits: ClassVar[Splits] = {
        split: {
            f"{place}_{name}": None
            for place, names in _SEQUENCES.items()
            if split in ("all", place.split("_")[0])
            for name in names.split()
        }
        for split in ("all", "car", "falcon", "spot")
    }

    def _find(self, name: str) -> Path | None:
        folders = (self.root / name, self.root / "processed" / name)
        return next((folder for folder in folders if folder.is_dir()), None)

    def _open(self, name: str, path: Path) -> Sequence:
        events, depth = path / f"{name}_data.h5", path / f"{name}_depth_gt.h5"
        return Hdf5DepthSequence(name, events, depth, _LAYOUT)
