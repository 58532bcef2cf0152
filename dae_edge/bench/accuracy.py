"""How good the depth of the very bundle is: from its manifest, or on the sample that ships."""

from __future__ import annotations

from typing import Any

from dae_edge.errors import ContractError, FormatError
from dae_edge.model import Model

METRICS = {"abs_rel": ("abs_rel", "absrel"), "delta1": ("delta1",)}
"""Scores, and how a manifest may spell them."""


def accuracy(model: Model) -> dict[str, Any]:
    """AbsRel and delta1, measured now so that rows compare; the manifest's where that cannot be."""
    found = measured(model)
    if "why" not in found or not model.trained:
        return found
    return from_manifest(model.bundle.manifest) or found


def from_manifest(manifest: Any) -> dict[str, Any] | None:
    """AbsRel and delta1 that the export measured and wrote down, wherever in its verdict."""
    found = _search(manifest.get("verdict"))
    return {**found, "source": "the bundle's manifest, on what it was judged on"} if found else None


def measured(model: Model) -> dict[str, Any]:
    """AbsRel and delta1 on the sample recording, strict protocol; or why there are none."""
    if not model.trained:
        return {"why": "untrained weights: the depth has no meaning"}
    if model.contract.frames:
        return {"why": "it takes frames"}
    from dae_edge.datasets import open_dataset
    from dae_edge.evaluation import BundlePredictor, Evaluation, evaluate
    from dae_edge.protocols import PROTOCOLS

    dataset = open_dataset("synthetic")
    predictor = BundlePredictor(model)
    protocols = {"strict": PROTOCOLS["strict"]()}
    evaluation = Evaluation.begin(predictor.judged, dataset, protocols, limit=None)
    try:
        evaluate(predictor, dataset.sequences(), evaluation)
    except (ContractError, FormatError) as error:
        return {"why": f"not measured: {error}"}
    means = evaluation.reports()["strict"].mean_of_sequences
    return {
        **{name: float(means[name]) for name in METRICS},
        "source": "measured on the sample recording, strict protocol",
    }


def _search(value: Any) -> dict[str, float] | None:
    """The first mapping, from outside in, that has every score as a number."""
    level = [value]
    while level:
        for entry in level:
            found = _scores(entry) if isinstance(entry, dict) else {}
            if len(found) == len(METRICS):
                return found
        level = [
            child
            for entry in level
            if isinstance(entry, (dict, list))
            for child in (entry.values() if isinstance(entry, dict) else entry)
        ]
    return None


def _scores(entry: dict[str, Any]) -> dict[str, float]:
    return {
        name: float(entry[key])
        for name, keys in METRICS.items()
        for key in keys
        if isinstance(entry.get(key), (int, float)) and not isinstance(entry[key], bool)
    }
