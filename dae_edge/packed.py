"""Weights as they ship, and as engines read them: int8 in an .npz, float32 in one flat file.

Packed, a matrix or kernel is int8 with a float32 scale for each slice along its first axis that is
longer than one: an output channel, a row of a table. The weight IS the product of the two, so torch
and every engine compute with the same numbers. All other tensors are float32. Arrays of the .npz:
``int8/KEY`` and ``scale/KEY``, or ``float32/KEY``; no pickles.

Flat, the weights lie in the order of their sorted keys, little-endian float32, each from a multiple
of 64 bytes on, matrices transposed: [in, out], as ONNX's MatMul takes them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dae_edge.errors import FormatError

Weights: TypeAlias = Mapping[str, NDArray[np.float32]]
"""Tensors by the key of the parameter."""

STEPS = 127
"""Largest int8 value used: the range is symmetric, -128 does not occur."""

ALIGNMENT = 64
"""Bytes. Where a tensor may begin in the flat file: a cache line, the widest vector load."""

KINDS = {"int8": np.int8, "scale": np.float32, "float32": np.float32}


def pack(weights: Weights) -> dict[str, NDArray[Any]]:
    """The arrays of the .npz; no value moves by more than half a step of its slice.

    Raises:
        ValueError: a weight is not finite.
    """
    packed: dict[str, NDArray[Any]] = {}
    for key, values in weights.items():
        if not np.isfinite(values).all():
            raise ValueError(f"{key}: not finite")
        if _is_small(values.shape):
            packed[f"float32/{key}"] = values.astype(np.float32)
        else:
            packed[f"int8/{key}"], packed[f"scale/{key}"] = _rounded(values)
    return packed


def write_packed(path: Path, weights: Weights) -> None:
    """Write ``pack(weights)``, compressed; the same weights give the same bytes."""
    arrays: Any = pack(weights)  # numpy's types take a name for its option allow_pickle
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_packed(path: Path) -> dict[str, NDArray[np.float32]]:
    """The weights of a file that ``write_packed`` wrote.

    Raises:
        FileNotFoundError: no such file.
        FormatError: not such a file, or an array that does not belong in one; named.
    """
    arrays = _read_arrays(path)
    for name, array in arrays.items():
        kind, _, key = name.partition("/")
        if not key or array.dtype != KINDS.get(kind):
            raise FormatError(f"{path}: {name!r} {array.dtype} does not belong there")
        if not np.isfinite(array).all():
            raise FormatError(f"{path}: {name!r} is not finite")
        other = {"int8": f"scale/{key}", "scale": f"int8/{key}"}.get(kind)
        if other is not None and other not in arrays:
            raise FormatError(f"{path}: {name!r} without {other!r}")
        if kind == "float32" and f"int8/{key}" in arrays:
            raise FormatError(f"{path}: {key!r} is there twice")
    weights = {}
    for name, array in arrays.items():
        kind, _, key = name.partition("/")
        if kind != "scale":
            scales = arrays.get(f"scale/{key}")
            weights[key] = array if scales is None else _product(array, scales, f"{path}: {key!r}")
    return weights


def flat(weights: Weights) -> Iterator[tuple[str, int, bytes]]:
    """Key, offset in bytes, and content of each tensor of the flat file, in its order."""
    offset = 0
    for key in sorted(weights):
        values = weights[key].T if weights[key].ndim == 2 else weights[key]
        content = np.ascontiguousarray(values, "<f4").tobytes()
        offset = -(-offset // ALIGNMENT) * ALIGNMENT
        yield key, offset, content
        offset += len(content)


def write_flat(path: Path, weights: Weights) -> None:
    """Write the flat file; zeros fill the gaps between tensors."""
    with path.open("wb") as file:
        end = 0
        for _, offset, content in flat(weights):
            file.write(bytes(offset - end))
            file.write(content)
            end = offset + len(content)


def _is_small(shape: tuple[int, ...]) -> bool:
    """Vectors and single numbers, whatever axes of length one they have."""
    return sum(size > 1 for size in shape) < 2


def _scale_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """[1, .., n, 1, ..]: one scale for each slice along the first axis longer than one."""
    axis = next(index for index, size in enumerate(shape) if size > 1)
    return tuple(size if index == axis else 1 for index, size in enumerate(shape))


def _rounded(values: NDArray[Any]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """[..] -> int8 of the same shape, and the scales [n]; a slice of zeros has the scale 0."""
    shape = _scale_shape(values.shape)
    others = tuple(axis for axis, size in enumerate(shape) if size == 1)
    largest = np.abs(values).max(axis=others, keepdims=True)
    scales = (largest / STEPS).astype(np.float32)
    steps = np.divide(values, scales, out=np.zeros(values.shape), where=scales > 0)
    return np.rint(steps).clip(-STEPS, STEPS).astype(np.int8), scales.reshape(-1)


def _product(
    steps: NDArray[np.int8], scales: NDArray[np.float32], where: str
) -> NDArray[np.float32]:
    if _is_small(steps.shape):
        raise FormatError(f"{where}: {list(steps.shape)} in int8, wanted a matrix or a kernel")
    shape = _scale_shape(steps.shape)
    if scales.shape != (math.prod(shape),) or (scales < 0).any():
        raise FormatError(
            f"{where}: wanted {math.prod(shape)} scales of at least 0, got {list(scales.shape)}"
        )
    if (steps < -STEPS).any():
        raise FormatError(f"{where}: wanted steps of {-STEPS} to {STEPS}, got {steps.min()}")
    with np.errstate(over="ignore"):
        values = steps.astype(np.float32) * scales.reshape(shape)
    if not np.isfinite(values).all():
        raise FormatError(f"{where}: not finite")
    return values


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    with path.open("rb") as file:  # numpy leaves a file open that it cannot read
        try:
            with np.load(file, allow_pickle=False) as arrays:
                return {name: _array(arrays[name]) for name in arrays.files}
        except Exception as error:  # a broken archive or array can raise almost any type
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise FormatError(f"{path}: not packed weights: {reason}") from error


def _array(content: Any) -> NDArray[Any]:
    if not isinstance(content, np.ndarray):  # numpy gives what is no array as bytes
        raise ValueError("a member is no array")
    return content
