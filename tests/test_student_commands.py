"""The commands with a student in the package: it is the default, and needs no torch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_dataset import Drives
from students import cached, nothing, rewrite_about, start

for package in ("torch", "onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(package)

import dae_edge as dae
from dae_edge import bundle, datasets
from dae_edge.cli import eval as eval_command
from dae_edge.cli import export
from dae_edge.default_model import default_bundle, student_bundle
from dae_edge.evaluation.record import read
from dae_edge.student import Student

# ---- Without torch, at once, without space -------------------------------------------------------

COMMAND = """
import importlib
command = importlib.import_module("dae_edge.cli." + sys.argv[2])
code = command.main(sys.argv[3:])
assert not {"torch", "onnx", "onnxscript"} & set(sys.modules)
sys.exit(code)
"""


def test_the_demo_and_the_evaluation_need_no_torch_and_mean_something(
    shipped: Student, tmp_path: Path
) -> None:
    pytest.importorskip("av")
    for arguments in (
        ["run", "--demo", "--limit", "3", "--out", str(tmp_path / "demo")],
        ["eval", "student", "--dataset", "synthetic", "--limit", "3"],
        ["eval", "--dataset", "synthetic", "--limit", "3"],
        ["info"],
    ):
        process = start(shipped.folder, tmp_path / "cache", COMMAND, *arguments)
        printed, errors = process.communicate()
        assert process.returncode == 0, errors
        assert "untrained" not in (printed + errors).lower()
        assert "depthanyevent-r-tiny" in printed
    summary = json.loads((tmp_path / "demo" / "summary.json").read_text())
    assert (summary["model"]["trained"], summary["model"]["unit"]) == (True, "relative depth")
    assert len(cached(tmp_path)) == 1


def test_for_another_sensor_it_says_what_to_install(shipped: Student, tmp_path: Path) -> None:
    code = """
from dae_edge.default_model import default_bundle
default_bundle((320, 200), print)
"""
    _, errors = start(shipped.folder, tmp_path / "cache", code).communicate()
    assert errors.splitlines()[-1].endswith(
        "making the default model for a 320x200 sensor (ready are 112x84, davis346) needs "
        "'torch': pip install 'dae-edge[export]'"
    )


def test_many_processes_can_meet_it_first_at_once(shipped: Student, tmp_path: Path) -> None:
    code = """
import time
import dae_edge as dae
from dae_edge.default_model import default_bundle
print("ready", flush=True)
while not Path(sys.argv[2]).exists():
    time.sleep(0.001)
print(dae.load(default_bundle((112, 84), lambda *step: None), threads=1).unit)
"""
    begin = tmp_path / "begin"
    processes = [start(shipped.folder, tmp_path / "cache", code, str(begin)) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    begin.touch()
    results = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, results
    assert all(printed == "relative depth\n" for printed, _ in results)
    (name,) = cached(tmp_path)
    assert name.endswith("-112x84-onnx-fp32.dae")


def test_a_full_disk_leaves_nothing_and_names_the_way_out(shipped: Student, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    limit = 10 * 1 << 20
    code = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {resource.RLIM_INFINITY}))
from dae_edge.default_model import default_bundle
default_bundle((112, 84), lambda *step: None)
"""
    _, errors = start(shipped.folder, tmp_path / "cache", code).communicate()
    line = errors.splitlines()[-1]
    assert "cannot be written: " in line
    assert line.endswith("($DAE_CACHE can name another folder)")
    assert cached(tmp_path) == []


def test_a_cache_that_cannot_be_written_is_told_but_one_that_is_there_is_used(
    shipped: Student, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = default_bundle((112, 84), nothing)
    for folder in (path, path.parent):
        folder.chmod(0o555)
    try:
        assert default_bundle((112, 84), nothing) == path
        dae.load(path, threads=1)
    finally:
        for folder in (path, path.parent):
            folder.chmod(0o755)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DAE_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError, match=r"\(\$DAE_CACHE can name another folder\)"):
        student_bundle(shipped, "112x84", nothing)


# ---- The commands --------------------------------------------------------------------------------


@pytest.mark.slow
def test_another_sensor_gets_the_same_weights_and_keeps_its_bundle(
    shipped: Student, tmp_path: Path
) -> None:
    told: list[str] = []
    path = default_bundle((120, 90), lambda step, fraction=None: told.append(step))
    assert told[0] == f"first use with a 120x90 sensor: exporting {path}"
    model = dae.load(path, threads=1)
    assert (model.sensor, model.trained, model.unit) == ((120, 90), True, "relative depth")
    assert model.bundle.manifest["weights"]["sha256"] == shipped.sha256
    assert default_bundle((120, 90), lambda *step: pytest.fail(f"again: {step}")) == path
    assert cached(tmp_path) == [path.name]
    assert shipped.digest[:12] in path.name


@pytest.mark.slow
@pytest.mark.usefixtures("one_trace")
def test_an_export_takes_the_student_unless_told_otherwise(
    shipped: Student, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for target, more, trained in (
        ("ov-fp16", [], True),
        ("onnx-fp32", ["--weights", "student"], True),
        ("onnx-fp32", ["--model", shipped.recipe], True),
        ("onnx-fp32", ["--model", shipped.recipe, "--weights", "seeded"], False),
    ):
        arguments = ["--target", target, "--sensor", "112x84", "--out", str(tmp_path), *more]
        assert export.main(arguments) == 0
        path = tmp_path / f"depthanyevent-r-tiny-112x84-{target}.dae"
        weights = bundle.read(path).manifest["weights"]
        assert weights["trained"] is trained
        assert (weights["sha256"] == shipped.sha256) is trained
        assert ("Untrained weights" in capsys.readouterr().out) is not trained


def test_the_student_under_another_model_s_name_is_refused(
    shipped: Student, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--target", "onnx-fp32", "--weights", "student", "--model", "depthanyevent"]
    assert export.main(arguments) == 2
    assert "the student is a depthanyevent-r-tiny" in capsys.readouterr().err


def test_a_dataset_of_a_sensor_without_a_graph_is_judged_in_torch(
    shipped: Student,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(datasets.DATASETS, "drives", Drives)
    arguments = ["student", "--dataset", "drives", "--root", str(tmp_path), "--limit", "2"]
    assert eval_command.main(arguments) == 0
    assert "depthanyevent-r-tiny onnx-fp32 (onnxruntime" in capsys.readouterr().out
    rewrite_about(shipped, profiles=["davis346"])
    assert eval_command.main([*arguments, "--json", str(tmp_path / "result.json")]) == 0
    assert "depthanyevent-r-tiny (torch" in capsys.readouterr().out
    judged = read(tmp_path / "result.json").judged
    assert (judged.kind, judged.sha256) == ("weights", shipped.sha256)
    assert judged.unit == "relative depth"


@pytest.mark.parametrize("option", [["--model", "depthanyevent"], ["--config", "c.json"]])
def test_the_student_brings_its_own_model_and_configuration(
    shipped: Student, option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert eval_command.main(["student", "--dataset", "synthetic", *option]) == 2
    assert f"{option[0]} goes with weights, not with 'student'" in capsys.readouterr().err


def test_a_student_for_another_sensor_names_the_command_without_a_file(
    shipped: Student, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = default_bundle((112, 84), nothing)
    assert eval_command.main([str(path), "--dataset", "synthetic"]) == 2
    wanted = "--model depthanyevent-r-tiny --weights student --sensor davis346"
    assert wanted in capsys.readouterr().err
