"""The dataset that comes with the package."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from dae_edge.datasets import open_dataset
from dae_edge.datasets.synthetic import DEPTH, EVENTS
from dae_edge.errors import FormatError
from dae_edge.sample import SAMPLE
from dae_edge.sources import open_source


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in (EVENTS, DEPTH):
        shutil.copy(SAMPLE.parent / name, tmp_path / name)
    return tmp_path


def test_it_has_one_whole_sequence_of_twenty_samples():
    dataset = open_dataset("synthetic")
    assert dataset.check() == []
    (sequence,) = dataset.sequences()
    samples = list(sequence)
    assert (sequence.name, len(sequence)) == ("sample", 20)
    assert [sample.index for sample in samples] == list(range(20))
    assert [sample.t_us for sample in samples] == [100_000 * n for n in range(1, 21)]
    assert {(sample.sensor, sample.crop) for sample in samples} == {((346, 260), (0, 0, 346, 260))}


def test_a_window_holds_the_events_of_the_50_ms_before_its_depth():
    with open_source(SAMPLE) as source:
        events = np.concatenate(list(source))
    for sample in open_dataset("synthetic").sequences()[0]:
        inside = (events["t"] >= sample.t_us - 50_000) & (events["t"] < sample.t_us)
        assert (sample.events == events[inside]).all()


def test_depth_is_known_at_every_second_pixel_and_is_the_stored_one():
    with np.load(SAMPLE.parent / DEPTH, allow_pickle=False) as arrays:
        stored = arrays["depth"].astype(np.float32)
    for sample, depth in zip(open_dataset("synthetic").sequences()[0], stored, strict=True):
        assert (sample.depth[::2, ::2] == depth).all()
        assert np.count_nonzero(sample.depth) == depth.size


def test_it_is_the_same_each_time():
    one, other = (next(iter(open_dataset("synthetic").sequences()[0])) for _ in range(2))
    assert (one.tencode() == other.tencode()).all()


def test_a_folder_without_it_and_a_missing_depth_are_said(copy: Path, tmp_path: Path):
    (copy / DEPTH).unlink()
    with pytest.raises(FormatError, match=r"sample_depth\.npz: no such file"):
        open_dataset("synthetic", copy).sequences()
    (copy / EVENTS).unlink()
    with pytest.raises(FormatError, match="none of the 1 sequences of synthetic 'test' is here"):
        open_dataset("synthetic", tmp_path).sequences()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": np.ones((20, 3, 3), np.float16)}, "shape 20x3x3, wanted 20x130x173"),
        ({"depth": np.zeros((20, 130, 173), np.float16)}, "positive depths in float16"),
        ({"depth": np.full((20, 130, 173), np.nan, np.float16)}, "positive depths in float16"),
        ({"depth": np.ones((20, 130, 173), np.float64)}, "positive depths in float16"),
        ({"t_us": np.zeros(20, np.int64)}, "times do not increase"),
        ({"t_us": np.arange(20.0)}, "times in int64"),
        ({"stride": np.array(3)}, "a stride of 2"),
        ({"stride": np.array([2, 2])}, "a stride of 2"),
    ],
)
def test_depth_that_is_not_what_it_should_be_gives_one_line(copy: Path, change, message):
    with np.load(copy / DEPTH, allow_pickle=False) as arrays:
        content = {**arrays, **change}
    np.savez(copy / DEPTH, **content)
    with pytest.raises(FormatError, match=message):
        open_dataset("synthetic", copy).sequences()


def test_any_damaged_depth_file_is_refused(copy: Path):
    whole = (copy / DEPTH).read_bytes()
    for content in (b"", b"no archive", whole[:1000], whole[:-200]):
        (copy / DEPTH).write_bytes(content)
        with pytest.raises(FormatError, match=r"cannot be read|wanted a stride"):
            open_dataset("synthetic", copy).sequences()
    np.savez(copy / DEPTH, t_us=np.arange(3))
    with pytest.raises(FormatError, match="cannot be read"):
        open_dataset("synthetic", copy).sequences()


def test_a_recording_of_another_sensor_is_refused(copy: Path):
    content = (copy / EVENTS).read_bytes()
    for ours, other in (
        (b"geometry 346x260", b"geometry 320x240"),
        (b"=346", b"=320"),
        (b"=260", b"=240"),
    ):
        content = content.replace(ours, other)
    (copy / EVENTS).write_bytes(content)
    with pytest.raises(FormatError, match="sensor 320x240, wanted 346x260"):
        next(iter(open_dataset("synthetic", copy).sequences()[0]))
