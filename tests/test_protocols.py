"""The published evaluation, number by number, and the strict one by what it promises."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from dataset_files import read_npz_xz
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dae_edge.protocols import OFFICIAL_NAMES, PROTOCOLS, Paper, Strict
from dae_edge.tally import Tally

CASES = (
    "affine_mono",
    "metric_pred",
    "target_below_clip",
    "logdepth_pred",
    "nan_target_aligned",
    "constant_pred_aligned",
    "spikes_1e6_aligned",
    "all_far_pred",
)
# The published code aligns in float32, whose sums depend on the order of summing; ours is float64.
NOISE = {"rel": 1e-5, "abs": 1e-4}

any_float = st.floats(width=32, allow_nan=True, allow_infinity=True)
predictions = hnp.arrays(np.float32, (4, 5), elements=any_float)
targets = hnp.arrays(np.float32, (4, 5), elements=st.one_of(any_float, st.floats(0, 100, width=32)))


@pytest.fixture(scope="module")
def official(golden):
    return json.loads((golden / "metrics_outputs.json").read_text())


@pytest.fixture(scope="module")
def maps(golden):
    """(prediction, target) by case, put together again from what is different between cases."""
    stored = read_npz_xz(golden / "metrics_inputs.npz.xz")
    shared = stored["affine_mono/target"]
    spikes = stored["affine_mono/pred"].copy()
    spikes.ravel()[stored["spikes_1e6_aligned/at"]] = 1e6
    nearby = stored["metric_pred/pred"] + np.float32(3)
    nearby.ravel()[stored["nan_target_aligned/at"]] = stored["nan_target_aligned/value"]
    return {
        "affine_mono": (stored["affine_mono/pred"], shared),
        "metric_pred": (stored["metric_pred/pred"], shared),
        "target_below_clip": (
            stored["target_below_clip/pred"],
            stored["target_below_clip/target"],
        ),
        "logdepth_pred": (stored["logdepth_pred/pred"], shared),
        "nan_target_aligned": (nearby, stored["nan_target_aligned/target"]),
        "constant_pred_aligned": (np.full_like(shared, 0.5), shared),
        "spikes_1e6_aligned": (spikes, shared),
        "all_far_pred": (np.full_like(shared, 200), shared),
    }


@pytest.mark.parametrize("case", CASES)
def test_the_paper_protocol_gives_all_56_published_numbers(case, official, maps):
    config, wanted = official[case]["config"], official[case]["metrics"]
    protocol = Paper(
        clip_m=config["clip_distance"],
        align=config["use_scaleshift"],
        log_depth=config["use_logdepth"],
        regularisation=config["reg_factor"],
    )
    scores = protocol.frame(*maps[case])
    assert set(scores) == set(OFFICIAL_NAMES) | {"pixels"}
    assert set(OFFICIAL_NAMES.values()) == set(wanted)
    found = {OFFICIAL_NAMES[name]: value for name, value in scores.items() if name != "pixels"}
    assert found == pytest.approx(wanted, nan_ok=True, **NOISE)


def test_the_paper_averages_frames_then_sequences_and_skips_what_has_no_value(official, maps):
    example = official["_aggregation_example"]["result"]
    tally = Tally("paper")
    tally.add("seqB", Paper(clip_m=30).frame(*maps["affine_mono"]))
    tally.add("seqB", Paper().frame(*maps["metric_pred"]))
    tally.add("seqB", Paper().frame(*maps["constant_pred_aligned"]))
    report = tally.report()
    found = {OFFICIAL_NAMES[name]: value for name, value in report.sequences["seqB"].items()}
    assert found == pytest.approx(example["seqB"], **NOISE)
    assert report.without_value["rmse"] == 1

    means = Tally("paper")
    for sequence in ("seqA", "seqB"):
        means.add(sequence, example[sequence])
    assert means.report().mean_of_sequences == pytest.approx(example["MEAN"], rel=1e-12)


def test_the_paper_protocol_stretches_targets_that_stay_below_the_clip():
    target = np.array([[10.0, 20.0, 40.0]])
    scores = Paper(align=False).frame(target, target)
    assert scores["pixels"] == 2  # the farthest is at the clip now
    assert scores["mean_target"] == pytest.approx(30)
    assert scores["abs_rel"] == pytest.approx(0.5, rel=1e-4)


def test_the_paper_protocol_forgets_pixels_whose_prediction_is_out_of_range():
    target = np.array([[10.0, 20.0, 80.0]])
    assert Paper(align=False).frame([[10.0, -5.0, 80.0]], target)["pixels"] == 1
    assert Strict(align=False).frame([[10.0, -5.0, 80.0]], target)["pixels"] == 3


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_frame_without_true_depth_has_no_value(name):
    scores = PROTOCOLS[name]().frame(np.ones((2, 3)), np.zeros((2, 3)))
    assert scores["pixels"] == 0
    assert math.isnan(scores["abs_rel"])


@pytest.mark.parametrize("name", PROTOCOLS)
def test_what_is_no_pair_of_maps_is_refused(name):
    for prediction, target in ((np.ones((2, 3)), np.ones((3, 2))), (np.ones(3), np.ones(3))):
        with pytest.raises(ValueError, match=r"maps \[H, W\] of one shape"):
            PROTOCOLS[name]().frame(prediction, target)


@given(predictions, targets)
def test_the_paper_protocol_never_fails_whatever_the_numbers(prediction, target):
    for protocol in (Paper(), Paper(align=False), Paper(align=False, log_depth=True)):
        scores = protocol.frame(prediction, target)
        assert not any(math.isinf(value) for value in scores.values())


@given(predictions, targets, st.booleans())
def test_the_strict_protocol_has_a_value_wherever_there_is_a_pixel(prediction, target, align):
    scores = Strict(align=align).frame(prediction, target)
    valid = np.isfinite(target) & (target > 0) & (target <= 80)
    assert scores["pixels"] == valid.sum()
    assert scores["not_finite"] == (valid & ~np.isfinite(prediction)).sum()
    for name, value in scores.items():
        limit = float(name.split("_")[-1][:-1]) if name.endswith("0m") else np.inf
        assert math.isnan(value) == (not (valid & (target < limit)).any()) or name in (
            "pixels",
            "clamped",
            "not_finite",
        )
        assert not math.isinf(value)


@given(targets, st.floats(0.1, 10), st.floats(-5, 5))
def test_the_strict_protocol_does_not_see_scale_and_shift(target, scale, shift):
    usable = np.isfinite(target) & (np.abs(target) < 1000)
    target = np.where(usable, target, np.float32(0))
    rows, columns = np.indices(target.shape)
    prediction = np.sin(rows + 2 * columns) + 2
    one = Strict().frame(prediction, target)
    other = Strict().frame(scale * prediction + shift, target)
    skip = ("clamped", "delta")  # a pixel on a limit may fall to either side
    for name in one:
        if not name.startswith(skip):
            assert other[name] == pytest.approx(one[name], rel=1e-3, abs=1e-3, nan_ok=True)


def test_the_strict_protocol_clamps_and_counts_instead_of_dropping():
    target = np.array([[1.0, 2.0, 4.0, 90.0, 0.0, np.nan]])
    prediction = np.array([[-1.0, np.nan, 4.0, 7.0, 7.0, 7.0]])
    scores = Strict(align=False, nearest_m=0.5).frame(prediction, target)
    assert (scores["pixels"], scores["clamped"], scores["not_finite"]) == (3, 1, 1)
    assert scores["mae"] == pytest.approx((0.5 + 1.5 + 0) / 3)
    assert scores["sq_rel"] == pytest.approx((0.25 / 1 + 2.25 / 2) / 3)
    assert scores["sq_rel_squared"] == pytest.approx((0.25 / 1 + 2.25 / 4) / 3)


def test_the_strict_protocol_does_not_stretch():
    target = np.array([[10.0, 20.0, 40.0]])
    scores = Strict(align=False).frame(target, target)
    assert scores["pixels"] == 3
    assert scores["abs_rel"] == 0
