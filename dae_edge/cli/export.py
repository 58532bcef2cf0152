"""dae-export: a checkpoint becomes a verified bundle for a camera and an engine."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from dae_edge import recipes
from dae_edge.cli import command
from dae_edge.cli.progress import Steps
from dae_edge.default_model import cache_folder
from dae_edge.errors import BudgetError
from dae_edge.extras import require
from dae_edge.student import shipped

if TYPE_CHECKING:
    from dae_edge.export.proving import Wishes

DEFAULT_MODEL = "depthanyevent-r"
STUDENT, SEEDED = "student", "seeded"

EXAMPLES = """\
  dae-export --target ov-fp16
      the student that ships with the package, for a DAVIS346
  dae-export --target ov-fp16 --model depthanyevent --weights finetuned_dsec.pth --sensor dsec
      a checkpoint for OpenVINO and the cameras of DSEC
  dae-export --target onnx-fp32 --sensor 320x240 --out robot.dae
  dae-export --target ov-int8 --judge-on synthetic:val --budget absrel=0.01,delta1=0.01
      int8 layers, proven on sequences with true depth
  dae-export --target trt-fp16 --out robot.dae; on the Jetson: dae-export --finish robot.dae
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    arguments = command.parser(
        "dae-export",
        "Turn weights into a bundle: ONNX with explicit states, the target's own form, and a "
        "verdict. The bundle is written only if the engine gives what the torch model gives, "
        "over a sequence with the state carried along, and loses no more than its budget. Exit 1: "
        "it does not; exit 2: bad input.",
        examples=EXAMPLES,
    )
    targets = "".join(
        f"; {name}: {recipes.load_target(name).about}" for name in recipes.target_names()
    )
    models = ", ".join(recipes.recipe_names())
    sensors = ", ".join(recipes.sensor_names())
    arguments.add_argument("--target", help=f"engine and precision{targets}")
    arguments.add_argument(
        "--finish",
        type=Path,
        metavar="BUNDLE",
        help="on the device: build a bundle's TensorRT engine and compare it with ONNX Runtime",
    )
    arguments.add_argument(
        "--model", help=f"one of {models} (the student's where one ships; {DEFAULT_MODEL})"
    )
    arguments.add_argument(
        "--weights",
        help=f"checkpoint, .pth or .safetensors; {STUDENT!r}: the one that ships with the package; "
        f"{SEEDED!r}: a seeded initialisation, whose depth means nothing. Default: the student "
        "for its own model, seeded for any other",
    )
    arguments.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="the checkpoint's config.json, instead of the one inside or beside it",
    )
    arguments.add_argument(
        "--sensor", default="davis346", help=f"one of {sensors}, or WIDTHxHEIGHT (%(default)s)"
    )
    arguments.add_argument(
        "--out",
        type=Path,
        default=Path(),
        help="the bundle, NAME.dae, or the folder to put it in (here, with a name of its own)",
    )
    _add_proof(arguments)
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the report there too")
    return command.run(_export, arguments, argv)


def _add_proof(arguments: argparse.ArgumentParser) -> None:
    group = arguments.add_argument_group(
        "the proof",
        "what is lost against float32 (AbsRel, delta1, drift over 500 windows) must be within the "
        "target's budget",
    )
    group.add_argument(
        "--budget",
        default="",
        metavar="LIMITS",
        help="other limits: absrel=0.01,delta1=0.01 (largest rise and fall against the truth), "
        "fp32_absrel=, fp32_delta1= (largest distance to float32)",
    )
    group.add_argument(
        "--allow-over-budget",
        action="store_true",
        help="write the bundle all the same, marked as failed; loading it warns",
    )
    where = "sample, a dataset (synthetic:val, dsec) or a recording; can be repeated"
    group.add_argument(
        "--calibrate-on",
        action="append",
        default=[],
        metavar="WHAT",
        help=f"windows for the ranges of INT8: {where} (the first half of the sample)",
    )
    group.add_argument(
        "--judge-on",
        action="append",
        default=[],
        metavar="WHAT",
        help=f"windows for the verdict: {where} (the second half of the sample)",
    )
    group.add_argument("--root", type=Path, metavar="DIR", help="folder of such a dataset")
    group.add_argument(
        "--search-minutes",
        type=float,
        metavar="N",
        help="for finding the layers to restore where INT8 misses; the same command goes on where "
        "one was stopped; 0: none (the target's own)",
    )
    group.add_argument(
        "--keep",
        type=int,
        metavar="N",
        help="keep the N layers in float that lose most in int8, no more and no fewer: another "
        "point of an earlier report's plot of accuracy against time (as few as hold the budget)",
    )
    group.add_argument("--threads", type=int, metavar="N", help="of the engines that are judged")


def _finish(path: Path) -> int:
    """Complete a bundle on the device it was made for."""
    from dae_edge import bundle
    from dae_edge.backends.tensorrt.finish import finish_bundle

    with Steps() as steps:
        report = finish_bundle(bundle.read(path), progress=steps)
    print(report)
    return 0


def _export(options: argparse.Namespace) -> int:
    if options.finish is not None:
        return _finish(options.finish)
    if options.target is None:
        raise ValueError(f"no --target given: {', '.join(recipes.target_names())}")
    model, weights = _weights(options.model, options.weights)
    recipe = recipes.load_recipe(model)
    target = recipes.load_target(options.target)
    sensor = recipes.load_sensor(options.sensor)
    for path in (weights, options.config):
        if path is not None and not path.is_file():
            raise FileNotFoundError(f"no such file: {path}")
    out = options.out
    if out.suffix != ".dae":
        out = out / f"{recipe.name}-{sensor.name}-{target.name}.dae"
    began = perf_counter()
    # torch takes seconds to load: only once everything else is known to be right
    require("torch", extra="export", purpose="exporting")
    from dae_edge.export import export_bundle

    try:
        with Steps() as steps:
            result = export_bundle(
                recipe,
                target,
                sensor,
                out,
                weights=weights,
                config=options.config,
                wishes=_wishes(options),
                progress=steps,
            )
    except BudgetError as error:
        if options.json is not None and error.report is not None:
            _write_json(options.json, error.report)
        raise
    print((result.path / "report.md").read_text(encoding="utf-8"))
    size = sum(file.stat().st_size for file in result.path.iterdir()) / 1e6
    print(f"{result.path}: done in {perf_counter() - began:.1f} s, {size:.1f} MB")
    print(f"next: dae-run RECORDING --model {result.path}")
    if options.json is not None:
        _write_json(options.json, result.report)
    return 0


def _wishes(options: argparse.Namespace) -> Wishes:
    from dae_edge.export.proving import Wishes

    if options.search_minutes is not None and not options.search_minutes >= 0:
        raise ValueError(f"--search-minutes must be 0 or more, got {options.search_minutes}")
    if options.keep is not None and options.keep < 0:
        raise ValueError(f"--keep must be 0 or more, got {options.keep}")
    return Wishes(
        budget=options.budget,
        allow_over=options.allow_over_budget,
        calibrate_on=tuple(options.calibrate_on),
        judge_on=tuple(options.judge_on),
        root=options.root,
        minutes=options.search_minutes,
        keep=options.keep,
        memory=cache_folder() / "search",
        threads=options.threads,
    )


def _write_json(path: Path, report: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _weights(model: str | None, weights: str | None) -> tuple[str, Path | None]:
    """Name of the recipe and path of the weights, None for seeded ones, by what was typed."""
    student = shipped()
    if weights is None:
        own = student is not None and model in (None, student.recipe)
        weights = STUDENT if own else SEEDED
    if weights != STUDENT:
        return model or DEFAULT_MODEL, None if weights == SEEDED else Path(weights)
    if student is None:
        raise ValueError(f"no student ships with this package: give --weights FILE or {SEEDED!r}")
    if model not in (None, student.recipe):
        raise ValueError(f"the student is a {student.recipe}: --model {model} has other weights")
    return student.recipe, student.weights


if __name__ == "__main__":
    sys.exit(main())
