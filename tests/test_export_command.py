"""dae-export as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from dae_edge import bundle, recipes
from dae_edge.cli import export, run
from dae_edge.default_model import default_bundle
from dae_edge.sample import SAMPLE


@pytest.mark.slow
@pytest.mark.usefixtures("one_trace")
def test_without_a_student_the_default_model_is_made_on_first_use_and_then_kept(
    no_student: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DAE_CACHE", str(tmp_path / "cache"))
    told: list[str] = []
    path = default_bundle((346, 260), lambda step, fraction=None: told.append(step))
    assert "exporting" in told[0]
    assert default_bundle((346, 260), lambda *step: pytest.fail(f"made again: {step}")) == path
    (path / "model.onnx").write_bytes(b"damaged")
    assert default_bundle((346, 260), lambda step, fraction=None: told.append(step)) == path
    assert bundle.read(path).verify() is None
    # the demo runs on it: the shipped recording, a video, pictures and numbers
    assert run.main(["--demo", "--out", str(tmp_path / "demo"), "--limit", "4"]) == 0
    assert run.main(["--demo", "--out", str(tmp_path / "demo"), "--limit", "3"]) == 0  # again
    assert len(list((tmp_path / "demo" / "frames").glob("*.png"))) == 3
    assert (tmp_path / "demo" / "depth.mp4").stat().st_size > 1000
    assert json.loads((tmp_path / "demo" / "summary.json").read_text())["windows"] == 3
    assert str(SAMPLE) in capsys.readouterr().out


@pytest.mark.slow
def test_a_bundle_gets_a_name_of_its_own_in_the_folder_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--target", "ov-fp16", "--model", "depthanyevent-r-tiny", "--sensor", "genx320"]
    arguments += ["--weights", "seeded"]
    arguments += ["--out", str(tmp_path), "--json", str(tmp_path / "report.json")]
    assert export.main(arguments) == 0
    path = tmp_path / "depthanyevent-r-tiny-genx320-ov-fp16.dae"
    assert bundle.read(path).contract.sensor == (320, 320)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["passed"]
    assert [len(parity["windows"]) for parity in report["parity"]] == [24, 24]
    printed = capsys.readouterr()
    assert "Untrained weights" in printed.out
    assert f"next: dae-run RECORDING --model {path}" in printed.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "onnx-fp23"], "did you mean 'onnx-fp32'?"),
        (
            ["--target", "onnx-fp32", "--model", "depthanyevent_r"],
            "did you mean 'depthanyevent-r'?",
        ),
        (["--target", "onnx-fp32", "--sensor", "davis347"], "did you mean 'davis346'?"),
        (["--target", "onnx-fp32", "--weights", "missing.pth"], "no such file: missing.pth"),
        (["--target", "onnx-fp32", "--weights", "student"], "no student ships with this package"),
    ],
)
def test_a_wrong_name_gives_one_line_with_a_hint_and_exit_code_2(
    arguments: list[str], message: str, no_student: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export.main(arguments) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert message in told[0]


def test_help_names_every_target_model_and_sensor(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        export.main(["--help"])
    printed = " ".join(capsys.readouterr().out.split())
    for name in [*recipes.target_names(), *recipes.recipe_names(), *recipes.sensor_names()]:
        assert name in printed
