"""The files that datasets are made of: lists of times, depth maps, arrays, calibrations.

Whatever the bytes, the answer is the content or one clear line.
"""

from __future__ import annotations

import lzma
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_edge.errors import FormatError
from dae_edge.extras import require
from dae_edge.sources.packets import LARGEST_EXACT

LARGEST_NPZ = 1 << 30
"""Bytes that a .npz may unpack to: a small file must not make us take all memory."""

_DAMAGED = (
    *(OSError, ValueError, TypeError, RuntimeError, KeyError, EOFError, SyntaxError, MemoryError),
    *(OverflowError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
)


def read_times(path: Path, *, column: int = 0, seconds: bool = False) -> NDArray[np.int64]:
    """Times [n] of a text file with one per line, in microseconds.

    Args:
        column: Which of the columns, separated by spaces.
        seconds: The file has seconds, which are rounded to microseconds.

    Raises:
        FormatError: missing, empty, not a number, or not increasing from line to line.
    """
    times: list[int] = []
    with readable(path):
        lines = path.read_text("ascii").splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            text = line.split()[column]
            value = float(text) * 1e6 if seconds else int(text)
        except (ValueError, IndexError) as error:
            raise FormatError(f"{path}: line {number}: no time in {line[:40]!r}") from error
        if not abs(value) < LARGEST_EXACT:
            raise FormatError(f"{path}: line {number}: impossible time {text}")
        if times and round(value) <= times[-1]:
            raise FormatError(f"{path}: line {number}: time {text} does not follow the one before")
        times.append(round(value))
    if not times:
        raise FormatError(f"{path}: no times in it")
    return np.array(times, np.int64)


def numbered(folder: Path, pattern: str) -> dict[int, Path]:
    """Files whose name matches ``pattern`` entirely, by the number in its one group, ascending.

    Raises:
        FormatError: no such folder, or two files of one number.
    """
    with readable(folder):
        names = sorted(path.name for path in folder.iterdir())
    found: dict[int, Path] = {}
    for name in names:
        match = re.fullmatch(pattern, name)
        if match is None:
            continue
        number = int(match[1])
        if number in found:
            raise FormatError(
                f"{folder}: both {found[number].name} and {name} have number {number}"
            )
        found[number] = folder / name
    return dict(sorted(found.items()))


def read_npy(path: Path, shape: tuple[int | None, ...]) -> NDArray[np.float32]:
    """The array of a .npy file as float32; None in ``shape`` stands for any length.

    Raises:
        FormatError: missing, damaged, not of numbers, or of another shape.
    """
    with readable(path):
        array = np.lib.format.open_memmap(
            path, mode="r"
        )  # so that the shape is seen before reading
        if array.dtype.kind not in "fiu":
            raise FormatError(f"{path}: no array of numbers")
        check_shape(path, array.shape, shape)
        return np.array(array, np.float32)


def read_npz(path: Path, names: Iterable[str]) -> list[NDArray[Any]]:
    """Equally long columns of numbers from a .npz file.

    Raises:
        FormatError: missing, damaged, huge, without one of the names, or not columns of numbers.
    """
    with readable(path):
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > LARGEST_NPZ:
                raise FormatError(f"{path}: unpacks to more than {LARGEST_NPZ} bytes")
        with np.load(path, allow_pickle=False) as arrays:
            columns = {name: np.asarray(arrays[name]) for name in names}
    for name, column in columns.items():
        if column.ndim != 1 or column.dtype.kind not in "iufb":
            raise FormatError(f"{path}: {name} is no column of numbers")
    if len({len(column) for column in columns.values()}) > 1:
        lengths = ", ".join(f"{name} {len(column)}" for name, column in columns.items())
        raise FormatError(f"{path}: columns differ in length: {lengths}")
    return list(columns.values())


def read_disparity_png(path: Path, shape: tuple[int, int]) -> NDArray[np.uint16]:
    """A 16-bit grey PNG as uint16 [height, width].

    Raises:
        FormatError: missing, damaged, not 16-bit grey, or of another size.
        MissingExtraError: Pillow is not installed.
    """
    with _opened_png(path, shape) as image:
        if image.mode not in ("I;16", "I"):  # Pillow before 11.3 gives "I"
            raise FormatError(f"{path}: no 16-bit grey PNG, but mode {image.mode}")
        return np.asarray(image).astype(np.uint16)


def read_frame(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """An 8-bit PNG, colour or grey, as RGB, uint8 [height, width, 3].

    Args:
        path: The file.
        size: (width, height) that it must have.

    Raises:
        FormatError: missing, damaged, not of 8 bits, or of another size.
        MissingExtraError: Pillow is not installed.
    """
    with _opened_png(path, (size[1], size[0])) as image:
        if image.mode not in ("L", "LA", "P", "RGB", "RGBA"):
            raise FormatError(f"{path}: no picture of 8 bits, but mode {image.mode}")
        return np.array(image.convert("RGB"))


@contextmanager
def _opened_png(path: Path, shape: tuple[int, int]) -> Iterator[Any]:
    """The Pillow image of a PNG of this (height, width); what damages it becomes a FormatError."""
    image_module = require("PIL.Image", extra="hdf5", purpose="reading PNG")
    with readable(path), warnings.catch_warnings():
        warnings.simplefilter("error", image_module.DecompressionBombWarning)
        try:
            with image_module.open(path, formats=["PNG"]) as image:
                check_shape(path, (image.height, image.width), shape)
                yield image
        except (SyntaxError, image_module.DecompressionBombError) as error:
            raise FormatError(f"{path}: not a readable PNG: {error}") from error
        except image_module.DecompressionBombWarning as error:
            raise FormatError(f"{path}: not a readable PNG: {error}") from error


def read_yaml(path: Path) -> Any:
    """The content of a YAML file, of plain types only.

    Raises:
        FormatError: missing or not YAML.
        MissingExtraError: ruamel.yaml is not installed.
    """
    yaml = require("ruamel.yaml", extra="hdf5", purpose="reading calibration files")
    with readable(path):
        try:
            return yaml.YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
        except (yaml.error.YAMLError, yaml.error.YAMLWarning, RecursionError) as error:
            line = " ".join(str(error).split())[:120]
            raise FormatError(f"{path}: not readable as YAML: {line}") from error


@contextmanager
def hdf5_array(
    path: Path, where: str, shape: tuple[int | None, ...] | None = None
) -> Iterator[Any]:
    """The dataset ``where`` of an HDF5 file, open inside the ``with``, read by slicing.

    Raises:
        FormatError: missing, damaged, not of numbers, or of another shape; also for errors inside
            the ``with``.
        MissingExtraError: h5py or hdf5plugin is not installed.
    """
    require("hdf5plugin", extra="hdf5", purpose="reading HDF5 files")  # brings blosc to h5py
    h5py = require("h5py", extra="hdf5", purpose="reading HDF5 files")
    with readable(path):
        if not path.is_file():
            raise FormatError(f"{path}: no such file")
        with h5py.File(path, "r") as file:
            array = file.get(where)
            if not isinstance(array, h5py.Dataset) or array.dtype.kind not in "fiu":
                raise FormatError(f"{path}: no numbers at /{where}; it has /{', /'.join(file)}")
            if shape is not None:
                check_shape(path, array.shape, shape)
            yield array


def check_shape(path: Path, shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> None:
    """Say so if an array of ``path`` does not have the wanted shape; None stands for any length."""
    if len(shape) != len(wanted) or any(
        w not in (None, n) for n, w in zip(shape, wanted, strict=True)
    ):
        text = "x".join("n" if w is None else str(w) for w in wanted)
        raise FormatError(f"{path}: shape {'x'.join(map(str, shape))}, wanted {text}")


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what reading a missing or damaged file raises into one clear FormatError."""
    try:
        yield
    except FormatError:
        raise
    except FileNotFoundError as error:
        raise FormatError(f"{path}: no such file or folder") from error
    except _DAMAGED as error:
        text = " ".join(str(error).split())[:160]
        raise FormatError(f"{path}: cannot be read: {text or type(error).__name__}") from error
