"""A stage from its start to its weights: steps, checkpoints, validation, logs."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch

from training import checkpoints
from training.checkpoints import Run
from training.clip import Clips, OpenClips, WindowKind
from training.curve import write_curve
from training.distributed import Processes
from training.feed import Feed
from training.logbook import Logbook
from training.optim import Average, freeze, make_optimiser
from training.pictures import write_pictures
from training.recipe import Recipe, Stage
from training.report import Report
from training.step import Outcome, take_step
from training.student import build, network_size, start_from, weights_file, write_weights
from training.validation import validate

SKIPS_IN_ROW = 10
"""Steps without a finite loss and gradient after which training stops."""


class StoppedError(Exception):
    """Training cannot go on; the last good checkpoint is kept. The text says what to do."""


@dataclass(frozen=True)
class Place:
    """Where and how a run is done, which does not change what it computes.

    Attributes:
        out: Folder of the run.
        root: Folder of the datasets.
        open_clips: Opens the data.
        stop: Set when the user asks to stop.
        deadline: On ``time.monotonic``'s clock.
    """

    out: Path
    root: Path
    open_clips: OpenClips
    stop: threading.Event
    deadline: float

    def checkpoint(self, stage: Stage) -> Path:
        """Of a stage."""
        return self.out / stage.name / "last.pt"


@dataclass(frozen=True)
class _Work:
    """A stage in progress."""

    recipe: Recipe
    stage: Stage
    place: Place
    processes: Processes
    run: Run
    clips: Clips
    report: Report
    logbook: Logbook | None  # of the first process


def train_stage(
    recipe: Recipe, stage: Stage, place: Place, processes: Processes
) -> tuple[Run, bool]:
    """Train a stage, or go on with it, and write its weights.

    Returns:
        The run, and whether the stage is finished.

    Raises:
        ValueError: the recipe, the data or the weights to start from do not fit together.
        StoppedError: out of memory, or the loss is not finite any more.
    """
    run: Run | None = None
    try:
        run, kind = _begin(recipe, stage, place, processes)
        return run, _train(recipe, stage, place, processes, run, kind)
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        raise StoppedError(_memory_advice(stage, run)) from error


def _begin(
    recipe: Recipe, stage: Stage, place: Place, processes: Processes
) -> tuple[Run, WindowKind]:
    """A run at its start, or as its last checkpoint has it."""
    torch.manual_seed(stage.seed)
    model, kind = build(recipe, stage)
    going_on = place.checkpoint(stage).is_file()
    if not going_on and (
        start := _start(stage, place, weights_file(place.out, stage.after, model))
    ):
        start_from(start, model)
    model.to(processes.device).train()
    processes.same_weights(model)
    freeze(model, stage)
    half = stage.amp == "fp16"
    if half and processes.device.type != "cuda":
        raise ValueError(
            f"stage {stage.name!r}: amp: got 'fp16' on the CPU, wanted 'off' or 'bf16'"
        )
    run = Run(
        model=model,
        average=Average(model, stage.ema),
        optimiser=make_optimiser(model, stage),
        scaler=torch.amp.GradScaler(processes.device.type, init_scale=2.0**12, enabled=half),
    )
    if going_on:
        checkpoints.load(place.checkpoint(stage), run, recipe, stage, processes)
    return run, kind


def _start(stage: Stage, place: Place, weights_of_after: Path) -> Path | None:
    """The file that a stage starts from."""
    if stage.init:
        path = Path(stage.init).expanduser()
        return path if path.is_absolute() or path.is_file() else place.root / path
    if stage.after and not weights_of_after.is_file():
        raise ValueError(
            f"stage {stage.name!r} starts from the weights of {stage.after!r}, and there is no "
            f"{weights_of_after}: train --stage {stage.after} first"
        )
    return weights_of_after if stage.after else None


def _train(
    recipe: Recipe,
    stage: Stage,
    place: Place,
    processes: Processes,
    run: Run,
    kind: WindowKind,
) -> bool:
    items = processes.share(stage.batch)
    clips = place.open_clips(
        stage,
        seed=stage.seed,
        root=place.root,
        window_kind=kind,
        size=network_size(run.model),
        device=processes.device,
    )
    with ExitStack() as open_things:
        logbook = None
        if processes.first:
            logbook = open_things.enter_context(Logbook(place.out, stage.name, done=run.step))
        report = open_things.enter_context(Report(stage, run, quiet=not processes.first))
        feed = open_things.enter_context(
            Feed(clips, items, carry=stage.carry, first=run.step, steps=stage.steps)
        )
        work = _Work(recipe, stage, place, processes, run, clips, report, logbook)
        if not _all_steps(work, feed):
            return False
    if processes.first:
        write_weights(place.out, stage.name, run.average.model, recipe.taught_by(stage))
    processes.wait()  # the next stage reads them
    return True


def _all_steps(work: _Work, feed: Feed) -> bool:
    """Steps until the end, or until somebody asks to stop: False."""
    run, stage, place = work.run, work.stage, work.place
    while run.step < stage.steps:
        began = time.monotonic()
        clip = feed.next()
        stop = place.stop.is_set() or time.monotonic() >= place.deadline
        outcome = take_step(run, clip, work.recipe, stage, work.processes, stop=stop)
        run.seconds += time.monotonic() - began
        _log(work, outcome, time.monotonic() - began)
        if run.skipped_in_row >= SKIPS_IN_ROW:
            raise StoppedError(_not_finite_advice(stage, run))
        validated = _validate(work) if _due(stage.validate_every, work) else False
        good = run.skipped_in_row == 0 and (validated or _due(stage.checkpoint_every, work))
        if good or outcome.stop or run.step == stage.steps:
            checkpoints.save(place.checkpoint(stage), run, work.recipe, stage, work.processes)
        if outcome.stop and run.step < stage.steps:
            return False
    return True


def _due(every: int, work: _Work) -> bool:
    return work.run.step == work.stage.steps or (every > 0 and work.run.step % every == 0)


def _log(work: _Work, outcome: Outcome, seconds: float) -> None:
    speed = work.stage.batch * work.stage.clip / max(seconds, 1e-9)
    work.report.step(outcome, speed)
    if work.logbook is not None:
        work.logbook.step(
            work.run.step,
            loss=outcome.loss,
            lr=outcome.lr,
            grad_norm=outcome.grad_norm,
            skipped=int(outcome.skipped),
            samples_per_s=round(speed, 2),
            seconds=round(work.run.seconds, 3),
        )


def _validate(work: _Work) -> bool:
    """Judge the averaged weights, keep them if they are the best, draw; the first process alone."""
    run, out, name = work.run, work.place.out, work.stage.name
    if work.logbook is not None:
        began = time.monotonic()
        model, recipe = run.average.model, work.recipe.taught_by(work.stage)
        verdict = validate(model, work.clips.validation(), recipe, work.processes.device)
        work.logbook.validation(run.step, verdict)
        if verdict.score < run.best:
            run.best, run.best_step = verdict.score, run.step
            write_weights(out, f"{name}-best", model, recipe)
        run.last = verdict.score
        write_pictures(out / "pictures" / f"{name}-{run.step:06}.png", verdict.frames)
        write_curve(out / "curve.png", out, name)
        run.seconds += time.monotonic() - began
        work.report.validation(verdict)
    work.processes.wait()
    return True


def _out_of_memory(error: BaseException) -> bool:
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    said = ("allocate memory", "not enough memory", "ALLOC_FAILED")  # the last is cuBLAS's
    return any(words in str(error) for words in said)


def _memory_advice(stage: Stage, run: Run | None) -> str:
    size = network_size(run.model) if run else None
    seen = f", images of {size[1]} x {size[0]} pixels" if size else ""
    return (
        f"stage {stage.name!r}: out of memory with batch {stage.batch}, clip {stage.clip}{seen}: "
        f"lower batch or clip (--set {stage.name}.batch=..), or the size (--set "
        f"model_settings.input_width=..), or use --set {stage.name}.amp=bf16; "
        f"the last checkpoint is kept"
    )


def _not_finite_advice(stage: Stage, run: Run) -> str:
    return (
        f"stage {stage.name!r}: loss or gradient was not finite in {run.skipped_in_row} steps "
        f"in a row, up to step {run.step}: lower lr (now {stage.lr:g}), set amp to 'off', or look "
        f"at the data; the last good checkpoint is kept"
    )
