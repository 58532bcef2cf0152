"""The scripts around dae-bench: peers compute the same, tables say what was not measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_bench_record import small_record

pytest.importorskip("onnxruntime")

from benchmarks import matrix_report, peers, scaling
from dae_edge.bench.case import Case
from dae_edge.bench.text import notices
from dae_edge.bench.windows import read_windows
from dae_edge.model import load
from dae_edge.sample import SAMPLE


@pytest.mark.parametrize("name", ["PlainOnnxRuntime", "PlainOpenVino"])
def test_a_peer_gives_the_depth_that_we_give(name: str, small_bundle: Path):
    if name == "PlainOpenVino":
        pytest.importorskip("openvino")
    peer = getattr(peers, name)(Case("peer", str(SAMPLE), bundle=str(small_bundle), threads=1))
    windows = read_windows(SAMPLE, sensor=peer.sensor, hop_us=50_000)
    stream = load(small_bundle, backend="onnxruntime", threads=1).stream(
        window_us=50_000, origin_us=windows.origin_us
    )
    stream.push(windows.opening)
    peer.load()
    peer.open(windows)
    for packet in windows.packets[:5]:
        (depth,) = stream.push(packet)
        (step,) = peer.step(packet)
        assert np.array_equal(peer.image[0], stream.image)
        assert step["total"] == pytest.approx(step["encode"] + step["infer"])
    assert peer.infer().shape == depth.values.shape
    peer.open(windows)
    stream.reset()
    stream.push(windows.opening)
    for packet in windows.packets[:5]:
        (depth,) = stream.push(packet)
        peer._encoder.push(packet)
        peer._encoder.render(peer.image[0])
        values = peer.infer()
        assert np.allclose(values, depth.values, rtol=1e-3)
        peer._encoder.push(packet[-1:])


def test_the_bare_call_is_timed_beside_each_window(small_bundle: Path):
    case = Case("bare", str(SAMPLE), bundle=str(small_bundle), backend="onnxruntime", threads=1)
    beside = peers.BesideBare(case)
    windows = read_windows(SAMPLE, sensor=beside.sensor, hop_us=50_000)
    beside.load()
    beside.open(windows)
    steps = [step for packet in windows.packets[:6] for step in beside.step(packet)]
    assert len(steps) == 6
    for step in steps:
        assert 0.1 < step["bare"] / step["infer"] < 10


def test_the_page_gets_its_tables_between_the_marks(tmp_path: Path):
    record = small_record()
    for result in record.results:
        for launch in result.launches:
            launch["samples_us"]["bare"] = [v - 300.0 for v in launch["samples_us"]["total"]]
    record.results[0].case = replace(
        record.results[0].case, label=f"{matrix_report.BESIDE}: quick", threads=1
    )
    record.write(tmp_path / "machine.json")
    page = tmp_path / "README.md"
    page.write_text(f"before\n{matrix_report.BEGIN}\noutdated\n{matrix_report.END}\nafter\n")
    matrix_report.render(page, tmp_path / "machine.json")
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "outdated" not in text
    assert "| quick | 10.2" in text  # beside the bare call
    assert "| 3.0% |" in text
    assert "not measured: gone: no engine" in text
    assert "1 of 2 cases are unstable" in text
    assert (
        "depthanyevent-r ov-int8, 1 thread against torch eager: depthanyevent-r | not measured"
        in text
    )
    matrix_report.render(page, tmp_path / "machine.json")
    assert page.read_text() == text
    page.write_text("no marks\n")
    with pytest.raises(ValueError, match="lacks the marks"):
        matrix_report.render(page, tmp_path / "machine.json")


def test_promised_ratios_are_of_the_samples():
    record = small_record()
    slow, fast = record.results[1], record.results[0]
    names = ("torch eager: depthanyevent-r, 1 thread", "depthanyevent-r ov-int8, 1 thread")
    for result, label in zip((slow, fast), names, strict=True):
        result.case = replace(result.case, label=label, threads=1)
    (row,) = [row for row in matrix_report.claims(record)[2:] if "not measured" not in row]
    assert "| 2.95 |" in row
    assert row.endswith("| 6 |")
    fast.about["date"] = "2026-01-02T00:00:00+00:00"
    assert any("| not measured on one day | - |" in row for row in matrix_report.claims(record))


def test_the_page_says_which_rows_are_older_and_which_are_over_their_budget():
    record = small_record()
    record.results[0].about |= {"date": "2026-01-02T00:00:00+00:00", "passed": False}
    told = list(matrix_report.doubts(record))
    assert "measured on more than one day: 1 cases on an earlier one; 1 cases on 2026-01-02" in told
    assert "over the budget of its target, measured all the same: quick" in told
    assert any("quick: over its budget" in line for line in notices(record))


def test_what_was_not_measured_for_one_reason_is_one_line():
    record = small_record()
    record.not_measured |= {"lost": "no engine", "left": "no time"}
    told = list(matrix_report.doubts(record))
    assert told[-2:] == ["not measured: gone; lost: no engine", "not measured: left: no time"]


def test_scaling_has_a_row_and_a_point_for_each_case(tmp_path: Path):
    record = small_record()
    for count, result in enumerate(record.results, 1):
        result.case = replace(result.case, label=f"threads: {count}", threads=count)
    series = next(one for one in scaling.SERIES if one.key == "threads")
    rows = scaling.table(series, record.results)
    assert [row.split(" | ")[1] for row in rows[2:]] == ["1", "2"]
    assert scaling.plot(series, record.results).count("<circle") == 2 * len(scaling.STAGES)
    record.write(tmp_path / "machine-scaling.json")
    page = tmp_path / "README.md"
    page.write_text(f"{scaling.BEGIN}\n{scaling.END}\n")
    scaling.render(page, tmp_path / "machine-scaling.json")
    assert "Latency against threads" in page.read_text()
    assert (tmp_path / "machine-scaling-threads.svg").read_text().startswith("<svg xmlns")
