"""dae-bench: real runs of the shipped student, wrong input, disturbances."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from standin_sysfs import AMD, INTEL, ORIN_NANO, change, write_tree
from test_bench_record import small_record

from dae_edge.bench.record import read
from dae_edge.cli import bench, command
from dae_edge.default_model import student_bundle
from dae_edge.student import shipped

ROOT = Path(__file__).resolve().parent.parent
QUICK = ["--threads", "1", "--windows", "9", "--launches", "1"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The shipped student for a DAVIS346."""
    pytest.importorskip("onnxruntime")
    student = shipped()
    if student is None:
        pytest.skip("no student ships with this package")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield str(student_bundle(student, "davis346", lambda step, fraction=None: None))


def test_a_run_gives_every_output_and_exit_code_1_if_unstable(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    names = ("json", "markdown", "csv", "html")
    outputs = [word for name in names for word in (f"--{name}", str(tmp_path / f"out.{name}"))]
    code = bench.main([bundle, "--threads", "1", "--windows", "32", "--launches", "2", *outputs])
    printed = capsys.readouterr().out
    record = read(tmp_path / "out.json")
    assert code == (0 if record.stable else command.PROMISE_NOT_MET)
    assert ("unstable" in printed) == (not record.stable)
    (result,) = record.results
    assert result.case.label == "depthanyevent-r-tiny onnx-fp32, 1 thread"
    assert result.summary["total"]["windows"] == 32
    stages = [result.summary[stage]["mean"] for stage in ("encode", "infer", "post")]
    assert sum(stages) == pytest.approx(result.summary["total"]["mean"], rel=0.01)
    launch = result.launches[0]
    assert 50 < launch["load_ms"] < launch["cold_start_ms"] < 60_000
    assert launch["memory"]["peak_mb"] > launch["memory"]["before_mb"] > 10
    assert result.about["states_bytes"] == 285_952
    assert result.about["accuracy"]["abs_rel"] < 0.3
    assert result.about["placement"]["devices"] == ["CPU"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"out.{n}" for n in names)
    for name in names:
        assert f"written  {tmp_path / f'out.{name}'}" in printed


def test_in_real_time_windows_are_counted(bundle: str, tmp_path: Path):
    file = tmp_path / "out.json"
    arguments = [bundle, "--threads", "1", "--windows", "10", "--launches", "2"]
    assert bench.main([*arguments, "--realtime", "--json", str(file)]) in (0, 1)
    (result,) = read(file).results
    assert result.realtime is not None
    assert result.realtime["due"] == 10  # five in each launch
    assert len(result.samples()) == 2
    computed = sum(map(len, result.samples()))
    assert computed + result.realtime["dropped"] == pytest.approx(10, abs=2)


def test_all_combinations_are_run_in_turns(bundle: str, tmp_path: Path):
    file = tmp_path / "out.json"
    arguments = [bundle, *QUICK, "--hop-us", "10000,25000", "--pin", "auto", "--json", str(file)]
    assert bench.main(arguments) in (0, 1)
    record = read(file)
    assert [result.about["hop_us"] for result in record.results] == [10_000, 25_000]
    assert record.protocol["pin"]
    assert record.protocol["recording"]["name"] == "sample.raw"


def test_several_cameras_share_one_model(bundle: str, tmp_path: Path):
    file = tmp_path / "out.json"
    arguments = [bundle, "--threads", "1", "--windows", "8", "--launches", "1", "--streams", "2"]
    assert bench.main([*arguments, "--json", str(file)]) == command.PROMISE_NOT_MET
    (result,) = read(file).results
    assert result.summary["total"]["windows"] == 16
    assert result.reasons[0] == "16 windows, at least 30 are needed"


def test_a_machine_that_throttles_is_called_unstable_and_the_stand_in_is_named(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    tree = write_tree(tmp_path / "orin-nano", ORIN_NANO)
    change(tree, {"sys/class/thermal/cooling_device1/cur_state": "1"})
    file = tmp_path / "out.json"
    arguments = ["--device", "jetson", bundle, *QUICK, "--json", str(file)]
    assert bench.main(arguments, tree=tree) == command.PROMISE_NOT_MET
    printed = capsys.readouterr().out
    assert "NVIDIA Jetson Orin Nano" in printed
    assert "STAND-IN: these are files of a test, orin-nano" in printed
    assert "throttled: cpu-throttle-alert" in printed
    energy = read(file).results[0].energy
    assert energy["rails"] == ["VDD_IN"]
    assert energy["watts"] == pytest.approx(4.984 * 1.856, rel=0.1)


def test_a_clock_that_is_lowered_during_the_run_is_called_unstable(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    tree = write_tree(tmp_path / "intel", INTEL)
    clocks = tree.glob("sys/devices/system/cpu/cpu*/cpufreq/scaling_cur_freq")
    stop = threading.Event()

    def slow_down() -> None:
        """From a steady clock to a swinging one, as a machine that gets too hot."""
        high = False
        while not stop.wait(0.15):
            high = not high
            change(tree, dict.fromkeys(clocks, "4800000" if high else "1200000"))

    thread = threading.Thread(target=slow_down)
    thread.start()
    try:
        arguments = ["--device", "intel", "--backend", "openvino", bundle, *QUICK]
        arguments += ["--windows", "90"]  # long enough for the clock to swing
        pytest.importorskip("openvino")
        assert bench.main(arguments, tree=tree) == command.PROMISE_NOT_MET
    finally:
        stop.set()
        thread.join()
    assert re.search(r"CPU clock fell by [67]\d% during the run", capsys.readouterr().out)


@pytest.mark.slow
def test_a_busy_core_is_called_unstable(bundle: str, capsys: pytest.CaptureFixture[str]):
    spin = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(spin) for _ in range(2)]
    try:
        time.sleep(0.3)
        assert bench.main([bundle, *QUICK, "--windows", "60"]) == command.PROMISE_NOT_MET
    finally:
        for process in busy:
            process.kill()
            process.wait()
    found = re.search(r"other processes kept (\d\.\d+) cores busy", capsys.readouterr().out)
    assert found is not None
    assert float(found[1]) > 0.5


@pytest.mark.alone
@pytest.mark.slow
def test_the_same_thing_twice_is_no_difference(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    files = [str(tmp_path / name) for name in ("a.json", "b.json")]
    for file in files:
        bench.main([bundle, "--threads", "1", "--windows", "120", "--json", file])
    assert bench.main(["compare", *files]) == 0
    assert "no difference (ratio" in capsys.readouterr().out


def test_an_amd_machine_is_no_intel_one_unless_forced_and_then_called_amd(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    tree = write_tree(tmp_path, AMD)
    arguments = ["--device", "intel", "--backend", "openvino", bundle, *QUICK]
    assert bench.main(arguments, tree=tree) == command.BAD_INPUT
    assert "found AMD Ryzen 7 7840U (maker: AMD)" in capsys.readouterr().err
    pytest.importorskip("openvino")
    assert bench.main([*arguments, "--force"], tree=tree) in (0, 1)
    assert "AMD Ryzen 7 7840U (--device intel)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "jetso"], "did you mean 'jetson'"),
        (["studnet"], "did you mean 'student'"),
        (["compar", "a.json"], "did you mean 'compare'"),
        (["--backend", "onnxruntim"], "did you mean 'onnxruntime'"),
        (["--threads", "0"], "--threads: wanted numbers of at least 1"),
        (["--threads", "1,two"], "--threads: wanted numbers"),
        (["--hop-us", "-1"], "--hop-us: wanted numbers"),
        (["--pin", "77"], "--pin: wanted some of the processors"),
        (["--pin", "first"], "--pin: wanted some of the processors"),
        (["--sensor", "big"], "--sensor: wanted WIDTHxHEIGHT"),
        (["--launches", "0"], "--launches must be at least 1"),
        (["--duration", "0"], "--duration must be more than 0"),
        (["--realtime", "--streams", "2"], "do not go together"),
        (["--json", "nowhere/out.json"], "no such folder"),
        (["compare", "a.json", "b.json"], "a.json: no such file"),
        (["show", "a.json"], "a.json: no such file"),
    ],
)
def test_wrong_input_gives_one_line_and_exit_code_2(
    arguments: list[str], message: str, bundle: str, capsys: pytest.CaptureFixture[str]
):
    assert bench.main(arguments) == command.BAD_INPUT
    told = capsys.readouterr().err.strip().splitlines()
    assert message in told[-1]


def test_a_recording_that_is_none_gives_exit_code_2(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "drive.raw").write_bytes(b"\0\1")
    assert bench.main([bundle, "--recording", str(tmp_path / "drive.raw")]) == command.BAD_INPUT
    assert "drive.raw: unknown format" in capsys.readouterr().err


def test_a_bundle_that_changed_since_it_was_verified_is_not_measured(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    copy = tmp_path / "changed.dae"
    copy.mkdir()
    for path in Path(bundle).iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    (copy / "report.md").write_text("better\n")
    file = tmp_path / "out.json"
    assert bench.main([str(copy), *QUICK]) == command.BAD_INPUT
    assert "report.md" in capsys.readouterr().err
    bench.main([bundle, str(copy), *QUICK, "--json", str(file)])
    assert "not measured: " in capsys.readouterr().out
    assert len(read(file).not_measured) == 1


def test_a_result_is_compared_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    small_record().write(a)
    small_record(factor=1.5).write(b)
    assert bench.main(["compare", str(a), str(a)]) == 0
    assert capsys.readouterr().out.count("no difference") == 2
    assert bench.main(["compare", str(a), str(b)]) == command.PROMISE_NOT_MET
    assert "times slower" in capsys.readouterr().out
    assert bench.main(["compare", str(b), str(a)]) == 0
    page = tmp_path / "a.html"
    assert bench.main(["show", str(a), "--html", str(page)]) == 0
    assert "quick" in page.read_text()
    copy = tmp_path / "copy.json"
    assert bench.main(["show", str(a), "--json", str(copy)]) == 0
    assert json.loads(copy.read_text()) == json.loads(a.read_text())


@pytest.mark.parametrize("page", ["README.md", "benchmarks/README.md"])
def test_the_commands_of_the_pages_parse(page: str, capsys: pytest.CaptureFixture[str]):
    text = (ROOT / page).read_text(encoding="utf-8")
    commands = re.findall(r"(?:^|`)(dae-bench(?: [^`\n#]*)?)", text, re.MULTILINE)
    for words in map(shlex.split, commands):
        head = [words[1]] if words[1:2] in (["compare"], ["show"]) else []
        with pytest.raises(SystemExit, match="0"):
            bench.main([*head, "--help"])
        told = capsys.readouterr().out
        for option in (word for word in words if word.startswith("--")):
            assert option in told, f"{' '.join(words)}: no {option}"
