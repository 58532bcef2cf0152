"""Streams of an event camera, word by word, in each format; each piece knows its events.

A stream is a list of rounds, 5 ms apart: two time words, single events, a vector. The sensor's
clock goes once around between rounds 2 and 3, so that damage meets a wrap from both sides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT = 64, 48
ROUNDS = 6
ROUND_US = 5000
VECTOR_US, LAST_US = 4, 9
"""When in a round its vector and its last event are."""

Event = tuple[int, int, int, bool]
"""t (us), x, y, on."""


@dataclass
class Piece:
    """Some words: what they decode to, and what is counted for them besides."""

    data: bytes
    events: list[Event] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)


@dataclass
class Round:
    """Pieces that begin at one time: the sensor's (in its first turn) and the decoded one."""

    sensor_us: int
    true_us: int
    pieces: list[Piece]
    wraps: bool = False


def little(*words: int, size: int) -> bytes:
    return b"".join(word.to_bytes(size, "little") for word in words)


@dataclass(frozen=True)
class Format:
    """EVT2; the other formats differ from it. Times are taken modulo the clock's range."""

    name: str = "evt2"
    word_size: int = 4
    tick_us: int = 64
    turn_us: int = 1 << 34
    triggers: tuple[int, ...] = (0xA,)
    others: tuple[int, ...] = (0xD, 0xE, 0xF)
    padding: tuple[int, ...] = ()
    reserved: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 9, 0xB, 0xC)
    has_vectors = False

    def word(self, type_: int, value: int = 0) -> bytes:
        return little(type_ << 28 | value, size=4)

    def time(self, t: int) -> bytes:
        return self.word(0x8, t % self.turn_us // self.tick_us)

    def event(self, t: int, x: int, y: int, on: int) -> bytes:
        return self.word(on, t % 64 << 22 | x << 11 | y)

    def vector(self, t: int, x: int, y: int, on: int, mask: int) -> bytes:
        return b"".join(self.event(t, x + bit, y, on) for bit in bits(mask))

    def timed(self, piece: Piece, sensor_us: int) -> bytes:
        """The words of a piece behind a time word of their own."""
        return self.time(sensor_us) + piece.data

    def clean(self, true_us: int, sensor_us: int, number: int) -> list[Piece]:
        y = 5 + number
        time = Piece(self.time(sensor_us))
        single = Piece(self.event(sensor_us, 3, y, 1), [(true_us, 3, y, True)])
        spread = Piece(
            self.vector(sensor_us + VECTOR_US, 20, y + 20, 0, 0x80000005),
            [(true_us + VECTOR_US, x, y + 20, False) for x in (20, 22, 51)],
        )
        last = Piece(self.event(sensor_us + LAST_US, 9, y, 0), [(true_us + LAST_US, 9, y, False)])
        return [time, Piece(time.data), single, spread, last]


@dataclass(frozen=True)
class Evt21(Format):
    """A mask of 32 pixels in each word; ``swapped``: the halves of older cameras."""

    name: str = "evt21"
    word_size: int = 8
    swapped: bool = False
    has_vectors = True

    def word(self, type_: int, value: int = 0, mask: int = 0) -> bytes:
        halves = (type_ << 28 | value, mask)
        return little(*(halves if self.swapped else halves[::-1]), size=4)

    def event(self, t: int, x: int, y: int, on: int) -> bytes:
        return self.vector(t, x, y, on, 1)

    def vector(self, t: int, x: int, y: int, on: int, mask: int) -> bytes:
        return self.word(on, t % 64 << 22 | x << 11 | y, mask)


@dataclass(frozen=True)
class Evt4(Format):
    """The mask of a vector is the word behind it."""

    name: str = "evt4"
    triggers: tuple[int, ...] = (0x9,)
    others: tuple[int, ...] = (0x6, 0x7)
    padding: tuple[int, ...] = (0xF,)
    reserved: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 8)
    has_vectors = True

    def time(self, t: int) -> bytes:
        return self.word(0xE, t % self.turn_us // self.tick_us)

    def event(self, t: int, x: int, y: int, on: int) -> bytes:
        return self.word(0xA + on, t % 64 << 22 | x << 11 | y)

    def vector(self, t: int, x: int, y: int, on: int, mask: int) -> bytes:
        return self.word(0xC + on, t % 64 << 22 | x << 11 | y) + little(mask, size=4)


@dataclass(frozen=True)
class Evt3(Format):
    """Words of time, row and column; vectors of 12, 12 and 8 columns from a base on."""

    name: str = "evt3"
    word_size: int = 2
    tick_us: int = 1 << 12
    turn_us: int = 1 << 24
    padding: tuple[int, ...] = (0x9,)
    others: tuple[int, ...] = (0x7, 0xE, 0xF)
    reserved: tuple[int, ...] = (0x1, 0xB, 0xC, 0xD)
    has_vectors = True

    def word(self, type_: int, value: int = 0) -> bytes:
        return little(type_ << 12 | value, size=2)

    def low(self, t: int) -> bytes:
        return self.word(0x6, t % self.tick_us)

    def row(self, y: int) -> bytes:
        return self.word(0x0, y)

    def column(self, x: int, on: int) -> bytes:
        return self.word(0x2, on << 11 | x)

    def base(self, x: int, on: int) -> bytes:
        return self.word(0x3, on << 11 | x)

    def twelve(self, mask: int) -> bytes:
        return self.word(0x4, mask)

    def eight(self, mask: int) -> bytes:
        return self.word(0x5, mask)

    def masks(self, mask: int) -> bytes:
        low, high = self.twelve(mask & 0xFFF), self.twelve(mask >> 12 & 0xFFF)
        return low + high + self.eight(mask >> 24)

    def event(self, t: int, x: int, y: int, on: int) -> bytes:
        return self.low(t) + self.row(y) + self.column(x, on)

    def vector(self, t: int, x: int, y: int, on: int, mask: int) -> bytes:
        return self.low(t) + self.row(y) + self.base(x, on) + self.masks(mask)


@dataclass(frozen=True)
class Dat(Format):
    """Each event brings its whole time."""

    name: str = "dat"
    word_size: int = 8
    tick_us: int = 1
    turn_us: int = 1 << 32
    triggers: tuple[int, ...] = ()
    others: tuple[int, ...] = ()
    reserved: tuple[int, ...] = ()

    def event(self, t: int, x: int, y: int, on: int) -> bytes:
        return little(t % self.turn_us, on << 28 | y << 14 | x, size=4)

    def timed(self, piece: Piece, sensor_us: int) -> bytes:
        (_, x, y, on), *_ = piece.events
        return self.event(sensor_us, x, y, on)

    def clean(self, true_us: int, sensor_us: int, number: int) -> list[Piece]:
        y = 5 + number
        rows = [(0, 3, y), (VECTOR_US, 20, y + 20), (VECTOR_US, 51, y + 20), (LAST_US, 9, y)]
        return [
            Piece(self.event(sensor_us + after, x, y, 1), [(true_us + after, x, y, True)])
            for after, x, y in rows
        ]


FORMATS = {
    format.name: format
    for format in (
        Format(),
        Evt21(),
        Evt21(name="evt21-legacy", swapped=True),
        Evt3(),
        Evt4(),
        Dat(),
    )
}


def bits(mask: int) -> list[int]:
    return [bit for bit in range(32) if mask >> bit & 1]


def clean_stream(format: Format) -> list[Round]:
    rounds = []
    for number in range(ROUNDS):
        t = format.turn_us - 12_032 + number * ROUND_US
        rounds.append(Round(t % format.turn_us, t, format.clean(t, t, number)))
    rounds[3].wraps = True
    return rounds


def pieces_of(rounds: Sequence[Round]) -> list[Piece]:
    return [piece for each in rounds for piece in each.pieces]


def data_of(rounds: Sequence[Round]) -> bytes:
    return b"".join(piece.data for piece in pieces_of(rounds))


def events_of(rounds: Sequence[Round]) -> list[Event]:
    return [event for piece in pieces_of(rounds) for event in piece.events]


def counted_for(rounds: Sequence[Round], format: Format) -> Counter[str]:
    """Every counter that is not 0 after these rounds."""
    counted: Counter[str] = Counter()
    for piece in pieces_of(rounds):
        counted.update(piece.counted)
    words = len(data_of(rounds)) // format.word_size
    counted.update(
        words=words,
        bytes=words * format.word_size,
        events=len(events_of(rounds)),
        time_wraps=sum(each.wraps for each in rounds),
    )
    return +counted
