"""Events as they arrive: from a camera, or from a recording replayed against the clock.

A thread reads; whoever computes takes all that has come meanwhile. So a slow computer falls behind
by one computation at most, and what is dropped is counted instead of piling up.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from time import monotonic

import numpy as np

from dae_edge.closing import Closing
from dae_edge.events import EVENT, Events
from dae_edge.sources.source import Source

PIECE_US = 2_000
"""A replayed packet arrives in pieces of this length, as from a camera that sends every 2 ms."""

LONGEST_STEP_US = 1_000_000
"""A longer silence is not waited for, and after a longer step back the replay goes on from there:
streams of depth start anew at both."""


class Arrivals(Closing):
    """Reads a source in a thread, until it ends or ``close`` is called.

    Args:
        source: Where events come from.
        speed: Recordings only: sensor time per real time; 1 is the speed of the recording.
            None: as fast as the source gives them, which is right for cameras.
        max_waiting: Most events that wait to be taken; older ones are dropped and counted.
    """

    def __init__(
        self, source: Source, *, speed: float | None = None, max_waiting: int = 20_000_000
    ) -> None:
        if speed is not None and not speed > 0:
            raise ValueError(f"speed must be greater than 0, got {speed}")
        self.dropped = 0
        self._source = source
        self._speed = speed
        self._max_waiting = max_waiting
        self._pieces: deque[Events] = deque()
        self._waiting = 0
        self._begin_s = 0.0  # on the monotonic clock, when the sensor's showed _begin_us
        self._begin_us = 0
        self._last_us: int | None = None
        self._ended = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._read, name="dae-arrivals", daemon=True)
        self._thread.start()

    def take(self, *, timeout_s: float = 0.1) -> Events | None:
        """All events that have come since the last call; waits for the first of them.

        Returns:
            The events, none if none came in time; None at the end of the source.

        Raises:
            Exception: what the source raised, after the events that came before it.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._pieces or self._ended, timeout_s)
            ended = self._ended
            pieces = list(self._pieces)
            self._pieces.clear()
            self._waiting = 0
            if not pieces and self._error is not None:
                raise self._error
        if not pieces:
            return None if ended else np.empty(0, EVENT)
        return np.concatenate(pieces)

    def close(self) -> None:
        """Stop reading. The source itself stays open."""
        self._closed.set()
        self._thread.join(timeout=2)

    def _read(self) -> None:
        try:
            for packet in self._source:
                for piece in self._paced(packet):
                    self._arrive(piece)
                if self._closed.is_set():
                    return
        except BaseException as error:
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()

    def _arrive(self, piece: Events) -> None:
        with self._changed:
            self._pieces.append(piece)
            self._waiting += len(piece)
            while self._waiting > self._max_waiting and len(self._pieces) > 1:
                oldest = self._pieces.popleft()
                self._waiting -= len(oldest)
                self.dropped += len(oldest)
            self._changed.notify()

    def _paced(self, packet: Events) -> Iterator[Events]:
        """The packet's pieces, each when its last event is due."""
        if self._speed is None or len(packet) == 0:
            yield packet
            return
        piece_numbers = packet["t"] // PIECE_US
        for piece in np.split(packet, np.flatnonzero(np.diff(piece_numbers)) + 1):
            first_us, last_us = int(piece["t"][0]), int(piece["t"][-1])
            if self._closed.wait(self._wait_s(first_us, last_us, self._speed)):
                return
            yield piece

    def _wait_s(self, first_us: int, last_us: int, speed: float) -> float:
        """Seconds until the last event of a piece is due."""
        now = monotonic()
        if self._last_us is None or abs(first_us - self._last_us) > LONGEST_STEP_US:
            self._begin_s, self._begin_us = now, first_us
        self._last_us = last_us
        return max(0.0, self._begin_s + (last_us - self._begin_us) / 1e6 / speed - now)
