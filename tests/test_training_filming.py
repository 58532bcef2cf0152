"""Filming by several processes: the same pool as by one, and nothing is left when it goes wrong.

``python tests/test_training_filming.py ARGUMENTS`` is ``python -m training ARGUMENTS`` with the
sensor and the split "tests", which are small.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", exc_type=ImportError)
pytest.importorskip("tqdm", exc_type=ImportError)
pytest.importorskip("safetensors", exc_type=ImportError)

import torch
from numpy.typing import NDArray
from small_training import ROOT, finish, small_recipe, wait_for

from dae_edge.world import sensor, splits
from training import pool
from training.filming import AHEAD, in_order
from training.student import build, write_weights
from training.synthesis import Synthesis, training_strips

CPU = torch.device("cpu")
SIZE = (12, 15)


@pytest.fixture
def small_sensor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sensor.PROFILES, "tests", sensor.SensorProfile(20, 16, moments=2))


def content(folder: Path, asked: Synthesis, processes: int) -> dict[str, bytes]:
    """The files of a pool that so many processes made."""
    pool.fill(folder, training_strips(asked, SIZE, CPU, processes), {})
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_pool_has_the_same_bytes_whatever_the_number_of_processes(
    small_sensor: None, tmp_path: Path
):
    asked = Synthesis(sensor="tests", compiled=False, windows=2, pool=37)
    wanted = content(tmp_path / "1", asked, 1)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert content(tmp_path / "threads", asked, 1) == wanted
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert content(tmp_path / "8", asked, 8) == wanted  # of which three find a batch
    assert len(wanted[pool.WINDOWS]) == 37 * 2 * 3 * 12 * 15 * 2
    assert content(tmp_path / "other", Synthesis(**{**asked.plain(), "night": 1.0}), 1) != wanted


def test_pools_that_begin_far_enough_apart_share_no_scene(small_sensor: None):
    def windows(**settings: int) -> list[bytes]:
        asked = Synthesis(sensor="tests", compiled=False, windows=1, **settings)
        return [strip.windows.tobytes() for strip in training_strips(asked, SIZE, CPU, 1)]

    whole = windows(pool=48)
    assert windows(pool=16, first=32) == whole[32:]
    assert set(windows(pool=16, first=48)).isdisjoint(whole)


def test_what_a_teacher_sees_is_the_same_too(small_sensor: None, tmp_path: Path):
    recipe = small_recipe("model_settings.recurrent=false")
    torch.manual_seed(1)
    weights = write_weights(tmp_path, "teacher", build(recipe, recipe.stages[0])[0], recipe)
    true = Synthesis(sensor="tests", compiled=False, windows=1, pool=20, frames=True)
    taught = Synthesis(**{**true.plain(), "teacher": str(weights)})
    alone = content(tmp_path / "1", taught, 1)
    assert content(tmp_path / "2", taught, 2) == alone
    assert content(tmp_path / "true", true, 1)[pool.DEPTH] != alone[pool.DEPTH]


def large(folder: Path, number: int) -> NDArray[np.uint8]:
    """More than a pipe holds; a file tells that it was made."""
    (folder / str(number)).touch()
    return np.full(1 << 20, number, np.uint8)


def test_no_process_runs_far_ahead_and_all_end_with_the_reader(tmp_path: Path):
    results = in_order(partial(large, tmp_path), range(100), 2)
    assert [int(next(results)[0]) for _ in range(3)] == [0, 1, 2]
    time.sleep(1)
    assert len(list(tmp_path.iterdir())) <= 3 + 2 * (AHEAD + 1)
    results.close()
    assert multiprocessing.active_children() == []


class OddError(Exception):
    """Cannot be made again from its text alone."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{what} at {where}")


def troubled(number: int) -> int:
    if number == 1005:
        raise OddError("a hole", "scene 1005")
    if number == 5:
        raise ValueError(f"scene {number} cannot be")
    if number == 15:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize(
    ("numbers", "error", "message"),
    [
        (range(8), ValueError, "^scene 5 cannot be$"),
        (range(1000, 1008), RuntimeError, "^OddError: a hole at scene 1005$"),
        (range(10, 30), ChildProcessError, r"was killed by SIGKILL.*\(--film-processes 1"),
    ],
)
def test_an_error_in_a_process_is_that_error_and_its_death_is_told(
    numbers: range, error: type[Exception], message: str
):
    with pytest.raises(error, match=message) as raised:
        list(in_order(troubled, numbers, 2))
    assert multiprocessing.active_children() == []
    if error is not ChildProcessError:
        assert "in troubled" in str(raised.value.__cause__)  # where it was raised


# Of the whole command.


def processes(column: str, of: int) -> dict[int, str]:
    """Processes and their command lines, by their group ("pgid") or parent ("ppid")."""
    said = subprocess.run(
        ["ps", "-A", "-ww", "-o", f"pid=,{column}=,stat=,args="],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    lines = [line.split(None, 3) for line in said.splitlines()]
    return {
        int(pid): arguments
        for pid, belongs, state, arguments in lines
        if int(belongs) == of and not state.startswith("Z")
    }


@pytest.fixture
def filming_run(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A command that films a large pool with two processes, in a process group of its own."""
    settings = ("sensor=tests", "validate_on=tests", "compiled=false", "pool=1_000_000")
    started = subprocess.Popen(
        [
            sys.executable, __file__, "--recipe", "depthanyevent-r-tiny", "--stage", "pretrain",
            "--out", str(tmp_path / "run"), "--device", "cpu", "--film-processes", "2",
            *[word for one in settings for word in ("--set", f"pretrain.synthetic.{one}")],
        ],
        env={
            **os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1",
            "DAE_CACHE": str(tmp_path / "cache"),
        },
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    part = f".synthetic-train-*.part{started.pid}/{pool.WINDOWS}"
    try:
        wait_for(lambda: any(path.stat().st_size for path in pools(tmp_path, part)))
        yield started
    finally:
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGKILL)
        finish(started)


def pools(tmp_path: Path, name: str) -> list[Path]:
    return list((tmp_path / "cache").glob(f"*/pools/{name}"))


def kill_a_helper(command: int) -> None:
    helpers = [pid for pid, line in processes("ppid", command).items() if "spawn_main" in line]
    assert len(helpers) == 2
    os.kill(helpers[1], signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strike", "code", "message"),
    [
        (lambda pid: os.killpg(pid, signal.SIGINT), 130, "interrupted"),  # as a terminal does
        (lambda pid: os.kill(pid, signal.SIGTERM), 130, "interrupted"),
        (kill_a_helper, 2, "was killed by SIGKILL"),
    ],
    ids=["ctrl-c", "terminated", "helper killed"],
)
def test_a_command_that_is_stopped_leaves_no_half_pool_and_no_process(
    filming_run: subprocess.Popen[str],
    tmp_path: Path,
    strike: Callable[[int], None],
    code: int,
    message: str,
):
    strike(filming_run.pid)
    [(found, _, said)] = finish(filming_run)
    assert (found, message in said, "Traceback" in said) == (code, True, False), said
    assert [path.name[:21] for path in pools(tmp_path, "*")] == ["synthetic-val-indoor-"]
    wait_for(lambda: not processes("pgid", filming_run.pid))


@pytest.mark.slow
def test_when_the_command_itself_is_killed_those_that_film_for_it_end(
    filming_run: subprocess.Popen[str],
):
    assert len(processes("pgid", filming_run.pid)) >= 3
    filming_run.kill()
    filming_run.wait()
    wait_for(lambda: not processes("pgid", filming_run.pid))


if __name__ == "__main__":
    from training.__main__ import main

    sensor.PROFILES["tests"] = sensor.SensorProfile(40, 30, moments=2)
    splits.SPLITS["tests"] = splits._sequences(9_000, ("indoor",), "tests", count=1, windows=2)
    sys.exit(main())
