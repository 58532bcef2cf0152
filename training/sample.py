"""Make the sample recording that ships with dae-edge: ``python -m training.sample``.

A procedural room (scene.py) seen by a simulated event camera: each pixel reports when the log of
its brightness has changed by its own threshold. No photoreceptor bandwidth, no leak events, no
bias settings: the recording is for a first look and for tests, not a model of one sensor.
"""

from __future__ import annotations

import argparse
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_edge.events import EVENT, Events, events_from
from dae_edge.sources.evt3_writer import write_evt3
from training.scene import HEIGHT, INTRINSICS, WIDTH, Scene

SEED = 6
SCENE_S = 2.5  # the walk ends here, before the camera meets the table
FRAME_US = 2_000  # between rendered frames; nothing moves further than half a pixel in it
DEPTH_US = 100_000  # between depth maps
DEPTH_STRIDE = 2  # every second row and column

THRESHOLD = 0.2  # natural log of brightness
THRESHOLD_SPREAD = 0.1  # standard deviation, as a part of the threshold
REFRACTORY_US = 100
SWEEP_US = 100  # the pixels are read out once in this time: events of one sweep share its time
NOISE_HZ = 0.1  # shot noise, events per pixel and second
HOT_PIXELS = 6
HOT_HZ = 60.0


class ThresholdSensor:
    """Brightness over time in, events out, one threshold model per pixel.

    The model of Lichtsteiner, Posch and Delbruck, "A 128x128 120 dB 15 us latency asynchronous
    temporal contrast vision sensor" (2008), simulated between frames as in ESIM (Rebecq, Gehrig
    and Scaramuzza, 2018): crossing times are interpolated linearly between two frames. Threshold
    spread, shot noise and hot pixels follow v2e (Hu, Liu and Delbruck, 2021).
    """

    def __init__(self, brightness: NDArray[Any], *, seed: int) -> None:
        """``brightness``: float32 [H, W], linear, above 0, what the sensor sees at time 0."""
        self._random = np.random.default_rng(seed)
        self._log = np.log(brightness).astype(np.float64)
        shape = self._log.shape
        spread = self._random.normal(1.0, THRESHOLD_SPREAD, (2, *shape))
        self._off, self._on = THRESHOLD * np.clip(spread, 0.5, 1.5)
        # Pixels start somewhere within their thresholds, not all freshly reset at time 0.
        start = self._random.uniform(-1, 1, shape)
        self._level = self._log + np.where(start > 0, start * self._off, start * self._on)
        self._last_us = np.full(shape, -REFRACTORY_US, np.int64)
        self._rate_hz = np.full(shape, NOISE_HZ)
        hot = self._random.choice(self._log.size, HOT_PIXELS, replace=False)
        self._rate_hz.reshape(-1)[hot] = HOT_HZ
        self._t_us = 0

    def see(self, brightness: NDArray[Any], t_us: int) -> Events:
        """The events since the last frame, as brightness goes to this frame's at ``t_us``.

        Times are those of the readout: rounded down to ``SWEEP_US``, sorted by time, row, column.
        """
        log = np.log(brightness).astype(np.float64)
        parts = list(self._crossings(log, t_us))
        parts.append(self._noise(t_us))
        self._log, self._t_us = log, t_us
        events = np.concatenate(parts)
        events["t"] -= events["t"] % SWEEP_US
        return events[np.lexsort((events["x"], events["y"], events["t"]))]

    def _crossings(self, log: NDArray[Any], t_us: int) -> Iterator[Events]:
        """First all pixels' first crossings, then their second ones, until none is left."""
        change = log - self._log
        rising = change > 0
        step = np.where(rising, self._on, -self._off)
        rows, columns = np.nonzero((log - self._level) / step >= 1)
        while len(rows):
            at = rows, columns
            self._level[at] += step[at]
            part = np.clip((self._level[at] - self._log[at]) / change[at], 0, 1)
            t = (self._t_us + part * (t_us - self._t_us)).astype(np.int64)
            yield self._after_refractory(t, rows, columns, rising[at])
            more = (log[at] - self._level[at]) / step[at] >= 1
            rows, columns = rows[more], columns[more]

    def _after_refractory(
        self, t: NDArray[Any], rows: NDArray[Any], columns: NDArray[Any], on: NDArray[Any]
    ) -> Events:
        """Without the events of pixels that reported just before; those are lost, not late."""
        awake = t - self._last_us[rows, columns] >= REFRACTORY_US
        t, rows, columns, on = t[awake], rows[awake], columns[awake], on[awake]
        self._last_us[rows, columns] = t
        return events_from(t, columns, rows, on)

    def _noise(self, t_us: int) -> Events:
        """Poisson events of either polarity, at each pixel's own rate."""
        elapsed_us = t_us - self._t_us
        rows, columns = np.nonzero(
            self._random.random(self._rate_hz.shape) < self._rate_hz * elapsed_us * 1e-6
        )
        t = self._t_us + self._random.integers(0, elapsed_us, len(rows))
        return self._after_refractory(t, rows, columns, self._random.random(len(rows)) < 0.5)


def record(*, seconds: float, seed: int = SEED) -> tuple[Events, NDArray[Any], NDArray[Any]]:
    """Walk through the scene.

    Returns:
        The events, dtype ``EVENT``, sorted by time, from 0 to ``seconds``; the depth, float16
        [N, 130, 173] in metres along the optical axis, of every second row and column; and its
        times, int64 [N] in microseconds, every 100 ms, the first at 100 ms.

    Raises:
        ValueError: ``seconds`` is not of (0, 2.5].
    """
    if not 0 < seconds <= SCENE_S:
        raise ValueError(f"seconds: got {seconds}, wanted more than 0 and at most {SCENE_S}")
    scene = Scene(seed=seed)
    sensor = ThresholdSensor(scene.render(0.0)[0], seed=seed)
    parts, depths, depth_times = [np.empty(0, EVENT)], [], []
    for t_us in range(FRAME_US, round(seconds * 1e6) + 1, FRAME_US):
        brightness, depth = scene.render(t_us * 1e-6)
        parts.append(sensor.see(brightness, t_us))
        if t_us % DEPTH_US == 0:
            depths.append(depth[::DEPTH_STRIDE, ::DEPTH_STRIDE].astype(np.float16))
            depth_times.append(t_us)
    shape = (-1, -(-HEIGHT // DEPTH_STRIDE), -(-WIDTH // DEPTH_STRIDE))
    depth_maps = np.array(depths, np.float16).reshape(shape)
    return np.concatenate(parts), depth_maps, np.array(depth_times, np.int64)


def write(folder: Path, *, seconds: float) -> tuple[Path, Path]:
    """Write ``sample.raw`` (EVT3) and ``sample_depth.npz`` into ``folder``, made if it is new.

    The depth file holds ``depth`` and ``t_us`` as :func:`record` gives them, ``intrinsics``
    float64 [4] (fx, fy, cx, cy in pixels of the full sensor) and ``stride`` (2): ``depth[n, i, j]``
    belongs to the pixel in row ``2 * i``, column ``2 * j``.

    Raises:
        ValueError: as :func:`record`.
    """
    events, depth, depth_t_us = record(seconds=seconds)
    folder.mkdir(parents=True, exist_ok=True)
    recording, truth = folder / "sample.raw", folder / "sample_depth.npz"
    write_evt3(
        recording,
        events,
        width=WIDTH,
        height=HEIGHT,
        metadata={"generator": "dae-edge training.sample"},
    )
    packed = io.BytesIO()
    np.savez_compressed(
        packed, depth=depth, t_us=depth_t_us, intrinsics=INTRINSICS, stride=DEPTH_STRIDE
    )
    beside = truth.with_suffix(".npz.part")
    beside.write_bytes(packed.getvalue())
    os.replace(beside, truth)
    return recording, truth


def main() -> None:
    """Read the command line and write the files."""
    parser = argparse.ArgumentParser(prog="python -m training.sample", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("dae_edge/data"), metavar="DIR")
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    try:
        paths = write(arguments.out, seconds=arguments.seconds)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    for path in paths:
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
