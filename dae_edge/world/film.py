"""Filming: scenes and a sensor to windows of events with the true depth at their ends."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from dae_edge.events import Events
from dae_edge.world.chance import mixed, uniform
from dae_edge.world.render import Picture, render
from dae_edge.world.scene import Scenes
from dae_edge.world.sensor import Bursts, Fixed, Pixels, SensorProfile, awake, fixed_pattern, step
from dae_edge.world.windows import Surface, Voxels, event_list, latest

WINDOW_US = 50_000
THRESHOLDS = (0.7, 1.5)
"""Cameras differ in their settings: factors of the profile's threshold, drawn per scene."""


class Window(NamedTuple):
    """One window of B cameras.

    Attributes:
        tencode: uint8 [B, 3, H, W].
        voxels: float32 [B, bins, H, W], not normalised; None unless asked for.
        events: ``EVENT`` arrays, one per camera, times counted from the film's beginning; None
            unless asked for.
        depth: At the end of the window, metres, float32 [B, H, W]; 0 for the sky.
        t_us: The end of the window.
    """

    tencode: Tensor
    voxels: Tensor | None
    events: list[Events] | None
    depth: Tensor
    t_us: int


class Film:
    """B cameras in B scenes. The same seeds give the same film in any batch, but for rounding.

    Args:
        scenes: On the device to work on.
        sensor: What films; the same for all.
        window_us: Length of a window.
        bins: Of voxel grids; 0: none are made.
        keep_events: Also give the events themselves.
        compiled: Fuse the arithmetic with ``torch.compile``; worth its first half minute from about
            a hundred windows on. Rounds differently in the last bits.
    """

    def __init__(
        self,
        scenes: Scenes,
        sensor: SensorProfile,
        *,
        window_us: int = WINDOW_US,
        bins: int = 0,
        keep_events: bool = False,
        compiled: bool = False,
    ) -> None:
        self.scenes, self.sensor = scenes, sensor
        self._window_us, self._bins, self._keep_events = window_us, bins, keep_events
        self._moments, self._step_us = sensor.moments, window_us / sensor.moments
        self._advance = _fused(_advance) if compiled else _advance
        self._latest = _fused(latest) if compiled else latest
        begin = _fused(_begin) if compiled else _begin
        self._done = 0
        self._picture: Picture
        self._fixed: Fixed
        self._pixels: Pixels
        self._picture, self._fixed, self._pixels = begin(scenes, sensor, self._time(0))

    def __iter__(self) -> Film:
        return self

    def __next__(self) -> Window:
        """Film the next window; a film has no end."""
        return self.window()

    @torch.no_grad()
    def window(self) -> Window:
        """Film the next window."""
        surface = Surface(self._picture.depth, self._latest)
        voxels: Voxels | None = None
        events: list[list[Events]] | None = None
        if self._bins:
            voxels = Voxels(self._picture.depth, bins=self._bins, window_us=self._window_us)
        if self._keep_events:
            events = [[] for _ in range(len(self.scenes))]
        for moment in range(self._moments):
            begin_us = moment * self._step_us
            bursts = self._next_moment()
            surface.add(bursts, begin_us)
            if voxels is not None:
                voxels.add(bursts, begin_us)
            if events is not None:
                self._append(events, bursts)
        return Window(
            tencode=surface.tencode(),
            voxels=None if voxels is None else voxels.grid,
            events=None if events is None else [_joined(parts) for parts in events],
            depth=self._picture.depth,
            t_us=round(self._done * self._step_us),
        )

    @property
    def picture(self) -> Picture:
        """All that is seen at this moment: depth, and what ``render.colours`` makes frames of."""
        return self._picture

    def _next_moment(self) -> Bursts:
        self._done += 1
        chance = mixed(self.scenes.seed * 1_000_003 + self._done)
        self._picture, self._pixels, bursts = self._advance(
            self.scenes, self.sensor, self._fixed, self._pixels, self._time(self._done),
            self._step_us, chance,
        )  # fmt: skip
        return bursts

    def _append(self, events: list[list[Events]], bursts: Bursts) -> None:
        begin_us = round((self._done - 1) * self._step_us)
        for parts, new in zip(events, event_list(bursts, begin_us), strict=True):
            parts.append(new)

    def _time(self, done: int) -> Tensor:
        seconds = done * self._step_us * 1e-6
        return torch.full((len(self.scenes),), seconds, device=self.scenes.seed.device)


def _begin(scenes: Scenes, sensor: SensorProfile, t_s: Tensor) -> tuple[Picture, Fixed, Pixels]:
    low, high = THRESHOLDS
    chance = uniform(scenes.seed, torch.full_like(scenes.seed, 77))
    fixed = fixed_pattern(sensor, scenes.seed, sensor.threshold * (low + (high - low) * chance))
    picture = render(scenes, t_s, sensor.height, sensor.width)
    return picture, fixed, awake(fixed, picture.brightness, scenes.seed)


def _advance(
    scenes: Scenes,
    sensor: SensorProfile,
    fixed: Fixed,
    pixels: Pixels,
    t_s: Tensor,
    step_us: float,
    chance: Tensor,
) -> tuple[Picture, Pixels, Bursts]:
    picture = render(scenes, t_s, sensor.height, sensor.width)
    pixels, bursts = step(sensor, fixed, pixels, picture.brightness, step_us, chance)
    return picture, pixels, bursts


@cache
def _fused(function: Callable[..., Any]) -> Callable[..., Any]:
    """One compiled form per process, whatever the number of films."""
    compiled: Any = torch.compile(function, dynamic=False)
    return compiled  # type: ignore[no-any-return]


def _joined(parts: list[Events]) -> Events:
    return np.concatenate(parts)
