"""The losses of Depth AnyEvent and its baselines, in torch. All take [B, 1, H, W] and a mask.

Scale-and-shift invariance and its gradient term: Ranftl et al., "Towards Robust Monocular Depth
Estimation" (MiDaS), 2020, equations 5 to 7 and 11. Logarithmic and linear scale invariance: Eigen
et al., 2014. Multi-scale gradients: E2Depth (Hidalgo-Carrio et al., 3DV 2020).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Reduction = Literal["batch", "image"]
"""``batch``: one division by the valid pixels of all images. ``image``: each image by its own, then
the mean over images; an image without valid pixels counts as 0."""

LOG_EPSILON = 1e-6


def scale_and_shift(prediction: Tensor, target: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Least-squares scale s and shift t of s * prediction + t against the target, per image.

    Returns:
        Two tensors [B]; zeros for an image whose valid pixels do not determine them.
    """
    prediction, target, weight = (_images(tensor) for tensor in (prediction, target, mask))
    sums = (1, 2)
    a00 = (weight * prediction * prediction).sum(sums)
    a01 = (weight * prediction).sum(sums)
    a11 = weight.sum(sums)
    b0 = (weight * prediction * target).sum(sums)
    b1 = (weight * target).sum(sums)
    determinant = a00 * a11 - a01 * a01
    solvable = determinant != 0
    divisor = torch.where(solvable, determinant, torch.ones_like(determinant))
    zero = torch.zeros_like(determinant)
    scale = torch.where(solvable, (a11 * b0 - a01 * b1) / divisor, zero)
    shift = torch.where(solvable, (a00 * b1 - a01 * b0) / divisor, zero)
    return scale, shift


def halved_mse(
    prediction: Tensor, target: Tensor, mask: Tensor, *, reduction: Reduction = "batch"
) -> Tensor:
    """Half of the mean squared difference over valid pixels."""
    prediction, target, weight = (_images(tensor) for tensor in (prediction, target, mask))
    squares = (weight * (prediction - target) ** 2).sum((1, 2))
    return _reduced(squares, 2 * weight.sum((1, 2)), reduction)


def gradient(
    prediction: Tensor,
    target: Tensor,
    mask: Tensor,
    *,
    scales: int = 4,
    reduction: Reduction = "batch",
) -> Tensor:
    """Absolute differences between neighbours of the residual, at strides 1, 2, 4, .., summed."""
    tensors = [_images(tensor) for tensor in (prediction, target, mask)]
    total = torch.zeros((), device=prediction.device)
    for stride in (2**scale for scale in range(scales)):
        small, truth, weight = (tensor[:, ::stride, ::stride] for tensor in tensors)
        residual = weight * (small - truth)
        across = (residual[:, :, 1:] - residual[:, :, :-1]).abs()
        down = (residual[:, 1:] - residual[:, :-1]).abs()
        across = (across * weight[:, :, 1:] * weight[:, :, :-1]).sum((1, 2))
        down = (down * weight[:, 1:] * weight[:, :-1]).sum((1, 2))
        total = total + _reduced(across + down, weight.sum((1, 2)), reduction)
    return total


def scale_and_shift_invariant(
    prediction: Tensor,
    target: Tensor,
    mask: Tensor,
    *,
    alpha: float = 0.5,
    scales: int = 4,
    reduction: Reduction = "batch",
) -> Tensor:
    """The loss of the paper: halved MSE after alignment, plus ``alpha`` times its gradients."""
    scale, shift = scale_and_shift(prediction, target, mask)
    aligned = scale[:, None, None, None] * prediction + shift[:, None, None, None]
    loss = halved_mse(aligned, target, mask, reduction=reduction)
    if alpha > 0:
        term = gradient(aligned, target, mask, scales=scales, reduction=reduction)
        loss = loss + alpha * term
    return loss


def scale_invariant(
    prediction: Tensor, target: Tensor, mask: Tensor, *, weight: float = 0.5
) -> Tensor:
    """sqrt(var(d) + weight * mean(d)^2) of the differences d of valid pixels; unbiased variance."""
    return _spread(target[mask] - prediction[mask], weight)


def scale_invariant_log(
    prediction: Tensor, target: Tensor, mask: Tensor, *, weight: float = 0.5
) -> Tensor:
    """The same of the differences of logarithms (SILog)."""
    log_target = torch.log(target[mask] + LOG_EPSILON)
    return _spread(log_target - torch.log(prediction[mask] + LOG_EPSILON), weight)


def multi_scale_gradient(
    prediction: Tensor, target: Tensor, mask: Tensor, *, finest: int = 1, scales: int = 4
) -> Tensor:
    """Mean absolute Sobel gradient of the residual, averaged in blocks of finest * 2^scale pixels.

    Blocks that hold an unknown (NaN) target, and blocks whose first pixel is masked, do not count.
    NaN if no block of some scale counts.

    Args:
        prediction: [B, 1, H, W].
        target: [B, 1, H, W]; NaN where unknown.
        mask: [B, 1, H, W], bool.
        finest: Side of the smallest blocks, in pixels.
        scales: Number of scales.
    """
    batch = len(prediction)
    residual = prediction - target
    losses = []
    for size in (finest * 2**scale for scale in range(scales)):
        small = functional.avg_pool2d(residual, size)
        slopes = _sobel(small)
        valid = functional.interpolate(mask.float(), size=small.shape[-2:], mode="nearest") > 0
        valid = valid[:, :, None].expand_as(slopes) & ~slopes.isnan()
        losses.append(slopes[valid].abs().mean() * batch * 2)
    return torch.stack(losses).mean()


def _sobel(image: Tensor) -> Tensor:
    """[B, 1, H, W] -> [B, 1, 2, H, W]: Sobel slopes along x and y, normalised, borders repeated."""
    kernel = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8
    kernels = torch.stack([kernel, kernel.T])[:, None].to(image)
    padded = functional.pad(image, (1, 1, 1, 1), mode="replicate")
    return functional.conv2d(padded, kernels)[:, None]


def _spread(difference: Tensor, weight: float) -> Tensor:
    return torch.sqrt(difference.var() + weight * difference.mean() ** 2)


def _images(tensor: Tensor) -> Tensor:
    """[B, 1, H, W] -> float [B, H, W]."""
    return tensor[:, 0].to(
        torch.get_default_dtype() if tensor.dtype == torch.bool else tensor.dtype
    )


def _reduced(sums: Tensor, counts: Tensor, reduction: Reduction) -> Tensor:
    if reduction == "batch":
        total = counts.sum()
        return sums.sum() / total if total > 0 else sums.sum() * 0
    safe = torch.where(counts > 0, counts, torch.ones_like(counts))
    return (sums / safe).mean()
