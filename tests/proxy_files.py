"""Small datasets with frames for a teacher, and labels as it leaves them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from dataset_files import write_dsec, write_lines, write_mvsec
from PIL import Image

DSEC, MVSEC = "zurich_city_00_a", "mvsec_dataset_day2/train"
FIRST_US, FRAME_US = 1_000_000, 50_000
FRAMES = 6


def write_small_dsec(root: Path, *, name: str = DSEC, frames: int = FRAMES) -> Path:
    """A sequence with warped frames 20 times and disparity 10 times a second."""
    times = FIRST_US + FRAME_US * np.arange(frames)
    disparity = np.zeros((len(times[::2]), 480, 640), np.uint16)
    disparity[:, 100:300, 50:600] = np.linspace(1000, 20_000, 550).astype(np.uint16)
    columns, rows = np.meshgrid(np.arange(640), np.arange(480))
    t = np.arange(0, frames * FRAME_US, 1000)
    folder = write_dsec(
        root / "train" / name,
        {
            "disp": disparity,
            "disp_ts": times[::2],
            "ev_t": t,
            "ev_x": (t % 640).astype(np.uint16),
            "ev_y": (t % 480).astype(np.uint16),
            "ev_p": (t % 2).astype(np.uint8),
            "t_offset": np.int64(FIRST_US - FRAME_US),
            "rectify_map": np.stack([columns, rows], axis=-1).astype(np.float32),
            "Q": np.array(
                [[1, 0, 0, -320], [0, 1, 0, -240], [0, 0, 0, 500], [0, 0, 1.67, 0]], np.float64
            ),
        },
    )
    write_frames(folder / "images/left/ev_inf", "{:06d}.png", frames, (640, 480))
    write_lines(folder / "images/timestamps.txt", times.tolist())
    return folder


def write_small_mvsec(root: Path, *, frames: int = FRAMES, shift_us: int = 0) -> Path:
    """A sequence with grids, depth and frames 20 times a second; frames ``shift_us`` later."""
    seconds = 10 + 0.05 * np.arange(frames)
    depth = np.linspace(2, 40, 346, dtype=np.float32) * np.ones((frames, 260, 1), np.float32)
    voxels = np.zeros((frames, 5, 260, 346), np.float32)
    voxels[:, 2, 100] = 1 + np.arange(frames)[:, None]
    arrays = {"depth": depth, "depth_ts": seconds, "voxel": voxels, "voxel_ts": seconds}
    folder = write_mvsec(root / "train" / MVSEC, arrays)
    write_frames(folder / "rgb/davis", "frame_{:010d}.png", frames, (346, 260))
    lines = [f"{i} {t + shift_us * 1e-6:.6f}" for i, t in enumerate(seconds)]
    write_lines(folder / "rgb/davis/timestamps.txt", lines)
    return folder


def write_frames(folder: Path, pattern: str, count: int, size: tuple[int, int]) -> None:
    """Pictures of a few smooth blobs, each another."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(3)
    for index in range(count):
        small = Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8))
        small.resize(size, Image.Resampling.BICUBIC).save(folder / pattern.format(index))


def write_labels(frames: Path, name: str, size: tuple[int, int]) -> Path:
    """Labels beside a folder of frames; the value of each is 1 + its position."""
    folder = frames.with_name(f"{frames.name}_{name}")
    folder.mkdir()
    for index, frame in enumerate(sorted(frames.glob("*.png"))):
        depth = np.full((size[1], size[0]), 1 + index, np.float32)
        np.savez_compressed(folder / f"{frame.stem}.npz", depth=depth)
    return folder
