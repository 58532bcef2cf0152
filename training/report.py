"""What a run says while it goes: a bar on a terminal, a line now and then elsewhere; a summary."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

from dae_edge.closing import Closing
from training.checkpoints import Run
from training.recipe import Recipe, Stage
from training.step import Outcome
from training.validation import Verdict

LINE_EVERY_S = 60.0
SMOOTH = 0.05
"""Weight of the newest step in the loss and speed that are shown."""


class Report(Closing):
    """Progress of one stage, on stderr.

    Args:
        stage: What is trained.
        run: As far as it is.
        quiet: Say nothing: another process does.
    """

    def __init__(self, stage: Stage, run: Run, *, quiet: bool) -> None:
        self._stage, self._run, self._quiet = stage, run, quiet
        self._loss = self._speed = math.nan
        self._said = time.monotonic()
        self._bar: Any = None
        if not quiet and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(
                desc=stage.name, initial=run.step, total=stage.steps, unit="step", leave=False
            )

    def step(self, outcome: Outcome, speed: float) -> None:
        """A step was done."""
        if not outcome.skipped:
            self._loss = _smooth(self._loss, outcome.loss)
        self._speed = _smooth(self._speed, speed)
        if self._bar is not None:
            skipped = f", {self._run.skipped} skipped" if self._run.skipped else ""
            self._bar.set_postfix_str(f"loss {self._loss:.4g}{skipped}", refresh=False)
            self._bar.update(1)
        elif time.monotonic() - self._said > LINE_EVERY_S:
            self._say(f"loss {self._loss:.4g}, {self._speed:.3g} samples/s, {self._left()} left")

    def validation(self, verdict: Verdict) -> None:
        """Weights were judged."""
        for name, scores in verdict.sequences.items():
            self._say(
                f"{name}: AbsRel {scores['strict_abs_rel']:.3f} (paper's protocol "
                f"{scores['paper_abs_rel']:.3f}), delta1 {scores['strict_delta1']:.3f}"
            )

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _left(self) -> str:
        steps = self._stage.steps - self._run.step
        return duration(steps * self._stage.batch * self._stage.clip / max(self._speed, 1e-9))

    def _say(self, text: str) -> None:
        if self._quiet:
            return
        self._said = time.monotonic()
        line = f"{self._stage.name} {self._run.step}/{self._stage.steps}: {text}"
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)


def summarise(out: Path, recipe: Recipe, stage: Stage, run: Run, weights: Path) -> str:
    """Write a finished stage into summary.json, and put it into words."""
    path = out / "summary.json"
    samples = run.step * stage.batch * stage.clip
    entry = {
        "steps": run.step,
        "samples": samples,
        "seconds": round(run.seconds, 1),
        "samples_per_s": round(samples / max(run.seconds, 1e-9), 2),
        "skipped_steps": run.skipped,
        "last_loss": run.losses[-1] if run.losses else None,
        "validation": _known(run.last),
        "best_validation": _known(run.best),
        "best_step": run.best_step,
        "weights": str(weights),
    }
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    stages = {**before.get("stages", {}), stage.name: entry}
    content = {"recipe": recipe.name, "model": recipe.model, "stages": stages}
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    os.replace(part, path)
    best = f", best {run.best:.3f} after step {run.best_step}" if run.best_step else ""
    score = f"AbsRel {run.last:.3f}{best}; " if math.isfinite(run.last) else ""
    return (
        f"{stage.name}: {run.step} steps, {samples} samples in {duration(run.seconds)} "
        f"({entry['samples_per_s']} samples/s)\n{score}weights in {weights}"
    )


def duration(seconds: float) -> str:
    """For people.

    >>> duration(42.4), duration(3700), duration(100000)
    ('42 s', '1 h 02 min', '27 h 47 min')
    """
    if not math.isfinite(seconds):
        return "?"
    minutes = int(seconds) // 60
    if minutes == 0:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"


def _smooth(old: float, new: float) -> float:
    return new if math.isnan(old) else old + SMOOTH * (new - old)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
