"""The simulated event camera: thresholds, noise, and that every form of a window says the same."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", exc_type=ImportError)

import torch
from hypothesis import given
from hypothesis import strategies as st

from dae_edge import encoding
from dae_edge.world.families import make_scenes
from dae_edge.world.film import Film
from dae_edge.world.sensor import SensorProfile, awake, fixed_pattern, step
from dae_edge.world.windows import event_list

SEED = torch.tensor([3], dtype=torch.int32)
CHANCE = torch.tensor([4], dtype=torch.int32)
IDEAL = SensorProfile(
    32, 24, threshold=0.2, spread=0.0, refractory_us=0.0, leak_hz=0.0, shot_hz=0.0, hot_part=0.0,
    cutoff_hz=1e9,
)  # fmt: skip


def _burst(profile: SensorProfile, before: float, after: float, step_us: float = 10_000.0):
    fixed = fixed_pattern(profile, SEED, torch.tensor([profile.threshold]))
    dim = torch.full((1, profile.height, profile.width), before)
    pixels = awake(fixed, dim, SEED)
    pixels = pixels._replace(level=pixels.log)  # reset at this very moment
    return step(profile, fixed, pixels, torch.full_like(dim, after), step_us, CHANCE)


@given(st.floats(-3, 3).filter(lambda change: abs(change) > 0.01))
def test_a_change_of_log_brightness_gives_one_event_per_threshold(change: float):
    _, bursts = _burst(IDEAL, 1.0, math.exp(change))
    exact = abs(change) / IDEAL.threshold
    if abs(exact - round(exact)) > 0.01:
        assert (bursts.number == math.floor(exact)).all()
    assert (bursts.on[bursts.number > 0] == (change > 0)).all()


def test_events_of_a_steady_change_are_evenly_spaced_in_time():
    _, bursts = _burst(IDEAL, 1.0, math.exp(1.0))
    times = [event["t"] for event in event_list(bursts, 0)[0] if event["x"] == event["y"] == 5]
    assert np.abs(np.array(times[:4]) - [2_000, 4_000, 6_000, 8_000]).max() <= 1


def test_the_rest_of_a_change_is_kept_for_the_next_step():
    profile = IDEAL
    fixed = fixed_pattern(profile, SEED, torch.tensor([0.2]))
    image = torch.ones(1, profile.height, profile.width)
    pixels = awake(fixed, image, SEED)._replace(level=image.log())
    total = 0
    for part in range(1, 6):  # five times 0.15: 3.75 thresholds
        bright = torch.full_like(image, math.exp(0.15 * part))
        pixels, bursts = step(profile, fixed, pixels, bright, 10_000.0, CHANCE)
        total += int(bursts.number[0, 0, 0])
    assert total == 3


def test_the_refractory_period_thins_trains_but_moves_no_level():
    pixels, all_events = _burst(IDEAL, 1.0, math.exp(2.1))
    deaf = replace(IDEAL, refractory_us=2_500.0)
    pixels_deaf, fewer = _burst(deaf, 1.0, math.exp(2.1))
    assert int(all_events.number[0, 0, 0]) == 10
    assert int(fewer.number[0, 0, 0]) == 4
    assert (fewer.gap_us >= 2_499).all()
    assert torch.allclose(pixels.level, pixels_deaf.level)


def test_a_pixel_that_just_reported_is_deaf_into_the_next_step():
    profile = replace(IDEAL, refractory_us=50_000.0)
    fixed = fixed_pattern(profile, SEED, torch.tensor([0.2]))
    image = torch.ones(1, profile.height, profile.width)
    pixels = awake(fixed, image, SEED)._replace(level=image.log())
    pixels, first = step(profile, fixed, pixels, image * math.exp(0.5), 10_000.0, CHANCE)
    assert int(first.number.max()) == 1
    pixels, second = step(profile, fixed, pixels, image * math.exp(1.0), 10_000.0, CHANCE)
    assert int(second.number.max()) == 0


def test_noise_comes_at_its_rate_and_in_both_polarities():
    profile = replace(IDEAL, width=200, height=200, shot_hz=2.0)
    _, bursts = _burst(profile, 1.0, 1.0, step_us=50_000.0)
    expected = 200 * 200 * 2.0 * 0.05
    assert abs(int(bursts.stray.sum()) - expected) < 5 * expected**0.5
    assert 0.45 < float(bursts.stray_on[bursts.stray].float().mean()) < 0.55


def test_there_is_more_noise_in_the_dark():
    profile = replace(IDEAL, width=200, height=200, shot_hz=2.0)
    _, light = _burst(profile, 1.0, 1.0, step_us=50_000.0)
    _, dark = _burst(profile, 0.01, 0.01, step_us=50_000.0)
    assert dark.stray.sum() > 3 * light.stray.sum()


def test_a_leak_gives_on_events_at_its_rate():
    profile = replace(IDEAL, width=100, height=100, leak_hz=5.0)
    fixed = fixed_pattern(profile, SEED, torch.tensor([0.2]))
    image = torch.ones(1, 100, 100)
    pixels = awake(fixed, image, SEED)
    count = 0
    for index in range(20):
        chance = CHANCE + index
        pixels, bursts = step(profile, fixed, pixels, image, 50_000.0, chance)
        count += int(bursts.number.sum())
        assert bursts.on[bursts.number > 0].all()
    assert abs(count - 100 * 100 * 5.0) < 0.1 * 100 * 100 * 5.0  # one second


def test_thresholds_spread_from_pixel_to_pixel_as_asked():
    profile = replace(IDEAL, width=300, height=300, spread=0.1)
    fixed = fixed_pattern(profile, SEED, torch.tensor([0.2]))
    assert abs(float(fixed.on.mean()) - 0.2) < 0.001
    assert abs(float(fixed.on.std()) - 0.02) < 0.001
    assert not torch.equal(fixed.on, fixed.off)


def test_a_slow_photoreceptor_smears_a_step():
    _, fast = _burst(IDEAL, 1.0, math.exp(1.05))
    _, slow = _burst(replace(IDEAL, cutoff_hz=10.0), 1.0, math.exp(1.05))
    assert int(slow.number.max()) < int(fast.number.max())


@pytest.mark.parametrize("family", ["indoor", "road-night", "clutter"])
def test_the_window_of_a_film_is_what_the_encoder_makes_of_its_events(family: str):
    sensor = SensorProfile(64, 48, moments=4)
    film = Film(make_scenes([8, 9], [family] * 2), sensor, keep_events=True, bins=5)
    for _ in range(2):
        window = film.window()
        assert window.events is not None
        assert window.voxels is not None
        for camera, events in enumerate(window.events):
            assert (np.diff(events["t"]) >= 0).all()
            assert events["t"].min() >= window.t_us - 50_000
            assert events["t"].max() < window.t_us
            encoded = encoding.tencode(events, 48, 64).transpose(2, 0, 1).astype(int)
            off = np.abs(encoded - window.tencode[camera].numpy().astype(int))
            assert off.max() <= 2  # a microsecond of rounding moves green by 255 / 50,000
            assert (off > 0).mean() < 0.01
            grid = encoding.voxel_grid(events, 48, 64, bins=5)
            # the grid's ends are the window's here, the first and last event's there
            assert np.abs(grid - window.voxels[camera].numpy()).mean() < 0.02 * np.abs(grid).mean()
