"""A source that is a file: read in blocks, from its beginning on every pass."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping

from dae_edge.events import Events
from dae_edge.sources.packets import checked_packet_events, cut, inside_sensor
from dae_edge.sources.source import PACKET_EVENTS, Source


class Recording(Source):
    """Events of one file. A format gives blocks of events; the rest is the same for all.

    Events outside the sensor are left out and counted as ``dropped_outside``. No file is held open
    between passes, so there is nothing to close.
    """

    _bounds_checked = False
    """True where the blocks come from a decoder that leaves such events out itself."""

    def __init__(
        self,
        name: str,
        *,
        format: str,
        sensor: tuple[int, int],
        metadata: Mapping[str, str] | None = None,
        packet_events: int = PACKET_EVENTS,
    ) -> None:
        super().__init__(name, format, sensor, metadata)
        self._packet_events = checked_packet_events(packet_events)
        self._counts: Counter[str] = Counter(events=0)
        self._done: float | None = None

    def _inside(self, block: Events) -> Events:
        events = inside_sensor(block, self.width, self.height)
        if len(events) < len(block):
            self._counts["dropped_outside"] += len(block) - len(events)
        return events

    @abstractmethod
    def _blocks(self) -> Iterator[Events]:
        """Blocks of events of any length, new arrays each; sets ``_done`` where it can be known."""

    def __iter__(self) -> Iterator[Events]:
        self._counts = Counter(events=0)
        self._done = None
        for block in self._blocks():
            events = block if self._bounds_checked else self._inside(block)
            for packet in cut(events, self._packet_events):
                self._counts["events"] += len(packet)
                yield packet
        self._done = 1.0

    def counters(self) -> dict[str, int]:
        """Events given out so far in this pass, and what was wrong with the recording."""
        return dict(self._counts)

    def progress(self) -> float | None:
        """Fraction of the recording that was read, 0..1; None where the end is not known."""
        return self._done
