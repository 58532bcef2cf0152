"""Datasets by name."""

from __future__ import annotations

import numpy as np
import pytest

from dae_edge.datasets import DATASETS, Sample, open_dataset
from dae_edge.encoding import voxel_grid
from dae_edge.errors import FormatError
from dae_edge.events import events_from


def test_every_dataset_opens_with_the_split_that_models_are_judged_on(tmp_path):
    opened = {name: open_dataset(name, tmp_path).split for name in DATASETS}
    assert opened == {
        "dsec": "validation",
        "mvsec": "test",
        "mvsec-raw": "test",
        "eventscape": "test",
        "m3ed": "all",
        "synthetic": "test",
    }


def test_names_that_do_not_exist_are_answered_with_those_that_do(tmp_path):
    with pytest.raises(ValueError, match="no dataset 'kitti', only 'dsec', 'mvsec'"):
        open_dataset("kitti", tmp_path)
    with pytest.raises(ValueError, match="dsec has no split 'test', only 'validation', 'train'"):
        open_dataset("dsec", tmp_path, split="test")


def test_only_the_dataset_of_the_package_needs_no_folder():
    assert len(open_dataset("synthetic").sequences()) == 1
    with pytest.raises(ValueError, match="dsec is not part of the package: say in which folder"):
        open_dataset("dsec")


def test_the_voxel_grid_of_a_sample_is_that_of_its_events_or_the_one_of_the_dataset():
    random = np.random.default_rng(0)
    events = events_from(
        np.arange(500), random.integers(0, 8, 500), random.integers(0, 6, 500), np.arange(500) % 2
    )
    place = {"sequence": "a", "index": 0, "t_us": 500, "sensor": (8, 6), "crop": (1, 2, 4, 3)}
    sample = Sample(**place, depth=np.ones((3, 4), np.float32), events=events)
    whole = voxel_grid(events, 6, 8, bins=5)
    assert (sample.voxel_grid(5, cropped=False) == whole).all()
    assert (sample.voxel_grid(5) == whole[:, 2:5, 1:5]).all()
    stored = Sample(**place, depth=sample.depth, voxels=whole)
    assert (stored.voxel_grid(5) == whole[:, 2:5, 1:5]).all()
    with pytest.raises(FormatError, match="a: has 5 bins, wanted 3"):
        stored.voxel_grid(3)
