"""Which DepthAnyEvent the tensors of a state dict belong to, read off their keys and shapes.

Strict: once the encoder, the recurrence and the head are known, every key and shape must be those
of that model, and no other (ContractError).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from dae_edge.errors import ContractError
from dae_edge.nn.config import ENCODERS, ModelConfig
from dae_edge.nn.depth_anyevent import DepthAnyEvent
from dae_edge.nn.weights import require_no_prefix, require_same_layout

RECURRENT_UNITS = "depth_head.gru_layer_"
VIT_NAMES = {"tiny": "ViT-Ti", "small": "ViT-S", "base": "ViT-B", "large": "ViT-L"}

WIDEST = 1 << 14
"""Channels: more cannot be part of any of these models."""


def read_layout(tensors: Mapping[str, Tensor], path: Path) -> ModelConfig:
    """The architecture; what tensors do not tell (activation, input size) is left at defaults.

    Raises:
        ContractError: a key is missing or unknown, has a prefix, or a shape is another.
    """
    require_no_prefix(tensors, "pretrained.cls_token", path)
    width = _channels(tensors, "pretrained.cls_token", -1, path)
    encoder = next((name for name, size in ENCODERS.items() if size.width == width), None)
    if encoder is None:
        known = ", ".join(f"{size.width} ({VIT_NAMES[name]})" for name, size in ENCODERS.items())
        raise ContractError(f"{path}: no known ViT has width {width}, only {known}")
    features = _channels(tensors, "depth_head.scratch.layer1_rn.weight", 0, path)
    head = [_channels(tensors, f"depth_head.projects.{i}.weight", 0, path) for i in range(4)]
    recurrent = any(key.startswith(RECURRENT_UNITS) for key in tensors)
    try:
        layout = ModelConfig(
            encoder, recurrent=recurrent, features=features, out_channels=tuple(head)
        )
    except ValueError as error:
        raise ContractError(f"{path}: {error}") from error
    with torch.device("meta"):
        wanted = DepthAnyEvent(layout).state_dict()
    require_same_layout(tensors, wanted, path)
    return layout


def in_words(model: ModelConfig) -> str:
    """The architecture, for messages.

    >>> in_words(ModelConfig("small", recurrent=True))
    'ViT-S with recurrent units'
    """
    units = "with" if model.recurrent else "without"
    size = ENCODERS[model.encoder]
    usual = (model.features, model.out_channels) == (size.features, size.out_channels)
    head = "" if usual else f", head {model.features} / {list(model.out_channels)},"
    return f"{VIT_NAMES[model.encoder]}{head} {units} recurrent units"


def _channels(tensors: Mapping[str, Tensor], key: str, axis: int, path: Path) -> int:
    if key not in tensors:
        some = ", ".join(list(tensors)[:2]) or "none"
        raise ContractError(
            f"{path}: neither DepthAnyEvent nor Depth Anything V2: {key} is missing from its "
            f"{len(tensors)} keys ({some}, ...)"
        )
    shape = list(tensors[key].shape)
    if not shape or not 0 < shape[axis] <= WIDEST:
        raise ContractError(f"{path}: {key} cannot have the shape {shape}")
    return shape[axis]
