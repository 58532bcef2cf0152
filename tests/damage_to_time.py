"""Damage to the time of a stream: what dae.h says of time, under "Time", case by case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from damage import EVT, LASTING, MIDDLE, START, Damage, damage
from word_streams import LAST_US, Evt3, Format, Piece, Round

RESET_WORDS = 128


def _mistime_last(format: Format, each: Round, by_us: int) -> None:
    last = each.pieces[-1]
    counted = Counter(time_glitches=1, dropped_glitch=len(last.events))
    each.pieces[-1] = Piece(format.timed(last, each.sensor_us + by_us), [], counted)


def _shift(
    format: Format, rounds: list[Round], number: int, *, sensor_by: int, true_by: int
) -> None:
    """All rounds from ``number`` on take place at another time."""
    for index in range(number, len(rounds)):
        old, before = rounds[index], rounds[index - 1]
        sensor = (old.sensor_us + sensor_by) % format.turn_us
        true = old.true_us + true_by
        wraps = index > 0 and sensor < before.sensor_us
        rounds[index] = Round(sensor, true, format.clean(true, sensor, index), wraps)


def _unbelieved(format: Format, pieces: Sequence[Piece]) -> None:
    """Nothing of these comes out."""
    for piece in pieces:
        is_time = not piece.events or format.name == "dat"
        piece.counted = Counter(time_glitches=int(is_time), dropped_glitch=len(piece.events))
        piece.events = []


@damage(MIDDLE, "time_glitches", "dropped_glitch")
def time_runs_back(format: Format, rounds: list[Round], number: int) -> None:
    """Not believed; events are dropped until a time word is back within 2^20 us of the clock."""
    _mistime_last(format, rounds[number], -200_000)


@damage(MIDDLE, "time_glitches", "dropped_glitch")
def time_jumps_ahead(format: Format, rounds: list[Round], number: int) -> None:
    """More than 2^20 us: not believed; events are dropped until a time word is back."""
    _mistime_last(format, rounds[number], 3_000_000)


@damage(LASTING, "time_glitches", "dropped_glitch")
def time_jumps_less_than_a_second_ahead(format: Format, rounds: list[Round], number: int) -> None:
    """Up to 2^20 us: believed, as a short silence is; events are dropped until the right time
    has caught up, or as if the sensor started anew."""
    each, by_us = rounds[number], 500_000
    last = each.pieces[-1]
    ((t, x, y, on),) = last.events
    ticks = (each.sensor_us + by_us) // format.tick_us - each.sensor_us // format.tick_us
    moved = by_us if format.name == "dat" else ticks * format.tick_us
    after = t - each.true_us if format.name == "dat" else 0
    each.pieces[-1] = Piece(
        format.timed(last, each.sensor_us + after + by_us), [(t + moved, x, y, on)]
    )
    for later in rounds[number + 1 :]:
        _unbelieved(format, later.pieces)


@damage(MIDDLE, "time_glitches", "dropped_glitch")
def a_silence_of_five_seconds(format: Format, rounds: list[Round], number: int) -> None:
    """The first time word is not believed, the second agrees (0 .. 4096 us ahead; DAT: 2^20)."""
    _shift(format, rounds, number, sensor_by=5_000_000, true_by=5_000_000)
    if format.name == "dat":
        _unbelieved(format, rounds[number].pieces[:1])
        rounds[number].pieces[1].counted["time_glitches"] += 1
    else:
        for time in rounds[number].pieces[:2]:
            time.counted["time_glitches"] += 1


@damage(MIDDLE, "time_glitches", "time_resets", "dropped_glitch")
def the_sensor_starts_anew(format: Format, rounds: list[Round], number: int) -> None:
    """Believed after 128 time words in a row; event times go on from the last event."""
    last_us = max(t for piece in rounds[number - 1].pieces for t, *_ in piece.events)
    back_us = format.turn_us // 4
    within_tick = rounds[number].sensor_us % format.tick_us
    true_by = last_us + within_tick - rounds[number].true_us
    _shift(format, rounds, number, sensor_by=-back_us, true_by=true_by)
    each = rounds[number]
    each.wraps = False
    first = each.pieces[0]
    lead = Piece(first.data * (RESET_WORDS - 1), list(first.events) * (RESET_WORDS - 1))
    lead.counted = Counter(
        time_glitches=RESET_WORDS, time_resets=1, dropped_glitch=len(lead.events)
    )
    lead.events = []
    each.pieces.insert(0, lead)


@damage(START, "time_glitches", "time_resets", "dropped_glitch")
def the_first_time_word_is_wrong(format: Format, rounds: list[Round], number: int) -> None:
    """The next two, which agree, outvote it."""
    first, wrong_us = rounds[0], (rounds[0].sensor_us + 3_000_000) % format.turn_us
    if format.name != "dat":
        counted = Counter(time_glitches=2, time_resets=1)
        first.pieces.insert(0, Piece(format.time(wrong_us), counted=counted))
        return
    lost = first.pieces[1]
    (third_us, *_), *_ = first.pieces[2].events
    _shift(format, rounds, 0, sensor_by=0, true_by=wrong_us - third_us)
    pieces = first.pieces = rounds[0].pieces
    (_, *pixel), *_ = pieces[0].events
    believed = Piece(format.timed(pieces[0], wrong_us), [(wrong_us, *pixel)])
    counted = Counter(time_glitches=2, time_resets=1, dropped_glitch=1)
    pieces[:2] = [believed, Piece(lost.data, [], counted)]


@damage(MIDDLE, "time_glitches")
def an_event_older_than_the_last(format: Format, rounds: list[Round], number: int) -> None:
    """Within one time word (DAT: at most 4096 us): it gets the time of the last event."""
    each = rounds[number]
    older = format.event(each.sensor_us + 1, 30, 30, 1)
    clamped = [(each.true_us + LAST_US, 30, 30, True)]
    each.pieces.append(Piece(older, clamped, Counter(time_glitches=1)))


@damage(START, "dropped_before_time", formats=EVT)
def no_time_word_at_the_start(format: Format, rounds: list[Round], number: int) -> None:
    """Events are dropped until the first one."""
    del rounds[0].pieces[:2]
    for piece in rounds[0].pieces:
        piece.counted = Counter(dropped_before_time=len(piece.events))
        piece.events = []


@damage(MIDDLE, "time_glitches", formats=EVT)
def a_time_word_is_lost(format: Format, rounds: list[Round], number: int) -> None:
    """Cannot be seen: events go by the one before; older than the last event, they are clamped."""
    before, each = rounds[number - 1], rounds[number]
    tick_us = before.true_us - before.sensor_us % format.tick_us
    last_us = max(t for piece in before.pieces for t, *_ in piece.events)
    del each.pieces[:2]
    for piece in each.pieces:
        within = (each.sensor_us + piece.events[0][0] - each.true_us) % format.tick_us
        words = len(piece.data) // format.word_size if format.name == "evt2" else 1
        piece.counted = Counter(time_glitches=words * (tick_us + within < last_us))
        last_us = max(last_us, tick_us + within)
        piece.events = [(last_us, *rest) for _, *rest in piece.events]


@damage(MIDDLE, formats=("evt3",))
def a_low_time_word_is_lost(format: Format, rounds: list[Round], number: int) -> None:
    """Cannot be seen: behind a new TIME_HIGH, events get its begin."""
    assert isinstance(format, Evt3)
    each = rounds[number]
    single = each.pieces[2]
    ((t, *pixel),) = single.events
    single.data = single.data.removeprefix(format.low(each.sensor_us))
    single.events = [(t - each.sensor_us % format.tick_us, *pixel)]


TIME = [each for each in list(vars().values()) if isinstance(each, Damage)]
