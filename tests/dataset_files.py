"""Datasets on disk in their official layouts, made of arrays: what the tests of datasets read."""

from __future__ import annotations

import io
import lzma
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray
from PIL import Image


def read_npz_xz(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays of a .npz that was packed with xz, which packs floats better than zip."""
    with np.load(io.BytesIO(lzma.decompress(path.read_bytes())), allow_pickle=False) as arrays:
        return dict(arrays)


def write_dsec(folder: Path, arrays: Mapping[str, Any]) -> Path:
    """One DSEC sequence: disp, disp_ts, ev_{x,y,t,p}, t_offset, rectify_map, Q."""
    maps = folder / "disparity" / "event"
    events = folder / "events" / "left"
    calibration = folder / "calibration"
    for path in (maps, events, calibration):
        path.mkdir(parents=True)
    for index, disparity in enumerate(arrays["disp"]):
        Image.fromarray(disparity).save(maps / f"{2 * index:06d}.png", compress_level=1)
    write_lines(folder / "disparity" / "timestamps.txt", arrays["disp_ts"].tolist())
    with h5py.File(events / "events.h5", "w") as file:
        for name in "xytp":
            file.create_dataset(
                f"events/{name}", data=arrays[f"ev_{name}"], **hdf5plugin.Blosc("zstd")
            )
        file["t_offset"] = arrays["t_offset"]
    with h5py.File(events / "rectify_map.h5", "w") as file:
        file["rectify_map"] = arrays["rectify_map"]
    rows = "".join(f"  - {row}\n" for row in arrays["Q"].tolist())
    (calibration / "cam_to_cam.yaml").write_text(
        f"intrinsics:\n  cam0:\n    camera_model: pinhole\ndisparity_to_depth:\n  cams_03:\n{rows}"
    )
    return folder


def write_mvsec(folder: Path, arrays: Mapping[str, Any]) -> Path:
    """One MVSEC sequence in E2Depth's form: depth, depth_ts (seconds), voxel, voxel_ts."""
    for where, name, stem in (
        ("depth/data", "depth", "depth"),
        ("events/voxels", "voxel", "event_tensor"),
    ):
        (folder / where).mkdir(parents=True)
        for index, array in enumerate(arrays[name]):
            np.save(folder / where / f"{stem}_{index:010d}.npy", array)
        lines = [f"{i} {t:.9f}" for i, t in enumerate(arrays[f"{name}_ts"])]
        write_lines(folder / where / "timestamps.txt", lines)
    return folder


def write_lines(path: Path, lines: list[Any]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))
