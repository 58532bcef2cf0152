"""The image teacher: Depth Anything V2 of any size, from a file of weights, in batches.

It knows inverse depth up to a scale and a shift, of its own for each image. Depth is its reciprocal
and needs a shift that keeps it finite: ``depth_from_inverse`` says which one is taken.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dae_edge.errors import ContractError
from dae_edge.hints import closest
from dae_edge.nn import DepthAnythingV2
from dae_edge.nn.checkpoint import read_checkpoint
from dae_edge.nn.config import ENCODERS
from dae_edge.nn.dav2 import INPUT_SIZE
from dae_edge.nn.weights import require_same_layout

MODELS = {f"dav2-{encoder}": encoder for encoder in ENCODERS}
"""Encoders by the name of the model, as in export/."""

FAR = 100.0
"""Depth of what the teacher sees farthest, its 0, in units of the nearest depth in the image."""


class Teacher:
    """Depth from RGB images. Nothing of it is trained here.

    Args:
        path: Weights, .pth or .safetensors: the public files of Depth Anything V2, or a fine-tuned
            model of the same layout.
        model: ``"dav2-small"``, ``"dav2-base"``, ``"dav2-large"``; None: what the weights are.
        device: To compute on.
        input_size: The image is resized to cover a square of this side; larger is slower and
            shows finer detail.

    Attributes:
        name: Which model it is.
        about: What labels of it come from: model, weights, sha256, licence, input size.

    Raises:
        ValueError: no such model.
        FormatError: the file is no checkpoint.
        ContractError: the weights are of another model, or of a student.
    """

    def __init__(
        self,
        path: str | Path,
        model: str | None = None,
        device: str | torch.device = "cpu",
        *,
        input_size: int = INPUT_SIZE,
    ) -> None:
        if model is not None and model not in MODELS:
            raise ValueError(f"no teacher {model!r}{closest(model, MODELS)}")
        checkpoint = read_checkpoint(path)
        layout = checkpoint.layout
        if layout.recurrent or checkpoint.config is not None:
            raise ContractError(f"{path}: weights of DepthAnyEvent, which sees events, not frames")
        self.name = f"dav2-{layout.encoder}"
        if model not in (None, self.name):
            raise ContractError(f"{path}: weights of {self.name}, not of {model}")
        network = DepthAnythingV2(layout.encoder, input_size=input_size)
        require_same_layout(checkpoint.state, network.state_dict(), path)
        network.load_state_dict(checkpoint.state, strict=True)
        self._device = torch.device(device)
        self._network = network.eval().requires_grad_(False).to(self._device)
        self.about: dict[str, Any] = {
            "model": self.name,
            "weights": checkpoint.source,
            "sha256": checkpoint.sha256,
            "licence": checkpoint.licence,
            "input_size": input_size,
        }

    @torch.no_grad()
    def inverse(self, rgb: Tensor) -> Tensor:
        """Relative inverse depth: what ``DepthAnythingV2.infer`` gives for each image.

        Args:
            rgb: [B, 3, H, W] in [0, 1], on any device.

        Returns:
            float32 [B, H, W], 0 and more, larger is nearer, on the teacher's device.

        Raises:
            ValueError: another shape, or no floats.
        """
        if rgb.ndim != 4 or rgb.shape[1] != 3 or not rgb.is_floating_point():
            raise ValueError(f"images are floats [B, 3, H, W], got {rgb.dtype} {list(rgb.shape)}")
        # float64 for the resize, as infer and the public code; Apple's GPUs have none
        precision = torch.float32 if self._device.type == "mps" else torch.float64
        inverse: Tensor = self._network(rgb.to(self._device).to(precision))[0]
        return inverse

    def depth(self, rgb: Tensor) -> Tensor:
        """Relative depth, float32 [B, H, W], 1 .. ``FAR``: see ``depth_from_inverse``.

        Args and errors are those of ``inverse``.
        """
        return depth_from_inverse(self.inverse(rgb))


def depth_from_inverse(inverse: Tensor, *, far: float = FAR) -> Tensor:
    """Relative depth from relative inverse depth: 1 / (x + eps), in units of the nearest depth.

    The teacher gives exactly 0 for sky, but its 0 is as good as any: inverse depth is known up to a
    shift. With a tiny eps the sky would lie at 1e6, and a least-squares fit of depth would see the
    sky alone. So eps is max(x) / (far - 1), of each image, which puts x = 0 at ``far`` times the
    nearest depth: a hundred times is what lies between the road before a car and where depth is
    clipped. The nearest depth becomes 1, as the teacher's scale is as free as its shift, and losses
    that leave out very small and very large depths then leave out none but the sky.

    >>> depth_from_inverse(torch.tensor([[[8.0, 4.0, 0.0]]]), far=5)
    tensor([[[1.0000, 1.6667, 5.0000]]])

    Args:
        inverse: Relative inverse depth [B, H, W]; below 0 counts as 0.
        far: More than 1.

    Returns:
        [B, H, W], 1 .. ``far``; 0, unknown, where x is not finite, and in an image that has no x
        above 0.
    """
    known = inverse.isfinite()
    above = torch.where(known, inverse, 0).clamp(min=0)
    nearest = above.amax(dim=(-2, -1), keepdim=True)
    depth = 1 / (above / nearest * (1 - 1 / far) + 1 / far)
    return torch.where(known & (nearest > 0), depth, 0)
