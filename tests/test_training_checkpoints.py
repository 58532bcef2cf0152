"""Checkpoints: whole or not there, gone on with exactly, refused where the run is another one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

from small_training import ToyClips, small_recipe

from dae_edge.errors import FormatError
from dae_edge.nn.network import flat
from training import checkpoints
from training.checkpoints import Run
from training.distributed import Processes
from training.optim import Average, make_optimiser
from training.recipe import Recipe, Stage
from training.step import take_step
from training.student import build

ALONE = Processes(0, 1, torch.device("cpu"))


def begin(recipe: Recipe, stage: Stage, *, seed: int) -> Run:
    torch.manual_seed(seed)
    model = build(recipe, stage)[0].train()
    return Run(
        model=model,
        average=Average(model, stage.ema),
        optimiser=make_optimiser(model, stage),
        scaler=torch.amp.GradScaler("cpu", enabled=False),
    )


def go_on(run: Run, recipe: Recipe, stage: Stage, steps: int) -> list[float]:
    clips = ToyClips(stage, seed=1)
    for _ in range(steps):
        clip = clips.clip(run.step // stage.carry, run.step % stage.carry, slice(0, stage.batch))
        take_step(run, clip, recipe, stage, ALONE, stop=False)
    return run.losses[-steps:]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float], Any]:
    """A run in the middle of a sequence; its checkpoint, and how it went on from there."""
    recipe = small_recipe("first.carry=3")
    stage = recipe.stages[0]
    run = begin(recipe, stage, seed=1)
    go_on(run, recipe, stage, 2)
    run.best, run.best_step, run.seconds, run.skipped = 0.25, 1, 12.5, 1
    path = tmp_path_factory.mktemp("run") / "first" / "last.pt"
    checkpoints.save(path, run, recipe, stage, ALONE)
    losses = go_on(run, recipe, stage, 3)
    return path, losses, {key: value.clone() for key, value in run.model.state_dict().items()}


def test_a_run_goes_on_to_the_same_losses_and_weights(begun: tuple[Path, list[float], Any]):
    path, losses, weights = begun
    recipe = small_recipe("first.carry=3")
    stage = recipe.stages[0]
    run = begin(recipe, stage, seed=99)  # what it begins with is replaced
    checkpoints.load(path, run, recipe, stage, ALONE)
    assert (run.step, run.best, run.best_step, run.seconds, run.skipped) == (2, 0.25, 1, 12.5, 1)
    assert run.state is not None  # it stopped inside a sequence
    assert go_on(run, recipe, stage, 3) == losses
    assert all(value.equal(weights[key]) for key, value in run.model.state_dict().items())


def test_without_the_state_it_would_not_be_the_same(begun: tuple[Path, list[float], Any]):
    path, losses, _ = begun
    recipe = small_recipe("first.carry=3")
    stage = recipe.stages[0]
    run = begin(recipe, stage, seed=99)
    checkpoints.load(path, run, recipe, stage, ALONE)
    run.state = None
    assert go_on(run, recipe, stage, 3) != losses


def test_each_of_many_processes_takes_its_part_of_the_state(begun: tuple[Path, list[float], Any]):
    path, _, _ = begun
    recipe = small_recipe("first.carry=3")
    stage = recipe.stages[0]
    whole = begin(recipe, stage, seed=1)
    checkpoints.load(path, whole, recipe, stage, ALONE)
    for rank in range(2):
        part = begin(recipe, stage, seed=1)
        checkpoints.load(path, part, recipe, stage, Processes(rank, 2, torch.device("cpu")))
        assert part.state is not None
        assert whole.state is not None
        for mine, every in zip(flat(part.state), flat(whole.state), strict=True):
            assert mine.equal(every[rank : rank + 1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["first.lr=2e-3"], r"lr was 0\.001, got 0\.002"),
        (["first.steps=7", "range_m=40"], r"range_m was 80\.0, got 40\.0; steps was 6, got 7"),
        (["model_settings.input_width=98"], "model_settings was .*'input_width': 84"),
        (["first.augment.mirror=0.5"], r"augment was \{\}, got \{'mirror': 0\.5\}"),
        (["first.loss=ssi"], "terms was"),
        (["first.seed=9"], "seed was 3, got 9"),
    ],
)
def test_other_settings_are_refused_and_named(
    begun: tuple[Path, list[float], Any], settings: list[str], message: str
):
    path, _, _ = begun
    recipe = small_recipe("first.carry=3", *settings)
    with pytest.raises(ValueError, match=message) as raised:
        checkpoints.steps_done(path, recipe, recipe.stages[0])
    assert "go on with those, begin anew with --fresh, or choose another --out" in str(raised.value)


def test_how_often_it_is_validated_and_kept_can_change(begun: tuple[Path, list[float], Any]):
    path, _, _ = begun
    recipe = small_recipe("first.carry=3", "first.validate_every=1", "first.checkpoint_every=7")
    assert checkpoints.steps_done(path, recipe, recipe.stages[0]) == 2


def test_settings_of_other_stages_do_not_matter(begun: tuple[Path, list[float], Any]):
    path, _, _ = begun
    recipe = small_recipe("first.carry=3", "second.lr=1", "about='another'")
    assert checkpoints.steps_done(path, recipe, recipe.stages[0]) == 2


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "other", "version"])
def test_what_is_no_checkpoint_is_named(
    begun: tuple[Path, list[float], Any], damage: str, tmp_path: Path
):
    path = tmp_path / "last.pt"
    content = begun[0].read_bytes()
    path.write_bytes({"cut": content[:5000], "text": b"hello"}.get(damage, b""))
    if damage == "other":
        torch.save({"state_dict": {}}, path)
    if damage == "version":
        torch.save({"version": 99}, path)
    with pytest.raises(FormatError, match=r"last\.pt: .*start anew with --fresh"):
        checkpoints.read(path)


def test_a_checkpoint_that_names_code_is_not_run(tmp_path: Path):
    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "harm"),)

    torch.save({"version": 1, "x": Harm()}, tmp_path / "last.pt")
    with pytest.raises(FormatError, match="not a checkpoint"):
        checkpoints.read(tmp_path / "last.pt")
    assert not (tmp_path / "harm").exists()


def test_a_write_that_fails_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    recipe = small_recipe()
    stage = recipe.stages[0]
    run = begin(recipe, stage, seed=1)
    path = tmp_path / "last.pt"
    checkpoints.save(path, run, recipe, stage, ALONE)
    before = path.read_bytes()

    def full(content: Any, file: Any) -> None:
        file.write(b"half of it")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoints.save(path, run, recipe, stage, ALONE)
    assert path.read_bytes() == before


def test_only_the_first_process_writes(tmp_path: Path):
    recipe = small_recipe()
    run = begin(recipe, recipe.stages[0], seed=1)
    second = Processes(1, 2, torch.device("cpu"))
    checkpoints.save(tmp_path / "last.pt", run, recipe, recipe.stages[0], second)
    assert list(tmp_path.iterdir()) == []
