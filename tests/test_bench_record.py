"""The JSON file: written whole, read with distrust, its numbers made anew from the samples."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_bench_statistics import noise

from dae_edge.bench.case import Case
from dae_edge.bench.record import Record, Result, read
from dae_edge.bench.table import LATENCY, csv_text, markdown_table
from dae_edge.bench.text import lines, markdown
from dae_edge.errors import FormatError

WATCH = {
    "seconds": 3.0,
    "others_cores": 0.01,
    "stolen": 0.0,
    "warmed_up": True,
    "involuntary_per_s": 2.0,
    "throttled": [],
    "t_s": [0.0, 1.5, 3.0],
    "throttled_now": [False] * 3,
    "cpu_mhz": [1500.0] * 3,
    "gpu_mhz": None,
    "temperature_c": [50.0, 51.0, 52.0],
    "energy": {
        "meter": "INA3221",
        "by_rail": {"VDD_IN": 30.0},
        "total": 30.0,
        "total_of": ["VDD_IN"],
    },
}


def small_launch(seed: int, level: float = 100.0, **watch: Any) -> dict[str, Any]:
    infer = noise(seed, 120) * level
    samples = {
        "decode": np.full(120, 100.0),
        "encode": np.full(120, 200.0),
        "infer": infer,
        "post": np.full(120, 50.0),
        "total": infer + 250,
        "events": np.full(120, 9000.0),
    }
    return {
        "cold_start_ms": 300.0,
        "load_ms": 100.0,
        "first_window_ms": 30.0,
        "memory": {"before_mb": 40.0, "loaded_mb": 90.0, "running_mb": 100.0, "peak_mb": 110.0},
        "warm_up": {"windows": 15, "settled": True},
        "recording": {"name": "sample.raw"},
        "samples_us": {name: values.tolist() for name, values in samples.items()},
        "ends_s": np.linspace(0, 3, 120).tolist(),
        "elapsed_s": 3.0,
        "watch": {**WATCH, **watch},
        "about": {
            "model": "small",
            "target": "onnx-fp32",
            "engine": "onnxruntime 1",
            "unit": "m",
            "trained": True,
            "weights_sha256": "0",
            "states_bytes": 285952,
            "placement": {"devices": ["CPU"]},
            "accuracy": {"abs_rel": 0.175, "delta1": 0.733, "source": "manifest"},
        },
    }


def small_record(factor: float = 1.0) -> Record:
    """A quick, stable case and a slow one that was disturbed."""
    quick = Result.of(
        Case("quick", "sample.raw"), [small_launch(k, 100 * factor) for k in range(3)]
    )
    slow = Result.of(
        Case("slow", "sample.raw"),
        [small_launch(9, 300 * factor, others_cores=1.2, throttled=["cpu-throttle-alert"])],
    )
    machine = {
        "kind": "jetson",
        "name": "a stand-in machine",
        "notes": ["clocks are not fixed"],
        "facts": {"processor": "ARM", "cores": 6, "power_mode": "MAXN (0)", "meter": "INA3221"},
    }
    recording = {"name": "sample.raw", "events": 477_104, "sensor": [346, 260], "sha256": "a"}
    protocol = {
        "scenario": "single",
        "launches": 3,
        "windows": None,
        "duration_s": 3.0,
        "pin": [0, 1],
        "speed": 1.0,
        "seed": 1,
        "recording": recording,
    }
    return Record(machine, protocol, [quick, slow], {"gone": "no engine"}, {"date": "2026-01-01"})


def test_what_is_written_is_read(tmp_path: Path):
    record = small_record()
    path = tmp_path / "result.json"
    record.write(path)
    again = read(path)
    assert again.as_dict() == record.as_dict()
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
    content = json.loads(path.read_text())
    assert (content["format"], content["version"]) == ("dae-bench", 1)
    assert content["cases"][0]["stable"] is True
    assert content["cases"][1]["reasons"]
    assert content["protocol"]["limits"]["others"] == 0.15


def test_numbers_are_made_anew_from_the_samples(tmp_path: Path):
    path = tmp_path / "result.json"
    small_record().write(path)
    content = json.loads(path.read_text())
    content["cases"][1]["stable"] = True
    content["cases"][1]["summary_us"]["total"]["p50"] = 1.0
    path.write_text(json.dumps(content))
    again = read(path)
    assert not again.results[1].stable
    assert again.results[1].summary["total"]["p50"] > 20_000


def test_energy_memory_and_start_are_told():
    quick = small_record().results[0]
    assert quick.energy["millijoules"] == pytest.approx(30_000 / 120)
    assert quick.energy["watts"] == pytest.approx(10)
    assert quick.memory == {"peak": 110.0, "engine": 60.0, "states": 0.285952}
    assert quick.middle("cold_start_ms") == 300.0
    quick.launches[0]["watch"] = {**WATCH, "energy": {"why": "no meter: none"}}
    assert quick.energy["watts"] == pytest.approx(10)
    for launch in quick.launches:
        launch["watch"] = {**WATCH, "energy": {"why": "no meter: none"}}
    assert quick.energy == {"why": "no meter: none"}


def test_the_terminal_says_everything_there_is_to_doubt():
    told = "\n".join(lines(small_record()))
    for words in (
        "a stand-in machine (--device jetson)",
        "power mode: MAXN (0)",
        "note: clocks are not fixed",
        "SingleStream",
        "pinned to processors 0, 1",
        "unstable: slow: other processes kept 1.20 cores busy",
        "unstable: slow: throttled: cpu-throttle-alert",
        "not measured: gone: no engine",
        "energy: INA3221, VDD_IN, idle included",
        "AbsRel, d1: manifest",
    ):
        assert words in told
    assert "copy in" not in told  # nothing was copied
    assert "due" not in told  # not in real time


def test_markdown_and_csv_have_a_row_for_each_case():
    record = small_record()
    table = markdown_table(record.results, LATENCY)
    assert len(table) == 4
    assert len({line.count("|") for line in table}) == 1
    assert "| slow |" in markdown(record, title="Results")
    rows = list(csv.DictReader(io.StringIO(csv_text(record))))
    assert [row["case"] for row in rows] == ["quick", "slow"]
    assert float(rows[0]["p50"]) == pytest.approx(10.25, abs=0.1)
    assert rows[0]["p99.9"] == ""
    assert rows[1]["verdict"] == "unstable"
    assert float(rows[0]["mJ/depth"]) == pytest.approx(250)


def spoil(content: dict[str, Any], *path: Any, value: Any) -> None:
    for key in path[:-1]:
        content = content[key]
    if value is None:
        del content[path[-1]]
    else:
        content[path[-1]] = value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), 2),
        (("format",), "dae-eval"),
        (("cases",), None),
        (("cases",), 7),
        (("machine",), None),
        (("protocol",), None),
        (("cases", 0, "launches"), []),
        (("cases", 0, "case", "threadz"), 1),
        (("cases", 0, "case", "label"), None),
        (("cases", 0, "launches", 0, "samples_us"), {"total": [1.0, "x"]}),
        (("cases", 0, "launches", 0, "samples_us", "total"), [1.0]),
        (("cases", 0, "launches", 0, "samples_us", "total"), [-1.0] * 120),
        (("cases", 0, "launches", 0, "ends_s"), [1.0]),
        (("cases", 0, "launches", 0, "watch"), None),
        (("cases", 0, "launches", 0, "watch", "energy"), None),
        (("cases", 0, "launches", 0, "memory"), None),
        (("not_measured",), None),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, path: tuple[Any, ...], value: Any):
    file = tmp_path / "result.json"
    small_record().write(file)
    content = json.loads(file.read_text())
    spoil(content, *path, value=value)
    file.write_text(json.dumps(content))
    with pytest.raises(FormatError, match=r"result\.json"):
        read(file)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_what_is_no_result_is_refused(tmp_path: Path, content: bytes):
    file = tmp_path / "result.json"
    file.write_bytes(content)
    with pytest.raises(FormatError):
        read(file)


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path):
    path = tmp_path / "result.json"
    record = small_record()
    record.write(path)
    before = path.read_bytes()
    record.extra["impossible"] = object()
    with pytest.raises(TypeError):
        record.write(path)
    assert path.read_bytes() == before
    with pytest.raises(FileNotFoundError, match="no such file"):
        read(tmp_path / "absent.json")
    shutil.rmtree(tmp_path)
    record.extra.clear()
    with pytest.raises(OSError, match=r"result\.json"):
        record.write(path)
