"""A run that can go on exactly where it stopped: one file, written aside and renamed.

Only tensors and plain containers are in it, so reading one executes nothing.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dae_edge.errors import FormatError
from dae_edge.nn.network import State
from training.distributed import Processes
from training.optim import Average
from training.recipe import Recipe, Stage
from training.student import Student

VERSION = 1

CAN_CHANGE = ("validate_every", "checkpoint_every")
"""Settings of a stage that a run may go on with another value of."""


@dataclass
class Run:
    """A stage that is being trained.

    Attributes:
        model: What learns.
        average: Its averaged weights.
        optimiser: AdamW.
        scaler: Of the loss, for half precision.
        state: What the next clip continues from, of this process's part; None: zeros.
        step: Steps done.
        best: Smallest validation score so far.
        best_step: After how many steps.
        last: The last validation score.
        seconds: Of training, validation included.
        skipped: Steps whose loss or gradient was not finite.
        skipped_in_row: Of the last steps.
        losses: Of each step.
    """

    model: Student
    average: Average[Student]
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    state: State | None = None
    step: int = 0
    best: float = float("inf")
    best_step: int = 0
    last: float = float("nan")
    seconds: float = 0.0
    skipped: int = 0
    skipped_in_row: int = 0
    losses: list[float] = field(default_factory=list)


_NUMBERS = ("step", "best", "best_step", "last", "seconds", "skipped", "skipped_in_row")


def save(path: Path, run: Run, recipe: Recipe, stage: Stage, processes: Processes) -> None:
    """Write a checkpoint; all processes call it, the first one writes."""
    state = None if run.state is None else each(run.state, processes.gather)
    if not processes.first:
        return
    content = {
        "version": VERSION,
        "settings": settings(recipe, stage),
        "model": run.model.state_dict(),
        "average": run.average.model.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "scaler": run.scaler.state_dict(),
        "state": state,
        "random": torch.get_rng_state(),
        "losses": torch.tensor(run.losses, dtype=torch.float64),
        **{name: getattr(run, name) for name in _NUMBERS},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def load(path: Path, run: Run, recipe: Recipe, stage: Stage, processes: Processes) -> None:
    """Fill a run with a checkpoint.

    Raises:
        FormatError: not a checkpoint of this version.
        ValueError: of a run with other settings; the text names them.
    """
    content = read(path)
    _require_same(content["settings"], settings(recipe, stage), path)
    run.model.load_state_dict(content["model"])
    run.average.model.load_state_dict(content["average"])
    run.optimiser.load_state_dict(content["optimiser"])
    run.scaler.load_state_dict(content["scaler"])
    torch.set_rng_state(content["random"])
    run.losses = content["losses"].tolist()
    for name in _NUMBERS:
        setattr(run, name, content[name])
    if content["state"] is not None:
        mine = processes.share(stage.batch)
        run.state = each(content["state"], lambda whole: whole[mine].to(processes.device))


def read(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU.

    Raises:
        FormatError: not a checkpoint of this version.
    """
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        version = content["version"]
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError) as error:
        raise FormatError(f"{path}: not a checkpoint: {error}; start anew with --fresh") from error
    except pickle.UnpicklingError as error:
        raise FormatError(f"{path}: not a checkpoint; start anew with --fresh") from error
    if version != VERSION:
        raise FormatError(
            f"{path}: version {version} of checkpoints, wanted {VERSION}; start anew with --fresh"
        )
    return content


def each(state: State, change: Callable[[Tensor], Tensor]) -> State:
    """A state with every tensor changed."""
    return tuple(each(part, change) if isinstance(part, tuple) else change(part) for part in state)


def settings(recipe: Recipe, stage: Stage) -> dict[str, Any]:
    """All that decides what a stage computes, as plain values."""
    plain = recipe.plain()
    mine = next(one for one in plain["stages"] if one["name"] == stage.name)
    kept = {key: plain[key] for key in ("model", "model_settings", "range_m", "metric")}
    return {**kept, **{key: _plain(mine[key]) for key in mine if key not in CAN_CHANGE}}


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value


def steps_done(path: Path, recipe: Recipe, stage: Stage) -> int:
    """How far a checkpoint is.

    Raises:
        FormatError: not a checkpoint of this version.
        ValueError: of a run with other settings; the text names them.
    """
    content = read(path)
    _require_same(content["settings"], settings(recipe, stage), path)
    return int(content["step"])


def _require_same(before: dict[str, Any], now: dict[str, Any], path: Path) -> None:
    keys = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    if keys:
        changes = "; ".join(f"{key} was {before.get(key)!r}, got {now.get(key)!r}" for key in keys)
        raise ValueError(
            f"{path}: this run began with other settings ({changes}): go on with those, begin anew "
            f"with --fresh, or choose another --out"
        )
