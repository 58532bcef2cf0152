"""Files that are whole or not there, whenever the process that writes them is killed."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_edge.extras import require

PNG_END = b"IEND\xaeB`\x82"
"""The last chunk of every PNG."""


def write_whole(path: Path, content: bytes) -> None:
    """Write beside, then rename.

    Raises:
        OSError: it cannot be written; nothing is left.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def is_whole(path: Path) -> bool:
    """Whether a .npz or .png is there with its end: a disk that filled up can leave it without."""
    if not path.is_file():
        return False
    if path.suffix == ".npz":
        return zipfile.is_zipfile(path)
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - len(PNG_END)))
        return file.read() == PNG_END


def npz_bytes(**arrays: NDArray[Any]) -> bytes:
    """A compressed .npz."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # numpy's own options
    return buffer.getvalue()


def png_bytes(picture: NDArray[np.uint8]) -> bytes:
    """A PNG of uint8 [H, W, 3], RGB.

    Raises:
        MissingExtraError: Pillow is not installed.
    """
    image_module = require("PIL.Image", extra="hdf5", purpose="writing PNG")
    buffer = io.BytesIO()
    image_module.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()
