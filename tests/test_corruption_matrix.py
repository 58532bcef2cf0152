"""Each damage of damage_to_*.py, alone and with each other, in every format, cut everywhere.

What is promised of each is a row of the table in runtime/README.md, which is made from them.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import END, LASTING, MIDDLE, START, Damage
from damage_to_time import TIME
from damage_to_words import TEXT, WORDS
from decoding_ways import Outcome, check
from word_streams import (
    FORMATS,
    HEIGHT,
    WIDTH,
    Format,
    Round,
    clean_stream,
    counted_for,
    data_of,
    events_of,
)

from dae_edge._native import Decoder
from dae_edge.errors import FormatError
from dae_edge.events import EVENT
from dae_edge.sources.raw import open_raw

README = Path(__file__).resolve().parent.parent / "runtime" / "README.md"
JUMP_US = (1 << 20) + 4096
"""A longer step of the clock needs a second time word: 2^20 us, and one tick of EVT3."""
BEFORE, BEHIND = 1, 4
"""Rounds that are damaged: before the clock goes around, and after it."""

DAMAGES = [*TIME, *WORDS]
CASES = [
    pytest.param(FORMATS[name], damage, id=f"{name}-{damage.name.replace(' ', '-')}")
    for damage in DAMAGES
    for name in damage.formats
]


def foretold(format: Format, rounds: list[Round]) -> Outcome:
    none = Decoder(format.name, WIDTH, HEIGHT).counters()
    return np.array(events_of(rounds), EVENT).tobytes(), {**none, **counted_for(rounds, format)}


def damaged(format: Format, *damages: tuple[Damage, int]) -> list[Round]:
    rounds = clean_stream(format)
    for damage, number in damages:
        damage.apply(format, rounds, number)
    return rounds


def place_of(damage: Damage, middle: int) -> int:
    return {START: 0, MIDDLE: middle, LASTING: BEHIND, END: 5}[damage.place]


def moves_the_clock(format: Format, damage: Damage) -> bool:
    """Rounds behind the damage are not what they were."""
    number = place_of(damage, BEHIND)
    rounds, clean = damaged(format, (damage, number)), clean_stream(format)
    return not damage.exact or rounds[number + 1 :] != clean[number + 1 :]


def partners(format: Format, damage: Damage) -> list[Damage]:
    """What it meets: itself and those behind it in the list, so that each pair comes once."""
    rest = DAMAGES[DAMAGES.index(damage) :]
    return [other for other in rest if format.name in other.formats]


@pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)
def test_a_clean_stream_gives_its_events_and_nothing_else_is_counted(format: Format) -> None:
    rounds = clean_stream(format)
    check(format, data_of(rounds), foretold(format, rounds))
    assert set(counted_for(rounds, format)) == {"bytes", "words", "events", "time_wraps"}


@pytest.mark.parametrize(("format", "damage"), CASES)
def test_a_damage_costs_what_is_foretold_wherever_the_stream_is_cut(
    format: Format, damage: Damage
) -> None:
    for number in {place_of(damage, BEFORE), place_of(damage, BEHIND)}:
        rounds = damaged(format, (damage, number))
        check(format, data_of(rounds), foretold(format, rounds) if damage.exact else None)


@pytest.mark.parametrize(("format", "damage"), CASES)
def test_two_damages_in_one_stream_cost_what_each_does(format: Format, damage: Damage) -> None:
    for other in partners(format, damage):
        first, second = sorted((damage, other), key=lambda each: each.place)
        places = place_of(first, BEFORE), place_of(second, BEHIND)
        if places[0] >= places[1]:
            continue  # both at the start, or both lasting: only within one another, below
        rounds = damaged(format, (first, places[0]), (second, places[1]))
        exact = first.exact and second.exact
        wanted = foretold(format, rounds) if exact else None
        check(format, data_of(rounds), wanted, thorough=False)


@pytest.mark.parametrize(("format", "damage"), CASES)
def test_two_damages_within_one_another_leave_the_rest_and_the_clock_alone(
    format: Format, damage: Damage
) -> None:
    for other in partners(format, damage):
        number = 0 if START in (damage.place, other.place) else place_of(other, BEFORE)
        outer, inner = (
            data_of([damaged(format, (each, number))[number]]) for each in (damage, other)
        )
        half = len(outer) // format.word_size // 2 * format.word_size
        clean = clean_stream(format)
        before, after = clean[:number], clean[number + 1 :]
        data = data_of(before) + outer[:half] + inner + outer[half:] + data_of(after)
        events = check(format, data, thorough=False, every=3)
        assert np.all(np.diff(events["t"]) >= 0)
        assert np.all((events["x"] < WIDTH) & (events["y"] < HEIGHT))
        agreeing = damage is other and "ahead" in damage.name  # two false time words agree
        if not agreeing and not any(moves_the_clock(format, each) for each in (damage, other)):
            assert np.all(np.diff(events["t"]) <= JUMP_US), other.name
            undamaged = events_of(before), events_of(after)
            assert events[: len(undamaged[0])].tolist() == undamaged[0], other.name
            assert events[len(events) - len(undamaged[1]) :].tolist() == undamaged[1], other.name


def test_every_counter_is_that_of_some_damage() -> None:
    features = {"bytes", "words", "events", "time_wraps"}
    named = {counter for damage in DAMAGES for counter in damage.counters}
    assert named | features == set(Decoder("evt3", WIDTH, HEIGHT).counters())


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.name.replace(" ", "-"))
def test_a_damage_names_the_counters_it_moves(damage: Damage) -> None:
    moved: Counter[str] = Counter()
    for format in (FORMATS[name] for name in damage.formats):
        for number in (place_of(damage, BEFORE), place_of(damage, BEHIND)):
            for each in damaged(format, (damage, number)):
                for piece in each.pieces:
                    moved.update(piece.counted)
    assert set(+moved) == set(damage.counters)


# ---- files ----

LINES = [b"% format EVT3;height=48;width=64\n", b"% geometry 64x48\n", b"% evt 3.0\n", b"% end\n"]
HEADER = b"".join(LINES)
STARTS = [sum(map(len, LINES[:number])) for number in range(len(LINES) + 1)]


def read(path: Path, data: bytes) -> tuple[list[Any], dict[str, int]] | None:
    """Events and counters of a RAW file; None where it is refused."""
    path.write_bytes(data)
    with contextlib.suppress(FormatError):
        recording = open_raw(path)
        events = np.concatenate([np.empty(0, EVENT), *recording])
        return events.tolist(), recording.counters()
    return None


def test_a_file_that_ends_within_its_header(tmp_path: Path) -> None:
    """Refused while the first line is not whole; then no events."""
    for size in range(len(HEADER)):
        got = read(tmp_path / "clip.raw", HEADER[:size])
        assert got is None if size < STARTS[1] else got is not None and not got[0], size


def test_a_header_without_its_beginning(tmp_path: Path) -> None:
    """Refused, unless whole lines state encoding and sensor."""
    rounds = clean_stream(FORMATS["evt3"])
    for start in range(1, len(HEADER)):
        got = read(tmp_path / "clip.raw", HEADER[start:] + data_of(rounds))
        assert (got is not None) == (start == STARTS[1]), start
        assert got is None or got[0] == events_of(rounds)


def test_a_header_without_its_end(tmp_path: Path) -> None:
    """The rest of a broken line is read as data: words before the first time word, or, where it
    is no whole number of words, as after a byte that is lost."""
    rounds = clean_stream(FORMATS["evt3"])
    for end in range(1, len(HEADER)):
        got = read(tmp_path / "clip.raw", HEADER[:end] + data_of(rounds))
        rest = end - max(start for start in STARTS if start <= end)
        assert (got is None) == (end < STARTS[1]), end
        if got is not None and rest % 2 == 0:
            assert got[0] == events_of(rounds)
            assert got[1]["words"] == (rest + len(data_of(rounds))) // 2
        elif got is not None:
            assert all(after[0] >= before[0] for before, after in pairwise(got[0]))
            assert all(x < WIDTH and y < HEIGHT for _, x, y, _ in got[0])


def test_text_behind_a_header(tmp_path: Path) -> None:
    """No event: nothing in it is a time word."""
    got = read(tmp_path / "clip.raw", HEADER + TEXT * 100)
    assert got is not None
    assert got[0] == []
    assert got[1]["dropped_before_time"] > 1000


def test_text_without_a_header(tmp_path: Path) -> None:
    """Refused."""
    assert read(tmp_path / "clip.raw", TEXT * 100) is None


def test_the_tail_of_a_recording_is_counted(tmp_path: Path) -> None:
    got = read(tmp_path / "clip.raw", HEADER + data_of(clean_stream(FORMATS["evt3"])) + b"\x20")
    assert got is not None
    assert got[1]["truncated_bytes"] == 1


# ---- the table ----

OF_FILES = (
    (test_a_file_that_ends_within_its_header, "nothing"),
    (test_a_header_without_its_beginning, "nothing"),
    (test_a_header_without_its_end, "`dropped_before_time` and what else the words say"),
    (test_text_behind_a_header, "`dropped_before_time` and what else the words say"),
    (test_text_without_a_header, "nothing"),
)


def rows() -> Iterator[tuple[str, str, str, str]]:
    short = {"evt2": "EVT2", "evt21": "EVT2.1", "evt3": "EVT3", "evt4": "EVT4", "dat": "DAT"}
    for damage in DAMAGES:
        formats = ", ".join(short[name] for name in damage.formats if name in short)
        counters = ", ".join(f"`{name}`" for name in damage.counters) or "nothing"
        everywhere = set(damage.formats) == set(FORMATS)
        yield damage.name, "all" if everywhere else formats, damage.promise, counters
    for test, counters in OF_FILES:
        name = test.__name__.removeprefix("test_").replace("_", " ")
        yield name, "RAW files", " ".join((test.__doc__ or "").split()), counters


def test_the_table_in_the_readme_is_this_matrix() -> None:
    _, section = README.read_text().split("\n## Damaged streams\n")
    lines = section.split("\n## ")[0].splitlines()
    assert [line for line in lines if line.startswith("| ")][2:] == [
        f"| {' | '.join(row)} |" for row in rows()
    ]
