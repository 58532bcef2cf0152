"""The tables of README.md, made of a result of ``benchmarks.matrix``."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np

from dae_edge.bench.comparison import compare_latencies
from dae_edge.bench.record import Record, Result, read, write_whole
from dae_edge.bench.table import markdown_table
from dae_edge.bench.text import footnotes, groups, machine_lines, protocol_lines

STUDENTS = ("depthanyevent-r-tiny", "depthanyevent-r")
PEERS = {
    "torch eager": "TorchEager",
    "torch.compile": "TorchCompiled",
    "plain ONNX Runtime": "PlainOnnxRuntime",
    "plain OpenVINO f32": "PlainOpenVino",
}
BESIDE, BESIDE_CLASS = "beside the bare call", "BesideBare"
CLAIMS = (("torch eager", "ov-int8", 6.0), ("ov-fp32", "ov-int8", 2.5))
"""How many times faster the second should be than the first, ViT-S."""
BEGIN, END = "<!-- made by benchmarks/matrix.py -->", "<!-- to here -->"


def plural(count: int | None) -> str:
    """``1 thread``, ``2 threads``; as the labels of bundles have it."""
    return f"{count} thread{'s' if count != 1 else ''}"


def claims(record: Record) -> list[str]:
    """Ratios that were promised, with their intervals; rows of Markdown."""
    cases = {result.case.label: result for result in record.results}
    told = []
    for model in reversed(STUDENTS):
        for count in sorted({result.case.threads or 0 for result in record.results}):
            for slow, fast, wanted in CLAIMS:
                before = f"{slow}: {model}" if slow in PEERS else f"{model} {slow}"
                names = [f"{one}, {plural(count)}" for one in (before, f"{model} {fast}")]
                aim = f"{wanted:g}" if model == STUDENTS[1] else "-"
                row = f"| {names[1]} against {before} | "
                if not all(name in cases for name in names):
                    told.append(f"{row}not measured | - | {aim} |")
                    continue
                first, second = (cases[name] for name in names)
                ratio, low, high, _ = compare_latencies(second.samples(), first.samples())
                told.append(f"{row}{ratio:.2f} | {low:.2f}..{high:.2f} | {aim} |")
    return told


def doubts(record: Record) -> list[str]:
    """Which cases are unstable, and why, in few lines; what was not measured."""
    shaky = [result for result in record.results if not result.stable]
    told = []
    if shaky:
        kinds = Counter(
            kind
            for result in shaky
            for kind in {_without_numbers(reason) for reason in result.reasons}
        )
        words = "; ".join(f"{kind.strip()} ({count})" for kind, count in kinds.most_common(5))
        told.append(
            f"**{len(shaky)} of {len(record.results)} cases are unstable** by the rules above; "
            f"in how many cases which reason, numbers left out: {words}"
        )
    told += [f"not measured: {label}: {why}" for label, why in record.not_measured.items()]
    return told


def _without_numbers(reason: str) -> str:
    """A reason as its kind; which launch does not matter."""
    return re.sub(r"[\d.+-]+%?", "N", re.sub(r"^launch \d+: ", "", reason))


def overhead(result: Result) -> tuple[float, float, float] | None:
    """Our path beside the bare call, window by window: share on top, and both medians in ms."""
    bare = np.concatenate([*result.samples("bare"), np.empty(0)])
    if not len(bare):
        return None
    total = np.concatenate(result.samples())
    return (
        float(np.median(total - bare) / np.median(bare)),
        float(np.median(total)) / 1e3,
        float(np.median(bare)) / 1e3,
    )


def render(readme: Path, path: Path) -> None:
    """Put the tables of a result between the marks of the page."""
    record = read(path)
    text = readme.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"{readme}: lacks the marks {BEGIN} and {END}")
    body = "\n".join(report(record, path))
    write_whole(readme, f"{before}{BEGIN}\n{body}\n{END}{after}")


def report(record: Record, path: Path) -> list[str]:
    """Lines of Markdown."""
    told = [f"### {record.machine['name']}, {record.extra.get('date', '')[:10]}", ""]
    told += [f"- {line}" for line in (*machine_lines(record), *protocol_lines(record))]
    told += [f"- every sample: [results/{path.name}](results/{path.name})"]
    shown = [result for result in record.results if BESIDE not in result.case.label]
    for heading, columns in groups(record):
        told += ["", f"**{heading[0].upper()}{heading[1:]}**", "", *markdown_table(shown, columns)]
    told += ["", *(f"- {line}" for line in footnotes(record))]
    told += ["", "**What our path costs beside the engine's bare call, window by window**", ""]
    told += [
        "| case | events to depth, ms | bare call, ms | on top |",
        "| --- | ---: | ---: | ---: |",
    ]
    for result in record.results:
        if (found := overhead(result)) is not None:
            label = result.case.label.partition(": ")[2]
            told.append(f"| {label} | {found[1]:.2f} | {found[2]:.2f} | {found[0]:.1%} |")
    told += [
        "",
        "**OpenVINO's benchmark_app on the same files** (random input, inference alone)",
        "",
    ]
    told += ["| case | median, ms |", "| --- | ---: |"]
    for label, entry in record.extra.get("benchmark_app", {}).items():
        value = f"{entry['median_ms']:.2f}" if "median_ms" in entry else "not measured"
        told.append(f"| {label} | {value} |")
    told += ["", "**Ratios of the medians**", ""]
    told += ["| what | times faster | 95 % interval | aim |", "| --- | ---: | ---: | ---: |"]
    told += claims(record)
    return [*told, "", *(f"- {line}" for line in doubts(record))]
