"""The report of a machine: both students in every target that runs here, their peers beside.

    python -m benchmarks.matrix [--threads 1,2] [--weights vits.pth] [--only WORD] [--add]
                               [--no-export] [--render]

Bundles are exported into ``build/bench`` where they are not there yet; all cases are launched in
turns; then ``results/NAME.json`` is written and the tables of README.md are made of it. What cannot
be exported or run is named in the tables as not measured.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks.matrix_report import (
    BESIDE,
    BESIDE_CLASS,
    PEERS,
    STUDENTS,
    plural,
    render,
)
from benchmarks.peers import benchmark_app
from dae_edge.bench import asked, matrix
from dae_edge.bench.case import Case
from dae_edge.bench.devices import Device, open_device
from dae_edge.bench.page import page
from dae_edge.bench.record import Record, read, write_whole
from dae_edge.bench.statistics import SEED
from dae_edge.bench.text import lines
from dae_edge.bench.tree import Tree
from dae_edge.cli.info import machine
from dae_edge.recipes import load_target, target_names
from dae_edge.sample import SAMPLE
from dae_edge.student import shipped

HERE = Path(__file__).resolve().parent
BUNDLES = HERE.parent / "build" / "bench"
SENSOR = "davis346"
BASELINES = ("e2depth", "ereformer-small")
BASELINE_TARGET = "onnx-fp32"
PORTABLE = "onnx-fp32"
BESIDE_TARGETS = (PORTABLE, "ov-fp32", "ov-int8")


def main(argv: Sequence[str] | None = None) -> int:
    """Export, measure, write, render."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    arguments.add_argument("--threads", default="1,2")
    arguments.add_argument("--weights", type=Path, help="of depthanyevent-r (seeded)")
    arguments.add_argument("--launches", type=int, default=3)
    arguments.add_argument("--windows", type=int, default=150, help="of each case")
    arguments.add_argument("--only", default="", metavar="WORD", help="cases with it in their name")
    arguments.add_argument("--add", action="store_true", help="to the result that is there")
    arguments.add_argument("--no-export", action="store_true", help="only bundles that are there")
    arguments.add_argument("--device", default="auto")
    arguments.add_argument("--name", help="of the result (the machine's)")
    arguments.add_argument("--render", action="store_true", help="only make the tables anew")
    options = arguments.parse_args(argv)
    tree = Tree()
    device = open_device(options.device, tree)
    name = options.name or re.sub(r"[^a-z0-9]+", "-", device.name.lower()).strip("-")
    path = HERE / "results" / f"{name}.json"
    if not options.render:
        record = measure(device, tree, options)
        if options.add:
            record = joined(read(path), record)
        record.write(path)
        write_whole(path.with_suffix(".html"), page(record))
        print("\n".join(lines(record)))
    render(HERE / "README.md", path)
    return 0


def measure(device: Device, tree: Tree, options: argparse.Namespace) -> Record:
    """Everything, in turns."""
    bundles, missing = export(options.weights, make=not options.no_export)
    threads = asked.numbers("threads", options.threads)
    pattern = Case("", str(SAMPLE), windows=-(-options.windows // options.launches))
    cases = bundle_cases(bundles, device, pattern, threads)
    cases += peer_cases(bundles, pattern, threads, options.weights)
    cases = [case for case in cases if options.only in case.label]
    total = options.launches * len(cases)
    results, failed = matrix.run(
        cases,
        tree,
        launches=options.launches,
        progress=lambda done, label: print(f"[{done}/{total}] {label}", file=sys.stderr),
    )
    about = machine()
    protocol = {
        "scenario": pattern.scenario,
        "launches": options.launches,
        "windows": pattern.windows,
        "duration_s": None,
        "pin": None,
        "speed": 1.0,
        "streams": 1,
        "seed": SEED,
        "recording": results[0].launches[0]["recording"],
    }
    extra = {
        "command": ["python", "-m", "benchmarks.matrix", *sys.argv[1:]],
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": {name: text.split(" (")[0] for name, text in about["packages"].items()},
        "benchmark_app": {} if options.only else openvino_tool(bundles, threads),
    }
    return Record(device.as_dict(), protocol, results, {**missing, **failed}, extra)


def joined(before: Record, record: Record) -> Record:
    """What was measured before, and what was measured now: not in turns with each other."""
    new = {result.case.label for result in record.results}
    kept = [result for result in before.results if result.case.label not in new]
    results = [*kept, *record.results]
    measured = {result.case.label for result in results}
    missing = {
        label: why
        for label, why in record.not_measured.items()
        if not any(label in one for one in measured)
    }
    tool = {**before.extra.get("benchmark_app", {}), **record.extra["benchmark_app"]}
    dates = [*before.extra.get("joined", []), before.extra.get("date")]
    extra = {**record.extra, "benchmark_app": tool, "joined": dates}
    return Record(record.machine, before.protocol, results, missing, extra)


def export(
    weights: Path | None, *, make: bool
) -> tuple[dict[tuple[str, str], Path], dict[str, str]]:
    """Bundles by model and target; and why others are not there."""
    wanted = [(model, target) for model in STUDENTS for target in sorted(runnable())]
    wanted += [(model, BASELINE_TARGET) for model in BASELINES]
    found, missing = {}, {}
    for model, target in wanted:
        path = BUNDLES / f"{model}-{target}.dae"
        if not path.is_dir() and not make:
            missing[f"{model} {target}"] = "not exported"
            continue
        if not path.is_dir():
            BUNDLES.mkdir(parents=True, exist_ok=True)
            command = [sys.executable, "-m", "dae_edge.cli.export", "--target", target]
            command += ["--model", model, "--sensor", SENSOR, "--out", str(path)]
            if model == "depthanyevent-r" and weights is not None:
                command += ["--weights", str(weights)]
            print(f"exporting {path.name}", file=sys.stderr)
            done = subprocess.run(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
            told = done.stderr.decode(errors="replace").strip().splitlines()
            if done.returncode:
                missing[f"{model} {target}"] = told[-1] if told else f"exit {done.returncode}"
                continue
        found[model, target] = path
    return found, missing


def runnable() -> list[str]:
    """Targets for the processor; those for GPUs are measured where there is one."""
    return [name for name in target_names() if not load_target(name).backend.startswith("tensorrt")]


def bundle_cases(
    bundles: dict[tuple[str, str], Path],
    device: Device,
    pattern: Case,
    threads: Sequence[int | None],
) -> list[Case]:
    """Every bundle with every number of threads."""
    return matrix.combine(
        list(bundles.values()),
        device,
        pattern,
        backends=[None],
        threads=threads,
        window_us=[None],
        hop_us=[None],
    )


def peer_cases(
    bundles: dict[tuple[str, str], Path],
    pattern: Case,
    threads: Sequence[int | None],
    weights: Path | None,
) -> list[Case]:
    """Peers of both students; and each engine's bare call beside the tiny student."""
    student = shipped()
    own = {"depthanyevent-r-tiny": student.weights if student else None, "depthanyevent-r": weights}
    cases = []
    for (model, target), path in bundles.items():
        if model not in own:
            continue
        names = dict(PEERS) if target == PORTABLE else {}
        names |= {BESIDE: BESIDE_CLASS} if target in BESIDE_TARGETS else {}
        for name, subject in names.items():
            given, what = own[model], model if name in PEERS else f"{model} {target}"
            cases += [
                replace(
                    pattern,
                    label=f"{name}: {what}, {plural(count)}",
                    subject=f"benchmarks.peers:{subject}",
                    bundle=str(path),
                    threads=count,
                    options={"weights": str(given) if given else None},
                )
                for count in (threads if name in PEERS else threads[:1])
            ]
    return cases


def openvino_tool(
    bundles: dict[tuple[str, str], Path], threads: Sequence[int | None]
) -> dict[str, Any]:
    """benchmark_app's median of each OpenVINO bundle."""
    told: dict[str, Any] = {}
    for (model, target), path in bundles.items():
        if model in STUDENTS and load_target(target).backend == "openvino":
            for count in threads:
                label = f"{model} {target}, {plural(count)}"
                try:
                    told[label] = benchmark_app(path, threads=count or 1)
                except (RuntimeError, OSError) as error:
                    told[label] = {"why": str(error)}
    return told


if __name__ == "__main__":
    sys.exit(main())
