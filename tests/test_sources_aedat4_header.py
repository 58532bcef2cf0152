"""The header of AEDAT4 files, checked before another package trusts it."""

import io
import struct

import pytest
from event_samples import format_error_of
from hypothesis import given
from hypothesis import strategies as st

from dae_edge.errors import FormatError
from dae_edge.sources.aedat4_header import MAGIC, check_aedat4_header

XML = b'<dv version="2.0"><node name="outInfo" path="/outInfo/"></node></dv>'


def header(text: bytes = XML) -> bytes:
    """A FlatBuffers table with a compression, a position and a text, as files have it."""
    fields = struct.pack("<5H", 10, 20, 16, 8, 4)  # its size, the table's, three places
    body = struct.pack("<I4s", 20, b"IOHE") + fields + bytes(2)
    body += struct.pack("<iIqI", 12, 16, 1234, 1)  # the table; the text follows right behind
    body += struct.pack("<I", len(text)) + text + b"\0"
    return MAGIC + struct.pack("<I", len(body)) + body


def check(data: bytes) -> int:
    return check_aedat4_header(io.BytesIO(data), "clip.aedat4")


def test_a_whole_header_gives_the_place_of_the_packets():
    assert check(header() + b"packets") == len(header())


def test_the_headers_of_real_files_are_whole(recordings):
    for path in recordings.glob("*.aedat4"):
        with path.open("rb") as file:
            assert check_aedat4_header(file, str(path)) > 3000


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"#!AER-DAT4.0 ", "does not begin with #!AER-DAT4.0 on a line of its own"),
        (MAGIC, "is damaged"),
        (MAGIC + b"\xff\xff\xff\x7f", "a header of 2147483647 bytes is not possible"),
        (header()[:-9], "bytes promised"),
        (header().replace(b"IOHE", b"IOHX"), "identifier b'IOHX', wanted b'IOHE'"),
        (header(XML[:-2]), "is damaged: unclosed token"),
        (header(b"\xff\xfe"), "codec can't decode"),
        (header(b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"), "declares a document type"),
    ],
)
def test_a_damaged_header_is_an_error_that_says_how(data, message):
    with pytest.raises(FormatError, match=message):
        check(data)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), max_size=6))
def test_any_damage_gives_a_place_in_the_file_or_a_format_error(damage):
    data = bytearray(header())
    for where, value in damage:
        data[len(MAGIC) + where] = value
    problem = format_error_of(lambda: check(bytes(data)))
    assert problem is None or "\n" not in problem
