"""The report of a machine: both students in every target that runs here, their peers beside.

    python -m benchmarks.matrix --windows 150            # everything
    python -m benchmarks.matrix --plan                   # only tell what that is, and how long
    python -m benchmarks.matrix --only ov-int8 e2depth   # cases with a word in their names
    python -m benchmarks.matrix --minutes 60             # begin nothing after an hour
    python -m benchmarks.matrix --render                 # only make the tables anew

Bundles are exported into build/bench where they are not there yet. Cases are launched in turns, a
model with a number of threads after the other. Every launch is kept: the same command goes on where
one was stopped. After each group results/MACHINE.json is written, at the end the tables of
README.md. Rows that were not measured anew stay, with their day.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import cases, encoding_report, exports, matrix_report
from benchmarks.cases import Planned, plural
from benchmarks.estimate import Clock, seconds
from benchmarks.exports import ROOT, Wanted, make
from benchmarks.kept import Kept, Launches, OutOfTimeError, is_kept
from benchmarks.peers import benchmark_app
from dae_edge.bench import asked, matrix
from dae_edge.bench.case import Case
from dae_edge.bench.devices import open_device
from dae_edge.bench.page import page
from dae_edge.bench.record import Record, Result, read, write_whole
from dae_edge.bench.statistics import SEED
from dae_edge.bench.text import lines
from dae_edge.bench.tree import Tree
from dae_edge.bundle import MANIFEST, sha256_of
from dae_edge.cli.info import machine
from dae_edge.default_model import cache_folder
from dae_edge.errors import MissingExtraError
from dae_edge.recipes import load_target
from dae_edge.sample import SAMPLE
from dae_edge.student import shipped

RESULTS = ROOT / "benchmarks" / "results"
README = ROOT / "benchmarks" / "README.md"


def main(argv: Sequence[str] | None = None) -> int:
    """Export, measure, write, render."""
    options = _arguments().parse_args(argv)
    tree = Tree()
    device = open_device(options.device, tree)
    path = options.json or RESULTS / f"{file_name(device.name)}.json"
    if not options.render:
        run = Run(options, path, device.as_dict(), tree)
        if options.plan:
            print("\n".join(run.plan()))
            return 0
        run.all()
        record = read(path)
        print("\n".join(lines(record)))
        write_whole(path.with_suffix(".html"), page(record))
    if options.json is None:
        matrix_report.render(README, path)
        encoding_report.render(README, RESULTS / "encoding.json")
    return 0


def file_name(machine_name: str) -> str:
    """A machine's name, as a name of files."""
    return re.sub(r"[^a-z0-9]+", "-", machine_name.lower()).strip("-")


def _arguments() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = arguments.add_argument
    add("--windows", type=int, default=150, help="of each case, in all launches (%(default)s)")
    add("--launches", type=int, default=3, help="processes for each case (%(default)s)")
    add("--threads", default="1,2", help="(%(default)s)")
    add("--weights", type=Path, help="of depthanyevent-r (seeded)")
    add("--only", nargs="+", default=[], metavar="WORD", help="cases with one in their names")
    add("--minutes", type=float, default=math.inf, metavar="N", help="begin nothing after these")
    add("--fresh", action="store_true", help="without what is there: bundles, launches, rows")
    add("--no-export", action="store_true", help="only bundles that are there")
    add("--plan", action="store_true", help="tell the cases and the time, measure nothing")
    add("--render", action="store_true", help="only make the tables anew")
    add("--device", default="auto", help="(%(default)s)")
    add("--json", type=Path, help="the result; not the machine's, and no page")
    return arguments


class Run:
    """One call of the command.

    Args:
        options: Of the command line.
        path: The result; what is there stays until it is measured anew.
        about: The machine.
        tree: Its files.
    """

    def __init__(
        self, options: argparse.Namespace, path: Path, about: dict[str, Any], tree: Tree
    ) -> None:
        self.options, self.path, self.tree = options, path, tree
        self.kept = Kept(exports.BUNDLES / f"{path.stem}.jsonl", options.minutes)
        self.before = read(path) if path.is_file() else None
        rows = self.before.results if self.before and not options.fresh else []
        tool = self.before.extra.get("benchmark_app", {}) if rows and self.before else {}
        self.record = Record(about, {}, list(rows), {}, _circumstances() | {"benchmark_app": tool})
        self.threads = [count for count in asked.numbers("threads", options.threads) if count]
        self.pattern = Case("", str(SAMPLE), windows=-(-options.windows // options.launches))
        student = shipped()
        weights = {student.recipe: student.weights} if student else {}
        weights |= {"depthanyevent-r": options.weights} if options.weights else {}
        everything = cases.groups(weights, self.threads, self.pattern)
        self.groups = cases.only(everything, options.only)
        if not self.groups:
            raise SystemExit(f"--only {' '.join(options.only)}: no case has that in its name")
        self.launches = Launches(self.kept)

    def plan(self) -> list[str]:
        """The cases in order, and the time."""
        left = [time for _, time in self._times()]
        planned = [one for group in self.groups for one in group]
        missing = {one.bundle.path for one in planned if not one.bundle.path.is_dir()}
        return [
            *(f"{one.case.label}: {seconds(one, self.before):.0f} s a launch" for one in planned),
            f"{len(planned)} cases in {len(self.groups)} groups, {len(left)} launches, of which "
            f"{left.count(0.0)} are kept: about {sum(left) / 60:.0f} min by what was measured here "
            f"before; and {len(missing)} bundles to export, minutes each",
        ]

    def all(self) -> None:
        """Every group; those that are complete are in the record, also when time is over."""
        if self.options.fresh:
            self._clear()
        self.clock, self.done = Clock(self._times()), 0
        try:
            for group in self.groups:
                self._measure(group)
                self._write()
                self.done += self.options.launches * len(group)
            self._openvino_tool()
        except OutOfTimeError:
            self._unfinished()
            self._write()
        else:
            self._write()
            self.kept.finish()

    def _clear(self) -> None:
        self.kept.forget()
        for path in {one.bundle.path for group in self.groups for one in group}:
            shutil.rmtree(path, ignore_errors=True)

    def _times(self) -> list[tuple[str, float]]:
        """Label and estimated seconds of each launch; of one that is kept 0."""
        return [
            (
                one.case.label,
                0.0 if is_kept(self.kept, one.case, number) else seconds(one, self.before),
            )
            for group in self.groups
            for number in range(1, self.options.launches + 1)
            for one in group
        ]

    def _measure(self, group: Sequence[Planned]) -> None:
        ready = []
        for one in group:
            if why := self._missing(one.bundle):
                self.clock.drop(one.case.label)
                self._take([one.case.label], [], {f"{one.bundle.model} {one.bundle.target}": why})
            else:
                ready.append(one.case)
        if not ready:
            return
        labels = [case.label for case in ready]
        try:
            results, failed = matrix.run(
                ready,
                self.tree,
                launches=self.options.launches,
                progress=self._progress,
                start=self.launches,
            )
        except (ValueError, MissingExtraError, RuntimeError) as error:  # none of them could be
            results, failed = [], dict.fromkeys(labels, " ".join(str(error).split()))
        self._take(labels, results, failed)

    def _missing(self, bundle: Wanted) -> str:
        """Why a bundle is not there; nothing where it is, maybe since now."""
        if bundle.path.is_dir():
            return ""
        if self.options.no_export:
            return "not exported"
        print(f"exporting {bundle.path.name}", file=sys.stderr)
        told = self.kept.get(f"export {bundle.path.name}", lambda: {"why": make(bundle)})
        return str(told["why"])

    def _progress(self, done: int, label: str) -> None:
        if not label:
            self.clock.end()
            return
        total, left = self.options.launches * sum(map(len, self.groups)), self.clock.begin(label)
        place = f"[{self.done + done}/{total}]"
        print(f"{place} {label}; about {left / 60:.0f} min left", file=sys.stderr)

    def _take(self, labels: list[str], results: list[Result], failed: dict[str, str]) -> None:
        """New rows instead of those with these labels."""
        kept = [result for result in self.record.results if result.case.label not in labels]
        self.record.results = sorted([*kept, *results], key=cases.place)
        self.record.not_measured |= failed

    def _openvino_tool(self) -> None:
        """benchmark_app on each bundle of a student for OpenVINO, with each number of threads."""
        bundles = {one.bundle.path: one.bundle for group in self.groups for one in group}
        for path, bundle in bundles.items():
            student = bundle.model in cases.STUDENTS and path.is_dir()
            if self.options.only or not student or load_target(bundle.target).backend != "openvino":
                continue
            for count in self.threads:
                label = f"{bundle.model} {bundle.target}, {plural(count)}"
                key = f"benchmark_app {label} {sha256_of(path / MANIFEST)}"
                told = self.kept.get(key, partial(_tool, path, count))
                self.record.extra["benchmark_app"][label] = told

    def _unfinished(self) -> None:
        there = {result.case.label for result in self.record.results}
        for group in self.groups:
            for label in [one.case.label for one in group if one.case.label not in there]:
                self.record.not_measured.setdefault(label, "time was up; the same command goes on")

    def _write(self) -> None:
        if not self.record.results:
            raise SystemExit("nothing could be measured: " + str(self.record.not_measured))
        self.record.protocol = protocol(self.pattern, self.options.launches, self.record.results)
        write(self.record, self.path, self.options.weights)


def write(record: Record, path: Path, weights: Path | None = None) -> None:
    """Write a result without the folders that it was made in; ``weights`` were given by hand."""
    text = json.dumps(record.as_dict(), allow_nan=False)
    folders = [ROOT, cache_folder(), *([weights.parent] if weights else [])]
    for folder in folders:
        text = text.replace(f"{folder}/", "")
    write_whole(path, text + "\n")


def protocol(pattern: Case, launches: int, results: Sequence[Result]) -> dict[str, Any]:
    """How it was measured, for the record."""
    return {
        "scenario": pattern.scenario,
        "launches": launches,
        "windows": pattern.windows,
        "duration_s": None,
        "pin": None,
        "speed": pattern.speed,
        "streams": 1,
        "seed": SEED,
        "recording": results[-1].launches[0]["recording"],
    }


def _circumstances() -> dict[str, Any]:
    packages = machine()["packages"]
    return {
        "command": ["python", "-m", "benchmarks.matrix", *sys.argv[1:]],
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": {name: text.split(" (")[0] for name, text in packages.items()},
    }


def _tool(path: Path, threads: int) -> dict[str, Any]:
    try:
        return benchmark_app(path, threads=threads)
    except (RuntimeError, OSError) as error:
        return {"why": " ".join(str(error).split())}


if __name__ == "__main__":
    sys.exit(main())
