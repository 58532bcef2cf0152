"""What is not finite becomes None wherever it is, and nothing else changes."""

from __future__ import annotations

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from dae_edge.finite import finite_only

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
NESTED = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(NESTED)
def test_json_can_hold_the_rest_and_the_rest_is_the_same(value: object):
    found = json.loads(json.dumps(finite_only(value), allow_nan=False))
    assert found == same_or_none(value)


def same_or_none(value: object) -> object:
    """By way of JSON's own words for them."""

    def none(word: str) -> None:
        assert not math.isfinite(float(word))

    return json.loads(json.dumps(value), parse_constant=none)
