"""The event camera: brightness over time to events, one threshold model per pixel.

The model of Lichtsteiner, Posch and Delbruck (2008): a pixel reports each time the logarithm of its
brightness has moved by its threshold since its last report. Between two moments the logarithm is
taken as a straight line, as in ESIM (Rebecq, Gehrig, Scaramuzza, CoRL 2018). Threshold spread,
leak, shot noise, hot pixels and a photoreceptor that is slower in the dark follow v2e (Hu, Liu,
Delbruck, CVPRW 2021). Left out: the readout's arbiter, bias settings, temperature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from dae_edge.hints import closest
from dae_edge.world.chance import pixel_numbers, uniform


@dataclass(frozen=True)
class SensorProfile:
    """An event camera.

    Attributes:
        width: Pixels.
        height: Pixels.
        threshold: Natural log of brightness.
        spread: Standard deviation of a pixel's threshold, as a part of it.
        refractory_us: A pixel is deaf for this long after an event.
        leak_hz: ON events per second of a pixel that sees no change.
        shot_hz: Noise events per second of a pixel in the light; more in the dark.
        hot_part: Part of the pixels that fire at ``hot_hz``.
        hot_hz: Their rate.
        cutoff_hz: Of the photoreceptor's low pass at brightness 1; proportional to brightness, but
            never below a tenth of this.
        moments: Pictures taken of a window of 50 ms; events are interpolated between them.
    """

    width: int
    height: int
    threshold: float = 0.25
    spread: float = 0.08
    refractory_us: float = 300.0
    leak_hz: float = 0.1
    shot_hz: float = 0.25
    hot_part: float = 1e-4
    hot_hz: float = 80.0
    cutoff_hz: float = 300.0
    moments: int = 8


PROFILES = {
    "davis346": SensorProfile(346, 260),
    "vga": SensorProfile(640, 480, threshold=0.28, shot_hz=0.15, moments=12),
    "hd": SensorProfile(1280, 720, threshold=0.3, spread=0.06, shot_hz=0.1, moments=16),
    "half": SensorProfile(173, 130, moments=4),
    "half-atis": SensorProfile(
        152, 120, threshold=0.35, spread=0.12, refractory_us=1000.0, shot_hz=0.6, hot_part=4e-4,
        moments=4,
    ),
}  # fmt: skip
"""Sensors by name: iniVation's DAVIS346, Prophesee's Gen3.1 and IMX636 in size and order of
magnitude of their noise. The halves are no sensors, but a DAVIS346 and an older, duller and noisier
ATIS at half their size, quick to make: for first lessons and for comparing ways of training."""


def load_profile(name: str) -> SensorProfile:
    """A profile by its name.

    Raises:
        ValueError: no such profile.
    """
    if name not in PROFILES:
        raise ValueError(f"no simulated sensor {name!r}{closest(name, PROFILES)}")
    return PROFILES[name]


class Pixels(NamedTuple):
    """What the pixels of B cameras hold between two moments; all float32 [B, H, W].

    Attributes:
        log: Logarithm of brightness, after the photoreceptor.
        level: The logarithm at which the last event was.
        asleep_us: Time since the last moment until the pixel hears again.
    """

    log: Tensor
    level: Tensor
    asleep_us: Tensor


class Bursts(NamedTuple):
    """Events of one step: at most one train of evenly spaced ones per pixel, and a stray one.

    Attributes:
        number: Events in the train, int32 [B, H, W].
        first_us: Time of the first one after the step's beginning, float32 [B, H, W].
        gap_us: Between two of them.
        on: Polarity of the train, bool [B, H, W].
        stray: A noise event, bool [B, H, W].
        stray_us: Its time after the step's beginning.
        stray_on: Its polarity.
    """

    number: Tensor
    first_us: Tensor
    gap_us: Tensor
    on: Tensor
    stray: Tensor
    stray_us: Tensor
    stray_on: Tensor

    @property
    def last_us(self) -> Tensor:
        """Time of the last one of the train after the step's beginning."""
        return self.first_us + (self.number - 1) * self.gap_us


class Fixed(NamedTuple):
    """What differs from pixel to pixel for good, float32 [B, H, W] each."""

    on: Tensor
    off: Tensor
    noise_hz: Tensor


def fixed_pattern(profile: SensorProfile, seed: Tensor, threshold: Tensor) -> Fixed:
    """Thresholds and noise rates of the cameras with these seeds (int32 [B]).

    Args:
        profile: The sensor.
        seed: int32 [B].
        threshold: Of each camera, [B].
    """
    pixel = pixel_numbers(profile.height, profile.width, seed.device)
    seeds = seed[:, None, None]

    def threshold_of(stream: int) -> Tensor:
        bell = sum((uniform(seeds, pixel, stream + i) for i in range(4)), start=torch.zeros(()))
        deviation = (bell - 2) * 3**0.5  # four uniform numbers: near enough to normal
        return threshold[:, None, None] * (1 + profile.spread * deviation).clamp(0.4, 1.6)

    hot = uniform(seeds, pixel, 9) < profile.hot_part
    noise = torch.where(hot, profile.hot_hz, profile.shot_hz)
    return Fixed(threshold_of(1), threshold_of(11), noise)


def awake(fixed: Fixed, brightness: Tensor, seed: Tensor) -> Pixels:
    """Pixels at the first moment: somewhere within their thresholds, not all freshly reset."""
    log = brightness.log()
    pixel = pixel_numbers(log.shape[1], log.shape[2], log.device)
    start = uniform(seed[:, None, None], pixel, 5) * 2 - 1
    level = log + torch.where(start > 0, start * fixed.off, start * fixed.on)
    return Pixels(log, level, torch.zeros_like(log))


def step(
    profile: SensorProfile,
    fixed: Fixed,
    pixels: Pixels,
    brightness: Tensor,
    step_us: float,
    chance: Tensor,
) -> tuple[Pixels, Bursts]:
    """From one moment to the next.

    Args:
        profile: The sensor.
        fixed: Its pixels' own values.
        pixels: At the last moment.
        brightness: At this moment, float32 [B, H, W].
        step_us: Microseconds between the two.
        chance: int32 [B], different for each camera and step.
    """
    log = brightness.log()
    speed = 2e-6 * torch.pi * profile.cutoff_hz * brightness.clamp(0.1, 1)
    log = pixels.log + (log - pixels.log) * (1 - torch.exp(-speed * step_us))
    level = pixels.level - fixed.on * (profile.leak_hz * step_us * 1e-6)
    on = log > level
    threshold = torch.where(on, fixed.on, -fixed.off)
    count = ((log - level) / threshold).floor().clamp(0, 64)
    change = log - pixels.log
    slope = torch.where(change.abs() < 1e-6, 1e-6, change) / step_us
    end = step_us - 1.0  # what happens at the next moment belongs to the next step
    first = ((level + threshold - pixels.log) / slope).clamp(0, end)
    gap = ((end - first) / (count - 1).clamp(min=1)).minimum((threshold / slope).abs())
    level = level + count * threshold

    # Deaf pixels lose events: whole trains are thinned to what the refractory period lets through.
    stride = (profile.refractory_us / gap.clamp(min=1e-3)).ceil().clamp(1, 64)
    deaf = ((pixels.asleep_us - first) / gap.clamp(min=1e-3)).ceil().clamp(0, 64)
    deaf = torch.where(pixels.asleep_us > first, deaf, 0.0)
    first = first + deaf * gap
    count = ((count - deaf).clamp(min=0) / stride).ceil()
    gap = gap * stride

    pixel = pixel_numbers(log.shape[1], log.shape[2], log.device)
    draw = uniform(chance[:, None, None], pixel, 21)
    dark = (0.25 / brightness.clamp(min=0.0025)).sqrt().clamp(1, 6)
    likely = fixed.noise_hz * dark * (step_us * 1e-6)
    stray = draw < likely
    when = uniform(chance[:, None, None], pixel, 22)
    stray_on = (draw / likely) < 0.5  # given that there is one, this is again uniform
    last = torch.where(count > 0, first + (count - 1) * gap + profile.refractory_us, 0.0)
    asleep = (torch.maximum(last, pixels.asleep_us) - step_us).clamp(min=0)
    bursts = Bursts(count.int(), first, gap, on, stray, when * end, stray_on)
    return Pixels(log, level, asleep), bursts
