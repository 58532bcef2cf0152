"""What every source of events is: a sensor, some metadata, and packets to iterate over."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping

from dae_edge.closing import Closing
from dae_edge.events import Events
from dae_edge.sources.decoding import Undecoded

PACKET_EVENTS = 65_536
"""Most events of one packet, unless asked otherwise: about 0.9 MB."""


class Source(Closing):
    """Events of one camera or recording, in packets, as dtype ``EVENT``.

    Iterating a recording starts from its beginning each time; a camera goes on where it is. Each
    packet is a new array and may be kept. Use it as a context manager, or call ``close``.

    Attributes:
        name: What was opened: a path, or a camera's address.
        format: Name of the format, e.g. ``"evt3"``.
        width: Sensor width in pixels.
        height: Sensor height in pixels.
        metadata: What the recording says of itself, as text.
        live: True for cameras: no end, no second pass.
    """

    live = False

    def __init__(
        self,
        name: str,
        format: str,
        sensor: tuple[int, int],
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.format = format
        self.width, self.height = sensor
        self.metadata: dict[str, str] = dict(metadata or {})

    @abstractmethod
    def __iter__(self) -> Iterator[Events]:
        """Packets, in the order of the recording."""

    def undecoded(self) -> Iterator[Events | Undecoded]:
        """The same events for ``DepthStream.push`` alone: undecoded, where the format has that.

        RAW and DAT recordings do. It is the fast way to depth: the C core sorts such packets into
        windows without making arrays of events. All other sources give their usual packets.
        """
        return iter(self)

    def counters(self) -> dict[str, int]:
        """What the current or last pass saw: at least ``events``; formats add their violations."""
        return {}

    def progress(self) -> float | None:
        """Fraction of the recording that was read, 0..1; None where the end is not known."""
        return None

    def close(self) -> None:  # most recordings hold nothing between passes
        """Release files and devices. Harmless when called twice."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}: {self.format}, {self.width}x{self.height}>"
