"""Builds of the C library for tests: made once for each set of options, thrown away at the end."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

RUNTIME = Path(__file__).resolve().parent.parent / "runtime"


def tool(name: str) -> str:
    """A build tool: the environment's own, or the system's."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.defpath]))
    return found or pytest.skip(f"{name} is not installed")


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command and give what it says; a failure shows all of it."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def configure(source: Path, build: Path, *options: str) -> None:
    """Configure a CMake project with Ninja."""
    ninja = f"-DCMAKE_MAKE_PROGRAM={tool('ninja')}"
    run(tool("cmake"), "-S", source, "-B", build, "-G", "Ninja", ninja, *options)


@functools.cache
def built(*options: str) -> Path:
    """A configured build folder of the runtime, with the library built."""
    folder = Path(tempfile.mkdtemp(prefix="dae-native-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    configure(RUNTIME, folder, "-DDAE_WERROR=ON", *options)
    run(tool("cmake"), "--build", folder, "--target", "dae")
    return folder


def shared() -> Path:
    """``libdae.so``."""
    return built("-DBUILD_SHARED_LIBS=ON") / "libdae.so"


def program(name: str) -> Path:
    """One of the programs of the build with the shared library."""
    folder = built("-DBUILD_SHARED_LIBS=ON")
    run(tool("cmake"), "--build", folder, "--target", name)
    return folder / name
