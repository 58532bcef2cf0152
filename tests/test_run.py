"""dae-run: from a recording to files, and what it says when it cannot."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import pytest

import dae_edge as dae
from dae_edge.cli import run
from dae_edge.sources.evt3_writer import write_evt3

av = pytest.importorskip("av")

SECONDS = 0.5
RATE = 20_000


def write_recording(path: Path, *, seconds: float = SECONDS, width: int = 112) -> Path:
    """Random events, 10 windows of 50 ms and a bit."""
    n = int(RATE * seconds)
    rng = np.random.default_rng(0)
    t = np.sort(rng.integers(0, int(seconds * 1e6), n))
    events = dae.events_from(
        t, rng.integers(0, width, n), rng.integers(0, 84, n), rng.integers(0, 2, n)
    )
    write_evt3(path, events, width=width, height=84)
    return path


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recording(tmp_path_factory.mktemp("recording") / "drive.raw")


def call(*arguments: object) -> int:
    return run.main([str(argument) for argument in arguments])


def test_a_recording_becomes_video_pictures_numbers_and_a_summary(
    recording: Path, small_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outs = [tmp_path / name for name in ("depth.mp4", "depth.webm", "depth.gif", "frames", "d.npz")]
    arguments = [argument for out in outs for argument in ("--out", out)]
    assert call(recording, "--model", small_bundle, *arguments, "--json", tmp_path / "s.json") == 0
    summary = json.loads((tmp_path / "s.json").read_text())
    windows = summary["windows"]
    assert windows == 10
    assert summary["health"]["events"] == RATE * SECONDS
    assert summary["health"]["inferred"] == windows
    assert summary["model"]["unit"] == "untrained weights"
    for video in outs[:3]:
        with av.open(str(video)) as container:
            assert sum(1 for _ in container.decode(video=0)) == windows
    assert len(list(outs[3].glob("frame_*.png"))) == windows
    with np.load(outs[4]) as numbers:
        assert str(numbers["unit"]) == "untrained weights"
        assert len(numbers["t_us"]) == windows
        assert numbers["depth_000000"].shape == (84, 112)
        assert np.isfinite(numbers[f"depth_{windows - 1:06d}"]).all()
    printed = capsys.readouterr().out
    assert "untrained weights: the depth has no meaning" in printed
    assert all(str(out) in printed for out in outs)
    assert not list(tmp_path.glob("*.part"))


def test_the_depth_is_that_of_the_library(
    recording: Path, small_bundle: Path, tmp_path: Path
) -> None:
    assert (
        call(recording, "--model", small_bundle, "--out", tmp_path / "d.npz", "--threads", 1) == 0
    )
    stream = dae.load(small_bundle, threads=1).stream()
    with dae.open(recording) as source:
        depths = [depth for packet in source for depth in stream.push(packet)]
    depths += stream.flush()
    with np.load(tmp_path / "d.npz") as numbers:
        for index, depth in enumerate(depths):
            np.testing.assert_array_equal(numbers[f"depth_{index:06d}"], depth.values)
            assert numbers["t_us"][index] == depth.t_us


@pytest.mark.parametrize(
    ("arguments", "windows"),
    [
        (["--window-ms", "100"], 5),
        (["--hop-ms", "25"], 19),
        (["--by-count", "2500"], 4),
        (["--by-count", "2500", "--hop-count", "500"], 16),
        (["--limit", "3"], 3),
    ],
)
def test_windows_are_as_asked_for(
    recording: Path, small_bundle: Path, tmp_path: Path, arguments: list[str], windows: int
) -> None:
    out = tmp_path / "s.json"
    assert call(recording, "--model", small_bundle, "--json", out, *arguments) == 0
    got = json.loads(out.read_text())["windows"]
    assert got - windows in (0, 1)  # a last, partial window may follow


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino", "openvino-stateful"])
def test_every_backend_runs(
    recording: Path, small_bundle: Path, tmp_path: Path, backend: str
) -> None:
    out = tmp_path / "s.json"
    assert call(recording, "--model", small_bundle, "--backend", backend, "--json", out) == 0
    assert json.loads(out.read_text())["model"]["engine"].startswith(backend.split("-")[0])


def test_a_replay_in_real_time_takes_as_long_as_the_recording(
    recording: Path, small_bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "s.json"
    began = monotonic()
    assert call(recording, "--model", small_bundle, "--json", out, "--realtime") == 0
    assert monotonic() - began > SECONDS * 0.9
    health = json.loads(out.read_text())["health"]
    assert health["inferred"] + health["dropped_windows"] == health["windows"]
    assert health["events"] == RATE * SECONDS


def test_a_live_window_shows_what_the_video_would(
    recording: Path, small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    assert call(recording, "--model", small_bundle, "--live", "--limit", "2") == 0


@pytest.mark.slow
def test_ctrl_c_leaves_complete_files_and_says_so(small_bundle: Path, tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "long.raw", seconds=60)
    video, numbers, summary = (tmp_path / name for name in ("d.mp4", "d.npz", "s.json"))
    command = [sys.executable, "-m", "dae_edge.cli.run", recording, "--model", small_bundle]
    command += ["--out", video, "--out", numbers, "--json", summary, "--realtime"]
    with subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, text=True) as process:
        deadline = monotonic() + 60
        part = tmp_path / "d.npz.part"
        while not (part.exists() and part.stat().st_size > 100_000) and monotonic() < deadline:
            sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
    told = json.loads(summary.read_text())
    assert told["interrupted"]
    assert 1 <= told["windows"] < 1200
    with av.open(str(video)) as container:
        assert sum(1 for _ in container.decode(video=0)) == told["windows"]
    with np.load(numbers) as file:
        assert len(file["t_us"]) == told["windows"]


def damage(bundle: Path, copy: Path) -> Path:
    """A copy of a bundle with one bit of its weights flipped."""
    shutil.copytree(bundle, copy)
    weights = copy / "model.bin"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    return copy


def test_what_cannot_be_run_gives_one_line_and_exit_code_2(
    recording: Path, small_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "words.raw").write_bytes(bytes(range(128, 256)) * 40)
    (tmp_path / "empty.raw").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "cut.aedat4").write_bytes(b"#!AER-DAT4.0\r\n\x10\x00")
    wide = write_recording(tmp_path / "wide.raw", seconds=0.01, width=200)
    good = ["--model", small_bundle]
    cases: list[tuple[list[object], str]] = [
        ([tmp_path / "missing.raw", *good], "no such file"),
        ([tmp_path / "words.raw", *good], "words.raw"),
        ([tmp_path / "empty.raw", *good], "empty"),
        ([tmp_path / "folder", *good], "not a ROS 2 bag"),
        ([tmp_path / "cut.aedat4", *good], "cut.aedat4"),
        ([wide, *good], "its sensor is 200x84, the bundle is made for 112x84"),
        ([recording, "--model", damage(small_bundle, tmp_path / "bad.dae")], "changed since"),
        ([recording, "--model", tmp_path / "nothing.dae"], "no such bundle"),
        ([recording, "--model", tmp_path], "not a bundle"),
        ([recording, *good, "--out", tmp_path / "depth.mp5"], "mp5"),
        ([recording, *good, "--out", tmp_path / "no" / "d.mp4"], "does not exist"),
        ([recording, *good, "--backend", "onnx"], "unknown backend 'onnx'"),
        ([recording, *good, "--by-count", "0"], "window_events must be at least 1"),
        ([recording, *good, "--hop-ms", "80"], "hop <= window"),
        ([recording, *good, "--sensor", "5x5"], "sensor"),
        (["--demo", recording], "--demo brings its own"),
        ([], "no SOURCE"),
    ]
    for arguments, message in cases:
        assert call(*arguments) == 2, arguments
        told = capsys.readouterr().err.strip().splitlines()
        assert len(told) == 1, told
        assert told[0].startswith("dae-run: error: ")
        assert message in told[0]
    assert not list(tmp_path.glob("depth*"))


def test_a_truncated_recording_gives_the_windows_it_holds(
    recording: Path, small_bundle: Path, tmp_path: Path
) -> None:
    content = recording.read_bytes()
    cut = tmp_path / "cut.raw"
    cut.write_bytes(content[: len(content) // 2 + 1])
    out = tmp_path / "s.json"
    assert call(cut, "--model", small_bundle, "--json", out) == 0
    assert 4 <= json.loads(out.read_text())["windows"] <= 6


def test_verbose_shows_where_an_error_came_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path / "missing.raw", "--verbose") == 2
    assert "Traceback" in capsys.readouterr().err


def test_without_a_display_the_window_is_refused_in_one_line(
    recording: Path, small_bundle: Path, tmp_path: Path
) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    environment.pop("SDL_VIDEODRIVER", None)
    command = [
        sys.executable,
        "-m",
        "dae_edge.cli.run",
        recording,
        "--model",
        small_bundle,
        "--live",
    ]
    if sys.platform != "linux":
        pytest.skip("only on Linux can the display be taken away by the environment")
    done = subprocess.run(
        [str(c) for c in command], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "display" in done.stderr
