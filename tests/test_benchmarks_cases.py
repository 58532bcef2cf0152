"""What the matrix measures, in which order, and how long it will take."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from test_bench_record import small_record

from benchmarks import cases, estimate
from benchmarks.cases import Planned
from benchmarks.estimate import Clock, seconds
from dae_edge.bench.case import Case

PATTERN = Case("", "sample.raw", windows=50)


@pytest.fixture(scope="module")
def planned() -> list[list[Planned]]:
    return cases.groups({}, [1, 2], PATTERN)


def labels(group: list[Planned]) -> list[str]:
    return [one.case.label for one in group]


def test_every_target_that_runs_here_is_measured_for_both_students(planned: list[list[Planned]]):
    everything = {label for group in planned for label in labels(group)}
    for model in cases.STUDENTS:
        for target in ("onnx-fp32", "onnx-fp16", "onnx-int8", "ov-fp16", "ov-bf16", "ov-int8-nncf"):
            assert f"{model} {target}, 1 thread" in everything
            assert f"{model} {target}, 2 threads" in everything
        for peer in cases.PEERS:
            assert f"{peer}: {model}, 2 threads" in everything
    assert "ereformer-small onnx-fp32, 1 thread" in everything
    assert not any("trt" in label or "rtx" in label for label in everything)
    assert len(everything) == sum(map(len, planned))  # labels are names


def test_what_is_compared_is_side_by_side_and_first(planned: list[list[Planned]]):
    assert labels(planned[0])[:4] == [
        "depthanyevent-r ov-int8, 1 thread",
        "depthanyevent-r ov-int8-bf16, 1 thread",
        "depthanyevent-r ov-fp32, 1 thread",
        "torch eager: depthanyevent-r, 1 thread",
    ]
    for group in planned:
        assert len({one.case.threads for one in group}) == 1
        models = {one.bundle.model for one in group}
        assert len(models) == 1 or models == set(cases.BASELINES)


def test_a_case_names_the_bundle_it_needs_and_other_weights_are_another_bundle(tmp_path: Path):
    weights = tmp_path / "vits.pth"
    weights.write_bytes(b"weights")
    (group, *_) = cases.groups({"depthanyevent-r": weights}, [1], PATTERN)
    (seeded, *_) = cases.groups({}, [1], PATTERN)
    for one, other in zip(group, seeded, strict=True):
        assert one.case.bundle == str(one.bundle.path)
        assert one.bundle.path != other.bundle.path
        assert other.bundle.path.stem.endswith("-seeded")
    peer = next(one.case for one in group if one.case.label.startswith("torch eager"))
    assert peer.options == {"weights": str(weights)}


def test_only_chooses_by_words_in_names(planned: list[list[Planned]]):
    assert cases.only(planned, []) == planned
    chosen = cases.only(planned, ["ov-int8-nncf", "e2depth"])
    assert [labels(group) for group in chosen] == [
        ["depthanyevent-r ov-int8-nncf, 1 thread"],
        ["depthanyevent-r ov-int8-nncf, 2 threads"],
        ["depthanyevent-r-tiny ov-int8-nncf, 1 thread"],
        ["depthanyevent-r-tiny ov-int8-nncf, 2 threads"],
        ["e2depth onnx-fp32, 1 thread"],
        ["e2depth onnx-fp32, 2 threads"],
    ]
    assert cases.only(planned, ["nothing like it"]) == []


def test_time_is_that_of_the_same_case_or_else_of_the_slowest_that_is_like_it(
    planned: list[list[Planned]],
):
    record = small_record()
    quick, slow = record.results
    first, second, *_ = planned[0]
    for result, label in ((quick, first.case.label), (slow, "depthanyevent-r onnx-fp32, 1 thread")):
        result.case = replace(result.case, label=label, threads=1)
        result.about["model"] = "depthanyevent-r"
        for launch in result.launches:
            launch["elapsed_s"] = 3.0 if result is quick else 12.0  # of 120 windows
    same = 1 + 0.3 + (15 + 50) * 3 / 120
    alike = 1 + 0.3 + (15 + 50) * 12 / 120
    assert seconds(first, record) == pytest.approx(same)
    assert seconds(second, record) == pytest.approx(alike)
    assert seconds(planned[-1][0], record) == pytest.approx(alike)  # of all
    assert seconds(first, None) == estimate.UNKNOWN_S


def test_the_time_that_is_left_shrinks_as_launches_are_done():
    clock = Clock([("a", 0.2), ("b", 100.0), ("c", 50.0), ("a", 0.0), ("b", 300.0)])
    assert clock.begin("a") == pytest.approx(450.2)
    time.sleep(0.4)  # twice as long as was thought
    clock.end()
    clock.drop("c")
    assert clock.begin("b") > 2 * 400 * 0.99
    assert clock.begin("b") < 300  # the first b took no time at all
