"""How fast the C core decodes and encodes, beside other libraries: one run, one thread, in turns.

    python -m benchmarks.encoding RECORDINGS [--megabytes 128] [--repeats 7] [--json FILE]

Peers are whatever of benchmarks/requirements.txt is installed here; one that is not says why. The
recordings are tiled in memory with time going on (and written to a temporary file, which stays in
the page cache, for peers that read files only). Cases run in turns, the whole list `repeats`
times; each number is the median. Mev/s is 10^6 events per second of this process's processor time
on one core, which is wall time on an idle machine; the JSON has both. What takes less than 20 ms
is done again until it does not: short cases find their data in the caches, as after a decoder.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

import dae_edge as dae
from benchmarks import encoding_peers as peers
from dae_edge._native import Decoder, Encoder, simd_levels, tencode
from dae_edge.cli.info import processor
from dae_edge.events import EVENT

RECORDINGS = (
    ("driving_720p_evt3.raw", "evt3", (1280, 720)),
    ("vga_evt2.raw", "evt2", (640, 480)),
    ("vga_evt3_triggers.raw", "evt3", (640, 480)),
)
LEAST_S = 0.02


@dataclass
class Case:
    """One thing to time: ``run`` does ``work`` units of it, ``words`` words of the recording."""

    group: str
    name: str
    run: Callable[[], Any]
    work: float
    unit: str = "Mev/s"
    words: float = 0
    seconds: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    loops: int = 1
    result: Any = None

    def time(self, keep: bool) -> None:
        """Run it; before the first time that counts, find out how often fills a turn."""
        began, wall = process_time(), perf_counter()
        for _ in range(self.loops):
            self.result = self.run()
        seconds = (process_time() - began) / self.loops
        if keep:
            self.seconds.append(seconds)
            self.wall.append((perf_counter() - wall) / self.loops)
        else:
            self.loops = max(1, min(1000, int(LEAST_S / max(seconds, 1e-9))))

    def row(self) -> dict[str, Any]:
        """Median, spread and what follows from them."""
        median = statistics.median(self.seconds)
        value = median * 1e3 if self.unit == "ms" else self.work / median / 1e6
        return {
            "group": self.group,
            "case": self.name,
            "value": round(value, 3),
            "unit": self.unit,
            "median_ms": round(median * 1e3, 4),
            "best_ms": round(min(self.seconds) * 1e3, 4),
            "worst_ms": round(max(self.seconds) * 1e3, 4),
            "median_wall_ms": round(statistics.median(self.wall) * 1e3, 4),
            "events": self.result if isinstance(self.result, int) else None,
            "mega_words_per_s": round(self.words / median / 1e6, 1) if self.words else None,
        }


def tiled(path: Path, format: str, size: int) -> tuple[bytes, bytes]:
    """(header, words) of a recording repeated to at least ``size`` bytes, its clock going on."""
    data = path.read_bytes()
    start = 0
    while data.startswith(b"% ", start):
        line_end = data.index(b"\n", start) + 1
        is_end = data[start:line_end].strip() == b"% end"
        start = line_end
        if is_end:
            break
    dtype, shift, high, mask = (
        ("<u2", 12, 8, 0xFFF) if format == "evt3" else ("<u4", 28, 8, (1 << 28) - 1)
    )
    body = data[start:]
    words = np.frombuffer(
        body[: len(body) // np.dtype(dtype).itemsize * np.dtype(dtype).itemsize], dtype
    )
    is_time = (words >> shift) == high
    times = (words[is_time] & mask).astype(np.int64)
    span = int((times[-1] - times[0]) % (mask + 1)) + 1
    count = -(-size // words.nbytes)
    out = np.tile(words, count).reshape(count, -1)
    for index in range(count):
        out[index, is_time] = (high << shift) | ((times + span * index) & mask)
    return data[:start], out.tobytes()


def decode(data: bytes, format: str, sensor: tuple[int, int], simd: str) -> int:
    """Events into one buffer that is used again and again, as the package reads recordings."""
    decoder, out, offset = Decoder(format, *sensor, simd=simd), np.empty(65_536, EVENT), 0
    view = memoryview(data)
    while offset < len(view):
        offset += decoder.decode(view[offset:], out)[0]
    return decoder.counters()["events"]


def fuse(data: bytes, format: str, sensor: tuple[int, int], simd: str) -> Encoder:
    """Bytes into windows of 50 ms, without drawing them."""
    decoder, encoder = Decoder(format, *sensor, simd=simd), Encoder(*sensor, simd=simd)
    ready, offset = True, 0
    while ready:
        used, ready = encoder.push_bytes(decoder, data, offset)
        offset += used
    return encoder


def via_events(data: bytes, format: str, sensor: tuple[int, int], simd: str) -> Encoder:
    """The same by way of events."""
    decoder, encoder = Decoder(format, *sensor, simd=simd), Encoder(*sensor, simd=simd)
    out, offset, view = np.empty(65_536, EVENT), 0, memoryview(data)
    while offset < len(view):
        used, count = decoder.decode(view[offset:], out)
        offset += used
        taken = 0
        while taken < count:
            taken += encoder.push(out[:count], taken)[0]
    return encoder


def read_file(path: Path, sensor: tuple[int, int]) -> int:
    """The package's own reader, which is what the peers that read files are like."""
    with dae.open(path, sensor=sensor) as source:
        return sum(len(packet) for packet in source)


def decoding_cases(folder: Path, recordings: Path, size: int) -> Iterator[Case]:
    """Decode, and decode into windows, of each recording."""
    for file, format, sensor in RECORDINGS:
        header, words = tiled(recordings / file, format, size)
        geometry = f"% geometry {sensor[0]}x{sensor[1]}\n".encode()
        path = folder / file
        path.write_bytes(geometry + header + words if b"geometry" not in header else header + words)
        events, n = (
            decode(words, format, sensor, "auto"),
            len(words) / (2 if format == "evt3" else 4),
        )
        group = f"decode {file}"
        for simd in simd_levels():
            args = (words, format, sensor, simd)
            yield Case(
                group, f"dae-edge decode, {simd}", lambda a=args: decode(*a), events, words=n
            )
            yield Case(
                group,
                f"dae-edge bytes to surface, {simd}",
                lambda a=args: fuse(*a),
                events,
                words=n,
            )
        args = (words, format, sensor, "auto")
        yield Case(group, "dae-edge decode, push", lambda a=args: via_events(*a), events, words=n)
        yield Case(group, "dae-edge open(file)", lambda p=path, s=sensor: read_file(p, s), events)
        for name, run in peers.readers(path, format):
            yield Case(group, name, run, events)


def some_events(recordings: Path, count: int, kind: str) -> np.ndarray:
    """``count`` events on 1280x720 in 50 ms: of the driving clip, or all over the sensor."""
    if kind == "uniform":
        rng = np.random.default_rng(0)
        events = np.zeros(count, EVENT)
        events["t"] = np.sort(rng.integers(0, 50_000, count))
        events["x"], events["y"] = rng.integers(0, 1280, count), rng.integers(0, 720, count)
        events["on"] = rng.integers(0, 2, count)
        return events
    _, words = tiled(recordings / RECORDINGS[0][0], "evt3", 4 * count)
    out = np.empty(count + 40, EVENT)
    Decoder("evt3", 1280, 720).decode(words, out)
    return out[:count].copy()


def encoding_cases(recordings: Path) -> Iterator[Case]:
    """Tencode of packets, and what a window costs."""
    for kind in ("driving", "uniform"):
        for count in (100_000, 1_000_000):
            events = some_events(recordings, count, kind)
            group = f"tencode {kind} {count:,} events at 1280x720"
            image = np.empty((720, 1280, 3), np.uint8)
            for simd in simd_levels():
                run = lambda e=events, s=simd, i=image: tencode(e, i, 1280, 720, False, s)  # noqa: E731
                yield Case(group, f"dae-edge array to image, {simd}", run, count)
            span = int(events["t"][-1] - events["t"][0])
            encoder = Encoder(1280, 720, window_us=1 << 29, max_gap_us=span // 2)
            yield Case(group, "dae-edge push", lambda e=events, c=encoder: push(c, e), count)
            for name, run in peers.tencoders(events, 1280, 720):
                yield Case(group, name, run, count)
    for width, height in ((1280, 720), (640, 480)):
        events = some_events(recordings, 1_000_000, "uniform")
        events["x"] %= width
        events["y"] %= height
        for simd in simd_levels():
            encoder = Encoder(width, height, window_us=1 << 29, simd=simd)
            encoder.push(events)
            encoder.flush()
            for dtype, shape in (
                ("uint8", (height, width, 3)),
                ("float32", (3, height, width)),
                ("float16", (3, height, width)),
            ):
                image = np.empty(shape, dtype)
                run = lambda c=encoder, i=image: (c.window(), c.render(i))  # noqa: E731
                yield Case(
                    f"render {width}x{height}, a million events",
                    f"dae-edge {dtype}, {simd}",
                    run,
                    1,
                    "ms",
                )


def push(encoder: Encoder, events: np.ndarray) -> None:
    """All events into the surface; going back in time afterwards starts the windows anew."""
    encoder.push(events)
    encoder.flush()


def bandwidth() -> dict[str, float]:
    """What the memory gives to one thread, GB/s: the bound of all of this."""
    source, target = np.ones(1 << 25, np.uint64), np.empty(1 << 25, np.uint64)
    copy, read = [], []
    for _ in range(7):
        began = perf_counter()
        np.copyto(target, source)
        copy.append(perf_counter() - began)
        began = perf_counter()
        source.max()
        read.append(perf_counter() - began)
    return {
        "copy_gb_per_s": round(source.nbytes / statistics.median(copy) / 1e9, 2),
        "read_gb_per_s": round(source.nbytes / statistics.median(read) / 1e9, 2),
    }


@contextmanager
def one_core() -> Iterator[None]:
    """On one core, so that a peer with threads has no more of the machine than the others."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    yield
    os.sched_setaffinity(0, before)


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown, one part per group."""
    lines: list[str] = []
    for group in dict.fromkeys(row["group"] for row in rows):
        lines += ["", f"| {group} | | Mword/s |", "| --- | ---: | ---: |"]
        for row in (row for row in rows if row["group"] == group):
            words = row["mega_words_per_s"] or ""
            ours = next(r["events"] for r in rows if r["group"] == group)
            differs = row["events"] not in (None, ours)
            note = f" ({row['events']:,} events, not {ours:,})" if differs else ""
            lines.append(f"| {row['case']}{note} | {row['value']:.4g} {row['unit']} | {words} |")
    return "\n".join(lines)


def main() -> None:
    """Run, print the tables, write the JSON."""
    for name in ("OMP", "MKL", "NUMBA", "RAYON"):  # before a peer is imported
        os.environ.setdefault(f"{name}_NUM_THREADS", "1")
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    arguments.add_argument("recordings", type=Path, help="folder of the recordings")
    arguments.add_argument(
        "--megabytes", type=int, default=128, help="least size of a tiled recording"
    )
    arguments.add_argument("--repeats", type=int, default=7)
    arguments.add_argument("--json", type=Path)
    options = arguments.parse_args()
    about = {
        "processor": processor(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
        "peers": peers.versions(),
        "repeats": options.repeats,
        "megabytes": options.megabytes,
    }
    with tempfile.TemporaryDirectory() as folder, one_core():
        cases = [
            *decoding_cases(Path(folder), options.recordings, options.megabytes << 20),
            *encoding_cases(options.recordings),
        ]
        skipped = {}
        for repeat in range(-2, options.repeats):  # cold, then to find out how often: not counted
            for case in [case for case in cases if case.name not in skipped.get(case.group, {})]:
                try:
                    case.time(keep=repeat >= 0)
                except Exception as error:  # a peer's own failure is a result
                    skipped.setdefault(case.group, {})[case.name] = repr(error)[:200]
        about["memory"] = bandwidth()
    rows = [case.row() for case in cases if len(case.seconds) == options.repeats]
    print(json.dumps({**about, "failed": skipped}, indent=2))
    print(table(rows))
    if options.json:
        text = json.dumps({"machine": about, "failed": skipped, "rows": rows}, indent=2)
        options.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
