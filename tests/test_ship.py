"""training.ship: what is too large, does not fit or is no student is not shipped."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from students import nothing, ship_student, write_checkpoint

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

from dae_edge import bundle, student
from dae_edge.errors import BudgetError, ContractError
from dae_edge.nn.checkpoint import read_checkpoint
from dae_edge.recipes import Recipe
from dae_edge.student import Student
from training import external, ship


def test_shipping_again_replaces_the_older_student_and_leaves_nothing_else(
    tmp_path: Path, small_recipe: Recipe
) -> None:
    out = tmp_path / "data" / "student"
    out.parent.mkdir()
    first = ship_student(out, small_recipe, sensors=[])
    (out / "stray").write_text("of the older one")
    again = ship_student(out, small_recipe, sensors=[], licence="CC0-1.0")
    assert again.sha256 == first.sha256
    assert (first.about["licence"], again.about["licence"]) == ("Apache-2.0", "CC0-1.0")
    assert sorted(os.listdir(out)) == ["student.json", "weights.npz"]
    assert sorted(os.listdir(out.parent)) == ["student", "trained.pth"]


def test_a_student_that_is_too_large_is_not_shipped_and_the_older_one_stays(
    tmp_path: Path, small_recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "student"
    older = ship_student(out, small_recipe, sensors=[], licence="CC0-1.0")
    monkeypatch.setattr(ship, "MOST_BYTES", 50_000)
    with pytest.raises(BudgetError, match=r"too large: all of it .* bytes, at most 50,000"):
        ship_student(out, small_recipe, sensors=[])
    assert student.read(out).about == older.about
    assert sorted(os.listdir(tmp_path)) == ["student", "trained.pth"]


def test_graphs_that_are_too_large_are_not_shipped(
    small_student: Student, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship.check_size(small_student.folder)
    monkeypatch.setattr(ship, "MOST_GRAPH_BYTES", 50_000)
    with pytest.raises(BudgetError, match=r"too large: the graphs .* bytes, at most 50,000"):
        ship.check_size(small_student.folder)


def test_what_is_no_student_is_not_replaced(tmp_path: Path, small_recipe: Recipe) -> None:
    (tmp_path / "student").mkdir()
    (tmp_path / "student" / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="exists and is not a student"):
        ship_student(tmp_path / "student", small_recipe, sensors=[])
    assert (tmp_path / "student" / "thesis.txt").read_text() == "years of work"


def test_weights_of_another_model_are_not_shipped(tmp_path: Path, small_recipe: Recipe) -> None:
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "trained.pth", small_recipe))
    for settings, words in (
        ({**small_recipe.model, "encoder": "small"}, "the weights are ViT-Ti"),
        ({"architecture": "e2depth"}, "a student is a DepthAnyEvent"),
    ):
        with pytest.raises(ContractError, match=words):
            ship.ship(
                checkpoint,
                replace(small_recipe, model=settings),
                [],
                tmp_path / "student",
                licence="",
                training={},
                card=None,
                progress=nothing,
            )
    assert os.listdir(tmp_path) == ["trained.pth"]


def test_what_is_not_a_weight_to_the_last_bit_stays_inside(
    small_student: Student, tmp_path: Path
) -> None:
    whole, out = tmp_path / "whole.dae", tmp_path / "out"
    whole.mkdir()
    small_student.unpack("112x84", whole)
    weights = dict(small_student.read_weights())
    key = "depth_head.scratch.output_conv1.weight"
    weights[key] = np.nextafter(weights[key], np.float32(1))
    external.take_weights_out(whole, weights, out)
    assert "weights.bin" in bundle.read(out).manifest["files"]
    grown = (out / "model.onnx").stat().st_size - (whole / "model.onnx").stat().st_size
    assert weights[key].nbytes - 100 < grown < weights[key].nbytes + 100


def test_one_command_ships_every_profile(
    tmp_path: Path,
    small_recipe: Recipe,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(ship.recipes, "load_recipe", lambda name: replace(small_recipe, name=name))
    monkeypatch.setattr(ship.recipes, "sensor_names", lambda: ["112x84"])
    (tmp_path / "card.md").write_text("# A card\n![best and worst](sheet.png)\n")
    stages = {"synthetic": {"samples": 1000, "weights": "/home/me/student.safetensors"}}
    (tmp_path / "run.json").write_text(json.dumps({"recipe": "tiny", "stages": stages}))
    weights = write_checkpoint(tmp_path / "trained.pth", small_recipe)
    arguments = ["--weights", weights, "--card", tmp_path / "card.md"]
    arguments += ["--training", tmp_path / "run.json", "--commit", "0123abc"]
    arguments += ["--out", tmp_path / "student"]
    assert ship.main([str(argument) for argument in arguments]) == 0
    found = student.read(tmp_path / "student")
    stages = {"synthetic": {"samples": 1000}}
    assert found.about["training"] == {"recipe": "tiny", "stages": stages, "commit": "0123abc"}
    assert found.about["source_sha256"] == bundle.sha256_of(weights)
    assert (found.folder / "card.md").read_text() == "# A card\n"
    assert found.profiles == ["112x84"]
    printed = capsys.readouterr().out
    assert "112x84/model.onnx" in printed
    assert f"{found.recipe} {found.sha256[:16]}, relative depth" in printed


def test_a_missing_file_gives_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(tmp_path / "missing.pth")
    assert ship.main(["--weights", missing, "--out", str(tmp_path / "student")]) == 2
    assert "missing.pth" in capsys.readouterr().err
    assert os.listdir(tmp_path) == []
