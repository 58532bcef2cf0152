"""From what a user types to a predictor: a bundle, weights, the floor, or an untrained network."""

from __future__ import annotations

import re
from pathlib import Path

from dae_edge import bundle, recipes
from dae_edge.evaluation.predictors import BundlePredictor, ConstantPredictor, Predictor
from dae_edge.extras import require
from dae_edge.hints import closest
from dae_edge.model import load

CONSTANT, UNTRAINED = "constant", "untrained"
DEFAULT_RECIPE = "depthanyevent-r"
WEIGHTS = (".pth", ".safetensors")

TRAININGS = {"zero-shot": "synth", "supervised": "finetuned", "distilled": "distillation"}
"""The paper's kinds of training, and how the names of released checkpoints of each begin."""


def open_predictor(
    what: str,
    *,
    recipe: str | None = None,
    training: str | None = None,
    backend: str | None = None,
    threads: int | None = None,
) -> Predictor:
    """Open what is to be judged.

    Args:
        what: Path of a bundle or of weights (.pth, .safetensors); ``"constant"``: the same depth
            everywhere; ``"untrained"``: a recipe with the seeded initialisation.
        recipe: The model that weights belong to (default: depthanyevent-r); bundles know it.
        training: See ``Judged``; default: told by the names of released checkpoints.
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
    if recipe is not None and (is_bundle or what == CONSTANT):
        raise ValueError(f"--model goes with weights and {UNTRAINED!r}, not with {what}")
    if backend is not None and not is_bundle:
        raise ValueError(f"--backend goes with a bundle, not with {what}")
    if threads is not None and threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    if what == CONSTANT:
        return ConstantPredictor()
    if is_bundle:
        source = str(bundle.read(path).manifest["weights"]["source"])
        model = load(path, backend=backend, threads=threads)
        return BundlePredictor(model, training=training or training_of(source))
    if what != UNTRAINED:
        _check_weights(path)
    return _torch(path, what, recipe, training, threads)


def training_of(source: str) -> str | None:
    """The kind of training, by the name of a released checkpoint; None for any other.

    >>> training_of("finetuned_dsec.pth"), training_of("rec_dav2/synth (by its name)")
    ('supervised', 'zero-shot')
    """
    words = re.split(r"[^a-z]+", source.lower())
    return next((kind for kind, word in TRAININGS.items() if word in words), None)


def _check_weights(path: Path) -> None:
    if not path.exists():
        hint = closest(str(path), (CONSTANT, UNTRAINED)) if len(path.parts) == 1 else ""
        raise FileNotFoundError(f"{path}: no such bundle or weights{hint}")
    if path.suffix not in WEIGHTS:
        raise ValueError(f"{path}: wanted a bundle (a folder), or weights: {', '.join(WEIGHTS)}")


def _torch(
    path: Path, what: str, recipe: str | None, training: str | None, threads: int | None
) -> Predictor:
    known = recipes.load_recipe(recipe or DEFAULT_RECIPE)
    torch = require("torch", extra="export", purpose="judging weights")
    from dae_edge.evaluation.torch_predictor import open_weights

    if threads is not None:
        torch.set_num_threads(threads)
    if what == UNTRAINED:
        return open_weights(known, None)
    return open_weights(known, path, training=training or training_of(_released_name(path)))


def _released_name(path: Path) -> str:
    """``NAME/NAME.pth``: either part tells; the file's own name comes first."""
    return path.stem if training_of(path.stem) else path.absolute().parent.name
