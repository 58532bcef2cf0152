"""NumPy files: .npz with columns t, x, y, p, and .npy or .npz with one structured array.

Polarity may be called p, on, pol or polarity. Times are microseconds if they are whole numbers,
seconds if they are floating point. Read piece by piece, also out of a compressed .npz, so that a
small file that unpacks to a large one costs time and not memory. Refuses pickled objects.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from dae_edge.errors import FormatError
from dae_edge.events import Events, events_from
from dae_edge.sources.foreign import in_one_line
from dae_edge.sources.packets import agreed_sensor, microseconds
from dae_edge.sources.recording import Recording
from dae_edge.sources.source import PACKET_EVENTS

BLOCK_EVENTS = 1 << 16
LARGEST_ITEM = 256
"""Bytes per element; a larger one is no event."""
POLARITY_NAMES = ("p", "on", "pol", "polarity")
_DAMAGE = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What zipfile and numpy raise on damaged or encrypted files."""


class _Array:
    """A one-dimensional .npy read piece by piece: numpy's header, then its elements."""

    def __init__(self, stream: IO[bytes], what: str) -> None:
        self._stream = stream
        try:
            version = np.lib.format.read_magic(stream)
            read = {(1, 0): np.lib.format.read_array_header_1_0}.get(
                version, np.lib.format.read_array_header_2_0
            )
            shape, _, self.dtype = read(stream)
        except Exception as error:  # numpy evaluates a literal: many things can be wrong with it
            raise FormatError(f"{what}: no readable .npy header: {in_one_line(error)}") from error
        if self.dtype.hasobject:
            raise FormatError(f"{what}: holds Python objects, which are not read from files")
        if len(shape) != 1 or shape[0] < 0 or not 0 < self.dtype.itemsize <= LARGEST_ITEM:
            raise FormatError(f"{what}: wanted one dimension, got shape {shape} of {self.dtype}")
        self.length = int(shape[0])

    def read(self, count: int) -> NDArray[Any]:
        """Give the next ``count`` elements; fewer when the file ends before."""
        wanted = count * self.dtype.itemsize
        data = self._stream.read(wanted)
        whole = len(data) // self.dtype.itemsize
        return np.frombuffer(data, self.dtype, whole)


class NumpyRecording(Recording):
    """One .npy or .npz file; ``truncated_events`` counts those promised and not there."""

    def __init__(
        self, path: Path, *, format: str, sensor: tuple[int, int], packet_events: int
    ) -> None:
        super().__init__(str(path), format=format, sensor=sensor, packet_events=packet_events)
        self._path = path

    def _blocks(self) -> Iterator[Events]:
        with ExitStack() as stack:
            arrays = _arrays(self._path, stack)
            total, done = next(iter(arrays.values())).length, 0
            while done < total:
                count = min(BLOCK_EVENTS, total - done)
                try:
                    columns = _columns({name: arrays[name].read(count) for name in arrays})
                except _DAMAGE as error:
                    raise FormatError(
                        f"{self._path}: damaged after {done} events: {in_one_line(error)}"
                    ) from error
                there = min(len(column) for column in columns)
                t, x, y, polarity = (column[:there] for column in columns)
                if t.dtype.kind == "f":
                    t = microseconds(t, f"{self._path}: from event {done} on")
                yield events_from(t, x, y, polarity)
                done += there
                self._done = done / total
                if there < count:
                    self._counts["truncated_events"] = total - done
                    return


def open_numpy(
    path: Path, *, sensor: tuple[int, int] | None = None, packet_events: int = PACKET_EVENTS
) -> NumpyRecording:
    """Open a .npy or .npz file; ``sensor`` is demanded, for arrays do not say it.

    Raises:
        FormatError: not such a file, no such columns, objects in it, or ``sensor`` is missing.
    """
    with ExitStack() as stack:
        arrays = _arrays(path, stack)
        _columns({name: np.empty(0, arrays[name].dtype) for name in arrays}, str(path))
        lengths = {name: array.length for name, array in arrays.items()}
    if len(set(lengths.values())) != 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise FormatError(f"{path}: the columns differ in length: {listed}")
    return NumpyRecording(
        path,
        format="npz" if zipfile.is_zipfile(path) else "npy",
        sensor=agreed_sensor(str(path), stated=None, given=sensor),
        packet_events=packet_events,
    )


def _arrays(path: Path, stack: ExitStack) -> dict[str, _Array]:
    """Open the arrays that matter: four columns, or a structured one under any name."""
    file = stack.enter_context(path.open("rb"))
    if file.read(6) == b"\x93NUMPY":
        file.seek(0)
        return {"": _Array(file, str(path))}
    try:
        archive = stack.enter_context(zipfile.ZipFile(file))
        members = {name.removesuffix(".npy"): name for name in archive.namelist()}
        polarity = next((name for name in POLARITY_NAMES if name in members), None)
        wanted = ["t", "x", "y", polarity]
        if polarity is None or not set(wanted) <= set(members):
            wanted = list(members)
            if len(wanted) != 1:
                raise FormatError(
                    f"{path}: wanted arrays t, x, y and p (or on, polarity), "
                    f"or one structured array; it has {', '.join(members) or 'none'}"
                )
        streams = {name: stack.enter_context(archive.open(members[name or ""])) for name in wanted}
    except FormatError:
        raise
    except (*_DAMAGE, NotImplementedError, KeyError) as error:
        raise FormatError(f"{path}: not a readable .npz file: {in_one_line(error)}") from error
    return {name or "": _Array(streams[name], f"{path}, array {name}") for name in wanted}


def _columns(arrays: dict[str, NDArray[Any]], where: str = "") -> list[NDArray[Any]]:
    """Columns t, x, y and polarity of four arrays, or of the fields of one."""
    fields = arrays
    if len(arrays) == 1:
        (array,) = arrays.values()
        fields = {name: array[name] for name in array.dtype.names or ()}
    polarity = next((name for name in POLARITY_NAMES if name in fields), "p")
    missing = [name for name in ("t", "x", "y", polarity) if name not in fields]
    if missing:
        raise FormatError(
            f"{where}: no field {missing[0]!r}; wanted t, x, y and p (or on, polarity), "
            f"got {', '.join(fields) or 'an array without fields'}"
        )
    columns = [fields[name] for name in ("t", "x", "y", polarity)]
    for name, column in zip("txyp", columns, strict=True):
        if column.dtype.kind not in "iufb" or column.ndim != 1:
            raise FormatError(f"{where}: column {name} is no column of numbers: {column.dtype}")
    return columns
