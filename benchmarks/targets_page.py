"""The page of ``benchmarks.targets``: a table for each model, and what was not measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from benchmarks.pages import paragraph

Row: TypeAlias = dict[str, Any]

NONE = "not measured"
INFINITE = "not finite"
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


class _Column(NamedTuple):
    title: str
    cell: Callable[[Row, Row], str]
    """Of a row and of that of float32."""


def lines(content: dict[str, Any], models: Sequence[str], targets: Sequence[str]) -> list[str]:
    """Markdown.

    Args:
        content: Of the JSON.
        models: All there are.
        targets: All there are.
    """
    rows = content["rows"]
    counted = Counter(row["machine"] for row in rows)
    machines = [machine for machine, _ in counted.most_common()]
    about = (
        f"{_told(machines)}; last measured {content['when'][:10]}; {content['protocol']}. "
        f"Trained weights: judged on {', '.join(content['judged_on'].split(','))}; "
        f"int8 calibrated on {content['calibrated_on']}."
    )
    made = [paragraph(about)]
    for model in models:
        own = [row for row in rows if row["model"] == model]
        if own:
            made += ["", f"**{model}**, {_weights(own[0])}", "", *_table(own, machines)]
    left = _left(rows, models, targets)
    return [*made, "", paragraph(left)] if left else made


def _weights(row: Row) -> str:
    if not row["trained"]:
        return "untrained: its depth has no meaning, only how far a target's is from float32's has"
    return row.get("weights_about") or "the student that ships"


def _told(machines: Sequence[str]) -> str:
    """The first is where no mark is; the others with theirs."""
    first, *others = machines
    return "; ".join([first, *(f"{_mark(name, machines)} on {name}" for name in others)])


def _mark(machine: str, machines: Sequence[str]) -> str:
    """Nothing for the one with most rows, which is the first."""
    place = machines.index(machine)
    return str(place).translate(SUPERSCRIPTS) if place else ""


def _table(rows: Sequence[Row], machines: Sequence[str]) -> list[str]:
    base = next((row for row in rows if row.get("fp32")), {})
    columns = [*(TRAINED if rows[0]["trained"] else UNTRAINED), *ALWAYS]
    made = [
        f"| target | {' | '.join(column.title for column in columns)} |",
        "| --- |" + " ---: |" * (len(columns) - 1) + " --- |",
    ]
    for row in rows:
        name = f"`{row['target']}`{_weights_stored(row)}{_mark(row['machine'], machines)}"
        if "error" in row:
            made.append(f"| {name} |{' |' * (len(columns) - 1)} {_refusal(row)} |")
        else:
            cells = (column.cell(row, base) for column in columns)
            made.append(f"| {name} | {' | '.join(cells)} |")
    return made


def _weights_stored(row: Row) -> str:
    """How int8 weights are: their bits, and whether each was rounded to the nearest."""
    if not row.get("weight_bits"):
        return ""
    return f", {row['weight_bits']} bits{'' if row['compensate'] else ', nearest'}"


def _refusal(row: Row) -> str:
    return f"not exported: {row['error']}"


def _score(name: str) -> Callable[[Row, Row], str]:
    """``base`` has the scores of float32, which are also those of a target without a budget."""

    def cell(row: Row, base: Row) -> str:
        if not _finite(row):
            return INFINITE
        value = _mean(row["scores"] or base.get("fp32"), name)
        return NONE if value is None else f"{value:.4f}"

    return cell


def _change(name: str) -> Callable[[Row, Row], str]:
    def cell(row: Row, base: Row) -> str:
        if not row["scores"]:
            return "0"  # float32 itself
        if not _finite(row):
            return INFINITE
        after, before = _mean(row["scores"], name), _mean(row["fp32"] or base.get("fp32"), name)
        return NONE if after is None or before is None else f"{after - before:+.4f}"

    return cell


def _distance(row: Row, base: Row) -> str:
    if not row["scores"]:
        return "0"
    if not _finite(row):
        return INFINITE
    value = _mean(row["scores"], "fp32_absrel")
    return NONE if value is None else f"{value:.4f}"


def _finite(row: Row) -> bool:
    """Of depth that is not, the JSON has no distance to float32's."""
    return all(one["fp32_absrel"] is not None for one in row["scores"] or [])


def _drift(row: Row, base: Row) -> str:
    if not row["scores"]:
        return "0"
    if row["drift"]:
        last = row["drift"][-1]["fp32_absrel"]
        return INFINITE if last is None else f"{last:.4f}"
    return NONE if row.get("recurrent", True) else "no state"


def _size(row: Row, base: Row) -> str:
    return f"{row['bytes'] / 1e6:.1f}"


def _time(row: Row, base: Row) -> str:
    times = _times(row)
    return f"{times['target']:.1f}" if times else NONE


def _ratio(row: Row, base: Row) -> str:
    times = _times(row)
    if not times:
        return NONE
    return f"{times['target'] / times['float32']:.2f}" if "float32" in times else "1"


def _times(row: Row) -> dict[str, float]:
    """Those of its own engine; what another took to judge its file is none of its business."""
    return {} if executed_elsewhere(row) else row["latency_ms"]


def _kept(row: Row, base: Row) -> str:
    return str(row["kept"])


def _verdict(row: Row, base: Row) -> str:
    if not row["checks"]:
        return "none: float32"
    over = [check for check in row["checks"] if not check["passed"]]
    if any(check["value"] is None for check in over):
        return f"over: depth is {INFINITE}"
    names = ", ".join(f"{one['name']} {one['value']:+.3f} ({one['where']})" for one in over)
    said = f"over: {names}" if over else "held"
    return f"{said}, in ONNX Runtime" if executed_elsewhere(row) else said


TRAINED = (
    _Column("AbsRel", _score("absrel")),
    _Column("change", _change("absrel")),
    _Column("δ1", _score("delta1")),
    _Column("change", _change("delta1")),
    _Column("AbsRel to float32", _distance),
    _Column("at window 500", _drift),
)
UNTRAINED = (_Column("AbsRel to float32", _distance),)
ALWAYS = (
    _Column("MB", _size),
    _Column("ms", _time),
    _Column("of float32's", _ratio),
    _Column("layers kept", _kept),
    _Column("budget", _verdict),
)


def executed_elsewhere(row: Row) -> bool:
    """Whether its engine is built on the device, so that its file was judged in another here."""
    return bool(row["engine"].startswith("onnxruntime") and row["target"][:3] in ("trt", "rtx"))


def _left(rows: Sequence[Row], models: Sequence[str], targets: Sequence[str]) -> str:
    """What the tables lack, as a sentence."""
    there = {(row["model"], row["target"]) for row in rows}
    lacking = {model: [t for t in targets if (model, t) not in there] for model in models}
    told = [
        f"{model}: {'all' if len(names) == len(targets) else ', '.join(names)}"
        for model, names in lacking.items()
        if names
    ]
    return f"Not measured: {'; '.join(told)}." if told else ""


def _mean(scores: Sequence[Row] | None, name: str) -> float | None:
    known = [one[name] for one in scores or [] if one[name] is not None]
    return sum(known) / len(known) if known else None
