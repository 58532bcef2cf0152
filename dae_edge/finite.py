"""Numbers for JSON, which has no NaN and no infinity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def finite_only(value: Any) -> Any:
    """The same with ``None`` for each float that is not finite, in mappings and lists too.

    >>> finite_only({"a": [1.0, float("inf")], "b": "text"})
    {'a': [1.0, None], 'b': 'text'}
    """
    if isinstance(value, Mapping):
        return {key: finite_only(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite_only(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
