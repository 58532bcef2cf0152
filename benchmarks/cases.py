"""What ``benchmarks.matrix`` measures, in groups: cases of a group are launched in turns.

A group is a model with a number of threads: all its targets and all its peers. So what is compared
is measured side by side, a launch of each after a launch of the other, and a run that is stopped
has whole groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.exports import Wanted, wanted
from dae_edge.bench.case import BUNDLE, Case
from dae_edge.bench.record import Result
from dae_edge.recipes import load_target, target_names

STUDENTS = ("depthanyevent-r-tiny", "depthanyevent-r")
BASELINES = ("e2depth", "ereformer-small")
PORTABLE = "onnx-fp32"
PEERS = {
    "torch eager": "TorchEager",
    "torch.compile": "TorchCompiled",
    "plain ONNX Runtime": "PlainOnnxRuntime",
    "plain OpenVINO f32": "PlainOpenVino",
}
BESIDE, BESIDE_CLASS = "beside the bare call", "BesideBare"
BESIDE_TARGETS = (PORTABLE, "ov-fp32", "ov-int8")
COMPARED = ("ov-int8", "ov-int8-bf16", "ov-fp32", "torch eager")
"""First in their group, so that they are neighbours: their ratios were promised."""


@dataclass(frozen=True)
class Planned:
    """A case and the bundle that it needs."""

    bundle: Wanted
    case: Case


def runnable() -> list[str]:
    """Targets for the processor; those for GPUs are measured where there is one."""
    return [name for name in target_names() if not load_target(name).backend.startswith("tensorrt")]


def groups(
    weights: Mapping[str, Path | None], threads: Sequence[int], pattern: Case
) -> list[list[Planned]]:
    """Everything there is to measure here, the longest promised comparison first.

    Args:
        weights: Of each model; a model that is not named is seeded.
        threads: Numbers of them.
        pattern: What all cases share.
    """
    found = []
    for model in reversed(STUDENTS):
        bundles = {target: wanted(model, target, weights.get(model)) for target in runnable()}
        for count in threads:
            planned = [_own(one, count, pattern) for one in bundles.values()]
            planned += _peers(bundles[PORTABLE], count, pattern)
            if count == threads[0]:
                planned += [_beside(bundles[target], count, pattern) for target in BESIDE_TARGETS]
            found.append(sorted(planned, key=lambda one: _rank(one.case)))
    baselines = [wanted(model, PORTABLE, weights.get(model)) for model in BASELINES]
    return found + [[_own(one, count, pattern) for one in baselines] for count in threads]


def only(planned: Sequence[Sequence[Planned]], words: Sequence[str]) -> list[list[Planned]]:
    """Cases with one of the words in their names; none: all."""
    chosen = [
        [one for one in group if not words or any(word in one.case.label for word in words)]
        for group in planned
    ]
    return [group for group in chosen if group]


def plural(count: int | None) -> str:
    """``1 thread``, ``2 threads``."""
    return f"{count} thread{'s' if count != 1 else ''}"


def place(result: Result) -> tuple[int, int, int]:
    """Where a result belongs in a table: by model, threads, what was promised."""
    models = [*STUDENTS, *BASELINES]
    model = str(result.about.get("model"))
    known = models.index(model) if model in models else len(models)
    return known, result.case.threads or 0, _rank(result.case)


def _own(bundle: Wanted, count: int, pattern: Case) -> Planned:
    label = f"{bundle.model} {bundle.target}, {plural(count)}"
    backend = load_target(bundle.target).backend
    case = replace(pattern, label=label, bundle=str(bundle.path), backend=backend, threads=count)
    return Planned(bundle, case)


def _peers(bundle: Wanted, count: int, pattern: Case) -> list[Planned]:
    """The same model in other hands."""
    return [
        _other(bundle, f"{name}: {bundle.model}", subject, count, pattern)
        for name, subject in PEERS.items()
    ]


def _beside(bundle: Wanted, count: int, pattern: Case) -> Planned:
    """The engine's bare call beside our own."""
    name = f"{BESIDE}: {bundle.model} {bundle.target}"
    return _other(bundle, name, BESIDE_CLASS, count, pattern)


def _other(bundle: Wanted, name: str, subject: str, count: int, pattern: Case) -> Planned:
    case = replace(
        pattern,
        label=f"{name}, {plural(count)}",
        subject=f"benchmarks.peers:{subject}",
        bundle=str(bundle.path),
        threads=count,
        options={"weights": str(bundle.weights) if bundle.weights else None},
    )
    return Planned(bundle, case)


def _rank(case: Case) -> int:
    return next((k for k, name in enumerate(COMPARED) if _is(case, name)), len(COMPARED))


def _is(case: Case, name: str) -> bool:
    """Whether a case is of a target, or a peer, of that name."""
    own = case.subject == BUNDLE and f" {name}," in case.label
    return own or case.label.startswith(f"{name}: ")
