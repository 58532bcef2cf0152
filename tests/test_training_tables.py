"""The pages that training writes: the comparison of regimes, and the model card."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", exc_type=ImportError)
pytest.importorskip("tqdm", exc_type=ImportError)

from dae_edge.cli import eval as dae_eval
from dae_edge.datasets import Sample
from dae_edge.evaluation.record import Evaluation, read
from dae_edge.world.families import make_scenes
from dae_edge.world.film import Film
from dae_edge.world.sensor import load_profile
from dae_edge.world.splits import SPLITS
from training import card, regimes
from training.frame_predictor import FramePredictor
from training.recipe import load_recipe


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """A real result of dae-eval."""
    file = tmp_path_factory.mktemp("results") / "floor.json"
    arguments = ["constant", "--dataset", "synthetic", "--limit", "2", "--json", str(file)]
    assert dae_eval.main(arguments) == 0
    return read(file)


@pytest.mark.parametrize("name", ["teacher", *regimes.NETWORKS])
def test_the_recipes_of_the_comparison_are_understood(name: str):
    recipe = load_recipe(str(regimes.RECIPES / f"{name}.toml"))
    stages = {stage.name: stage for stage in recipe.stages}
    assert set(stages) == ({"teacher"} if name == "teacher" else set(regimes.REGIMES))
    for regime in ("distilled", "supervised"):
        if regime in stages:
            assert stages[regime].after == "zero-shot"
            assert ("teacher" in stages[regime].synthetic) == (regime == "distilled")


def test_what_is_not_measured_says_so():
    cells = [regimes.Cell("e2depth", "distilled", None, 0, math.nan)]
    [row] = [line for line in regimes.table(cells, None, None).splitlines() if "E2Depth" in line]
    assert row.count("not measured") == 6
    assert row.endswith("| 0 | - |")


def test_what_is_measured_stands_in_the_row_of_its_regime(floor: Evaluation):
    cells = [regimes.Cell("depthanyevent", "supervised", floor, 12_800, 3.6)]
    text = regimes.table(cells, floor, None)
    strict = floor.reports()["strict"].mean_of_sequences
    [row] = [line for line in text.splitlines() if "| supervised |" in line]
    assert f"{strict['abs_rel']:.3f}" in row
    assert row.endswith("| 12,800 | 3.6 |")
    assert " - |" in row  # the paper's protocol has no score for a constant


def test_the_teacher_is_judged_on_frames_of_the_very_moments_of_the_truth():
    predictor = FramePredictor.__new__(FramePredictor)  # only what it looks at: no weights
    predictor._sequences = {one.name: one for one in SPLITS[regimes.SPLIT]}
    sequence = SPLITS[regimes.SPLIT][0]
    sensor = load_profile(sequence.sensor)
    window = Film(make_scenes([sequence.seed], [sequence.family]), sensor).window()
    size = sensor.width, sensor.height
    sample = Sample(
        sequence=sequence.name,
        index=0,
        t_us=window.t_us,
        sensor=size,
        crop=(0, 0, *size),
        depth=window.depth[0].numpy(),
    )
    depth, frame = predictor.look(sample)
    assert frame.shape == (1, 3, *sample.depth.shape)
    np.testing.assert_allclose(depth[0].numpy(), sample.depth, rtol=1e-5)


def test_an_unknown_network_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert regimes.main(["--only", "ereformer", "--out", str(tmp_path)]) == 2
    assert "no 'ereformer', only teacher" in capsys.readouterr().err


def test_a_card_says_where_the_student_falls_short(floor: Evaluation):
    stage = {"steps": 10, "samples": 320, "seconds": 90.0, "samples_per_s": 3.6}
    summary = {"recipe": "depthanyevent-r-tiny", "stages": {"pretrain": stage}}
    found = {"test": (floor, floor)}
    text = card.page(found, {"test": Path("x-test.png")}, summary, "abc1234")
    assert "commit abc1234" in text
    assert "| pretrain | 10 | 320 | 2 | 4 |" in text
    assert "Short of it:" in text
    assert "`test`: AbsRel 1.00 of the constant's" in text
    assert "![test](x-test.png)" in text
