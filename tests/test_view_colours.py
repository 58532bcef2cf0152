"""Depth maps and Tencode images as colours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from dae_edge.view.colours import (
    BACKGROUND,
    BRIGHTER,
    DARKER,
    NO_DEPTH,
    DepthRange,
    depth_colours,
    depth_picture,
    events_picture,
    visible_range,
)


def lightness(colours):
    return colours.astype(float) @ [0.2126, 0.7152, 0.0722]


def test_near_is_bright_and_warm_and_far_is_dark():
    picture = depth_picture(np.array([[1.0, 3.0, 10.0]]), near_far=(1.0, 10.0))[0]
    assert (np.diff(lightness(picture)) < 0).all()
    near, far = picture[0].astype(int), picture[2].astype(int)
    assert near[0] > near[2]
    assert far.max() < 60


def test_the_colour_map_grows_lighter_at_every_step():
    assert (np.diff(lightness(depth_colours())) > -0.5).all()
    assert depth_colours()[255].tolist() == [252, 255, 164]


def test_equal_ratios_of_depth_are_equal_steps_of_colour():
    middle = depth_picture(np.array([[4.0]]), near_far=(1.0, 16.0))[0, 0]
    assert middle.tolist() in depth_colours()[126:130].tolist()


def test_pixels_without_depth_are_grey():
    values = np.array([[np.nan, np.inf, -np.inf, 0.0, -1.0, 2.0]], np.float32)
    picture = depth_picture(values)[0]
    assert (picture[:5] == NO_DEPTH).all()
    assert tuple(picture[5]) != NO_DEPTH


def test_a_map_without_any_depth_is_all_grey():
    assert (depth_picture(np.zeros((3, 4))) == NO_DEPTH).all()
    assert visible_range(np.full((3, 4), np.nan)) is None


def test_a_few_wild_pixels_do_not_change_the_range():
    values = np.random.default_rng(1).uniform(2, 8, (100, 100))
    usual = visible_range(values)
    values[0, :50], values[1, :50] = 1e-6, 1e9
    assert visible_range(values) == pytest.approx(usual, rel=0.05)


def test_a_flat_wall_gets_a_range_around_it():
    near, far = visible_range(np.full((10, 10), 5.0))
    assert near < 5 < far
    assert near * far == pytest.approx(25)


def test_large_maps_are_judged_by_a_part_of_their_pixels():
    values = np.random.default_rng(1).uniform(2, 8, (720, 1280))
    assert visible_range(values) == pytest.approx((2.12, 7.88), rel=0.02)


@given(
    arrays(
        np.float32,
        array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9),
        elements=st.floats(width=32),
    )
)
@example(np.array([[3.1e38]], np.float32))  # far is beyond float32
def test_any_floats_give_a_picture_of_their_size(values):
    picture = depth_picture(values)
    assert picture.shape == (*values.shape, 3)
    assert picture.dtype == np.uint8


@pytest.mark.parametrize("bad", [(0.0, 1.0), (2.0, 1.0), (1.0, np.inf), (np.nan, 1.0), (1.0, 1.0)])
def test_an_impossible_range_is_refused(bad):
    with pytest.raises(ValueError, match=r"near_far: got .* wanted 0 < near < far"):
        depth_picture(np.ones((2, 2)), near_far=bad)


def test_a_batch_is_not_a_depth_map():
    with pytest.raises(ValueError, match=r"\[H, W\], got shape \(1, 2, 2\)"):
        depth_picture(np.ones((1, 2, 2)))


def test_the_range_follows_the_scene_slowly_and_arrives():
    shown = DepthRange(weight=0.1)
    first = shown.update(np.full((8, 8), 2.0))
    second = shown.update(np.full((8, 8), 20.0))
    assert first[1] < second[1] < 1.4 * first[1]
    for _ in range(100):
        last = shown.update(np.full((8, 8), 20.0))
    assert last == pytest.approx(visible_range(np.full((8, 8), 20.0)), rel=1e-3)


def test_the_range_holds_while_nothing_is_seen_and_starts_anew_after_reset():
    shown = DepthRange()
    assert shown.update(np.zeros((4, 4))) == (1.0, 10.0)
    seen = shown.update(np.full((4, 4), 3.0))
    assert shown.update(np.zeros((4, 4))) == pytest.approx(seen)
    shown.reset()
    assert shown.update(np.full((4, 4), 300.0))[0] > 200


def test_a_weight_out_of_range_is_refused():
    for weight in (0.0, 1.1, float("nan")):
        with pytest.raises(ValueError, match="weight: got"):
            DepthRange(weight=weight)


@pytest.mark.parametrize("ground", [0, 255])
def test_events_have_two_hues_and_fade_with_age(ground):
    tencode = np.full((1, 5, 3), ground, np.uint8)
    tencode[0, 0] = [255, 0, 0]
    tencode[0, 1] = [255, 255, 0]
    tencode[0, 2] = [0, 0, 255]
    tencode[0, 3] = [0, 255, 255]
    picture = events_picture(tencode)[0]
    assert tuple(picture[0]) == BRIGHTER
    assert tuple(picture[2]) == DARKER
    assert tuple(picture[4]) == BACKGROUND
    strengths = lightness(picture)
    assert strengths[0] > strengths[1] > strengths[4]
    assert strengths[2] > strengths[3] > strengths[4]


def test_the_float_form_of_tencode_is_refused():
    with pytest.raises(ValueError, match=r"uint8 \[H, W, 3\], got float32 \[3, 4, 5\]"):
        events_picture(np.zeros((3, 4, 5), np.float32))
