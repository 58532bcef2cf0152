"""``python -m training``: train a network by a recipe; the same command again goes on."""

from __future__ import annotations

import argparse
import math
import shlex
import sys
import time
import traceback
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from dae_edge.cli.command import PROMISE_NOT_MET, interruptible, parser, run
from dae_edge.hints import closest
from training import checkpoints
from training.clip import OpenClips
from training.distributed import Processes, processes
from training.loop import Place, StoppedError, train_stage
from training.recipe import Recipe, Stage, load_recipe, recipe_names
from training.report import summarise
from training.student import build, weights_file

EXAMPLES = """\
  python -m training --recipe depthanyevent-r-tiny --stage pretrain
  python -m training --recipe depthanyevent-r --stage distilled --root data --set distilled.lr=1e-5
  torchrun --nproc-per-node 4 -m training --recipe depthanyevent-r"""


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    made = parser(
        "python -m training",
        "Train a network by a recipe. The same command again goes on where it stopped.",
        examples=EXAMPLES,
    )
    made.add_argument(
        "--recipe", required=True, help=f"a file, or one of: {', '.join(recipe_names())}"
    )
    made.add_argument(
        "--stage", action="append", default=[], help="only this one; can be repeated (default: all)"
    )
    made.add_argument("--out", type=Path, help="folder of the run (default: build/training/RECIPE)")
    made.add_argument("--root", type=Path, default=Path("data"), help="folder of the datasets")
    made.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="STAGE.KEY=VALUE",
        help="instead of the recipe",
    )
    made.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    made.add_argument("--threads", type=int, help="of the CPU (default: torch's choice)")
    made.add_argument(
        "--film-processes",
        type=int,
        metavar="N",
        help="that film a pool of synthetic scenes, each on a core of its own (default: the cores "
        "there are; 1: this one; with CUDA always this one, on the GPU)",
    )
    made.add_argument("--minutes", type=float, help="stop in an orderly way after this time")
    made.add_argument("--fresh", action="store_true", help="begin anew")
    return made


def main(argv: Sequence[str] | None = None, *, open_clips: OpenClips | None = None) -> int:
    """Entry point; ``open_clips`` is for other data than that of ``training.clips``."""

    def train(options: argparse.Namespace) -> int:
        if open_clips is not None:
            return _train(options, open_clips, argv)
        from training import clips

        opened = partial(clips.open_clips, film_processes=options.film_processes)
        return _train(options, opened, argv)

    return run(train, arguments(), argv)


def _train(options: argparse.Namespace, open_clips: OpenClips, argv: Sequence[str] | None) -> int:
    recipe = load_recipe(options.recipe, settings=options.set)
    stages = _chosen(recipe, options.stage)
    for flag, number in (
        ("--threads", options.threads),
        ("--film-processes", options.film_processes),
    ):
        if number is not None and number < 1:
            raise ValueError(f"{flag}: got {number}, wanted at least 1")
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    out = options.out or Path("build") / "training" / recipe.name
    out.mkdir(parents=True, exist_ok=True)
    minutes = math.inf if options.minutes is None else options.minutes
    with processes(options.device) as all_of_us, interruptible() as stop:
        place = Place(
            out=out,
            root=options.root,
            open_clips=open_clips,
            stop=stop,
            deadline=time.monotonic() + 60 * minutes,
        )
        if options.fresh:
            _forget(stages, place, all_of_us)
        try:
            finished = all(_one(recipe, stage, place, all_of_us) for stage in stages)
        except StoppedError as error:
            if options.verbose:
                traceback.print_exc()
            print(f"python -m training: stopped: {error}", file=sys.stderr)
            return PROMISE_NOT_MET
        if all_of_us.first:
            print(_next(recipe, stages, out) if finished else _how_to_go_on(argv, all_of_us))
    return 0


def _chosen(recipe: Recipe, names: Sequence[str]) -> list[Stage]:
    known = [stage.name for stage in recipe.stages]
    for name in names:
        if name not in known:
            raise ValueError(f"{recipe.name}: no stage {name!r}{closest(name, known)}")
    return [stage for stage in recipe.stages if not names or stage.name in names]


def _forget(stages: Sequence[Stage], place: Place, all_of_us: Processes) -> None:
    """Begin all of them anew, also those whose turn has not come when the run is stopped."""
    if all_of_us.first:
        for stage in stages:
            place.checkpoint(stage).unlink(missing_ok=True)
    all_of_us.wait()


def _one(recipe: Recipe, stage: Stage, place: Place, all_of_us: Processes) -> bool:
    """Train a stage unless that is done already; False if it was stopped before its end."""
    weights = weights_file(place.out, stage.name, build(recipe, stage)[0])
    checkpoint = place.checkpoint(stage)
    # weights of an earlier run can lie beside the checkpoint of one that has only begun
    done = checkpoints.steps_done(checkpoint, recipe, stage) if checkpoint.is_file() else 0
    if weights.is_file() and done == stage.steps:
        if all_of_us.first:
            print(f"{stage.name}: done already, weights in {weights}")
        return True
    trained, finished = train_stage(recipe, stage, place, all_of_us)
    if not all_of_us.first:
        return finished
    if finished:
        print(summarise(place.out, recipe, stage, trained, weights))
    else:
        print(
            f"{stage.name}: stopped after step {trained.step} of {stage.steps}, all of it is kept"
        )
    return finished


def _how_to_go_on(argv: Sequence[str] | None, all_of_us: Processes) -> str:
    words = [word for word in (sys.argv[1:] if argv is None else argv) if word != "--fresh"]
    launcher = ["python"] if all_of_us.count == 1 else ["torchrun", "..."]
    return f"to go on: {shlex.join([*launcher, '-m', 'training', *words])}"


def _next(recipe: Recipe, stages: Sequence[Stage], out: Path) -> str:
    weights = weights_file(out, stages[-1].name, build(recipe, stages[-1])[0])
    return f"next: dae-export --target onnx-fp32 --model {recipe.model} --weights {weights}"


if __name__ == "__main__":
    sys.exit(main())
