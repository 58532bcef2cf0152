"""Damage to places, words and bytes of a stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from damage import END, EVT, LASTING, MIDDLE, START, WITH_VECTORS, Damage, damage
from word_streams import HEIGHT, LAST_US, VECTOR_US, WIDTH, Evt3, Evt4, Format, Piece, Round, bits

# ---- place ----


def _insert(each: Round, piece: Piece) -> None:
    """In front of the last event, so that something of the round follows."""
    each.pieces.insert(-1, piece)


@damage(MIDDLE, "dropped_x")
def x_outside_the_sensor(format: Format, rounds: list[Round], number: int) -> None:
    """The event is dropped."""
    t = rounds[number].sensor_us + VECTOR_US
    words = format.event(t, WIDTH, 5, 1) + format.event(t, 2047, 5, 0)
    _insert(rounds[number], Piece(words, counted=Counter(dropped_x=2)))


@damage(MIDDLE, "dropped_y")
def y_outside_the_sensor(format: Format, rounds: list[Round], number: int) -> None:
    """The event is dropped; EVT3: all events of the row."""
    t = rounds[number].sensor_us + VECTOR_US
    words = format.event(t, 1, HEIGHT, 1) + format.event(t, 2047, 2047, 0)
    _insert(rounds[number], Piece(words, counted=Counter(dropped_y=2)))


@damage(MIDDLE, "dropped_x", formats=WITH_VECTORS)
def a_vector_over_the_edge(format: Format, rounds: list[Round], number: int) -> None:
    """Its events inside are kept, the others dropped one by one."""
    t, true_us = rounds[number].sensor_us + VECTOR_US, rounds[number].true_us + VECTOR_US
    inside = [(true_us, x, 30, True) for x in (WIDTH - 2, WIDTH - 1)]
    words = format.vector(t, WIDTH - 2, 30, 1, 0x80001003)
    _insert(rounds[number], Piece(words, inside, Counter(dropped_x=2)))


@damage(START, "dropped_before_y", formats=("evt3",))
def no_row_at_the_start(format: Format, rounds: list[Round], number: int) -> None:
    """Events are dropped until the first row word."""
    for piece in rounds[0].pieces[2:]:
        piece.data = piece.data[:2] + piece.data[4:]
        piece.counted = Counter(dropped_before_y=len(piece.events))
        piece.events = []


@damage(START, "dropped_before_y", formats=("evt3",))
def no_base_at_the_start(format: Format, rounds: list[Round], number: int) -> None:
    """Events of vectors are dropped until the first base."""
    spread = rounds[0].pieces[3]
    spread.data = spread.data[:4] + spread.data[6:]
    spread.counted = Counter(dropped_before_y=len(spread.events))
    spread.events = []


@damage(MIDDLE, formats=("evt3",))
def a_row_word_is_lost(format: Format, rounds: list[Round], number: int) -> None:
    """Cannot be seen: the events are placed in the row before."""
    assert isinstance(format, Evt3)
    single = rounds[number].pieces[2]
    ((t, x, _, on),) = single.events
    single.data = format.low(rounds[number].sensor_us) + format.column(x, on)
    single.events = [(t, x, rounds[number - 1].pieces[-1].events[-1][2], on)]


# ---- words ----


def _insert_types(format: Format, each: Round, types: Sequence[int], counter: str) -> None:
    words = b"".join(format.word(type_, 0x12) for type_ in types)
    _insert(each, Piece(words, counted=Counter({counter: len(types)})))


@damage(MIDDLE, "reserved_words", formats=EVT)
def words_of_reserved_types(format: Format, rounds: list[Round], number: int) -> None:
    """Skipped."""
    _insert_types(format, rounds[number], format.reserved, "reserved_words")


@damage(MIDDLE, "other_words", formats=EVT)
def vendor_and_continuation_words(format: Format, rounds: list[Round], number: int) -> None:
    """Legal; skipped."""
    _insert_types(format, rounds[number], format.others, "other_words")


@damage(MIDDLE, "padding_words", formats=("evt3", "evt4"))
def padding_words(format: Format, rounds: list[Round], number: int) -> None:
    """Legal; skipped."""
    _insert_types(format, rounds[number], format.padding, "padding_words")


@damage(MIDDLE, "triggers", formats=EVT)
def external_triggers(format: Format, rounds: list[Round], number: int) -> None:
    """Legal; skipped."""
    _insert_types(format, rounds[number], format.triggers, "triggers")


@damage(MIDDLE, "partial_vectors", formats=("evt3",))
def vector_groups_cut_short(format: Format, rounds: list[Round], number: int) -> None:
    """Decoded word by word; what is missing is no event."""
    assert isinstance(format, Evt3)
    base, t = format.base(8, 1), rounds[number].true_us
    words = format.low(rounds[number].sensor_us) + format.row(30)
    words += base + format.twelve(1)  # cut after one word, after two, and the first two missing
    words += base + format.twelve(2) + format.twelve(1) + base + format.eight(4)
    words += base + format.twelve(8) * 3 + format.twelve(0) + format.eight(0)  # no VECT_8 between
    events = [(t, x, 30, True) for x in (8, 9, 20, 10, 11, 23, 35)]
    rounds[number].pieces.insert(3, Piece(words, events, Counter(partial_vectors=4)))


@damage(MIDDLE, formats=("evt4",))
def the_mask_of_a_vector_is_lost(format: Format, rounds: list[Round], number: int) -> None:
    """Cannot be seen: the next word, whatever it is, is taken for the mask."""
    assert isinstance(format, Evt4)
    t, true_us = rounds[number].sensor_us + VECTOR_US, rounds[number].true_us + VECTOR_US
    eaten = format.event(t, 1, 1, 1)
    events = [(true_us, x, 30, True) for x in bits(int.from_bytes(eaten, "little"))]
    _insert(rounds[number], Piece(format.vector(t, 0, 30, 1, 0)[:4] + eaten, events))


# ---- bytes ----

TEXT = b"ERROR 17: USB 3-1 was unplugged, (sorry)"


def _text_as_evt3(each: Round) -> Piece:
    """The 20 words of TEXT after the last event, read by hand with the format's description."""
    y, low = each.pieces[-1].events[-1][2], each.sensor_us % 4096 + LAST_US
    tick_us = each.true_us + LAST_US - low
    lows = (0x177, 0xE75, 0xC70, 0x775, 0x567)  # "wa", "un", "pl", "ug", "ge"
    older = sum(each_low < low for each_low in lows)
    columns = (52, 54, 58, 61, 58, 49)  # "ER" from the base on, "RO", ": ", "1 "
    events = [(tick_us + low, x, y, False) for x in columns]
    events.append((tick_us + max(low, lows[-1]), 32, y, True))  # " ("
    counted = Counter(dropped_x=16, partial_vectors=3, other_words=1, time_glitches=older)
    return Piece(TEXT, events, counted)


@damage(
    MIDDLE,
    *("reserved_words", "other_words", "partial_vectors"),
    *("dropped_x", "dropped_y", "time_glitches"),
)
def text_instead_of_data(format: Format, rounds: list[Round], number: int) -> None:
    """ASCII has no time words: the clock stays (EVT3: within 4096 us; DAT: unless two events of it
    in a row fall inside the sensor and agree). Reserved words, events mostly outside."""
    each, words = rounds[number], len(TEXT) // format.word_size
    counted = {
        "evt3": {},
        "evt4": {"other_words": 4, "reserved_words": 6},
        "dat": {"dropped_y": words},
    }.get(format.name, {"reserved_words": words})
    text = Piece(TEXT, counted=Counter(counted))
    each.pieces.append(_text_as_evt3(each) if format.name == "evt3" else text)


@damage(MIDDLE, "other_words", "padding_words", "dropped_y")
def bytes_of_ff(format: Format, rounds: list[Round], number: int) -> None:
    """Erased memory. Skipped; DAT: events outside the sensor."""
    words = 16
    counter = {"evt4": "padding_words", "dat": "dropped_y"}.get(format.name, "other_words")
    _insert(
        rounds[number], Piece(b"\xff" * words * format.word_size, counted=Counter({counter: words}))
    )


@damage(MIDDLE, "reserved_words", "padding_words", "time_glitches")
def bytes_of_zero(format: Format, rounds: list[Round], number: int) -> None:
    """EVT2: dark events of pixel 0, 0. EVT2.1: empty masks. EVT3: row 0. EVT4, DAT: skipped."""
    words, each = 16, rounds[number]
    piece = Piece(bytes(words * format.word_size))
    if format.name == "evt2":
        piece.events = [(each.true_us + VECTOR_US, 0, 0, False)] * words
        piece.counted = Counter(time_glitches=words)
    elif format.name in ("evt4", "dat"):
        counter = "reserved_words" if format.name == "evt4" else "padding_words"
        piece.counted = Counter({counter: words})
    _insert(each, piece)


@damage(LASTING, exact=False)
def a_byte_is_lost(format: Format, rounds: list[Round], number: int) -> None:
    """Words are read wrong from there on, nothing says where they begin: what comes out is inside
    the sensor and in order, no more."""
    rounds[number].pieces[-1].data = rounds[number].pieces[-1].data[1:]


@damage(END)
def the_end_within_a_word(format: Format, rounds: list[Round], number: int) -> None:
    """Not decoded, and not among `bytes`; recordings say `truncated_bytes`."""
    rounds[-1].pieces.append(Piece(b"\xe5" * (format.word_size - 1)))


WORDS = [each for each in list(vars().values()) if isinstance(each, Damage)]
