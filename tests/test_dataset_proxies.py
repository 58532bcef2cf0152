"""Datasets with a teacher's labels in place of, or beside, their own depth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_files import write_lines
from hypothesis import given
from hypothesis import strategies as st
from proxy_files import (
    DSEC,
    FIRST_US,
    FRAME_US,
    FRAMES,
    MVSEC,
    write_labels,
    write_small_dsec,
    write_small_mvsec,
)

from dae_edge.datasets import DATASETS, open_dataset
from dae_edge.datasets.labels import Labels
from dae_edge.datasets.mvsec import APART_US, _belonging
from dae_edge.datasets.proxy import read_proxy
from dae_edge.datasets.reading import read_frame
from dae_edge.errors import FormatError

NAME = "vitl"


@pytest.fixture
def dsec(tmp_path: Path) -> Path:
    folder = write_small_dsec(tmp_path)
    write_labels(folder / "images/left/ev_inf", NAME, (640, 480))
    return folder


@pytest.fixture
def mvsec(tmp_path: Path) -> Path:
    folder = write_small_mvsec(tmp_path)
    write_labels(folder / "rgb/davis", NAME, (346, 260))
    return folder


def only(root, dataset="dsec", labels=f"proxy:{NAME}"):
    (sequence,) = open_dataset(dataset, root, split="train", labels=labels).sequences()
    return sequence


def test_dsec_has_a_sample_for_each_frame_but_the_first(dsec, tmp_path):
    sequence = only(tmp_path)
    samples = list(sequence)
    assert (sequence.name, len(sequence)) == (DSEC, FRAMES - 1)
    assert [s.t_us for s in samples] == [FIRST_US + FRAME_US * n for n in range(1, FRAMES)]
    assert [s.index for s in samples] == list(range(FRAMES - 1))
    assert all((s.depth == 2 + n).all() for n, s in enumerate(samples))
    assert [s.image.name for s in samples] == [f"{n:06d}.png" for n in range(1, FRAMES)]
    assert all(s.relative and s.depth.shape == (320, 640) for s in samples)
    for sample in samples:
        t = sample.events["t"]
        assert len(t)
        assert t.min() >= sample.t_us - 50_000
        assert t.max() < sample.t_us


def test_dsec_takes_the_crop_of_a_label(dsec, tmp_path):
    depth = np.arange(480, dtype=np.float32)[:, None] * np.ones(640, np.float32)
    np.savez(dsec / f"images/left/ev_inf_{NAME}/000001.npz", depth=depth)
    assert np.array_equal(next(iter(only(tmp_path))).depth, depth[80:400])


def test_dsec_needs_no_disparity_for_labels(dsec, tmp_path):
    for path in (dsec / "disparity/event").iterdir():
        path.unlink()
    (dsec / "calibration/cam_to_cam.yaml").unlink()
    assert len(list(only(tmp_path))) == FRAMES - 1


def test_mvsec_pairs_frames_with_grids(mvsec, tmp_path):
    samples = list(only(tmp_path, "mvsec"))
    assert [s.t_us for s in samples] == [10_000_000 + 50_000 * n for n in range(FRAMES)]
    assert [float(s.depth[0, 0]) for s in samples] == [1.0 + n for n in range(FRAMES)]
    assert [float(s.voxels[2, 100, 0]) for s in samples] == [1.0 + n for n in range(FRAMES)]
    assert samples[3].image.name == "frame_0000000003.png"
    assert all(s.relative for s in samples)


def test_mvsec_takes_the_synchronised_frames_where_these_have_labels(mvsec, tmp_path):
    (mvsec / "rgb/davis").rename(mvsec / "rgb/davis_left_sync")
    (mvsec / f"rgb/davis_{NAME}").rename(mvsec / f"rgb/davis_left_sync_{NAME}")
    assert len(only(tmp_path, "mvsec")) == FRAMES


def test_a_sample_of_mvsec_has_the_time_of_its_frame(tmp_path):
    folder = write_small_mvsec(tmp_path, shift_us=7_000)
    write_labels(folder / "rgb/davis", NAME, (346, 260))
    samples = list(only(tmp_path, "mvsec"))
    assert [s.t_us for s in samples] == [10_007_000 + 50_000 * n for n in range(FRAMES)]


@given(
    st.lists(st.integers(0, 400_000), min_size=1, max_size=12, unique=True).map(sorted),
    st.lists(st.integers(0, 400_000), min_size=1, max_size=12, unique=True).map(sorted),
)
def test_no_grid_and_no_label_is_used_twice_and_none_is_far(frames, ends):
    pairs = _belonging(np.array(frames), np.array(ends))
    assert pairs == sorted(pairs)
    for side in zip(*pairs, strict=True):
        assert len(set(side)) == len(side)
    for frame, grid in pairs:
        distance = abs(frames[frame] - ends[grid])
        assert distance <= APART_US
        assert distance == min(abs(t - ends[grid]) for t in frames)
        assert distance == min(abs(frames[frame] - t) for t in ends)


def test_hybrid_labels_give_true_and_relative_samples(dsec, tmp_path):
    truth, proxies = open_dataset(
        "dsec", tmp_path, split="train", labels=f"hybrid:{NAME}"
    ).sequences()
    assert (truth.relative, proxies.relative) == (False, True)
    assert truth.name == proxies.name == DSEC
    alone = only(tmp_path, labels="truth")
    assert [s.t_us for s in truth] == [s.t_us for s in alone]
    for mine, other in zip(truth, alone, strict=True):
        assert not mine.relative
        assert np.array_equal(mine.depth, other.depth)
        assert mine.depth.max() > 20
    assert [float(s.depth.max()) for s in proxies] == [2.0 + n for n in range(FRAMES - 1)]


def test_hybrid_keeps_a_sequence_that_has_no_labels(dsec, tmp_path):
    write_small_dsec(tmp_path, name="zurich_city_00_b")
    found = open_dataset("dsec", tmp_path, split="train", labels=f"hybrid:{NAME}").sequences()
    assert [(s.name, s.relative) for s in found] == [
        (DSEC, False),
        ("zurich_city_00_b", False),
        (DSEC, True),
    ]


def test_without_labels_of_the_name_there_is_nothing_to_open(dsec, tmp_path):
    dataset = open_dataset("dsec", tmp_path, split="train", labels="proxy:other")
    with pytest.raises(FormatError, match=r"none of the 31 sequences .* with proxy labels 'other'"):
        dataset.sequences()
    assert f"{DSEC}: no proxy labels 'other'" in dataset.check()


def test_check_does_not_count_labels_as_truth(dsec, tmp_path):
    dataset = open_dataset("dsec", tmp_path, split="train", labels=f"proxy:{NAME}")
    assert not [line for line in dataset.check() if line.startswith(DSEC)]


def test_labels_that_are_not_complete_are_refused(dsec, mvsec, tmp_path):
    (dsec / f"images/left/ev_inf_{NAME}/000003.npz").unlink()
    with pytest.raises(FormatError, match=r"1 of 5 labels are not there, .* 000003\.npz"):
        only(tmp_path)
    (mvsec / f"rgb/davis_{NAME}/frame_0000000003.npz").unlink()
    with pytest.raises(FormatError, match="5 labels, but 6 frames"):
        only(tmp_path, "mvsec")


def test_the_label_of_the_first_frame_of_dsec_may_be_missing(dsec, tmp_path):
    (dsec / f"images/left/ev_inf_{NAME}/000000.npz").unlink()
    assert float(next(iter(only(tmp_path))).depth[0, 0]) == 2


def test_a_label_without_a_time_is_refused(dsec, tmp_path):
    times = (dsec / "images/timestamps.txt").read_text().splitlines()
    write_lines(dsec / "images/timestamps.txt", times[:-1])
    with pytest.raises(FormatError, match=r"000005\.npz has no time: .* has 5"):
        only(tmp_path)


def test_frames_far_from_all_grids_are_refused(tmp_path):
    folder = write_small_mvsec(tmp_path, shift_us=60_000_000)
    write_labels(folder / "rgb/davis", NAME, (346, 260))
    with pytest.raises(FormatError, match="no frame is near the end of a voxel grid"):
        only(tmp_path, "mvsec")


def test_what_is_not_finite_or_positive_is_unknown(tmp_path):
    depth = np.array([[1, np.nan, np.inf], [-np.inf, -2, 1e300]])
    np.savez(tmp_path / "a.npz", depth=depth)
    assert read_proxy(tmp_path / "a.npz", (3, 2)).tolist() == [[1, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"depth": np.ones((4, 6))}, r"a\.npz: shape 4x6, wanted 2x3"),
        ({"depth": np.ones((1, 2, 3))}, r"a\.npz: shape 1x2x3, wanted 2x3"),
        ({"disparity": np.ones((2, 3))}, r"a\.npz: no array 'depth', only disparity"),
        ({}, r"a\.npz: no array 'depth', only nothing"),
        ({"depth": np.array([["a"]])}, r"a\.npz: depth is no array of numbers"),
        ({"depth": np.array([[{}]], object)}, r"a\.npz: cannot be read"),
    ],
)
def test_a_label_that_is_none_is_named(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(FormatError, match=message):
        read_proxy(tmp_path / "a.npz", (3, 2))


@pytest.mark.parametrize("keep", [0, 20, 200, 0.9])
def test_a_truncated_label_is_named(dsec, tmp_path, keep):
    path = dsec / f"images/left/ev_inf_{NAME}/000002.npz"
    content = path.read_bytes()
    path.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    with pytest.raises(FormatError, match=r"000002\.npz: cannot be read"):
        list(only(tmp_path))


def test_frames_of_both_datasets_are_listed_with_their_times(dsec, mvsec, tmp_path):
    for name, folder, suffix in (("dsec", dsec, "ev_inf"), ("mvsec", mvsec, "davis")):
        dataset = open_dataset(name, tmp_path, split="train")
        assert list(dataset.folders()) == [DSEC if name == "dsec" else MVSEC]
        frames = dataset.frames(folder)
        assert frames.folder.name == suffix
        assert len(frames.files) == len(frames.times_us) == FRAMES
        assert read_frame(frames.files[0], frames.size).shape == (*frames.size[::-1], 3)


def test_frames_that_are_not_there_say_how_to_get_them(dsec, tmp_path):
    (dsec / "images/left/ev_inf").rename(dsec / "images/left/elsewhere")
    dataset = open_dataset("dsec", tmp_path, split="train")
    with pytest.raises(FormatError, match="no frames warped to the event camera: see training"):
        dataset.frames(dsec)


def test_true_depth_is_found_by_time(dsec, mvsec, tmp_path):
    truth = only(tmp_path, labels="truth")
    sample = next(iter(truth))
    assert np.array_equal(truth.depth_at(sample.t_us), sample.depth)
    assert truth.depth_at(sample.t_us + 50_000) is None
    assert truth.depth_at(10**12) is None
    truth = only(tmp_path, "mvsec", "truth")
    assert np.array_equal(truth.depth_at(10_103_000), list(truth)[2].depth)
    assert truth.depth_at(10_125_000) is None
    assert open_dataset("synthetic").sequences()[0].depth_at(0) is None


@pytest.mark.parametrize(
    "text", ["proxies", "proxy", "proxy:", "hybrid:a/b", "proxy:..", "truth:a"]
)
def test_labels_that_are_none_are_refused(tmp_path, text):
    with pytest.raises(ValueError, match="labels"):
        open_dataset("dsec", tmp_path, labels=text)


def test_only_datasets_with_frames_take_proxies(tmp_path):
    takers = [name for name, kind in DATASETS.items() if kind.takes_proxies]
    assert takers == ["dsec", "mvsec"]
    with pytest.raises(ValueError, match="eventscape has no proxy labels, only its own depth"):
        open_dataset("eventscape", tmp_path, labels="proxy:a")
    with pytest.raises(ValueError, match="has no frames to make proxy labels from"):
        open_dataset("m3ed", tmp_path).frames(tmp_path)
    assert Labels.read("truth") == Labels()


def test_a_frame_of_16_bits_is_refused(tmp_path):
    from PIL import Image

    Image.fromarray(np.zeros((2, 3), np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(FormatError, match=r"a\.png: no picture of 8 bits, but mode I"):
        read_frame(tmp_path / "a.png", (3, 2))
    Image.fromarray(np.full((2, 3), 7, np.uint8)).save(tmp_path / "a.png")
    assert read_frame(tmp_path / "a.png", (3, 2)).tolist() == [[[7] * 3] * 3] * 2
