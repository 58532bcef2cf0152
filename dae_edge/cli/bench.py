"""dae-bench: how fast, how steadily, at what cost a bundle turns events into depth here."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from dae_edge.backends import NAMES
from dae_edge.bench import asked, matrix
from dae_edge.bench.case import REALTIME, SINGLE, Case
from dae_edge.bench.comparison import compare, differences
from dae_edge.bench.devices import DEVICES, Device, open_device
from dae_edge.bench.page import page
from dae_edge.bench.record import Record, read, write_whole
from dae_edge.bench.statistics import SEED
from dae_edge.bench.table import csv_text
from dae_edge.bench.text import lines, markdown
from dae_edge.bench.tree import Tree
from dae_edge.cli import command
from dae_edge.cli.info import machine
from dae_edge.cli.progress import Progress
from dae_edge.sample import SAMPLE

EXAMPLES = """\
  dae-bench
      the student that ships with the package, on the recording that does
  dae-bench student.dae student-int8.dae --threads 1,2 --pin auto --json here.json --html here.html
      four cases in turns
  dae-bench student.dae --realtime --hop-us 10000
  dae-bench --device jetson student.dae --json orin.json
  dae-bench compare before.json after.json
      same or not, with an interval; several cases by their names
  dae-bench show here.json --markdown here.md --html here.html
"""


def main(argv: Sequence[str] | None = None, *, tree: Tree | None = None) -> int:
    """Entry point; ``tree`` stands in for the machine's files in tests."""
    given = list(sys.argv[1:] if argv is None else argv)
    if given[:1] == [asked.COMPARE]:
        return command.run(_compare, _compare_parser(), given[1:])
    if given[:1] == [asked.SHOW]:
        return command.run(_show, _show_parser(), given[1:])
    arguments = command.parser(
        "dae-bench",
        "Measure what a robot feels: events in, depth out, on this machine, in this state. Says "
        "when its own numbers should not be believed. Exit 1: a result is unstable; exit 2: bad "
        "input, or not the machine that was asked for.",
        examples=EXAMPLES,
    )
    _add_work(arguments)
    _add_protocol(arguments)
    _add_outputs(arguments)
    arguments.set_defaults(command_line=given, tree=tree or Tree())
    return command.run(_bench, arguments, given)


def _add_work(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument(
        "bundles",
        nargs="*",
        metavar="BUNDLE",
        help=f"bundles, NAME.dae; {asked.STUDENT!r}: the one that ships with the package (which is "
        f"the default); or first the word {asked.COMPARE!r} or {asked.SHOW!r}: see their --help",
    )
    group = arguments.add_argument_group("what runs where; lists, as in 1,2, run all combinations")
    group.add_argument(
        "--device", default="auto", metavar="NAME", help=f"{', '.join(DEVICES)} (%(default)s)"
    )
    group.add_argument(
        "--force", action="store_true", help="with --device intel: any maker, reported as it is"
    )
    group.add_argument(
        "--backend", default="", metavar="A,B", help=f"{', '.join(NAMES)} (the bundle's)"
    )
    group.add_argument("--threads", default="", metavar="N,M", help="(the engine's choice)")
    group.add_argument("--window-us", default="", metavar="N,M", help="(the model's)")
    group.add_argument("--hop-us", default="", metavar="N,M", help="(the window's length)")
    group.add_argument(
        "--pin",
        metavar="CPUS",
        help="processors to use, as in 2,3 or 0-3; auto: as many as the most threads asked for, "
        "the last ones",
    )


def _add_protocol(arguments: argparse.ArgumentParser) -> None:
    group = arguments.add_argument_group("protocol")
    group.add_argument(
        "--recording", type=Path, default=SAMPLE, metavar="FILE", help="(the shipped sample)"
    )
    group.add_argument("--sensor", metavar="WxH", help="of a recording that does not say it")
    group.add_argument(
        "--launches",
        type=int,
        default=3,
        metavar="N",
        help="processes for each case, in turns (%(default)s)",
    )
    group.add_argument(
        "--duration",
        type=float,
        default=10.0,
        metavar="S",
        help="seconds measured for each case, in all launches together (%(default)s)",
    )
    group.add_argument(
        "--windows", type=int, metavar="N", help="windows of each case instead of seconds"
    )
    group.add_argument(
        "--realtime", action="store_true", help="windows arrive at the sensor's pace"
    )
    group.add_argument(
        "--speed", type=float, default=1.0, help="with --realtime: 2 is twice as fast (%(default)s)"
    )
    group.add_argument(
        "--streams", type=int, default=1, metavar="N", help="cameras at once on one model"
    )


def _add_outputs(arguments: argparse.ArgumentParser) -> None:
    group = arguments.add_argument_group("results")
    group.add_argument("--json", type=Path, metavar="FILE", help="everything, with every sample")
    group.add_argument("--markdown", type=Path, metavar="FILE", help="the tables")
    group.add_argument("--csv", type=Path, metavar="FILE", help="a line for each case")
    group.add_argument("--html", type=Path, metavar="FILE", help="tables and plots, in one file")


def _bench(options: argparse.Namespace) -> int:
    device = open_device(options.device, options.tree, force=options.force)
    cases, launches = _cases(options, device)
    _check_outputs(options)
    circumstances = _circumstances(options)
    bar = Progress("launches", total=launches * len(cases), unit="")
    try:
        results, failed = matrix.run(cases, options.tree, launches=launches, progress=bar.to)
    finally:
        bar.close()
    recording = results[0].launches[0]["recording"]
    record = Record(
        device.as_dict(),
        {**_protocol(options, cases[0], launches), "recording": recording},
        results,
        failed,
        circumstances,
    )
    print("\n".join(lines(record)))
    _write(record, options)
    return 0 if record.stable else command.PROMISE_NOT_MET


def _cases(options: argparse.Namespace, device: Device) -> tuple[list[Case], int]:
    for name in ("launches", "streams", "windows"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ValueError(f"--{name} must be at least 1, got {value}")
    for name in ("duration", "speed"):
        if not getattr(options, name) > 0:
            raise ValueError(f"--{name} must be more than 0, got {getattr(options, name)}")
    if options.realtime and options.streams > 1:
        raise ValueError("--streams and --realtime do not go together")
    threads = asked.numbers("threads", options.threads)
    each = None if options.windows is None else -(-options.windows // options.launches)
    pattern = Case(
        "",
        str(options.recording),
        pin=asked.processors(options.pin, threads),
        scenario=REALTIME if options.realtime else SINGLE,
        windows=each,
        duration_s=options.duration / options.launches,
        speed=options.speed,
        sensor=asked.size(options.sensor),
        streams=options.streams,
    )
    cases = matrix.combine(
        asked.bundles(options.bundles, options.recording, pattern.sensor),
        device,
        pattern,
        backends=asked.backends(options.backend, device),
        threads=threads,
        window_us=asked.numbers("window-us", options.window_us),
        hop_us=asked.numbers("hop-us", options.hop_us),
    )
    return cases, options.launches


def _protocol(options: argparse.Namespace, case: Case, launches: int) -> dict[str, Any]:
    return {
        "scenario": case.scenario,
        "launches": launches,
        "windows": case.windows,
        "duration_s": round(case.duration_s, 3),
        "pin": None if case.pin is None else list(case.pin),
        "speed": case.speed,
        "streams": case.streams,
        "seed": SEED,
    }


def _circumstances(options: argparse.Namespace) -> dict[str, Any]:
    about = machine()
    packages = {name: text.split(" (")[0] for name, text in about["packages"].items()}
    return {
        "command": ["dae-bench", *options.command_line],
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "system": about["system"],
        "versions": {name: about[name] for name in ("dae-edge", "python")} | packages,
    }


def _check_outputs(options: argparse.Namespace) -> None:
    """Before the work, not after it."""
    for name in ("json", "markdown", "csv", "html"):
        path = getattr(options, name)
        if path is not None and not path.absolute().parent.is_dir():
            raise FileNotFoundError(f"{path}: no such folder to write it to")


def _write(record: Record, options: argparse.Namespace) -> None:
    writers: dict[str, Callable[[Path], None]] = {
        "json": record.write,
        "markdown": lambda path: write_whole(path, markdown(record)),
        "csv": lambda path: write_whole(path, csv_text(record)),
        "html": lambda path: write_whole(path, page(record)),
    }
    for name, write in writers.items():
        path = getattr(options, name)
        if path is not None:
            write(path)
            print(f"written  {path}")


def _compare_parser() -> argparse.ArgumentParser:
    arguments = command.parser(
        "dae-bench compare",
        "Compare the latencies of two --json files, case by case: no difference, or the ratio "
        "with its interval. Exit 1: B is slower somewhere.",
    )
    arguments.add_argument("first", type=Path, metavar="A.json")
    arguments.add_argument("second", type=Path, metavar="B.json")
    return arguments


def _compare(options: argparse.Namespace) -> int:
    first, second = read(options.first), read(options.second)
    found = compare(first, second)
    for line in differences(first, second):
        print(f"note: not the same {line}")
    for one in found:
        print(one)
        for doubt in one.doubts:
            print(f"  doubt: {doubt}")
    slower = any(one.different and one.ratio > 1 for one in found)
    return command.PROMISE_NOT_MET if slower else 0


def _show_parser() -> argparse.ArgumentParser:
    arguments = command.parser(
        "dae-bench show", "Print a --json file as tables, or write it in another form."
    )
    arguments.add_argument("file", type=Path, metavar="FILE.json")
    _add_outputs(arguments)
    return arguments


def _show(options: argparse.Namespace) -> int:
    record = read(options.file)
    _check_outputs(options)
    print("\n".join(lines(record)))
    _write(record, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
