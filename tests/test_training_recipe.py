"""Training recipes: what ships is understood; what is not is refused, with where and what."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", exc_type=ImportError)

import torch
from small_training import RECIPE, small_recipe

from dae_edge.datasets import open_dataset
from training.recipe import FOLDER, Recipe, Stage, Term, load_recipe, read_recipe, recipe_names
from training.settings import apply_setting, parse_toml
from training.student import build

PAPER = ("depthanyevent-r", "depthanyevent", "e2depth")
KINDS = {"supervised": "truth", "distilled": "proxy", "hybrid": "hybrid"}


def stage_of(recipe: Recipe, name: str) -> Stage:
    return next(stage for stage in recipe.stages if stage.name == name)


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_that_ships_is_understood_and_has_a_network(name: str):
    recipe = load_recipe(name)
    assert recipe.name == name
    for stage in recipe.stages:
        with torch.device("meta"):
            model, kind = build(recipe, stage)
        assert kind == ("voxels" if name == "e2depth" else "tencode")
        windows = stage.synthetic.get("windows", 64)  # of datasets: the longest strip
        assert stage.clip * stage.carry <= windows, stage.name
        if stage.input:
            assert (model.config.input_width, model.config.input_height) == stage.input


@pytest.mark.parametrize("name", PAPER)
@pytest.mark.parametrize("dataset", ["mvsec", "dsec"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_stages_of_the_paper_are_there(name: str, dataset: str, kind: str):
    recipe = load_recipe(name)
    stage = stage_of(recipe, f"{kind}-{dataset}")
    assert (stage.data, stage.labels) == (dataset, KINDS[kind])
    assert stage.after == "pretrain-eventscape"
    assert stage_of(recipe, stage.after).data == "eventscape"
    if kind != "supervised":  # such labels are right up to scale and shift of inverse depth
        assert [(term.name, term.space) for term in stage.terms] == [("ssi", "inverse")]
        assert stage.options["proxies"]
        assert not recipe.taught_by(stage).metric
    else:
        assert recipe.taught_by(stage).metric == recipe.metric == (name == "e2depth")


@pytest.mark.parametrize("name", [name for name in recipe_names() if name != "e2depth"])
def test_images_are_not_squeezed_in_training(name: str):
    shapes = {"eventscape": (256, 512), "dsec": (320, 640), "mvsec": (260, 346)}
    recipe = load_recipe(name)
    for stage in recipe.stages:
        if stage.data in shapes:
            with torch.device("meta"):
                model, _ = build(recipe, stage)
            size = (model.config.input_height, model.config.input_width)
            assert model.network_size(*shapes[stage.data]) == size, stage.name


@pytest.mark.parametrize("name", recipe_names())
def test_splits_are_those_of_the_datasets(name: str, tmp_path: Path):
    for stage in load_recipe(name).stages:
        if stage.data != "synthetic":
            for split in (stage.split, stage.options.get("validate_split")):
                open_dataset(stage.data, tmp_path, split=split)


def test_a_stage_follows_the_one_before_unless_it_starts_from_a_file():
    recipe = small_recipe()
    assert [stage.after for stage in recipe.stages] == ["", "first"]
    assert [stage.seed for stage in recipe.stages] == [3, 4]
    assert small_recipe("second.init='some.pth'").stages[1].after == ""
    assert small_recipe("second.after=''").stages[1].after == ""


def test_losses_can_be_one_name_or_a_list():
    first, second = small_recipe().stages
    assert [(term.name, term.space, term.weight) for term in first.terms] == [
        ("ssi", "inverse", 1.0),
        ("silog", "log", 0.5),
    ]
    assert [(term.name, term.space) for term in second.terms] == [("l1", "log")]


def test_settings_win_and_reach_every_table():
    recipe = small_recipe(
        "first.lr=2e-4", "first.data=other", "range_m=40", "model_settings.input_width=98",
        "second.augment.mirror=0.5", "second.options.proxies=vitl", "second.input=[98, 84]",
    )  # fmt: skip
    first, second = recipe.stages
    assert (first.lr, first.data, recipe.range_m) == (2e-4, "other", 40.0)
    assert recipe.model_settings["input_width"] == 98
    assert (second.augment, second.options) == ({"mirror": 0.5}, {"proxies": "vitl"})
    assert second.input == (98, 84)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("frist.lr=1", r"--set frist\.lr=1: no stage 'frist': did you mean 'first'\?"),
        ("first.lr", r"--set: wanted stage\.key=value, got 'first\.lr'"),
        ("=3", r"--set: wanted stage\.key=value, got '=3'"),
        ("first.lr.deep=1", r"--set first\.lr\.deep=1: 'lr' is no table"),
        ("first.learning_rate=1", r"small\.toml: stage 'first': unknown key 'learning_rate'"),
        ("first.step=1", r"stage 'first': unknown key 'step': did you mean 'steps'\?"),
        ("sed=1", r"small\.toml: unknown key 'sed': did you mean 'seed'\?"),
    ],
)
def test_a_wrong_setting_of_the_command_line_is_explained(setting: str, message: str):
    with pytest.raises(ValueError, match=message):
        small_recipe(setting)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("first.steps=0", "steps: got 0, wanted a whole number of at least 1"),
        ("first.steps=1.5", r"steps: got 1\.5, wanted a whole number"),
        ("first.batch=true", "batch: got True, wanted a whole number"),
        ("first.lr=0", r"lr: got 0, wanted a number above 0"),
        ("first.lr=nan", "lr: got nan, wanted a number above 0"),
        ("first.lr=fast", "lr: got 'fast', wanted a number above 0"),
        ("first.ema=1.0", r"ema: got 1\.0, wanted a number of at least 0 and below 1"),
        ("first.amp=bf-16", r"amp: got 'bf-16': did you mean 'bf16'\? Known: off, bf16, fp16"),
        ("first.amp=1", "amp: got 1, wanted 'off' or 'bf16' or 'fp16'"),
        ("first.freeze=encodr", "freeze: got 'encodr': did you mean 'encoder'"),
        ("first.input=[98]", r"input: got \[98\], wanted \[width, height\] in pixels"),
        ("first.augment=1", "augment: got 1, wanted a table"),
        ("first.loss=ssl", r"loss: got 'ssl': did you mean 'ssi'"),
        ("first.loss=[]", r"loss: got \[\], wanted a list of tables"),
        ("first.loss=[{name='ssi', wieght=2}]", r"loss 1: unknown key 'wieght'.*'weight'"),
        ("first.loss=[{name='ssi'}, 3]", "loss 2: wanted a table, got 3"),
        ("first.loss=[{name='silog', space='inverse'}]", "space must be 'log', got 'inverse'"),
        ("first.loss=[{name='l1', reduction='batch'}]", "'batch' is for ssi and gradient"),
        ("second.after=frist", "after: got 'frist': did you mean 'first'"),
        ("second.name=first", "a stage before it is called 'first' too"),
        ("second.name=a/b", "name must be letters, digits, - and _, got 'a/b'"),
        ("metric=yes", "metric: got 'yes', wanted true or false"),
        ("name=3", "name: got 3, wanted a text"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_explained(setting: str, message: str):
    with pytest.raises(ValueError, match=message):
        small_recipe(setting)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("second.init=a.pth", "second.after=first"), "got both 'after' and 'init'"),
        (("first.data=synthetic", "first.labels=proxy"), "synthetic data has 'truth', got 'proxy'"),
        (("first.data=synthetic", "first.options.proxies=x"), "synthetic data has none"),
        (("first.synthetic.pool=3",), "goes with data = 'synthetic' only"),
    ],
)
def test_settings_that_nobody_would_hear_of_are_refused(settings: tuple[str, ...], message: str):
    with pytest.raises(ValueError, match=message):
        small_recipe(*settings)


def test_a_missing_key_is_named_and_the_one_that_was_meant():
    content = parse_toml(RECIPE, "small.toml")
    del content["stage"][0]["lr"]
    with pytest.raises(ValueError, match=r"stage 'first': 'lr' is missing"):
        read_recipe(content, "small.toml")
    with pytest.raises(ValueError, match=r"'name' is missing \(got: did you mean 'nane'"):
        read_recipe(parse_toml(RECIPE.replace("\nname", "\nnane", 1), "x"), "small.toml")


@pytest.mark.parametrize("stage", ["stage = 3", "", "stage = [3]"])
def test_what_is_no_list_of_stages_is_refused_with_or_without_settings(stage: str):
    head = 'name = "x"\nmodel = "e2depth"\n'
    with pytest.raises(ValueError, match=r"x\.toml: "):
        read_recipe(parse_toml(head + stage, "x.toml"), "x.toml")
    with pytest.raises(ValueError, match="no stage 'first'"):
        apply_setting(parse_toml(head + stage, "x.toml"), "first.lr=1")


def test_recipes_are_found_by_name_or_file(tmp_path: Path):
    with pytest.raises(ValueError, match=r"unknown recipe 'e2dept': did you mean 'e2depth'\?"):
        load_recipe("e2dept")
    path = tmp_path / "mine.toml"
    with pytest.raises(ValueError, match=rf"{re.escape(str(path))}: cannot be read: No such file"):
        load_recipe(str(path))
    path.write_text("name = ")
    with pytest.raises(ValueError, match=r"mine\.toml: not TOML"):
        load_recipe(str(path))
    path.write_text(RECIPE)
    assert load_recipe(str(path), settings=["first.steps=9"]).stages[0].steps == 9


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "depthanyevent-x"}, "depthanyevent-x"),
        ({"model": "dav2-small"}, "small: model: 'dav2-small' is not trained here"),
        ({"model_settings": {"inputwidth": 84}}, "unknown key 'inputwidth': did you mean 'input"),
        ({"model_settings": {"input_width": 7}}, "input size must be at least 70 x 70"),
        ({"model": "e2depth"}, "model_settings: 'e2depth' has no settings"),
    ],
)  # fmt: skip
def test_a_network_that_cannot_be_is_explained(changes: dict[str, Any], message: str):
    recipe = read_recipe({**parse_toml(RECIPE, "small.toml"), **changes}, "small.toml")
    with pytest.raises(ValueError, match=message):
        build(recipe, recipe.stages[0])


def test_the_readme_has_every_key_and_its_commands_name_what_is_there():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for kind in (Stage, Term, Recipe):
        for field in dataclasses.fields(kind):
            name = {"stages": "stage", "terms": "loss"}.get(field.name, field.name)
            assert re.search(rf"\b{name}\b", text), name
    commands = re.findall(r"-m training (--recipe \S+.*)", text)
    assert len(commands) == 3
    for command in commands:
        words = command.partition("#")[0].split()
        recipe = load_recipe(words[1])
        names = {stage.name for stage in recipe.stages}
        assert {words[i + 1] for i, word in enumerate(words) if word == "--stage"} <= names
