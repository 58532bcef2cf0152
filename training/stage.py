"""One stage of a training run as data: where it learns from, what it minimises, how it steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Space: TypeAlias = Literal["depth", "inverse", "log"]
LossName: TypeAlias = Literal["ssi", "silog", "gradient", "multi_scale_gradient", "l1", "abs_rel"]
Labels: TypeAlias = Literal["truth", "proxy", "hybrid"]
Schedule: TypeAlias = Literal["cosine", "constant"]
Amp: TypeAlias = Literal["off", "bf16", "fp16"]
Freeze: TypeAlias = Literal["none", "encoder", "all_but_recurrent"]
Reduction: TypeAlias = Literal["image", "batch"]


@dataclass(frozen=True)
class Term:
    """One loss, and where it compares.

    Attributes:
        name: See training/objective.py.
        space: Of the values that are compared.
        weight: Factor in the sum.
        alpha: Of the gradient part of ``ssi``.
        scales: Of ``ssi``, ``gradient`` and ``multi_scale_gradient``.
        mean_weight: Of the squared mean in ``silog``: 0 forgives a wrong scale, 1 does not.
        reduction: How images become one number, for ``ssi`` and ``gradient``.
    """

    name: LossName
    space: Space
    weight: float = 1.0
    alpha: float = 0.5
    scales: int = 4
    mean_weight: float = 0.5
    reduction: Reduction = "image"


@dataclass(frozen=True)
class Stage:
    """One part of a run: data, loss, optimiser. Stages start from the weights of one before.

    Attributes:
        name: As in ``--stage``; also the name of the file of weights.
        data: Name of the dataset, or "synthetic".
        split: Of the dataset.
        labels: True depth, proxy labels of the teacher, or both.
        after: The stage whose weights it starts from; "" for none.
        init: A checkpoint to start from instead; "" for none.
        seed: Of data and initial weights.
        input: (width, height) that images are resized to, instead of the model's own; () for that.
        steps: Optimiser steps.
        batch: Sequences per step, of all processes together.
        clip: Windows per step, back-propagated through.
        carry: Clips in a row of one sequence, with the state carried but not its gradient.
        terms: What is minimised.
        lr: Learning rate of the encoder.
        head_lr: Factor of ``lr`` for everything but the encoder.
        weight_decay: Not on vectors, norms, tokens.
        warmup: Steps until the full learning rate.
        schedule: What follows.
        clip_norm: Largest norm of the gradient; 0 does not clip.
        ema: Share of the old in the averaged weights, per step; 0 keeps no average.
        amp: Precision of the forward pass.
        freeze: What does not learn.
        validate_every: Steps; 0 validates at the end only.
        checkpoint_every: Steps.
        augment: For the clips, as it is.
        synthetic: For the clips, as it is.
        options: For the clips, as it is.
    """

    name: str
    data: str
    split: str
    labels: Labels
    after: str
    init: str
    seed: int
    input: tuple[int, ...]
    steps: int
    batch: int
    clip: int
    carry: int
    terms: tuple[Term, ...]
    lr: float
    head_lr: float
    weight_decay: float
    warmup: int
    schedule: Schedule
    clip_norm: float
    ema: float
    amp: Amp
    freeze: Freeze
    validate_every: int
    checkpoint_every: int
    augment: Mapping[str, Any] = field(default_factory=dict)
    synthetic: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
