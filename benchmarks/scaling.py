"""Where latency bends: against resolution, events per window, threads, and cameras on one model.

    python -m benchmarks.scaling [--windows 90] [--name NAME] [--render]

All with the shipped student. Writes ``results/NAME-scaling.json``, a plot for each axis beside it,
and the tables of README.md.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from benchmarks.matrix import file_name, protocol, write
from benchmarks.pages import paragraph, put
from dae_edge.bench import matrix
from dae_edge.bench.case import Case
from dae_edge.bench.devices import open_device
from dae_edge.bench.plots import COLOURS, Axis, Plot, span
from dae_edge.bench.record import Record, Result, read, write_whole
from dae_edge.bench.tree import Tree
from dae_edge.cli.progress import Steps
from dae_edge.default_model import student_bundle
from dae_edge.recipes import load_sensor
from dae_edge.sample import SAMPLE
from dae_edge.student import shipped

HERE = Path(__file__).resolve().parent
BEGIN, END = "<!-- made by benchmarks/scaling.py -->", "<!-- to here: scaling -->"
HOME = "davis346"
WINDOWS_US = (5_000, 10_000, 25_000, 50_000, 100_000, 200_000)
THREADS = (1, 2, 4)
STREAMS = (1, 2, 3, 4, 6)

_STYLE = (
    "<style>text{font:11px system-ui,sans-serif;fill:#969ca6}.name{font-size:12px;fill:#c3c8d0}"
    ".word{font-size:12px;fill:#e2e5ea}.grid{stroke:#262b33;fill:none}</style>"
    '<rect width="100%" height="100%" fill="#14171c"/>'
)


class Series(NamedTuple):
    """One axis: its cases, and what is plotted over what."""

    key: str
    heading: str
    across: str
    place: Callable[[Result], float]


SERIES = (
    Series("resolution", "resolution of the sensor", "megapixels", lambda r: _pixels(r) / 1e6),
    Series("events", "events per window", "thousand events", lambda r: _mean(r, "events") / 1e3),
    Series("threads", "threads", "threads", lambda r: float(r.case.threads or 0)),
    Series("streams", "cameras on one model, a thread each", "streams", lambda r: r.case.streams),
)
STAGES = ("encode", "infer", "post", "total")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, write, plot, render."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    arguments.add_argument("--windows", type=int, default=90, help="of each case")
    arguments.add_argument("--launches", type=int, default=3)
    arguments.add_argument("--name", help="of the result (the machine's)")
    arguments.add_argument("--render", action="store_true", help="only make plots and tables anew")
    options = arguments.parse_args(argv)
    device = open_device("auto", Tree())
    path = HERE / "results" / f"{options.name or file_name(device.name)}-scaling.json"
    if not options.render:
        pattern = Case("", str(SAMPLE), windows=-(-options.windows // options.launches), threads=1)
        cases = all_cases(pattern)
        total = options.launches * len(cases)
        results, failed = matrix.run(
            cases,
            Tree(),
            launches=options.launches,
            progress=lambda done, label: print(f"[{done}/{total}] {label}", file=sys.stderr),
        )
        how = protocol(pattern, options.launches, results)
        date = datetime.now(timezone.utc).isoformat(timespec="seconds")
        write(Record(device.as_dict(), how, results, failed, {"date": date}), path)
    render(HERE / "README.md", path)
    return 0


def all_cases(pattern: Case) -> list[Case]:
    """Cases of every axis; ``KEY: ...`` says which."""
    student = shipped()
    if student is None:
        raise ValueError("no student ships with this package")
    with Steps() as steps:
        bundles = {name: str(student_bundle(student, name, steps)) for name in student.profiles}
    home = replace(pattern, bundle=bundles[HOME])
    cases = []
    for name, path in sorted(bundles.items(), key=lambda one: _area(one[0])):
        sensor = load_sensor(name)
        label = f"resolution: {name}, {sensor.width}x{sensor.height}"
        cases.append(replace(pattern, label=label, bundle=path))
    for window in WINDOWS_US:
        label = f"events: window {window / 1e3:g} ms"
        cases.append(replace(home, label=label, window_us=window))
    cases += [replace(home, label=f"threads: {count}", threads=count) for count in THREADS]
    cases += [replace(home, label=f"streams: {count}", streams=count) for count in STREAMS]
    return cases


def render(readme: Path, path: Path) -> None:
    """Plots beside the result, tables between the marks of the page."""
    record = read(path)
    about = f"Measured {record.extra.get('date', '')[:10]} on {record.machine['name']}, with the "
    about += "shipped student, median ms; every sample: "
    told = [paragraph(f"{about}[results/{path.name}](results/{path.name}).")]
    for series in SERIES:
        results = [r for r in record.results if r.case.label.startswith(f"{series.key}: ")]
        if not results:
            continue
        results.sort(key=series.place)
        picture = path.with_name(f"{path.stem}-{series.key}.svg")
        write_whole(picture, plot(series, results))
        told += ["", f"**Latency against {series.heading}**", ""]
        told += [f"![{series.heading}](results/{picture.name})", "", *table(series, results)]
    unstable = sorted({r.case.label for r in record.results if not r.stable})
    if unstable:
        told += ["", paragraph(f"Called unstable by the tool's own rules: {'; '.join(unstable)}.")]
    put(readme, BEGIN, END, told)


def table(series: Series, results: Sequence[Result]) -> list[str]:
    """Lines of Markdown: place, stages, and windows per second of all streams together."""
    head = ["case", series.across, *STAGES, "p99", "windows/s"]
    told = [f"| {' | '.join(head)} |", "| --- |" + " ---: |" * (len(head) - 1)]
    for result in results:
        cells = [result.case.label.partition(": ")[2], f"{series.place(result):.3g}"]
        cells += [f"{_ms(result, stage, 'p50'):.3f}" for stage in STAGES]
        p99 = result.summary["total"]["p99"]
        cells += ["-" if p99 is None else f"{p99 / 1e3:.2f}", f"{_rate(result):.1f}"]
        told.append(f"| {' | '.join(cells)} |")
    return told


def plot(series: Series, results: Sequence[Result]) -> str:
    """Medians of the stages over the axis, as a picture of its own."""
    xs = [series.place(result) for result in results]
    values = {stage: [_ms(result, stage, "p50") for result in results] for stage in STAGES}
    everything = [value for line in values.values() for value in line if value > 0]
    up = Axis("ms (median)", min(everything) * 0.7, max(everything) * 1.5, logarithmic=True)
    drawn = Plot(series.heading, Axis(series.across, *span(xs, zero=True, margin=0.12)), up)
    for number, (stage, line) in enumerate(values.items()):
        drawn.line(xs, line, COLOURS[number])
        place = len(xs) - 1 - number % len(xs)  # of its name: not one above the other
        for k, (x, y) in enumerate(zip(xs, line, strict=True)):
            drawn.mark(x, y, COLOURS[number], stage if k == place and stage != "infer" else "")
    svg = drawn.svg().replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return re.sub(r"(<svg[^>]*>)", lambda match: match[1] + _STYLE, svg, count=1) + "\n"


def _area(name: str) -> int:
    sensor = load_sensor(name)
    return sensor.width * sensor.height


def _pixels(result: Result) -> float:
    width, height = result.about["sensor"]
    return float(width * height)


def _mean(result: Result, stage: str) -> float:
    values = [float(value) for launch in result.samples(stage) for value in launch]
    return sum(values) / len(values)


def _ms(result: Result, stage: str, name: str) -> float:
    return float(result.summary[stage][name]) / 1e3


def _rate(result: Result) -> float:
    """Windows per second, over all streams."""
    seconds = sum(launch["elapsed_s"] for launch in result.launches)
    return float(result.summary["total"]["windows"]) / seconds


if __name__ == "__main__":
    sys.exit(main())
