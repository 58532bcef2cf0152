"""From what a user types to a predictor: a bundle, weights, the floor, or an untrained network."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dae_edge import recipes, student
from dae_edge.datasets import Sample
from dae_edge.default_model import student_bundle
from dae_edge.evaluation.predictors import BundlePredictor, ConstantPredictor, Predictor
from dae_edge.extras import require
from dae_edge.hints import closest
from dae_edge.model import load

if TYPE_CHECKING:
    from dae_edge.export.exporting import Steps

CONSTANT, UNTRAINED, STUDENT = "constant", "untrained", "student"
DEFAULT_RECIPE = "depthanyevent-r"
WEIGHTS = (".pth", ".safetensors", ".npz")

TRAININGS = {"zero-shot": "synth", "supervised": "finetuned", "distilled": "distillation"}
"""The paper's kinds of training, and the word that released checkpoints of each are named with."""


def open_predictor(
    what: str,
    *,
    recipe: str | None = None,
    config: Path | None = None,
    training: str | None = None,
    backend: str | None = None,
    threads: int | None = None,
) -> Predictor:
    """Open what is to be judged.

    Args:
        what: Path of a bundle or of weights (see ``WEIGHTS``); ``"constant"``: the same depth
            everywhere; ``"untrained"``: a recipe with the seeded initialisation. What ``"student"``
            stands for depends on the dataset: see ``shipped_student``.
        recipe: The model that weights belong to (default: depthanyevent-r); bundles know it.
        config: For weights: a config.json instead of the one inside or beside them.
        training: See ``Judged``; default: told by the name of a released checkpoint.
        backend: For bundles, see ``dae_edge.load``.
        threads: For inference; torch's are those of the whole process.

    Raises:
        FileNotFoundError: no such bundle or file.
        ValueError: an option that does not go with it, an unknown recipe, no such kind of file.
        ContractError: a damaged bundle, or weights of another model.
        FormatError: not a checkpoint.
        MissingExtraError: the engine, or torch, is not installed.
    """
    path = Path(what)
    is_bundle = path.is_dir()
    if backend is not None and not is_bundle:
        raise ValueError(f"--backend goes with a bundle, not with {what}")
    if recipe is not None and (is_bundle or what == CONSTANT):
        raise ValueError(f"--model goes with weights and {UNTRAINED!r}, not with {what}")
    if config is not None and (is_bundle or what in (CONSTANT, UNTRAINED)):
        raise ValueError(f"--config goes with weights, not with {what}")
    predictor: Predictor
    if what == CONSTANT:
        predictor = ConstantPredictor()
    elif is_bundle:
        predictor = BundlePredictor(load(path, backend=backend, threads=threads))
    else:
        if what != UNTRAINED:
            _check_weights(path)
        predictor = _torch(recipe, None if what == UNTRAINED else path, config, threads)
    training = training or training_of(predictor.judged.weights or "")
    predictor.judged = replace(predictor.judged, training=training)
    return predictor


def shipped_student(sample: Sample, progress: Steps) -> tuple[str, str | None]:
    """What ``"student"`` stands for, as ``open_predictor`` takes it: ``what`` and ``recipe``.

    The student's bundle where it has one for the sensor and crop of a dataset's sample; its weights
    in torch where it has none.

    Raises:
        ValueError: no student ships with this package.
        ContractError: the student is damaged.
    """
    shipped = student.shipped()
    if shipped is None:
        raise ValueError("no student ships with this package: name a bundle or weights")
    profile = shipped.profile_for(sample.sensor, sample.crop)
    if profile is None:
        return str(shipped.weights), shipped.recipe
    return str(student_bundle(shipped, profile, progress)), None


def training_of(source: str) -> str | None:
    """The kind of training, by the name of a released checkpoint; None for any other.

    >>> training_of("finetuned_dsec.pth"), training_of("rec_dav2/synth (by its name)")
    ('supervised', 'zero-shot')
    """
    words = re.split(r"[^a-z]+", source.lower())
    return next((kind for kind, word in TRAININGS.items() if word in words), None)


def _check_weights(path: Path) -> None:
    if not path.exists():
        hint = closest(str(path), (CONSTANT, UNTRAINED, STUDENT)) if len(path.parts) == 1 else ""
        raise FileNotFoundError(f"{path}: no such bundle or weights{hint}")
    if path.suffix not in WEIGHTS:
        raise ValueError(f"{path}: wanted a bundle (a folder), or weights: {', '.join(WEIGHTS)}")


def _torch(
    recipe: str | None, weights: Path | None, config: Path | None, threads: int | None
) -> Predictor:
    known = recipes.load_recipe(recipe or DEFAULT_RECIPE)
    if threads is not None and threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    torch = require("torch", extra="export", purpose="judging weights")
    from dae_edge.evaluation.torch_predictor import TorchPredictor

    if threads is not None:
        torch.set_num_threads(threads)
    return TorchPredictor(known, weights, config)
