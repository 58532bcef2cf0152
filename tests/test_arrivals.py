"""Events as they arrive: paced replay, bounded waiting, errors handed on."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic, sleep

import numpy as np
import pytest

import dae_edge as dae
from dae_edge.arrivals import Arrivals
from dae_edge.events import Events


class Recorded(dae.Source):
    """A source of given packets."""

    def __init__(self, packets: list[Events], error: Exception | None = None) -> None:
        super().__init__("recorded", "test", (10, 10))
        self.packets = packets
        self.error = error

    def __iter__(self) -> Iterator[Events]:
        yield from self.packets
        if self.error:
            raise self.error


def packet(first_us: int, last_us: int, n: int = 100) -> Events:
    t = np.linspace(first_us, last_us, n).astype(np.int64)
    return dae.events_from(t, np.zeros(n), np.zeros(n), np.ones(n))


def drain(arrivals: Arrivals) -> list[Events]:
    taken = []
    while (events := arrivals.take()) is not None:
        taken.append(events)
    return taken


def test_everything_arrives_once_and_in_order() -> None:
    packets = [packet(i * 1000, i * 1000 + 999) for i in range(50)]
    with Arrivals(Recorded(packets)) as arrivals:
        taken = np.concatenate(drain(arrivals))
    np.testing.assert_array_equal(taken, np.concatenate(packets))
    assert arrivals.dropped == 0


@pytest.mark.parametrize("speed", [1.0, 4.0])
def test_a_replay_takes_the_time_of_the_recording_over_the_speed(speed: float) -> None:
    began = monotonic()
    with Arrivals(Recorded([packet(5_000_000, 5_200_000, 1000)]), speed=speed) as arrivals:
        pieces = [piece for piece in drain(arrivals) if len(piece)]
    assert sum(len(piece) for piece in pieces) == 1000
    assert monotonic() - began >= 0.2 / speed  # never early; how late, the machine decides
    assert len(pieces) > 1


def test_what_waits_too_long_is_dropped_oldest_first_and_counted() -> None:
    packets = [packet(i * 1000, i * 1000 + 999) for i in range(10)]
    with Arrivals(Recorded(packets), max_waiting=250) as arrivals:
        while not arrivals._ended:  # nobody takes anything until all has come
            sleep(0.001)
        taken = np.concatenate(drain(arrivals))
    np.testing.assert_array_equal(taken, np.concatenate(packets[-2:]))
    assert arrivals.dropped == 800


def test_an_error_of_the_source_comes_after_the_events_before_it() -> None:
    with Arrivals(Recorded([packet(0, 10)], OSError("unplugged"))) as arrivals:
        assert len(np.concatenate([arrivals.take(timeout_s=5)])) == 100
        with pytest.raises(OSError, match="unplugged"):
            arrivals.take(timeout_s=5)


@pytest.mark.parametrize("jump_us", [3_600_000_000, 2**55, -4_000_000, -(2**55)])
def test_a_jump_of_the_clock_is_not_waited_for_and_pacing_goes_on_behind_it(jump_us: int) -> None:
    before, after = packet(5_000_000, 5_020_000), packet(0, 100_000)
    after["t"] += 5_000_000 + jump_us
    joined = np.concatenate([before, after])  # within one packet, out of order or far apart
    began = monotonic()
    with Arrivals(Recorded([joined]), speed=1) as arrivals:
        taken = np.concatenate(drain(arrivals))
    np.testing.assert_array_equal(taken, joined)
    assert 0.09 <= monotonic() - began < 10


def test_nothing_in_time_is_no_events_and_not_the_end() -> None:
    with Arrivals(Recorded([packet(0, 1), packet(900_000, 900_001)]), speed=1) as arrivals:
        first = arrivals.take(timeout_s=5)
        assert first is not None
        assert len(first) == 100
        nothing = arrivals.take(timeout_s=0.001)
        assert nothing is not None
        assert len(nothing) == 0


def test_a_speed_that_is_no_speed_is_refused() -> None:
    with pytest.raises(ValueError, match="greater than 0, got -1"):
        Arrivals(Recorded([]), speed=-1)
