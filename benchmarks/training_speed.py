"""``python -m benchmarks.training_speed``: windows a second, made and learnt from, on this machine.

Each row is measured in processes of its own, which are ended when its time is over, printed, and
kept; rows of this machine that are not asked for stay as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from time import monotonic
from typing import Any

import torch

from benchmarks.pages import bullet, put
from benchmarks.training_rows import Row, rows
from dae_edge.bench.record import write_whole
from dae_edge.cli import command
from dae_edge.cli.progress import Progress
from dae_edge.processor import processor

ROOT = Path(__file__).resolve().parent
RESULT, PAGE = ROOT / "results" / "training_speed.json", ROOT.parent / "training" / "README.md"
BEGIN, END = (
    "<!-- made of benchmarks/results/training_speed.json -->",
    "<!-- to here: training speed -->",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    about = "Windows a second, filmed and learnt from, on this machine; goes into training/README."
    arguments = command.parser("benchmarks.training_speed", about)
    add = arguments.add_argument
    add("--device", choices=("cpu", "cuda"), default="cpu", help="(%(default)s)")
    add("--seconds", type=float, default=60.0, help="at most, for each row (%(default)s)")
    add("--only", default="", metavar="TEXT", help="rows with this in their name")
    add("--plan", action="store_true", help="only say which rows, and how long at most")
    add("--render", action="store_true", help="only write the page again, from the JSON")
    add("--json", type=Path, default=RESULT, help="(%(default)s)")
    add("--page", type=Path, default=PAGE, help="rendered there, between its marks (%(default)s)")
    return command.run(_main, arguments, argv)


def _main(options: argparse.Namespace) -> int:
    if options.render:
        put(options.page, BEGIN, END, report(json.loads(options.json.read_text(encoding="utf-8"))))
        return 0
    asked = [row for row in rows(options.device) if options.only in name(row)]
    if not asked:
        names = "; ".join(map(name, rows(options.device)))
        raise ValueError(f"--only {options.only!r}: no such row, wanted a part of one of: {names}")
    minutes = len(asked) * options.seconds / 60
    print(f"{_device(options.device)}; {len(asked)} rows, at most {minutes:.1f} minutes")
    for number, row in enumerate(asked, 1):
        label = f"[{number}/{len(asked)}] {name(row)}"
        if not options.plan:
            measured = measure(row, options.seconds, label)
            content = kept(options.json, options.device, {"name": name(row), **measured})
            put(options.page, BEGIN, END, report(content))
            label += f": {told(measured)}"
        print(label, flush=True)
    return 0


def name(row: Row) -> str:
    """Of a row, with where it is done."""
    if row.device != "cpu":
        return f"{row.label}, {row.device}"
    words = (row.processes, "process", "processes"), (row.threads, "thread", "threads")
    return f"{row.label}, {' of '.join(f'{n} {one if n == 1 else many}' for n, one, many in words)}"


def measure(row: Row, seconds: float, label: str) -> dict[str, Any]:
    """Windows a second: the median of its repeats, the slowest, and the fastest; or why not.

    Args:
        row: What to measure.
        seconds: From the start of its processes to their end.
        label: Of the progress bar.
    """
    load, when = os.getloadavg()[0], datetime.now(timezone.utc).isoformat(timespec="seconds")
    with _started(row, seconds) as first:
        said, trouble = _finished(first, seconds, label)
    lines = [json.loads(line) for line in said.splitlines() if line.endswith("]")]
    about = {"when": when, "load": round(load, 2), "repeats": len(lines)}
    if not lines:
        last = (trouble.strip().splitlines() or ["it ended without a word"])[-1]
        over = f"no repeat was over after {seconds:g} s"
        return {**about, "why": last if first.returncode > 0 else over}
    speeds = [windows / took for windows, took in lines]
    return {
        **about,
        "windows_per_s": round(statistics.median(speeds), 2),
        "slowest": round(min(speeds), 2),
        "fastest": round(max(speeds), 2),
    }


@contextmanager
def _started(row: Row, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """The process that tells, with those beside it; as ``torchrun`` starts them. All end."""
    ranks = row.processes if row.kind == "train" else 1
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    started: list[subprocess.Popen[str]] = []
    try:
        for rank in range(ranks):
            where = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": ranks, "MASTER_PORT": port}
            threads = {"OMP_NUM_THREADS": row.threads}
            started.append(
                subprocess.Popen(
                    [sys.executable, "-m", "benchmarks.training_rows", row.text(), str(seconds)],
                    cwd=ROOT.parent,
                    env=os.environ | {key: str(one) for key, one in (where | threads).items()},
                    stdout=subprocess.PIPE if rank == 0 else subprocess.DEVNULL,
                    stderr=subprocess.PIPE if rank == 0 else subprocess.DEVNULL,
                    text=True,
                    start_new_session=True,  # a group, so that all that it starts ends with it
                )
            )
        yield started[0]
    finally:
        for one in started:
            _end(one)
            one.wait()


def _finished(process: subprocess.Popen[str], seconds: float, label: str) -> tuple[str, str]:
    """What it said by its end, or until its time was over."""
    bar, began = Progress(label, total=seconds, unit=" s"), monotonic()
    try:
        while (spent := monotonic() - began) < seconds:
            bar.to(round(spent))
            with suppress(subprocess.TimeoutExpired):
                return process.communicate(timeout=min(1.0, seconds - spent))
    finally:
        bar.close()
    _end(process)
    return process.communicate()


def _end(process: subprocess.Popen[str]) -> None:
    """With all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def kept(path: Path, device: str, row: dict[str, Any]) -> dict[str, Any]:
    """The file's content with one row new; those of this machine's earlier runs stay."""
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    same = before.get("machine") == processor()
    measured = {one["name"]: one for one in [*(before["rows"] if same else []), row]}
    order = [name(one) for kind in ("cpu", "cuda") for one in rows(kind)]
    content = {
        "machine": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "gpu": _device(device) if device == "cuda" else before.get("gpu") if same else None,
        "rows": [measured[one] for one in order if one in measured],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(content, indent=1) + "\n")
    return content


def _device(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else processor()


def told(row: dict[str, Any]) -> str:
    """What was measured, or why it was not."""
    if "why" in row:
        return f"not measured: {row['why']}"
    return (
        f"{row['windows_per_s']:.1f} windows/s ({row['slowest']:.1f} .. {row['fastest']:.1f} in "
        f"{row['repeats']} repeats)"
    )


def report(content: dict[str, Any]) -> list[str]:
    """Lines of Markdown."""
    days = sorted({row["when"][:10] for row in content["rows"]})
    gpu = f"; {content['gpu']}" if content["gpu"] else ""
    loads = [row["load"] for row in content["rows"]]
    lines = [
        bullet(
            f"{content['machine']}{gpu}; {content['cores']} cores; Python {content['python']}, "
            f"torch {content['torch']}; {' and '.join(dict.fromkeys((days[0], days[-1])))}; load "
            f"average before a row {min(loads):.1f} to {max(loads):.1f}"
        ),
        "",
        "| Windows/s | median | slowest to fastest repeat |",
        "| --- | ---: | ---: |",
    ]
    for row in content["rows"]:
        if "why" in row:
            lines.append(f"| {row['name']} | - | not measured: {row['why']} |")
            continue
        span = f"{row['slowest']:.1f} to {row['fastest']:.1f} of {row['repeats']}"
        lines.append(f"| {row['name']} | {row['windows_per_s']:.1f} | {span} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
