"""A student of random weights, made as the trained one is, for tests of what is around it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from dae_edge import recipes
from dae_edge.default_model import MODEL
from dae_edge.recipes import Recipe
from dae_edge.student import Student

PROFILES = ("112x84", "davis346")
"""A small one, and the one of the shipped recording."""

BLOCKED = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "onnx", "onnxscript", "safetensors"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Block())
"""

START = """
import sys
from pathlib import Path
from dae_edge import student
student.FOLDER = Path(sys.argv[1])
"""


def write_checkpoint(path: Path, recipe: Recipe) -> Path:
    """The seeded weights, a little larger: a checkpoint as training leaves it."""
    import torch

    from dae_edge.nn import DepthAnyEvent, ModelConfig, seeded_state_dict

    seeded = seeded_state_dict(DepthAnyEvent(ModelConfig(**recipe.model)))
    torch.save({"state_dict": {key: tensor * 1.01 for key, tensor in seeded.items()}}, path)
    return path


def ship_student(out: Path, recipe: Recipe, **options: Any) -> Student:
    """Ship ``recipe``, under the name of the default model, for ``PROFILES``."""
    from dae_edge.nn.checkpoint import read_checkpoint
    from training.ship import ship

    weights = write_checkpoint(out.parent / "trained.pth", recipe)
    defaults: dict[str, Any] = {
        "licence": "Apache-2.0",
        "training": {"recipe": "tiny", "commit": "0123abc", "samples": 1000, "hours": 2.5},
        "card": None,
        "sensors": [recipes.load_sensor(name) for name in PROFILES],
        "progress": lambda step, fraction=None: None,
    }
    options = defaults | options
    named = replace(recipe, name=MODEL)
    return ship(read_checkpoint(weights), named, options.pop("sensors"), out, **options)


def start(
    folder: Path, cache: Path, code: str, *arguments: str, blocked: bool = True
) -> subprocess.Popen[str]:
    """A new Python in which the student in ``folder`` ships, by default without torch and ONNX."""
    whole = (BLOCKED if blocked else "") + START + code
    environment = {**os.environ, "DAE_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", "-c", whole, str(folder), *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


def flip(path: Path) -> None:
    """Flip a bit in the middle of a file, in a file of its own: hard links keep the old content."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    path.write_bytes(content)


def nothing(*_: object) -> None:
    """Hears of progress and does nothing."""


def cached(tmp_path: Path) -> list[str]:
    """Names of what lies in the cache, hidden ones as well."""
    folders = list((tmp_path / "cache").glob("*"))
    return sorted(name for folder in folders for name in os.listdir(folder))


def rewrite_about(shipped: Student, **changes: Any) -> None:
    path = shipped.folder / "student.json"
    about = json.loads(path.read_bytes()) | changes
    path.unlink()
    path.write_text(json.dumps(about))
