"""Averages of scores: exact, whatever the order, the parts and the interruptions."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dae_edge.errors import FormatError
from dae_edge.tally import Tally

frames = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.one_of(st.floats(-1e12, 1e12), st.just(math.nan)),
        st.floats(0, 1),
    ),
    max_size=30,
)


def tally_of(frames, name="strict") -> Tally:
    tally = Tally(name)
    for sequence, error, fraction in frames:
        tally.add(sequence, {"rmse": error, "delta1": fraction, "pixels": 7.0})
    return tally


def same(one: Tally, other: Tally) -> bool:
    return repr(one.report()) == repr(other.report())  # repr: NaN equals NaN


@given(frames, st.randoms(use_true_random=False))
def test_the_order_of_frames_does_not_matter(frames, random):
    mixed = list(frames)
    random.shuffle(mixed)
    assert same(tally_of(frames), tally_of(mixed))


@given(frames, st.integers(0, 30))
def test_merged_parts_equal_the_whole(frames, cut):
    part, rest = tally_of(frames[:cut]), tally_of(frames[cut:])
    part.merge(rest)
    assert same(part, tally_of(frames))


@given(frames, st.integers(0, 30))
def test_a_saved_tally_goes_on_where_it_was(frames, cut):
    saved = json.dumps(tally_of(frames[:cut]).as_dict())
    resumed = Tally.from_dict(json.loads(saved))
    resumed.merge(tally_of(frames[cut:]))
    assert same(resumed, tally_of(frames))


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=20))
def test_sums_are_exact(values):
    tally = Tally("strict")
    total = sum(map(Fraction, values))
    if abs(total) > 1e307 or any(abs(sum(map(Fraction, values[:n]))) > 1e307 for n in range(21)):
        return
    for value in values:
        tally.add("a", {"rmse": value})
    assert tally.report().mean_of_frames["rmse"] == float(total) / len(values)


def test_both_means_the_worst_sequence_and_the_counts_are_reported():
    report = tally_of(
        [("b", 1.0, 0.9), ("b", 2.0, 0.8), ("b", 3.0, 0.7), ("a", 6.0, 0.9), ("a", math.nan, 0.9)]
    ).report()
    assert report.frames == {"a": 2, "b": 3}
    assert report.sequences["b"] == pytest.approx({"rmse": 2.0, "delta1": 0.8})
    assert report.mean_of_sequences["rmse"] == 4.0
    assert report.mean_of_frames["rmse"] == 3.0
    assert report.worst == {"rmse": ("a", 6.0), "delta1": ("b", pytest.approx(0.8))}
    assert report.totals == {"pixels": 35.0}
    assert report.without_value == {"rmse": 1}


def test_nothing_gives_an_empty_report():
    report = Tally("paper").report()
    assert (report.frames, report.mean_of_frames, report.worst) == ({}, {}, {})
    assert Tally("paper").frames("a") == 0


def test_a_sequence_without_any_value_is_left_out_of_the_mean():
    report = tally_of([("a", math.nan, 0.5), ("b", 3.0, 0.5)]).report()
    assert math.isnan(report.sequences["a"]["rmse"])
    assert report.mean_of_sequences["rmse"] == 3.0


def test_frames_that_cannot_be_averaged_are_refused():
    tally = tally_of([("a", 1.0, 0.5)])
    with pytest.raises(ValueError, match="a: rmse is infinite"):
        tally.add("a", {"rmse": math.inf, "delta1": 0.5, "pixels": 7.0})
    with pytest.raises(ValueError, match="not in all: delta1, pixels"):
        tally.add("b", {"rmse": 1.0})
    with pytest.raises(ValueError, match="cannot merge 'paper' into 'strict'"):
        tally.merge(Tally("paper"))
    assert tally.frames("a") == 1


@pytest.mark.parametrize(
    "saved",
    [
        None,
        {},
        {"protocol": "paper", "sequences": 3},
        {"protocol": "paper", "sequences": {"a": {"frames": -1, "sums": {}}}},
        {"protocol": "paper", "sequences": {"a": {"frames": 1, "sums": {"rmse": []}}}},
        {"protocol": "paper", "sequences": {"a": {"frames": 1, "sums": {"rmse": [1, "x"]}}}},
        {"protocol": "paper", "sequences": {"a": {"frames": 1, "sums": {"rmse": [1, math.nan]}}}},
        {
            "protocol": "paper",
            "sequences": {
                "a": {"frames": 1, "sums": {"rmse": [1, 2.0]}},
                "b": {"frames": 1, "sums": {"mae": [1, 2.0]}},
            },
        },
    ],
)
def test_what_is_no_saved_tally_is_refused(saved):
    with pytest.raises(FormatError, match="not a saved tally"):
        Tally.from_dict(saved)
