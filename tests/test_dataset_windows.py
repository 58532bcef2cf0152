"""Windows cut from packets equal windows cut from all events at once."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dae_edge.datasets.windows import event_windows
from dae_edge.errors import FormatError
from dae_edge.events import events_from


def events_at(times):
    n = len(times)
    return events_from(np.array(times, np.int64), np.arange(n), np.zeros(n), np.ones(n))


@given(
    st.lists(st.integers(-20, 200), max_size=40).map(sorted),
    st.lists(st.integers(0, 40), max_size=5).map(sorted),
    st.lists(st.integers(-30, 230), max_size=8).map(sorted),
    st.integers(1, 60),
)
def test_windows_do_not_depend_on_how_events_come_in_packets(times, cuts, ends, window_us):
    events = events_at(times)
    packets = np.split(events, cuts)
    windows = list(event_windows(packets, ends, name="test", window_us=window_us))
    assert len(windows) == len(ends)
    for window, end in zip(windows, ends, strict=True):
        inside = (events["t"] >= end - window_us) & (events["t"] < end)
        assert np.array_equal(window, events[inside])


def test_only_what_a_window_needs_is_read():
    read = itertools.count()

    def packets():
        for start in range(0, 1000, 10):
            next(read)
            yield events_at(range(start, start + 10))

    windows = event_windows(packets(), [100, 500], name="test", window_us=50)
    assert next(windows)["t"].tolist() == list(range(50, 100))
    assert next(read) == 11


@pytest.mark.parametrize("packets", [[[1, 5, 4]], [[1, 5], [4]]])
def test_time_that_steps_back_is_refused(packets):
    windows = event_windows(map(events_at, packets), [10], name="file.h5", window_us=9)
    with pytest.raises(FormatError, match=r"file\.h5: time steps back from 5 to 4 us"):
        list(windows)
