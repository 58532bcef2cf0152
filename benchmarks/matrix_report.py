"""The tables of README.md, made of a result of ``benchmarks.matrix``."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.cases import BESIDE, PEERS, STUDENTS, place, plural
from benchmarks.pages import bullet, folded, put
from dae_edge.bench.comparison import compare_latencies
from dae_edge.bench.record import Record, Result, read
from dae_edge.bench.table import markdown_table
from dae_edge.bench.text import footnotes, groups, machine_lines, protocol_lines

CLAIMS = (
    ("torch eager", "ov-int8", 6.0),
    ("torch eager", "ov-int8-bf16", 6.0),
    ("ov-fp32", "ov-int8", 2.5),
    ("ov-fp32", "ov-int8-bf16", 2.5),
)
"""How many times faster the second should be than the first, ViT-S."""
BEGIN, END = "<!-- made by benchmarks/matrix.py -->", "<!-- to here -->"


def render(readme: Path, path: Path) -> None:
    """Put the tables of a result between the marks of the page."""
    put(readme, BEGIN, END, report(read(path), path))


def report(record: Record, path: Path) -> list[str]:
    """Lines of Markdown: what is compared is shown, the rest is folded."""
    record.results.sort(key=place)
    shown = [result for result in record.results if BESIDE not in result.case.label]
    told = [f"### {record.machine['name']}, {record.extra.get('date', '')[:10]}", ""]
    told += map(bullet, [*machine_lines(record), *protocol_lines(record)])
    told += [bullet(f"every sample: [results/{path.name}](results/{path.name})")]
    (first, latency), *others = groups(record)
    told += ["", f"**{_sentence(first)}**", "", *markdown_table(shown, latency)]
    told += ["", "**Ratios of the medians**", "", *claims(record)]
    told += ["", "**What our path costs beside the engine's bare call, window by window**", ""]
    told += [*overheads(record), "", *map(bullet, [*doubts(record), *footnotes(record)])]
    for heading, columns in others:
        told += folded(_sentence(heading), markdown_table(shown, columns))
    return told + folded(
        "OpenVINO's benchmark_app on the same files (random input, inference alone)", tool(record)
    )


def claims(record: Record) -> list[str]:
    """Table of the ratios that were promised, with their intervals."""
    told = ["| what | times faster | 95 % interval | aim |", "| --- | ---: | ---: | ---: |"]
    for model in reversed(STUDENTS):
        for count in sorted({result.case.threads or 0 for result in record.results}):
            for slow, fast, aim in CLAIMS:
                before = f"{slow}: {model}" if slow in PEERS else f"{model} {slow}"
                ends = f"{before}, {plural(count)}", f"{model} {fast}, {plural(count)}"
                ratio = _ratio(record, *ends)
                wanted = f"{aim:g}" if model == STUDENTS[1] else "-"
                told.append(f"| {ends[1]} against {before} | {ratio} | {wanted} |")
    return told


def _ratio(record: Record, slow: str, fast: str) -> str:
    """Two cells: how many times faster, and the interval."""
    cases = {result.case.label: result for result in record.results}
    if slow not in cases or fast not in cases:
        return "not measured | -"
    if len({_day(cases[slow]), _day(cases[fast])}) > 1:
        return "not measured on one day | -"
    ratio, low, high, _ = compare_latencies(cases[fast].samples(), cases[slow].samples())
    return f"{ratio:.2f} | {low:.2f}..{high:.2f}"


def overheads(record: Record) -> list[str]:
    """Table of our path beside the bare call."""
    told = ["| case | events to depth, ms | bare call, ms | on top |"]
    told += ["| --- | ---: | ---: | ---: |"]
    for result in record.results:
        if (found := overhead(result)) is not None:
            label = result.case.label.partition(": ")[2]
            told.append(f"| {label} | {found[1]:.2f} | {found[2]:.2f} | {found[0]:.1%} |")
    return told


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


def tool(record: Record) -> list[str]:
    """Table of benchmark_app's medians."""
    told = ["| case | median, ms |", "| --- | ---: |"]
    for label, entry in record.extra.get("benchmark_app", {}).items():
        value = f"{entry['median_ms']:.2f}" if "median_ms" in entry else "not measured"
        told.append(f"| {label} | {value} |")
    return told


def doubts(record: Record) -> Iterator[str]:
    """Which cases are unstable, and why, in few lines; from which day; what was not measured."""
    shaky = [result for result in record.results if not result.stable]
    if shaky:
        kinds = Counter(
            kind
            for result in shaky
            for kind in {_without_numbers(reason) for reason in result.reasons}
        )
        words = "; ".join(f"{kind.strip()} ({count})" for kind, count in kinds.most_common(5))
        yield (
            f"**{len(shaky)} of {len(record.results)} cases are unstable** by the rules above; "
            f"in how many cases which reason, numbers left out: {words}"
        )
    over = [result.case.label for result in record.results if result.about.get("passed") is False]
    if over:
        yield f"over the budget of its target, measured all the same: {'; '.join(over)}"
    days = Counter(map(_day, record.results))
    if len(days) > 1:
        yield "measured on more than one day: " + "; ".join(
            f"{count} cases on {day or 'an earlier one'}" for day, count in sorted(days.items())
        )
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    for label, why in record.not_measured.items():
        reasons[why].append(label)
    for why, labels in reasons.items():
        yield f"not measured: {'; '.join(labels)}: {why}"


def _day(result: Result) -> str:
    return str(result.about.get("date", ""))[:10]


def _sentence(heading: str) -> str:
    return heading[0].upper() + heading[1:]


def _without_numbers(reason: str) -> str:
    """A reason as its kind; which launch does not matter."""
    return re.sub(r"[\d.+-]+%?", "N", re.sub(r"^launch \d+: ", "", reason))
