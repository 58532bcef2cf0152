"""Recipes and targets as data: every file is in order, and errors name file and field."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dae_edge import recipes
from dae_edge.backends import COMPUTE, NAMES
from dae_edge.calibration.budget import Budget

ROOT = Path(__file__).resolve().parent.parent

EXPORT = sorted(path.stem for path in (ROOT / "export").glob("*.toml") if path.stem != "sensors")
CALIBRATE = sorted(path.stem for path in (ROOT / "calibrate").glob("*.toml"))


def test_every_file_is_listed() -> None:
    assert recipes.recipe_names() == EXPORT
    assert recipes.target_names() == CALIBRATE
    assert {"depthanyevent", "depthanyevent-r"} <= set(EXPORT)
    assert {"onnx-fp32", "ov-fp16"} <= set(CALIBRATE)


@pytest.mark.parametrize("name", EXPORT)
def test_every_recipe_has_its_file_name_and_makes_a_model(name: str) -> None:
    recipe = recipes.load_recipe(name)
    assert recipe.name == name
    assert recipe.about
    assert 1000 <= recipe.window_us <= 1_000_000
    assert recipe.background in ("black", "white")
    assert recipe.unit in ("m", "relative depth", "relative inverse depth")
    pytest.importorskip("torch")
    import torch

    from dae_edge.export.model import BASELINES
    from dae_edge.nn import DepthAnyEvent, ModelConfig

    settings = dict(recipe.model)
    architecture = settings.pop("architecture", "depthanyevent")
    with torch.device("meta"):  # shapes only
        if architecture == "depthanyevent":
            DepthAnyEvent(ModelConfig(**settings))
        else:
            BASELINES[architecture](**settings)


@pytest.mark.parametrize("name", CALIBRATE)
def test_every_target_has_its_file_name_and_an_engine(name: str) -> None:
    pytest.importorskip("onnx")
    from dae_edge.calibration.forms import PASSES

    target = recipes.load_target(name)
    assert target.name == name
    assert target.about
    assert target.backend in NAMES
    assert re.fullmatch(r"model(\.fp16|\.int8|\.w8)?\.onnx|model\.xml", target.file)
    assert set(target.precision) == {"weights", "compute", "state"}
    assert target.precision["compute"] in COMPUTE
    assert target.parity or target.budget, "nothing is promised"
    if target.parity:
        assert set(target.parity) == {"windows", "depth_mean", "depth_p999", "state"}
        assert all(limit > 0 for limit in target.parity.values())
    if target.budget:
        budget = Budget.read(target.budget, name)
        assert 0 < budget.absrel <= 0.01 >= budget.delta1 > 0
    assert set(target.form) <= set(PASSES)
    int8 = target.precision["compute"].startswith("int8")
    assert bool(target.int8) == int8 == bool(target.search)


def test_a_model_widens_limits_of_parity_and_never_narrows_them() -> None:
    limits = recipes.load_target("onnx-fp32").parity
    ereformer = recipes.load_recipe("ereformer-small")
    wide = ereformer.widened(limits)
    assert {name for name in limits if wide[name] != limits[name]} == {"state"}
    assert wide["state"] > limits["state"]
    assert ereformer.widened({"state": 0.1}) == {"state": 0.1}
    assert recipes.load_recipe("depthanyevent").widened(limits) == limits


@pytest.mark.parametrize("name", recipes.sensor_names())
def test_every_sensor_has_its_crop_inside(name: str) -> None:
    sensor = recipes.load_sensor(name)
    x, y, width, height = sensor.crop
    assert sensor.name == name
    assert 0 <= x < x + width <= sensor.width
    assert 0 <= y < y + height <= sensor.height


def test_a_sensor_by_its_size_needs_no_profile() -> None:
    sensor = recipes.load_sensor("320x240")
    assert (sensor.width, sensor.height, sensor.crop) == (320, 240, (0, 0, 320, 240))
    assert recipes.load_sensor("dsec").crop == (0, 80, 640, 320)


def test_unknown_names_get_the_closest_and_all_that_are_known() -> None:
    with pytest.raises(ValueError, match=r"unknown model 'depthanyevnt': did you mean 'depthany"):
        recipes.load_recipe("depthanyevnt")
    with pytest.raises(ValueError, match=r"'onnx-fp23': did you mean 'onnx-fp32'\? Known: .*ov-fp"):
        recipes.load_target("onnx-fp23")
    with pytest.raises(
        ValueError, match=r"'davis364' \(a profile, or WIDTHxHEIGHT\): did you mean"
    ):
        recipes.load_sensor("davis364")


@pytest.mark.parametrize(
    "name", ["", "0x240", "320x", "-1x5", "320x240x3", "1e3x5", "../export/dsec", "sensors", "٣x٣"]
)
def test_what_is_neither_profile_nor_size_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="unknown sensor"):
        recipes.load_sensor(name)
    with pytest.raises(ValueError, match="unknown model"):
        recipes.load_recipe(name)


def test_a_sensor_larger_than_any_is_refused() -> None:
    with pytest.raises(ValueError, match="65535"):
        recipes.load_sensor("65536x1")


@pytest.fixture
def edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The recipes of an installed package, to be edited badly."""
    for folder in ("export", "calibrate"):
        (tmp_path / "recipes" / folder).mkdir(parents=True)
        for path in (ROOT / folder).glob("*.toml"):
            (tmp_path / "recipes" / folder / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(recipes, "_PACKAGE", tmp_path)
    return tmp_path / "recipes"


def test_an_installed_package_reads_its_own_copies(edited: Path) -> None:
    assert recipes.recipe_names() == EXPORT
    assert recipes.load_target("ov-fp16").backend == "openvino"
    assert recipes.load_sensor("hd").width == 1280


def test_mistakes_in_an_edited_file_name_the_file_and_the_field(edited: Path) -> None:
    path = edited / "calibrate" / "ov-fp16.toml"
    text = path.read_text()
    path.write_text(text.replace("backend =", "bakcend ="))
    with pytest.raises(ValueError, match=r"calibrate/ov-fp16\.toml: backend is missing"):
        recipes.load_target("ov-fp16")
    path.write_text(text.replace("[engine]", "[engine"))
    with pytest.raises(ValueError, match=r"ov-fp16\.toml: not TOML: "):
        recipes.load_target("ov-fp16")
    recipe = edited / "export" / "depthanyevent.toml"
    recipe.write_text(recipe.read_text().replace("window_us", "window_ms"))
    with pytest.raises(ValueError, match=r"export/depthanyevent\.toml: window_us is missing"):
        recipes.load_recipe("depthanyevent")
    recipe = edited / "export" / "ereformer.toml"
    for wrong, words in (("stat = 5e-3", "no limit 'stat'"), ("state = 0", "state: got 0, wanted")):
        recipe.write_text(
            (ROOT / "export" / recipe.name).read_text().replace("state = 5e-3", wrong)
        )
        with pytest.raises(ValueError, match=rf"export/ereformer\.toml: parity: {words}"):
            recipes.load_recipe("ereformer")


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ("width = 640", "height is missing"),
        ("width = 640\nheight = 480\ncrop = [0, 200, 640, 320]", "crop reaches out of 640x480"),
        ("width = 640\nheight = 480\ncrop = [-1, 0, 64, 32]", "crop reaches out of 640x480"),
        ("width = 640\nheight = 480\ncrop = [0, 0, 64]", "crop must be four whole numbers"),
        ("width = 640\nheight = 480\ncrop = [0, 0, 0, 9]", "crop reaches out of 640x480"),
        ("width = 70000\nheight = 480", "sizes must be 1..65535"),
        ("width = 6.5\nheight = 480", "sizes must be 1..65535"),
    ],
)
def test_a_sensor_that_cannot_be_is_refused(edited: Path, profile: str, words: str) -> None:
    (edited / "export" / "sensors.toml").write_text(f"[mine]\n{profile}\n")
    with pytest.raises(ValueError, match=rf"mine: .*{words}"):
        recipes.load_sensor("mine")
