"""Text recordings: one event per line, columns separated by spaces, tabs, commas or semicolons.

The columns are t x y p in this order, unless a header line names them or ``columns`` does. Times
with a decimal point (or an exponent) in the first event's line are seconds, times without are
microseconds; a header that says ``t_us`` or ``t_s`` decides before. Lines that begin with # or %
are comments; a first line of just two whole numbers is the sensor's width and height, as in E2VID's
files. Polarity is 0 or 1, -1 or 1, or False or True.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dae_edge.errors import FormatError
from dae_edge.events import Events, events_from
from dae_edge.sources.packets import LARGEST_EXACT, agreed_sensor, microseconds
from dae_edge.sources.recording import Recording
from dae_edge.sources.source import PACKET_EVENTS

BLOCK_BYTES = 1 << 20
LONGEST_LINE = 4096
COLUMNS = ("t", "x", "y", "p")
_NAMES = {
    **dict.fromkeys(("t", "ts", "time", "timestamp", "timestamps"), "t"),
    **dict.fromkeys(("t_us", "time_us", "timestamp_us", "t_s", "time_s", "timestamp_s"), "t"),
    **dict.fromkeys(("p", "on", "pol", "polarity"), "p"),
    "x": "x",
    "y": "y",
}
_SEPARATORS = bytes.maketrans(b",;\t", b"   ")
_COMMENTS = ("#", "%")


@dataclass(frozen=True)
class _Layout:
    """What the lines before the first event say, and where this one begins."""

    columns: tuple[str, ...]
    seconds: bool
    sensor: tuple[int, int] | None
    start: int
    line_number: int


class TableRecording(Recording):
    """One text file, parsed in blocks of ``BLOCK_BYTES``.

    A last line that the end of the file cuts is counted in ``truncated_lines``.
    """

    def __init__(
        self, path: Path, layout: _Layout, *, sensor: tuple[int, int], packet_events: int
    ) -> None:
        super().__init__(str(path), format="text", sensor=sensor, packet_events=packet_events)
        self._path = path
        self._layout = layout

    def _blocks(self) -> Iterator[Events]:
        number, rest = self._layout.line_number, b""
        with self._path.open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(self._layout.start)
            while chunk := file.read(BLOCK_BYTES):
                self._done = file.tell() / size
                lines, newline, rest = (rest + chunk).rpartition(b"\n")
                if len(rest) > LONGEST_LINE:
                    raise FormatError(f"{self._path}: a line is longer than {LONGEST_LINE} bytes")
                yield self._parse(lines + newline, number)
                number += lines.count(b"\n") + len(newline)
        try:
            yield self._events(rest)
        except ValueError:
            self._counts["truncated_lines"] += 1

    def _parse(self, lines: bytes, number: int) -> Events:
        """Parse many lines at once; one by one only where this fails, to say which line it is."""
        try:
            return self._events(lines)
        except ValueError:
            for offset, line in enumerate(lines.splitlines()):
                try:
                    self._events(line)
                except ValueError as error:
                    shown = line[:60].decode("ascii", "replace")
                    raise FormatError(
                        f"{self._path}, line {number + offset}: {error}: {shown!r}"
                    ) from None
            raise

    def _events(self, lines: bytes) -> Events:
        t, x, y, p = _numbers(lines, self._layout.columns).T
        whole = {"x": x, "y": y} if self._layout.seconds else {"x": x, "y": y, "t": t}
        for name, column in whole.items():
            if not np.all((np.abs(column) < LARGEST_EXACT) & (column == np.floor(column))):
                raise ValueError(f"{name} must be a whole number (times in seconds need a point)")
        if not np.all((p == 0) | (np.abs(p) == 1)):
            raise ValueError(
                "polarity must be 0, 1 or -1; are the columns really "
                f"{' '.join(self._layout.columns)}? If not, pass columns="
            )
        t_us = microseconds(t, str(self._path)) if self._layout.seconds else t
        return events_from(t_us, x, y, p)


def open_table(
    path: Path,
    *,
    sensor: tuple[int, int] | None = None,
    packet_events: int = PACKET_EVENTS,
    columns: str | None = None,
) -> TableRecording:
    """Open a text file of events.

    Args:
        columns: Names of the columns in their order, e.g. ``"x y p t"``; those other than t, x, y
            and p are skipped.

    Raises:
        FormatError: no line holds an event, or nothing says how large the sensor is.
        ValueError: ``columns`` does not name t, x, y and p, once each.
    """
    named = None
    if columns is not None:
        named = _named(_fields(columns.encode()))
        if named is None:
            raise ValueError(f"columns must name t, x, y and p once each, got {columns!r}")
    layout = _layout(path, named)
    return TableRecording(
        path,
        layout,
        sensor=agreed_sensor(str(path), stated=layout.sensor, given=sensor),
        packet_events=packet_events,
    )


def _layout(path: Path, columns: tuple[str, ...] | None) -> _Layout:
    """Read up to the first event's line, with what comments, header and sensor line say."""
    sensor, seconds, number = None, None, 0
    with path.open("rb") as file:
        while line := file.readline(LONGEST_LINE):
            number += 1
            fields = _fields(line)
            is_comment = line.lstrip()[:1].decode("latin-1") in _COMMENTS
            if not fields:
                continue
            if named := _named(fields):
                columns = columns or named
                seconds = _stated_unit(fields)
            elif is_comment:
                continue
            elif len(fields) == 2 and sensor is None and all(map(str.isdecimal, fields)):
                sensor = int(fields[0]), int(fields[1])
            else:
                columns = columns or COLUMNS
                if len(fields) != len(columns):
                    raise FormatError(
                        f"{path}, line {number}: {len(fields)} columns, "
                        f"wanted {len(columns)}: {' '.join(columns)}"
                    )
                if seconds is None:
                    seconds = re.search("[.eE]", fields[columns.index("t")]) is not None
                return _Layout(columns, seconds, sensor, file.tell() - len(line), number)
    raise FormatError(f"{path}: no line holds an event; wanted lines of {' '.join(COLUMNS)}")


def _fields(line: bytes) -> list[str]:
    """Split a line at its separators, without the mark of a comment."""
    words = line.translate(_SEPARATORS).decode("latin-1").lstrip(" #%").split()
    return [word.strip("\"'").lower() for word in words]


def _named(fields: list[str]) -> tuple[str, ...] | None:
    """Column names if these are some: t, x, y and p once each, others as they are."""
    names = tuple(_NAMES.get(field, field) for field in fields)
    return names if all(names.count(column) == 1 for column in COLUMNS) else None


def _stated_unit(fields: list[str]) -> bool | None:
    """Whether a header's times are seconds; None where it does not say."""
    time = next(field for field in fields if _NAMES.get(field) == "t")
    return {"us": False, "s": True}.get(time.rpartition("_")[2])


def _numbers(lines: bytes, columns: tuple[str, ...]) -> NDArray[np.float64]:
    """Parse lines to a table [events, 4] in the order of ``COLUMNS``.

    Raises:
        ValueError: a line has another number of columns, or something that is no number.
    """
    text = lines.translate(_SEPARATORS).decode("ascii")
    text = text.replace("True", "1").replace("False", "0")
    if not re.search(r"^[ \r]*[^ \r\n#%]", text, re.MULTILINE):
        return np.empty((0, len(COLUMNS)))  # numpy warns of tables without rows
    try:
        table = np.loadtxt(io.StringIO(text), comments=_COMMENTS, ndmin=2)
    except ValueError:
        table = np.empty((0, 0))
    if table.shape[1] != len(columns):
        raise ValueError(f"wanted {len(columns)} numbers: {' '.join(columns)}")
    return table[:, [columns.index(column) for column in COLUMNS]]
