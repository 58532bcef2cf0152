"""The image teacher as ``dae-eval`` judges it: on frames of the synthetic world, not on events."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dae_edge.bundle import sha256_of
from dae_edge.datasets import Sample
from dae_edge.evaluation.predictors import Judged
from dae_edge.world.families import make_scenes
from dae_edge.world.render import colours, render
from dae_edge.world.splits import SPLITS
from training.synthesis import frame_teacher


class FramePredictor:
    """Depth of the frame at the end of each window of a synthetic split.

    Args:
        weights: Of a teacher that was trained on such frames.
        split: Of the synthetic world.

    Raises:
        FormatError: the weights cannot be read.
        ValueError: they are of another kind of network.
    """

    def __init__(self, weights: Path, split: str) -> None:
        self.judged = Judged(
            "weights",
            "image teacher",
            f"torch {torch.__version__}",
            "relative depth",
            path=str(weights),
            sha256=sha256_of(weights),
        )
        self._teacher = frame_teacher(str(weights), torch.device("cpu"))
        self._sequences = {sequence.name: sequence for sequence in SPLITS[split]}

    def reset(self) -> None:
        """It has no memory."""

    def predict(self, sample: Sample) -> NDArray[np.float32]:
        """See ``Predictor.predict``."""
        depth, frame = self.look(sample)
        assert depth.shape[1:] == sample.depth.shape
        with torch.inference_mode():
            seen, _ = self._teacher(frame)
        found: NDArray[np.float32] = seen[0].numpy()
        return found

    def look(self, sample: Sample) -> tuple[torch.Tensor, torch.Tensor]:
        """What is there at the sample's time: true depth [1, H, W] and the frame [1, 3, H, W]."""
        sequence = self._sequences[sample.sequence]
        scenes = make_scenes([sequence.seed], [sequence.family])
        height, width = sample.depth.shape
        with torch.inference_mode():
            picture = render(scenes, torch.tensor([sample.t_us * 1e-6]), height, width)
            return picture.depth, colours(scenes, picture)
