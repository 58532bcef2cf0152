"""EventScape: splits, pairing of events and depth, damaged files."""

from __future__ import annotations

import numpy as np
import pytest
from dataset_files import write_lines

from dae_edge.datasets import open_dataset
from dae_edge.errors import FormatError


def write_eventscape(root, *, town="Town05", number=8, frames=3):
    folder = root / town / f"sequence_{number}"
    data = {name: folder / name / "data" for name in ("events", "depth", "rgb")}
    for path in data.values():
        path.mkdir(parents=True)
    for index in range(frames):
        stem = f"{town}_sequence_{number}_{index:04d}"
        np.save(data["depth"] / f"{stem}_depth.npy", np.full((256, 512), 5.0 + index))
        end = 1_000_000 + 40_000 * index
        np.savez(
            data["events"] / f"{stem}_events.npz",
            x=np.array([1, 600, 3]),
            y=np.array([0, 0, 0]),
            t=np.array([end - 10, end - 40_000, end - 1]),
            p=np.array([1, 0, 0], np.uint8),
        )
        (data["rgb"] / f"{stem}_image.png").touch()
    for path in data.values():
        write_lines(path / "timestamps.txt", [f"{i} {1 + 0.04 * i:.3f}" for i in range(frames)])
    return folder


def test_a_sample_is_a_file_of_events_in_order_and_the_depth_of_its_time(tmp_path):
    write_eventscape(tmp_path)
    (sequence,) = open_dataset("eventscape", tmp_path, split="validation").sequences()
    samples = list(sequence)
    assert [sample.t_us for sample in samples] == [1_000_000, 1_040_000, 1_080_000]
    assert [sample.depth[0, 0] for sample in samples] == [5, 6, 7]
    assert samples[0].events["t"].tolist() == [960_000, 999_990, 999_999]
    assert samples[0].tencode().shape == (256, 512, 3)
    assert samples[2].image.name == "Town05_sequence_8_0002_image.png"


def test_depth_and_events_are_paired_by_time_and_not_by_position(tmp_path):
    folder = write_eventscape(tmp_path)
    write_lines(folder / "depth/data/timestamps.txt", ["0 0.96", "1 1.0", "2 1.04"])
    (sequence,) = open_dataset("eventscape", tmp_path, split="validation").sequences()
    assert [sample.depth[0, 0] for sample in sequence] == [6, 7]
    assert len(sequence) == 2


def test_splits_follow_towns_and_the_list_of_validation_sequences(tmp_path):
    write_eventscape(tmp_path, town="Town05", number=8)
    write_eventscape(tmp_path, town="Town05", number=1)
    write_eventscape(tmp_path / "Town01-03_train", town="Town03", number=8)
    found = {
        split: [s.name for s in open_dataset("eventscape", tmp_path, split=split).sequences()]
        for split in ("test", "validation", "train")
    }
    assert found == {
        "test": ["Town05/sequence_1"],
        "validation": ["Town05/sequence_8"],
        "train": ["Town03/sequence_8"],
    }


def test_an_archive_named_folder_counts_as_its_town(tmp_path):
    folder = write_eventscape(tmp_path)
    folder.parent.rename(tmp_path / "Town05_val")
    assert len(open_dataset("eventscape", tmp_path, split="validation").sequences()) == 1


def test_check_lists_the_validation_sequences_that_are_not_there(tmp_path):
    write_eventscape(tmp_path)
    findings = open_dataset("eventscape", tmp_path, split="validation").check()
    assert len(findings) == 99
    assert findings[0] == f"Town05/sequence_9: not found below {tmp_path}"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": np.zeros(2)}, "columns differ in length"),
        ({"t": np.array([1.0, np.nan, 2.0])}, "event 1 has the impossible time"),
        ({"t": np.array([0, 1, 2**63], np.uint64)}, "event 2 has the impossible time"),
        ({"p": np.array(["a", "b", "c"])}, "p is no column of numbers"),
        ({"y": np.array([None, 1, 2], object)}, "cannot be read"),
    ],
)
def test_events_that_are_none_are_refused(tmp_path, columns, message):
    folder = write_eventscape(tmp_path)
    path = folder / "events/data/Town05_sequence_8_0000_events.npz"
    with np.load(path) as arrays:
        np.savez(path.with_suffix(".new.npz"), **(dict(arrays) | columns))
    path.with_suffix(".new.npz").replace(path)
    with pytest.raises(FormatError, match=message):
        list(open_dataset("eventscape", tmp_path, split="validation").sequences()[0])


@pytest.mark.parametrize("keep", [0, 10, 300])
def test_a_truncated_file_of_events_is_named(tmp_path, keep):
    folder = write_eventscape(tmp_path)
    path = folder / "events/data/Town05_sequence_8_0001_events.npz"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(FormatError, match=r"_0001_events\.npz: cannot be read"):
        list(open_dataset("eventscape", tmp_path, split="validation").sequences()[0])


def test_a_sequence_whose_times_never_meet_is_refused(tmp_path):
    folder = write_eventscape(tmp_path)
    write_lines(folder / "depth/data/timestamps.txt", ["0 7.0", "1 8.0", "2 9.0"])
    with pytest.raises(FormatError, match="no file of events has the time of a depth map"):
        open_dataset("eventscape", tmp_path, split="validation").sequences()
