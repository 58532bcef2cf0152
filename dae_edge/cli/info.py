"""dae-info: what a bundle is and promises; without one, what this machine can run."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dae_edge import _native, bundle, recipes, student
from dae_edge.cli import command
from dae_edge.processor import processor

PACKAGES = {
    "onnxruntime": "run bundles with ONNX Runtime",
    "openvino": "run and export bundles with OpenVINO",
    "torch": "export models",
    "onnx": "export models",
    "h5py": "read DSEC, M3ED, MVSEC",
    "aedat": "read AEDAT4",
    "rosbags": "read ROS bags",
    "neuromorphic-drivers": "live cameras over USB",
    "av": "write video",
    "pillow": "write pictures",
    "pygame-ce": "live window",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    arguments = command.parser(
        "dae-info",
        "Say what a bundle is and promises, and check its files; or, without a bundle, what this "
        "machine can run.",
    )
    arguments.add_argument("bundle", nargs="?", type=Path, help="a bundle, NAME.dae")
    arguments.add_argument("--json", action="store_true", help="print JSON instead of text")
    return command.run(_info, arguments, argv)


def _info(options: argparse.Namespace) -> int:
    about = machine() if options.bundle is None else _bundle(options.bundle)
    if options.json:
        print(json.dumps(about, indent=2))
    else:
        for line in _lines(about):
            print(line)
    return 0


def machine() -> dict[str, Any]:
    """This machine and what is installed on it."""
    return {
        "dae-edge": _native.VERSION,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": processor(),
        "cores": os.cpu_count(),
        "formats decoded in C": ", ".join(_native.FORMATS),
        "targets": ", ".join(recipes.target_names()),
        "models": ", ".join(recipes.recipe_names()),
        "sensors": ", ".join(recipes.sensor_names()) + ", or WIDTHxHEIGHT",
        "student": _student(),
        "packages": {name: _package(name, purpose) for name, purpose in PACKAGES.items()},
    }


def _student() -> str:
    found = student.shipped()
    if found is None:
        return (
            "none ships with this package: weights are a seeded initialisation where none are given"
        )
    ready = ", ".join(found.profiles)
    return f"{found.recipe} {found.sha256[:16]}, {found.about['unit']}; ready for {ready}"


def _package(name: str, purpose: str) -> str:
    try:
        return f"{version(name)} ({purpose})"
    except PackageNotFoundError:
        return f"not installed ({purpose})"


def _bundle(path: Path) -> dict[str, Any]:
    found = bundle.read(path)
    found.verify()
    manifest = dict(found.manifest)
    manifest["files"] = {
        name: f"{entry['bytes']:,} bytes, sha256 {entry['sha256'][:16]} verified"
        for name, entry in manifest["files"].items()
    }
    manifest["states"] = {
        state.name: f"{state.dtype} {list(state.shape)}" for state in found.contract.states
    }
    return manifest


def _lines(about: dict[str, Any], indent: str = "") -> list[str]:
    lines = []
    for key, value in about.items():
        if isinstance(value, dict):
            lines += [f"{indent}{key}:", *_lines(value, indent + "  ")]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for entry in value:
                lines += [f"{indent}{key}:", *_lines(entry, indent + "  ")]
        else:
            lines.append(f"{indent}{key}: {value}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
