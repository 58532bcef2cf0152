"""``python -m training.regimes``: three networks, three ways of training, one table.

See training/regimes/README.md for what is compared. Each part is a training run and a judgement of
its own and is kept; the same command again goes on. What is measured is read back from the files of
``dae-eval``, and the table says what is not measured.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dae_edge.cli import eval as dae_eval
from dae_edge.cli.command import parser, run
from dae_edge.datasets import open_dataset
from dae_edge.evaluation.judging import evaluate
from dae_edge.evaluation.record import Evaluation, read
from dae_edge.protocols import PROTOCOLS
from training import __main__ as training
from training.curve import write_losses
from training.frame_predictor import FramePredictor
from training.recipe import load_recipe

RECIPES = Path(__file__).resolve().parent / "regimes"
NETWORKS = {
    "depthanyevent": "DepthAnyEvent (ViT-Ti)",
    "depthanyevent-r": "DepthAnyEvent-R (ViT-Ti)",
    "e2depth": "E2Depth",
}
REGIMES = ("zero-shot", "distilled", "supervised")
SPLIT = "test-other-night"
TEACHER = "teacher.json"
CURVES = "results/regimes.png"
COLUMNS = {"abs_rel": "AbsRel", "rmse": "RMSE", "delta1": "δ1"}

EXAMPLES = """\
  python -m training.regimes --out build/regimes --threads 1
  python -m training.regimes --only teacher,e2depth
  python -m training.regimes --table      only write the table of what is there"""


class Cell(NamedTuple):
    """What one row of the table says: the scores by protocol, and the training behind it."""

    network: str
    regime: str
    result: Evaluation | None
    samples: int
    minutes: float


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    made = parser(
        "python -m training.regimes", (__doc__ or "").partition("\n\n")[2], examples=EXAMPLES
    )
    made.add_argument("--out", type=Path, default=Path("build/regimes"), help="(%(default)s)")
    made.add_argument(
        "--only", help=f"of teacher, {', '.join(NETWORKS)}; with commas (default: all)"
    )
    made.add_argument("--threads", type=int, default=1, help="for training (%(default)s)")
    made.add_argument("--table", action="store_true", help="train nothing")
    made.add_argument(
        "--write", type=Path, default=Path("benchmarks/REGIMES.md"), help="the table (%(default)s)"
    )
    return run(_regimes, made, argv)


def _regimes(options: argparse.Namespace) -> int:
    names = ["teacher", *NETWORKS] if options.only is None else options.only.split(",")
    for name in names:
        if name not in ("teacher", *NETWORKS):
            raise ValueError(f"--only: no {name!r}, only teacher, {', '.join(NETWORKS)}")
    options.out.mkdir(parents=True, exist_ok=True)
    if not options.table:
        _judge("constant", [], options.out / "constant.json")
        for name in names:
            code = _train(name, options)
            if code:
                return code
        _judge_teacher(options.out)
    cells = [_cell(options.out, name, regime) for name in NETWORKS for regime in REGIMES]
    floor = options.out / "constant.json"
    above = options.out / TEACHER
    text = table(cells, *(read(file) if file.is_file() else None for file in (floor, above)))
    options.write.write_text(text, encoding="utf-8")
    runs = {name: options.out / name for name in NETWORKS}
    options.write.parent.joinpath("results").mkdir(exist_ok=True)
    write_losses(options.write.parent / CURVES, runs, REGIMES)
    print(text)
    return 0


def _train(name: str, options: argparse.Namespace) -> int:
    """Train a network in all ways and judge it, or train the teacher; an exit code."""
    out, recipe = options.out / name, str(RECIPES / f"{name}.toml")
    threads = ["--threads", str(options.threads)]
    taught = f"teacher={options.out / 'teacher' / 'teacher.safetensors'}"
    told = [] if name == "teacher" else ["--set", f"distilled.synthetic.{taught}"]
    code = training.main(["--recipe", recipe, "--out", str(out), *threads, *told])
    if code or name == "teacher":
        return code
    model = load_recipe(recipe).model
    for regime in REGIMES:
        weights = next(out.glob(f"{regime}.*"), None)
        if weights is None:
            return 0  # broken off, and said so
        _judge(str(weights), ["--model", model, *threads], out / f"{regime}.json")
    return 0


def _judge_teacher(out: Path) -> None:
    """On the frames that belong to the windows on which the others are judged."""
    weights, file = out / "teacher" / "teacher.safetensors", out / TEACHER
    if file.is_file() or not weights.is_file():
        return
    dataset = open_dataset("synthetic", None, split=SPLIT)
    predictor = FramePredictor(weights, SPLIT)
    protocols = {name: make(align=True) for name, make in PROTOCOLS.items()}
    result = Evaluation.begin(predictor.judged, dataset, protocols, limit=None)
    evaluate(predictor, dataset.sequences(), result)
    result.write(file, {})


def _judge(what: str, options: list[str], file: Path) -> None:
    if not file.is_file():
        arguments = [
            what,
            *options,
            "--dataset",
            "synthetic",
            "--split",
            SPLIT,
            "--json",
            str(file),
        ]
        if dae_eval.main(arguments):
            raise ValueError(f"{what}: could not be judged, see above")


def _cell(out: Path, network: str, regime: str) -> Cell:
    file = out / network / f"{regime}.json"
    samples, seconds = _trained(out / network / "log.csv", regime)
    return Cell(network, regime, read(file) if file.is_file() else None, samples, seconds / 60)


def _trained(log: Path, stage: str) -> tuple[int, float]:
    """Windows seen, and seconds spent, in a stage."""
    if not log.is_file():
        return 0, math.nan
    with log.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["stage"] == stage]
    settings = load_recipe(str(RECIPES / f"{log.parent.name}.toml"))
    [one] = [one for one in settings.stages if one.name == stage]
    return len(rows) * one.batch * one.clip, float(rows[-1]["seconds"]) if rows else math.nan


def table(cells: Sequence[Cell], floor: Evaluation | None, teacher: Evaluation | None) -> str:
    """The page, in Markdown."""
    columns = [f"{p} {c}" for p in ("paper", "strict") for c in COLUMNS.values()]
    lines = [
        "# Three ways of training, compared",
        "",
        f"Synthetic split `{SPLIT}`: the dark, and a sensor that the zero-shot rows never",
        "saw. After scale-and-shift alignment of each frame. Made by `python -m training.regimes`;",
        "[training/regimes](../training/regimes/README.md) says what is compared.",
        "",
        "| network | training | " + " | ".join(columns) + " | windows seen | minutes |",
        "| --- | --- | " + " | ".join(["---:"] * (len(columns) + 2)) + " |",
        _row("constant depth", "none", floor, "0", "0"),
        _row("image teacher, on frames", "supervised, all scenes", teacher, "-", "-"),
    ]
    for cell in cells:
        minutes = "-" if math.isnan(cell.minutes) else f"{cell.minutes:.1f}"
        lines.append(
            _row(NETWORKS[cell.network], cell.regime, cell.result, f"{cell.samples:,}", minutes)
        )
    lines += [
        "",
        "Windows and minutes are those of the row's own stage; distilled and supervised start from",
        "the zero-shot weights. The paper's protocol leaves out pixels whose prediction it clips,",
        "and frames in which none is left, so a constant has no score there.",
        "",
        f"![losses]({CURVES})",
        "",
    ]
    return "\n".join(lines)


def _row(name: str, regime: str, result: Evaluation | None, samples: str, minutes: str) -> str:
    values = ["not measured"] * (2 * len(COLUMNS))
    if result is not None:
        reports = result.reports()
        values = [
            _number(reports[protocol].mean_of_sequences.get(column, math.nan))
            for protocol in ("paper", "strict")
            for column in COLUMNS
        ]
    return f"| {name} | {regime} | {' | '.join(values)} | {samples} | {minutes} |"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


if __name__ == "__main__":
    sys.exit(main())
