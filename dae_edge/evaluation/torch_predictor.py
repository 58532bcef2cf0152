"""Weights in torch, in float32 on the CPU, at the crop: the evaluation that the paper's was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dae_edge.datasets import Sample
from dae_edge.depth import UNTRAINED
from dae_edge.evaluation.predictors import Judged, network_input
from dae_edge.nn import DepthAnyEvent, ModelConfig, seeded_state_dict
from dae_edge.nn.checkpoint import fill_model, read_checkpoint
from dae_edge.recipes import Recipe


class TorchPredictor:
    """A network in torch; of Tencode it sees the float form, as the paper's did.

    Args:
        model: The network; it is set to evaluate.
        judged: What to call it.
        white: Background of Tencode.
    """

    def __init__(self, model: DepthAnyEvent, judged: Judged, *, white: bool = False) -> None:
        self.judged = judged
        self._model = model.eval()
        self._white = white
        self._state: Any = None

    def reset(self) -> None:
        """Zero state."""
        self._state = None

    def predict(self, sample: Sample) -> NDArray[np.float32]:
        """One step of the network."""
        image = network_input(
            sample, encoding="tencode", white=self._white, cropped=True, dtype=np.float32
        )
        with torch.inference_mode():
            depth, self._state = self._model(torch.from_numpy(image)[None], self._state)
        values: NDArray[np.float32] = depth[0].numpy()
        return values


def open_weights(
    recipe: Recipe, weights: Path | None, *, training: str | None = None
) -> TorchPredictor:
    """A recipe with weights from a file, or with the seeded initialisation.

    What a checkpoint says of itself (activation, input size) comes before the recipe.

    Raises:
        FormatError: ``weights`` is not a checkpoint, or its configuration is not understood.
        ContractError: the weights are of another model than the recipe.
    """
    config = ModelConfig(**recipe.model)
    engine = f"torch {torch.__version__} CPU"
    white = recipe.background == "white"
    if weights is None:
        model = DepthAnyEvent(config)
        model.load_state_dict(seeded_state_dict(model))
        judged = Judged("untrained", recipe.name, engine, UNTRAINED, weights="seeded")
        return TorchPredictor(model, judged, white=white)
    checkpoint = read_checkpoint(weights)
    model = DepthAnyEvent(checkpoint.config_for(config))
    fill_model(checkpoint, model)
    judged = Judged(
        "weights",
        recipe.name,
        engine,
        "m" if checkpoint.use_scaleshift is False else recipe.unit,
        path=str(weights),
        weights=checkpoint.source,
        sha256=checkpoint.sha256,
        training=training,
    )
    return TorchPredictor(model, judged, white=white)
