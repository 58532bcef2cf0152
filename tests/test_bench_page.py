"""The HTML report: one file, no scripts, nothing from elsewhere; numbers are in their place."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_bench_record import small_record

from dae_edge.bench.page import page
from dae_edge.bench.plots import Axis, Plot, distribution, span, stacked

VOID = {"meta", "br", "img"}


class Balance(HTMLParser):
    """Every tag that opens closes; optional ends as in the page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in (*VOID, "html"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def pictures(text: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]


def test_the_page_is_well_formed_and_stands_alone():
    text = page(small_record())
    parser = Balance()
    parser.feed(text)
    assert parser.open == []
    assert "<script" not in text
    assert "http" not in text
    assert len(pictures(text)) == 5  # CDF, stages, accuracy, and two timelines
    words = " ".join(parser.texts)
    for wanted in (
        "a stand-in machine",
        "unstable: slow: throttled",
        "not measured: gone",
        "CoV %",
    ):
        assert wanted in words


def test_names_of_cases_cannot_break_the_page():
    record = small_record()
    case = record.results[0].case
    object.__setattr__(case, "label", '<b>"quick" & co</b>')
    text = page(record)
    parser = Balance()
    parser.feed(text)
    assert parser.open == []
    assert "<b>" not in text
    assert "&lt;b&gt;" in text


def test_throttling_is_marked_in_time():
    record = small_record()
    calm = page(record).count('fill="#ff5c5c"')
    record.results[0].launches[1]["watch"] = {
        **record.results[0].launches[1]["watch"],
        "throttled_now": [False, True, False],
    }
    assert calm == 0
    assert page(record).count('fill="#ff5c5c"') == 1


def test_a_result_without_accuracy_or_stages_has_a_page():
    record = small_record()
    record.results = record.results[:1]
    record.results[0].about["accuracy"] = {"why": "untrained"}
    for launch in record.results[0].launches:
        launch["samples_us"] = {"total": launch["samples_us"]["total"]}
    assert len(pictures(page(record))) == 2


@given(st.floats(0.001, 1e6), st.floats(1.001, 1e4), st.booleans())
def test_ticks_are_few_and_within_the_axis(low: float, factor: float, logarithmic: bool):
    axis = Axis("x", low, low * factor, logarithmic)
    ticks = axis.ticks()
    assert len(ticks) <= 16
    assert ticks == sorted(ticks)
    for tick in ticks:
        assert -1e-6 <= axis.place(tick) <= 1 + 1e-6
    assert logarithmic or len(ticks) >= 2


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_every_value_has_its_place_on_its_axis(values: list[float]):
    axis = Axis("x", *span(values))
    assert all(0 <= axis.place(value) <= 1 for value in values)
    assert span(values, zero=True)[0] == 0


def test_a_point_is_drawn_where_its_numbers_say():
    plot = Plot("p", Axis("x", 0, 10), Axis("y", 0, 1))
    plot.dots([0.0, 10.0], [0.0, 1.0], "#fff")
    first, last = ElementTree.fromstring(plot.svg()).findall("circle")
    assert float(first.attrib["cx"]) < 100 < 700 < float(last.attrib["cx"])
    assert float(first.attrib["cy"]) > 200 > 50 > float(last.attrib["cy"])


def test_many_points_are_thinned_and_the_last_one_stays():
    plot = Plot("p", Axis("x", 0, 1e5), Axis("y", 0, 1))
    plot.line([float(k) for k in range(100_000)], [0.5] * 100_000, "#fff")
    (line,) = ElementTree.fromstring(plot.svg()).findall("polyline")
    points = line.attrib["points"].split()
    assert 1000 < len(points) < 2000
    assert float(points[-1].split(",")[0]) == pytest.approx(plot.x(99_999), abs=0.1)


def test_bars_are_as_long_as_their_numbers():
    svg = stacked("t", [("a", [1.0, 3.0]), ("b", [2.0, 0.0])], ["x", "y"], "ms")
    widths = [float(bar.attrib["width"]) for bar in ElementTree.fromstring(svg).findall("rect")]
    assert widths[1] == pytest.approx(3 * widths[0], rel=0.01)
    assert widths[2] == pytest.approx(2 * widths[0], rel=0.01)
    assert widths[3] == 0


def test_a_distribution_ends_at_one():
    values, fractions = distribution([3.0, 1.0, 2.0])
    assert values == [1.0, 2.0, 3.0]
    assert fractions[-1] == 1.0
    assert math.isclose(fractions[0], 1 / 3)
