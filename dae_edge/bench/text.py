"""A record in words, for a terminal and as Markdown: what was measured, how, and what to doubt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dae_edge.bench.case import REALTIME as IN_TIME
from dae_edge.bench.record import Record, Result
from dae_edge.bench.statistics import BLOCK, CONFIDENCE, RESAMPLES, TOLERANCE
from dae_edge.bench.table import COST, LATENCY, REALTIME, STAGE, Column, columns, markdown_table
from dae_edge.depth import UNTRAINED

_MOST_REASONS = 4


def machine_lines(record: Record) -> list[str]:
    """The machine, by its true name, and its state."""
    machine = record.machine
    facts: dict[str, Any] = machine["facts"]
    told = [f"{machine['name']} (--device {machine['kind']})"]
    shown = ("processor", "cores", "l4t", "jetpack", "power_mode", "clocks", "governor", "meter")
    known = [
        f"{name.replace('_', ' ')}: {facts[name]}"
        for name in shown
        if facts.get(name) is not None and facts[name] != machine["name"]
    ]
    told.append("; ".join(known))
    if "stand_in" in facts:
        told.append(f"STAND-IN: these are files of a test, {facts['stand_in']}, not of a machine")
    return told + [f"note: {note}" for note in machine.get("notes", [])]


def protocol_lines(record: Record) -> list[str]:
    """How it was measured: enough to do it again."""
    protocol = record.protocol
    realtime = protocol["scenario"] == IN_TIME
    what = (
        f"realtime: windows at {protocol['speed']:g} times the sensor's pace, the newest first"
        if realtime
        else "SingleStream: the next window when the last is done"
    )
    recording = protocol["recording"]
    size = (
        f"{protocol['windows']} windows"
        if protocol.get("windows")
        else f"{protocol['duration_s']:g} s"
    )
    pin = protocol.get("pin")
    pinned = f"pinned to processors {', '.join(map(str, pin))}" if pin else "not pinned"
    clock = (
        "latency: from when a window is due to its depth"
        if realtime
        else "latency: from a window's events in memory to its depth; decoding is timed apart"
    )
    streams = protocol.get("streams", 1)
    what += f", {streams} cameras at once on one model, a thread each" if streams > 1 else ""
    return [
        f"{what}; {protocol['launches']} launches of {size}, each a process of its own, "
        f"in turns; {pinned}",
        f"events: {recording['name']}, {recording['events']:,} events of "
        f"{recording['sensor'][0]}x{recording['sensor'][1]}, the same windows for every case",
        f"warm-up: until three blocks of {BLOCK} windows have medians within {TOLERANCE:.0%}; "
        f"{clock}",
        f"interval: {CONFIDENCE:.0f} % of {RESAMPLES} seeded resamples, launches and blocks of "
        "neighbours; a percentile that too few windows can tell is left out",
    ]


def notices(record: Record) -> list[str]:
    """What to know before believing a number."""
    told = []
    for result in record.results:
        for reason in result.reasons[:_MOST_REASONS]:
            told.append(f"unstable: {result.case.label}: {reason}")
        if (more := len(result.reasons) - _MOST_REASONS) > 0:
            told.append(f"unstable: {result.case.label}: and {more} more reasons")
        if result.about.get("unit") == UNTRAINED:
            told.append(f"{result.case.label}: {UNTRAINED}: fast or slow, its depth has no meaning")
        if result.about.get("passed") is False:
            told.append(f"{result.case.label}: over its budget, and written all the same")
    told += [f"not measured: {label}: {why}" for label, why in record.not_measured.items()]
    return told


def groups(record: Record) -> list[tuple[str, list[Column]]]:
    """The tables to show, each with its heading."""
    found = [
        ("latency per window, ms", LATENCY),
        ("median of each stage, ms (decode is no part of the latency)", STAGE),
        ("start, memory, energy, accuracy of the same bundle", COST),
        ("in real time, windows", REALTIME),
    ]
    return [(heading, shown) for heading, all_ in found if (shown := columns(record.results, all_))]


def footnotes(record: Record) -> list[str]:
    """Where accuracy and energy come from."""
    sources = {
        str(accuracy.get("source") or accuracy.get("why"))
        for result in record.results
        if (accuracy := result.about.get("accuracy"))
    }
    told = [f"AbsRel, d1: {source}" for source in sorted(sources)]
    energies = {
        f"energy: {energy['why']}"
        if "why" in energy
        else f"energy: {energy['meter']}, {' + '.join(energy['rails'])}, idle included"
        for energy in (result.energy for result in record.results)
    }
    return told + sorted(energies)


def lines(record: Record) -> list[str]:
    """Everything, for a terminal."""
    told = [*machine_lines(record), *protocol_lines(record)]
    for heading, shown in groups(record):
        told += ["", heading, *_table(record.results, shown)]
    told += ["", *footnotes(record)]
    return told + ([""] if (extra := notices(record)) else []) + extra


def markdown(record: Record, *, title: str = "") -> str:
    """The same as Markdown."""
    parts = [f"# {title}", ""] if title else []
    parts += [*(f"- {line}" for line in machine_lines(record))]
    parts += [*(f"- {line}" for line in protocol_lines(record))]
    for heading, shown in groups(record):
        parts += ["", f"**{heading[0].upper()}{heading[1:]}**", ""]
        parts += markdown_table(record.results, shown)
    parts += ["", *(f"- {line}" for line in (*footnotes(record), *notices(record)))]
    return "\n".join(parts) + "\n"


def _table(results: Sequence[Result], shown: Sequence[Column]) -> list[str]:
    rows = [["", *(column.heading for column in shown)]]
    rows += [[one.case.label, *(column.cell(one) for column in shown)] for one in results]
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
