"""What is minimised: a weighted sum of losses, the same whatever the number of processes.

Each process computes its part so that the mean over processes is the loss of the whole batch. By
image, that is so by itself (all have equally many images); by pixel (``reduction = "batch"``, as
published) the pixels of all processes are counted first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from training import losses
from training.recipe import Term
from training.spaces import predicted, true
from training.student import Student

MeanOverProcesses = Callable[[Tensor], Tensor]
"""The mean of a tensor over all processes."""


def objective(
    model: Student,
    own: Tensor,
    depth: Tensor,
    terms: Sequence[Term],
    *,
    range_m: float,
    mean: MeanOverProcesses,
) -> Tensor:
    """The loss of some images.

    Args:
        model: Whose output it is.
        own: [N, 1, h, w], the network's own output.
        depth: float32 [N, H, W], metres; 0 or not finite where unknown.
        terms: What is summed.
        range_m: Farther depths do not count.
        mean: Over processes.

    Returns:
        A scalar, float32.
    """
    total = torch.zeros((), device=own.device)
    size = (int(depth.shape[-2]), int(depth.shape[-1]))
    for term in terms:
        prediction = predicted(model, own, term.space, size=size, range_m=range_m)
        truth = true(depth[:, None], term.space, range_m=range_m)
        total = total + term.weight * _loss(term, prediction, truth.values, truth.mask, mean)
    return total


def _loss(
    term: Term, prediction: Tensor, target: Tensor, mask: Tensor, mean: MeanOverProcesses
) -> Tensor:
    if term.name == "silog":
        return spread_by_image(prediction - target, mask, weight=term.mean_weight)
    if term.name == "l1":
        return _mean_by_image((prediction - target).abs(), mask)
    if term.name == "multi_scale_gradient":
        return _multi_scale_gradient(prediction, target, mask, scales=term.scales)
    if term.name == "gradient":
        return _gradient(prediction, target, mask, term, mean)
    aligned = _aligned(prediction, target, mask)
    if term.name == "abs_rel":
        return _mean_by_image((aligned - target).abs() / target, mask)
    data = losses.halved_mse(aligned, target, mask, reduction=term.reduction)
    if term.reduction == "batch":
        data = data * _part(mask, mean)
    if term.alpha == 0:
        return data
    return data + term.alpha * _gradient(aligned, target, mask, term, mean)


def _aligned(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """By least squares, in float64: a network at its start says nearly the same everywhere."""
    fit = losses.scale_and_shift(prediction.double(), target.double(), mask)
    scale, shift = (number.float()[:, None, None, None] for number in fit)
    return scale * prediction + shift


def _gradient(
    prediction: Tensor, target: Tensor, mask: Tensor, term: Term, mean: MeanOverProcesses
) -> Tensor:
    if term.reduction == "image":
        return losses.gradient(prediction, target, mask, scales=term.scales, reduction="image")
    total = torch.zeros((), device=prediction.device)
    for stride in (2**scale for scale in range(term.scales)):
        small = [tensor[..., ::stride, ::stride] for tensor in (prediction, target, mask)]
        total = total + losses.gradient(*small, scales=1) * _part(small[2], mean)
    return total


def _part(mask: Tensor, mean: MeanOverProcesses) -> Tensor:
    """Valid pixels here, relative to the mean over processes."""
    count = mask.sum().float()
    everywhere = mean(count.clone())
    return count / everywhere.clamp(min=1e-9)


def spread_by_image(difference: Tensor, mask: Tensor, *, weight: float) -> Tensor:
    """``losses.scale_invariant`` of each image by its own, then the mean.

    Images with less than two valid pixels count as 0, and so does one without any difference.
    """
    difference, valid = difference[:, 0], mask[:, 0].float()
    count = valid.sum((1, 2))
    average = (difference * valid).sum((1, 2)) / count.clamp(min=1)
    centred = (difference - average[:, None, None]) * valid
    variance = (centred * centred).sum((1, 2)) / (count - 1).clamp(min=1)
    inside = variance + weight * average**2
    counts = (count > 1) & (inside > 0)  # the root of 0 has no gradient
    roots = torch.sqrt(torch.where(counts, inside, torch.ones_like(inside)))
    return torch.where(counts, roots, torch.zeros_like(roots)).mean()


def _mean_by_image(values: Tensor, mask: Tensor) -> Tensor:
    count = mask.sum((1, 2, 3)).clamp(min=1)
    return ((values * mask).sum((1, 2, 3)) / count).mean()


def _multi_scale_gradient(
    prediction: Tensor, target: Tensor, mask: Tensor, *, scales: int
) -> Tensor:
    """``losses.multi_scale_gradient`` of each image by its own; one without any counts as 0."""
    unknown = torch.where(mask, target, torch.full_like(target, torch.nan))
    values = [
        losses.multi_scale_gradient(p[None], t[None], m[None], scales=scales)
        for p, t, m in zip(prediction, unknown, mask, strict=True)
    ]
    found = [value for value in values if torch.isfinite(value)]
    zero = prediction.sum() * 0
    return (torch.stack(found).sum() if found else zero) / len(values)
