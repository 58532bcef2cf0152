"""The synthetic world as a dataset: filmed once, kept, and made again when damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", exc_type=ImportError)

from dae_edge.datasets import open_dataset
from dae_edge.datasets.synthetic import Synthetic
from dae_edge.world import filmed, sensor, splits

SPLIT = "val"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Two short sequences of a very small sensor; the folder that they are kept in."""
    monkeypatch.setitem(sensor.PROFILES, "half", sensor.SensorProfile(40, 30, moments=2))
    few = splits._sequences(9_000, ("indoor", "road-night"), "half", count=2, windows=3)
    monkeypatch.setitem(splits.SPLITS, SPLIT, few)
    monkeypatch.setitem(Synthetic.splits, SPLIT, {one.name: one.windows for one in few})
    monkeypatch.setattr(filmed, "has_compiler", lambda: False)
    monkeypatch.setenv("DAE_CACHE", str(tmp_path))
    return tmp_path


def test_every_sequence_has_its_windows_with_events_and_depth(world: Path):
    dataset = open_dataset("synthetic", split=SPLIT)
    assert dataset.check() == []
    for sequence in dataset.sequences():
        samples = list(sequence)
        assert len(samples) == len(sequence) == 3
        assert [sample.t_us for sample in samples] == [50_000, 100_000, 150_000]
        for sample in samples:
            assert sample.sensor == (40, 30)
            assert sample.depth.shape == (30, 40)
            assert sample.events is not None
            assert len(sample.events) > 0
            inside = (sample.events["t"] >= sample.t_us - 50_000) & (
                sample.events["t"] < sample.t_us
            )
            assert inside.all()


def test_a_sequence_is_filmed_once_and_read_from_then_on(
    world: Path, monkeypatch: pytest.MonkeyPatch
):
    first = [sample.events for sample in open_dataset("synthetic", split=SPLIT).sequences()[0]]
    monkeypatch.setattr(filmed, "film", None)  # filming again would fail
    again = [sample.events for sample in open_dataset("synthetic", split=SPLIT).sequences()[0]]
    assert all((a == b).all() for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "shape"])
def test_a_damaged_file_is_made_again(world: Path, damage: str):
    sequence = open_dataset("synthetic", split=SPLIT).sequences()[0]
    first = [sample.depth for sample in sequence]
    [path] = [path for path in world.rglob("*.npz") if sequence.name in path.name]
    whole = path.read_bytes()
    if damage == "shape":
        np.savez(path, events=np.zeros(3), depth=np.zeros((1, 2, 2)), t_us=np.zeros(1))
    else:
        path.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "text": b"x" * 99}[damage])
    again = [sample.depth for sample in sequence]
    assert all((a == b).all() for a, b in zip(first, again, strict=True))


def test_a_cache_that_cannot_be_written_is_no_error(world: Path, monkeypatch: pytest.MonkeyPatch):
    file = world / "file"
    file.write_text("not a folder")
    monkeypatch.setenv("DAE_CACHE", str(file))
    assert len(list(open_dataset("synthetic", split=SPLIT).sequences()[1])) == 3
