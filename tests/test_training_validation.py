"""Validation: the numbers of ``dae-eval`` on the same frames, and what is left for people."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

import numpy as np
from small_dataset import Drives
from small_training import small_recipe as training_recipe

from dae_edge.datasets import Sequence
from dae_edge.evaluation import Evaluation, evaluate
from dae_edge.evaluation.torch_predictor import TorchPredictor
from dae_edge.nn import DepthAnyEvent, E2Depth, ModelConfig, seeded_state_dict
from dae_edge.protocols import Paper, Strict
from dae_edge.recipes import Recipe as ModelRecipe
from dae_edge.recipes import load_recipe as load_model_recipe
from training.clip import Clip
from training.student import write_weights
from training.validation import KEPT, validate

CPU = torch.device("cpu")


def drives(root: Path) -> list[Sequence]:
    """Without "bridge": of its empty window an evaluation keeps the depth before it."""
    return [one for one in Drives(root, "test").sequences() if one.name != "bridge"]


Named = Iterator[tuple[str, list[Clip]]]


def as_clips(sequences: list[Sequence], *, voxels: bool = False) -> Named:
    """Two windows at a time, at the size of the sensor."""
    for sequence in sequences:
        samples = list(sequence)
        windows = torch.from_numpy(
            np.stack([s.voxel_grid(5) if voxels else s.tencode(dtype=np.float32) for s in samples])
        )
        depth = torch.from_numpy(np.stack([sample.depth for sample in samples]))
        yield (
            sequence.name,
            [Clip(windows[None, at : at + 2], depth[None, at : at + 2])
             for at in range(0, len(samples), 2)],
        )  # fmt: skip


def judged(recipe: ModelRecipe, weights: Path, root: Path, *, align: bool) -> dict[str, Any]:
    """What ``dae-eval`` says of weights, by sequence, with the names that validation has."""
    predictor = TorchPredictor(recipe, weights)
    protocols = {"strict": Strict(align=align), "paper": Paper(align=align)}
    evaluation = Evaluation.begin(predictor.judged, Drives(root, "test"), protocols, limit=None)
    assert evaluate(predictor, drives(root), evaluation)
    found: dict[str, Any] = {}
    for protocol, report in evaluation.reports().items():
        for name, scores in report.sequences.items():
            found.setdefault(name, {"frames": float(report.frames[name])})
            found[name] |= {f"{protocol}_{key}": scores[key] for key in KEPT}
    return found


def test_the_numbers_are_those_of_an_evaluation(tmp_path: Path, small_recipe: ModelRecipe):
    model = DepthAnyEvent(ModelConfig(**small_recipe.model)).eval()
    model.load_state_dict(seeded_state_dict(model))
    recipe = training_recipe()
    weights = write_weights(tmp_path, "w", model, recipe)
    verdict = validate(model, as_clips(drives(tmp_path)), recipe, CPU)
    wanted = judged(small_recipe, weights, tmp_path, align=True)
    assert set(verdict.sequences) == {"avenue", "canal"}
    for name, scores in verdict.sequences.items():
        assert scores == pytest.approx(wanted[name], rel=1e-5), name
    assert verdict.score == pytest.approx(
        sum(one["strict_abs_rel"] for one in wanted.values()) / 2, rel=1e-5
    )


def test_metric_depth_is_judged_as_it_is(tmp_path: Path):
    torch.manual_seed(1)
    model = E2Depth().eval()
    recipe = training_recipe("metric=true")
    weights = write_weights(tmp_path, "w", model, recipe)
    verdict = validate(model, as_clips(drives(tmp_path), voxels=True), recipe, CPU)
    wanted = judged(load_model_recipe("e2depth"), weights, tmp_path, align=False)
    for name, scores in verdict.sequences.items():
        assert scores == pytest.approx(wanted[name], rel=1e-5), name


class Constant(torch.nn.Module):
    """Says the same everywhere."""

    def log_depth(self, window: Any, state: Any) -> Any:
        return torch.full((len(window), 20, 26), 0.5), ()


def toy_clips() -> Named:
    depth = torch.linspace(2, 30, 40 * 52).reshape(1, 1, 40, 52).expand(3, 2, 40, 52)
    windows = torch.zeros(3, 2, 3, 40, 52, dtype=torch.uint8)
    yield "seen", [Clip(windows, depth)] * 2
    yield "unknown", [Clip(windows, depth * 0)]
    half = depth.clone()
    half[:, 0] = 0
    yield "half", [Clip(windows, half)]


def test_frames_without_truth_are_not_counted_and_a_sequence_without_any_has_no_score():
    model: Any = Constant()
    verdict = validate(model, toy_clips(), training_recipe(), CPU)
    assert {name: one["frames"] for name, one in verdict.sequences.items()} == {
        "seen": 12, "unknown": 0, "half": 3,
    }  # fmt: skip
    assert math.isnan(verdict.sequences["unknown"]["strict_abs_rel"])
    assert verdict.sequences["half"]["strict_abs_rel"] == pytest.approx(
        verdict.sequences["seen"]["strict_abs_rel"]
    )


def test_one_sequence_without_truth_does_not_hide_the_score_of_the_others():
    model: Any = Constant()
    verdict = validate(model, toy_clips(), training_recipe(), CPU)
    assert math.isfinite(verdict.score)


def test_some_frames_of_every_group_are_kept_to_look_at():
    model: Any = Constant()
    frames = validate(model, toy_clips(), training_recipe(), CPU).frames
    assert [frame.label for frame in frames] == ["seen", "seen", "unknown", "half"]
    assert {frame.truth.shape for frame in frames} == {(40, 52)}
    assert {frame.prediction.shape for frame in frames} == {(40, 52)}
    nothing = validate(model, iter(()), training_recipe(), CPU)
    assert (nothing.sequences, nothing.frames) == ({}, [])
    assert math.isnan(nothing.score)
