"""From bursts to what a network sees: the Tencode image, the voxel grid, or the events themselves.

Tencode needs the latest event of each pixel alone, so that no list of events is ever made of it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from dae_edge.events import Events, events_from
from dae_edge.world.sensor import Bursts


class Surface:
    """The latest event of each pixel of B cameras in one window: Tencode (Bartolomei et al., 2025).

    Args:
        like: Any tensor [B, H, W] on the device.
        latest: :func:`latest`, or a compiled form of it.
    """

    def __init__(self, like: Tensor, latest: Callable[..., tuple[Tensor, Tensor, Tensor]]) -> None:
        self._latest = latest
        self._time = torch.full_like(like, -1.0)
        self._on = torch.zeros_like(like, dtype=torch.bool)
        self._oldest = torch.full_like(like[:, 0, 0], torch.inf)

    def add(self, bursts: Bursts, begin_us: float) -> None:
        """Events of a step that begins ``begin_us`` after the window did."""
        begin = torch.full_like(self._oldest, begin_us)  # a tensor: no new code for each value
        self._time, self._on, self._oldest = self._latest(
            self._time, self._on, self._oldest, bursts, begin
        )

    def tencode(self) -> Tensor:
        """uint8 [B, 3, H, W], black where there was no event, as the C encoder rounds it."""
        return _tencode(self._time, self._on, self._oldest)


def latest(
    time: Tensor, on: Tensor, oldest: Tensor, bursts: Bursts, begin_us: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Time and polarity of each pixel's latest event, and the time of the first of all [B].

    Args:
        time: So far, [B, H, W]; -1 for none.
        on: So far.
        oldest: So far, [B].
        bursts: Of a step.
        begin_us: When it begins, [B].
    """
    train = torch.where(bursts.number > 0, bursts.last_us, -torch.inf)
    stray = torch.where(bursts.stray, bursts.stray_us, -torch.inf)
    newest = torch.maximum(train, stray) + begin_us[:, None, None]
    any_event = newest > -torch.inf
    time = torch.where(any_event, newest, time)
    on = torch.where(any_event, torch.where(stray > train, bursts.stray_on, bursts.on), on)
    first = torch.where(bursts.number > 0, bursts.first_us, torch.inf)
    first = torch.minimum(first, torch.where(bursts.stray, bursts.stray_us, torch.inf))
    return time, on, torch.minimum(oldest, first.flatten(1).amin(1) + begin_us)


def _tencode(time: Tensor, on: Tensor, oldest: Tensor) -> Tensor:
    # The official definition works on whole microseconds, so that events of one time share a green.
    time = time.floor()
    touched = time >= 0
    start = torch.where(oldest.isfinite(), oldest.floor(), 0.0)
    newest = time.flatten(1).amax(1)
    span = (newest - start).clamp(min=1)[:, None, None]
    green = ((newest[:, None, None] - time) / span * 255).clamp(0, 255).round()
    red, blue = (touched & on).float() * 255, (touched & ~on).float() * 255
    green = torch.where(touched, green, 0.0)
    return torch.stack([red, green, blue], dim=1).to(torch.uint8)


class Voxels:
    """The voxel grid of one window: polarities, bilinear in time over fixed bins (E2Depth).

    The window's own beginning and end are the grid's, where the published one takes the first and
    the last event's times; with thousands of events in a window the two are the same.

    Args:
        like: Any tensor [B, H, W] on the device.
        bins: Time bins.
        window_us: Length of the window.
    """

    def __init__(self, like: Tensor, *, bins: int, window_us: float) -> None:
        self.grid = torch.zeros(like.shape[0], bins, *like.shape[1:], device=like.device)
        self._scale = (bins - 1) / window_us

    def add(self, bursts: Bursts, begin_us: float) -> None:
        """Events of a step that begins ``begin_us`` after the window did."""
        polarity = torch.where(bursts.on, 1.0, -1.0)
        for k in range(int(bursts.number.max())):
            there = (bursts.number > k) * polarity
            self._put(bursts.first_us + k * bursts.gap_us + begin_us, there)
        stray = bursts.stray * torch.where(bursts.stray_on, 1.0, -1.0)
        self._put(bursts.stray_us + begin_us, stray)

    def _put(self, t_us: Tensor, polarity: Tensor) -> None:
        bins = self.grid.shape[1]
        place = torch.arange(bins, device=t_us.device)[:, None, None]
        weight = (1 - (t_us[:, None] * self._scale - place).abs()).clamp(min=0)
        self.grid += weight * polarity[:, None]


def event_list(bursts: Bursts, begin_us: int) -> list[Events]:
    """All events of a step, for each camera an ``EVENT`` array sorted by time, row, column.

    Args:
        bursts: Of the step.
        begin_us: Time at which it begins.
    """
    parts: list[list[Tensor]] = [[], [], [], [], []]
    for k in range(int(bursts.number.max())):
        _gather(parts, bursts.number > k, bursts.first_us + k * bursts.gap_us, bursts.on)
    _gather(parts, bursts.stray, bursts.stray_us, bursts.stray_on)
    camera, y, x, t, on = (torch.cat(part).cpu().numpy() for part in parts)
    t_us = begin_us + t.astype(np.int64)
    order = np.lexsort((x, y, t_us, camera))
    events = events_from(t_us[order], x[order], y[order], on[order])
    edges = np.searchsorted(camera[order], np.arange(len(bursts.number) + 1))
    return [events[a:b] for a, b in pairwise(edges)]


def _gather(parts: list[list[Tensor]], mask: Tensor, t_us: Tensor, on: Tensor) -> None:
    for part, values in zip(
        parts, (*mask.nonzero(as_tuple=True), t_us[mask], on[mask]), strict=True
    ):
        part.append(values)
