"""The text header of RAW and DAT files: where it ends, and what it states."""

import io

import pytest
from event_samples import format_error_of
from hypothesis import given
from hypothesis import strategies as st

from dae_edge.errors import FormatError
from dae_edge.sources.raw_header import LONGEST_HEADER, RawHeader, read_raw_header


def header_of(data: bytes) -> RawHeader:
    return read_raw_header(io.BytesIO(data), "clip.raw")


def fields(**stated: str) -> RawHeader:
    return RawHeader("clip.raw", stated, 1)


def test_the_header_ends_after_the_end_line():
    header = header_of(b"% evt 3.0\n% end\n% geometry 9x9\n")
    assert header.fields == {"evt": "3.0"}
    assert header.size == len(b"% evt 3.0\n% end\n")


def test_the_header_ends_before_the_first_thing_that_is_no_header_line():
    assert header_of(b"% evt 3.0\n\x00\x80").size == 10


def test_the_file_is_left_at_the_first_byte_of_data():
    file = io.BytesIO(b"% evt 3.0\n% end\nDATA")
    read_raw_header(file, "clip.raw")
    assert file.read() == b"DATA"


@pytest.mark.parametrize(
    "data",
    [
        b"% ",
        b"\x25\x20\x0a\x60",  # "% " and a newline at once
        b"\x25\x20\x41\x0a",  # one letter is no name
        b"\x25\x20evt \x80 3.0\n",  # not ASCII
        b"\x25\x20" + b"a" * 2000 + b"\n",  # no newline within a line's length
        b"\x25\x20\x34\x12\x00\x60" * 40,
    ],
)
def test_data_that_begins_like_a_header_line_is_data_when_end_is_missing(data):
    header = header_of(b"% evt 3.0\n% geometry 64x48\n" + data)
    assert header.fields == {"evt": "3.0", "geometry": "64x48"}
    assert header.size == 27


def test_a_header_may_have_windows_line_ends_and_values_with_spaces():
    header = header_of(b"% date 2026-11-22 09:22:43\r\n% evt 3.0\r\n% end\r\n")
    assert header.fields == {"date": "2026-11-22 09:22:43", "evt": "3.0"}


def test_no_header_is_an_error_that_names_the_file():
    with pytest.raises(FormatError, match=r"clip\.raw: no header line"):
        header_of(b"\x00\x01")


def test_a_header_without_end_in_sight_is_an_error():
    with pytest.raises(FormatError, match="longer than"):
        header_of(b"% key value\n" * (LONGEST_HEADER // 11))


@pytest.mark.parametrize(
    ("stated", "format"),
    [
        ({"format": "EVT3;height=720;width=1280"}, "evt3"),
        ({"evt": "2.0"}, "evt2"),
        ({"format": "EVT4"}, "evt4"),
        ({"evt": "2.1", "endianness": "little"}, "evt21"),
        ({"evt": "2.1", "endianness": "legacy"}, "evt21-legacy"),
        ({"format": "EVT21;endianness=legacy;height=720;width=1280"}, "evt21-legacy"),
        ({"evt": "2.1", "integrator_name": "Prophesee", "system_ID": "49"}, "evt21-legacy"),
        ({"evt": "2.1", "integrator_name": "Prophesee", "system_ID": "55"}, "evt21"),
        ({"evt": "2.1", "integrator_name": "Other", "system_ID": "49"}, "evt21"),
        ({"evt": "2.1"}, "evt21"),
        ({"system_ID": "48"}, "evt3"),
        ({"system_ID": "21"}, "evt2"),
        ({"system_ID": "40"}, "evt3"),
    ],
)
def test_the_encoding_is_what_the_header_states(stated, format):
    assert fields(**stated).format() == format


@pytest.mark.parametrize(
    ("stated", "sensor"),
    [
        ({"format": "EVT3;height=720;width=1280"}, (1280, 720)),
        ({"geometry": "640x480", "evt": "3.0"}, (640, 480)),
        ({"system_ID": "48"}, (1280, 720)),
        ({"system_ID": "21"}, (640, 480)),
        ({"system_ID": "9999", "evt": "3.0"}, None),
        ({"system_ID": "many", "evt": "3.0"}, None),
        ({"Version": "2", "Width": "304", "Height": "240"}, (304, 240)),
        ({"Version": "2"}, None),
    ],
)
def test_the_sensor_is_what_the_header_states_or_the_board_number_implies(stated, sensor):
    assert fields(**stated).sensor() == sensor


@pytest.mark.parametrize(
    ("stated", "ask", "message"),
    [
        ({"evt": "2.0", "format": "EVT3"}, "format", "format states evt3, evt states evt2"),
        (
            {"geometry": "640x480", "format": "EVT3;height=720;width=1280"},
            "sensor",
            r"format states \(1280, 720\), geometry states \(640, 480\)",
        ),
        (
            {"format": "EVT21;endianness=little", "endianness": "legacy"},
            "format",
            "format states little, endianness states legacy",
        ),
        ({"format": "HISTO3D;height=720;width=1280"}, "format", "'HISTO3D' cannot be read"),
        ({"evt": "5.0"}, "format", "evt '5.0' cannot be read"),
        ({"geometry": "wide"}, "sensor", "'wide' is not WIDTHxHEIGHT"),
        ({"format": "EVT3;height=720;width=x"}, "sensor", "are no sensor size"),
        ({"format": "EVT3;height=720"}, "sensor", "are no sensor size"),
        ({"evt": "2.1", "endianness": "middle"}, "format", "endianness 'middle'"),
        ({"date": "2020"}, "format", "does not state the event encoding"),
    ],
)
def test_a_contradiction_or_an_unknown_value_is_an_error_that_names_it(stated, ask, message):
    header = fields(**stated)
    with pytest.raises(FormatError, match=message):
        getattr(header, ask)()


@given(st.binary(max_size=400))
def test_any_bytes_give_a_header_or_a_format_error(data):
    file = io.BytesIO(b"% evt 3.0\n" + data)
    header = read_raw_header(file, "clip.raw")
    assert header.fields
    assert file.tell() == header.size <= 10 + len(data)
    for ask in (header.format, header.sensor):
        assert "\n" not in (format_error_of(ask) or "")
