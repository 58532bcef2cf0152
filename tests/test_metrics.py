"""Metrics of depth against small sums done by hand, and what must not matter."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dae_edge import metrics

P = np.array([1.0, 4.0, 8.0])
T = np.array([2.0, 4.0, 4.0])
ALL = {
    "abs_rel": metrics.abs_rel,
    "sq_rel": metrics.sq_rel,
    "sq_rel_squared": metrics.sq_rel_squared,
    "mae": metrics.mae,
    "rmse": metrics.rmse,
    "rmse_log": metrics.rmse_log,
    "silog": metrics.silog,
    "delta": metrics.delta,
    "median_diff": metrics.median_diff,
}
depths = hnp.arrays(np.float32, (4, 5), elements=st.floats(0.125, 1000, width=32))
masks = hnp.arrays(np.bool_, (4, 5))


def test_each_metric_is_its_formula():
    log = np.log([2.0, 1.0, 0.5])
    assert metrics.abs_rel(P, T) == pytest.approx((0.5 + 0 + 1) / 3)
    assert metrics.sq_rel(P, T) == pytest.approx((0.5 + 0 + 4) / 3)
    assert metrics.sq_rel_squared(P, T) == pytest.approx((0.25 + 0 + 1) / 3)
    assert metrics.mae(P, T) == pytest.approx(5 / 3)
    assert metrics.rmse(P, T) == pytest.approx(math.sqrt(17 / 3))
    assert metrics.rmse_log(P, T) == pytest.approx(math.sqrt((log**2).mean()))
    assert metrics.silog(P, T) == pytest.approx(log.var())
    assert metrics.median_diff(P, T) == 0
    assert metrics.mean_depth(P) == pytest.approx(13 / 3)


def test_delta_counts_the_ratio_on_its_limit_and_is_symmetric():
    assert metrics.delta([1.25, 1.2501], [1.0, 1.0]) == 0.5
    assert metrics.delta(P, T) == metrics.delta(T, P) == pytest.approx(1 / 3)
    assert metrics.delta([1.5, 1.9], [1.0, 1.0], power=2) == 0.5
    assert metrics.delta([1.5, 1.9], [1.0, 1.0], power=3) == 1.0


@pytest.mark.parametrize("name", ALL)
def test_without_a_pixel_there_is_no_value(name):
    assert math.isnan(ALL[name](P, T, np.zeros(3, bool)))
    assert math.isnan(ALL[name]([], []))


@pytest.mark.parametrize("name", ALL)
def test_shapes_that_differ_are_refused(name):
    with pytest.raises(ValueError, match=r"one shape, got \(3,\), \(2,\)"):
        ALL[name](P, T[:2])
    with pytest.raises(ValueError, match=r"and \(2,\)"):
        ALL[name](P, T, np.ones(2, bool))


@given(depths, depths, masks)
def test_what_is_masked_does_not_matter(prediction, target, mask):
    other = np.where(mask, prediction, np.float32(np.nan)), np.where(mask, target, np.float32(-7))
    for metric in ALL.values():
        assert metric(prediction, target, mask) == pytest.approx(
            metric(*other, mask), nan_ok=True, rel=1e-12
        )


@given(depths, masks)
def test_a_perfect_prediction_has_no_error(depth, mask):
    for name, metric in ALL.items():
        value = metric(depth, depth, mask)
        assert math.isnan(value) if not mask.any() else value == (name == "delta")


@given(depths, depths, st.floats(0.5, 4))
def test_silog_does_not_see_a_scale(prediction, target, scale):
    p, t = prediction.astype(np.float64), target.astype(np.float64)
    assert metrics.silog(p * scale, t) == pytest.approx(metrics.silog(p, t), abs=1e-9)
    assert metrics.silog(p, t) >= 0


@given(
    hnp.arrays(np.float32, 20, elements=st.floats(-100, 100, width=16), unique=True),
    st.floats(-50, 50),
    st.floats(-50, 50),
    masks.map(np.ravel),
)
def test_alignment_recovers_a_known_scale_and_shift(prediction, scale, shift, mask):
    p = prediction.astype(np.float64)
    target = np.where(mask, scale * p + shift, 1e9)
    found_scale, found_shift = metrics.align(prediction, target, mask)
    if mask.sum() >= 2:
        fitted = found_scale * p[mask] + found_shift
        assert fitted == pytest.approx(target[mask], rel=1e-6, abs=1e-6)


@given(depths, depths)
def test_no_other_scale_and_shift_fit_better(prediction, target):
    scale, shift = metrics.align(prediction, target)
    p, t = prediction.astype(np.float64), target.astype(np.float64)
    best = ((scale * p + shift - t) ** 2).sum()
    for step in (1e-3, -1e-3):
        assert ((scale * (1 + step) * p + shift - t) ** 2).sum() >= best * (1 - 1e-9) - 1e-9
        assert ((scale * p + shift * (1 + step) - t) ** 2).sum() >= best * (1 - 1e-9) - 1e-9


def test_alignment_without_anything_to_fit_is_as_documented():
    assert metrics.align([3.0, 3.0], [1.0, 5.0]) == (0.0, 3.0)
    assert metrics.align([3.0], [5.0]) == (0.0, 5.0)
    assert np.isnan(metrics.align([], [])).all()
    assert metrics.align(np.float32([0.1] * 7), range(7)) == (0.0, 3.0)


def test_alignment_survives_extreme_numbers():
    assert metrics.align([0.0, 1e300], [0.0, 10.0]) == pytest.approx((1e-299, 0.0))
    assert metrics.align([0.0, 5e-324], [0.0, 10.0]) == (0.0, 5.0)  # no finite scale reaches 10
    spikes = np.append(np.linspace(1, 2, 99), 1e6)
    scale, shift = metrics.align(spikes, 2 * spikes + 1)
    assert (scale, shift) == pytest.approx((2, 1), rel=1e-6)
