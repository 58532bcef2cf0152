"""The result of a benchmark as a value and as a versioned JSON file.

The file keeps the samples; percentiles and verdicts are made anew from them when it is read. It is
written whole or not at all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from dae_edge.bench.case import REALTIME, Case
from dae_edge.bench.judging import LIMITS, judge, judge_machine
from dae_edge.bench.statistics import Latencies, summary
from dae_edge.bench.subjects import STAGES
from dae_edge.errors import FormatError
from dae_edge.finite import finite_only

FORMAT = "dae-bench"
VERSION = 1
TOLD = ("decode", *STAGES, "total")
"""Stages that are summarised, in the order of a table. Decoding is no part of the total."""


@dataclass
class Result:
    """One case and what its launches gave.

    Attributes:
        case: What was run.
        about: Model, engine, placement, accuracy.
        launches: From ``launch.launch``, without ``about``.
    """

    case: Case
    about: dict[str, Any]
    launches: list[dict[str, Any]]

    @classmethod
    def of(cls, case: Case, launches: Sequence[dict[str, Any]]) -> Result:
        """From what the launches returned."""
        kept = [{k: v for k, v in launch.items() if k != "about"} for launch in launches]
        return cls(case, launches[0]["about"], kept)

    def samples(self, stage: str = "total") -> list[Latencies]:
        """Microseconds of each launch; empty where the stage was not measured."""
        found = [launch["samples_us"].get(stage, []) for launch in self.launches]
        return [np.asarray(values, np.float64) for values in found]

    @cached_property
    def summary(self) -> dict[str, dict[str, Any]]:
        """Microseconds by stage: see ``statistics.summary``."""
        found = {stage: summary(self.samples(stage)) for stage in TOLD}
        return {stage: told for stage, told in found.items() if told["windows"]}

    @cached_property
    def reasons(self) -> list[str]:
        """Why it is unstable; nothing if it is not. In real time only the machine is judged."""
        watches = [launch["watch"] for launch in self.launches]
        if self.case.scenario == REALTIME:
            return judge_machine(watches)
        return judge(self.samples(), watches)

    @property
    def stable(self) -> bool:
        """Whether the numbers may be believed."""
        return not self.reasons

    @property
    def energy(self) -> dict[str, Any]:
        """``millijoules`` per depth map, mean ``watts``, of ``rails``; or ``why`` there is none."""
        metered = [launch for launch in self.launches if "total" in launch["watch"]["energy"]]
        if not metered:
            return {"why": self.launches[0]["watch"]["energy"].get("why", "no meter")}
        joules = sum(launch["watch"]["energy"]["total"] for launch in metered)
        seconds = sum(launch["watch"]["seconds"] for launch in metered)
        windows = sum(len(launch["samples_us"]["total"]) for launch in metered)
        meter = metered[0]["watch"]["energy"]
        return {
            "millijoules": 1e3 * joules / windows if windows else None,
            "watts": joules / seconds if seconds else None,
            "meter": meter["meter"],
            "rails": meter["total_of"],
        }

    @property
    def memory(self) -> dict[str, float | None]:
        """Megabytes: ``peak``, ``engine`` (what loading and a first window added), ``states``."""
        told = [launch["memory"] for launch in self.launches]
        grown = [
            one["running_mb"] - one["before_mb"] for one in told if one.get("before_mb") is not None
        ]
        peaks = [one["peak_mb"] for one in told if one.get("peak_mb") is not None]
        states = self.about.get("states_bytes")
        return {
            "peak": max(peaks, default=None),
            "engine": round(max(grown), 1) if grown else None,
            "states": None if states is None else states / 1e6,
        }

    def middle(self, name: str) -> float:
        """Median over the launches of ``cold_start_ms``, ``load_ms`` or ``first_window_ms``."""
        return float(np.median([launch[name] for launch in self.launches]))

    @property
    def realtime(self) -> dict[str, Any] | None:
        """Windows due, late, dropped, and the largest backlog; None for other scenarios."""
        told = [launch["realtime"] for launch in self.launches if "realtime" in launch]
        if not told:
            return None
        counts = {name: sum(one[name] for one in told) for name in ("due", "late", "dropped")}
        return {**counts, "backlog": max(one["backlog"] for one in told)}


@dataclass
class Record:
    """Everything of one call of the command.

    Attributes:
        machine: What it was measured on; see ``devices``.
        protocol: How: see ``protocol``.
        results: One for each case.
        not_measured: Cases that could not be run, and why.
        extra: Command line, date, versions.
    """

    machine: dict[str, Any]
    protocol: dict[str, Any]
    results: list[Result] = field(default_factory=list)
    not_measured: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def stable(self) -> bool:
        """Whether every number may be believed."""
        return all(result.stable for result in self.results)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; numbers that do not exist are None."""
        values = {
            "format": FORMAT,
            "version": VERSION,
            **self.extra,
            "machine": self.machine,
            "protocol": {**self.protocol, "limits": asdict(LIMITS)},
            "cases": [_plain_case(result) for result in self.results],
            "not_measured": self.not_measured,
        }
        plain: dict[str, Any] = finite_only(values)
        return plain

    def write(self, path: Path) -> None:
        """Write the JSON file."""
        write_whole(path, json.dumps(self.as_dict(), allow_nan=False) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a text file beside its place, then move it there."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def read(path: Path) -> Record:
    """Read what ``Record.write`` wrote.

    Raises:
        FileNotFoundError: no such file.
        FormatError: not such a file, of another version, or damaged.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: not JSON: {error}") from error
    kind = (content.get("format"), content.get("version")) if isinstance(content, dict) else None
    if kind != (FORMAT, VERSION):
        raise FormatError(f"{path}: wanted {FORMAT} version {VERSION}, got {kind}")
    try:
        return _record(content)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise FormatError(f"{path}: not a result of dae-bench: {error!r}") from error


def _record(content: dict[str, Any]) -> Record:
    results = [_result(entry) for entry in content["cases"]]
    known = {"format", "version", "machine", "protocol", "cases", "not_measured"}
    extra = {name: value for name, value in content.items() if name not in known}
    protocol = {k: v for k, v in dict(content["protocol"]).items() if k != "limits"}
    not_measured = {str(k): str(v) for k, v in content["not_measured"].items()}
    return Record(dict(content["machine"]), protocol, results, not_measured, extra)


def _result(entry: dict[str, Any]) -> Result:
    result = Result(Case.from_dict(entry["case"]), dict(entry["about"]), list(entry["launches"]))
    if not result.launches:
        raise ValueError(f"{result.case.label}: no launches")
    for launch in result.launches:
        counts = {len(values) for values in launch["samples_us"].values()}
        if len(counts) > 1 or len(launch["ends_s"]) not in (counts or {0}):
            raise ValueError(f"{result.case.label}: stages of different length")
        if not isinstance(launch["watch"].get("energy"), dict):
            raise ValueError(f"{result.case.label}: the watch lacks energy")
    if not all(np.isfinite(v).all() and (v >= 0).all() for s in TOLD for v in result.samples(s)):
        raise ValueError(f"{result.case.label}: a latency is no positive number")
    _ = result.summary, result.reasons, result.energy, result.memory, result.realtime
    return result


def _plain_case(result: Result) -> dict[str, Any]:
    return {
        "case": result.case.as_dict(),
        "about": result.about,
        "stable": result.stable,
        "reasons": result.reasons,
        "summary_us": result.summary,
        "memory_mb": result.memory,
        "energy": result.energy,
        "launches": result.launches,
    }
