"""One case of a matrix: what is run, and how. Plain values, so that it can go to a process."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

BUNDLE = "dae_edge.bench.subjects:BundleSubject"
SINGLE, REALTIME = "single", "realtime"


@dataclass(frozen=True)
class Case:
    """What one process measures.

    Attributes:
        label: Name of the row.
        recording: Path of the events.
        subject: ``module:class`` of what is measured; see ``subjects.Subject``.
        bundle: Path of a bundle; other subjects may do without.
        backend: Inference engine; None: the bundle's.
        threads: For inference; None: the engine's choice.
        pin: Processors that the process may use; None: all.
        window_us: Length of a window; None: the model's.
        hop_us: From one window to the next; None: the window's length.
        scenario: ``single``: the next window when the last is done; ``realtime``: at the sensor's
            pace, newest first.
        windows: How many are measured in a launch; None: as many as ``duration_s`` takes.
        duration_s: Seconds measured in a launch.
        speed: With ``realtime``: 2 is twice the sensor's pace.
        sensor: (width, height) of a recording that does not say it.
        streams: Cameras at once on one model, each in a thread of its own.
        options: For other subjects.
    """

    label: str
    recording: str
    subject: str = BUNDLE
    bundle: str | None = None
    backend: str | None = None
    threads: int | None = None
    pin: tuple[int, ...] | None = None
    window_us: int | None = None
    hop_us: int | None = None
    scenario: str = SINGLE
    windows: int | None = None
    duration_s: float = 3.0
    speed: float = 1.0
    sensor: tuple[int, int] | None = None
    streams: int = 1
    options: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Case:
        """What ``as_dict`` gave, from JSON.

        Raises:
            TypeError: a field that this version does not know, or none where one is needed.
        """
        values = dict(values)
        for name in ("pin", "sensor"):
            if values.get(name) is not None:
                values[name] = tuple(values[name])
        return cls(**values)
