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
from dae_edge.protocols import Paper, Strict
from dae_edge.tally import Report, Tally

FORMAT = "dae-eval"
VERSION = 1


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
        judged: ``Judged`` as plain values.
        dataset: ``name``, ``split``, ``limit`` (samples of each sequence, None: all) and
            ``expected``: the official sequences with their number of samples, None if unpublished.
        protocols: Settings of each protocol, by name.
        tallies: Of each protocol.
        sequences: Those that were judged to their end.
    """

    judged: dict[str, Any]
    dataset: dict[str, Any]
    protocols: dict[str, dict[str, Any]]
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
        return cls(
            asdict(judged),
            {
                "name": dataset.name,
                "split": dataset.split,
                "limit": limit,
                "expected": dataset.expected,
            },
            {name: asdict(protocol) for name, protocol in protocols.items()},
        )

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
        judged = {name: value for name, value in self.judged.items() if name != "path"}
        dataset = {f"dataset {name}": self.dataset[name] for name in ("name", "split", "limit")}
        return judged | dataset | {"protocols": self.protocols}

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; numbers that do not exist are None."""
        values: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "judged": self.judged,
            "dataset": self.dataset,
            "complete": self.complete,
            "protocols": self.protocols,
            "results": {name: _results(report) for name, report in self.reports().items()},
            "sequences": {name: vars(record) for name, record in self.sequences.items()},
            "tallies": {name: tally.as_dict() for name, tally in self.tallies.items()},
        }
        plain: dict[str, Any] = _without_nan(values)
        return plain

    def write(self, path: Path, extra: Mapping[str, Any]) -> None:
        """Write the JSON file, with more entries from ``extra``."""
        text = json.dumps({**self.as_dict(), **_without_nan(extra)}, indent=1, allow_nan=False)
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
        _dict(content["judged"]),
        dataset,
        {str(name): _dict(settings) for name, settings in content["protocols"].items()},
        {str(name): Tally.from_dict(saved) for name, saved in content["tallies"].items()},
        {str(name): _record(entry) for name, entry in content["sequences"].items()},
    )
    for name in ("kind", "model", "engine", "unit"):
        if not isinstance(evaluation.judged[name], str):
            raise ValueError(f"judged.{name} is no text")
    _dict(dataset["expected"])
    if evaluation.tallies and set(evaluation.tallies) != set(evaluation.protocols):
        raise ValueError("tallies and protocols are not the same")
    for tally in evaluation.tallies.values():
        frames = tally.report().frames
        if frames != {name: record.frames for name, record in evaluation.sequences.items()}:
            raise ValueError("tallies and sequences are not the same")
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


def _dict(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is no object")
    return value


def _results(report: Report) -> dict[str, Any]:
    return {name: getattr(report, name) for name in Report.__slots__ if name != "protocol"}


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value
