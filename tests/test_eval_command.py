"""dae-eval as it is typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_dataset import Drives

from dae_edge import datasets
from dae_edge.cli import command
from dae_edge.cli import eval as eval_command
from dae_edge.evaluation.record import read

FLOOR = ["constant", "--dataset", "synthetic"]


@pytest.fixture(autouse=True)
def drives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(datasets.DATASETS, "drives", Drives)


def without_times(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    for entry in content["sequences"].values():
        del entry["seconds"]
    del content["command"]
    return content


def test_the_floor_on_the_synthetic_dataset_needs_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "floor.json"
    assert eval_command.main([*FLOOR, "--json", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "constant (numpy) on synthetic, split test" in printed
    assert (
        "frames without a value, which no mean sees: 20" in printed
    )  # the paper's protocol has none for a constant
    assert f"written  {file}" in printed
    content = json.loads(file.read_text())
    assert content["command"] == ["dae-eval", *FLOOR, "--json", str(file)]
    assert content["machine"]["cores"]
    assert set(content["versions"]) >= {"dae-edge", "python", "onnxruntime"}
    # the mean depth of each frame of the shipped recording: a change means that the data changed
    found = read(file).reports()["strict"].mean_of_sequences
    assert found["abs_rel"] == pytest.approx(0.3697, abs=1e-4)
    assert found["rmse"] == pytest.approx(1.9987, abs=1e-4)


@pytest.mark.slow
def test_an_untrained_network_is_judged_and_called_untrained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    pytest.importorskip("torch")
    arguments = ["untrained", "--model", "depthanyevent-r-tiny", "--dataset", "synthetic"]
    arguments += ["--limit", "3", "--threads", "1", "--sheet", str(tmp_path / "sheet.png")]
    assert eval_command.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "note: untrained weights: the depth has no meaning" in printed
    assert "note: only the first 3 samples of each sequence were judged" in printed
    assert (tmp_path / "sheet.png").stat().st_size > 10_000


def test_a_bundle_is_judged_in_its_engine(
    tmp_path: Path, small_bundle: Path, capsys: pytest.CaptureFixture[str]
):
    file, sheet = tmp_path / "result.json", tmp_path / "sheet.html"
    arguments = [str(small_bundle), "--dataset", "drives", "--root", str(tmp_path)]
    arguments += ["--json", str(file), "--sheet", str(sheet), "--threads", "1"]
    assert eval_command.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "small ov-fp16 (openvino" in printed
    assert "note: untrained weights" in printed
    assert printed.count("<- worst") == 2
    assert "where the depth before stayed: 1" in printed
    assert sheet.read_text().count("<figure>") == 9
    judged = read(file).judged
    assert (judged.kind, judged.target, judged.path) == ("bundle", "ov-fp16", str(small_bundle))


def test_after_an_interruption_the_rest_gives_what_a_whole_run_gives(
    tmp_path: Path, small_bundle: Path, capsys: pytest.CaptureFixture[str]
):
    whole, part = tmp_path / "whole.json", tmp_path / "part.json"
    arguments = [str(small_bundle), "--dataset", "drives", "--root", str(tmp_path)]
    arguments += ["--backend", "onnxruntime", "--threads", "1"]
    assert eval_command.main([*arguments, "--json", str(whole)]) == 0
    (tmp_path / "interrupt_bridge").touch()
    assert eval_command.main([*arguments, "--json", str(part)]) == command.INTERRUPTED
    assert f"after 1 of 3 sequences: go on with --resume {part}" in capsys.readouterr().err
    assert list(read(part).sequences) == ["avenue"]
    (tmp_path / "interrupt_bridge").unlink()
    (tmp_path / "damaged_avenue").touch()  # it must not be read again
    assert eval_command.main([*arguments, "--resume", str(part)]) == 0
    assert without_times(part) == without_times(whole)


def test_a_dataset_that_breaks_off_keeps_what_was_finished(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "damaged_canal").touch()
    file = tmp_path / "part.json"
    arguments = ["constant", "--dataset", "drives", "--root", str(tmp_path), "--json", str(file)]
    assert eval_command.main(arguments) == command.BAD_INPUT
    assert "damaged" in capsys.readouterr().err
    assert list(read(file).sequences) == ["avenue", "bridge"]


def test_sequences_are_judged_in_official_order_whatever_order_they_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    arguments = ["constant", "--dataset", "drives", "--root", str(tmp_path), "--protocol", "strict"]
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    for file, names in ((one, "canal,avenue"), (other, "avenue, canal")):
        assert eval_command.main([*arguments, "--sequences", names, "--json", str(file)]) == 0
    assert without_times(one) == without_times(other)
    printed = capsys.readouterr().out
    assert "note: 1 of 3 sequences were not judged: bridge" in printed
    assert "with all that it forgives" not in printed


def test_a_finished_result_gives_a_sheet_without_judging_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file, sheet = tmp_path / "floor.json", tmp_path / "sheet.png"
    assert eval_command.main([*FLOOR, "--json", str(file)]) == 0
    before = without_times(file)
    assert eval_command.main([*FLOOR, "--resume", str(file), "--sheet", str(sheet)]) == 0
    assert without_times(file) == before
    assert sheet.stat().st_size > 10_000
    assert f"written  {sheet}" in capsys.readouterr().out


def test_check_says_what_is_missing_of_a_dataset(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert eval_command.main(["--dataset", "synthetic", "--check"]) == 0
    assert "synthetic test: all 1 sequences are there" in capsys.readouterr().out
    arguments = ["--dataset", "dsec", "--root", str(tmp_path), "--check"]
    assert eval_command.main(arguments) == command.BAD_INPUT
    assert len(capsys.readouterr().out.splitlines()) == 10


def test_the_tables_of_the_paper_say_what_is_not_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert eval_command.main([*FLOOR, "--json", str(tmp_path / "floor.json")]) == 0
    capsys.readouterr()
    assert eval_command.main(["--table", "paper", "--results", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert printed.out.count("not measured") == 21
    assert "floor.json: synthetic test is not in the tables" in printed.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["constant"], "no --dataset given: dsec, mvsec"),
        (["--dataset", "synthetic"], "nothing to judge"),
        (["student", "--dataset", "synthetic"], "no student ships with this package"),
        (["constant", "--dataset", "kitti"], "no dataset 'kitti', only 'dsec'"),
        (["constant", "--dataset", "dsec"], "dsec is not part of the package"),
        (["constant", "--dataset", "dsec", "--root", "nowhere"], "nowhere: no such folder"),
        ([*FLOOR, "--split", "trian"], "synthetic has no split 'trian'"),
        ([*FLOOR, "--sequences", "sampel"], "did you mean 'sample'?"),
        ([*FLOOR, "--protocol", "strickt"], "did you mean 'strict'?"),
        ([*FLOOR, "--limit", "0"], "--limit must be at least 1"),
        ([*FLOOR, "--no-align"], "'constant' has no depth of its own"),
        ([*FLOOR, "--json", "nowhere/result.json"], "no such folder to write it to"),
        ([*FLOOR, "--sheet", "sheet.gif"], "a sheet is .html or .png"),
        ([*FLOOR, "--resume", "nowhere.json"], "nowhere.json: no such file"),
        (["student.onnx", "--dataset", "synthetic"], "no such bundle or weights"),
        (["--table", "ours"], "no table 'ours', only 'paper'"),
        (["--table", "paper", "--results", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_wrong_input_gives_one_line_and_exit_code_2(
    arguments: list[str], message: str, no_student: None, capsys: pytest.CaptureFixture[str]
):
    assert eval_command.main(arguments) == command.BAD_INPUT
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert message in told[0]


def test_a_bundle_for_another_sensor_names_the_command_to_type(
    small_bundle: Path, capsys: pytest.CaptureFixture[str]
):
    assert eval_command.main([str(small_bundle), "--dataset", "synthetic"]) == command.BAD_INPUT
    told = capsys.readouterr().err
    wanted = "dae-export --target ov-fp16 --model small --weights seeded --sensor davis346"
    assert wanted in told


def test_help_names_every_dataset(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="0"):
        eval_command.main(["--help"])
    printed = " ".join(capsys.readouterr().out.split())
    for name in datasets.DATASETS:
        assert name in printed
