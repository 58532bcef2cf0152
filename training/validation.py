"""How good the averaged weights are: named sequences, scored as ``dae-eval`` scores."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dae_edge.protocols import Paper, Protocol, Strict
from training.clip import Clip
from training.recipe import Recipe
from training.spaces import inferred, own_output
from training.student import Student

KEPT = ("abs_rel", "rmse", "delta1")
"""Of each protocol; ``validation.csv`` has them as ``strict_abs_rel``, .."""

DECIDES = "strict_abs_rel"
"""The smaller, the better: the weights with the smallest mean over sequences are kept as best."""


class Frame(NamedTuple):
    """One window for people to look at.

    Attributes:
        label: Name of the sequence.
        window: [C, H, W] as it came.
        prediction: Depth [h, w], as the model gives it.
        truth: Depth [h, w], metres.
    """

    label: str
    window: NDArray[Any]
    prediction: NDArray[Any]
    truth: NDArray[Any]


class Verdict(NamedTuple):
    """What validation found.

    Attributes:
        sequences: Mean of each score over the frames, by sequence; ``frames`` is their number.
        frames: Some to look at.
    """

    sequences: dict[str, dict[str, float]]
    frames: list[Frame]

    @property
    def score(self) -> float:
        """Mean of ``DECIDES`` over the sequences that have a value; NaN without any."""
        every = [scores[DECIDES] for scores in self.sequences.values()]
        found = [score for score in every if math.isfinite(score)]
        return sum(found) / len(found) if found else math.nan


def as_float(windows: Tensor, device: torch.device) -> Tensor:
    """Windows as the network takes them: Tencode bytes become [0, 1]."""
    moved = windows.to(device, non_blocking=True)
    return moved.float() / 255 if moved.dtype == torch.uint8 else moved.float()


@torch.no_grad()
def validate(
    model: Student,
    sequences: Iterable[tuple[str, Iterable[Clip]]],
    recipe: Recipe,
    device: torch.device,
) -> Verdict:
    """Run a model, in float32, over sequences from a zero state each, and score each frame."""
    align = not recipe.metric
    protocols: tuple[Protocol, ...] = (
        Strict(range_m=recipe.range_m, align=align),
        Paper(clip_m=recipe.range_m, align=align),
    )
    found: dict[str, dict[str, float]] = {}
    frames: list[Frame] = []
    for name, clips in sequences:
        scores: list[dict[str, float]] = []
        state = None
        for number, clip in enumerate(clips):
            windows = as_float(clip.windows, device)
            for place in range(windows.shape[1]):
                own, state = own_output(model, windows[:, place], state)
                truth = clip.depth[:, place].cpu().float().numpy()
                depth = inferred(model, own, truth.shape[-2:]).cpu().numpy()
                scores += _scored(protocols, depth, truth)
            if number == 0 or len(windows) > 1:
                frames.append(Frame(name, clip.windows[0, -1].cpu().numpy(), depth[0], truth[0]))
        found[name] = _means(scores)
    return Verdict(found, _spread_out(frames))


def _scored(
    protocols: tuple[Protocol, ...], depth: NDArray[Any], truth: NDArray[Any]
) -> list[dict[str, float]]:
    scores = []
    for one, true in zip(depth, truth, strict=True):
        if not (np.isfinite(true) & (true > 0)).any():
            continue
        scores.append(
            {
                f"{protocol.name}_{key}": value
                for protocol in protocols
                for key, value in protocol.frame(one, true).items()
                if key in KEPT
            }
        )
    return scores


def _means(scores: list[dict[str, float]]) -> dict[str, float]:
    """Of the frames that have a value; NaN where none has."""
    means = {"frames": float(len(scores))}
    for key in [f"{protocol}_{kept}" for protocol in ("strict", "paper") for kept in KEPT]:
        values = [score[key] for score in scores if math.isfinite(score[key])]
        means[key] = sum(values) / len(values) if values else math.nan
    return means


def _spread_out(frames: list[Frame], most: int = 6) -> list[Frame]:
    """At most so many, over all of them."""
    places = np.unique(np.linspace(0, len(frames) - 1, min(most, len(frames))).round().astype(int))
    return [frames[place] for place in places]
