"""The process that measures one launch of one case: ``python -m dae_edge.bench.child``.

It reads the case as one line of JSON and answers in lines of JSON: ``loaded``, then ``ready``. It
waits for a line before it measures, so that the watch begins with it: ``measured``. After one more
line it tells ``about`` too, if asked for. Or ``error``. What libraries print goes elsewhere.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter_ns
from typing import Any, TextIO

from dae_edge.bench.case import REALTIME, Case
from dae_edge.bench.realtime import run_realtime
from dae_edge.bench.statistics import settled
from dae_edge.bench.subjects import Step, Subject, open_subject
from dae_edge.bench.windows import Windows, read_windows
from dae_edge.cli.summary import peak_memory_mb
from dae_edge.events import Events

MOST_WARM_UP, LONGEST_WARM_UP_S = 300, 30.0

Tell = Callable[[str, dict[str, Any]], None]
Rounds = Iterator[tuple[int, Events]]


def main() -> int:
    """Entry point."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(what: str, values: dict[str, Any]) -> None:
        print(json.dumps({"at": what, **values}), file=out, flush=True)

    try:
        _run(Case.from_dict(json.loads(sys.stdin.readline())), tell, sys.stdin)
    except BaseException as error:
        tell("error", {"type": type(error).__name__, "text": str(error)})
        return 1
    return 0


def _run(case: Case, tell: Tell, commands: TextIO) -> None:
    if case.pin is not None:
        os.sched_setaffinity(0, case.pin)
    began = perf_counter_ns()
    subject = open_subject(case)
    windows = read_windows(
        Path(case.recording),
        sensor=subject.sensor,
        hop_us=case.hop_us or case.window_us or subject.window_us,
        given=case.sensor,
    )
    reading = perf_counter_ns() - began
    before = _resident_mb()
    began = perf_counter_ns()
    subject.load()
    loading = perf_counter_ns() - began
    loaded = _resident_mb()
    subject.open(windows)
    rounds = windows.rounds()
    first = _first(subject, rounds)
    told = {
        "first_depth_ns": time.monotonic_ns(),
        "reading_ns": reading,
        "load_ms": loading / 1e6,
        "first_window_ms": first["total"] / 1e3,
    }
    memory = {"before_mb": before, "loaded_mb": loaded, "running_mb": _resident_mb()}
    tell("loaded", {**told, "recording": windows.about, "memory": memory})
    warm_up = _warm_up(subject, rounds)
    tell("ready", {"warm_up": warm_up})
    commands.readline()
    switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
    if case.scenario == REALTIME:
        result = run_realtime(subject, rounds, windows.hop_us, case)
    elif case.streams > 1:
        result = _concurrent(case, subject, windows)
    else:
        result = _measure(case, subject, rounds, windows)
    result["switches"] = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw - switches
    tell("measured", {**result, "peak_mb": peak_memory_mb()})
    if commands.readline().strip() == "about":
        tell("about", subject.about())


def _first(subject: Subject, rounds: Rounds) -> Step:
    while True:
        if steps := subject.step(next(rounds)[1]):
            return steps[0]


def _warm_up(subject: Subject, rounds: Rounds) -> dict[str, Any]:
    """Until the time per window stays the same; see ``statistics.settled``."""
    totals: list[float] = []
    began = time.monotonic()
    while not settled(totals):
        if len(totals) >= MOST_WARM_UP or time.monotonic() - began > LONGEST_WARM_UP_S:
            return {"windows": len(totals), "settled": False}
        totals += [step["total"] for step in subject.step(next(rounds)[1])]
    return {"windows": len(totals), "settled": True}


def _measure(case: Case, subject: Subject, rounds: Rounds, windows: Windows) -> dict[str, Any]:
    """One window after the other."""
    samples: dict[str, list[float]] = {"decode": []}
    ends: list[float] = []
    began = time.monotonic()
    while not _enough(case, len(ends), time.monotonic() - began):
        index, packet = next(rounds)
        for step in subject.step(packet):
            samples["decode"].append(windows.decode_us[index])
            for stage, value in step.items():
                samples.setdefault(stage, []).append(round(value, 2))
            ends.append(round(time.monotonic() - began, 5))
    return {"samples_us": samples, "ends_s": ends, "elapsed_s": time.monotonic() - began}


def _concurrent(case: Case, subject: Subject, windows: Windows) -> dict[str, Any]:
    """Several cameras on one model, a thread each; latencies of all of them together."""
    subjects = [subject, *(_sibling(subject) for _ in range(case.streams - 1))]
    results: list[dict[str, Any]] = [{} for _ in subjects]
    barrier = threading.Barrier(len(subjects))

    def work(number: int) -> None:
        one = subjects[number]
        one.open(windows)
        rounds = windows.rounds()
        _first(one, rounds)
        barrier.wait()
        results[number] = _measure(case, one, rounds, windows)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(subjects))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not all(results):
        raise RuntimeError("a stream failed: see the trace above")
    samples: dict[str, list[float]] = {}
    for result in results:
        for stage, values in result["samples_us"].items():
            samples.setdefault(stage, []).extend(values)
    order = sorted(range(len(samples["total"])), key=_ends(results).__getitem__)
    samples = {stage: [values[k] for k in order] for stage, values in samples.items()}
    elapsed = max(result["elapsed_s"] for result in results)
    return {"samples_us": samples, "ends_s": sorted(_ends(results)), "elapsed_s": elapsed}


def _ends(results: list[dict[str, Any]]) -> list[float]:
    return [end for result in results for end in result["ends_s"]]


def _sibling(subject: Subject) -> Subject:
    """The same model with a stream of its own."""
    twin = object.__new__(type(subject))
    twin.__dict__.update(subject.__dict__)
    return twin


def _enough(case: Case, windows: int, seconds: float) -> bool:
    if case.windows is not None:
        return windows >= case.windows
    return seconds >= case.duration_s


def _resident_mb() -> float | None:
    """Resident size of this process now."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


if __name__ == "__main__":
    sys.exit(main())
