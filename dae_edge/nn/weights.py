"""Read the tensors of a checkpoint, and load them strictly: every key, every shape, all finite.

Takes .pth (torch.save of a state dict, or of a dict that holds one as "state_dict"), .safetensors,
and the packed .npz of a student with student.json beside it. Nothing in the file is executed:
pickles that name anything but tensors and plain containers are refused. So are tensors that claim
more elements than the file stores.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dae_edge import student
from dae_edge.errors import ContractError, FormatError
from dae_edge.extras import require

METADATA_KEY = "dae-edge checkpoint"
"""Of the metadata: what our own files say of themselves, see ``checkpoint.save_safetensors``."""

METADATA_VERSION = 1

NAMES_SHOWN = 3
FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


class WeightsFile(NamedTuple):
    """What a file of weights holds.

    Attributes:
        tensors: Dense float tensors on the CPU, by key.
        sha256: Of the whole file, in hexadecimal.
        config: What a .pth holds as "config" beside its "state_dict"; None where it has none.
        metadata: The texts that a .safetensors file carries; a student's has its description.
    """

    tensors: dict[str, Tensor]
    sha256: str
    config: Any
    metadata: dict[str, str]


def read_weights(path: Path, *, constants: Mapping[str, Tensor] | None = None) -> WeightsFile:
    """Read a file of weights, of any model.

    Args:
        path: The file.
        constants: Integer buffers that the architecture fixes; the file may repeat them.

    Raises:
        FormatError: the file is not a checkpoint, or holds something other than dense tensors.
        ContractError: the file has another value for one of the constants, or is not the one that
            was shipped as a student.
        MissingExtraError: a .safetensors file without the safetensors package.
    """
    data = path.read_bytes()
    config: Any = None
    metadata: dict[str, str] = {}
    if path.suffix == ".safetensors":
        content, metadata = _read_safetensors(data, path)
    elif path.suffix == ".npz":
        content, metadata = _read_student(path)
    else:
        content = _read_torch(data, path)
        if isinstance(content, dict) and "state_dict" in content:
            content, config = content["state_dict"], content.get("config")
    tensors = _checked_tensors(content, constants or {}, path)
    return WeightsFile(tensors, hashlib.sha256(data).hexdigest(), config, metadata)


def load_weights(path: str | Path, model: nn.Module) -> str:
    """Fill ``model`` with the weights in a file; the model is unchanged if this raises.

    Returns:
        The sha256 of the file, in hexadecimal.

    Raises:
        FormatError: the file is not a checkpoint, or holds something other than finite dense
            tensors.
        ContractError: keys are missing or unexpected, or shapes differ; the text names some.
        MissingExtraError: a .safetensors file without the safetensors package.
    """
    path = Path(path)
    layout = model.state_dict()
    constants = {key: value for key, value in layout.items() if not value.is_floating_point()}
    file = read_weights(path, constants=constants)
    require_same_layout(file.tensors, layout, path)
    require_finite(file.tensors, path)
    model.load_state_dict(file.tensors, strict=True)
    return file.sha256


def require_same_layout(
    weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor], source: str | Path
) -> None:
    """Raise ContractError unless the keys and shapes are the wanted ones; name those that differ.

    A prefix that all keys seem to have (``module.``) is named, not stripped.
    """
    require_no_prefix(weights, next(iter(wanted), ""), source)
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
        raise ContractError(f"{source}: weights do not fit the model: {told}")


def require_no_prefix(weights: Mapping[str, Tensor], key: str, source: str | Path) -> None:
    """Raise ContractError if ``key`` is there, but all keys have something in front."""
    prefix = next((name.removesuffix(key) for name in weights if name.endswith("." + key)), "")
    if prefix and all(name.startswith(prefix) for name in weights):
        raise ContractError(
            f"{source}: all {len(weights)} keys seem to have the prefix {prefix!r}: save the "
            f"weights of the inner model (model.{prefix}state_dict()), whose keys have none"
        )


def require_finite(weights: Mapping[str, Tensor], source: str | Path) -> None:
    """Raise FormatError if a value is NaN or infinite, or would be in float32; name the key."""
    for key, tensor in weights.items():
        finite = torch.isfinite(tensor.detach().float())
        if not finite.all():
            bad = finite.numel() - int(finite.sum())
            raise FormatError(f"{source}: {key}: {bad} of {finite.numel()} values are not finite")


def _read_torch(data: bytes, path: Path) -> Any:
    try:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # a broken pickle or archive can raise almost any type
        raise _not_a_checkpoint(path, error) from error


def _read_safetensors(data: bytes, path: Path) -> tuple[Any, dict[str, str]]:
    safetensors = require("safetensors.torch", extra="export", purpose="reading .safetensors")
    try:
        tensors = safetensors.load(data)
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])  # load() gives the tensors only
    except Exception as error:  # its own error type is not part of what require returns
        raise _not_a_checkpoint(path, error) from error
    return tensors, header.get("__metadata__") or {}


def _read_student(path: Path) -> tuple[Any, dict[str, str]]:
    found = student.read(path.parent)
    if path.name != found.weights.name:
        raise FormatError(f"{path}: of .npz files only a student's {found.weights.name} is read")
    tensors = {key: torch.from_numpy(values) for key, values in found.read_weights().items()}
    note = {**found.about, "version": METADATA_VERSION}
    return tensors, {METADATA_KEY: json.dumps(note)}


def _not_a_checkpoint(path: Path, error: Exception) -> FormatError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return FormatError(f"{path}: not a checkpoint that can be read safely: {reason}")


def _checked_tensors(
    content: Any, constants: Mapping[str, Tensor], path: Path
) -> dict[str, Tensor]:
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise FormatError(f"{path}: a checkpoint must hold a dict of tensors, got {kind}")
    for key, value in content.items():
        if key in constants and _is_constant(value, constants[key], key, path):
            continue
        if not (isinstance(key, str) and _is_dense(value)):
            tensor = isinstance(value, Tensor)
            kind = f"{value.layout} {value.dtype}" if tensor else type(value).__name__
            raise FormatError(f"{path}: {key!r} must be a dense float tensor, got {kind}")
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            shape = list(value.shape)
            raise FormatError(f"{path}: {key!r} claims {shape}, but fewer values are stored")
    return dict(content)


def _is_constant(value: object, wanted: Tensor, key: str, path: Path) -> bool:
    """Whether it is of the constant's kind; ContractError where it then differs."""
    if not isinstance(value, Tensor) or value.layout is not torch.strided:
        return False
    if value.device.type != "cpu" or value.dtype != wanted.dtype:
        return False
    if value.shape == wanted.shape and not value.equal(wanted.cpu()):
        raise ContractError(f"{path}: {key!r} is not what the architecture fixes")
    return True


def _is_dense(value: object) -> bool:
    return (
        isinstance(value, Tensor)
        and value.layout is torch.strided
        and value.device.type == "cpu"
        and value.dtype in FLOATS
    )


def _count(what: str, names: list[str]) -> str:
    if not names:
        return ""
    more = ", ..." if len(names) > NAMES_SHOWN else ""
    return f"{len(names)} {what}: {', '.join(names[:NAMES_SHOWN])}{more}"
