"""``python -m benchmarks.targets``: what each target loses and gains, as JSON and Markdown.

Exports every combination with the ordinary command's code, and judges on the synthetic test splits,
so that each row is a bundle that anyone can make again. What cannot be exported says why. A row is
kept as soon as it is measured; those that are not asked for, and those of other machines, stay.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime, timezone
from itertools import product
from pathlib import Path
from typing import Any

import dae_edge as dae
from benchmarks.exports import SENSOR, place, told, wanted
from benchmarks.pages import put
from benchmarks.targets_page import executed_elsewhere, lines
from dae_edge import recipes
from dae_edge.backends import load_engine
from dae_edge.bench.record import write_whole
from dae_edge.calibration.latency import side_by_side
from dae_edge.calibration.sets import held_out_sample
from dae_edge.cli import command
from dae_edge.cli.progress import Steps
from dae_edge.errors import BudgetError, MissingExtraError
from dae_edge.export import export_bundle
from dae_edge.export.exporting import PORTABLE
from dae_edge.export.proving import Wishes
from dae_edge.processor import processor
from dae_edge.student import shipped

ROOT = Path(__file__).resolve().parent
RESULT, PAGE = ROOT / "results" / "targets.json", ROOT.parent / "calibrate" / "README.md"
BEGIN, END = "<!-- targets: begin -->", "<!-- targets: end -->"
CALIBRATION = "synthetic:train"
SPLITS = ("synthetic:test-indoor", "synthetic:test-road", "synthetic:test-night")


def measure(
    model: str,
    target: str,
    weights: Path | None,
    calibrate_on: Sequence[str],
    judge_on: Sequence[str],
    out: Path,
    steps: Steps,
) -> dict[str, Any]:
    """One row, and its bundle at ``out``; without weights an untrained one."""
    trained = weights is not None
    row: dict[str, Any] = {
        "model": model,
        "target": target,
        "trained": trained,
        "weights": told(weights),
        "weights_about": _about(weights),
        "machine": processor(),
    }
    wishes = Wishes(
        allow_over=True,
        calibrate_on=tuple(calibrate_on) if trained else (),
        judge_on=tuple(judge_on) if trained else (),
        threads=1,
        minutes=0.0,
    )
    asked = recipes.load_target(target)
    try:
        made = export_bundle(
            recipes.load_recipe(model),
            asked,
            recipes.load_sensor(SENSOR),
            out,
            weights=weights,
            wishes=wishes,
            progress=steps,
        )
    except (BudgetError, MissingExtraError, ValueError) as error:
        return {**row, "error": " ".join(str(error).split())}
    report = made.report
    budget = report["budget"] or {}
    manifest = json.loads((out / "manifest.json").read_bytes())
    file = manifest["engine"]["file"]
    sizes = report["bytes"]
    size = sizes[file] + sizes.get("model.bin", 0) if file == "model.xml" else sizes[file]
    return {
        **row,
        "recurrent": bool(manifest["states"]),
        "passed": report["passed"],
        "engine": report["engine"],
        "scores": budget.get("target"),
        "fp32": budget.get("fp32"),
        "drift": budget.get("drift"),
        "checks": budget.get("checks"),
        "bytes": size,
        "latency_ms": report["latency_ms"],
        "kept": len(report["kept"]),
        "weight_bits": report["calibration"].get("weight_bits"),
        "compensate": report["calibration"].get("compensate"),
        "placement": report["placement"],
        "ahead_of_time": report.get("ahead_of_time"),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    arguments = command.parser("benchmarks.targets", "What each target loses and gains.")
    add = arguments.add_argument
    add("--models", default="depthanyevent-r-tiny", help="recipes, as in a,b (%(default)s)")
    add("--targets", default=",".join(recipes.target_names()), help="(all)")
    add(
        "--weights",
        action="append",
        default=[],
        metavar="MODEL=FILE",
        help="trained ones, can be repeated (the student's; other models untrained)",
    )
    add("--calibrate-on", default=CALIBRATION, help="(%(default)s)")
    add("--judge-on", default=",".join(SPLITS), help="(%(default)s)")
    add(
        "--keep",
        action="store_true",
        help="the bundles too, where benchmarks.matrix looks for them",
    )
    add("--time", action="store_true", help="only measure the times of kept bundles again")
    add("--render", action="store_true", help="only write the page again, from the JSON")
    add("--json", type=Path, default=RESULT, help="(%(default)s)")
    add("--page", type=Path, default=PAGE, help="rendered there, between its marks (%(default)s)")
    return command.run(_main, arguments, argv)


def _main(options: argparse.Namespace) -> int:
    if not options.render:
        _again(options) if options.time else _measure(options)
    content = json.loads(options.json.read_text(encoding="utf-8"))
    put(options.page, BEGIN, END, lines(content, recipes.recipe_names(), recipes.target_names()))
    return 0


def _measure(options: argparse.Namespace) -> None:
    words = options.calibrate_on.split(","), options.judge_on.split(",")
    trained = _trained(options.weights)
    with Steps() as steps:
        for model, target in _asked(options):
            weights = trained.get(model)
            with tempfile.TemporaryDirectory() as folder:
                kept = wanted(model, target, weights).path
                out = kept if options.keep else Path(folder) / "it.dae"
                _keep(options, measure(model, target, weights, *words, out, steps))


def _again(options: argparse.Namespace) -> None:
    asked = set(_asked(options))
    for row in json.loads(options.json.read_text(encoding="utf-8"))["rows"]:
        if (row["model"], row["target"]) in asked:
            print(f"{row['model']} {row['target']}: {time_again(row)}", flush=True)
            _keep(options, row)


def _asked(options: argparse.Namespace) -> list[tuple[str, str]]:
    return list(product(options.models.split(","), options.targets.split(",")))


def _trained(given: Sequence[str]) -> dict[str, Path]:
    """Weights by model; the student's are always among them."""
    student = shipped()
    known = {student.recipe: student.weights} if student else {}
    for text in given:
        model, _, file = text.partition("=")
        if not Path(file).is_file():
            raise ValueError(f"--weights: got {text!r}, wanted MODEL=FILE of a file that exists")
        known[recipes.load_recipe(model).name] = Path(file)  # or the nearest name
    return known


def _about(weights: Path | None) -> str:
    """What is said of them beside a table."""
    student = shipped()
    if weights is None or (student and weights == student.weights):
        return ""
    return f"trained: `{weights.parent.name}/{weights.name}`, sha256 {told(weights)}.."


def time_again(row: dict[str, Any]) -> str:
    """Its time only, from the bundle that ``--keep`` left: exports do not need a quiet machine.

    Returns what it is now, or why it stays as it was.
    """
    if "error" in row or executed_elsewhere(row):
        return "has no time here"
    if row["machine"] != processor():
        return f"not timed again: it is of {row['machine']}"
    path = place(row["model"], row["target"], row["weights"])
    if not path.is_dir():
        return f"not timed again: no {path.name}, see --keep"
    model = dae.load(path, threads=1)
    recipe, sensor = recipes.load_recipe(row["model"]), recipes.load_sensor(SENSOR)
    image = held_out_sample(model.contract, recipe, sensor)[0].images[-1]
    engines = {"target": model.engine}
    if row["target"] != PORTABLE:
        file = path / "model.onnx"
        engines["float32"] = load_engine("onnxruntime", file, model.contract, threads=1)
    row["latency_ms"] = side_by_side(engines, image)
    return ", ".join(f"{name} {ms:.1f} ms" for name, ms in row["latency_ms"].items())


def _key(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["model"], row["target"], row["machine"]


def _keep(options: argparse.Namespace, row: dict[str, Any]) -> None:
    """Write the JSON with one row new; those of earlier runs stay."""
    content: dict[str, Any] = {}
    if options.json.is_file():
        content = json.loads(options.json.read_text(encoding="utf-8"))
    rows = {_key(one): one for one in [*content.get("rows", []), row]}
    order = list(product(recipes.recipe_names(), recipes.target_names()))
    content |= {
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "calibrated_on": options.calibrate_on,
        "judged_on": options.judge_on,
        "protocol": "strict; sensor davis346; one thread; states carried; ms: one window, in turns "
        "with float32 in ONNX Runtime, median of 25 after 5 (fewer, at least 5, where 30 take more "
        "than 20 s)",
        "rows": [one for pair in order for key, one in rows.items() if key[:2] == pair],
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    write_whole(options.json, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
