"""The text header of Prophesee's RAW and DAT files: lines "% key value", then the data.

The header ends after a line "% end", which is optional, or before the first thing that is not a
header line. Without "% end" the data may begin with the very bytes of "% " (0x25 0x20); so a
header line must look like one: a name of two or more characters after the "% ", printable ASCII to
its end, and a newline within ``LONGEST_LINE``.
Format and sensor are read from what the header states, never guessed. The board number
(``system_ID``) is asked only where the header is silent: one board sends several formats.
Source of the keys and of the board table: OpenEB 5.1, psee_raw_file_header and hal_psee_plugins.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

from dae_edge.errors import FormatError

_T = TypeVar("_T")

LONGEST_LINE = 1024
LONGEST_HEADER = 65_536
_LINE = re.compile(rb"% ([A-Za-z][A-Za-z0-9_]+)(?:[ \t]+([\x20-\x7e\t]*))?\r?\n")
_FORMATS = {"EVT2": "evt2", "EVT21": "evt21", "EVT3": "evt3", "EVT4": "evt4"}
_EVT = {"2.0": "evt2", "2.1": "evt21", "3.0": "evt3", "4.0": "evt4"}
_VGA_EVT2 = (
    {0x15, 0x17, 0x19, 0x1C, 0x1D, 0x21, 0x22, 0x23, 0x29} | {0x97, 0x99, 0xA1, 0xA2}
)  # fmt: skip
_BOARDS = {
    **dict.fromkeys(_VGA_EVT2, ("evt2", (640, 480))),
    0x28: ("evt3", (640, 480)),
    **dict.fromkeys((0x1A, 0x1F, 0x27), ("evt2", (1280, 720))),
    **dict.fromkeys((0x1E, 0x2E, 0x30, 0x31, 0x32), ("evt3", (1280, 720))),
}
"""Format and sensor of a board that states neither, by ``system_ID``."""
_FIRST_LITTLE_ENDIAN_BOARD = 0x37
"""Prophesee boards below send EVT2.1 with swapped halves unless they say otherwise."""


@dataclass(frozen=True)
class RawHeader:
    """The fields of a header and the number of bytes it takes; ``name`` is for error messages."""

    name: str
    fields: dict[str, str]
    size: int

    @property
    def is_dat(self) -> bool:
        """DAT headers state a version and no encoding."""
        return "Version" in self.fields and not {"evt", "format"} & set(self.fields)

    def format(self) -> str:
        """Name of the decoder: ``evt2``, ``evt21``, ``evt21-legacy``, ``evt3`` or ``evt4``."""
        stated = self._agree({"format": self._format_key(), "evt": self._evt_key()})
        encoding = stated or _BOARDS.get(self._board() or -1, (None, None))[0]
        if encoding is None:
            raise FormatError(
                f"{self.name}: the header does not state the event encoding; "
                "wanted a line '% format ...' or '% evt ...', or a known system_ID"
            )
        return "evt21-legacy" if encoding == "evt21" and self._is_legacy() else encoding

    def sensor(self) -> tuple[int, int] | None:
        """(width, height) in pixels, or None where the header does not say."""
        if self.is_dat:
            return self._sensor_of({key.lower(): self.fields[key] for key in self.fields})
        stated = self._agree(
            {"format": self._sensor_of(self._options()), "geometry": self._geometry_key()}
        )
        return stated or _BOARDS.get(self._board() or -1, (None, None))[1]

    def _format_key(self) -> str | None:
        stated = self.fields.get("format")
        if stated is None:
            return None
        encoding = stated.split(";")[0].strip()
        if encoding not in _FORMATS:
            raise FormatError(
                f"{self.name}: format {encoding!r} cannot be read; wanted one of "
                f"{', '.join(_FORMATS)}"
            )
        return _FORMATS[encoding]

    def _evt_key(self) -> str | None:
        stated = self.fields.get("evt")
        if stated is not None and stated.strip() not in _EVT:
            raise FormatError(
                f"{self.name}: evt {stated!r} cannot be read; wanted one of {', '.join(_EVT)}"
            )
        return None if stated is None else _EVT[stated.strip()]

    def _options(self) -> dict[str, str]:
        """``height=720`` and the like behind the name in ``format``."""
        options = self.fields.get("format", "").split(";")[1:]
        pairs = (option.partition("=") for option in options)
        return {key.strip(): value.strip() for key, _, value in pairs}

    def _sensor_of(self, options: dict[str, str]) -> tuple[int, int] | None:
        stated = options.get("width"), options.get("height")
        if stated == (None, None):
            return None
        try:
            return int(stated[0] or ""), int(stated[1] or "")
        except ValueError:
            raise FormatError(
                f"{self.name}: width {stated[0]!r} and height {stated[1]!r} are no sensor size"
            ) from None

    def _geometry_key(self) -> tuple[int, int] | None:
        stated = self.fields.get("geometry")
        if stated is None:
            return None
        match = re.fullmatch(r"\s*(\d{1,6})x(\d{1,6})\s*", stated)
        if match is None:
            raise FormatError(f"{self.name}: geometry {stated!r} is not WIDTHxHEIGHT")
        return int(match[1]), int(match[2])

    def _board(self) -> int | None:
        try:
            return int(self.fields["system_ID"])
        except (KeyError, ValueError):
            return None

    def _is_legacy(self) -> bool:
        """EVT2.1 with swapped halves: stated, or implied by an older Prophesee board."""
        stated = self._agree(
            {
                "format": self._options().get("endianness"),
                "endianness": self.fields.get("endianness"),
            }
        )
        if stated is not None:
            if stated not in ("little", "legacy"):
                raise FormatError(
                    f"{self.name}: endianness {stated!r} cannot be read; wanted little or legacy"
                )
            return stated == "legacy"
        makers = ("plugin_integrator_name", "camera_integrator_name", "integrator_name")
        board = self._board()
        prophesee = any(self.fields.get(maker) == "Prophesee" for maker in makers)
        return prophesee and board is not None and board < _FIRST_LITTLE_ENDIAN_BOARD

    def _agree(self, stated: dict[str, _T | None]) -> _T | None:
        """Give the one value that the header's keys state, or say which two differ."""
        said = {key: value for key, value in stated.items() if value is not None}
        if len(set(said.values())) > 1:
            (one, first), (other, second) = said.items()
            raise FormatError(
                f"{self.name}: the header contradicts itself: "
                f"{one} states {first}, {other} states {second}"
            )
        return next(iter(said.values()), None)


def read_raw_header(file: BinaryIO, name: str) -> RawHeader:
    """Read the header at the beginning of ``file`` and leave the file at the first byte of data.

    Raises:
        FormatError: there is no header, or it does not end within ``LONGEST_HEADER`` bytes.
    """
    fields: dict[str, str] = {}
    size = 0
    while size <= LONGEST_HEADER:
        file.seek(size)
        match = _LINE.match(file.read(LONGEST_LINE))
        if match is None:
            break
        size += match.end()
        key = match[1].decode("ascii")
        if key == "end":
            break
        fields[key] = (match[2] or b"").decode("ascii").strip()
    else:
        raise FormatError(f"{name}: the header is longer than {LONGEST_HEADER} bytes")
    if size == 0:
        raise FormatError(f"{name}: no header line '% key value' at the beginning")
    file.seek(size)
    return RawHeader(name, fields, size)
