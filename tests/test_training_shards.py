"""Sharing out work, stopping it, and files that are whole or not there."""

from __future__ import annotations

import signal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.shards import Shard, work_through
from training.whole import is_whole, npz_bytes, png_bytes, write_whole


@given(st.integers(1, 9), st.integers(0, 40))
def test_shards_cover_everything_exactly_once_and_evenly(count, jobs):
    parts = [Shard.read(f"{k}/{count}", {}).of(range(jobs)) for k in range(1, count + 1)]
    assert sorted(job for part in parts for job in part) == list(range(jobs))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_torchrun_tells_which_part_unless_it_is_said():
    told = {"RANK": "3", "WORLD_SIZE": "8"}
    assert Shard.read(None, told) == Shard(3, 8)
    assert Shard.read("1/2", told) == Shard(0, 2)
    assert Shard.read(None, {}) == Shard(0, 1)


@pytest.mark.parametrize("text", ["0/4", "5/4", "2", "a/b", "-1/4", "1/0", "1/2/3", "", "1.0/2"])
def test_a_part_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="wanted K/N"):
        Shard.read(text, {})
    with pytest.raises(ValueError, match="RANK 4 of WORLD_SIZE 4"):
        Shard.read(None, {"RANK": "4", "WORLD_SIZE": "4"})


def test_all_is_done_in_batches_in_order():
    seen = []
    assert work_through(range(7), 3, seen.append, label="") == 7
    assert [list(batch) for batch in seen] == [[0, 1, 2], [3, 4, 5], [6]]
    assert work_through([], 3, seen.append, label="") == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_after_a_whole_batch(number):
    before = signal.getsignal(number)
    seen = []

    def work(batch):
        seen.extend(batch)
        if 4 in batch:
            signal.raise_signal(number)
        seen.append("whole")

    assert work_through(range(10), 2, work, label="") == 6
    assert seen[-3:] == [4, 5, "whole"]
    assert signal.getsignal(number) is before


def test_an_error_ends_it_and_leaves_the_signals_as_they_were():
    before = signal.getsignal(signal.SIGINT)

    def fail(batch):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        work_through(range(3), 1, fail, label="")
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("suffix", [".npz", ".png"])
def test_a_file_counts_as_whole_only_with_its_end(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    picture = np.zeros((4, 5, 3), np.uint8)
    content = png_bytes(picture) if suffix == ".png" else npz_bytes(depth=picture)
    assert not is_whole(path)
    for size in (0, 3, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        assert not is_whole(path)
    write_whole(path, content)
    assert is_whole(path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr("training.whole.os.replace", fail)
    with pytest.raises(OSError, match="no space left"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1
