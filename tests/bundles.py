"""A bundle without an engine's files, for tests of what is around them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dae_edge import bundle

CONTENT: dict[str, Any] = {
    "model": {"name": "small", "recurrent": True},
    "weights": {"source": "student.pth", "sha256": "0" * 64, "trained": True},
    "input": {
        "encoding": "tencode",
        "sensor": [112, 84],
        "window_us": 50_000,
        "background": "black",
    },
    "states": [{"name": "layer1.cell", "shape": [1, 32, 22, 30], "dtype": "float32"}],
    "output": {"shape": [84, 112], "unit": "m"},
    "target": "onnx-fp32",
    "onnx": "model.onnx",
    "engine": {"backend": "onnxruntime", "file": "model.onnx"},
    "verdict": {"passed": True},
}


def write_bundle(path: Path, *, model: bytes = b"a model") -> Path:
    with bundle.writing(path) as folder:
        (folder / "model.onnx").write_bytes(model)
        (folder / "report.md").write_text("fine\n")
        bundle.seal(folder, CONTENT)
    return path


def edit_manifest(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a manifest, in a file of its own: a hard link's other name keeps the old one."""
    manifest = json.loads((path / "manifest.json").read_bytes())
    change(manifest)
    (path / "manifest.json").unlink()
    (path / "manifest.json").write_text(json.dumps(manifest))
