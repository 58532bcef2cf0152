"""What a run leaves for people: log.csv, validation.csv, pictures, curve.png.

The tables are written row by row. When a run goes on from a checkpoint, rows of steps that will be
done again are taken out first, so a table never tells of a step twice.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any, TextIO

from dae_edge.closing import Closing
from training.validation import KEPT, Verdict

STEPS = ("stage", "step", "loss", "lr", "grad_norm", "skipped", "samples_per_s", "seconds")
VALIDATIONS = (
    *("stage", "step", "sequence", "frames"),
    *(f"{protocol}_{key}" for protocol in ("strict", "paper") for key in KEPT),
)


class Table(Closing):
    """A CSV file that grows, each row at once on disk.

    Args:
        path: The file; made if it is not there.
        columns: First row.
        stage: Rows of this stage ..
        done: .. and of later steps than this are taken out.
    """

    def __init__(self, path: Path, columns: tuple[str, ...], *, stage: str, done: int) -> None:
        rows = [row for row in read(path) if row["stage"] != stage or int(row["step"]) <= done]
        part = path.with_name(f".{path.name}.part")
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
        os.replace(part, path)
        self._file: TextIO = path.open("a", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)
        self._columns = columns

    def add(self, **values: Any) -> None:
        """One row; floats are written so that they read back exactly."""
        self._writer.writerow([values[column] for column in self._columns])
        self._file.flush()

    def close(self) -> None:
        """Release the file."""
        self._file.close()


class Logbook(Closing):
    """The tables of one stage.

    Args:
        out: Folder of the run.
        stage: Name.
        done: Steps that the checkpoint has done.
    """

    def __init__(self, out: Path, stage: str, *, done: int) -> None:
        self._stage = stage
        self._steps = Table(out / "log.csv", STEPS, stage=stage, done=done)
        self._validations = Table(out / "validation.csv", VALIDATIONS, stage=stage, done=done)

    def step(self, step: int, **values: Any) -> None:
        """A step was done."""
        self._steps.add(stage=self._stage, step=step, **values)

    def validation(self, step: int, verdict: Verdict) -> None:
        """Weights were judged."""
        for name, scores in verdict.sequences.items():
            whole = {**scores, "frames": int(scores["frames"])}
            self._validations.add(stage=self._stage, step=step, sequence=name, **whole)

    def close(self) -> None:
        """Release the files."""
        self._steps.close()
        self._validations.close()


def read(path: Path) -> list[dict[str, str]]:
    """The whole rows of a table; a row that was cut off at the end is left out."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["step"] and None not in row.values()]
