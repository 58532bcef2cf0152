"""Text recordings: separators, headers, units, and errors that name the line."""

import numpy as np
import pytest
from event_samples import format_error_of, random_events
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dae_edge.errors import FormatError
from dae_edge.sources import table
from dae_edge.sources.table import open_table

SENSOR = (64, 48)


def read(tmp_path, text: str, **options) -> list[tuple]:
    (tmp_path / "e.txt").write_text(text)
    source = open_table(tmp_path / "e.txt", **{"sensor": SENSOR, **options})
    return np.concatenate([*source, random_events(0)]).tolist()


EXPECTED = [(1_500_000, 3, 4, True), (1_500_250, 5, 6, False)]


@pytest.mark.parametrize(
    "text",
    [
        "1.5 3 4 1\n1.50025 5 6 0\n",
        "1.5 3 4 1\n1.50025 5 6 -1",
        "1.5,3,4,1\n1.50025,5,6,0\n",
        "1.5, 3, 4, 1\r\n1.50025, 5, 6, 0\r\n",
        "1.5;3;4;1\n1.50025;5;6;0\n",
        "1.5\t3\t4\tTrue\n1.50025\t5\t6\tFalse\n",
        "1500000 3 4 1\n1500250 5 6 0\n",
        "# a comment\n\n1500000 3 4 1\n# another\n\n1500250 5 6 0\n",
        "x,y,p,t\n3,4,1,1500000\n5,6,0,1500250\n",
        "x,y,polarity,timestamp\n3,4,1,1.5\n5,6,0,1.50025\n",
        "# x y t p\n3 4 1.5 1\n5 6 1.50025 0\n",
        '"t_us","x","y","on"\n1500000,3,4,1\n1500250,5,6,0\n',
        "id,t_s,x,y,p\n0,1.5,3,4,1\n1,1.50025,5,6,0\n",
        "1.500000000000000000e+00 3.0e+00 4.0e+00 1.0e+00\n1.50025 5.0 6.0 0.0\n",
    ],
)
def test_the_usual_ways_to_write_events_are_read(tmp_path, text):
    assert read(tmp_path, text) == EXPECTED


def test_a_header_that_says_seconds_needs_no_decimal_point(tmp_path):
    assert read(tmp_path, "t_s x y p\n2 3 4 1\n") == [(2_000_000, 3, 4, True)]


def test_a_first_line_of_two_numbers_is_the_sensor(tmp_path):
    (tmp_path / "e.txt").write_text("240 180\n0.5 3 4 1\n")
    source = open_table(tmp_path / "e.txt")
    assert (source.width, source.height) == (240, 180)
    assert np.concatenate(list(source)).tolist() == [(500_000, 3, 4, True)]


def test_columns_can_be_named_by_the_caller(tmp_path):
    assert read(tmp_path, "3,4,1,1500000\n5,6,0,1500250\n", columns="x,y,p,t") == EXPECTED
    text = "9 3 4 1 1500000\n9 5 6 0 1500250\n"
    assert read(tmp_path, text, columns="id x y p t") == EXPECTED


def test_columns_that_do_not_name_what_is_needed_are_an_error(tmp_path):
    with pytest.raises(ValueError, match="columns must name t, x, y and p once each"):
        read(tmp_path, "1 2 3 4\n", columns="t x y")


def test_times_since_1970_keep_their_microseconds(tmp_path):
    assert read(tmp_path, "1633953690.975951 3 4 1\n") == [(1_633_953_690_975_951, 3, 4, True)]
    assert read(tmp_path, "1633953690975951 3 4 1\n") == [(1_633_953_690_975_951, 3, 4, True)]


def test_small_blocks_give_the_same_events(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "BLOCK_BYTES", 100)
    events = random_events(500)
    np.savetxt(tmp_path / "e.txt", np.array(events.tolist(), dtype=np.int64), fmt="%d")
    source = open_table(tmp_path / "e.txt", sensor=SENSOR, packet_events=7)
    seen = []
    packets = [packet for packet in source if not seen.append(source.progress())]
    np.testing.assert_array_equal(np.concatenate(packets), events)
    assert max(map(len, packets)) <= 7
    assert seen == sorted(seen)


def test_a_cut_last_line_is_counted(tmp_path):
    (tmp_path / "e.txt").write_text("1 2 3 0\n2 2 3 0\n3 2")
    source = open_table(tmp_path / "e.txt", sensor=SENSOR)
    assert sum(map(len, source)) == 2
    assert source.counters() == {"events": 2, "truncated_lines": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3 1\n\n2 2 x 1\n", "line 3: wanted 4 numbers: t x y p: '2 2 x 1'"),
        ("1 2 3 1\n2 2 1\n", "line 2: wanted 4 numbers"),
        ("# c\n1 2 3 1\n2 2 3 1 9\n3 2 3 1\n", "line 3: wanted 4 numbers"),
        ("1 2 3 1\n2.5 2 3 1\n", "line 2: t must be a whole number"),
        ("1 2 3 1\n2 2.5 3 1\n", "line 2: x must be a whole number"),
        ("1 2 3 1\n2 2 nan 1\n", "line 2: y must be a whole number"),
        ("1 2 3 1\n2 2 3 7\n", "line 2: polarity must be 0, 1 or -1; are the columns really"),
        ("0.5 2 3 1\ninf 2 3 1\n", "line 2: .*impossible time inf"),
        ("1 2 3\n", "line 1: 3 columns, wanted 4: t x y p"),
        ("# nothing\n", "no line holds an event"),
        ("1 2 3 1\n2 2 3 1\n2 2 3 \xe9\n", "line 3: wanted|line 3: 'ascii'"),
    ],
)
def test_errors_name_the_line_and_what_is_wanted(tmp_path, text, message):
    with pytest.raises(FormatError, match=message):
        read(tmp_path, text)


def test_errors_in_later_blocks_name_the_line_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "BLOCK_BYTES", 50)
    with pytest.raises(FormatError, match=r"e\.txt, line 90: "):
        read(tmp_path, "# head\n" + "1 2 3 0\n" * 88 + "bad\n" + "1 2 3 0\n" * 20)


def test_the_sensor_is_demanded(tmp_path):
    with pytest.raises(FormatError, match=r"pass sensor=\(width, height\)"):
        read(tmp_path, "1 2 3 1\n", sensor=None)


def test_a_line_without_end_is_an_error_and_not_a_full_memory(tmp_path):
    with pytest.raises(FormatError, match="a line is longer than"):
        read(tmp_path, "1 2 3 1\n" + "1 " * 10_000)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text('0123456789 .,-+einfNaTtxyp#%\n\r\t"', max_size=120))
def test_any_text_gives_events_or_a_format_error(tmp_path, text):
    problem = format_error_of(lambda: read(tmp_path, text))
    assert problem is None or "e.txt" in problem
