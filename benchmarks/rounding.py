"""``python -m benchmarks.rounding``: what bits and rounding of int8 weights give and take here.

How far depth is from float32's, and the time beside float32's in the same engine. On processors
without VNNI sums of products saturate with 8 bits.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.exports import SENSOR, make, wanted
from benchmarks.pages import paragraph, put
from dae_edge import bundle, recipes
from dae_edge.backends import Engine, load_engine
from dae_edge.bench.record import write_whole
from dae_edge.calibration.budget import Budget, Judge
from dae_edge.calibration.forms import Form
from dae_edge.calibration.latency import side_by_side
from dae_edge.calibration.sequences import WindowSequence
from dae_edge.calibration.sets import SAMPLE, read_set
from dae_edge.cli import command
from dae_edge.cli.progress import Steps
from dae_edge.contract import Contract
from dae_edge.processor import processor
from dae_edge.recipes import Target
from dae_edge.student import shipped

ROOT = Path(__file__).resolve().parent
RESULT, PAGE = ROOT / "results" / "rounding.json", ROOT.parent / "calibrate" / "README.md"
BEGIN, END = "<!-- rounding: begin -->", "<!-- rounding: end -->"
MODELS = "depthanyevent-r-tiny,depthanyevent-r,e2depth"
CALIBRATED, JUDGED = 12, 12
FORMS = {
    "8 bits, nearest": {"weight_bits": 8, "compensate": False},
    "7 bits, nearest": {"weight_bits": 7, "compensate": False},
    "8 bits, compensated": {"weight_bits": 8, "compensate": True},
    "7 bits, compensated": {"weight_bits": 7, "compensate": True},
}
DEFAULT = "7 bits, compensated"
TARGETS = ("onnx-int8", "ov-int8")
PROTOCOL = (
    f"AbsRel to float32: {CALIBRATED} windows of the sample calibrate, {JUDGED} later ones judge; "
    f"sensor {SENSOR}; one thread; time: a window with 7 bits in turns with float32 in the same "
    "engine, its median as a part of that of float32"
)


class Model(NamedTuple):
    """A portable file and what it is tried on."""

    onnx: Path
    contract: Contract
    windows: WindowSequence

    def engine(self, backend: str, path: Path, compute: str) -> Engine:
        """A file of this model."""
        return load_engine(backend, path, self.contract, threads=1, compute=compute)

    def int8(self, target: Target, settings: dict[str, Any], folder: Path) -> Engine:
        """Its int8 form with other settings."""
        folder.mkdir()
        asked = replace(target, int8={**target.int8, **settings})
        calibration = [self.windows.part(0, CALIBRATED)]
        form = Form(asked, self.onnx, self.contract, lambda: calibration)
        return self.engine(target.backend, form.write(folder), "int8")


def prepare(name: str) -> Model:
    """The portable file of a model: the student's weights where they fit, else seeded ones.

    Raises:
        ValueError: it could not be exported.
    """
    student = shipped()
    weights = student.weights if student and student.recipe == name else None
    made = wanted(name, "onnx-fp32", weights)
    failed = make(made)
    if failed:
        raise ValueError(f"{name}: {failed}")
    recipe, sensor = recipes.load_recipe(name), recipes.load_sensor(SENSOR)
    contract = bundle.read(made.path).contract
    windows = read_set(SAMPLE, contract, recipe, sensor, root=None, most=CALIBRATED + JUDGED)[0]
    return Model(made.path / "model.onnx", contract, windows)


def measure(name: str, steps: Steps) -> Iterator[dict[str, Any]]:
    """Its rows: one of each engine."""
    steps(f"{name}: export", None)
    model = prepare(name)
    judged = model.windows.part(CALIBRATED)
    float32 = model.engine("onnxruntime", model.onnx, "float32")
    judge = Judge(float32, [judged], Budget.read(recipes.load_target(TARGETS[0]).budget, name))
    for target in map(recipes.load_target, TARGETS):
        steps(f"{name}: {target.name}", None)
        with tempfile.TemporaryDirectory() as folder:
            engines = {
                form: model.int8(target, settings, Path(folder) / form)
                for form, settings in FORMS.items()
            }
            plain = model.engine(target.backend, model.onnx, "float32")
            yield {
                "model": name,
                "target": target.name,
                "fp32_absrel": {
                    form: judge.accuracy(engine).mean("fp32_absrel")
                    for form, engine in engines.items()
                },
                "latency_ms": side_by_side(
                    {"float32": plain, "int8": engines[DEFAULT]}, judged.images[-1]
                ),
            }


def lines(content: dict[str, Any]) -> list[str]:
    """Markdown."""
    made = [
        paragraph(f"{content['machine']}; {content['when'][:10]}; {content['protocol']}."),
        "",
        f"| model | target | {' | '.join(FORMS)} | time |",
        "| --- | --- |" + " ---: |" * (len(FORMS) + 1),
    ]
    for row in content["rows"]:
        apart, times = row["fp32_absrel"], row["latency_ms"]
        cells = [f"{apart[form]:.4f}" for form in FORMS]
        cells.append(f"{times['int8'] / times['float32']:.2f}")
        made.append(f"| {row['model']} | `{row['target']}` | {' | '.join(cells)} |")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    about = "What bits and rounding of int8 weights give and take here."
    arguments = command.parser("benchmarks.rounding", about)
    add = arguments.add_argument
    add("--models", default=MODELS, help="recipes, as in a,b (%(default)s)")
    add("--json", type=Path, default=RESULT, help="(%(default)s)")
    add("--page", type=Path, default=PAGE, help="rendered there, between its marks (%(default)s)")
    return command.run(_main, arguments, argv)


def _main(options: argparse.Namespace) -> int:
    content: dict[str, Any] = {"machine": processor(), "protocol": PROTOCOL, "rows": []}
    with Steps() as steps:
        for name in options.models.split(","):
            for row in measure(name, steps):
                content["rows"].append(row)
                content["when"] = datetime.now(timezone.utc).isoformat(timespec="seconds")
                write_whole(options.json, json.dumps(content, indent=1) + "\n")
                put(options.page, BEGIN, END, lines(content))
    return 0


if __name__ == "__main__":
    sys.exit(main())
