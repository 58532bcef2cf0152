"""The rows of benchmarks/training_speed.py, and measuring one of them in a process of its own.

``python -m benchmarks.training_rows ROW SECONDS`` prints a line of JSON for each repeat.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from time import perf_counter

import torch

from dae_edge.world.families import make_scenes
from dae_edge.world.film import Film
from dae_edge.world.sensor import PROFILES, load_profile
from training.checkpoints import Run
from training.clip import Clip
from training.distributed import Processes, processes
from training.optim import Average, make_optimiser
from training.recipe import Recipe, Stage, load_recipe
from training.step import take_step
from training.student import build, network_size
from training.synthesis import FILMED_AT_ONCE, Synthesis, training_strips

RECIPE, STAGE = "depthanyevent-r-tiny", "student"
FAMILIES = ["indoor", "road", "clutter", "road-night"]
PIXELS_AT_ONCE = 700_000
"""Of all scenes that are filmed together, so that a window of a large sensor takes seconds too."""

LEAST, PART = 3, 6
"""Repeats of a row; and the part of its time that they are given, one in so many: the rest is for
starting and compiling."""


@dataclass(frozen=True)
class Row:
    """What is timed, and where.

    Attributes:
        kind: "film": the windows of a sensor; "pool": sequences of the recipe's stage, at network
            size; "train": its steps.
        name: Of the sensor, or of the recipe.
        device: As torch calls it.
        threads: Of each process.
        processes: That share the work.
    """

    kind: str
    name: str
    device: str = "cpu"
    threads: int = 1
    processes: int = 1

    def text(self) -> str:
        """As a line."""
        return json.dumps(asdict(self))

    @property
    def label(self) -> str:
        """For tables."""
        if self.kind == "film":
            sensor = load_profile(self.name)
            size = f"{sensor.width}x{sensor.height}"
            return f"film `{self.name}`, {size}, {_at_once(self.name)} scenes at once"
        _, stage = _stage()
        width, height = stage.input
        if self.kind == "pool":
            return f"pool of `{self.name}`, {stage.synthetic['sensor']} to {width}x{height}"
        what = f"batch {stage.batch} x {stage.clip}, amp {stage.amp}"
        return f"train `{self.name}`, {width}x{height}, {what}"


def rows(device: str) -> list[Row]:
    """All of them."""
    found = [Row("film", name, device) for name in PROFILES]
    if device != "cpu":  # where one process has the GPU
        return [*found, Row("pool", RECIPE, device), Row("train", RECIPE, device)]
    return [
        *found,
        *(Row("pool", RECIPE, processes=count) for count in (1, 2)),
        *(Row("train", RECIPE, threads=count) for count in (1, 2)),
        Row("train", RECIPE, processes=2),
    ]


def main() -> None:
    """Repeat until a part of the time is over."""
    row, seconds = Row(**json.loads(sys.argv[1])), float(sys.argv[2])
    torch.set_num_threads(row.threads)
    repeats = {"film": filmed, "pool": pooled, "train": trained}[row.kind](row)
    next(repeats)  # warms up
    spent, count, began = 0.0, 0, perf_counter()
    while count < LEAST or spent < seconds / PART:
        windows = next(repeats)
        if row.device == "cuda":
            torch.cuda.synchronize()
        now = perf_counter()
        print(json.dumps([windows, now - began]), flush=True)
        spent, count, began = spent + now - began, count + 1, now


def filmed(row: Row) -> Iterator[int]:
    """Windows as the world gives them, each time one of every scene."""
    count = _at_once(row.name)
    scenes = make_scenes(list(range(count)), (FAMILIES * count)[:count])
    film = Film(scenes.to(torch.device(row.device)), load_profile(row.name), compiled=True)
    while True:
        film.window()
        yield count


def _at_once(sensor: str) -> int:
    profile = load_profile(sensor)
    return max(1, min(FILMED_AT_ONCE, PIXELS_AT_ONCE // (profile.width * profile.height)))


def pooled(row: Row) -> Iterator[int]:
    """Sequences as a pool gets them, each time a batch of every process."""
    _, stage = _stage()
    asked = Synthesis.read({**stage.synthetic, "pool": 1_000_000}, STAGE)
    width, height = stage.input
    strips = training_strips(asked, (height, width), torch.device(row.device), row.processes)
    together = row.processes * FILMED_AT_ONCE
    next(islice(strips, together - 1, None))  # who has compiled first has made more than its part
    while batch := list(islice(strips, together)):
        yield sum(len(strip.windows) for strip in batch)


def trained(row: Row) -> Iterator[int]:
    """Whole steps of training, on clips that are made up."""
    recipe, stage = _stage()
    with processes(row.device) as all_of_us:
        run = _begun(recipe, stage, all_of_us)
        clip = _clip(run, stage, all_of_us)
        while True:
            take_step(run, clip, recipe, stage, all_of_us, stop=False)
            yield stage.batch * stage.clip


def _begun(recipe: Recipe, stage: Stage, all_of_us: Processes) -> Run:
    model = build(recipe, stage)[0].to(all_of_us.device).train()
    all_of_us.same_weights(model)
    scaler = torch.amp.GradScaler(all_of_us.device.type, enabled=False)
    return Run(model, Average(model, stage.ema), make_optimiser(model, stage), scaler)


def _clip(run: Run, stage: Stage, all_of_us: Processes) -> Clip:
    height, width = network_size(run.model) or (0, 0)
    mine = stage.batch // all_of_us.count
    windows = torch.rand(mine, stage.clip, 3, height, width)
    return Clip(windows, 1 + torch.rand(mine, stage.clip, height, width))


def _stage() -> tuple[Recipe, Stage]:
    recipe = load_recipe(RECIPE)
    return recipe, next(stage for stage in recipe.stages if stage.name == STAGE)


if __name__ == "__main__":
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    main()
