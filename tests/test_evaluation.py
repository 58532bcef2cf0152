"""Judging predictors: the same numbers as the protocols give, whatever the engine and the order."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_dataset import LENGTHS, Drives

from dae_edge import tally
from dae_edge.datasets import Sample
from dae_edge.errors import ContractError, FormatError
from dae_edge.evaluation import (
    BundlePredictor,
    ConstantPredictor,
    Evaluation,
    Judged,
    Predictor,
    evaluate,
    frames,
    open_predictor,
    paper,
    record,
    sheet,
    text,
)
from dae_edge.evaluation.judging import predictions
from dae_edge.evaluation.opening import training_of
from dae_edge.model import load
from dae_edge.protocols import Paper, Strict

ROOT = Path(__file__).resolve().parent.parent
PROTOCOLS = {"paper": Paper(), "strict": Strict()}


class Blurred:
    """Knows the truth, and gets it wrong by what the index of the sample says."""

    judged = Judged("weights", "depthanyevent-r", "numpy", "m", training="supervised")

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []
        self.resets = 0

    def reset(self) -> None:
        self.resets += 1

    def predict(self, sample: Sample) -> Any:
        self.calls.append((sample.sequence, sample.index))
        noise = np.random.default_rng(sample.index).normal(0, 1, sample.depth.shape)
        return (sample.depth + (1 + sample.index) * noise + 30).astype(np.float32)


def judged(
    predictor: Predictor,
    root: Path,
    *,
    limit: int | None = None,
    order: tuple[str, ...] = tuple(LENGTHS),
) -> Evaluation:
    dataset = Drives(root, "test")
    evaluation = Evaluation.begin(predictor.judged, dataset, PROTOCOLS, limit=limit)
    sequences = sorted(dataset.sequences(), key=lambda sequence: order.index(sequence.name))
    assert evaluate(predictor, sequences, evaluation)
    return evaluation


def test_the_numbers_are_those_of_the_protocols_called_directly(tmp_path: Path):
    evaluation = judged(Blurred(), tmp_path)
    for name, protocol in PROTOCOLS.items():
        wanted = tally.Tally(name)
        for sequence in Drives(tmp_path, "test").sequences():
            for prediction in predictions(Blurred(), sequence, None):
                scores = protocol.frame(prediction.depth, prediction.sample.depth)
                wanted.add(sequence.name, scores)
        assert evaluation.reports()[name] == wanted.report()
    assert evaluation.complete


def test_the_order_of_the_sequences_does_not_change_a_bit(tmp_path: Path):
    one = judged(Blurred(), tmp_path)
    other = judged(Blurred(), tmp_path, order=("canal", "avenue", "bridge"))
    assert one.reports() == other.reports()
    assert text.table(one.reports()["strict"]) == text.table(other.reports()["strict"])


def test_each_sequence_begins_anew_and_an_empty_window_keeps_the_depth_before(tmp_path: Path):
    predictor = Blurred()
    evaluation = judged(predictor, tmp_path)
    assert predictor.resets == 3
    assert ("bridge", 1) not in predictor.calls
    assert len(predictor.calls) == sum(LENGTHS.values()) - 1
    assert evaluation.sequences["bridge"].frames == 3
    assert evaluation.sequences["bridge"].empty_windows == 1
    bridge = Drives(tmp_path, "test").sequences()[1]
    first, second, _ = (prediction.depth for prediction in predictions(Blurred(), bridge, None))
    assert (first == second).all()


def test_a_limit_counts_in_each_sequence_and_is_said(tmp_path: Path):
    evaluation = judged(Blurred(), tmp_path, limit=2)
    assert {r.frames for r in evaluation.sequences.values()} == {2}
    assert not evaluation.complete
    assert "only the first 2 samples of each sequence were judged" in text.notices(evaluation)


def test_depth_of_the_wrong_size_is_refused(tmp_path: Path):
    class Small(Blurred):
        def predict(self, sample: Sample) -> Any:
            return np.ones((42, 56), np.float32)

    with pytest.raises(ContractError, match="sample 0: depth is 56x42, true depth is 112x84"):
        judged(Small(), tmp_path)


def test_the_floor_has_a_value_only_where_nothing_is_forgiven(tmp_path: Path):
    reports = judged(ConstantPredictor(), tmp_path).reports()
    assert math.isnan(reports["paper"].mean_of_sequences["abs_rel"])
    assert reports["paper"].without_value["abs_rel"] == sum(LENGTHS.values())
    spread = []
    for sequence in Drives(tmp_path, "test").sequences():
        known = [sample.depth[sample.depth > 0] for sample in sequence]
        spread.append(np.mean([np.abs(depth - depth.mean()).mean() for depth in known]))
    assert reports["strict"].mean_of_sequences["mae"] == pytest.approx(np.mean(spread), rel=1e-5)


def test_a_bundle_and_the_same_weights_in_torch_agree(tmp_path: Path, small_bundle, small_recipe):
    from dae_edge.evaluation.torch_predictor import TorchPredictor

    torch = TorchPredictor(small_recipe, None)
    bundle = BundlePredictor(load(small_bundle, backend="onnxruntime", threads=1))
    again = BundlePredictor(load(small_bundle, backend="openvino-stateful", threads=1))
    assert torch.judged.sha256 == bundle.judged.sha256
    assert (torch.judged.kind, torch.judged.unit) == ("untrained", "untrained weights")
    for sequence in Drives(tmp_path, "test").sequences():
        rolled = [
            np.stack([one.depth for one in predictions(predictor, sequence, None)])
            for predictor in (torch, bundle, again)
        ]
        np.testing.assert_allclose(rolled[1], rolled[0], rtol=1e-4)
        np.testing.assert_allclose(rolled[2], rolled[0], rtol=2e-2)
        assert np.ptp(rolled[0], axis=0).max() > 1e-3  # the windows are told apart


def test_a_sequence_judged_again_gives_the_same_depth_because_the_state_starts_at_zero(
    tmp_path: Path, small_model
):
    predictor = BundlePredictor(small_model)
    avenue = Drives(tmp_path, "test").sequences()[0]
    one, other = (
        [prediction.depth for prediction in predictions(predictor, avenue, None)] for _ in range(2)
    )
    assert all((a == b).all() for a, b in zip(one, other, strict=True))


def test_a_bundle_for_another_sensor_names_the_command_that_makes_the_right_one(small_model):
    from dae_edge.datasets import open_dataset

    sample = next(iter(open_dataset("synthetic").sequences()[0]))
    with pytest.raises(ContractError, match="made for 112x84 events") as caught:
        BundlePredictor(small_model).predict(sample)
    told = str(caught.value)
    assert "sample has 346x260 events and 346x260 depth from (0, 0) on" in told
    wanted = "dae-export --target ov-fp16 --model small --weights seeded --sensor davis346"
    assert told.endswith(wanted)


@pytest.mark.parametrize(
    ("what", "options", "message"),
    [
        ("constnat", {}, "did you mean 'constant'?"),
        ("missing/weights.pth", {}, "no such bundle or weights"),
        ("constant", {"backend": "onnxruntime"}, "--backend goes with a bundle"),
        ("constant", {"recipe": "depthanyevent"}, "--model goes with weights"),
        ("untrained", {"config": Path("c.json")}, "--config goes with weights"),
        ("untrained", {"recipe": "depthanyevnt"}, "did you mean 'depthanyevent'?"),
        ("untrained", {"threads": 0}, "threads must be at least 1"),
    ],
)
def test_what_cannot_be_judged_is_answered_in_one_line(what, options, message):
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        open_predictor(what, **options)
    assert message in str(caught.value)


def test_the_kind_of_training_is_told_by_the_names_of_released_checkpoints():
    assert training_of("distillation_mvsec.pth") == "distilled"
    assert training_of("dav2/finetuned_dsec (by its name)") == "supervised"
    assert training_of("synth.safetensors") == "zero-shot"
    assert training_of("student.pth") is None
    assert training_of("seeded initialisation") is None


def test_a_result_survives_its_file_bit_for_bit(tmp_path: Path):
    evaluation = judged(Blurred(), tmp_path)
    evaluation.write(tmp_path / "result.json", {"command": ["dae-eval"]})
    again = record.read(tmp_path / "result.json")
    assert again.as_dict() == evaluation.as_dict()
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
    content = json.loads((tmp_path / "result.json").read_text())
    assert (content["format"], content["version"], content["complete"]) == ("dae-eval", 1, True)
    assert content["results"]["strict"]["mean_of_sequences"]["abs_rel"] == pytest.approx(
        evaluation.reports()["strict"].mean_of_sequences["abs_rel"]
    )
    assert len(content["sequences"]["avenue"]["abs_rel"]["paper"]) == 4


def test_a_result_of_something_else_is_not_gone_on_with(tmp_path: Path):
    before = judged(Blurred(), tmp_path)
    dataset = Drives(tmp_path, "test")
    for judge, protocols, limit, key in (
        (ConstantPredictor().judged, PROTOCOLS, None, "kind: 'weights', now 'constant'"),
        (Blurred.judged, PROTOCOLS, 2, "dataset limit: None, now 2"),
        (Blurred.judged, {"paper": Paper()}, None, "protocol"),
        (Blurred.judged, {"paper": Paper(align=False), "strict": Strict()}, None, "protocol"),
    ):
        evaluation = Evaluation.begin(judge, dataset, protocols, limit=limit)
        with pytest.raises(ValueError, match=f"there: was made with another (engine: .*|{key})"):
            evaluation.go_on(before, "there")


def test_whatever_is_changed_in_a_result_reading_it_fails_cleanly_or_gives_a_whole_one(
    tmp_path: Path,
):
    path = tmp_path / "result.json"
    judged(Blurred(), tmp_path, limit=1).write(path, {})
    whole = json.loads(path.read_text())
    del whole["results"]  # they are made anew from the tallies
    for change in _changes(whole):
        path.write_text(json.dumps(change))
        try:
            evaluation = record.read(path)
        except FormatError:
            continue
        text.lines(evaluation)
        paper.read_results(tmp_path)
        frames.choose(evaluation)
    path.write_bytes(b"\xff")
    with pytest.raises(FormatError, match="not JSON"):
        record.read(path)


def _changes(value: Any) -> Any:
    """The value with parts replaced or taken out: of large objects some, of lists the first."""
    yield from (None, 7, "seven", [], {})
    if isinstance(value, dict):
        for key in list(value)[:: 1 + len(value) // 12]:
            yield {k: v for k, v in value.items() if k != key}
            for change in _changes(value[key]):
                yield {**value, key: change}
    elif isinstance(value, list) and value:
        yield value[1:]
        for change in _changes(value[0]):
            yield [change, *value[1:]]


def test_the_sheet_shows_the_best_the_median_and_the_worst_frames(tmp_path: Path):
    evaluation = judged(Blurred(), tmp_path)
    chosen = frames.choose(evaluation)
    assert [one.rank for one in chosen] == ["best"] * 3 + ["median"] * 3 + ["worst"] * 3
    ranked = sorted(
        (value, name, index)
        for name, entry in evaluation.sequences.items()
        for index, value in enumerate(entry.abs_rel["strict"])
    )
    assert [(c.abs_rel, c.sequence, c.sample) for c in chosen[:3]] == ranked[:3]
    assert [(c.abs_rel, c.sequence, c.sample) for c in chosen[6:]] == ranked[:-4:-1]
    assert chosen[3][1:] == (*ranked[6][1:], ranked[6][0])


def test_frames_that_are_neighbours_are_not_shown_twice(tmp_path: Path):
    evaluation = judged(Blurred(), tmp_path)
    errors = [float(n) for n in range(40)]
    entry = record.SequenceRecord(40, 0, 1.0, {"paper": errors, "strict": errors})
    evaluation.sequences = {"long": entry}
    best = [one.sample for one in frames.choose(evaluation) if one.rank == "best"]
    assert best == [0, 4, 8]


def test_the_frames_of_the_sheet_are_predicted_again_as_they_were(tmp_path: Path):
    evaluation = judged(Blurred(), tmp_path)
    chosen = frames.choose(evaluation)
    sequences = Drives(tmp_path, "test").sequences()
    predictor = Blurred()
    shown = frames.collect(predictor, sequences, chosen, align=True)
    assert [frame.chosen for frame in shown] == chosen
    assert len(predictor.calls) <= frames.steps(chosen)
    for frame in shown:
        scores = Strict(align=False).frame(frame.depth, frame.truth)
        assert scores["abs_rel"] == pytest.approx(frame.chosen.abs_rel, rel=1e-3)
    with pytest.raises(FormatError, match="was judged, but is not here now"):
        frames.collect(predictor, sequences[:1], chosen, align=True)


def test_a_sheet_in_html_stands_alone_and_one_in_png_is_a_picture(tmp_path: Path):
    image_module = pytest.importorskip("PIL.Image")
    evaluation = judged(Blurred(), tmp_path)
    sequences = Drives(tmp_path, "test").sequences()
    shown = frames.collect(Blurred(), sequences, frames.choose(evaluation), align=True)
    sheet.write_sheet(tmp_path / "sheet.html", evaluation, shown)
    sheet.write_sheet(tmp_path / "sheet.png", evaluation, shown)
    page = (tmp_path / "sheet.html").read_text()
    assert page.count("data:image/png;base64,") == 4 * len(shown)
    assert "http" not in page
    assert "<script" not in page
    for frame in shown:
        assert sheet.caption(frame) in page
    with image_module.open(tmp_path / "sheet.png") as picture:
        assert picture.width >= 4 * 112
        assert picture.height >= len(shown) * 84
    with pytest.raises(ValueError, match=r"sheet\.gif: a sheet is \.html or \.png"):
        sheet.write_sheet(tmp_path / "sheet.gif", evaluation, shown)


def test_truth_and_prediction_share_their_colours_and_the_error_is_dark_where_small(
    tmp_path: Path,
):
    truth = np.full((84, 112), 10, np.float32)
    truth[:, 56:] = 20
    truth[0, 0] = 0
    depth = truth.copy()
    depth[:, 56:] = 40
    chosen = frames.Chosen("best", "avenue", 0, 0.1)
    frame = frames.Frame(chosen, 0, np.zeros((84, 112, 3), np.uint8), truth, depth)
    _, shown_truth, shown_depth, error = sheet.panels(frame)
    assert (shown_truth[40, 10] == shown_depth[40, 10]).all()
    assert (shown_truth[40, 100] != shown_depth[40, 100]).any() or (depth > 20).any()
    assert error[40, 10].sum() < error[40, 100].sum()
    assert (shown_truth[0, 0] == shown_truth[0, 1]).all()  # a single unknown pixel is filled


def test_the_worked_example_of_the_documentation_prints_what_it_says():
    page = (ROOT / "benchmarks" / "EVALUATION.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.*?)```\n+```text\n(.*?)```", page, re.DOTALL)
    assert example is not None
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example[1]],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == example[2]


def write_results(folder: Path, **changes: Any) -> None:
    """A result with the paper's dataset and split, all of it judged."""
    evaluation = judged(Blurred(), folder)
    evaluation.dataset |= {"name": "mvsec", "split": "test", **changes}
    evaluation.write(folder / "result.json", {})


def test_a_result_stands_below_its_row_of_the_paper_with_the_difference(tmp_path: Path):
    write_results(tmp_path)
    results, left_out = paper.read_results(tmp_path)
    lines = paper.paper_lines(results)
    assert left_out == []
    ours = results[0].evaluation.reports()["paper"].mean_of_sequences
    place = next(i for i, line in enumerate(lines) if line.startswith("Table 2, MVSEC"))
    row = next(i for i in range(place, len(lines)) if lines[i].startswith("DepthAnyEvent-R"))
    assert lines[row].split() == ["DepthAnyEvent-R", "paper", "0.365", "0.691", "6.465", "0.489"]
    assert lines[row + 1].split()[:2] == ["ours", f"{ours['abs_rel']:.3f}"]
    assert lines[row + 1].endswith("result.json")
    assert lines[row + 2].split()[:2] == ["difference", f"{ours['abs_rel'] - 0.365:+.3f}"]
    assert sum("not measured" in line for line in lines) == 8 + 8 + 5 - 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"limit": 2}, "not all of the split was judged"),
        ({"expected": {"avenue": 4}}, "not all of the split was judged"),
        ({"name": "m3ed"}, "m3ed test is not in the tables"),
        ({"split": "train"}, "mvsec train is not in the tables"),
    ],
)
def test_a_result_without_a_place_in_the_tables_is_left_out_with_its_reason(
    tmp_path: Path, changes, message
):
    write_results(tmp_path, **changes)
    (tmp_path / "summary.json").write_text("{}")
    results, left_out = paper.read_results(tmp_path)
    assert results == []
    assert any(message in line for line in left_out)
    assert any("summary.json: wanted dae-eval version 1" in line for line in left_out)
