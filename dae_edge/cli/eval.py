"""dae-eval: how good is the depth of a bundle, of weights, of nothing at all, on a dataset?"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dae_edge import datasets
from dae_edge.cli import command
from dae_edge.cli.info import machine
from dae_edge.cli.progress import Progress, Steps
from dae_edge.evaluation import Evaluation, Predictor, evaluate, open_predictor
from dae_edge.evaluation import frames as sheet_frames
from dae_edge.evaluation.opening import (
    CONSTANT,
    DEFAULT_RECIPE,
    STUDENT,
    TRAININGS,
    UNTRAINED,
    shipped_student,
)
from dae_edge.evaluation.paper import paper_lines, read_results
from dae_edge.evaluation.record import read
from dae_edge.evaluation.sheet import check_sheet, write_sheet
from dae_edge.evaluation.text import lines
from dae_edge.hints import closest
from dae_edge.protocols import PROTOCOLS, Paper, Strict
from dae_edge.student import shipped

EXAMPLES = """\
  dae-eval student --dataset synthetic
      the model that ships with the package, on the recording that does
  dae-eval untrained --model depthanyevent-r-tiny --dataset synthetic
      needs no data and no weights
  dae-eval student.dae --dataset dsec --root /data/DSEC --json student.json --sheet student.html
  dae-eval finetuned_dsec.pth --model depthanyevent --dataset dsec --root /data/DSEC
  dae-eval constant --dataset mvsec --root /data/MVSEC --protocol strict
      the floor: the same depth everywhere
  dae-eval --dataset m3ed --root /data/M3ED --check
  dae-eval --table paper --results results
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    arguments = command.parser(
        "dae-eval",
        "Judge depth on a dataset, by the protocol of the paper's tables and by a strict one. "
        "With --json each finished sequence is kept at once; Ctrl-C loses only the one that is "
        "being judged, and --resume goes on.",
        examples=EXAMPLES,
    )
    arguments.add_argument(
        "what",
        nargs="?",
        help=f"a bundle, weights (.pth, .safetensors), {STUDENT!r}: the one that ships with the "
        f"package (which is the default), {CONSTANT!r}: the same depth everywhere, or "
        f"{UNTRAINED!r}: a model with the seeded initialisation",
    )
    _add_dataset(arguments)
    _add_judging(arguments)
    _add_results(arguments)
    arguments.set_defaults(command_line=list(sys.argv[1:] if argv is None else argv))
    return command.run(_eval, arguments, argv)


def _add_dataset(arguments: argparse.ArgumentParser) -> None:
    group = arguments.add_argument_group("data")
    group.add_argument("--dataset", metavar="NAME", help=", ".join(datasets.DATASETS))
    group.add_argument("--root", type=Path, help="its folder (synthetic: comes with the package)")
    group.add_argument("--split", help="default: what models are judged on")
    group.add_argument("--sequences", metavar="A,B", help="only these of the split")
    group.add_argument(
        "--limit", type=int, metavar="N", help="only the first N samples of each sequence"
    )
    group.add_argument("--check", action="store_true", help="only say what is missing of it")


def _add_judging(arguments: argparse.ArgumentParser) -> None:
    group = arguments.add_argument_group("judging")
    group.add_argument(
        "--protocol",
        default="both",
        metavar="NAME",
        help="paper: comparable to its tables; strict: nothing forgiven; both (%(default)s)",
    )
    group.add_argument(
        "--no-align",
        action="store_true",
        help="judge metres as metres: fit no scale and shift to each frame",
    )
    group.add_argument(
        "--model", metavar="RECIPE", help=f"that the weights belong to ({DEFAULT_RECIPE})"
    )
    group.add_argument(
        "--config", type=Path, metavar="FILE", help="of the weights, instead of config.json there"
    )
    group.add_argument(
        "--training",
        choices=list(TRAININGS),
        help="for the tables (default: by the released file's name)",
    )
    group.add_argument(
        "--backend", help="for bundles: onnxruntime, openvino, openvino-stateful (the bundle's)"
    )
    group.add_argument("--threads", type=int, help="for inference (default: the engine's choice)")


def _add_results(arguments: argparse.ArgumentParser) -> None:
    group = arguments.add_argument_group("results")
    group.add_argument("--json", type=Path, metavar="FILE", help="write everything there")
    group.add_argument(
        "--resume", type=Path, metavar="FILE", help="a --json file to go on with, where it ended"
    )
    group.add_argument(
        "--sheet",
        type=Path,
        metavar="FILE",
        help=".html or .png: best, median and worst frames; predicts their sequences once more",
    )
    group.add_argument("--table", metavar="paper", help="print the paper's tables beside --results")
    group.add_argument(
        "--results", type=Path, default=Path(), metavar="DIR", help="of --json files (here)"
    )


def _eval(options: argparse.Namespace) -> int:
    if options.table is not None:
        return _table(options)
    if options.dataset is None:
        raise ValueError(f"no --dataset given: {', '.join(datasets.DATASETS)}")
    dataset = datasets.open_dataset(options.dataset, options.root, split=options.split)
    if options.check:
        return _check(dataset)
    if options.what is None:
        options.what = STUDENT if shipped() else None
    if options.what is None:
        raise ValueError(f"nothing to judge: a bundle, weights, {CONSTANT!r} or {UNTRAINED!r}")
    protocols = _protocols(options)
    sequences = _selected(dataset, options.sequences)
    before = read(options.resume) if options.resume else None
    _check_outputs(options)
    if options.what == STUDENT:
        _name_student(sequences[0], options)
    predictor = open_predictor(
        options.what,
        recipe=options.model,
        config=options.config,
        training=options.training,
        backend=options.backend,
        threads=options.threads,
    )
    evaluation = Evaluation.begin(predictor.judged, dataset, protocols, limit=options.limit)
    if before is not None:
        evaluation.go_on(before, str(options.resume))
    return _judge(predictor, dataset, sequences, evaluation, options)


def _name_student(sequence: datasets.Sequence, options: argparse.Namespace) -> None:
    """Put in place of its name what it stands for with this dataset."""
    for option in ("model", "config"):
        if getattr(options, option) is not None:
            raise ValueError(f"--{option} goes with weights, not with {STUDENT!r}")
    sample = next(iter(sequence), None)
    if sample is None:
        raise ValueError(f"{sequence.name}: no samples")
    with Steps() as steps:
        options.what, options.model = shipped_student(sample, steps)


def _check_outputs(options: argparse.Namespace) -> None:
    """Before the work, not after it."""
    for path in (options.json, options.sheet):
        if path is not None and not path.absolute().parent.is_dir():
            raise FileNotFoundError(f"{path}: no such folder to write it to")
    if options.sheet:
        check_sheet(options.sheet)


def _table(options: argparse.Namespace) -> int:
    if options.table != "paper":
        raise ValueError(f"no table {options.table!r}, only 'paper'")
    results, left_out = read_results(options.results)
    print("\n".join(paper_lines(results)))
    for line in left_out:
        print(f"left out: {line}", file=sys.stderr)
    return 0


def _check(dataset: datasets.Dataset) -> int:
    missing = dataset.check()
    for line in missing:
        print(line)
    if not missing:
        print(f"{dataset.name} {dataset.split}: all {len(dataset.expected)} sequences are there")
    return command.BAD_INPUT if missing else 0


def _protocols(options: argparse.Namespace) -> dict[str, Paper | Strict]:
    known = [*PROTOCOLS, "both"]
    if options.protocol not in known:
        raise ValueError(f"no protocol {options.protocol!r}{closest(options.protocol, known)}")
    if options.limit is not None and options.limit < 1:
        raise ValueError(f"--limit must be at least 1, got {options.limit}")
    if options.no_align and options.what == CONSTANT:
        raise ValueError(f"{CONSTANT!r} has no depth of its own: it needs the alignment")
    names = list(PROTOCOLS) if options.protocol == "both" else [options.protocol]
    return {name: PROTOCOLS[name](align=not options.no_align) for name in names}


def _selected(dataset: datasets.Dataset, names: str | None) -> list[datasets.Sequence]:
    """The sequences to judge, in official order whatever the order they are asked for in."""
    found = dataset.sequences()
    if names is None:
        return found
    wanted = [name.strip() for name in names.split(",")]
    known = [sequence.name for sequence in found]
    for name in wanted:
        if name not in known:
            raise ValueError(
                f"{dataset.name} {dataset.split} has no sequence {name!r} here"
                f"{closest(name, known)}"
            )
    return [sequence for sequence in found if sequence.name in wanted]


def _judge(
    predictor: Predictor,
    dataset: datasets.Dataset,
    sequences: list[datasets.Sequence],
    evaluation: Evaluation,
    options: argparse.Namespace,
) -> int:
    file = options.json or options.resume
    extra = _circumstances(options)

    def keep(evaluation: Evaluation) -> None:
        if file is not None:
            evaluation.write(file, extra)

    total = sum(min(len(s), options.limit or len(s)) for s in sequences)
    bar = Progress(evaluation.dataset["name"], total=total, unit=" frames")
    with command.interruptible() as stop:
        try:
            whole = evaluate(
                predictor,
                sequences,
                evaluation,
                stop=stop,
                finished=keep,
                progress=bar.to,
            )
        finally:
            bar.close()
        keep(evaluation)
        print("\n".join(lines(evaluation)))
        if whole and options.sheet:
            whole = _write_sheet(predictor, dataset, evaluation, options, stop)
    written = [path for path in (file, options.sheet if whole else None) if path is not None]
    for path in written:
        print(f"written  {path}")
    return 0 if whole else _interrupted(evaluation, sequences, file)


def _write_sheet(
    predictor: Predictor,
    dataset: datasets.Dataset,
    evaluation: Evaluation,
    options: argparse.Namespace,
    stop: threading.Event,
) -> bool:
    """Predict the frames of the sheet again and draw it; False if it was broken off."""
    chosen = sheet_frames.choose(evaluation)
    bar = Progress("sheet", total=sheet_frames.steps(chosen), unit=" frames")
    try:
        shown = sheet_frames.collect(
            predictor,
            dataset.sequences(),
            chosen,
            align=not options.no_align,
            stop=stop,
            progress=bar.to,
        )
    finally:
        bar.close()
    if stop.is_set():
        return False
    write_sheet(options.sheet, evaluation, shown)
    return True


def _interrupted(
    evaluation: Evaluation, sequences: list[datasets.Sequence], file: Path | None
) -> int:
    done = sum(sequence.name in evaluation.sequences for sequence in sequences)
    how = f"go on with --resume {file}" if file else "with --json they would have been kept"
    print(
        f"dae-eval: interrupted after {done} of {len(sequences)} sequences: {how}", file=sys.stderr
    )
    return command.INTERRUPTED


def _circumstances(options: argparse.Namespace) -> dict[str, Any]:
    """What else belongs in the file: command, machine, versions."""
    about = machine()
    packages = {name: text.split(" (")[0] for name, text in about["packages"].items()}
    return {
        "command": ["dae-eval", *options.command_line],
        "root": str(options.root) if options.root else None,
        "machine": {name: about[name] for name in ("system", "processor", "cores")},
        "versions": {name: about[name] for name in ("dae-edge", "python")} | packages,
    }


if __name__ == "__main__":
    sys.exit(main())
