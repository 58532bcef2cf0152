"""Load a checkpoint's weights into a model, strictly: every key, every shape, nothing else.

Takes .pth (torch.save of a state dict, or of a dict that holds one as "state_dict") and
.safetensors. Nothing in the file is executed: pickles that name anything but tensors and plain
containers are refused.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dae_edge.errors import ContractError, FormatError
from dae_edge.extras import require

NAMES_SHOWN = 3


def load_weights(path: str | Path, model: nn.Module) -> str:
    """Fill ``model`` with the weights in a file; the model is unchanged if this raises.

    Returns:
        The sha256 of the file, in hexadecimal.

    Raises:
        FormatError: the file is not a checkpoint, or holds something other than dense tensors.
        ContractError: keys are missing or unexpected, or shapes differ; the text names some.
        MissingExtraError: a .safetensors file without the safetensors package.
    """
    path = Path(path)
    data = path.read_bytes()
    read = _read_safetensors if path.suffix == ".safetensors" else _read_torch
    weights = _checked_tensors(read(data, path), path)
    _require_same_layout(weights, model, path)
    model.load_state_dict(weights, strict=True)
    return hashlib.sha256(data).hexdigest()


def _read_torch(data: bytes, path: Path) -> Any:
    try:
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # a broken pickle or archive can raise almost any type
        raise _not_a_checkpoint(path, error) from error
    if isinstance(content, dict) and "state_dict" in content:
        return content["state_dict"]
    return content


def _read_safetensors(data: bytes, path: Path) -> Any:
    safetensors = require("safetensors.torch", extra="export", purpose="reading .safetensors")
    try:
        return safetensors.load(data)
    except Exception as error:  # its own error type is not part of what require returns
        raise _not_a_checkpoint(path, error) from error


def _not_a_checkpoint(path: Path, error: Exception) -> FormatError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return FormatError(f"{path}: not a checkpoint that can be read safely: {reason}")


def _checked_tensors(content: Any, path: Path) -> dict[str, Tensor]:
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise FormatError(f"{path}: a checkpoint must hold a dict of tensors, got {kind}")
    for key, value in content.items():
        dense = isinstance(value, Tensor) and value.layout is torch.strided
        if not (isinstance(key, str) and dense and value.is_floating_point()):
            tensor = isinstance(value, Tensor)
            kind = f"{value.layout} {value.dtype}" if tensor else type(value).__name__
            raise FormatError(f"{path}: {key!r} must be a dense float tensor, got {kind}")
    return content


def _require_same_layout(weights: dict[str, Tensor], model: nn.Module, path: Path) -> None:
    wanted = model.state_dict()
    misshaped = [
        f"{key} {list(weights[key].shape)} (wanted {list(wanted[key].shape)})"
        for key in wanted
        if key in weights and weights[key].shape != wanted[key].shape
    ]
    faults = [
        _count("missing", [key for key in wanted if key not in weights]),
        _count("unexpected", [key for key in weights if key not in wanted]),
        _count("of another shape", misshaped),
    ]
    if any(faults):
        told = "; ".join(fault for fault in faults if fault)
        raise ContractError(f"{path}: weights do not fit the model: {told}")


def _count(what: str, names: list[str]) -> str:
    if not names:
        return ""
    more = ", ..." if len(names) > NAMES_SHOWN else ""
    return f"{len(names)} {what}: {', '.join(names[:NAMES_SHOWN])}{more}"
