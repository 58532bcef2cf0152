"""dae-run: events in, depth out, from any source to video, pictures, numbers or a window."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

from dae_edge.arrivals import Arrivals
from dae_edge.cli import command
from dae_edge.cli.outputs import Output, open_outputs
from dae_edge.cli.progress import Progress, Steps
from dae_edge.cli.summary import Stopwatch, lines, summarise
from dae_edge.default_model import default_bundle
from dae_edge.depth import UNTRAINED, Depth
from dae_edge.errors import ContractError
from dae_edge.events import Events
from dae_edge.model import Model, load
from dae_edge.sample import SAMPLE
from dae_edge.sources import open_source
from dae_edge.sources.source import Source
from dae_edge.stream import DepthStream

T = TypeVar("T")
EXAMPLES = """\
  dae-run --demo
      the recording and the model that come with the package, into ./dae-demo
  dae-run drive.raw --model student.dae --out drive.mp4
  dae-run drive.bag --model student.dae --hop-ms 10 --out depth.npz --json summary.json
  dae-run drive.raw --model student.dae --live --realtime
  dae-run metavision: --model student.dae --live
"""
SOURCE_HELP = (
    "a recording (Prophesee RAW EVT2/2.1/3/4, DAT, AEDAT4, ES, HDF5 of DSEC, M3ED and MVSEC, ROS 1 "
    "and 2 bags, CSV, NPZ) or a camera (metavision: or usb:, with a serial behind the colon)"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    arguments = command.parser(
        "dae-run",
        "Turn events into depth. Recordings are read to their end, as fast as the computer can; "
        "with --realtime, and for cameras, windows that ended while an older one was being "
        "computed are dropped, except the newest, and counted. Ctrl-C leaves complete files.",
        examples=EXAMPLES,
    )
    arguments.add_argument("source", nargs="?", help=SOURCE_HELP)
    arguments.add_argument(
        "--demo", action="store_true", help="use the sample that ships with the package"
    )
    arguments.add_argument(
        "--model",
        type=Path,
        help="a bundle (default: the student that ships with the package; where none does, "
        "a small untrained model)",
    )
    arguments.add_argument(
        "--out",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="by its suffix: .mp4 .webm .gif video, .npz depth as numbers; without one a folder of "
        "PNG pictures; may be given several times. With --demo: the folder for everything",
    )
    arguments.add_argument("--live", action="store_true", help="show a window while it runs")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the summary there")
    _add_windows(arguments)
    _add_reading(arguments)
    return command.run(_run, arguments, argv)


def _add_windows(arguments: argparse.ArgumentParser) -> None:
    group = arguments.add_argument_group("windows")
    group.add_argument(
        "--window-ms", type=_milliseconds, metavar="MS", help="length (default: the model's)"
    )
    group.add_argument(
        "--hop-ms",
        type=_milliseconds,
        metavar="MS",
        help="from one to the next (default: the length)",
    )
    group.add_argument(
        "--by-count", type=int, metavar="N", help="windows of N events instead of by time"
    )
    group.add_argument(
        "--hop-count", type=int, metavar="N", help="events from one to the next, with --by-count"
    )
    group.add_argument("--limit", type=int, metavar="N", help="stop after N windows")
    group.add_argument(
        "--realtime",
        action="store_true",
        help="replay a recording at its own speed; silences of over a second are skipped",
    )
    group.add_argument(
        "--speed", type=float, default=1.0, help="with --realtime: 2 is twice as fast (%(default)s)"
    )


def _add_reading(arguments: argparse.ArgumentParser) -> None:
    group = arguments.add_argument_group("reading and running")
    group.add_argument(
        "--sensor", type=_size, metavar="WxH", help="for recordings that do not say it"
    )
    group.add_argument("--topic", help="ROS bags with several cameras")
    group.add_argument("--side", help="stereo HDF5: left or right")
    group.add_argument("--columns", help='text: names of the columns, e.g. "x y p t"')
    group.add_argument(
        "--backend", help="onnxruntime, openvino or openvino-stateful (default: the bundle's)"
    )
    group.add_argument("--threads", type=int, help="for inference (default: the engine's choice)")


def _run(options: argparse.Namespace) -> int:
    if options.demo:
        _prepare_demo(options)
    if options.source is None:
        raise ValueError("no SOURCE given: a recording, a camera, or --demo")
    with ExitStack() as stack:
        source = stack.enter_context(
            open_source(
                options.source,
                sensor=options.sensor,
                topic=options.topic,
                side=options.side,
                columns=options.columns,
            )
        )
        model = load(
            _bundle_for(source, options.model), backend=options.backend, threads=options.threads
        )
        _check_sensor(source, model)
        stream = model.stream(
            window_us=options.window_ms,
            hop_us=options.hop_ms,
            window_events=options.by_count,
            hop_events=options.hop_count,
        )
        hop_us = options.hop_ms or options.window_ms or model.bundle.manifest["input"]["window_us"]
        outputs = open_outputs(options.out, model=model, window_us=hop_us, live=options.live)
        stopwatch = Stopwatch()
        interrupted = _pump(source, stream, outputs, stopwatch, options)
    extra: dict[str, Any] = {
        "outputs": [str(path) for path in options.out],
        "interrupted": interrupted,
    }
    summary = summarise(source, model, stream, stopwatch, extra=extra)
    _tell(summary, options)
    return command.INTERRUPTED if interrupted else 0


def _prepare_demo(options: argparse.Namespace) -> None:
    """--demo: a recording, and a folder with a video, pictures and numbers."""
    if options.source is not None or len(options.out) > 1:
        raise ValueError("--demo brings its own SOURCE, and takes one --out, a folder")
    folder = options.out[0] if options.out else Path("dae-demo")
    frames = folder / "frames"
    frames.mkdir(parents=True, exist_ok=True)
    for old in frames.glob("frame_*.png"):
        old.unlink()
    options.source = str(SAMPLE)
    options.out = [folder / "depth.mp4", frames, folder / "depth.npz"]
    options.json = options.json or folder / "summary.json"


def _bundle_for(source: Source, model: Path | None) -> Path:
    if model is not None:
        return model
    with Steps() as steps:
        return default_bundle((source.width, source.height), steps)


def _check_sensor(source: Source, model: Model) -> None:
    if (source.width, source.height) != model.sensor:
        width, height = model.sensor
        raise ContractError(
            f"{source.name}: its sensor is {source.width}x{source.height}, the bundle is made for "
            f"{width}x{height}: export one with --sensor {source.width}x{source.height}"
        )


def _pump(
    source: Source,
    stream: DepthStream,
    outputs: list[Output],
    stopwatch: Stopwatch,
    options: argparse.Namespace,
) -> bool:
    """Move events through the stream to the outputs; True if the user broke it off.

    Ctrl-C is heard between two windows, so that every file ends with a whole one.
    """
    bar = Progress(Path(source.name).name, total=None if source.live else 1.0, unit="")
    with ExitStack() as stack, command.interruptible() as stop:
        stack.callback(bar.close)
        for output in outputs:
            stack.callback(output.close)
        depths = stack.enter_context(closing(_depths(source, stream, stopwatch, options, bar)))
        for depth in depths:
            if not _output(depth, stream, outputs, stopwatch) or stop.is_set():
                break
            if stopwatch.windows == options.limit:
                break
        return stop.is_set()


def _depths(
    source: Source,
    stream: DepthStream,
    stopwatch: Stopwatch,
    options: argparse.Namespace,
    bar: Progress,
) -> Generator[Depth | None, None, None]:
    """Every depth of the source; None now and then, when nothing has come."""
    in_time = options.realtime or source.live
    packets: Iterator[Any] = (
        _arriving(source, options, stopwatch) if in_time else _timed(source.undecoded(), stopwatch)
    )
    for packet in packets:
        yield from _timed(stream.each(packet, newest_only=in_time), stopwatch)
        yield None
        bar.to(source.progress(), f"{stopwatch.windows} windows")
    yield from stream.flush()


def _output(
    depth: Depth | None, stream: DepthStream, outputs: list[Output], stopwatch: Stopwatch
) -> bool:
    """Hand a depth to every output; False when one of them wants no more."""
    if depth is None:
        return True
    began = perf_counter()
    wanted = True
    for output in outputs:
        wanted = output.show(stream.image, depth) and wanted
    stopwatch.window(depth, perf_counter() - began)
    return wanted


def _arriving(
    source: Source, options: argparse.Namespace, stopwatch: Stopwatch
) -> Iterator[Events]:
    """Packets in time; waiting for them is no part of a latency."""
    with Arrivals(source, speed=None if source.live else options.speed) as arrivals:
        while (packet := arrivals.take()) is not None:
            stopwatch.dropped_events = arrivals.dropped
            yield packet


def _timed(items: Iterator[T], stopwatch: Stopwatch) -> Iterator[T]:
    """Packets or depths; what it took to get them is reading, but for a depth's other stages."""
    while True:
        began = perf_counter()
        item = next(items, None)
        others_us = item.encode_us + item.infer_us if isinstance(item, Depth) else 0.0
        stopwatch.reading(perf_counter() - began - others_us / 1e6)
        if item is None:
            return
        yield item


def _tell(summary: dict[str, Any], options: argparse.Namespace) -> None:
    if summary["windows"] == 0:
        print("no window had ended before the run did", file=sys.stderr)
    print("\n".join(lines(summary)))
    if not summary["model"]["trained"]:
        print(
            f"\n{UNTRAINED}: the depth has no meaning. Give --model a bundle with trained weights."
        )
    if options.json is not None:
        options.json.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    for path in [*options.out, *([options.json] if options.json else [])]:
        print(f"written  {path}")


def _milliseconds(text: str) -> int:
    microseconds = round(float(text) * 1000)
    if microseconds < 1:
        raise argparse.ArgumentTypeError(f"must be at least 0.001 ms, got {text}")
    return microseconds


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"wanted WIDTHxHEIGHT, got {text!r}")
    return int(match[1]), int(match[2])


if __name__ == "__main__":
    sys.exit(main())
