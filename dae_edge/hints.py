"""Hints for mistyped names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(name: str, known: Iterable[str]) -> str:
    """The end of an error message about an unknown name.

    >>> closest("onnx-fp23", ["onnx-fp32", "ov-fp16"])
    ": did you mean 'onnx-fp32'? Known: onnx-fp32, ov-fp16"
    """
    known = list(known)
    match = difflib.get_close_matches(name, known, n=1)
    question = f" did you mean {match[0]!r}?" if match else ""
    return f":{question} Known: {', '.join(known)}"
