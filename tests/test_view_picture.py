"""The frame that people see: its size, its caption, its legends, its notice."""

from __future__ import annotations

import numpy as np
import pytest

from dae_edge.view.picture import panel_size, side_by_side

pytest.importorskip("PIL")
SENSORS = [(260, 346), (480, 640), (720, 1280), (180, 240), (128, 128), (1, 1), (7, 2000)]


def frame(size=(260, 346), **options):
    events = np.full((*size, 3), 20, np.uint8)
    depth = np.full((*size, 3), 200, np.uint8)
    options = {"caption_lines": ["t = 50.0 ms"], **options}
    return side_by_side(events, depth, **options)


@pytest.mark.parametrize("size", SENSORS)
def test_every_sensor_gives_an_even_frame_of_a_usable_size(size):
    picture = frame(size, notice="untrained weights", near_far=(0.5, 20.0))
    height, width = picture.shape[:2]
    assert picture.dtype == np.uint8
    assert height % 2 == width % 2 == 0
    assert width <= 1930


@pytest.mark.parametrize(
    ("sensor", "panel"),
    [((260, 346), (520, 692)), ((480, 640), (480, 640)), ((180, 240), (540, 720))],
)
def test_small_sensors_are_enlarged_by_a_whole_factor(sensor, panel):
    assert panel_size(*sensor) == panel


def test_events_are_left_and_depth_is_right():
    picture = frame(caption_lines=[])
    assert (picture[100, 100] == 20).all()
    assert (picture[100, 692 + 100] == 200).all()


def test_the_size_does_not_depend_on_what_is_said():
    plain = frame()
    full = frame(notice="a notice", near_far=(0.5, 20.0), unit="relative depth")
    long = frame(caption_lines=["very long " * 100])
    assert plain.shape == full.shape == long.shape


def test_each_caption_line_takes_its_place():
    heights = [frame(caption_lines=["line"] * count).shape[0] for count in (1, 2, 3)]
    assert heights[2] - heights[1] == pytest.approx(heights[1] - heights[0], abs=2)
    assert heights[0] < heights[1]


def test_the_caption_changes_the_bar_and_nothing_else():
    one, other = frame(caption_lines=["t = 50.0 ms"]), frame(caption_lines=["t = 150.0 ms"])
    rows = np.flatnonzero((one != other).any(axis=(1, 2)))
    assert len(rows) > 0
    assert rows.max() < 50


def test_a_notice_covers_the_depth_in_clear_contrast_and_leaves_the_events_alone():
    plain, warned = frame(), frame(notice="untrained weights: the depth is meaningless")
    changed = (plain != warned).any(axis=2)
    assert not changed[:, :692].any()
    assert changed[:, 700:].mean() > 0.05
    lightness = warned[changed].astype(float).mean(axis=1)
    assert lightness.min() < 25
    assert lightness.max() > 150


def test_a_long_notice_is_wrapped_not_cut():
    short, long = frame(notice="word"), frame(notice="word " * 60)
    plain = frame()
    assert (long != plain).any(axis=2).sum() > 2 * (short != plain).any(axis=2).sum()


def test_the_legend_tells_the_range():
    one, other = frame(near_far=(0.5, 20.0)), frame(near_far=(0.7, 20.0))
    rows, columns = np.nonzero((one != other).any(axis=2))
    assert rows.min() > 500
    assert columns.min() > 692
    assert (frame(near_far=(0.5, 20.0), unit="relative depth") != one).any()


def test_pictures_of_two_sizes_or_types_are_refused():
    events, depth = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)
    with pytest.raises(ValueError, match="one size"):
        side_by_side(events, depth, caption_lines=[])
    with pytest.raises(ValueError, match=r"depth: a picture is uint8 \[H, W, 3\], got float32"):
        side_by_side(events, depth.astype(np.float32), caption_lines=[])
