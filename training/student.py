"""The network that learns: built by a recipe, started from weights, written as released ones."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from dae_edge.hints import closest
from dae_edge.nn import DepthAnyEvent, E2Depth, EReFormer, ModelConfig, load_weights
from dae_edge.nn.checkpoint import Checkpoint, fill_model, read_checkpoint, save_safetensors
from dae_edge.nn.checkpoint_config import ENCODERS, MODEL_TYPES
from dae_edge.nn.e2depth import LOG_RANGE
from dae_edge.recipes import load_recipe
from training.clip import WindowKind
from training.recipe import Recipe, Stage
from training.start import start_from_nothing

Student: TypeAlias = DepthAnyEvent | E2Depth | EReFormer

BASELINES: dict[str, Callable[..., Student]] = {"e2depth": E2Depth, "ereformer": EReFormer}


def build(recipe: Recipe, stage: Stage) -> tuple[Student, WindowKind]:
    """The network of a recipe at the size of a stage, with random weights, and what it takes.

    Raises:
        ValueError: no such model, settings it does not have, or one that is not trained here.
    """
    of_model = load_recipe(recipe.model)
    settings = {**of_model.model, **recipe.model_settings}
    architecture = settings.pop("architecture", "depthanyevent")
    kind: WindowKind = "voxels" if of_model.voxel_bins else "tencode"
    if architecture == "depthanyevent":
        known = [field.name for field in dataclasses.fields(ModelConfig)]
        for name in settings:
            if name not in known:
                raise ValueError(
                    f"{recipe.name}: model_settings: unknown key {name!r}{closest(name, known)}"
                )
        if stage.input:
            settings["input_width"], settings["input_height"] = stage.input
        model = DepthAnyEvent(ModelConfig(**settings))
        start_from_nothing(model)
        return model, kind
    if of_model.frames or architecture not in BASELINES:
        raise ValueError(f"{recipe.name}: model: {recipe.model!r} is not trained here")
    if recipe.model_settings.keys() - of_model.model.keys():
        raise ValueError(f"{recipe.name}: model_settings: {recipe.model!r} has no settings")
    return BASELINES[architecture](**settings), kind


def network_size(model: Student) -> tuple[int, int] | None:
    """(height, width) that images are resized to; None where the model takes any size."""
    if isinstance(model, DepthAnyEvent):
        return model.config.input_height, model.config.input_width
    return None


def start_from(path: Path, model: Student) -> tuple[str, ...]:
    """Fill a model with the weights of a file.

    Recurrent units that the file lacks stay as they are.

    Returns:
        Their keys.

    Raises:
        ValueError: no such file, not a checkpoint, or one of another model.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file of weights")
    if not isinstance(model, DepthAnyEvent):
        load_weights(path, model)
        return ()
    checkpoint = read_checkpoint(path)
    checkpoint.config_for(model.config)  # refuses another encoder or head
    return fill_model(checkpoint, model, initialise=True)


def weights_file(out: Path, name: str, model: Student) -> Path:
    """Where :func:`write_weights` writes: .pth, or .safetensors for sizes without a public name."""
    public = not isinstance(model, DepthAnyEvent) or model.config.encoder in ENCODERS.values()
    return out / f"{name}.{'pth' if public else 'safetensors'}"


def write_weights(out: Path, name: str, model: Student, recipe: Recipe) -> Path:
    """Write weights as ``dae-export --weights`` reads them: whole or not at all.

    The public layout is a .pth with the configuration inside, since the stages of a run share a
    folder and can differ in size. It has no name for the smallest encoder; those weights become
    .safetensors.
    """
    path = weights_file(out, name, model)
    state = {key: tensor.detach().cpu().clone() for key, tensor in model.state_dict().items()}
    if path.suffix == ".safetensors":
        assert isinstance(model, DepthAnyEvent)
        save_safetensors(_checkpoint(state, model.config, recipe, name), path)
        return path
    content: dict[str, Any] = {"state_dict": state}
    if isinstance(model, DepthAnyEvent):
        content["config"] = released_config(model.config, recipe)
    part = path.with_name(f".{path.name}.part")
    torch.save(content, part)
    os.replace(part, path)
    return path


def released_config(model: ModelConfig, recipe: Recipe) -> dict[str, Any]:
    """Content of config.json as DepthAnyEvent releases it."""
    kinds = {recurrent: name for name, recurrent in MODEL_TYPES.items()}
    encoders = {encoder: name for name, encoder in ENCODERS.items()}
    return {
        "trainer": {
            "clip_distance": recipe.range_m,
            "reg_factor": LOG_RANGE,
            "use_logdepth": False,
            "use_scaleshift": not recipe.metric,
        },
        "model": {
            "model_type": kinds[model.recurrent],
            "encoder": encoders[model.encoder],
            "activation": model.activation,
            "inv_prediction": model.inv_prediction,
            "scale_factor": model.scale_factor,
            "input_size_width": model.input_width,
            "input_size_height": model.input_height,
            "freeze_encoder": False,
            "input_channels": 3,
        },
    }


def _checkpoint(
    state: Mapping[str, Tensor], model: ModelConfig, recipe: Recipe, name: str
) -> Checkpoint:
    digest = hashlib.sha256()
    for key, tensor in state.items():
        digest.update(key.encode() + tensor.numpy().tobytes())
    return Checkpoint(
        state=state,
        layout=model,
        config=model,
        clip_distance_m=recipe.range_m,
        reg_factor=LOG_RANGE,
        use_logdepth=False,
        use_scaleshift=not recipe.metric,
        sha256=digest.hexdigest(),
        source_sha256=digest.hexdigest(),
        source=f"dae-edge training: recipe {recipe.name}, {name}",
        licence="unknown",
        format="safetensors",
    )
