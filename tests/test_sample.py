"""The shipped sample recording, and the generator that made it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dae_edge import _native
from dae_edge.events import EVENT, Events
from training import sample
from training.scene import HEIGHT, WIDTH, Scene, ball_centre, pose

DATA = Path(__file__).resolve().parent.parent / "dae_edge" / "data"
SHORT_S = 0.05


@pytest.fixture(scope="module")
def shipped() -> tuple[Events, dict[str, int]]:
    content = (DATA / "sample.raw").read_bytes()
    words = content.index(b"% end\n") + len(b"% end\n")
    decoder = _native.Decoder("evt3", WIDTH, HEIGHT)
    events = np.empty(len(content), EVENT)
    used, count = decoder.decode(content[words:], events)
    assert used == len(content) - words
    return events[:count], decoder.counters()


@pytest.fixture(scope="module")
def short() -> Events:
    return sample.record(seconds=SHORT_S)[0]


def test_the_shipped_recording_decodes_to_sorted_events_of_two_seconds(shipped):
    events, counters = shipped
    assert (np.diff(events["t"]) >= 0).all()
    assert events["t"][0] < 10_000
    assert 1_990_000 < events["t"][-1] <= 2_000_000
    faults = ("time_glitches", "dropped_x", "dropped_y", "reserved_words", "partial_vectors")
    assert {name: counters[name] for name in faults} == dict.fromkeys(faults, 0)


def test_each_window_of_the_shipped_recording_looks_like_a_moving_camera(shipped):
    events, _ = shipped
    per_window = np.histogram(events["t"], np.arange(0, 2_000_001, 50_000))[0]
    assert per_window.min() > 5_000
    assert per_window.max() < 20_000
    assert 0.4 < events["on"].mean() < 0.6


def test_the_shipped_header_names_sensor_and_generator():
    header = (DATA / "sample.raw").read_bytes()[:200].decode("ascii", "replace")
    assert "% geometry 346x260\n" in header
    assert "% generator dae-edge training.sample\n" in header


def test_the_shipped_files_stay_small():
    assert (DATA / "sample.raw").stat().st_size <= 2_000_000
    assert (DATA / "sample_depth.npz").stat().st_size <= 400_000


def test_the_shipped_depth_is_finite_positive_and_what_the_readme_says():
    with np.load(DATA / "sample_depth.npz", allow_pickle=False) as truth:
        depth, t_us = truth["depth"], truth["t_us"]
        fx, fy, cx, cy = truth["intrinsics"]
        assert truth["stride"] == 2
    assert depth.dtype == np.float16
    assert depth.shape == (20, 130, 173)
    assert np.isfinite(depth).all()
    assert 0.5 < depth.min() < depth.max() < 15
    assert t_us.tolist() == list(range(100_000, 2_000_001, 100_000))
    assert (fx, fy, cx, cy) == (250, 250, 172.5, 129.5)


def test_the_shipped_depth_is_that_of_the_generators_scene():
    with np.load(DATA / "sample_depth.npz", allow_pickle=False) as truth:
        shipped_depth, t_us = truth["depth"], truth["t_us"]
    depth = Scene(seed=sample.SEED).render(float(t_us[4]) * 1e-6)[1][::2, ::2]
    close = np.isclose(shipped_depth[4], depth, rtol=2e-3)
    assert close.mean() > 0.999  # other machines may round a silhouette the other way


def test_the_shipped_recording_begins_as_the_generator_writes_it(shipped, short):
    events, _ = shipped
    begin = events[events["t"] < SHORT_S * 1e6 - sample.SWEEP_US]
    short = short[short["t"] < SHORT_S * 1e6 - sample.SWEEP_US]
    assert abs(len(begin) - len(short)) <= 0.01 * len(short)
    difference = _pixel_counts(begin) - _pixel_counts(short)
    assert np.abs(difference).sum() <= 0.02 * len(short)


def test_generation_is_deterministic(short):
    again = sample.record(seconds=SHORT_S)[0]
    assert np.array_equal(short, again)


def test_no_pixel_reports_twice_within_one_sweep(short):
    pixel = short["y"].astype(np.int64) * WIDTH + short["x"]
    sweep = short["t"] // sample.SWEEP_US
    assert len(np.unique(sweep * WIDTH * HEIGHT + pixel)) == len(short)


def test_a_still_scene_gives_nothing_but_noise():
    still = np.full((HEIGHT, WIDTH), 0.5, np.float32)
    sensor = sample.ThresholdSensor(still, seed=1)
    events = np.concatenate([sensor.see(still, t_us) for t_us in range(2_000, 200_001, 2_000)])
    expected = (WIDTH * HEIGHT * sample.NOISE_HZ + sample.HOT_PIXELS * sample.HOT_HZ) * 0.2
    assert 0.8 * expected < len(events) < 1.2 * expected


def test_a_rise_gives_as_many_events_as_thresholds_fit_in_spread_evenly_over_the_frame():
    shape = (40, 50)
    sensor = sample.ThresholdSensor(np.ones(shape, np.float32), seed=1)
    events = sensor.see(np.full(shape, np.exp(2.0), np.float32), 1_000_000)
    rising = events[events["on"]]
    # The first crossing is 0 to 2 thresholds away, as the pixels start anywhere between theirs.
    expected = 2.0 / sample.THRESHOLD - 0.5
    assert len(rising) / (40 * 50) == pytest.approx(expected, rel=0.03)
    assert rising["t"].mean() == pytest.approx(525_000, rel=0.02)


def test_a_length_that_the_scene_does_not_have_is_refused():
    for seconds in (0, -1, 2.6, float("nan")):
        with pytest.raises(ValueError, match=r"seconds: got .*, wanted more than 0"):
            sample.record(seconds=seconds)


def test_the_written_files_are_a_recording_and_its_depth(tmp_path):
    recording, truth = sample.write(tmp_path / "new", seconds=0.004)
    assert recording.read_bytes().startswith(b"% format EVT3;height=260;width=346\n")
    with np.load(truth, allow_pickle=False) as arrays:
        assert arrays["depth"].shape == (0, 130, 173)
    assert sorted(path.name for path in recording.parent.iterdir()) == [
        "sample.raw",
        "sample_depth.npz",
    ]


def test_the_ball_is_nearer_than_what_is_behind_it_by_the_right_amount():
    t = 1.0
    view = pose(t)
    x, y, z = view.rotation.T @ (ball_centre(t) - view.position)
    column, row = round(250 * x / z + 172.5), round(250 * y / z + 129.5)
    _, depth = Scene(seed=1).render(t)
    # The ray through the centre meets the ball one radius before it.
    length = np.sqrt(x * x + y * y + z * z)
    assert depth[row, column] == pytest.approx(z * (1 - 0.32 / length), rel=0.01)


def _pixel_counts(events: Events) -> NDArray[np.int64]:
    pixel = events["y"].astype(np.int64) * WIDTH + events["x"]
    return np.bincount(pixel, minlength=WIDTH * HEIGHT)
