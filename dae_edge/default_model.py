"""The model that commands use when none is named: small, untrained, made on first use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dae_edge import _native, bundle
from dae_edge.errors import ContractError

if TYPE_CHECKING:
    from dae_edge.export.exporting import Steps

MODEL = "depthanyevent-r-tiny"
TARGET = "onnx-fp32"


def cache_folder() -> Path:
    """Where bundles made on first use are kept: $DAE_CACHE, or the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("DAE_CACHE") or Path(base) / "dae-edge") / _native.VERSION


def default_bundle(sensor: tuple[int, int], progress: Steps) -> Path:
    """The default bundle for a sensor of (width, height) pixels; exported if it is not there yet.

    Raises:
        MissingExtraError: it has to be exported, and the export extra is not installed.
    """
    width, height = sensor
    path = cache_folder() / f"{MODEL}-{width}x{height}-{TARGET}.dae"
    try:
        bundle.read(path).verify()
    except (FileNotFoundError, ContractError):
        from dae_edge.extras import require

        require("torch", extra="export", purpose="making the default model on first use")
        from dae_edge import recipes
        from dae_edge.export import export_bundle

        progress(f"first use with a {width}x{height} sensor: exporting {path}")
        export_bundle(
            recipes.load_recipe(MODEL),
            recipes.load_target(TARGET),
            recipes.load_sensor(f"{width}x{height}"),
            path,
            progress=progress,
        )
    return path
