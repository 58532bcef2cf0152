"""One launch of a case: starts the process that measures, watches it, and collects what it says."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from typing import Any

from dae_edge import errors
from dae_edge.bench.case import Case
from dae_edge.bench.tree import Tree
from dae_edge.bench.watch import EVERY_S, Watch

_ERRORS: dict[str, type[Exception]] = {
    kind.__name__: kind
    for kind in (
        *(errors.FormatError, errors.ContractError, errors.MissingExtraError),
        *(ValueError, TypeError, FileNotFoundError, OSError),
    )
}


def launch(case: Case, tree: Tree, *, about: bool = True) -> dict[str, Any]:
    """Run a case once, in a process of its own.

    Args:
        case: What to run.
        tree: The machine.
        about: Ask for ``about`` too, accuracy with it, which may take a while.

    Returns:
        ``cold_start_ms``, ``load_ms``, ``first_window_ms``, ``memory``, ``warm_up``,
        ``samples_us``, ``ends_s``, ``watch``; ``realtime`` where it was, ``about`` if asked for.

    Raises:
        ValueError, FormatError, ContractError, MissingExtraError, OSError: as in the process.
        RuntimeError: the process died.
    """
    environment = dict(os.environ)
    if case.threads is not None:
        environment["OMP_NUM_THREADS"] = str(case.threads)
    with tempfile.TemporaryFile() as trace:
        began = time.monotonic_ns()
        process = subprocess.Popen(
            [sys.executable, "-m", "dae_edge.bench.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=trace,
            env=environment,
        )
        try:
            return _talk(process, case, tree, began, about)
        except _DiedError as error:
            trace.seek(0)
            lines = trace.read().decode(errors="replace").strip().splitlines()
            last = lines[-1] if lines else f"exit status {process.wait()}"
            raise RuntimeError(f"{case.label}: the measuring process died: {last}") from error
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


class _DiedError(Exception):
    """The process ended without a word."""


def _talk(
    process: subprocess.Popen[bytes], case: Case, tree: Tree, began_ns: int, about: bool
) -> dict[str, Any]:
    _say(process, json.dumps(case.as_dict()))
    loaded = _hear(process, "loaded")
    ready = _hear(process, "ready")
    watch = Watch(tree, process.pid)
    _say(process, "go")
    measured = _hear(process, "measured", watch)
    seen = watch.result()
    told = {}
    if about:
        _say(process, "about")
        told["about"] = _hear(process, "about")
    seconds = measured["elapsed_s"]
    seen["warmed_up"] = ready["warm_up"]["settled"]
    seen["involuntary_per_s"] = round(measured.pop("switches") / seconds, 1) if seconds else None
    return {
        "cold_start_ms": (loaded["first_depth_ns"] - began_ns - loaded["reading_ns"]) / 1e6,
        "load_ms": loaded["load_ms"],
        "first_window_ms": loaded["first_window_ms"],
        "memory": {**loaded["memory"], "peak_mb": measured.pop("peak_mb")},
        "warm_up": ready["warm_up"],
        "recording": loaded["recording"],
        **measured,
        "watch": seen,
        **told,
    }


def _say(process: subprocess.Popen[bytes], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line.encode() + b"\n")
    process.stdin.flush()


def _hear(
    process: subprocess.Popen[bytes], wanted: str, watch: Watch | None = None
) -> dict[str, Any]:
    """The next message; the watch looks at the machine while we wait."""
    assert process.stdout is not None
    while watch is not None and not select.select([process.stdout], [], [], EVERY_S)[0]:
        watch.sample()
    line = process.stdout.readline()
    if not line:
        raise _DiedError
    message: dict[str, Any] = json.loads(line)
    said = message.pop("at")
    if said == "error":
        kind = _ERRORS.get(message["type"], RuntimeError)
        raise kind(message["text"])
    if said != wanted:
        raise RuntimeError(f"the measuring process said {said!r}, wanted {wanted!r}")
    return message
