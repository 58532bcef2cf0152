"""The matrix as a command: real launches, what stays, what is not measured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from test_bench_record import small_record

pytest.importorskip("onnxruntime")

from benchmarks import exports, matrix
from dae_edge.bench.record import read
from dae_edge.default_model import student_bundle
from dae_edge.student import shipped

CASE = "depthanyevent-r-tiny onnx-fp32, 1 thread"
BESIDE = f"beside the bare call: {CASE}"
QUICK = ["--threads", "1", "--windows", "2", "--launches", "1", "--no-export"]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the matrix finds one of its bundles."""
    student = shipped()
    if student is None:
        pytest.skip("no student ships with this package")
    folder = tmp_path_factory.mktemp("bench")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(exports, "BUNDLES", folder)
        path = exports.wanted(student.recipe, "onnx-fp32", student.weights).path
        student_bundle(student, "davis346", lambda step, fraction=None: None).rename(path)
        yield folder


@pytest.fixture
def result(bundles: Path, tmp_path: Path) -> Path:
    """A place for a result."""
    return tmp_path / f"{tmp_path.name}.json"


def run(result: Path, *more: str) -> None:
    assert matrix.main([*QUICK, "--json", str(result), *more]) == 0


def test_a_run_writes_its_result_and_the_next_one_replaces_its_rows_only(
    bundles: Path, result: Path, capsys: pytest.CaptureFixture[str]
):
    run(result, "--plan")
    assert not result.exists()
    assert "launches, of which 0 are kept" in capsys.readouterr().out
    run(result, "--only", CASE)
    assert str(exports.ROOT) not in result.read_text()
    assert result.with_suffix(".html").is_file()
    assert not list(bundles.glob("*.jsonl"))  # all of it is in the result
    first = {one.case.label: one for one in read(result).results}
    assert list(first) == [CASE, BESIDE]
    assert [len(launch["ends_s"]) for launch in first[CASE].launches] == [2]
    assert all(len(samples) == 2 for samples in first[BESIDE].samples("bare"))

    run(result, "--only", BESIDE, CASE.replace("fp32", "fp16"))
    record = read(result)
    second = {one.case.label: one for one in record.results}
    assert second[CASE].launches == first[CASE].launches
    assert second[BESIDE].launches != first[BESIDE].launches
    assert record.not_measured == {"depthanyevent-r-tiny onnx-fp16": "not exported"}


def test_when_time_is_over_rows_stay_and_the_same_command_goes_on(
    result: Path, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit, match="nothing could be measured"):
        run(result, "--only", BESIDE, "--minutes", "0")
    run(result, "--only", BESIDE)
    before = read(result).results
    run(result, "--only", CASE, "--minutes", "0")
    record = read(result)
    assert [one.launches for one in record.results] == [one.launches for one in before]
    assert record.not_measured == {CASE: "time was up; the same command goes on"}
    capsys.readouterr()
    run(result, "--only", CASE)
    assert f"[0/2] {CASE}; about " in capsys.readouterr().err
    assert not read(result).not_measured


def test_a_word_that_no_case_has_is_refused(result: Path):
    with pytest.raises(SystemExit, match="--only tensorrt: no case has that in its name"):
        run(result, "--only", "tensorrt")


def test_a_failed_export_says_why_and_leaves_no_bundle(tmp_path: Path):
    pytest.importorskip("torch")
    weights = tmp_path / "junk.pth"
    weights.write_bytes(b"junk")
    bundle = exports.wanted("depthanyevent-r-tiny", "onnx-fp32", weights)
    made = exports.Wanted(bundle.model, bundle.target, weights, tmp_path / "out.dae")
    assert "junk.pth" in exports.make(made)
    assert [path.name for path in tmp_path.iterdir()] == ["junk.pth"]


def test_a_result_is_written_without_the_folders_it_was_made_in(tmp_path: Path):
    record, path = small_record(), tmp_path / "result.json"
    record.not_measured = {"a": f"{tmp_path}/vits.pth: torn", "b": f"{exports.ROOT}/build/b.dae"}
    matrix.write(record, path, tmp_path / "vits.pth")
    assert read(path).not_measured == {"a": "vits.pth: torn", "b": "build/b.dae"}
