"""``python -m benchmarks.targets``: what each target loses and gains, as JSON and Markdown.

Exports every combination with the ordinary command's code, and judges on the synthetic test splits,
so that each row is a bundle that anyone can make again. What cannot be exported says why. A row is
kept as soon as it is measured; rows of this machine that are not asked for stay as they are.
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
from benchmarks.exports import SENSOR, wanted
from dae_edge import recipes
from dae_edge.backends import load_engine
from dae_edge.calibration.latency import side_by_side
from dae_edge.calibration.sets import held_out_sample
from dae_edge.cli import command
from dae_edge.cli.progress import Steps
from dae_edge.errors import BudgetError, MissingExtraError
from dae_edge.export import export_bundle
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
    calibrate_on: Sequence[str],
    judge_on: Sequence[str],
    out: Path,
    steps: Steps,
) -> dict[str, Any]:
    """One row, and its bundle at ``out``."""
    student = shipped()
    trained = student is not None and student.recipe == model
    row: dict[str, Any] = {"model": model, "target": target, "trained": trained}
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
            weights=student.weights if trained and student else None,
            wishes=wishes,
            progress=steps,
        )
    except (BudgetError, MissingExtraError, ValueError) as error:
        return {**row, "error": " ".join(str(error).split())}
    report = made.report
    budget = report["budget"] or {}
    file = json.loads((out / "manifest.json").read_bytes())["engine"]["file"]
    sizes = report["bytes"]
    size = sizes[file] + sizes.get("model.bin", 0) if file == "model.xml" else sizes[file]
    return {
        **row,
        "passed": report["passed"],
        "engine": report["engine"],
        "scores": budget.get("target"),
        "fp32": budget.get("fp32"),
        "drift": budget.get("drift"),
        "checks": budget.get("checks"),
        "bytes": size,
        "latency_ms": report["latency_ms"],
        "kept": len(report["kept"]),
        "placement": report["placement"],
        "ahead_of_time": report.get("ahead_of_time"),
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown."""
    lines = [
        "| model | target | AbsRel | Δ AbsRel | δ1 | Δ δ1 | AbsRel to float32, window 500 | "
        "size, MB | time, ms | float32 = 1 | kept | budget |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    float32 = {row["model"]: row["fp32"] for row in rows if row.get("fp32")}
    for row in rows:
        name = f"| {row['model']}{'' if row['trained'] else ' (untrained)'} | `{row['target']}` | "
        if "error" in row:
            lines.append(name + f"not exported: {row['error']} |" + " |" * 9)
            continue
        lines.append(name + " | ".join(_cells(row, float32.get(row["model"], []))) + " |")
    return "\n".join(lines)


def _cells(row: dict[str, Any], before: list[dict[str, Any]]) -> list[str]:
    """Of a row; ``before``: scores of float32, which are those of a target without a budget."""
    none = "not measured"
    after = row["scores"] or before
    absrel, delta1 = _mean(after, "absrel"), _mean(after, "delta1")
    rise = None if absrel is None else absrel - (_mean(before, "absrel") or 0.0)
    fall = None if delta1 is None else delta1 - (_mean(before, "delta1") or 0.0)
    drift = row["drift"][-1]["fp32_absrel"] if row["drift"] else None
    latency = {} if _on_device(row) else row["latency_ms"]
    ratio = latency["target"] / latency["float32"] if latency else None
    return [
        none if not row["trained"] or absrel is None else f"{absrel:.4f}",
        none if not row["trained"] or rise is None else f"{rise:+.4f}",
        none if not row["trained"] or delta1 is None else f"{delta1:.4f}",
        none if not row["trained"] or fall is None else f"{fall:+.4f}",
        none if drift is None else f"{drift:.4f}",
        f"{row['bytes'] / 1e6:.1f}",
        f"{latency['target']:.1f}" if latency else none,
        none if ratio is None else f"{ratio:.2f}",
        str(row["kept"]),
        _verdict(row),
    ]


def _on_device(row: dict[str, Any]) -> bool:
    """Whether its engine is built there, so that its file was judged in another here."""
    return row["engine"].startswith("onnxruntime") and row["target"][:3] in ("trt", "rtx")


def _verdict(row: dict[str, Any]) -> str:
    over = [check for check in row["checks"] or [] if not check["passed"]]
    if not row["checks"]:
        return "none: float32"
    names = ", ".join(f"{one['name']} {one['value']:+.3f} ({one['where']})" for one in over)
    return f"over: {names}" if over else "held"


def _mean(scores: Sequence[dict[str, Any]], name: str) -> float | None:
    known = [one[name] for one in scores if one[name] is not None]
    return sum(known) / len(known) if known else None


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    arguments = command.parser("benchmarks.targets", "What each target loses and gains.")
    add = arguments.add_argument
    add("--models", default="depthanyevent-r-tiny", help="recipes, as in a,b (%(default)s)")
    add("--targets", default=",".join(recipes.target_names()), help="(all)")
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
    if options.render:
        render(options.page, json.loads(options.json.read_text(encoding="utf-8")))
        return 0
    models, targets = options.models.split(","), options.targets.split(",")
    if options.time:
        content = json.loads(options.json.read_text(encoding="utf-8"))
        for row in content["rows"]:
            if row["model"] in models and row["target"] in targets:
                print(f"{row['model']} {row['target']}: {time_again(row)}", flush=True)
                content = _kept(options, row)
        render(options.page, content)
        return 0
    words = options.calibrate_on.split(","), options.judge_on.split(",")
    with Steps() as steps:
        for model in models:
            for target in targets:
                with tempfile.TemporaryDirectory() as folder:
                    out = _kept_at(model, target) if options.keep else Path(folder) / "it.dae"
                    row = measure(model, target, *words, out, steps)
                content = _kept(options, row)
    render(options.page, content)
    print(table(content["rows"]))
    return 0


def time_again(row: dict[str, Any]) -> str:
    """Its time only, from the bundle that ``--keep`` left: exports do not need a quiet machine.

    Returns what it is now, or why it stays as it was.
    """
    path = _kept_at(row["model"], row["target"])
    if not row.get("latency_ms") or _on_device(row):
        return "has no time here"
    if not path.is_dir():
        return f"not timed again: no {path.name}, see --keep"
    model = dae.load(path, threads=1)
    float32 = load_engine("onnxruntime", path / "model.onnx", model.contract, threads=1)
    recipe, sensor = recipes.load_recipe(row["model"]), recipes.load_sensor(SENSOR)
    windows = held_out_sample(model.contract, recipe, sensor)[0]
    engines = {"target": model.engine, "float32": float32}
    row["latency_ms"] = side_by_side(engines, windows.images[-1])
    return f"{row['latency_ms']['target']:.1f} ms, float32 {row['latency_ms']['float32']:.1f} ms"


def _kept_at(model: str, target: str) -> Path:
    student = shipped()
    weights = student.weights if student and student.recipe == model else None
    return wanted(model, target, weights).path


def _kept(options: argparse.Namespace, row: dict[str, Any]) -> dict[str, Any]:
    """The file's content with one row new; those of earlier runs stay."""
    content: dict[str, Any] = {}
    if options.json.is_file():
        content = json.loads(options.json.read_text(encoding="utf-8"))
    before = content["rows"] if content.get("machine") == processor() else []
    rows = {(one["model"], one["target"]): one for one in [*before, row]}
    models, targets = recipes.recipe_names(), recipes.target_names()
    content |= {
        "machine": processor(),
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "calibrated_on": options.calibrate_on,
        "judged_on": options.judge_on,
        "protocol": "strict; sensor davis346; one thread; states carried; one window side by side "
        "with float32 in ONNX Runtime, median of 25 after 5",
        "rows": [rows[key] for key in product(models, targets) if key in rows],
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    beside = options.json.with_suffix(".part")
    beside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    beside.replace(options.json)
    return content


def render(page: Path, content: dict[str, Any]) -> None:
    """Put the table between its marks."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"{page}: no {BEGIN} .. {END} in it")
    words = f"{content['machine']}, {content['when'][:10]}; {content['protocol']}. Judged on "
    words += f"{content['judged_on']}; int8 calibrated on {content['calibrated_on']}."
    new = f"{before}{BEGIN}\n{words}\n\n{table(content['rows'])}\n{END}{after}"
    page.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
