"""DepthAnyEvent and DepthAnyEvent-R (Bartolomei et al., ICCV 2025): Tencode image in, depth out.

Everything between the sensor and the depth map is inside: resize, normalisation, network,
activation, inversion, resize back. What it refuses: states of a wrong shape (ValueError).
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from dae_edge.nn.config import ENCODERS, PATCH, ModelConfig
from dae_edge.nn.convlstm import LstmStates, in_pairs, lstm_state_names, lstm_state_shapes
from dae_edge.nn.dpt import DPTHead, RecurrentDPTHead
from dae_edge.nn.resize import Bicubic
from dae_edge.nn.state import Shape
from dae_edge.nn.vit import VisionTransformer

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)

INVERSE_EPSILON = 1e-6
"""Inverted ReLU output is 1 / (x + this): where the ReLU is 0, the depth is 1e6."""


def network_size(
    height: int, width: int, *, input_height: int = 266, input_width: int = 350
) -> tuple[int, int]:
    """(height, width) in pixels at which the network sees an image of this size.

    The larger of the two scales that reach the input size, aspect kept, each side rounded to a
    multiple of 14 (half to even), or up where rounding falls short of the input size.

    >>> network_size(260, 346), network_size(320, 640), network_size(480, 640)
    ((266, 350), (266, 532), (266, 350))
    """
    if min(height, width) < 1:
        raise ValueError(f"image size must be positive, got {height} x {width}")
    scale = max(input_height / height, input_width / width)

    def side(size: int, target: int) -> int:
        rounded = round(scale * size / PATCH) * PATCH
        return rounded if rounded >= target else math.ceil(scale * size / PATCH) * PATCH

    return side(height, input_height), side(width, input_width)


class DepthAnyEvent(nn.Module):
    """Depth from one Tencode image and, when recurrent, the state that the last image left.

    Parameters are named as in the public checkpoints (``pretrained.*``, ``depth_head.*``), so
    ``load_state_dict(strict=True)`` takes them as they are.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        size = ENCODERS[config.encoder]
        self.resize = Bicubic()
        self.pretrained = VisionTransformer(size)
        head = RecurrentDPTHead if config.recurrent else DPTHead
        self.depth_head = head(size.width, config.features, config.out_channels)
        for name, values in (("mean", IMAGENET_MEAN), ("deviation", IMAGENET_DEVIATION)):
            self.register_buffer(name, torch.tensor(values).reshape(3, 1, 1), persistent=False)

    def forward(self, image: Tensor, state: LstmStates | None = None) -> tuple[Tensor, LstmStates]:
        """One step.

        Args:
            image: Tencode, float32 [B, 3, H, W] in [0, 1], at sensor size.
            state: What the previous step returned; None is the state of zeros. () where the model
                has no recurrence.

        Returns:
            Depth, float32 [B, H, W], and the new state.

        Raises:
            ValueError: the state does not belong to this model at this size.
        """
        sensor_size = image.shape[-2:]
        raw, state = self.raw(image, state)
        depth = self.decode(raw)
        depth = functional.interpolate(
            depth, size=sensor_size, mode="bilinear", align_corners=False
        )
        return depth[:, 0], state

    def raw(self, image: Tensor, state: LstmStates | None = None) -> tuple[Tensor, LstmStates]:
        """As :meth:`forward`, with the output of the last layer: [B, 1, h, w] at network size.

        This is what :meth:`decode` takes; training compares here, where no gradient is lost yet.
        """
        raw, state = self.depth_head(*self._encode(image), state)
        return raw, state

    def prepare(self, image: Tensor) -> Tensor:
        """[B, 3, H, W] in [0, 1] -> network size, ImageNet-normalised; bicubic may overshoot."""
        size = self.network_size(image.shape[-2], image.shape[-1])
        resized: Tensor = self.resize(image, size)
        return (resized - self.mean) / self.deviation

    def decode(self, raw: Tensor) -> Tensor:
        """Output of the last layer -> depth, in float32: 1e6 does not fit in half precision."""
        raw = raw.float()
        if self.config.activation == "relu":
            depth = raw.relu()
            depth = 1 / (depth + INVERSE_EPSILON) if self.config.inv_prediction else depth
        elif self.config.activation == "sigmoid":
            depth = raw.sigmoid()
            depth = 1 - depth if self.config.inv_prediction else depth
        else:  # the released code inverts no softplus, whatever its configuration says
            depth = functional.softplus(raw)
        return depth if self.config.scale_factor == 1 else depth * self.config.scale_factor

    def _encode(self, image: Tensor) -> tuple[list[Tensor], tuple[int, int]]:
        prepared = self.prepare(image)
        grid = prepared.shape[-2] // PATCH, prepared.shape[-1] // PATCH
        return self.pretrained(prepared), grid

    def network_size(self, height: int, width: int) -> tuple[int, int]:
        """:func:`network_size` with the input size of this model's configuration."""
        return network_size(
            height,
            width,
            input_height=self.config.input_height,
            input_width=self.config.input_width,
        )

    def _grid(self, height: int, width: int) -> tuple[int, int]:
        network_height, network_width = self.network_size(height, width)
        return network_height // PATCH, network_width // PATCH

    def state_names(self) -> tuple[str, ...]:
        """``layer4.hidden``, ``layer4.cell``, .. ``layer1.cell``; () without recurrence."""
        return lstm_state_names() if self.config.recurrent else ()

    def state_shapes(self, height: int, width: int) -> tuple[Shape, ...]:
        """Shapes [1, C, h, w] of the state at a sensor size, in the order of the names."""
        if not self.config.recurrent:
            return ()
        return lstm_state_shapes(*self._grid(height, width), channels=self.config.features)

    def zero_state(self, height: int, width: int, *, batch: int = 1) -> LstmStates:
        """The state before the first window at a sensor size, on the model's device."""
        shapes = self.state_shapes(height, width)
        return in_pairs(
            [torch.zeros(batch, *shape[1:], device=self.mean.device) for shape in shapes]
        )

    def bake(self, height: int, width: int) -> DepthAnyEvent:
        """A copy in eval mode for one sensor size, with position table and resize as constants.

        A traced graph of the copy holds the table itself, not the arithmetic that resizes it.
        """
        baked = copy.deepcopy(self).eval()
        baked.resize.bake(height, width, self.network_size(height, width))
        baked.pretrained.bake(*self._grid(height, width))
        return baked
