"""The paper's tables with our numbers beside its own.

A result has a place in them if it is of a table's model, training and dataset, and was made with
the paper's protocol over the whole split; any other is left out, and the reason is given.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any, NamedTuple

from dae_edge.errors import FormatError
from dae_edge.evaluation.record import Evaluation, read
from dae_edge.extras import require
from dae_edge.protocols import Paper

TABLES = Path(__file__).resolve().parent.parent / "data" / "paper_tables.toml"
SPLITS = {"mvsec": "test", "dsec": "validation"}
"""The paper's datasets, and the split that its numbers are of."""


class Result(NamedTuple):
    """A result of ours, and the file it was read from."""

    path: Path
    evaluation: Evaluation


def read_results(folder: Path) -> tuple[list[Result], list[str]]:
    """Results of a folder that have a place in the tables, and a line for each file that has none.

    Raises:
        FormatError: no such folder.
    """
    if not folder.is_dir():
        raise FormatError(f"{folder}: no such folder")
    kept, left_out = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            evaluation = read(path)
        except FormatError as error:
            left_out.append(str(error))
            continue
        reason = _unfit(evaluation)
        if reason:
            left_out.append(f"{path}: {reason}")
        else:
            kept.append(Result(path, evaluation))
    return kept, left_out


def _unfit(evaluation: Evaluation) -> str | None:
    """Why a result has no place in the tables; None if it has one."""
    dataset, split = evaluation.dataset["name"], evaluation.dataset["split"]
    protocol = evaluation.protocols.get("paper")
    if SPLITS.get(dataset) != split:
        return f"{dataset} {split} is not in the tables"
    if protocol != Paper():
        return "not judged by the paper's protocol and settings"
    if not evaluation.complete:
        return "not all of the split was judged"
    if evaluation.judged.training is None:
        return "nobody says how it was trained (--training)"
    return None


def paper_lines(results: list[Result]) -> list[str]:
    """The tables, with each result below the row that it belongs to, and the difference."""
    data = _read_tables()
    width = max(len(row["name"]) for table in data["table"] for row in table["row"])
    told = [f"paper: {data['source']}; difference: ours minus the paper's"]
    for table in data["table"]:
        for dataset in SPLITS:
            rows = [row for row in table["row"] if dataset in row]
            told += ["", f"Table {table['number']}, {dataset.upper()}. {table['title']}"]
            told.append(f"{'':<{width + 14}}" + "".join(f"{n:>9}" for n in data["names"]))
            for row in rows:
                ours = [r for r in results if _belongs(r.evaluation, row, table, dataset)]
                told += _row(row, dataset, ours, data["columns"], width)
    return told


def _belongs(
    evaluation: Evaluation, row: dict[str, Any], table: dict[str, Any], dataset: str
) -> bool:
    judged = evaluation.judged
    return (judged.model, judged.training, evaluation.dataset["name"]) == (
        row["model"],
        table["training"],
        dataset,
    )


def _row(
    row: dict[str, Any], dataset: str, ours: list[Result], columns: list[str], width: int
) -> list[str]:
    paper = row[dataset]
    told = [_line(row["name"], "paper", paper, width)]
    if not ours:
        told.append(f"{'':<{width}}  not measured")
    for result in ours:
        means = result.evaluation.reports()["paper"].mean_of_sequences
        values = [means[column] for column in columns]
        told.append(_line("", "ours", values, width) + f"   {_where(result)}")
        differences = [v - p for v, p in zip(values, paper, strict=True)]
        told.append(_line("", "difference", differences, width, sign="+"))
    return told


def _line(name: str, what: str, values: list[float], width: int, *, sign: str = "") -> str:
    cells = ("-" if math.isnan(value) else f"{value:{sign}.3f}" for value in values)
    return f"{name:<{width}}  {what:<12}" + "".join(f"{cell:>9}" for cell in cells)


def _where(result: Result) -> str:
    target = result.evaluation.judged.target
    return f"{result.path.name}" + (f" ({target})" if target else "")


def _read_tables() -> dict[str, Any]:
    module = "tomllib" if sys.version_info >= (3, 11) else "tomli"
    toml = require(module, extra="export", purpose="reading the paper's tables")
    content: dict[str, Any] = toml.loads(TABLES.read_text(encoding="utf-8"))
    return content
