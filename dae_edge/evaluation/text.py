"""A result as tables for people: what it is of, each sequence, the averages, what to know of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from dae_edge.depth import UNTRAINED
from dae_edge.evaluation.record import Evaluation
from dae_edge.tally import Report

COLUMNS = ("AbsRel", "SqRel", "RMSE", "RMSElog", "d1", "d2", "d3", "MAE")
_METRICS = {
    "AbsRel": "abs_rel",
    "RMSE": "rmse",
    "RMSElog": "rmse_log",
    "d1": "delta1",
    "d2": "delta2",
    "d3": "delta3",
    "MAE": "mae",
}
_SQ_REL = {"paper": "sq_rel_squared", "strict": "sq_rel"}
_TITLES = {
    "paper": "the paper's protocol, with all that it forgives",
    "strict": "strict protocol: every pixel with a true depth counts",
}
NOTE = (
    "RMSE and MAE in metres; d1, d2, d3: fraction within a factor of 1.25, 1.25^2, 1.25^3. SqRel "
    "is divided by the squared depth in the paper's protocol, by the depth in the strict one."
)


def metric_of(column: str, protocol: str) -> str:
    """The metric that a column shows. SqRel is not the same in the two protocols."""
    return _SQ_REL[protocol] if column == "SqRel" else _METRICS[column]


def title(evaluation: Evaluation) -> str:
    """What was judged, on what."""
    judged, dataset = evaluation.judged, evaluation.dataset
    target = f" {judged.target}" if judged.target else ""
    return (
        f"{judged.model}{target} ({judged.engine}) on {dataset['name']}, split {dataset['split']}"
    )


def notices(evaluation: Evaluation) -> list[str]:
    """What a reader must know before believing a number."""
    told = []
    if evaluation.judged.unit == UNTRAINED:
        told.append(f"{UNTRAINED}: the depth has no meaning, and neither have these numbers")
    if evaluation.limit is not None:
        told.append(f"only the first {evaluation.limit} samples of each sequence were judged")
    expected = evaluation.dataset["expected"]
    absent = [name for name in expected if name not in evaluation.sequences]
    if absent:
        some = ", ".join(absent[:3]) + (", ..." if len(absent) > 3 else "")
        told.append(f"{len(absent)} of {len(expected)} sequences were not judged: {some}")
    told += [
        f"{name}: {record.frames} samples, published are {expected[name]}"
        for name, record in evaluation.sequences.items()
        if evaluation.limit is None and expected.get(name) not in (None, record.frames)
    ]
    if not all(protocol.align for protocol in evaluation.protocols.values()):
        told.append("metres were judged as metres: no scale and shift was fitted")
    return told


def cells(report: Report) -> list[tuple[str, list[str]]]:
    """Rows of a table: sequences and averages, each with frames and ``COLUMNS``."""
    rows = [
        (name, [str(report.frames[name]), *_values(means, report.protocol)])
        for name, means in report.sequences.items()
    ]
    total = str(sum(report.frames.values()))
    if report.protocol == "strict" or len(rows) > 1:
        of_sequences = _values(report.mean_of_sequences, report.protocol)
        rows.append(("mean of sequences", [total, *of_sequences]))
    if report.protocol == "strict":
        rows.append(("mean of frames", [total, *_values(report.mean_of_frames, "strict")]))
    return rows


def worst_sequence(report: Report) -> str | None:
    """By AbsRel; None where there is no choice."""
    return report.worst["abs_rel"][0] if len(report.sequences) > 1 and report.worst else None


def counts(evaluation: Evaluation, report: Report) -> str:
    """What the averages were made of, in one line."""
    told = [f"{report.totals['pixels']:,.0f} pixels counted"]
    told += [
        f"{report.totals[name]:,.0f} {words}"
        for name, words in (("clamped", "clamped to the nearest"), ("not_finite", "not finite"))
        if report.totals.get(name)
    ]
    empty = sum(record.empty_windows for record in evaluation.sequences.values())
    if empty:
        told.append(f"windows without events, where the depth before stayed: {empty}")
    if without := report.without_value.get("abs_rel"):
        told.append(f"frames without a value, which no mean sees: {without}")
    return "; ".join(told)


def heading(protocol: str) -> str:
    """The name of a protocol for people."""
    return _TITLES[protocol]


def lines(evaluation: Evaluation) -> list[str]:
    """Everything, for a terminal."""
    told = [title(evaluation), *(f"note: {line}" for line in notices(evaluation))]
    for report in evaluation.reports().values():
        told += ["", heading(report.protocol), *table(report), counts(evaluation, report)]
    seconds = sum(record.seconds for record in evaluation.sequences.values())
    frames = sum(record.frames for record in evaluation.sequences.values())
    if frames:
        each = f"{1e3 * seconds / frames:.0f} ms a frame, reading and judging included"
        told += ["", NOTE, f"{frames} frames in {seconds:.1f} s: {each}"]
    return told


def table(report: Report) -> list[str]:
    """One protocol's rows in columns; the worst sequence is marked."""
    rows = cells(report)
    width = max(len(name) for name, _ in rows)
    worst = worst_sequence(report)
    header = f"{'sequence':<{width}} {'frames':>7}" + _in_columns(COLUMNS)
    return [header] + [
        f"{name:<{width}} {values[0]:>7}"
        + _in_columns(values[1:])
        + ("  <- worst" if name == worst else "")
        for name, values in rows
    ]


def _values(means: Mapping[str, float], protocol: str) -> list[str]:
    return [number(means.get(metric_of(column, protocol), math.nan)) for column in COLUMNS]


def number(value: float) -> str:
    """Three digits after the point, as in the paper; "-" where there is no value.

    >>> number(0.20145), number(float("nan"))
    ('0.201', '-')
    """
    return "-" if math.isnan(value) else f"{value:.3f}"


def _in_columns(values: Iterable[str]) -> str:
    return "".join(f"{value:>9}" for value in values)
