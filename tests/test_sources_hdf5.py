"""HDF5 layouts of DSEC, M3ED and MVSEC, written here in small."""

from pathlib import Path

import numpy as np
import pytest
from event_samples import random_events

from dae_edge.errors import FormatError
from dae_edge.sources import hdf5
from dae_edge.sources.hdf5 import open_hdf5

hdf5plugin = pytest.importorskip("hdf5plugin")
h5py = pytest.importorskip("h5py")


def write_columns(group, events, **options) -> None:
    group.create_dataset("t", data=events["t"].astype("u4"), **options)
    group.create_dataset("x", data=events["x"], **options)
    group.create_dataset("y", data=events["y"], **options)
    group.create_dataset("p", data=events["on"].astype("u1"), **options)


def dsec_file(path: Path, events, offset_us: int | None = 49_599_300_523, **options) -> Path:
    with h5py.File(path, "w") as file:
        write_columns(file.create_group("events"), events, **options)
        if offset_us is not None:
            file["t_offset"] = np.int64(offset_us)
    return path


def m3ed_file(path: Path, events, side: str = "left") -> Path:
    with h5py.File(path, "w") as file:
        write_columns(file.create_group(f"prophesee/{side}"), events)
    return path


def mvsec_file(path: Path, events, side: str = "left", start_s: float = 1.5e9) -> Path:
    t = start_s + events["t"] * 1e-6
    polarity = np.where(events["on"], 1.0, -1.0)
    with h5py.File(path, "w") as file:
        file[f"davis/{side}/events"] = np.stack([events["x"], events["y"], t, polarity], axis=1)
    return path


def all_of(source) -> np.ndarray:
    return np.concatenate([*source, random_events(0)])


def test_dsec_with_blosc_is_read_and_its_offset_added(tmp_path):
    events = random_events(3000)
    path = dsec_file(tmp_path / "e.h5", events, chunks=(500,), **hdf5plugin.Blosc(cname="zstd"))
    source = open_hdf5(path)
    got = all_of(source)
    assert (source.format, source.width, source.height) == ("hdf5-dsec", 640, 480)
    np.testing.assert_array_equal(got["t"] - 49_599_300_523, events["t"])
    np.testing.assert_array_equal(got[["x", "y", "on"]], events[["x", "y", "on"]])
    assert source.progress() == 1.0


def test_small_blocks_give_the_same_events(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "BLOCK_EVENTS", 77)
    events = random_events(1000)
    source = open_hdf5(dsec_file(tmp_path / "e.h5", events, 0), packet_events=50)
    packets = list(source)
    assert max(map(len, packets)) == 50
    np.testing.assert_array_equal(np.concatenate(packets), events)


def test_columns_without_an_offset_need_the_sensor(tmp_path):
    events = random_events(10)
    path = dsec_file(tmp_path / "e.h5", events, None)
    with pytest.raises(FormatError, match=r"pass sensor=\(width, height\)"):
        open_hdf5(path)
    np.testing.assert_array_equal(all_of(open_hdf5(path, sensor=(64, 48))), events)


def test_m3ed_is_read_for_the_side_asked(tmp_path):
    events = random_events(100)
    source = open_hdf5(m3ed_file(tmp_path / "m.h5", events, "right"), side="right")
    assert (source.format, source.width, source.height) == ("hdf5-m3ed", 1280, 720)
    np.testing.assert_array_equal(all_of(source), events)


def test_mvsec_times_become_exact_microseconds(tmp_path):
    events = random_events(100)
    source = open_hdf5(mvsec_file(tmp_path / "v.hdf5", events))
    got = all_of(source)
    assert (source.format, source.width, source.height) == ("hdf5-mvsec", 346, 260)
    np.testing.assert_array_equal(got["t"] - 1_500_000_000_000_000, events["t"])
    np.testing.assert_array_equal(got[["x", "y", "on"]], events[["x", "y", "on"]])


def test_a_side_that_is_not_there_is_an_error_that_says_what_is(tmp_path):
    path = m3ed_file(tmp_path / "m.h5", random_events(3))
    with pytest.raises(FormatError, match=r"no events found for side 'right'.*it has 'prophesee'"):
        open_hdf5(path, side="right")


def test_impossible_times_are_an_error(tmp_path):
    path = mvsec_file(tmp_path / "v.hdf5", random_events(3), start_s=float("nan"))
    with pytest.raises(FormatError, match="event 0 has the impossible time nan s"):
        list(open_hdf5(path))


def test_events_outside_the_sensor_are_left_out_and_counted(tmp_path):
    events = random_events(100, width=700)
    source = open_hdf5(dsec_file(tmp_path / "e.h5", events))
    inside = np.count_nonzero(events["x"] < 640)
    assert len(all_of(source)) == inside
    assert source.counters() == {"events": inside, "dropped_outside": 100 - inside}


def test_columns_of_different_lengths_are_an_error(tmp_path):
    path = dsec_file(tmp_path / "e.h5", random_events(5))
    with h5py.File(path, "a") as file:
        del file["events/y"]
        file["events/y"] = np.zeros(4, "u2")
    with pytest.raises(FormatError, match="differ in length: t 5, x 5, y 4, p 5"):
        open_hdf5(path)


@pytest.mark.parametrize("content", [np.zeros((5, 3)), np.zeros(5), np.array([b"a"] * 4)])
def test_a_table_of_another_form_is_an_error(tmp_path, content):
    with h5py.File(tmp_path / "v.hdf5", "w") as file:
        file["davis/left/events"] = content
    with pytest.raises(FormatError, match="no table of numbers with 4 columns"):
        open_hdf5(tmp_path / "v.hdf5")


def test_a_group_where_a_column_should_be_is_an_error(tmp_path):
    path = dsec_file(tmp_path / "e.h5", random_events(5))
    with h5py.File(path, "a") as file:
        del file["events/y"]
        file.create_group("events/y")
    with pytest.raises(FormatError, match="/events/y is no column of whole numbers"):
        open_hdf5(path)


def test_prophesee_files_are_refused_with_a_way_out(tmp_path):
    with h5py.File(tmp_path / "p.hdf5", "w") as file:
        file["CD/events"] = np.zeros(3)
    with pytest.raises(FormatError, match="ECF"):
        open_hdf5(tmp_path / "p.hdf5")


def test_a_truncated_file_is_an_error(tmp_path):
    path = dsec_file(tmp_path / "e.h5", random_events(5000))
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(FormatError, match="not a readable HDF5 file"):
        list(open_hdf5(path))


def test_a_damaged_chunk_is_an_error_that_says_where(tmp_path):
    path = dsec_file(tmp_path / "e.h5", random_events(5000), chunks=(5000,), **hdf5plugin.Blosc())
    with h5py.File(path) as file:
        chunk = file["events/t"].id.get_chunk_info(0)
    data = bytearray(path.read_bytes())
    data[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\xff" * chunk.size
    path.write_bytes(data)
    with pytest.raises(FormatError, match="cannot be read from event 0 on"):
        list(open_hdf5(path))
