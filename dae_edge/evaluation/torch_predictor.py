"""Weights in torch, in float32 on the CPU, at the crop: the evaluation that the paper's was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dae_edge.datasets import Sample
from dae_edge.evaluation.predictors import Judged, network_input
from dae_edge.export.model import prepare
from dae_edge.recipes import Recipe


class TorchPredictor:
    """A recipe's network in torch; of Tencode it sees the float form, as the paper's did.

    Args:
        recipe: Which model.
        weights: Checkpoint; None: the seeded initialisation.
        config: The checkpoint's config.json, instead of the one inside or beside it.

    Raises:
        FormatError: no checkpoint, or a configuration that is not understood.
        ContractError: the weights are of another model.
    """

    def __init__(self, recipe: Recipe, weights: Path | None, config: Path | None = None) -> None:
        prepared = prepare(recipe, weights, config)
        self.judged = Judged(
            "untrained" if weights is None else "weights",
            recipe.name,
            f"torch {torch.__version__} CPU",
            prepared.unit,
            path=None if weights is None else str(weights),
            weights=prepared.weights["source"],
            sha256=prepared.weights["sha256"],
        )
        self._model = prepared.model
        self._bins = recipe.voxel_bins
        self._white = recipe.background == "white"
        self._state: Any = None

    def reset(self) -> None:
        """Zero state."""
        self._state = None

    def predict(self, sample: Sample) -> NDArray[np.float32]:
        """One step of the network."""
        window = network_input(
            sample, voxel_bins=self._bins, white=self._white, cropped=True, dtype=np.float32
        )
        with torch.inference_mode():
            depth, self._state = self._model(torch.from_numpy(window)[None], self._state)
        values: NDArray[np.float32] = depth[0].numpy()
        return values
