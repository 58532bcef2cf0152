"""M3ED and the first release of MVSEC: events in one HDF5 file, depth in another."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from dae_edge.datasets import open_dataset
from dae_edge.datasets.m3ed import M3ed
from dae_edge.errors import FormatError

RNG = np.random.default_rng(3)


def write_m3ed(root, name="spot_indoor_stairs"):
    folder = root / "processed" / name
    folder.mkdir(parents=True)
    t = np.sort(RNG.integers(0, 300_000, 500))
    with h5py.File(folder / f"{name}_data.h5", "w") as file:
        file["prophesee/left/t"] = t
        file["prophesee/left/x"] = RNG.integers(0, 1280, 500).astype(np.uint16)
        file["prophesee/left/y"] = RNG.integers(0, 720, 500).astype(np.uint16)
        file["prophesee/left/p"] = RNG.integers(0, 2, 500).astype(np.int8)
    depth = np.full((3, 720, 1280), np.inf, np.float32)
    depth[:, 10, 20] = [1, 2, 3]
    with h5py.File(folder / f"{name}_depth_gt.h5", "w") as file:
        file.create_dataset("depth/prophesee/left", data=depth, compression="lzf")
        file["ts"] = np.array([50_000, 150_000, 250_000])
    return folder, t


def write_mvsec_raw(root, name="outdoor_night1"):
    t = 1.5e9 + np.sort(RNG.random(400)) * 0.2
    events = np.stack([RNG.integers(0, 346, 400), RNG.integers(0, 260, 400), t, np.ones(400)], 1)
    with h5py.File(root / f"{name}_data.hdf5", "w") as file:
        file["davis/left/events"] = events
    depth = np.full((2, 260, 346), np.nan, np.float32)
    depth[:, 5, 6] = [7, 8]
    with h5py.File(root / f"{name}_gt.hdf5", "w") as file:
        file["davis/left/depth_image_raw"] = depth
        file["davis/left/depth_image_raw_ts"] = 1.5e9 + np.array([0.1, 0.15])
    return np.rint(t * 1e6).astype(np.int64)


def test_m3ed_gives_the_events_before_each_depth_map(tmp_path):
    _, t = write_m3ed(tmp_path)
    (sequence,) = open_dataset("m3ed", tmp_path).sequences()
    samples = list(sequence)
    assert len(sequence) == len(samples) == 3
    for sample, end, depth in zip(samples, (50_000, 150_000, 250_000), (1, 2, 3), strict=True):
        assert sample.t_us == end
        assert sample.events["t"].tolist() == t[(t >= end - 50_000) & (t < end)].tolist()
        assert (sample.depth > 0).sum() == 1
        assert sample.depth[10, 20] == depth
        assert sample.tencode().shape == (720, 1280, 3)


def test_m3ed_lists_the_55_sequences_whose_depth_is_public():
    assert len(M3ed.splits["all"]) == sum(len(M3ed.splits[v]) for v in ("car", "falcon", "spot"))
    assert len(M3ed.splits["all"]) == 55
    assert "car_urban_day_ucity_big_loop" not in M3ed.splits["all"]


def test_the_first_release_of_mvsec_is_read_in_microseconds(tmp_path):
    t = write_mvsec_raw(tmp_path)
    (sequence,) = open_dataset("mvsec-raw", tmp_path).sequences()
    samples = list(sequence)
    assert [sample.t_us for sample in samples] == [1_500_000_000_100_000, 1_500_000_000_150_000]
    for sample in samples:
        inside = (t >= sample.t_us - 50_000) & (t < sample.t_us)
        assert sample.events["t"].tolist() == t[inside].tolist()
    assert [sample.depth[5, 6] for sample in samples] == [7, 8]
    assert samples[0].depth[0, 0] == 0


def test_a_missing_depth_file_is_named(tmp_path):
    folder, _ = write_m3ed(tmp_path)
    (folder / "spot_indoor_stairs_depth_gt.h5").unlink()
    with pytest.raises(FormatError, match=r"spot_indoor_stairs_depth_gt\.h5: no such file"):
        open_dataset("m3ed", tmp_path).sequences()
    findings = open_dataset("m3ed", tmp_path).check()
    assert any("depth_gt.h5: no such file" in line for line in findings)


def test_events_of_another_dataset_are_refused(tmp_path):
    folder, _ = write_m3ed(tmp_path)
    with h5py.File(folder / "spot_indoor_stairs_data.h5", "w") as file:
        file["davis/left/events"] = np.zeros((3, 4))
    with pytest.raises(FormatError, match="events as in hdf5-mvsec, wanted hdf5-m3ed"):
        list(open_dataset("m3ed", tmp_path).sequences()[0])


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        ("depth/prophesee/left", np.zeros((3, 72, 128), np.float32), "wanted 3x720x1280"),
        ("depth/prophesee/left", np.zeros((2, 720, 1280), np.float32), "wanted 3x720x1280"),
        ("depth/prophesee/left", np.zeros(3, "S3"), "no numbers at /depth/prophesee/left"),
        ("ts", np.array([1, 3, 3]), "/ts: time 3 us at 2 does not follow"),
        ("ts", np.zeros((3, 2), np.int64), "shape 3x2, wanted n"),
    ],
)
def test_depth_that_is_none_is_refused(tmp_path, where, value, message):
    folder, _ = write_m3ed(tmp_path)
    with h5py.File(folder / "spot_indoor_stairs_depth_gt.h5", "r+") as file:
        del file[where]
        file[where] = value
    with pytest.raises(FormatError, match=message):
        open_dataset("m3ed", tmp_path).sequences()


@pytest.mark.parametrize("keep", [0.0, 0.2, 0.6, 0.98])
@pytest.mark.parametrize("kind", ["data", "depth_gt"])
def test_a_truncated_file_is_named(tmp_path, kind, keep):
    folder, _ = write_m3ed(tmp_path)
    path = folder / f"spot_indoor_stairs_{kind}.h5"
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(FormatError, match=path.name):
        list(open_dataset("m3ed", tmp_path).sequences()[0])
