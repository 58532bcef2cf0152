"""One look over an array: is everything in it a number?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dae_edge._native import all_finite

BAD = (np.nan, -np.nan, np.inf, -np.inf)


@given(
    size=st.integers(1, 9000),
    at=st.integers(0, 8999),
    bad=st.sampled_from(BAD),
    dtype=st.sampled_from([np.float32, np.float16]),
)
def test_one_bad_number_anywhere_is_seen(size: int, at: int, bad: float, dtype: type) -> None:
    array = np.random.default_rng(size).normal(size=size).astype(dtype)
    assert all_finite(array)
    array[at % size] = bad
    assert not all_finite(array)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_the_largest_and_smallest_numbers_are_numbers(dtype: type) -> None:
    info = np.finfo(dtype)
    assert all_finite(
        np.array([info.max, info.min, info.tiny, -0.0, info.smallest_subnormal], dtype)
    )


def test_nothing_at_all_is_finite_and_shapes_do_not_matter() -> None:
    assert all_finite(np.empty((0,), np.float32))
    assert all_finite(np.zeros((1, 2, 3), np.float32))


def test_what_is_not_float32_or_float16_or_not_in_one_piece_is_refused() -> None:
    with pytest.raises(TypeError, match="float32 or float16, got items of 8 bytes"):
        all_finite(np.zeros(3))
    with pytest.raises((ValueError, BufferError)):
        all_finite(np.zeros((4, 4), np.float32)[:, ::2])
