"""The command: what a run leaves, what is done already, what it says when it cannot."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", exc_type=ImportError)
pytest.importorskip("PIL", exc_type=ImportError)
pytest.importorskip("safetensors", exc_type=ImportError)

from small_training import ROOT, open_toy_clips, rows, write_recipe

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


def test_all_stages_are_trained_and_the_next_command_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "run"
    assert train(out, "--device", "cpu") == 0
    said = capsys.readouterr()
    assert steps(out) == [1, 2, 3, 4, 5, 6]
    assert steps(out, "second") == [1, 2]
    judged = [(row["stage"], row["step"], row["sequence"]) for row in rows(out / "validation.csv")]
    assert judged == [
        ("first", "4", "a"), ("first", "4", "b"), ("first", "6", "a"), ("first", "6", "b"),
        ("second", "2", "a"), ("second", "2", "b"),
    ]  # fmt: skip
    for name in ("first", "first-best", "second", "second-best"):
        assert (out / f"{name}.safetensors").is_file()
    for name in ("curve.png", "pictures/first-000004.png", "pictures/second-000002.png"):
        assert (out / name).is_file()
    assert list(json.loads((out / "summary.json").read_text())["stages"]) == ["first", "second"]
    (command,) = re.findall(r"^next: (.*)$", said.out, re.MULTILINE)
    name, *words = shlex.split(command)
    assert name == "dae-export"
    assert words[-2:] == ["--weights", str(out / "second.safetensors")]
    assert not list(out.rglob(".*"))  # nothing half written is left

    assert train(out, "--device", "cpu") == 0  # the same command again
    said = capsys.readouterr()
    assert "first: done already, weights in " in said.out
    assert "second: done already, weights in " in said.out
    assert steps(out) == [1, 2, 3, 4, 5, 6]


def test_other_settings_are_refused_until_it_begins_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "run"
    assert train(out, *STAGE, *settings("steps=2")) == 0
    assert train(out, *STAGE, *settings("steps=2", "lr=1e-4")) == 2
    said = capsys.readouterr().err
    assert re.search(r"last\.pt: this run began with other settings \(lr was 0\.001, got", said)
    assert train(out, *STAGE, *settings("steps=1"), "--fresh") == 0
    assert steps(out) == [1]


def test_weights_of_an_earlier_run_do_not_pass_for_those_of_one_that_only_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    out, short = tmp_path / "run", settings("steps=4", "validate_every=0")
    assert train(out, "--device", "cpu", *short) == 0
    trouble(monkeypatch, "terminate:0")
    assert train(out, "--device", "cpu", *short, "--fresh") == 0
    assert "first: stopped after step" in capsys.readouterr().out
    trouble(monkeypatch, "")
    assert train(out, "--device", "cpu", *short) == 0
    said = capsys.readouterr().out
    assert "done already" not in said
    assert "second: 2 steps" in said  # which starts from other weights now


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stage", "frist"], "small: no stage 'frist': did you mean 'first'?"),
        (["--set", "first.lr=fast"], "lr: got 'fast', wanted a number above 0"),
        (["--set", "first.amp=fp16"], "amp: got 'fp16' on the CPU, wanted 'off' or 'bf16'"),
        (["--threads", "0"], "--threads: got 0, wanted at least 1"),
        (["--film-processes", "0"], "--film-processes: got 0, wanted at least 1"),
        (["--stage", "second"], "starts from the weights of 'first', and there is no"),
        (["--set", "first.init=lost.pth"], "lost.pth: no such file of weights"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert train(tmp_path / "run", "--device", "cpu", *arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith("python -m training: error: ")
    assert said.count("\n") == 1


def test_weights_to_start_from_are_also_looked_for_where_the_datasets_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "run"
    assert train(out, *STAGE, *settings("steps=1")) == 0
    (out / "first.safetensors").rename(tmp_path / "start.safetensors")
    other = ["--set", "second.init=start.safetensors", "--stage", "second"]
    assert train(tmp_path / "other", "--device", "cpu", "--root", str(tmp_path), *other) == 0
    assert "second: 2 steps" in capsys.readouterr().out


OTHERS = "h5py hdf5plugin ruamel onnx onnxscript onnxruntime openvino av pygame hypothesis"

BLOCKED = f"""
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {OTHERS.split()!r}:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Block())
import training.__main__, training.clips, training.dataset_pool, training.curve, training.pictures
"""


def test_training_needs_nothing_but_what_its_extra_brings():
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (extra,) = re.findall(r"^training = (.*)$", pyproject, re.MULTILINE)
    assert re.findall(r'"([a-z]+)>', extra) == ["torch", "safetensors", "pillow", "tqdm"]
