"""What stages train on: pools on disk, clips by number, augmentation that keeps depth true."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", exc_type=ImportError)
pytest.importorskip("tqdm", exc_type=ImportError)

import torch
from hypothesis import given
from hypothesis import strategies as st

from dae_edge.errors import FormatError
from training import pool
from training.augment import Augment
from training.clips import LiveClips, PoolClips, open_clips, pool_content
from training.pool import Pool, Strip
from training.recipe import Stage, read_recipe
from training.synthesis import Synthesis

CPU = torch.device("cpu")


def _stage(**settings: object) -> Stage:
    stage = {
        "name": "one", "data": "synthetic", "steps": 2, "batch": 4, "clip": 2, "carry": 2,
        "loss": "ssi", "lr": 1e-3, **settings,
    }  # fmt: skip
    content = {"name": "r", "model": "depthanyevent-r-tiny", "stage": [stage]}
    return read_recipe(content, "r.toml").stages[0]


def _strip(length: int, mark: float) -> Strip:
    """Window t is filled with mark + t; depth t (before window t) with 10 mark + t."""
    steps = np.arange(length + 1, dtype=np.float16)[:, None, None]
    windows = np.broadcast_to(steps[:length, None] + mark, (length, 3, 4, 5))
    return Strip(windows.astype("f2"), np.broadcast_to(steps + 10 * mark, (length + 1, 4, 5)))


def _pool(folder: Path, lengths: list[int]) -> Pool:
    return pool.fill(folder, [_strip(n, 100.0 * i) for i, n in enumerate(lengths)], {"made": "up"})


def test_a_pool_gives_back_what_was_put_in(tmp_path: Path):
    made = _pool(tmp_path / "p", [4, 6, 5])
    assert len(made) == 3
    for index, length in enumerate([4, 6, 5]):
        strip, whole = made.read(index, 1, 3), _strip(length, 100.0 * index)
        assert made.length(index) == length
        assert (strip.windows == whole.windows[1:4]).all()
        assert (strip.depth == whole.depth[1:5]).all()


def test_a_pool_that_could_not_be_finished_is_not_there(tmp_path: Path):
    def strips():
        yield _strip(4, 0)
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        pool.fill(tmp_path / "p", strips(), {})
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="no sequence to train on"):
        pool.fill(tmp_path / "p", [], {})


class _Maker:
    """Makes a pool slowly, and counts how often."""

    def __init__(self, folder: Path, failures: int = 0) -> None:
        self.folder, self.failures, self.calls = folder, failures, 0
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self) -> Pool:
        self.calls += 1
        self.begun.set()
        assert self.go_on.wait(30)
        if self.calls <= self.failures:
            raise OSError("no space left on device")
        return _pool(self.folder, [4])


def test_of_those_who_want_a_pool_one_makes_it_and_the_others_wait(tmp_path: Path):
    folder = tmp_path / "pools" / "p"
    make = _Maker(folder)
    with ThreadPoolExecutor(3) as team:
        wanted = [team.submit(pool.made_once, folder, make) for _ in range(3)]
        assert make.begun.wait(30)
        make.go_on.set()
        assert [len(one.result()) for one in wanted] == [1, 1, 1]
    assert len(pool.made_once(folder, make)) == 1
    assert make.calls == 1
    assert [path.name for path in folder.parent.iterdir()] == ["p"]


def test_after_one_that_failed_to_make_a_pool_the_next_does(tmp_path: Path):
    folder = tmp_path / "p"
    make = _Maker(folder, failures=1)
    with ThreadPoolExecutor(2) as team:
        wanted = [team.submit(pool.made_once, folder, make) for _ in range(2)]
        make.go_on.set()
        errors = [one.exception() for one in wanted]
    assert sorted(str(error) for error in errors) == ["None", "no space left on device"]
    assert make.calls == 2
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


@pytest.mark.skipif(sys.platform == "win32", reason="there nobody waits")
def test_on_a_disk_without_locks_a_pool_is_made_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import fcntl

    def unsupported(file: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", unsupported)
    make = _Maker(tmp_path / "p")
    make.go_on.set()
    assert len(pool.made_once(tmp_path / "p", make)) == 1
    assert make.calls == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there nobody waits")
def test_ctrl_c_ends_the_waiting_for_a_pool(tmp_path: Path):
    folder = tmp_path / "p"
    make = _Maker(folder)
    with ThreadPoolExecutor(1) as team:
        other = team.submit(pool.made_once, folder, make)
        assert make.begun.wait(30)
        interrupt = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        interrupt.start()
        with pytest.raises(KeyboardInterrupt):
            pool.made_once(folder, make)
        make.go_on.set()
        assert len(other.result()) == 1
    assert make.calls == 1


@pytest.mark.parametrize("name", [pool.ABOUT, pool.WINDOWS, pool.DEPTH])
def test_a_damaged_pool_is_named(tmp_path: Path, name: str):
    _pool(tmp_path / "p", [4])
    path = tmp_path / "p" / name
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(FormatError, match=f"p.*{'pool' if name == pool.ABOUT else name}"):
        Pool(tmp_path / "p")


def test_a_clip_is_the_same_each_time_and_processes_share_a_batch(tmp_path: Path):
    stage = _stage()
    augment = Augment(mirror=0.5, polarity=0.5, dropout=0.5)
    clips = PoolClips(stage, 7, augment, _pool(tmp_path / "p", [4, 6, 5, 8, 4]), {})
    whole = clips.clip(3, 1, slice(0, 4))
    halves = [clips.clip(3, 1, part) for part in (slice(0, 2), slice(2, 4))]
    assert whole.windows.shape == (4, 2, 3, 4, 5)
    assert whole.depth.shape == (4, 2, 4, 5)
    assert torch.equal(whole.windows, torch.cat([half.windows for half in halves]))
    assert torch.equal(whole.depth, torch.cat([half.depth for half in halves]))


def test_chunks_of_a_sequence_follow_each_other(tmp_path: Path):
    clips = PoolClips(_stage(), 7, Augment(), _pool(tmp_path / "p", [9] * 3), {})
    first, second = (clips.clip(0, chunk, slice(0, 4)) for chunk in (0, 1))
    assert torch.equal(first.windows[:, -1] + 1, second.windows[:, 0])
    assert torch.equal(first.depth[:, -1] + 1, second.depth[:, 0])
    # depth is that at the end of its window: window t lies between depth t and t + 1
    assert torch.equal((first.depth - first.windows[:, :, 0]) % 100 % 9, torch.ones(4, 2, 4, 5) % 9)


def test_each_sequence_is_met_once_before_any_is_met_again(tmp_path: Path):
    clips = PoolClips(_stage(), 7, Augment(), _pool(tmp_path / "p", [4] * 8), {})
    marks = [
        round(float(window.min()) / 100)
        for batch in range(4)
        for window in clips.clip(batch, 0, slice(0, 4)).windows
    ]
    assert sorted(marks[:8]) == sorted(marks[8:]) == list(range(8))
    assert marks[:8] != marks[8:]


def test_sequences_too_short_for_the_stage_are_refused(tmp_path: Path):
    with pytest.raises(
        ValueError, match="asks for 4 windows in a row, the shortest sequence has 3"
    ):
        PoolClips(_stage(), 7, Augment(), _pool(tmp_path / "p", [5, 3]), {})


def test_validation_covers_every_window_of_every_group(tmp_path: Path):
    groups = {"a": _pool(tmp_path / "a", [5, 5]), "b": _pool(tmp_path / "b", [3])}
    clips = PoolClips(_stage(), 7, Augment(), _pool(tmp_path / "p", [4]), groups)
    found = {name: list(parts) for name, parts in clips.validation()}
    assert [clip.depth.shape[:2] for clip in found["a"]] == [(2, 2), (2, 2), (2, 1)]
    assert [clip.depth.shape[:2] for clip in found["b"]] == [(1, 2), (1, 1)]


def _window(seed: int, height: int = 8, width: int = 10) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    touched = torch.rand(3, height, width, generator=draw) < 0.5
    on = torch.rand(3, height, width, generator=draw) < 0.5
    green = torch.rand(3, height, width, generator=draw)
    windows = torch.stack([touched & on, touched * green, touched & ~on], dim=1).float()
    return windows, torch.rand(4, height, width, generator=draw) + 1


@given(st.integers(0, 1000))
def test_played_backwards_twice_is_as_before(seed: int):
    windows, depth = _window(seed)
    back = Augment(time_flip=1.0)
    once, depth_once = back.apply(windows, depth, sequence_seed=seed, clip_seed=seed)
    assert torch.equal(depth_once, depth.flip(0)[1:])
    again, _ = back.apply(once, depth, sequence_seed=seed, clip_seed=seed)
    assert torch.allclose(again, windows, atol=1e-6)
    touched = windows[:, 0] + windows[:, 2]
    assert torch.equal(once.flip(0)[:, 0] + once.flip(0)[:, 2], touched)


def test_a_mirrored_window_keeps_its_depth_under_each_pixel():
    windows, depth = _window(1)
    mirrored, turned = Augment(mirror=1.0).apply(windows, depth, sequence_seed=1, clip_seed=1)
    assert torch.equal(mirrored.flip(-1), windows)
    assert torch.equal(turned.flip(-1), depth[1:])


def test_other_polarity_swaps_red_and_blue_and_negates_voxels():
    windows, depth = _window(2)
    swap = Augment(polarity=1.0)
    changed, _ = swap.apply(windows, depth, sequence_seed=1, clip_seed=1)
    assert torch.equal(changed, windows[:, [2, 1, 0]])
    voxels = torch.randn(3, 5, 8, 10)
    changed, _ = swap.apply(voxels, depth, sequence_seed=1, clip_seed=1)
    assert torch.equal(changed, -voxels)


def test_lost_events_leave_black_and_noise_leaves_valid_colours():
    windows, depth = _window(3, 40, 50)
    changed, _ = Augment(dropout=0.9, dropout_chance=1.0).apply(
        windows, depth, sequence_seed=1, clip_seed=5
    )
    kept = changed != 0
    assert torch.equal(changed[kept], windows[kept])
    assert (changed.amax(1) > 0).sum() < (windows.amax(1) > 0).sum()
    changed, _ = Augment(noise=0.5).apply(windows, depth, sequence_seed=1, clip_seed=5)
    assert ((changed >= 0) & (changed <= 1)).all()
    assert (changed[:, 0] + changed[:, 2] <= 1).all()


def test_zoom_shows_a_part_in_full_size():
    windows, depth = _window(4, 40, 50)
    large, near = Augment(zoom=2.0).apply(windows, depth, sequence_seed=3, clip_seed=5)
    assert large.shape == windows.shape
    assert near.shape == (3, 40, 50)
    assert set(near.flatten().tolist()) <= set(depth[1:].flatten().tolist())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"miror": 0.5}, r"augment: no augmentation 'miror'.*mirror"),
        ({"mirror": 1.5}, r"mirror must be 0\.0 to 1\.0, got 1\.5"),
        ({"zoom": 0.5}, r"zoom must be 1\.0 to 4\.0"),
        ({"mirror": "yes"}, "mirror must be a number, got 'yes'"),
    ],
)
def test_a_wrong_augmentation_is_explained(settings: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        Augment.read(settings, "augment")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"famlies": ["road"]}, r"no setting 'famlies'.*families"),
        ({"families": ["rod"]}, r"no family 'rod'.*road"),
        ({"families": "road"}, "families must be tuple"),
        ({"sensor": "davis"}, r"no simulated sensor 'davis'"),
        ({"night": 2}, r"night of 0\.\.1"),
        ({"validate_on": "vall"}, r"no split 'vall'.*val"),
        ({"pool": True}, "pool must be int"),
    ],
)
def test_a_wrong_setting_of_the_synthetic_world_is_explained(
    settings: dict[str, object], message: str
):
    with pytest.raises(ValueError, match=message):
        Synthesis.read(settings, "synthetic")


def test_night_and_families_are_drawn_in_the_parts_asked_for():
    asked = Synthesis(night=0.25)
    drawn = asked.families_of(list(range(4000)))
    assert abs(sum(name.endswith("-night") for name in drawn) / 4000 - 0.25) < 0.03
    for family in asked.families:
        assert abs(sum(name.startswith(family) for name in drawn) / 4000 - 1 / 3) < 0.03


@pytest.fixture
def small_world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, object]:
    """A sensor and a split so small that filming is quick."""
    from dae_edge.world import sensor, splits

    tiny = sensor.SensorProfile(20, 16, moments=2)
    monkeypatch.setitem(sensor.PROFILES, "half", tiny)
    few = splits._sequences(9_000, ("indoor", "road-night"), "half", count=3, windows=3)
    monkeypatch.setitem(splits.SPLITS, "val", few)
    monkeypatch.setenv("DAE_CACHE", str(tmp_path))
    return {"sensor": "half", "compiled": False, "windows": 4}


def _open(stage: Stage, kind: str = "tencode", size: tuple[int, int] | None = (12, 15)):
    return open_clips(stage, seed=5, root=Path(), window_kind=kind, size=size, device=CPU)


def test_a_pooled_stage_films_once_and_is_read_from_then_on(small_world: dict[str, object]):
    stage = _stage(synthetic={**small_world, "pool": 5})
    one, other = (_open(stage).clip(0, 0, slice(0, 4)) for _ in range(2))
    assert torch.equal(one.windows, other.windows)
    assert one.windows.shape == (4, 2, 3, 12, 15)
    assert (one.depth >= 0).all()
    groups = dict(_open(stage).validation())
    assert set(groups) == {"indoor", "road-night"}


def test_live_clips_go_on_after_a_stop_with_the_clips_they_would_have_had(
    small_world: dict[str, object],
):
    stage = _stage(synthetic=small_world)
    clips = _open(stage)
    assert isinstance(clips, LiveClips)
    straight = [clips.clip(1, chunk, slice(0, 4)) for chunk in (0, 1)]
    resumed = _open(stage).clip(1, 1, slice(0, 4))
    assert torch.equal(straight[1].windows, resumed.windows)
    assert torch.equal(straight[1].depth, resumed.depth)
    assert not torch.equal(straight[0].windows, straight[1].windows)


def test_voxel_grids_come_at_sensor_size(small_world: dict[str, object]):
    clip = _open(_stage(synthetic=small_world), "voxels", None).clip(0, 0, slice(0, 2))
    assert clip.windows.shape == (2, 2, 5, 16, 20)
    assert clip.depth.shape == (2, 2, 16, 20)


def test_another_teacher_at_the_same_place_makes_another_pool(tmp_path: Path):
    weights = tmp_path / "teacher.safetensors"
    weights.write_bytes(b"one")
    taught = Synthesis(teacher=str(weights))
    before = pool_content(taught, None, "train")
    assert pool_content(taught, None, "train") == before
    weights.write_bytes(b"another")
    assert pool_content(taught, None, "train") != before
    assert pool_content(taught, None, "val-road") == pool_content(Synthesis(), None, "val-road")


def test_a_pool_of_other_scenes_is_another_and_one_from_the_first_on_is_where_it_was():
    def content(**settings: int) -> dict[str, object]:
        return pool_content(Synthesis(**settings), None, "train")

    assert "first" not in content()
    assert content(first=9) == {**content(), "first": 9}
    assert pool_content(Synthesis(first=9), None, "val-road") == pool_content(
        Synthesis(), None, "val-road"
    )
