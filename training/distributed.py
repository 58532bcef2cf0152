"""Many processes as one: who I am, my part of a batch, means over all. Made by ``torchrun``.

Gradients are averaged by hand after the backward pass: a step of truncated back-propagation calls
the network several times, and some weights of the public layout are never used.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn


@dataclass(frozen=True)
class Processes:
    """All processes of this run, seen from one.

    Attributes:
        rank: Number of this one.
        count: How many there are.
        device: Where this one computes.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def first(self) -> bool:
        """This one writes and prints."""
        return self.rank == 0

    def share(self, batch: int) -> slice:
        """This process's part of a batch.

        Raises:
            ValueError: it cannot be shared equally.
        """
        if batch % self.count:
            raise ValueError(f"batch {batch} cannot be shared by {self.count} processes equally")
        size = batch // self.count
        return slice(self.rank * size, (self.rank + 1) * size)

    def mean(self, tensor: Tensor) -> Tensor:
        """The mean over processes, in place."""
        if self.count > 1:
            distributed.all_reduce(tensor)
            tensor /= self.count
        return tensor

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace gradients by their mean over processes, in one message."""
        if self.count == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        together = torch.cat([gradient.flatten() for gradient in gradients])
        self.mean(together)
        parts = torch.split(together, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def gather(self, tensor: Tensor) -> Tensor:
        """The parts of all processes, joined along the batch."""
        if self.count == 1:
            return tensor
        parts = [torch.empty_like(tensor) for _ in range(self.count)]
        distributed.all_gather(parts, tensor.contiguous())
        return torch.cat(parts)

    def same_weights(self, model: nn.Module) -> None:
        """Give all processes the weights of the first."""
        if self.count > 1:
            for tensor in model.state_dict().values():
                distributed.broadcast(tensor, 0)

    def wait(self) -> None:
        """Until all are here."""
        if self.count > 1:
            distributed.barrier()


@contextmanager
def processes(device: str) -> Iterator[Processes]:
    """This process among those that ``torchrun`` started; alone without it.

    Args:
        device: "auto", "cpu" or "cuda"; with several GPUs, each process of a machine takes one.

    Raises:
        ValueError: no such device here.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    elif device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: no CUDA device was found; use --device cpu")
    rank, count = (int(os.environ.get(key, default)) for key, default in _WHERE)
    place = torch.device(device)
    if device == "cuda":
        place = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(place)
    if count == 1:
        yield Processes(0, 1, place)
        return
    # The others wait while the first validates.
    backend = "nccl" if device == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=timedelta(hours=2))
    try:
        yield Processes(rank, count, place)
    finally:
        distributed.destroy_process_group()


_WHERE = (("RANK", 0), ("WORLD_SIZE", 1))
