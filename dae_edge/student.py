"""The trained model that ships with the package: packed weights, and a proven graph per sensor.

``data/student/`` holds ``student.json``, ``weights.npz`` (see ``packed``), and for each sensor
profile a bundle with its files compressed (``NAME.gz``) that lacks only ``weights.bin``, which its
graph reads and which is written from the packed weights when the bundle is unpacked. Needs numpy
only. A package may ship without one.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dae_edge import bundle
from dae_edge.errors import ContractError
from dae_edge.packed import Weights, read_packed, write_flat

FOLDER = Path(__file__).resolve().parent / "data" / "student"
ABOUT = "student.json"
PACKED = "weights.npz"
FLAT = "weights.bin"
COMPRESSED = ".gz"
FORMAT = "dae-student"
VERSION = 2
_FIELDS = {"recipe": str, "unit": str, "licence": str, "weights": dict, "profiles": list}


@dataclass(frozen=True)
class Student:
    """A student whose description was read and found in order.

    Attributes:
        folder: Where its files are.
        about: What student.json says: recipe, unit, licence, model (configuration), weights (size,
            sha256), profiles, training, card.
        digest: sha256 of student.json, in hexadecimal: tells one student from the next, also where
            only the configuration differs.
    """

    folder: Path
    about: Mapping[str, Any]
    digest: str

    @property
    def recipe(self) -> str:
        """Name of the recipe in export/ that the weights belong to."""
        return str(self.about["recipe"])

    @property
    def sha256(self) -> str:
        """Of the packed weights, in hexadecimal."""
        return str(self.about["weights"]["sha256"])

    @property
    def weights(self) -> Path:
        """The packed weights, a file that every command takes as weights."""
        return self.folder / PACKED

    @property
    def profiles(self) -> list[str]:
        """Names of the sensor profiles that have a graph."""
        return [str(name) for name in self.about["profiles"]]

    def read_weights(self) -> Weights:
        """The weights as float32.

        Raises:
            ContractError: the file is missing, or not the one that was shipped.
            FormatError: not packed weights.
        """
        bundle.check_file(self.weights, self.about["weights"])
        return read_packed(self.weights)

    def graph(self, profile: str) -> bundle.Bundle:
        """The bundle of a profile as it ships: whole but for the flat weights.

        Raises:
            ContractError: it is missing, or its manifest is damaged.
        """
        try:
            return bundle.read(self.folder / profile)
        except FileNotFoundError as error:
            raise ContractError(f"{self.folder / profile}: missing from the student") from error

    def profile_for(self, sensor: tuple[int, int], crop: tuple[int, ...]) -> str | None:
        """The profile for a sensor (width, height) and crop (x, y, width, height), if one ships."""
        for name in self.profiles:
            made_for = self.graph(name).manifest["input"]
            if (tuple(made_for["sensor"]), tuple(made_for["crop"])) == (sensor, crop):
                return name
        return None

    def unpack(self, profile: str, folder: Path) -> None:
        """Write the whole bundle of a profile into an empty folder; every file is verified.

        Raises:
            ContractError: a file is missing, or not the one that was shipped.
            OSError: it cannot be written.
        """
        graph = self.graph(profile)
        for name, entry in graph.manifest["files"].items():
            if name != FLAT:
                _decompress(graph.path / f"{name}{COMPRESSED}", folder / name, entry["bytes"])
        write_flat(folder / FLAT, self.read_weights())
        shutil.copyfile(graph.path / bundle.MANIFEST, folder / bundle.MANIFEST)
        bundle.read(folder).verify()


def compress(path: Path) -> None:
    """Put ``NAME.gz`` in the place of a file; the same content gives the same bytes."""
    packed = gzip.compress(path.read_bytes(), mtime=0)
    path.with_name(path.name + COMPRESSED).write_bytes(packed)
    path.unlink()


def _decompress(path: Path, out: Path, size: int) -> None:
    """Write what a compressed file holds; never more than it should be."""
    if path.is_symlink() or not path.is_file():
        raise ContractError(f"{path}: missing, or not a plain file")
    try:
        with gzip.open(path, "rb") as file:
            content = file.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ContractError(f"{path}: damaged: {error}") from error
    if len(content) != size:
        raise ContractError(f"{path}: wanted {size} bytes inside, got {len(content)} or more")
    out.write_bytes(content)


def shipped() -> Student | None:
    """The student of this package; None if it ships without one.

    Raises:
        ContractError: there is one, but its description is damaged.
    """
    return read(FOLDER) if FOLDER.is_dir() else None


def read(folder: Path) -> Student:
    """Read and check the description of a student; the files are checked as they are used.

    Raises:
        ContractError: none there, damaged, or of another version.
    """
    path = folder / ABOUT
    try:
        content = path.read_bytes()
        about = json.loads(content)
    except FileNotFoundError as error:
        raise ContractError(f"{folder}: no {ABOUT} there, so no student") from error
    except (ValueError, RecursionError) as error:
        raise ContractError(f"{path}: not JSON: {error}") from error
    kind = (about.get("format"), about.get("version")) if isinstance(about, dict) else None
    if kind != (FORMAT, VERSION):
        raise ContractError(f"{path}: wanted {FORMAT} version {VERSION}, got {kind}")
    for key, wanted in _FIELDS.items():
        if not isinstance(about.get(key), wanted):
            raise ContractError(f"{path}: {key}: wanted {wanted.__name__}")
    size, digest = (about["weights"].get(key) for key in ("bytes", "sha256"))
    if type(size) is not int or not isinstance(digest, str) or len(digest) != 64:
        raise ContractError(f"{path}: weights: wanted bytes and sha256")
    for name in about["profiles"]:
        if not isinstance(name, str) or not bundle.FILE_NAME.fullmatch(name):
            raise ContractError(f"{path}: profiles: {name!r} is not a plain folder name")
    return Student(folder, about, hashlib.sha256(content).hexdigest())
