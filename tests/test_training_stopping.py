"""Stopping: asked to, by the clock, without a finite loss, without memory; and going on."""

from __future__ import annotations

import re
import shlex
import signal
import time
from pathlib import Path

import pytest

pytest.importorskip("torch", exc_type=ImportError)
pytest.importorskip("PIL", exc_type=ImportError)
pytest.importorskip("safetensors", exc_type=ImportError)

from small_training import finish, open_toy_clips, rows, start, wait_for, write_recipe

from training import checkpoints
from training.__main__ import main

STAGE = ("--stage", "first", "--device", "cpu")


def train(out: Path, *arguments: str) -> int:
    words = ["--recipe", write_recipe(out.parent), "--out", str(out), *arguments]
    return main(words, open_clips=open_toy_clips)


def settings(*of_first: str) -> list[str]:
    return [word for one in of_first for word in ("--set", f"first.{one}")]


def steps(out: Path, stage: str = "first") -> list[int]:
    return [int(row["step"]) for row in rows(out / "log.csv") if row["stage"] == stage]


def trouble(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setenv("TRAINING_TROUBLE", what)


def test_ctrl_c_finishes_the_step_keeps_all_of_it_and_says_how_to_go_on(tmp_path: Path):
    out, rare = tmp_path / "run", settings("steps=12", "checkpoint_every=100", "validate_every=0")
    words = ["--recipe", write_recipe(tmp_path), "--out", str(out), *STAGE, *rare, "--fresh"]
    process = start(words, trouble="slow:0.5")
    wait_for(lambda: len(steps(out)) >= 2 or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    ((code, said, errors),) = finish(process)
    assert code == 0, errors
    done = steps(out)
    assert 2 <= len(done) < 12
    assert f"first: stopped after step {done[-1]} of 12, all of it is kept" in said
    (command,) = re.findall(r"^to go on: python -m training (.*)$", said, re.MULTILINE)
    assert shlex.split(command) == words[:-1]  # without --fresh
    assert not (out / "first.safetensors").exists()
    assert main(shlex.split(command), open_clips=open_toy_clips) == 0
    assert steps(out) == list(range(1, 13))
    assert (out / "first.safetensors").is_file()


def test_a_polite_request_to_end_stops_as_ctrl_c_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    trouble(monkeypatch, "terminate:3")
    before = signal.getsignal(signal.SIGTERM)
    out = tmp_path / "run"
    assert train(out, "--device", "cpu") == 0
    said = capsys.readouterr().out
    assert re.search(r"first: stopped after step [1-4] of 6", said)
    assert "second" not in said
    assert signal.getsignal(signal.SIGTERM) is before
    trouble(monkeypatch, "")
    assert train(out, "--device", "cpu") == 0
    assert steps(out) == [1, 2, 3, 4, 5, 6]
    assert steps(out, "second") == [1, 2]


def test_it_stops_by_itself_after_some_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    trouble(monkeypatch, "slow:0.4")
    out = tmp_path / "run"
    began = time.monotonic()
    long = settings("steps=1000", "validate_every=0")
    assert train(out, *STAGE, "--minutes", "0.03", *long) == 0
    assert time.monotonic() - began > 0.03 * 60
    done = steps(out)
    assert 1 <= len(done) < 100
    assert checkpoints.read(out / "first" / "last.pt")["step"] == done[-1]
    assert "to go on: python -m training --recipe " in capsys.readouterr().out


def test_a_step_that_is_not_finite_is_skipped_and_ten_in_a_row_end_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    long = settings("steps=13", "validate_every=0", "checkpoint_every=2")
    trouble(monkeypatch, "nan:3")
    out = tmp_path / "run"
    assert train(out, *STAGE, *long) == 1
    said = capsys.readouterr().err
    assert "loss or gradient was not finite in 10 steps in a row, up to step 13" in said
    assert "lower lr (now 0.001)" in said
    assert "the last good checkpoint is kept" in said
    skipped = [int(row["step"]) for row in rows(out / "log.csv") if row["skipped"] == "1"]
    assert skipped == list(range(4, 14))
    kept = checkpoints.read(out / "first" / "last.pt")
    assert (kept["step"], kept["skipped"]) == (2, 0)
    assert all(value.isfinite().all() for value in kept["model"].values())
    trouble(monkeypatch, "")
    assert train(out, *STAGE, *long) == 0
    assert steps(out) == list(range(1, 14))
    assert all(row["skipped"] == "0" for row in rows(out / "log.csv"))


def test_too_little_memory_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    trouble(monkeypatch, "memory:3")
    out = tmp_path / "run"
    assert train(out, *STAGE) == 1
    said = capsys.readouterr().err
    assert "out of memory with batch 2, clip 2, images of 84 x 70 pixels" in said
    for advice in ("--set first.batch=", "--set model_settings.input_width=", "first.amp=bf16"):
        assert advice in said
    assert "Traceback" not in said
    assert checkpoints.read(out / "first" / "last.pt")["step"] == 2
