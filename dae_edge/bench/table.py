"""What is told of a result, column by column: one place for terminal, Markdown, CSV and HTML."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dae_edge.bench.record import Record, Result
from dae_edge.bench.statistics import PERCENTILES

Value = float | int | str | None


@dataclass(frozen=True)
class Column:
    """A heading, and how to get at a result's value."""

    heading: str
    get: Callable[[Result], Value]
    digits: int = 2

    def cell(self, result: Result) -> str:
        """The value in words; "-" where there is none."""
        value = self.get(result)
        if value is None:
            return "-"
        return value if isinstance(value, str) else f"{value:,.{self.digits}f}"


def _ms(stage: str, name: str) -> Callable[[Result], Value]:
    def get(result: Result) -> Value:
        value = result.summary.get(stage, {}).get(name)
        return None if value is None else value / 1e3

    return get


def _end(side: int) -> Callable[[Result], Value]:
    def get(result: Result) -> Value:
        interval = result.summary.get("total", {}).get("p50_interval")
        return None if interval is None else float(interval[side]) / 1e3

    return get


def _interval(result: Result) -> Value:
    low, high = _end(0)(result), _end(1)(result)
    return None if low is None or high is None else f"{low:.2f}..{high:.2f}"


def _accuracy(name: str) -> Callable[[Result], Value]:
    return lambda result: (result.about.get("accuracy") or {}).get(name)


def _realtime(name: str) -> Callable[[Result], Value]:
    return lambda result: (result.realtime or {}).get(name)


LATENCY = [
    Column("p50", _ms("total", "p50")),
    Column("95 % interval", _interval),
    *(Column(f"p{q:g}", _ms("total", f"p{q:g}")) for q in PERCENTILES[1:]),
    Column("max", _ms("total", "max")),
    Column("CoV %", lambda result: 100 * (result.summary.get("total", {}).get("cov") or 0), 1),
    Column("windows", lambda result: result.summary.get("total", {}).get("windows", 0), 0),
    Column("verdict", lambda result: "stable" if result.stable else "unstable"),
]
"""Milliseconds from a window's events to its depth."""

STAGE = [
    Column(stage.replace("_", " "), _ms(stage, "p50"), 3)
    for stage in ("decode", "encode", "copy_in", "infer", "copy_out", "post")
]
"""Median milliseconds of each stage."""

COST = [
    Column("cold start ms", lambda result: result.middle("cold_start_ms"), 0),
    Column("load ms", lambda result: result.middle("load_ms"), 0),
    Column("peak MB", lambda result: result.memory["peak"], 0),
    Column("engine MB", lambda result: result.memory["engine"], 0),
    Column("states MB", lambda result: result.memory["states"], 2),
    Column("mJ/depth", lambda result: result.energy.get("millijoules"), 1),
    Column("AbsRel", _accuracy("abs_rel"), 3),
    Column("d1", _accuracy("delta1"), 3),
]
REALTIME = [Column(name, _realtime(name), 0) for name in ("due", "late", "dropped", "backlog")]

_RAW = [
    Column("p50_low", _end(0)),
    Column("p50_high", _end(1)),
    Column("watts", lambda result: result.energy.get("watts")),
    Column("threads", lambda result: result.case.threads),
    Column("engine", lambda result: str(result.about.get("engine"))),
    Column("target", lambda result: str(result.about.get("target"))),
]


def columns(results: Sequence[Result], wanted: Sequence[Column]) -> list[Column]:
    """Those of ``wanted`` in which at least one result has a value."""
    return [column for column in wanted if any(column.get(one) is not None for one in results)]


def markdown_table(results: Sequence[Result], wanted: Sequence[Column]) -> list[str]:
    """Lines of a Markdown table; "not measured" where a result has no value."""
    shown = columns(results, wanted)
    lines = [
        "| case | " + " | ".join(column.heading for column in shown) + " |",
        "| --- |" + " ---: |" * len(shown),
    ]
    for result in results:
        cells = [column.cell(result).replace("|", "/") for column in shown]
        lines.append(f"| {result.case.label} | " + " | ".join(cells) + " |")
    return lines


def csv_text(record: Record) -> str:
    """Every column, with a head line; times in milliseconds."""
    wanted = [*LATENCY, *STAGE, *COST, *REALTIME, *_RAW]
    wanted = [column for column in wanted if column.heading != "95 % interval"]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["case", *(column.heading for column in wanted)])
    for result in record.results:
        values = [column.get(result) for column in wanted]
        writer.writerow([result.case.label, *("" if v is None else v for v in values)])
    return buffer.getvalue()
