"""Accuracy beside speed: found in a manifest however it is nested, or measured, or not there."""

from __future__ import annotations

from typing import Any

import pytest

from dae_edge.bench.accuracy import from_manifest, measured
from dae_edge.model import Model


@pytest.mark.parametrize(
    "verdict",
    [
        {"budget": {"absrel": 0.2, "delta1": 0.7, "checks": []}},
        {"passed": True, "budgets": [{"mean": {"abs_rel": 0.2, "delta1": 0.7}}]},
        {"abs_rel": 0.2, "delta1": 0.7, "worst": {"abs_rel": 9, "delta1": 9}},
    ],
)
def test_scores_of_a_manifest_are_found(verdict: dict[str, Any]):
    found = from_manifest({"verdict": verdict})
    assert found is not None
    assert (found["abs_rel"], found["delta1"]) == (0.2, 0.7)
    assert "manifest" in found["source"]


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        {"verdict": {"passed": True}},
        {"verdict": {"budget": None}},
        {"verdict": {"budget": {"absrel": None, "delta1": 0.7}}},
        {"verdict": {"abs_rel": True, "delta1": "0.7"}},
    ],
)
def test_a_manifest_without_scores_has_none(manifest: dict[str, Any]):
    assert from_manifest(manifest) is None


def test_an_untrained_model_has_no_accuracy(small_model: Model):
    assert measured(small_model) == {"why": "untrained weights: the depth has no meaning"}
