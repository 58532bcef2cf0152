"""The tables of README.md about decoding and encoding, made of ``results/encoding.json``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.pages import bullet, put

BEGIN, END = "<!-- made of results/encoding.json -->", "<!-- to here: encoding -->"

Row = dict[str, Any]


def render(readme: Path, path: Path) -> None:
    """Put the tables between the marks of the page."""
    put(readme, BEGIN, END, report(json.loads(path.read_text(encoding="utf-8"))))


def report(content: dict[str, Any]) -> list[str]:
    """Lines of Markdown."""
    rows, about = content["rows"], content["machine"]
    peers = [f"{name} {said}" for name, said in about["peers"].items()]
    told = [
        f"{about['processor']}; Python {about['python']}; {', '.join(peers)}",
        f"one core, cases in turns, medians of {about['repeats']}; recordings tiled to "
        f"{about['megabytes']} MB; processor time, which is wall time on an idle machine (load "
        f"average here: {about['load']:.1f})",
        bandwidth(rows, about["memory"]),
        *(
            f"not measured: {name} of {group.partition(' ')[2]}: {why}"
            for group, cases in content["failed"].items()
            for name, why in cases.items()
        ),
    ]
    parts = (
        ("decode ", "Mev/s, million events a second", "{:.0f}"),
        ("tencode ", "Mev/s", "{:.0f}"),
        ("render ", "a window's image, ms", "{:.3f}"),
    )
    tables = [line for part in parts for line in ["", *table(rows, *part)]]
    return [*map(bullet, told), *tables]


def table(rows: Sequence[Row], prefix: str, unit: str, form: str) -> list[str]:
    """A line for each case, a column for each group; "-" where it was not measured."""
    rows = [row for row in rows if row["group"].startswith(prefix)]
    groups = list(dict.fromkeys(row["group"] for row in rows))
    values = {(row["case"], row["group"]): form.format(row["value"]) for row in rows}
    head = " | ".join([unit, *(group.removeprefix(prefix) for group in groups)])
    told = [f"| {head} |", "| --- |" + " ---: |" * len(groups)]
    for case in dict.fromkeys(row["case"] for row in rows):
        cells = [case.replace(", serial", ", plain C")]
        cells += [values.get((case, group), "-") for group in groups]
        told.append(f"| {' | '.join(cells)} |")
    return told


def bandwidth(rows: Sequence[Row], memory: dict[str, float]) -> str:
    """How much of the input is decoded a second, of what the memory gives."""
    words: dict[str, float] = {}  # of the first case of a group, our fastest
    for row in rows:
        if row["mega_words_per_s"]:
            words.setdefault(row["group"], row["mega_words_per_s"])
    speeds = [rate * (4 if "evt2" in group else 2) / 1e3 for group, rate in words.items()]
    given = memory["read_gb_per_s"]
    return (
        f"input decoded: {', '.join(f'{rate:.0f}' for rate in words.values())} million words a "
        f"second, {', '.join(f'{speed:.1f}' for speed in speeds)} GB/s, which is "
        f"{', '.join(f'{100 * speed / given:.0f}' for speed in speeds)} % of what the memory gives "
        f"one core ({given:.1f} GB/s read, {memory['copy_gb_per_s']:.1f} GB/s copied)"
    )
