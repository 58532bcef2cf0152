"""From what a user types to values: bundles, lists of numbers, processors, sizes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from dae_edge.backends import NAMES
from dae_edge.bench.devices import Device
from dae_edge.cli.progress import Steps
from dae_edge.default_model import default_bundle
from dae_edge.hints import closest
from dae_edge.sources import open_source

STUDENT = "student"
COMPARE, SHOW = "compare", "show"
_MOST_HINTS = 20


def bundles(names: Sequence[str], recording: Path, sensor: tuple[int, int] | None) -> list[Path]:
    """Paths of the bundles; the student's, made for the recording's sensor, where none is named.

    Raises:
        FileNotFoundError: no such bundle; with the closest name that there is.
    """
    paths = []
    for name in names or [STUDENT]:
        path = Path(name)
        if name == STUDENT and not path.exists():
            with open_source(recording, sensor=sensor) as source, Steps() as steps:
                path = default_bundle((source.width, source.height), steps)
        elif not path.exists():
            raise FileNotFoundError(f"no bundle {name!r}{closest(name, _neighbours(path))}")
        paths.append(path)
    return paths


def _neighbours(path: Path) -> list[str]:
    """What the name of a bundle that is not there may have meant."""
    near = [str(one) for one in sorted(path.parent.glob("*.dae"))] if path.parent.is_dir() else []
    return [STUDENT, COMPARE, SHOW, *near[:_MOST_HINTS]]


def backends(text: str, device: Device) -> list[str | None]:
    """``onnxruntime,openvino`` as names; nothing as one None.

    Raises:
        ValueError: no such backend, or not one for the device.
    """
    known = device.backends or NAMES
    names = [name.strip() for name in text.split(",")] if text else []
    for name in names:
        if name not in known:
            raise ValueError(f"no backend {name!r} for {device.kind}{closest(name, known)}")
    return list(dict.fromkeys(names)) or [None]


def numbers(name: str, text: str) -> list[int | None]:
    """``1,2`` as numbers; nothing as one None.

    Raises:
        ValueError: no such list.
    """
    if not text:
        return [None]
    try:
        values = [int(word) for word in text.split(",")]
    except ValueError:
        values = [0]
    if min(values) < 1:
        raise ValueError(f"--{name}: wanted numbers of at least 1, as in 1,2, got {text!r}")
    return list(dict.fromkeys(values))


def processors(text: str | None, threads: Sequence[int | None]) -> tuple[int, ...] | None:
    """``2,3``, ``0-3`` or ``auto`` as numbers of processors; None for no wish.

    ``auto``: as many as the most threads, the last ones: the first ones serve interrupts.

    Raises:
        ValueError: not processors of this machine, or a system that cannot pin.
    """
    if text is None:
        return None
    if not hasattr(os, "sched_getaffinity"):
        raise ValueError("--pin: this system cannot pin a process")
    allowed = sorted(os.sched_getaffinity(0))
    if text == "auto":
        most = max((count for count in threads if count), default=len(allowed))
        return tuple(allowed[-most:])
    chosen: set[int] = set()
    try:
        for part in text.split(","):
            first, _, last = part.partition("-")
            chosen |= set(range(int(first), int(last or first) + 1))
    except ValueError:
        chosen = set()
    if not chosen or not chosen <= set(allowed):
        there = ", ".join(map(str, allowed))
        raise ValueError(f"--pin: wanted some of the processors {there}, or auto; got {text!r}")
    return tuple(sorted(chosen))


def size(text: str | None) -> tuple[int, int] | None:
    """``346x260`` as (width, height).

    Raises:
        ValueError: not a size.
    """
    if text is None:
        return None
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise ValueError(f"--sensor: wanted WIDTHxHEIGHT, got {text!r}")
    return int(width), int(height)
