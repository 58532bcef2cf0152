"""The report as one HTML file: tables and plots, nothing loaded from elsewhere, no scripts."""

from __future__ import annotations

import html
from collections.abc import Sequence

from dae_edge.bench import text
from dae_edge.bench.plots import (
    Axis,
    Plot,
    colour,
    dashes,
    distribution,
    legend,
    span,
    stacked,
)
from dae_edge.bench.record import Record, Result
from dae_edge.bench.subjects import STAGES
from dae_edge.bench.table import Column

_MOST_NOTICES = 12
_THROTTLED, _CLOCK = "#ff5c5c", "#969ca6"

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1320px;padding:0 1rem;
background:#14171c;color:#e2e5ea}h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2.2rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;white-space:nowrap}
td,th{padding:.2rem .7rem;text-align:right;font-variant-numeric:tabular-nums}
td:first-child,th:first-child{text-align:left}tr+tr td{border-top:1px solid #262b33}
td.unstable,.note{color:#ffd05c}td.stable{color:#5ccfa0}.quiet{color:#969ca6}
ul{padding-left:1.2rem}svg{width:100%;height:auto;display:block}
svg text{font:11px system-ui,sans-serif;fill:#969ca6}svg .name{font-size:12px;fill:#c3c8d0}
svg .word{font-size:12px;fill:#e2e5ea}svg .grid{stroke:#262b33;fill:none}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;font-size:.85rem;margin:.4rem 0}
.legend i{display:inline-block;width:.8em;height:.8em;margin-right:.4em;border-radius:2px}
"""


def page(record: Record) -> str:
    """The page."""
    name = html.escape(f"dae-bench on {record.machine['name']}")
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{name}</title><style>{_STYLE}</style><h1>{name}</h1>",
        _list([*text.machine_lines(record), *text.protocol_lines(record)], "quiet"),
        _notices(text.notices(record)),
    ]
    for heading, shown in text.groups(record):
        parts.append(f"<h2>{html.escape(heading)}</h2>{_table(record.results, shown)}")
    parts.append(_list(text.footnotes(record), "quiet"))
    labels = [result.case.label for result in record.results]
    parts.append(
        f"<h2>distribution of the latency</h2>{legend(labels, numbered=True)}{_cdf(record.results)}"
    )
    parts.append(f"<h2>stages</h2>{_stages(record.results)}")
    if pareto := _pareto(record.results):
        parts.append("<h2>accuracy and latency of the same bundles</h2>")
        parts.append(f"{legend(labels, numbered=True)}{pareto}")
    parts.append(f"<h2>in time</h2>{_timelines(record.results)}")
    return "\n".join(part for part in parts if part) + "\n"


def _list(lines: Sequence[str], kind: str) -> str:
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f'<ul class="{kind}">{items}</ul>' if items else ""


def _notices(lines: Sequence[str]) -> str:
    """Many of them fold away behind their number, or nothing else would be seen."""
    if len(lines) <= _MOST_NOTICES:
        return _list(lines, "note")
    summary = f'<summary class="note">{len(lines)} reasons for doubt</summary>'
    return f"<details>{summary}{_list(lines, 'note')}</details>"


def _table(results: Sequence[Result], shown: Sequence[Column]) -> str:
    head = "".join(f"<th>{html.escape(column.heading)}</th>" for column in shown)
    rows = []
    for result in results:
        cells = [column.cell(result) for column in shown]
        tags = (
            f'<td class="{cell}">{cell}</td>'
            if cell in ("stable", "unstable")
            else f"<td>{html.escape(cell)}</td>"
            for cell in cells
        )
        rows.append(f"<tr><td>{html.escape(result.case.label)}</td>{''.join(tags)}</tr>")
    return f'<div class="scroll"><table><tr><th>case</th>{head}</tr>{"".join(rows)}</table></div>'


def _milliseconds(result: Result) -> list[float]:
    return [float(value) / 1e3 for launch in result.samples() for value in launch]


def _cdf(results: Sequence[Result]) -> str:
    values = [_milliseconds(result) for result in results]
    everything = [value for one in values for value in one if value > 0]
    if not everything:
        return ""
    low, high = min(everything), max(everything)
    across = Axis("latency, ms", low * 0.95, high * 1.05, logarithmic=high > 4 * low)
    plot = Plot("Cumulative distribution", across, Axis("fraction of windows", 0.0, 1.0))
    for number, one in enumerate(values):
        if one:
            plot.line(*distribution(one), colour(number), dashes=dashes(number))
    return plot.svg()


def _stages(results: Sequence[Result]) -> str:
    used = [stage for stage in STAGES if any(stage in result.summary for result in results)]
    if not used:
        return ""
    rows = [
        (
            result.case.label,
            [result.summary.get(stage, {}).get("p50", 0.0) / 1e3 for stage in used],
        )
        for result in results
    ]
    names = [stage.replace("_", " ") for stage in used]
    return legend(names) + stacked("Median of each stage", rows, names, "ms")


def _pareto(results: Sequence[Result]) -> str:
    """AbsRel against the median; a case that none beats in both is on the dashed line's corner."""
    points = [
        (result.summary["total"]["p50"] / 1e3, float(accuracy["abs_rel"]), number)
        for number, result in enumerate(results)
        if (accuracy := result.about.get("accuracy") or {}).get("abs_rel") is not None
        and result.summary.get("total", {}).get("p50")
    ]
    if not points:
        return ""
    across = Axis("median latency, ms", *span([x for x, _, _ in points], zero=True, margin=0.15))
    best, worst = min(y for _, y, _ in points), max(y for _, y, _ in points)
    up = Axis("AbsRel (lower is better)", *span([best * 0.95, worst * 1.05]))
    plot = Plot("Accuracy and latency", across, up)
    front: list[tuple[float, float]] = []
    for x, y, _ in sorted(points):
        if not front or y < front[-1][1]:
            front += [(x, front[-1][1] if front else up.high), (x, y)]
    front.append((across.high, front[-1][1]))
    plot.line([x for x, _ in front], [y for _, y in front], _CLOCK)
    for x, y, number in points:
        plot.mark(x, y, colour(number), str(number + 1))
    return plot.svg() + '<p class="quiet">Nothing measured lies below and left of the line.</p>'


def _timelines(results: Sequence[Result]) -> str:
    parts = []
    for number, result in enumerate(results):
        parts.append(_timeline(result, colour(number)))
    return "".join(parts)


def _timeline(result: Result, shade: str) -> str:
    """Latencies by the time they ended, launch after launch; red where the machine throttled."""
    ends, values, starts, begun = list[float](), list[float](), list[float](), 0.0
    for launch, samples in zip(result.launches, result.samples(), strict=True):
        starts.append(begun)
        ends += [begun + end for end in launch["ends_s"]]
        values += [float(value) / 1e3 for value in samples]
        begun += float(launch["elapsed_s"])
    if not values:
        return ""
    across, up = Axis("s", 0.0, begun or 1.0), Axis("latency, ms", *span(values))
    plot = Plot(f"{result.case.label} in time", across, up, height=190)
    for start, launch in zip(starts, result.launches, strict=True):
        plot.shade(start, start, _CLOCK)
        for first, last in _throttled(launch["watch"]):
            plot.shade(start + first, start + last, _THROTTLED)
    plot.dots(ends, values, shade)
    label = html.escape(result.case.label)
    return (
        f'<p class="legend"><span><i style="background:{shade}"></i>{label}</span></p>{plot.svg()}'
    )


def _throttled(watch: dict[str, object]) -> list[tuple[float, float]]:
    """Stretches in which an alert was on."""
    times, states = watch.get("t_s"), watch.get("throttled_now")
    if not isinstance(times, list) or not isinstance(states, list):
        return []
    ends = [*times[1:], times[-1]] if times else []
    return [
        (float(first), float(last))
        for first, last, on in zip(times, ends, states, strict=True)
        if on
    ]
