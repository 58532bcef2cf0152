"""The synthetic world: scenes, rays, and that the same seeds film the same."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", exc_type=ImportError)

import torch

from dae_edge.world.chance import uniform
from dae_edge.world.families import AWAY_M, CLEARANCE_M, FAMILIES, camera_way, make_scenes
from dae_edge.world.film import Film
from dae_edge.world.motion import poses
from dae_edge.world.render import colours, rays, render
from dae_edge.world.scene import OBJECTS, Scenes
from dae_edge.world.sensor import PROFILES, SensorProfile, load_profile
from dae_edge.world.splits import LAST_SEED, SPLITS, TRAIN_SEEDS

SMALL = SensorProfile(48, 36, moments=3)
EVERY_FAMILY = [*FAMILIES, *(f"{family}-night" for family in FAMILIES)]


def _scenes(count: int = len(EVERY_FAMILY)) -> Scenes:
    return make_scenes(list(range(count)), (EVERY_FAMILY * count)[:count])


def test_chance_is_uniform_and_the_same_for_the_same_place():
    place = torch.arange(100_000, dtype=torch.int32)
    values = uniform(torch.tensor(7, dtype=torch.int32), place)
    assert torch.equal(values, uniform(torch.tensor(7, dtype=torch.int32), place))
    counts = torch.histc(values, bins=20, min=0, max=1)
    assert (counts - 5_000).abs().max() < 5 * 5_000**0.5
    neighbours = torch.corrcoef(torch.stack([values[1:], values[:-1]]))[0, 1]
    assert abs(neighbours) < 0.02


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_every_family_gives_finite_pictures_with_depth_and_contrast(family: str):
    scenes = make_scenes([1, 2, 3], [family] * 3)
    picture = render(scenes, torch.zeros(3), 36, 48)
    assert picture.brightness.isfinite().all()
    assert (picture.brightness > 0).all()
    assert picture.depth.isfinite().all()
    assert (picture.depth >= 0).all()
    assert (picture.depth > 0).float().mean() > 0.3
    assert picture.brightness.log().std() > 0.1
    frames = colours(scenes, picture)
    assert frames.shape == (3, 3, 36, 48)
    assert ((frames >= 0) & (frames <= 1)).all()


def test_depth_is_that_of_the_hall_where_nothing_stands():
    scenes = make_scenes([5], ["indoor"])
    scenes.centre[:] = AWAY_M
    picture = render(scenes, torch.zeros(1), 36, 48)
    position, turn = poses(scenes, torch.zeros(1))
    points = position[0, :, None, None] + picture.depth[0] * torch.einsum(
        "ij,jhw->ihw", turn[0], rays(scenes, 36, 48)[0]
    )
    own = (points - scenes.hall_centre[0, :, None, None]) / scenes.hall_half[0, :, None, None]
    assert torch.allclose(own.abs().amax(0), torch.ones(36, 48), atol=1e-4)


def test_the_camera_never_comes_near_an_object():
    times = torch.linspace(0, 2.0, 11)
    for family in EVERY_FAMILY:
        scenes = make_scenes([21, 22], [family] * 2)
        for t in times:
            depth = render(scenes, t.repeat(2), 18, 24).depth
            assert depth[depth > 0].min() > CLEARANCE_M / 4, family


def test_numpy_and_torch_agree_where_the_camera_is():
    scenes = make_scenes([9], ["clutter"])
    parts = {name: getattr(scenes, name)[0].double().numpy() for name in
             ("facing", "speed", "start", "shake")}  # fmt: skip
    for t in (0.0, 0.7, 2.0):
        position, turn = poses(scenes, torch.full((1,), t))
        np.testing.assert_allclose(position[0], camera_way(parts, np.array([t]))[0], atol=1e-4)
        assert torch.allclose(turn[0] @ turn[0].T, torch.eye(3), atol=1e-5)


def test_a_film_is_the_same_alone_and_in_a_batch():
    together = Film(_scenes(), SMALL).window()
    for index, family in enumerate(EVERY_FAMILY):
        alone = Film(make_scenes([index], [family]), SMALL).window()
        same = (alone.tencode[0] == together.tencode[index]).float().mean()
        assert same > 0.999, family
        assert torch.allclose(alone.depth[0], together.depth[index], rtol=1e-4)


def test_a_film_goes_on_from_window_to_window():
    film = Film(_scenes(2), SMALL)
    first, second = film.window(), film.window()
    assert (first.t_us, second.t_us) == (50_000, 100_000)
    assert not torch.equal(first.tencode, second.tencode)
    assert torch.equal(film.picture.depth, second.depth)


def test_other_seeds_give_other_scenes():
    scenes = make_scenes([1, 2], ["indoor", "indoor"])
    assert not torch.equal(scenes.centre[0], scenes.centre[1])
    assert scenes.centre.shape == (2, OBJECTS, 3)


def test_an_unknown_family_or_sensor_is_named_with_the_nearest_one():
    with pytest.raises(ValueError, match=r"no family of scenes 'indor'.*indoor"):
        make_scenes([1], ["indor"])
    with pytest.raises(ValueError, match=r"no simulated sensor 'davis345'.*davis346"):
        load_profile("davis345")


def test_no_scene_is_in_two_splits_nor_are_test_scenes_trained_on():
    judged = [one for name, split in SPLITS.items() if name != "train" for one in split]
    seeds = [one.seed for one in judged]
    assert len(seeds) == len(set(seeds))
    assert max(seeds) < TRAIN_SEEDS < LAST_SEED
    assert len({one.name for split in SPLITS.values() for one in split}) == sum(
        len(split) for split in SPLITS.values()
    )
    assert {one.sensor for one in judged} <= set(PROFILES)
