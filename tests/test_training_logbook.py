"""What a run leaves for people: tables that tell of each step once, curves, pictures, a summary."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", exc_type=ImportError)
pytest.importorskip("PIL", exc_type=ImportError)

import numpy as np
from PIL import Image
from small_training import small_recipe

from training.curve import smoothed, write_curve
from training.logbook import Logbook, read
from training.pictures import write_pictures
from training.report import Report, duration, summarise
from training.step import Outcome
from training.validation import KEPT, Frame, Verdict

SCORES = {"frames": 3.0, **{f"{p}_{key}": 0.25 for p in ("strict", "paper") for key in KEPT}}


def write_steps(out: Path, stage: str, steps: range, *, done: int = 0) -> None:
    with Logbook(out, stage, done=done) as book:
        for step in steps:
            book.step(
                step, loss=0.1 * step, lr=1e-3, grad_norm=1.0, skipped=0, samples_per_s=2.0,
                seconds=0.5 * step,
            )  # fmt: skip
            if step % 2 == 0:
                book.validation(step, Verdict({"a": SCORES, "b": SCORES}, []))


def steps_in(path: Path, stage: str) -> list[int]:
    return [int(row["step"]) for row in read(path) if row["stage"] == stage]


def test_going_on_takes_out_what_will_be_done_again(tmp_path: Path):
    write_steps(tmp_path, "first", range(1, 8))
    write_steps(tmp_path, "first", range(5, 10), done=4)
    assert steps_in(tmp_path / "log.csv", "first") == list(range(1, 10))
    assert steps_in(tmp_path / "validation.csv", "first") == [2, 2, 4, 4, 6, 6, 8, 8]


def test_other_stages_are_left_alone(tmp_path: Path):
    write_steps(tmp_path, "first", range(1, 5))
    write_steps(tmp_path, "second", range(1, 3))
    write_steps(tmp_path, "second", range(1, 2), done=0)
    assert steps_in(tmp_path / "log.csv", "first") == [1, 2, 3, 4]
    assert steps_in(tmp_path / "log.csv", "second") == [1]


def test_numbers_read_back_exactly_and_a_row_that_was_cut_off_is_left_out(tmp_path: Path):
    write_steps(tmp_path, "first", range(1, 4))
    path = tmp_path / "log.csv"
    assert [float(row["loss"]) for row in read(path)] == [0.1 * step for step in (1, 2, 3)]
    text = path.read_text()
    path.write_text(text[: text.rindex(",1.0")])
    assert steps_in(path, "first") == [1, 2]
    write_steps(tmp_path, "first", range(3, 4), done=2)
    assert steps_in(path, "first") == [1, 2, 3]


def test_curves_are_drawn_whatever_was_logged(tmp_path: Path):
    write_curve(tmp_path / "none.png", tmp_path, "first")
    with Logbook(tmp_path, "first", done=0) as book:
        nothing = {**SCORES, "strict_abs_rel": math.nan}
        book.validation(1, Verdict({"one point": SCORES, "no value": nothing}, []))
        for step, loss in enumerate((0.5, math.nan, -0.25, 0.0), 1):
            book.step(
                step, loss=loss, lr=1e-3, grad_norm=1.0, skipped=int(math.isnan(loss)),
                samples_per_s=2.0, seconds=1.0,
            )  # fmt: skip
    write_curve(tmp_path / "curve.png", tmp_path, "first")
    with Image.open(tmp_path / "curve.png") as drawn, Image.open(tmp_path / "none.png") as empty:
        assert drawn.size == empty.size
        assert drawn.tobytes() != empty.tobytes()
    assert not list(tmp_path.glob(".*"))


def test_a_long_curve_is_drawn_as_means_of_neighbours():
    points = [(float(step), float(step % 2)) for step in range(1000)]
    short = smoothed(points, most=100)
    assert len(short) == 100
    assert {value for _, value in short} == {0.5}
    assert short[-1][0] == 999
    assert smoothed([]) == []


def test_pictures_show_window_prediction_and_truth_beside_each_other(tmp_path: Path):
    truth = np.linspace(2, 30, 40 * 52, dtype=np.float32).reshape(40, 52)
    unknown = np.zeros((40, 52), np.float32)
    random = np.random.default_rng(1)
    frames = [
        Frame("bytes", random.integers(0, 256, (3, 40, 52), np.uint8), truth / 7, truth),
        Frame("floats", random.random((3, 98, 126), np.float32) * 1.2 - 0.1, truth, truth),
        Frame("voxels", random.normal(size=(5, 40, 52)).astype(np.float32), truth, truth),
        Frame("flat", np.zeros((3, 40, 52), np.uint8), np.full_like(truth, 3.0), truth),
        Frame("nan", np.zeros((3, 40, 52), np.uint8), np.full_like(truth, np.nan), truth),
        Frame("unknown", np.zeros((3, 40, 52), np.uint8), truth, unknown),
    ]
    write_pictures(tmp_path / "pictures" / "p.png", frames)
    with Image.open(tmp_path / "pictures" / "p.png") as page:
        assert page.size == (3 * 52 * 4 + 2 * 4, 6 * 160 + 5 * 4)
    write_pictures(tmp_path / "none.png", [])
    assert not (tmp_path / "none.png").exists()


class Told:
    """What a report and a summary look at in a run."""

    step, skipped, seconds, losses = 6, 0, 120.0, (0.5, 0.25)
    best, best_step, last = 0.2, 4, 0.3


def test_a_summary_keeps_the_stages_before_it(tmp_path: Path):
    recipe = small_recipe()
    run: Any = Told()
    for stage in recipe.stages:
        text = summarise(tmp_path, recipe, stage, run, tmp_path / f"{stage.name}.pth")
        assert text.startswith(f"{stage.name}: 6 steps, ")
        assert "AbsRel 0.300, best 0.200 after step 4" in text
    stages = json.loads((tmp_path / "summary.json").read_text())["stages"]
    assert list(stages) == ["first", "second"]
    assert stages["first"]["samples"] == 24
    assert stages["first"]["samples_per_s"] == 0.2
    assert stages["first"]["last_loss"] == 0.25


def test_a_summary_without_validation_has_no_numbers_that_json_lacks(tmp_path: Path):
    recipe = small_recipe()
    run: Any = Told()
    run.best, run.best_step, run.last, run.losses = math.inf, 0, math.nan, ()
    text = summarise(tmp_path, recipe, recipe.stages[0], run, tmp_path / "w.pth")
    assert "AbsRel" not in text
    content = (tmp_path / "summary.json").read_text()
    assert "NaN" not in content
    assert "Infinity" not in content


def test_a_report_says_what_was_judged_and_only_the_first_process_speaks(
    capsys: pytest.CaptureFixture[str],
):
    stage = small_recipe().stages[0]
    run: Any = Told()
    for quiet in (True, False):
        with Report(stage, run, quiet=quiet) as report:
            report.step(Outcome(0.5, 1.0, 1e-3, False, False), 2.0)
            report.validation(Verdict({"a": SCORES}, []))
        said = capsys.readouterr().err
        assert bool(said) != quiet
    assert said == "first 6/6: a: AbsRel 0.250 (paper's protocol 0.250), delta1 0.250\n"


def test_a_run_elsewhere_than_on_a_terminal_gives_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("training.report.LINE_EVERY_S", -1.0)
    run: Any = Told()
    run.step = 2
    with Report(small_recipe().stages[0], run, quiet=False) as report:
        report.step(Outcome(0.5, 1.0, 1e-3, False, False), 2.0)
        report.step(Outcome(math.nan, 1.0, 1e-3, True, False), 2.0)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["first 2/6: loss 0.5, 2 samples/s, 8 s left"] * 2


def test_times_are_said_as_people_say_them():
    assert [duration(s) for s in (0, 59.4, 60, 3599, 3660, math.inf)] == [
        "0 s", "59 s", "1 min", "59 min", "1 h 01 min", "?",
    ]  # fmt: skip
