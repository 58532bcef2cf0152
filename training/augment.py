"""Changes that leave the depth true: mirror, other polarity, lost events, time reversed, zoom.

Chances are drawn per sequence, so that all clips of one are changed alike and the state stays
meaningful; only which events are lost differs from window to window.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dae_edge.hints import closest


@dataclass(frozen=True)
class Augment:
    """Chances and sizes; all 0 (zoom: 1) changes nothing.

    Attributes:
        mirror: Chance of left for right.
        polarity: Chance of brighter for darker.
        dropout: Largest part of the touched pixels that lose their events; what is lost is drawn
            from 0 to this.
        dropout_chance: Of any being lost.
        noise: Largest part of all pixels that get an event from nowhere.
        time_flip: Chance of playing a clip backwards. Exact for voxel grids; of a Tencode image it
            knows each pixel's last event only, and takes it as the first.
        zoom: Largest enlargement; drawn from 1 to this, place drawn too.
    """

    mirror: float = 0.0
    polarity: float = 0.0
    dropout: float = 0.0
    dropout_chance: float = 0.5
    noise: float = 0.0
    time_flip: float = 0.0
    zoom: float = 1.0

    @classmethod
    def read(cls, settings: Mapping[str, Any], where: str) -> Augment:
        """From a table of a recipe.

        Raises:
            ValueError: an unknown name, or a value that is no such chance or size.
        """
        for name, value in settings.items():
            if name not in cls.__dataclass_fields__:
                known = list(cls.__dataclass_fields__)
                raise ValueError(f"{where}: no augmentation {name!r}{closest(name, known)}")
            low, high = (1.0, 4.0) if name == "zoom" else (0.0, 1.0)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"{where}: {name} must be a number, got {value!r}")
            if not low <= value <= high:
                raise ValueError(f"{where}: {name} must be {low} to {high}, got {value}")
        return cls(**settings)

    def apply(
        self, windows: Tensor, depth: Tensor, *, sequence_seed: int, clip_seed: int
    ) -> tuple[Tensor, Tensor]:
        """Change one clip of one sequence.

        Args:
            windows: float32 [T, C, H, W]: Tencode (C = 3) in [0, 1], or voxel grids.
            depth: float32 [T + 1, H, W]: before the first window, and at the end of each.
            sequence_seed: The same for all clips of a sequence.
            clip_seed: Different for each clip.

        Returns:
            The windows, and the depth at the end of each, [T, H, W].
        """
        draw = torch.Generator().manual_seed(sequence_seed)
        mirror, polarity, flip, lose, zoom, x, y = torch.rand(7, generator=draw).tolist()
        tencode = windows.shape[1] == 3
        if flip < self.time_flip:
            windows, depth = _backwards(windows, depth, tencode)
        else:
            depth = depth[1:]
        if polarity < self.polarity:
            windows = windows.flip(1) if tencode else -windows
        if mirror < self.mirror:
            windows, depth = windows.flip(-1), depth.flip(-1)
        if self.zoom > 1:
            windows, depth = _zoomed(windows, depth, 1 + (self.zoom - 1) * zoom, x, y)
        if self.dropout and lose < self.dropout_chance:
            windows = self._lost(windows, clip_seed)
        if self.noise and tencode:
            windows = self._noisy(windows, clip_seed)
        return windows, depth

    def _lost(self, windows: Tensor, seed: int) -> Tensor:
        draw = torch.Generator().manual_seed(seed)
        part = self.dropout * torch.rand(1, generator=draw)
        frames, _, height, width = windows.shape
        return windows * (torch.rand(frames, 1, height, width, generator=draw) >= part)

    def _noisy(self, windows: Tensor, seed: int) -> Tensor:
        draw = torch.Generator().manual_seed(seed + 1)
        part = self.noise * torch.rand(1, generator=draw)
        frames, _, height, width = windows.shape
        hit = torch.rand(frames, 1, height, width, generator=draw) < part
        on = (torch.rand(frames, 1, height, width, generator=draw) < 0.5).float()
        green = torch.rand(frames, 1, height, width, generator=draw)
        return torch.where(hit, torch.cat([on, green, 1 - on], dim=1), windows)


def _backwards(windows: Tensor, depth: Tensor, tencode: bool) -> tuple[Tensor, Tensor]:
    """Time reversed: what got brighter gets darker, what was old is new."""
    windows, depth = windows.flip(0), depth.flip(0)[1:]
    if not tencode:
        return -windows.flip(1), depth
    red, green, blue = windows.unbind(1)
    touched = (red + blue).clamp(0, 1)
    return torch.stack([blue, touched - green, red], dim=1), depth


def _zoomed(
    windows: Tensor, depth: Tensor, zoom: float, x: float, y: float
) -> tuple[Tensor, Tensor]:
    height, width = depth.shape[-2:]
    rows, columns = round(height / zoom), round(width / zoom)
    top, left = round(y * (height - rows)), round(x * (width - columns))
    windows = windows[..., top : top + rows, left : left + columns]
    depth = depth[..., top : top + rows, left : left + columns]
    larger = functional.interpolate(windows, size=(height, width), mode="bicubic")
    nearest = functional.interpolate(depth[:, None], size=(height, width), mode="nearest")
    return larger, nearest[:, 0]
