"""Depth Anything V2 (Yang et al., 2024): the image teacher, BGR image in, inverse depth out.

Same encoder and head as DepthAnyEvent; the differences are at both ends. Carries no state. What it
refuses: images that are no uint8 [H, W, 3] (ValueError).
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from dae_edge.nn.config import ENCODERS, PATCH, Encoder
from dae_edge.nn.depth_anyevent import IMAGENET_DEVIATION, IMAGENET_MEAN, network_size
from dae_edge.nn.dpt import DPTHead
from dae_edge.nn.network import State
from dae_edge.nn.resize import Bicubic
from dae_edge.nn.state import Shape
from dae_edge.nn.vit import VisionTransformer

INPUT_SIZE = 518
"""The image is resized to cover a square of this side, keeping its aspect."""


class DepthAnythingV2(nn.Module):
    """Relative inverse depth from one image.

    ``load_state_dict(strict=True)`` takes depth_anything_v2_vits.pth, .._vitb.pth and .._vitl.pth
    as they are (encoders ``small``, ``base``, ``large``).
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, encoder: Encoder = "large", *, input_size: int = INPUT_SIZE) -> None:
        super().__init__()
        if encoder not in ENCODERS:
            raise ValueError(f"encoder must be one of {', '.join(ENCODERS)}, got {encoder!r}")
        if input_size < PATCH:
            raise ValueError(f"input size must be at least {PATCH}, got {input_size}")
        self.input_size = input_size
        size = ENCODERS[encoder]
        self.resize = Bicubic()
        self.pretrained = VisionTransformer(size)
        self.depth_head = DPTHead(size.width, size.features, size.out_channels, align_corners=True)
        for name, values in (("mean", IMAGENET_MEAN), ("deviation", IMAGENET_DEVIATION)):
            self.register_buffer(name, torch.tensor(values).reshape(3, 1, 1), persistent=False)

    @torch.no_grad()
    def infer(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """One image as a camera or OpenCV gives it.

        Args:
            image: BGR, uint8 [H, W, 3].

        Returns:
            Relative inverse depth (larger is nearer, no unit), float32 [H, W].

        Raises:
            ValueError: anything but such an image.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise ValueError(f"image must be uint8 [H, W, 3], got {image.dtype} {image.shape}")
        rgb = np.ascontiguousarray(image[:, :, ::-1].transpose(2, 0, 1))
        inverse, _ = self(torch.from_numpy(rgb)[None].to(self.mean.device).double() / 255)
        values: NDArray[Any] = inverse[0].cpu().numpy()
        return values

    def forward(self, image: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """RGB image [B, 3, H, W] in [0, 1] -> relative inverse depth, float32 [B, H, W].

        ``state`` goes in and out empty: the face of every network here, without memory.

        The resize has the precision of the image: float64 for what the public code does, float32
        for export.
        """
        prepared = self.prepare(image)
        grid = prepared.shape[-2] // PATCH, prepared.shape[-1] // PATCH
        raw, _ = self.depth_head(self.pretrained(prepared), grid, None)
        inverse = functional.interpolate(
            raw.relu(), size=image.shape[-2:], mode="bilinear", align_corners=True
        )
        return inverse[:, 0], ()

    def prepare(self, image: Tensor) -> Tensor:
        """[B, 3, H, W] in [0, 1] -> float32 at network size, ImageNet-normalised.

        torch's bicubic is OpenCV's INTER_CUBIC but for rounding: a = -0.75, half-pixel centres,
        borders repeated, no antialias.
        """
        size = self.network_size(image.shape[-2], image.shape[-1])
        resized: Tensor = self.resize(image, size)
        return ((resized - self.mean) / self.deviation).float()

    def network_size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) in pixels at which the network sees an image of this size."""
        return network_size(
            height, width, input_height=self.input_size, input_width=self.input_size
        )

    def state_names(self) -> tuple[str, ...]:
        """None: it has no memory."""
        return ()

    def state_shapes(self, height: int, width: int) -> tuple[Shape, ...]:
        """None: it has no memory."""
        return ()

    def zero_state(self, height: int, width: int, *, batch: int = 1) -> State:
        """()."""
        return ()

    def bake(self, height: int, width: int) -> DepthAnythingV2:
        """A copy in eval mode for one image size, with position table and resize as constants."""
        baked = copy.deepcopy(self).eval()
        baked.resize.bake(height, width, self.network_size(height, width))
        rows, columns = (side // PATCH for side in self.network_size(height, width))
        baked.pretrained.bake(rows, columns)
        return baked
