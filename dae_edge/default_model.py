"""The model that commands use when none is named: the shipped student, made ready on first use.

For a sensor that the student has a graph for, numpy is enough. For any other it is exported, and so
is a seeded, untrained stand-in where no student ships.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dae_edge import _native, bundle, student
from dae_edge.errors import ContractError
from dae_edge.student import Student

if TYPE_CHECKING:
    from dae_edge.export.exporting import Steps

MODEL = "depthanyevent-r-tiny"
"""What is made where no student ships."""

TARGET = "onnx-fp32"


def cache_folder() -> Path:
    """Where bundles made on first use are kept: $DAE_CACHE, or the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("DAE_CACHE") or Path(base) / "dae-edge") / _native.VERSION


def default_bundle(sensor: tuple[int, int], progress: Steps) -> Path:
    """The default bundle for a sensor of (width, height) pixels; made if it is not there yet.

    Raises:
        MissingExtraError: it has to be exported, and the export extra is not installed.
        ContractError: the shipped student is damaged.
        OSError: the cache folder cannot be written.
    """
    width, height = sensor
    shipped = student.shipped()
    profile = shipped.profile_for(sensor, (0, 0, width, height)) if shipped else None
    if shipped and profile:
        return student_bundle(shipped, profile, progress)
    return _exported(shipped, sensor, progress)


def student_bundle(shipped: Student, profile: str, progress: Steps) -> Path:
    """The student's bundle for one of its profiles, unpacked if it is not there yet.

    Raises:
        ContractError: the student is damaged, or has no such profile.
        OSError: the cache folder cannot be written.
    """
    path = cache_folder() / f"{_name(shipped)}-{profile}-{TARGET}.dae"
    manifest = (shipped.graph(profile).path / bundle.MANIFEST).read_bytes()
    damaged = path.exists()
    if _is_whole(path) and (path / bundle.MANIFEST).read_bytes() == manifest:
        return path
    progress(f"first use with {profile}: unpacking {path}")
    try:
        # what another process unpacks meanwhile is as good, and in use
        with bundle.writing(path, replace=damaged) as folder:
            shipped.unpack(profile, folder)
    except OSError as error:
        raise OSError(f"{error} ($DAE_CACHE can name another folder)") from error
    return path


def _exported(shipped: Student | None, sensor: tuple[int, int], progress: Steps) -> Path:
    size = f"{sensor[0]}x{sensor[1]}"
    path = cache_folder() / f"{_name(shipped)}-{size}-{TARGET}.dae"
    if _is_whole(path):
        return path
    from dae_edge.extras import require

    ready = f" (ready are {', '.join(shipped.profiles)})" if shipped else ""
    purpose = f"making the default model for a {size} sensor{ready}"
    require("torch", extra="export", purpose=purpose)
    from dae_edge import recipes
    from dae_edge.export import export_bundle

    progress(f"first use with a {size} sensor: exporting {path}")
    export_bundle(
        recipes.load_recipe(shipped.recipe if shipped else MODEL),
        recipes.load_target(TARGET),
        recipes.load_sensor(size),
        path,
        weights=shipped.weights if shipped else None,
        progress=progress,
    )
    return path


def _name(shipped: Student | None) -> str:
    """With the student in it: a new one does not meet what was made of an older one."""
    return f"{shipped.recipe}-{shipped.digest[:12]}" if shipped else MODEL


def _is_whole(path: Path) -> bool:
    try:
        bundle.read(path).verify()
    except (FileNotFoundError, ContractError):
        return False
    return True
