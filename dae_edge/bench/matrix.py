"""All combinations of what was asked for, run in turns so that no case has a quieter hour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, Protocol

from dae_edge import bundle as bundles
from dae_edge.bench.case import Case
from dae_edge.bench.devices import Device
from dae_edge.bench.launch import launch
from dae_edge.bench.record import Result
from dae_edge.bench.tree import Tree
from dae_edge.errors import MissingExtraError


def combine(
    paths: Sequence[Path],
    device: Device,
    pattern: Case,
    *,
    backends: Sequence[str | None],
    threads: Sequence[int | None],
    window_us: Sequence[int | None],
    hop_us: Sequence[int | None],
) -> list[Case]:
    """A case for each combination, with a label that tells it from the others.

    Args:
        paths: Bundles.
        device: Where they run; it may restrict the backends.
        pattern: What all cases share.
        backends: None: the bundle's.
        threads: None: the engine's choice.
        window_us: None: the model's.
        hop_us: None: the window's length.

    Raises:
        ContractError: not a bundle.
        FileNotFoundError: no such bundle.
    """
    cases = []
    for path, backend, count, window, hop in product(paths, backends, threads, window_us, hop_us):
        manifest = bundles.read(path).manifest
        own = manifest["engine"]["backend"]
        chosen = backend or (own if not device.backends or own in device.backends else None)
        chosen = chosen or device.backends[0]
        label = f"{manifest['model']['name']} {manifest['target']}"
        label += f" on {chosen}" if chosen != own else ""
        label += f", {_plural(count, 'thread')}" if count else ""
        label += f", window {window / 1e3:g} ms" if window else ""
        label += f", hop {hop / 1e3:g} ms" if hop else ""
        cases.append(
            replace(
                pattern,
                label=label,
                bundle=str(path),
                backend=chosen,
                threads=count,
                window_us=window,
                hop_us=hop,
            )
        )
    return _told_apart(cases)


class Launcher(Protocol):
    """Runs a case once: see ``launch.launch``."""

    def __call__(self, case: Case, tree: Tree, *, about: bool) -> dict[str, Any]:
        """What the launch gave, or was kept of it."""


def run(
    cases: Sequence[Case],
    tree: Tree,
    *,
    launches: int,
    progress: Callable[[int, str], None] = lambda done, label: None,
    start: Launcher = launch,
) -> tuple[list[Result], dict[str, str]]:
    """Launch every case ``launches`` times, in turns.

    Args:
        cases: What to run.
        tree: The machine.
        launches: Of each case.
        progress: Hears how many launches are done, and which case is next.
        start: Makes a launch; one that keeps them can go on after a stop.

    Returns:
        Results, in the order of ``cases``; and why others could not be measured.

    Raises:
        ValueError, MissingExtraError, RuntimeError: no case could be.
    """
    found: dict[str, list[dict[str, Any]]] = {case.label: [] for case in cases}
    failed: dict[str, Exception] = {}
    done = 0
    for _ in range(launches):
        for case in cases:
            progress(done, case.label)
            done += 1
            if case.label in failed:
                continue
            try:
                found[case.label].append(start(case, tree, about=not found[case.label]))
            except (ValueError, MissingExtraError, RuntimeError) as error:
                failed[case.label] = error
    progress(done, "")
    if len(failed) == len(cases):
        raise next(iter(failed.values()))
    results = [Result.of(case, found[case.label]) for case in cases if case.label not in failed]
    return results, {label: " ".join(str(error).split()) for label, error in failed.items()}


def _told_apart(cases: list[Case]) -> list[Case]:
    """Labels are names: where two are the same, the bundles' file names go in."""
    labels = [case.label for case in cases]
    return [
        replace(case, label=f"{Path(case.bundle or '').stem}: {case.label}")
        if labels.count(case.label) > 1
        else case
        for case in cases
    ]


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("s" if count > 1 else "")
