"""The bundle on disk: a directory with a manifest, read with distrust and written all or nothing.

Needs numpy only. Nothing in a bundle is executed here, and no path in it leads out of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dae_edge.contract import Contract, StateSpec
from dae_edge.errors import ContractError

FORMAT = "dae-bundle"
VERSION = 1
MOST_BINS = 64
MOST_AXES = 8
LONGEST_WINDOW_US = (1 << 30) - 1
MANIFEST = "manifest.json"
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Bundle:
    """A bundle whose manifest was read and found in order.

    Attributes:
        path: The directory.
        manifest: Everything the manifest says (see calibrate/README.md and export/README.md).
        contract: Tensors of the model.
    """

    path: Path
    manifest: Mapping[str, Any]
    contract: Contract

    def file(self, name: str) -> Path:
        """Path of a file that the manifest lists.

        Raises:
            ContractError: the manifest does not list it.
        """
        if name not in self.manifest["files"]:
            raise ContractError(f"{self.path}: {MANIFEST} lists no file {name!r}")
        return self.path / name

    def verify(self) -> None:
        """Compare each file's size and sha256 with the manifest.

        Raises:
            ContractError: a file is missing, a link, or not the one that was verified.
        """
        for name, entry in self.manifest["files"].items():
            check_file(self.path / name, entry)


def check_file(path: Path, entry: Mapping[str, Any]) -> None:
    """Compare a file's size and sha256 with an entry that has ``bytes`` and ``sha256``.

    Raises:
        ContractError: it is missing, a link, or not the one that was verified.
    """
    if path.is_symlink() or not path.is_file():
        raise ContractError(f"{path}: missing, or not a plain file")
    size = path.stat().st_size
    if size != entry["bytes"]:
        raise ContractError(f"{path}: wanted {entry['bytes']} bytes, got {size}")
    digest = sha256_of(path)
    if digest != entry["sha256"]:
        raise ContractError(
            f"{path}: changed since it was verified: wanted sha256 "
            f"{entry['sha256'][:16]}..., got {digest[:16]}..."
        )


def file_entry(path: Path) -> dict[str, Any]:
    """Size and sha256 of a file, as ``check_file`` takes them."""
    return {"bytes": path.stat().st_size, "sha256": sha256_of(path)}


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def read(path: str | os.PathLike[str]) -> Bundle:
    """Read and check a bundle's manifest; the files are checked by ``Bundle.verify``.

    Raises:
        FileNotFoundError: no such directory.
        ContractError: not a bundle, or one that this version does not understand.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such bundle")
    manifest_path = path / MANIFEST
    if not path.is_dir() or not manifest_path.is_file():
        raise ContractError(f"{path}: not a bundle (a directory NAME.dae with a {MANIFEST})")
    try:
        manifest = json.loads(manifest_path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ContractError(f"{manifest_path}: not JSON: {error}") from error
    reader = _Reader(manifest, str(manifest_path))
    kind = (reader.get("format", str), reader.get("version", int))
    if kind != (FORMAT, VERSION):
        raise ContractError(f"{manifest_path}: wanted {FORMAT} version {VERSION}, got {kind}")
    _check_files(reader)
    _check_meaning(reader)
    return Bundle(path, manifest, _contract(reader))


class _Reader:
    """Fields of the manifest by dotted path, with errors that name the path."""

    def __init__(self, data: Any, where: str) -> None:
        self.data = data
        self.where = where

    def get(self, path: str, kind: type) -> Any:
        value = self.data
        for key in path.split("."):
            if not isinstance(value, dict) or key not in value:
                raise ContractError(f"{self.where}: {path} is missing")
            value = value[key]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise ContractError(f"{self.where}: {path}: wanted {kind.__name__}, got {value!r}")
        return value

    def sizes(self, path: str, length: int) -> tuple[int, ...]:
        sizes = self.check_sizes(path, self.get(path, list), length)
        if max(sizes) > 65535:
            raise ContractError(f"{self.where}: {path}: at most 65535 pixels, got {list(sizes)}")
        return sizes

    def check_sizes(self, path: str, value: Any, length: int | None = None) -> tuple[int, ...]:
        whole = isinstance(value, list) and all(type(item) is int for item in value)
        if not whole or len(value) > MOST_AXES or not all(0 < item < 1 << 20 for item in value):
            raise ContractError(f"{self.where}: {path}: wanted sizes, got {value!r}")
        if length is not None and len(value) != length:
            raise ContractError(f"{self.where}: {path}: wanted {length} sizes, got {value!r}")
        return tuple(value)


def _check_files(reader: _Reader) -> None:
    for name, entry in reader.get("files", dict).items():
        if not FILE_NAME.fullmatch(name):
            raise ContractError(f"{reader.where}: files: {name!r} is not a plain file name")
        size = entry.get("bytes") if isinstance(entry, dict) else None
        digest = entry.get("sha256") if isinstance(entry, dict) else None
        if type(size) is not int or not isinstance(digest, str) or len(digest) != 64:
            raise ContractError(f"{reader.where}: files: {name}: wanted bytes and sha256")
    for key in ("onnx", "engine.file"):
        if reader.get(key, str) not in reader.get("files", dict):
            raise ContractError(f"{reader.where}: {key} is not among the files")


def _check_meaning(reader: _Reader) -> None:
    for key in ("model.name", "weights.source", "target", "engine.backend", "output.unit"):
        reader.get(key, str)
    reader.get("weights.trained", bool)
    if not 1 <= reader.get("input.window_us", int) <= LONGEST_WINDOW_US:
        raise ContractError(f"{reader.where}: input.window_us must be 1..{LONGEST_WINDOW_US}")
    if "verdict" in reader.data:
        reader.get("verdict.passed", bool)
    if reader.get("input.background", str) not in ("black", "white"):
        raise ContractError(f"{reader.where}: input.background: wanted black or white")


def _contract(reader: _Reader) -> Contract:
    states = []
    for index, entry in enumerate(reader.get("states", list)):
        where = f"states[{index}]"
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise ContractError(f"{reader.where}: {where}: wanted name, shape, dtype")
        if entry.get("dtype") not in ("float32", "float16"):
            raise ContractError(f"{reader.where}: {where}: dtype must be float32 or float16")
        shape = reader.check_sizes(f"{where}.shape", entry.get("shape"))
        states.append(StateSpec(entry["name"], shape, entry["dtype"]))
    if len({state.name for state in states}) != len(states):
        raise ContractError(f"{reader.where}: states: a name appears twice")
    sensor, depth = reader.sizes("input.sensor", 2), reader.sizes("output.shape", 2)
    bins, frames = _bins(reader), reader.get("input.encoding", str) == "frame"
    return Contract((sensor[0], sensor[1]), (depth[0], depth[1]), tuple(states), bins, frames)


def _bins(reader: _Reader) -> int:
    encoding = reader.get("input.encoding", str)
    if encoding not in ("tencode", "voxel_grid", "frame"):
        raise ContractError(f"{reader.where}: input.encoding: wanted tencode, voxel_grid or frame")
    bins: int = reader.get("input.bins", int) if encoding == "voxel_grid" else 0
    if encoding == "voxel_grid" and not 1 <= bins <= MOST_BINS:
        raise ContractError(f"{reader.where}: input.bins must be 1..{MOST_BINS}, got {bins}")
    return bins


@contextmanager
def writing(destination: Path, *, replace: bool = True) -> Iterator[Path]:
    """A folder to build a bundle in; it becomes ``destination`` when the block ends well.

    It is made beside the destination, so that the last step is a rename. If the block raises, or
    the process dies, no half bundle is left under the name; an older bundle stays as it was.

    Args:
        destination: Path of the bundle.
        replace: Put it in the place of an older one. False: one that is there by the end of the
            block stays, and the new one is thrown away; for processes that make the same bundle.

    Raises:
        ValueError: something else than a bundle has that name; it would be deleted.
        OSError: it cannot be written.
    """
    destination = destination.absolute()
    if destination.exists() and not (destination / MANIFEST).is_file():
        raise ValueError(f"{destination}: exists and is not a bundle; not replaced")
    destination.parent.mkdir(parents=True, exist_ok=True)
    folder = _folder_beside(destination)
    try:
        yield folder
        if replace and destination.exists():
            _replace(destination, folder)
        else:
            _place(folder, destination)
    except OSError as error:
        if error.filename is None:  # a full disk does not say where
            raise OSError(f"{destination}: cannot be written: {error}") from error
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _place(new: Path, name: Path) -> None:
    """Rename a folder, unless another process has put a bundle there first: that one stays."""
    try:
        os.replace(new, name)  # fails on a folder with content
    except OSError:
        if not (name / MANIFEST).is_file():
            raise


def _replace(old: Path, new: Path) -> None:
    """Put ``new`` in the place of ``old``, a folder with content: two renames, no less."""
    retired = _folder_beside(old)
    os.replace(old, retired / "old")
    try:
        os.replace(new, old)
    except BaseException:
        os.replace(retired / "old", old)
        retired.rmdir()
        raise
    shutil.rmtree(retired)


def seal(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest, with size and sha256 of every file that lies in ``folder``."""
    files = {
        path.name: file_entry(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST
    }
    content = {"format": FORMAT, "version": VERSION, **manifest, "files": files}
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def _folder_beside(path: Path) -> Path:
    """A new, empty folder in the same place, with a name that nothing else has."""
    folder = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    folder.mkdir()
    return folder
