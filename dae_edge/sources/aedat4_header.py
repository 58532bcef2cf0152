"""Check the header of an AEDAT4 file before the ``aedat`` package sees it.

That package (2.3) trusts the header's offsets and text, and where these are damaged it can end the
whole process. The header is a FlatBuffers table, size first, whose third field is an XML text.
Source of the layout: iniVation's description of AEDAT4, and FlatBuffers' of its internals.
"""

from __future__ import annotations

import struct
from typing import BinaryIO
from xml.parsers import expat

from dae_edge.errors import FormatError

MAGIC = b"#!AER-DAT4.0\r\n"
LARGEST_HEADER = 1 << 24
_IDENTIFIER = b"IOHE"
_FIELDS = {"compression": (0, 4), "data table position": (1, 8), "description": (2, 4)}
"""Number in the table, and size, of each field; of the text, the size of its offset."""


def check_aedat4_header(file: BinaryIO, name: str) -> int:
    """Read the header from the beginning of ``file``; returns where the packets begin.

    Raises:
        FormatError: the header is cut short or damaged.
    """
    if file.read(len(MAGIC)) != MAGIC:
        raise FormatError(f"{name}: does not begin with {MAGIC[:-2].decode()} on a line of its own")
    size = int.from_bytes(file.read(4), "little")
    if size > LARGEST_HEADER:
        raise FormatError(f"{name}: a header of {size} bytes is not possible")
    table = file.read(size)
    try:
        if len(table) < size:
            raise ValueError(f"{size} bytes promised, {len(table)} there")
        _check_xml(_description(table))
    except (ValueError, struct.error, expat.ExpatError) as error:
        raise FormatError(f"{name}: the header of this AEDAT4 file is damaged: {error}") from error
    return len(MAGIC) + 4 + size


def _description(table: bytes) -> bytes:
    """Follow the offsets of the table to its XML text, each checked."""
    if table[4:8] != _IDENTIFIER:
        raise ValueError(f"identifier {table[4:8]!r}, wanted {_IDENTIFIER!r}")
    root = _number("<I", table, 0)
    fields = root - _number("<i", table, root)
    fields_size, table_size = _number("<H", table, fields), _number("<H", table, fields + 2)
    if not 4 <= fields_size <= len(table) - fields or not 4 <= table_size <= len(table) - root:
        raise ValueError("the table does not fit the header")
    places = {}
    for name, (number, size) in _FIELDS.items():
        slot = 4 + 2 * number
        place = _number("<H", table, fields + slot) if slot + 2 <= fields_size else 0
        if place + size > table_size:
            raise ValueError(f"the {name} is outside its table")
        places[name] = place
    if places["description"] == 0:
        raise ValueError("no description")
    text = root + places["description"]
    text += _number("<I", table, text)
    length = _number("<I", table, text)
    if length > len(table) - text - 4:
        raise ValueError("the description does not fit the header")
    return table[text + 4 : text + 4 + length]


def _number(code: str, table: bytes, at: int) -> int:
    if at < 0:
        raise ValueError("an offset leads before the header")
    (value,) = struct.unpack_from(code, table, at)
    return int(value)


def _check_xml(text: bytes) -> None:
    """Well-formed, in UTF-8, and without entity declarations, which can grow without bounds."""
    text.decode("utf-8")

    def refuse(*_: object) -> None:
        raise ValueError("the description declares a document type")

    parser = expat.ParserCreate("utf-8")
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(text, True)
