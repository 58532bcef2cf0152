"""The optimiser's groups, the learning rate of a step, and the average of the weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from dae_edge.nn.layout import RECURRENT_UNITS
from dae_edge.nn.seeded import TOKENS_AND_TABLES
from training.recipe import Stage

M = TypeVar("M", bound=nn.Module)

ENCODER = "pretrained."
"""Parameters of the ViT; everything else is the head. Networks without a ViT are all head."""


def freeze(model: nn.Module, stage: Stage) -> None:
    """Let only those parameters learn that the stage wants to.

    Raises:
        ValueError: the model has no encoder, or no recurrent units, of its own.
    """
    for name, parameter in model.named_parameters():
        if stage.freeze == "encoder":
            learns = not name.startswith(ENCODER)
        else:
            learns = stage.freeze == "none" or name.startswith(RECURRENT_UNITS)
        parameter.requires_grad_(learns)
    learning = [parameter.requires_grad for parameter in model.parameters()]
    if not any(learning) or (stage.freeze != "none" and all(learning)):
        part = "ViT encoder" if stage.freeze == "encoder" else "recurrent units"
        raise ValueError(f"stage {stage.name!r}: freeze: this model has no {part} to tell apart")


def make_optimiser(model: nn.Module, stage: Stage) -> torch.optim.AdamW:
    """AdamW over up to four groups: encoder or head, with weight decay or without.

    Each group keeps its ``factor`` of the learning rate.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            factor = 1.0 if name.startswith(ENCODER) else stage.head_lr
            decay = stage.weight_decay if decays(name, parameter) else 0.0
            groups.setdefault((factor, decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "weight_decay": decay, "factor": factor}
            for (factor, decay), parameters in groups.items()
        ],
        lr=stage.lr,
    )


def decays(name: str, parameter: Tensor) -> bool:
    """Matrices and kernels decay; vectors, tokens and tables of positions do not."""
    leaf = name.rpartition(".")[2]
    return parameter.dim() > 1 and not leaf.startswith(("pos_embed", *TOKENS_AND_TABLES))


def learning_rate(stage: Stage, step: int) -> float:
    """Of step 0, 1, ..: a line up to ``lr`` at the end of the warm-up, then the schedule.

    The cosine is 0 just after the last step.
    """
    if step < stage.warmup:
        return stage.lr * (step + 1) / stage.warmup
    if stage.schedule == "constant":
        return stage.lr
    done = (step - stage.warmup) / max(1, stage.steps - stage.warmup)
    return stage.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Give each group its factor of the rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["factor"]


class Average(Generic[M]):
    """The exponential moving average of a model's weights: what is validated and exported.

    Args:
        model: The model that learns; it is not touched.
        decay: Share of the old per step; 0: the average is the weights themselves.
    """

    def __init__(self, model: M, decay: float) -> None:
        self.model: M = copy.deepcopy(model)
        self.model.eval().requires_grad_(False)
        self._decay = decay

    def decay_at(self, step: int) -> float:
        """Share of the old after step 0, 1, ..; small at first, to forget the start.

        >>> Average(nn.Linear(1, 1), 0.998).decay_at(0)
        0.1
        """
        return min(self._decay, (1 + step) / (10 + step))

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights as they are after a step."""
        mine: Iterable[Tensor] = self.model.parameters()
        torch._foreach_lerp_(list(mine), list(model.parameters()), 1 - self.decay_at(step))
