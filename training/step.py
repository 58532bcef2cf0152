"""One optimiser step: a clip through the network, the loss, the gradient, new weights."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dae_edge.nn.network import State
from training.checkpoints import Run, each
from training.clip import Clip
from training.distributed import Processes
from training.objective import objective
from training.optim import learning_rate, set_learning_rate
from training.recipe import Recipe, Stage
from training.spaces import own_output
from training.validation import as_float

AMP_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Outcome(NamedTuple):
    """Of a step, over all processes.

    Attributes:
        loss: Before the step.
        grad_norm: Before clipping.
        lr: Of the encoder.
        skipped: Loss or gradient was not finite, and no weight was changed.
        stop: Somebody asked to stop.
    """

    loss: float
    grad_norm: float
    lr: float
    skipped: bool
    stop: bool


def rollout(run: Run, clip: Clip, stage: Stage, device: torch.device) -> tuple[Tensor, State]:
    """The network over the T windows of a clip, from the run's state.

    Returns:
        Its own output [T * B, 1, h, w], window by window, and the state after the last.
    """
    windows = as_float(clip.windows, device)
    state = run.state
    outputs = []
    with torch.autocast(device.type, AMP_TYPES.get(stage.amp), enabled=stage.amp != "off"):
        for place in range(windows.shape[1]):
            own, state = own_output(run.model, windows[:, place], state)
            outputs.append(own.float())
    return torch.cat(outputs), state or ()


def take_step(
    run: Run, clip: Clip, recipe: Recipe, stage: Stage, processes: Processes, *, stop: bool
) -> Outcome:
    """One step; changes the run. All processes must call it together.

    Args:
        run: What learns.
        clip: This process's part of the batch of step ``run.step``.
        recipe: For the range of depth.
        stage: For everything else.
        processes: Those that share the batch.
        stop: This process was asked to stop.
    """
    if run.step % stage.carry == 0:
        run.state = None  # fresh sequences
    rate = learning_rate(stage, run.step)
    set_learning_rate(run.optimiser, rate)
    run.optimiser.zero_grad(set_to_none=True)
    own, state = rollout(run, clip, stage, processes.device)
    depth = clip.depth.to(processes.device).float().transpose(0, 1).flatten(0, 1)
    loss = objective(
        run.model, own, depth, stage.terms, range_m=recipe.range_m, mean=processes.mean
    )
    run.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
    total = processes.mean(torch.stack([loss.detach(), loss.new_tensor(float(stop))])).tolist()
    norm = _apply(run, stage, processes, finite=math.isfinite(total[0]))
    skipped = not (math.isfinite(total[0]) and math.isfinite(norm))
    if not skipped:
        run.average.update(run.model, run.step)
    _remember(run, state, total[0], skipped=skipped)
    return Outcome(total[0], norm, rate, skipped, total[1] > 0)


def _apply(run: Run, stage: Stage, processes: Processes, *, finite: bool) -> float:
    """Average, unscale and clip the gradient, change the weights if it is finite; its norm."""
    learning = [p for p in run.model.parameters() if p.grad is not None]
    processes.average_gradients(learning)
    run.scaler.unscale_(run.optimiser)
    limit = stage.clip_norm if stage.clip_norm > 0 else math.inf
    norm = float(nn.utils.clip_grad_norm_(learning, limit))
    if finite and math.isfinite(norm):
        run.scaler.step(run.optimiser)
    run.scaler.update()
    return norm


def _remember(run: Run, state: State, loss: float, *, skipped: bool) -> None:
    """The state goes on without its gradient; after a skipped step it begins at zero."""
    run.step += 1
    run.losses.append(loss)
    run.skipped += skipped
    run.skipped_in_row = run.skipped_in_row + 1 if skipped else 0
    run.state = None if skipped else each(state, torch.Tensor.detach)
