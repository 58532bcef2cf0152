"""The result of an evaluation as a value and as a versioned JSON file; half-done ones go on.

A file is written whole or not at all. Reading one back checks it, and whether it is of the same
model, dataset and protocols as what is to be added to it.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dae_edge.datasets import Dataset
from dae_edge.errors import FormatError
from dae_edge.evaluation.predictors import Judged
from dae_edge.finite import finite_only
from dae_edge.protocols import PROTOCOLS, Paper, Strict
from dae_edge.tally import Report, Tally

FORMAT = "dae-eval"
VERSION = 1
METRICS = {
    *("abs_rel", "sq_rel_squared", "rmse", "rmse_log", "mae"),
    *("delta1", "delta2", "delta3"),
}
"""What both protocols measure, and every result must have."""


@dataclass(frozen=True)
class SequenceRecord:
    """What there is to say of one sequence beside its scores.

    Attributes:
        frames: Windows judged.
        empty_windows: Of these, windows without events: the depth before was judged again.
        seconds: Wall time.
        abs_rel: AbsRel of each frame by protocol; NaN where a frame has no value.
    """

    frames: int
    empty_windows: int
    seconds: float
    abs_rel: dict[str, list[float]]


@dataclass
class Evaluation:
    """Scores of one predictor over the sequences of one split.

    Attributes:
        judged: What is judged.
        dataset: ``name``, ``split``, ``limit`` (samples of each sequence, None: all) and
            ``expected``: the official sequences with their number of samples, None if unpublished.
        protocols: By name.
        tallies: Of each protocol.
        sequences: Those that were judged to their end.
    """

    judged: Judged
    dataset: dict[str, Any]
    protocols: dict[str, Paper | Strict]
    tallies: dict[str, Tally] = field(default_factory=dict)
    sequences: dict[str, SequenceRecord] = field(default_factory=dict)

    @classmethod
    def begin(
        cls,
        judged: Judged,
        dataset: Dataset,
        protocols: Mapping[str, Paper | Strict],
        *,
        limit: int | None,
    ) -> Evaluation:
        """An evaluation without any sequence yet."""
        where = {"name": dataset.name, "split": dataset.split, "limit": limit}
        return cls(judged, {**where, "expected": dataset.expected}, dict(protocols))

    @property
    def limit(self) -> int | None:
        """Samples of each sequence that count; None: all."""
        limit: int | None = self.dataset["limit"]
        return limit

    @property
    def complete(self) -> bool:
        """Whether all of the split was judged: only then is it the split's number."""
        return self.limit is None and set(self.dataset["expected"]) == set(self.sequences)

    def add(self, name: str, record: SequenceRecord, tallies: Mapping[str, Tally]) -> None:
        """Take in one finished sequence."""
        for protocol, tally in tallies.items():
            self.tallies.setdefault(protocol, Tally(protocol)).merge(tally)
        self.sequences[name] = record

    def reports(self) -> dict[str, Report]:
        """Averages, by protocol."""
        return {name: tally.report() for name, tally in self.tallies.items()}

    def go_on(self, before: Evaluation, where: str) -> None:
        """Take over what an earlier evaluation of the same thing has finished.

        Raises:
            ValueError: it is of another model, dataset or protocol; the text says which.
        """
        mine, theirs = self._identity(), before._identity()
        for key in sorted(set(mine) | set(theirs)):
            if mine.get(key) != theirs.get(key):
                raise ValueError(
                    f"{where}: was made with another {key}: {theirs.get(key)!r}, now "
                    f"{mine.get(key)!r}"
                )
        self.tallies, self.sequences = before.tallies, before.sequences

    def _identity(self) -> dict[str, Any]:
        judged = {name: value for name, value in asdict(self.judged).items() if name != "path"}
        dataset = {f"dataset {name}": self.dataset[name] for name in ("name", "split", "limit")}
        return {**judged, **dataset, "protocol": list(self.protocols.values())}

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; numbers that do not exist are None."""
        values: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "judged": asdict(self.judged),
            "dataset": self.dataset,
            "complete": self.complete,
            "protocols": {name: asdict(protocol) for name, protocol in self.protocols.items()},
            "results": {name: _results(report) for name, report in self.reports().items()},
            "sequences": {name: vars(record) for name, record in self.sequences.items()},
            "tallies": {name: tally.as_dict() for name, tally in self.tallies.items()},
        }
        plain: dict[str, Any] = finite_only(values)
        return plain

    def write(self, path: Path, extra: Mapping[str, Any]) -> None:
        """Write the JSON file, with more entries from ``extra``."""
        text = json.dumps({**self.as_dict(), **finite_only(extra)}, indent=1, allow_nan=False)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            part.write_text(text + "\n", encoding="utf-8")
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


def read(path: Path) -> Evaluation:
    """Read what ``Evaluation.write`` wrote. Averages are made anew from the tallies.

    Raises:
        FileNotFoundError: no such file.
        FormatError: not such a file, of a later version, or damaged.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: not JSON: {error}") from error
    kind = (content.get("format"), content.get("version")) if isinstance(content, dict) else None
    if kind != (FORMAT, VERSION):
        raise FormatError(f"{path}: wanted {FORMAT} version {VERSION}, got {kind}")
    try:
        return _evaluation(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(f"{path}: not a result of dae-eval: {error!r}") from error


def _evaluation(content: dict[str, Any]) -> Evaluation:
    dataset = {name: content["dataset"][name] for name in ("name", "split", "limit", "expected")}
    evaluation = Evaluation(
        Judged(**content["judged"]),
        dataset,
        {name: PROTOCOLS[name](**settings) for name, settings in content["protocols"].items()},
        {name: Tally.from_dict(saved) for name, saved in content["tallies"].items()},
        {name: _record(entry) for name, entry in content["sequences"].items()},
    )
    if not evaluation.protocols:
        raise ValueError("no protocols")
    if any(set(r.abs_rel) != set(evaluation.protocols) for r in evaluation.sequences.values()):
        raise ValueError("abs_rel and protocols are not the same")
    texts = [dataset["name"], dataset["split"], *asdict(evaluation.judged).values()]
    if not all(text is None or isinstance(text, str) for text in texts):
        raise TypeError("names must be texts")
    if not isinstance(dataset["expected"], dict):
        raise TypeError("dataset.expected must be an object")
    if evaluation.sequences and set(evaluation.tallies) != set(evaluation.protocols):
        raise ValueError("tallies and protocols are not the same")
    frames = {name: record.frames for name, record in evaluation.sequences.items()}
    for name, report in evaluation.reports().items():
        if report.frames != frames or report.protocol != name:
            raise ValueError("tallies and sequences are not the same")
        if not set(report.mean_of_sequences) >= METRICS or "pixels" not in report.totals:
            raise ValueError("the tallies lack a metric")
    return evaluation


def _record(entry: dict[str, Any]) -> SequenceRecord:
    ranks = {
        str(name): [math.nan if value is None else float(value) for value in values]
        for name, values in entry["abs_rel"].items()
    }
    frames, empty = entry["frames"], entry["empty_windows"]
    if any(type(count) is not int or count < 0 for count in (frames, empty)):
        raise ValueError("frames and empty_windows must be counts")
    if any(len(values) != frames for values in ranks.values()):
        raise ValueError("abs_rel must have a value for each frame")
    return SequenceRecord(frames, empty, float(entry["seconds"]), ranks)


def _results(report: Report) -> dict[str, Any]:
    return {name: getattr(report, name) for name in Report.__slots__ if name != "protocol"}
