"""Take the weights out of a bundle's ONNX file: what is left is small, the same for all students.

The weights then lie in one flat file beside it (ONNX external data; see ``dae_edge.packed``). Only
what has the very bytes of a weight is moved, so the model computes what it did.
"""

from __future__ import annotations

import shutil
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from dae_edge import bundle
from dae_edge.backends import load_engine
from dae_edge.errors import BudgetError
from dae_edge.extras import require
from dae_edge.packed import Weights, flat, write_flat
from dae_edge.sample import sample_windows
from dae_edge.student import FLAT

LEAST_BYTES = 256
"""Saying where a tensor lies takes some 50 bytes; below this many it stays where it is."""

WINDOWS = 8


def take_weights_out(whole: Path, weights: Weights, out: Path) -> None:
    """Write to ``out`` the bundle ``whole`` with its weights in a flat file.

    Args:
        whole: A bundle whose one model file is ONNX.
        weights: What its model was made of, exactly.
        out: A folder that is not there yet.

    Raises:
        BudgetError: it does not compute the same, bit for bit; ``out`` is then of no use.
    """
    before = bundle.read(whole)
    shutil.copytree(whole, out)
    path = out / str(before.manifest["onnx"])
    onnx = require("onnx", extra="export", purpose="shipping a student")
    model = onnx.load(str(path))
    places = {
        content: {"location": FLAT, "offset": str(offset), "length": str(len(content))}
        for _, offset, content in flat(weights)
    }
    for tensor in model.graph.initializer:
        place = places.get(tensor.raw_data)
        if place is not None and len(tensor.raw_data) >= LEAST_BYTES:
            _point(tensor, place, onnx.TensorProto.EXTERNAL)
    del model.graph.value_info[:]  # shapes in between: every engine infers them itself
    path.write_bytes(model.SerializeToString(deterministic=True))
    write_flat(out / FLAT, weights)
    onnx.checker.check_model(str(path), full_check=True)
    kept = {key: value for key, value in before.manifest.items() if key not in _SEAL}
    bundle.seal(out, kept)
    _require_same(before, bundle.read(out))


_SEAL = ("format", "version", "files")
"""What ``bundle.seal`` adds to a manifest."""


def _point(tensor: Any, place: dict[str, str], external: int) -> None:
    """Say in a tensor where its content lies, in place of the content."""
    tensor.ClearField("raw_data")
    tensor.data_location = external
    for key, value in place.items():
        tensor.external_data.add(key=key, value=value)


def _require_same(before: bundle.Bundle, after: bundle.Bundle) -> None:
    """Depth and state over some windows, in one thread: engines sum in another order in several."""
    sessions = [
        load_engine(
            "onnxruntime", one.file(str(one.manifest["onnx"])), one.contract, threads=1
        ).session()
        for one in (before, after)
    ]
    fed = before.manifest["input"]
    windows = sample_windows(
        before.contract, window_us=fed["window_us"], white=fed["background"] == "white"
    )
    for image in islice(windows, WINDOWS):
        results = []
        for session in sessions:
            session.image[...] = image
            results.append([session.run(), *session.state().values()])
        if not all(np.array_equal(one, other) for one, other in zip(*results, strict=True)):
            raise BudgetError(f"{after.path}: without its weights inside it computes otherwise")
