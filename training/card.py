"""``python -m training.card``: what a student can do, measured on every synthetic split, as a page.

Judges what is given (``student``: the one that ships; or weights) and the constant-depth floor with
``dae-eval``, keeps its JSON, and writes a model card in Markdown with a sheet of the best, median
and worst frames beside it. The same command again goes on.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from dae_edge.cli import eval as dae_eval
from dae_edge.cli.command import parser, run
from dae_edge.evaluation.record import Evaluation, read

SPLITS = {
    "test-indoor": "rooms",
    "test-road": "streets",
    "test-clutter": "flying among things",
    "test-night": "all three in the dark",
    "test-vga": "rooms and streets, another sensor: 640x480",
    "test": "the recording that ships",
}
FLOOR = "constant"
COLOURS = 128
COLUMNS = {"abs_rel": "AbsRel", "rmse": "RMSE", "delta1": "δ1"}

WANTED_RATIO, WANTED_DELTA1 = 0.5, 0.65
"""What a student trained on a CPU is to reach: a part of the constant's AbsRel, and a δ1."""

INTENDED = """\
A small recurrent student for first steps, tests, budgets and benchmarks: it ships with the package
and is what commands use when no model is named. ViT-Ti (width 192, 12 blocks) with half of the
published head and four ConvLSTMs, Tencode windows of 50 ms, 126 x 98 pixels inside whatever the
sensor. Depth is relative: right up to a scale and a shift. Weights: Apache-2.0, in 8 bits."""

MEASURED = """\
`python -m training.card`, that is `dae-eval student --dataset synthetic --split SPLIT` and the same
with `constant`; strict protocol, mean over sequences. Scores are of the shipped weights, after
rounding to 8 bits. All splits are of the world that the student was trained in, other seeds."""

NOT_FOR = """\
- Avoiding obstacles, or anything else that moves: it has never seen a real recording in training,
  and is judged on synthetic ones only.
- Metres: scale and shift are unknown.
- Comparing with the paper: other data, another size, another domain.
- Scenes with few events: standing still, or before bare walls, there is little to go by, and what
  it then gives is mostly the usual layout of a scene: near below, far in the middle.
- A camera that stands still: on real recordings of people walking by, the person was not nearer
  than the room around, and the rest is the usual layout again.
- Fine structure: depth comes from 63 patches of 14 x 14 pixels of a 126 x 98 image."""

EXAMPLES = """\
  python -m training.card --what student --run build/training/depthanyevent-r-tiny
  python -m training.card --what student.safetensors --model depthanyevent-r-tiny --run RUN"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    made = parser(
        "python -m training.card", (__doc__ or "").partition("\n\n")[2], examples=EXAMPLES
    )
    made.add_argument("--what", default="student", help="as of dae-eval (%(default)s)")
    made.add_argument("--model", help="recipe that weights belong to")
    made.add_argument("--run", type=Path, required=True, help="folder of the training run")
    made.add_argument("--commit", default="", help="that the training ran from")
    made.add_argument("--results", type=Path, default=Path("build/card"), help="(%(default)s)")
    made.add_argument(
        "--out", type=Path, default=Path("training/cards/depthanyevent-r-tiny.md"),
        help="the page (%(default)s)",
    )  # fmt: skip
    return run(_card, made, argv)


def _card(options: argparse.Namespace) -> int:
    options.results.mkdir(parents=True, exist_ok=True)
    found = {split: _judged(split, options) for split in SPLITS}
    sheets = {split: _sheet(split, options) for split in ("test-indoor", "test-road", "test-night")}
    summary = json.loads((options.run / "summary.json").read_text(encoding="utf-8"))
    text = page(found, sheets, summary, options.commit)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text, encoding="utf-8")
    print(text)
    return 0


def _judged(split: str, options: argparse.Namespace) -> tuple[Evaluation, Evaluation]:
    """The student's result and the floor's; made if they are not there yet."""
    model = ["--model", options.model] if options.model else []
    pair = []
    for what, name, extra in ((options.what, "student", model), (FLOOR, FLOOR, [])):
        file = options.results / f"{name}-{split}.json"
        if not file.is_file():
            _run([what, *extra, "--dataset", "synthetic", "--split", split, "--json", str(file)])
        pair.append(read(file))
    return pair[0], pair[1]


def _sheet(split: str, options: argparse.Namespace) -> Path:
    """Pictures of the best, median and worst frames of a split, beside the page."""
    sheet: Path = options.out.with_name(f"{options.out.stem}-{split}.png")
    if not sheet.is_file():
        sheet.parent.mkdir(parents=True, exist_ok=True)
        model = ["--model", options.model] if options.model else []
        known = options.results / f"student-{split}.json"
        _run([options.what, *model, "--dataset", "synthetic", "--split", split,
              "--resume", str(known), "--sheet", str(sheet)])  # fmt: skip
        with Image.open(sheet) as image:  # a quarter of the bytes: these pictures are kept in git
            image.convert("RGB").quantize(COLOURS).save(sheet, optimize=True)
    return sheet


def _run(arguments: list[str]) -> None:
    if dae_eval.main(arguments):
        raise ValueError(f"dae-eval {' '.join(arguments)}: failed, see above")


def page(
    found: dict[str, tuple[Evaluation, Evaluation]],
    sheets: dict[str, Path],
    summary: dict[str, Any],
    commit: str,
) -> str:
    """The model card, in Markdown."""
    first = next(iter(found.values()))[0].judged
    lines = [f"# {first.model}", "", INTENDED, "", "## Training", "", *_training(summary, commit)]
    lines += ["", "## Measured", "", MEASURED, "", *_scores(found), "", *_verdict(found), ""]
    lines += ["## Pictures", "", "Best, median and worst frames, by the paper's AbsRel:", ""]
    lines += [f"![{split}]({path.name})" for split, path in sheets.items()]
    return "\n".join([*lines, "", "## Not for", "", NOT_FOR, ""])


def _training(summary: dict[str, Any], commit: str) -> list[str]:
    stages = summary.get("stages", {})
    lines = [
        f"Recipe [`training/{summary['recipe']}.toml`](../{summary['recipe']}.toml)"
        + (f", commit {commit}." if commit else "."),
        "Data: the synthetic world (`dae_edge/world`), training seeds, nothing else.",
        "",
        "| stage | steps | windows seen | minutes | windows/s |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, stage in stages.items():
        lines.append(
            f"| {name} | {stage['steps']:,} | {stage['samples']:,} | {stage['seconds'] / 60:.0f} | "
            f"{stage['samples_per_s']:.0f} |"
        )
    return lines


def _scores(found: dict[str, tuple[Evaluation, Evaluation]]) -> list[str]:
    protocols = ("strict", "paper")
    head = [f"{protocol} {title}" for protocol in protocols for title in COLUMNS.values()]
    lines = [
        "| split | what it is | " + " | ".join(head) + " | constant's strict AbsRel | δ1 |",
        "| --- | --- | " + " | ".join(["---:"] * (len(head) + 2)) + " |",
    ]
    for split, (student, floor) in found.items():
        values = [_mean(student, protocol, key) for protocol in protocols for key in COLUMNS]
        values += [_mean(floor, "strict", key) for key in ("abs_rel", "delta1")]
        cells = ["-" if math.isnan(value) else f"{value:.3f}" for value in values]
        lines.append(f"| `{split}` | {SPLITS[split]} | {' | '.join(cells)} |")
    return lines


def _verdict(found: dict[str, tuple[Evaluation, Evaluation]]) -> list[str]:
    """How far above the floor, in a sentence per split that falls short of half of it."""
    short = []
    for split, (student, floor) in found.items():
        ratio = _mean(student, "strict", "abs_rel") / _mean(floor, "strict", "abs_rel")
        delta = _mean(student, "strict", "delta1")
        if ratio > WANTED_RATIO or delta < WANTED_DELTA1:
            short.append(f"- `{split}`: AbsRel {ratio:.2f} of the constant's, δ1 {delta:.2f}.")
    if not short:
        return ["On every split AbsRel is at most half of the constant's and δ1 at least .65."]
    return [
        "Wanted: at most half of the constant's AbsRel, δ1 at least .65. Short of it:",
        "",
        *short,
    ]


def _mean(evaluation: Evaluation, protocol: str, key: str) -> float:
    return evaluation.reports()[protocol].mean_of_sequences.get(key, math.nan)


if __name__ == "__main__":
    sys.exit(main())
