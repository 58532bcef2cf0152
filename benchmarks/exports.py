"""The bundles that ``benchmarks.matrix`` measures: made by ``dae-export``, kept in build/bench."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from dae_edge.bundle import sha256_of

ROOT = Path(__file__).resolve().parent.parent
BUNDLES = ROOT / "build" / "bench"
SENSOR = "davis346"
SEEDED = "seeded"


@dataclass(frozen=True)
class Wanted:
    """A bundle.

    Attributes:
        model: Name of a recipe.
        target: Name of a target.
        weights: Checkpoint; None: a seeded initialisation.
        path: Where it is, or will be; other weights have another place.
    """

    model: str
    target: str
    weights: Path | None
    path: Path


def wanted(model: str, target: str, weights: Path | None) -> Wanted:
    """A bundle with its place."""
    return Wanted(model, target, weights, place(model, target, told(weights)))


def told(weights: Path | None) -> str:
    """Weights in few letters."""
    return sha256_of(weights)[:8] if weights else SEEDED


def place(model: str, target: str, weights: str) -> Path:
    """Where a bundle is, or will be; ``weights`` as :func:`told`."""
    return BUNDLES / f"{model}-{target}-{weights}.dae"


def make(bundle: Wanted) -> str:
    """Export it; why it could not be, or nothing.

    In a process of its own, so that torch does not stay in the one that measures. A bundle over its
    budget is written all the same, unmended: its row shows what the target's form costs.
    """
    bundle.path.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "dae_edge.cli.export", "--threads", "1"]
    command += ["--model", bundle.model, "--target", bundle.target, "--sensor", SENSOR]
    command += ["--weights", str(bundle.weights or SEEDED), "--out", str(bundle.path)]
    command += ["--allow-over-budget", "--search-minutes", "0"]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if not done.returncode:
        return ""
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"exit status {done.returncode}"
