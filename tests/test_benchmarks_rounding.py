"""The table of roundings: every form in its column, and time as a part of float32's."""

from __future__ import annotations

from benchmarks.rounding import DEFAULT, FORMS, lines
from dae_edge.recipes import load_target


def test_each_form_has_its_column_and_time_is_a_part_of_float32s():
    apart = dict(zip(FORMS, (0.04, 0.03, 0.02, 0.01), strict=True))
    row = {"model": "m", "target": "ov-int8", "fp32_absrel": apart}
    row["latency_ms"] = {"int8": 5.0, "float32": 10.0}
    content = {"machine": "a CPU", "when": "2026-01-02T03:04:05", "protocol": "so", "rows": [row]}
    about, _, head, _, cells = lines(content)
    assert about == "a CPU; 2026-01-02; so."
    assert head == f"| model | target | {' | '.join(FORMS)} | time |"
    assert cells == "| m | `ov-int8` | 0.0400 | 0.0300 | 0.0200 | 0.0100 | 0.50 |"


def test_what_is_timed_is_what_targets_ask_for():
    asked = load_target("ov-int8").int8
    assert {name: asked[name] for name in FORMS[DEFAULT]} == FORMS[DEFAULT]
