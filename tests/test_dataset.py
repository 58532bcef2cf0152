"""Datasets by name."""

from __future__ import annotations

import pytest

from dae_edge.datasets import DATASETS, open_dataset


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
