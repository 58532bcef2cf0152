"""MVSEC in E2Depth's form against the published reader, and damaged files."""

from __future__ import annotations

import numpy as np
import pytest
from dataset_files import read_npz_xz, write_lines, write_mvsec
from hypothesis import given
from hypothesis import strategies as st

from dae_edge.datasets import open_dataset
from dae_edge.datasets.mvsec import Mvsec, _nearest
from dae_edge.errors import FormatError

NAME = "mvsec_outdoor_day1"


@pytest.fixture(scope="module")
def stored(golden):
    """A synthetic sequence of which a part of the image is kept, and the published Tencode there.

    The published reader's depth is the stored depth at the time of the voxel grid, 0 for NaN.
    """
    stored = read_npz_xz(golden / "dataset_mvsec.npz.xz")
    rows, columns = slice(*stored["rows"]), slice(*stored["columns"])
    depth = np.full((5, 260, 346), np.nan, np.float32)
    eighths = stored["depth_eighths"]
    depth[:, rows, columns] = np.where(eighths < 0, np.nan, eighths / np.float32(8))
    voxel = np.zeros((4, 5, 260, 346), np.float32)
    voxel[:, :, rows, columns] = stored["voxel_quarters"] / np.float32(4)
    tencode = np.zeros((4, 3, 260, 346), np.float32)
    tencode[:, :, rows, columns] = stored["tencode_quarters"] / np.float32(4)
    return {
        "depth": depth,
        "voxel": voxel,
        "depth_ts": stored["depth_ts"],
        "voxel_ts": stored["voxel_ts"],
        "tencode": tencode,
    }


@pytest.fixture
def folder(stored, tmp_path):
    return write_mvsec(tmp_path / "test" / NAME, stored)


def only(folder):
    (sequence,) = open_dataset("mvsec", folder.parent.parent).sequences()
    return sequence


def test_samples_equal_those_of_the_published_reader_bit_for_bit(folder, stored):
    sequence = only(folder)
    samples = list(sequence)
    assert len(samples) == len(sequence) == 4
    for index, sample in enumerate(samples):
        depth = np.nan_to_num(stored["depth"][index + 1], nan=0.0)  # the voxels begin one later
        assert np.array_equal(sample.depth, depth)
        assert np.array_equal(sample.tencode(dtype=np.float32), stored["tencode"][index])
        assert sample.t_us == 10_050_000 + 50_000 * index
        assert sample.events is None


def test_tencode_comes_as_bytes_too(folder, stored):
    sample = next(iter(only(folder)))
    image = sample.tencode()
    assert (image.shape, image.dtype) == ((260, 346, 3), np.uint8)
    wanted = np.rint(stored["tencode"][0] * 255).transpose(1, 2, 0)
    assert np.array_equal(image, wanted)


def test_equally_many_maps_and_grids_are_paired_by_position(stored, tmp_path):
    arrays = dict(stored, depth=stored["depth"][:4], depth_ts=stored["depth_ts"][:4])
    sequence = only(write_mvsec(tmp_path / "test" / NAME, arrays))
    first = next(iter(sequence))
    assert np.array_equal(first.depth, np.nan_to_num(stored["depth"][0], nan=0.0))


def test_infinite_depth_is_unknown_depth(folder, stored):
    depth = stored["depth"][1].copy()
    depth[110, 130:133] = [np.inf, -np.inf, 3.0]
    np.save(folder / "depth" / "data" / "depth_0000000001.npy", depth)
    assert next(iter(only(folder))).depth[110, 130:133].tolist() == [0, 0, 3]


@pytest.mark.parametrize("place", [f"train/{NAME}", NAME, f"test/{NAME}/sequence_0000000000"])
def test_sequences_are_found_where_people_unpack_them(stored, tmp_path, place):
    write_mvsec(tmp_path / place, stored)
    assert len(open_dataset("mvsec", tmp_path).sequences()) == 1


def test_frames_are_found_by_time(folder):
    frames = folder / "rgb" / "davis_left_sync"
    frames.mkdir(parents=True)
    write_lines(frames / "timestamps.txt", ["0 10.0", "1 10.05", "2 10.1"])
    for index in range(3):
        (frames / f"frame_{index:010d}.png").touch()
    images = [sample.image and sample.image.name for sample in only(folder)]
    assert images == ["frame_0000000001.png", "frame_0000000002.png", None, None]
    (frames / "frame_0000000000.png").unlink()  # now nobody knows whose times are left
    assert [sample.image for sample in only(folder)] == [None] * 4


def test_official_numbers_are_those_of_the_paper():
    assert sum(Mvsec.splits["test"].values()) == 21125
    assert sum(Mvsec.splits["train"].values()) == 8524 + 1827


def test_check_names_what_is_missing(folder):
    findings = open_dataset("mvsec", folder.parent.parent).check()
    assert findings[0] == f"{NAME}: 4 samples, wanted 5125"
    assert len(findings) == 4


def test_check_sees_empty_samples(folder):
    np.save(folder / "depth/data/depth_0000000001.npy", np.zeros((260, 346)))
    np.save(folder / "events/voxels/event_tensor_0000000000.npy", np.zeros((5, 260, 346)))
    findings = open_dataset("mvsec", folder.parent.parent).check()
    assert findings[1:3] == [
        f"{NAME}: no depth in the first sample",
        f"{NAME}: no events in the first sample",
    ]


def test_a_depth_map_of_another_size_is_refused(folder):
    np.save(folder / "depth/data/depth_0000000001.npy", np.zeros((26, 34), np.float32))
    with pytest.raises(FormatError, match=r"depth_0000000001\.npy: shape 26x34, wanted 260x346"):
        list(only(folder))


def test_a_file_too_few_is_refused(folder):
    (folder / "events/voxels/event_tensor_0000000002.npy").unlink()
    with pytest.raises(FormatError, match="voxels: 3 files, but 4 times"):
        only(folder)


def test_times_that_step_back_are_refused(folder):
    write_lines(folder / "depth/data/timestamps.txt", ["0 1.0", "1 0.9", "2 2", "3 3", "4 4"])
    with pytest.raises(FormatError, match=r"line 2: time 0\.9 does not follow"):
        only(folder)


@pytest.mark.parametrize("keep", [0, 9, 100, 200_000])
def test_a_truncated_array_is_named(folder, keep):
    path = folder / "depth/data/depth_0000000001.npy"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(FormatError, match=r"depth_0000000001\.npy: cannot be read"):
        list(only(folder))


def test_an_array_of_objects_is_not_unpickled(folder):
    path = folder / "depth/data/depth_0000000001.npy"
    np.save(path, np.array([{"a": 1}], object))
    with pytest.raises(FormatError, match=r"depth_0000000001\.npy: cannot be read"):
        list(only(folder))


@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=10, unique=True).map(sorted),
    st.lists(st.integers(-50, 1050), min_size=1, max_size=10),
)
def test_the_nearest_time_is_nearest(times, wanted):
    nearest = _nearest(np.array(times), np.array(wanted))
    for time, position in zip(wanted, nearest, strict=True):
        assert abs(times[position] - time) == min(abs(other - time) for other in times)
