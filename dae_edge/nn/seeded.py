"""Seeded initialisation: weights computed from the names of the parameters, with no random state.

An untrained model with these weights is the same on every machine and with every version of torch,
so its outputs can be compared between back ends and kept as golden values. The rule:

- Element i (row-major) of the parameter called ``key`` hashes the 64-bit number
  ``crc32(key) << 32 | i`` with splitmix64 (Steele et al., 2014). The top 53 bits of the hash make
  v, uniform in [-1, 1).
- LayerScale's gamma is 0.4 + 0.2 v, tokens and tables of positions are 0.5 v, biases 0.1 v, other
  vectors (norm weights) 1 + 0.2 v. Matrices and kernels are v times sqrt(3 / fan), which gives them
  variance 1 / fan, with fan the product of all axes but the first; three times that for the gates
  of a ConvLSTM, so that the state moves visibly.
- The bias of the very last layer is 2: the ReLU then clips nothing, and depth stays finite.
- Integer buffers are constants of the architecture and stay as they are.

All of it is computed in float64 and rounded to float32 once.
"""

from __future__ import annotations

import math
import zlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

LAST_BIAS_KEY = "depth_head.scratch.output_conv2.2.bias"
LAST_BIAS = 2.0
GATES_GAIN = 3.0
TOKENS_AND_TABLES = ("pos_embed", "cls_token", "mask_token", "relative_position_bias_table")


def seeded_tensor(key: str, shape: tuple[int, ...]) -> Tensor:
    """The float32 parameter of this name and shape.

    >>> seeded_tensor("pretrained.cls_token", (1, 1, 384))[0, 0, :2]
    tensor([-0.1158,  0.3015])
    """
    if key == LAST_BIAS_KEY:
        return torch.full(shape, LAST_BIAS)
    values = _scale(key, shape, _uniform(key, math.prod(shape)))
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def seeded_state_dict(model: nn.Module) -> dict[str, Tensor]:
    """A state dict for ``model``, made from the names and shapes of its own."""
    return {
        key: seeded_tensor(key, tuple(old.shape)) if old.is_floating_point() else old
        for key, old in model.state_dict().items()
    }


def _uniform(key: str, count: int) -> NDArray[np.float64]:
    """``count`` values in [-1, 1); arithmetic is modulo 2^64, as unsigned arrays do it."""
    z = np.arange(count, dtype=np.uint64) + np.uint64(zlib.crc32(key.encode()) << 32)
    z += np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return 2 * ((z >> np.uint64(11)).astype(np.float64) * 2.0**-53) - 1


def _scale(key: str, shape: tuple[int, ...], v: NDArray[np.float64]) -> NDArray[np.float64]:
    leaf = key.rpartition(".")[2]
    if leaf == "gamma":
        return 0.4 + 0.2 * v
    if leaf in TOKENS_AND_TABLES or leaf.startswith("pos_embed_"):
        return 0.5 * v
    if leaf == "bias":
        return 0.1 * v
    if len(shape) == 1:
        return 1 + 0.2 * v
    gain = GATES_GAIN if key.endswith(".Gates.weight") else 1.0
    return gain * math.sqrt(3 / math.prod(shape[1:])) * v
