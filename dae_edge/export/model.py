"""Recipe and checkpoint to a torch model that is ready to be exported, and what it is worth."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from dae_edge.catalogue import origin
from dae_edge.depth import UNTRAINED
from dae_edge.errors import ContractError
from dae_edge.hints import closest
from dae_edge.nn import (
    DepthAnyEvent,
    DepthAnythingV2,
    E2Depth,
    EReFormer,
    ModelConfig,
    load_weights,
    seeded_state_dict,
)
from dae_edge.nn.checkpoint import Checkpoint, fill_model, read_checkpoint
from dae_edge.nn.network import DepthNetwork
from dae_edge.recipes import Recipe

BASELINES: dict[str, Callable[..., Any]] = {
    "e2depth": E2Depth,
    "ereformer": EReFormer,
    "dav2": DepthAnythingV2,
}
"""What the recipes' other architectures are built by."""


@dataclass(frozen=True)
class Prepared:
    """A model with its weights.

    Attributes:
        model: In eval mode.
        about: The settings that the architecture was built with.
        weights: Where they come from, sha256, licence, and whether they are trained.
        unit: Of the depth it gives; see ``Depth.unit``.
    """

    model: DepthNetwork
    about: dict[str, Any]
    weights: dict[str, Any]
    unit: str


def prepare(recipe: Recipe, weights: Path | None, config: Path | None = None) -> Prepared:
    """Build the recipe's model and fill it.

    Args:
        recipe: Which model.
        weights: Checkpoint; None: the seeded initialisation.
        config: The checkpoint's config.json, instead of the one inside or beside it.

    Raises:
        ContractError: the weights are of another model, or their output is not exported.
        FormatError: no checkpoint, or a config that is not understood.
    """
    settings = dict(recipe.model)
    architecture = settings.pop("architecture", "depthanyevent")
    if architecture == "depthanyevent":
        return _prepare_depthanyevent(recipe, ModelConfig(**settings), weights, config)
    if architecture not in BASELINES:
        known = ["depthanyevent", *BASELINES]
        raise ValueError(
            f"{recipe.name}: architecture {architecture!r}{closest(architecture, known)}"
        )
    if config is not None:
        raise ValueError(f"{recipe.name}: its checkpoints have no config.json")
    model = BASELINES[architecture](**settings).eval()
    about = {"architecture": architecture, **settings}
    if weights is None:
        return Prepared(model, about, _seed(model), UNTRAINED)
    digest = load_weights(weights, model)
    source, licence = origin(weights, digest, settings.get("encoder", ""), recurrent=False)
    entry = {"source": source, "sha256": digest, "licence": licence, "trained": True}
    return Prepared(model, about, entry, recipe.unit)


def _prepare_depthanyevent(
    recipe: Recipe, wanted: ModelConfig, weights: Path | None, config: Path | None
) -> Prepared:
    if weights is None:
        model = DepthAnyEvent(wanted).eval()
        return Prepared(model, _about(model), _seed(model), UNTRAINED)
    checkpoint = read_checkpoint(weights, config=config)
    if checkpoint.use_logdepth:
        raise ContractError(f"{weights}: its output is logarithmic depth, which is not exported")
    model = DepthAnyEvent(checkpoint.config_for(wanted)).eval()
    fill_model(checkpoint, model)
    # Without scale-and-shift alignment in training, the output is depth in metres.
    unit = "m" if checkpoint.use_scaleshift is False else recipe.unit
    return Prepared(model, _about(model), _entry(checkpoint), unit)


def _about(model: DepthAnyEvent) -> dict[str, Any]:
    return {"architecture": "depthanyevent", **asdict(model.config)}


def _seed(model: nn.Module) -> dict[str, Any]:
    state = seeded_state_dict(model)
    model.load_state_dict(state)
    digest = hashlib.sha256()
    for key, tensor in state.items():
        digest.update(key.encode() + tensor.numpy().tobytes())
    return {
        "source": "seeded initialisation",
        "sha256": digest.hexdigest(),
        "licence": "Apache-2.0",
        "trained": False,
    }


def _entry(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "source": checkpoint.source,
        "sha256": checkpoint.sha256,
        "source_sha256": checkpoint.source_sha256,
        "licence": checkpoint.licence,
        "clip_distance_m": checkpoint.clip_distance_m,
        "use_scaleshift": checkpoint.use_scaleshift,
        "trained": True,
    }
