"""NPZ and NPY files: columns and structured arrays, whole, cut and damaged."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest
from event_samples import format_error_of, random_events
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dae_edge.errors import FormatError
from dae_edge.sources import npz
from dae_edge.sources.npz import open_numpy

SENSOR = (64, 48)


def columns(events, polarity: str = "p") -> dict[str, np.ndarray]:
    names = {"t": "t", "x": "x", "y": "y", polarity: "on"}
    return {name: events[field] for name, field in names.items()}


def all_of(source) -> np.ndarray:
    return np.concatenate([*source, random_events(0)])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("polarity", ["p", "on", "polarity"])
def test_columns_of_an_npz_are_read(tmp_path, save, polarity):
    events = random_events(1000)
    save(tmp_path / "e.npz", **columns(events, polarity), other=np.zeros((3, 3)))
    source = open_numpy(tmp_path / "e.npz", sensor=SENSOR)
    np.testing.assert_array_equal(all_of(source), events)
    assert (source.format, source.counters()) == ("npz", {"events": 1000})


def test_a_structured_array_is_read_from_npy_and_npz(tmp_path):
    events = random_events(1000)
    np.save(tmp_path / "e.npy", events)
    np.savez_compressed(tmp_path / "e.npz", anything=events)
    for name in ("e.npy", "e.npz"):
        source = open_numpy(tmp_path / name, sensor=SENSOR)
        np.testing.assert_array_equal(all_of(source), events)
        assert source.progress() == 1.0


def test_metavision_arrays_are_read(tmp_path):
    events = random_events(100)
    names = {"names": ["x", "y", "p", "t"], "formats": ["<u2", "<u2", "<i2", "<i8"]}
    foreign = np.empty(100, np.dtype({**names, "offsets": [0, 2, 4, 8], "itemsize": 16}))
    for ours, theirs in zip(("t", "x", "y", "on"), ("t", "x", "y", "p"), strict=True):
        foreign[theirs] = events[ours]
    np.save(tmp_path / "e.npy", foreign)
    np.testing.assert_array_equal(all_of(open_numpy(tmp_path / "e.npy", sensor=SENSOR)), events)


def test_floating_point_times_are_seconds(tmp_path):
    events = random_events(100)
    np.savez(tmp_path / "e.npz", **{**columns(events), "t": events["t"] * 1e-6})
    np.testing.assert_array_equal(all_of(open_numpy(tmp_path / "e.npz", sensor=SENSOR)), events)


def test_small_blocks_give_the_same_events(tmp_path, monkeypatch):
    monkeypatch.setattr(npz, "BLOCK_EVENTS", 33)
    events = random_events(1000)
    np.savez_compressed(tmp_path / "e.npz", **columns(events))
    np.testing.assert_array_equal(all_of(open_numpy(tmp_path / "e.npz", sensor=SENSOR)), events)


def test_memory_does_not_grow_with_what_a_file_unpacks_to(tmp_path):
    count = 4_000_000
    path = tmp_path / "bomb.npz"
    zeros = {
        name: np.zeros(count, kind)
        for name, kind in zip("txyp", ("i8", "u2", "u2", "u2"), strict=True)
    }
    np.savez_compressed(path, **zeros)
    del zeros
    tracemalloc.start()
    assert sum(len(packet) for packet in open_numpy(path, sensor=SENSOR)) == count
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12e6  # 56 MB of columns


def test_the_sensor_is_demanded(tmp_path):
    np.save(tmp_path / "e.npy", random_events(3))
    with pytest.raises(FormatError, match=r"pass sensor=\(width, height\)"):
        open_numpy(tmp_path / "e.npy")


def test_a_truncated_npy_gives_its_whole_events_and_counts_the_others(tmp_path):
    events = random_events(1000)
    np.save(tmp_path / "e.npy", events)
    data = (tmp_path / "e.npy").read_bytes()
    (tmp_path / "e.npy").write_bytes(data[: -13 * 10 - 5])
    source = open_numpy(tmp_path / "e.npy", sensor=SENSOR)
    np.testing.assert_array_equal(all_of(source), events[:989])
    assert source.counters() == {"events": 989, "truncated_events": 11}


def test_pickled_objects_are_refused_and_never_loaded(tmp_path):
    np.save(tmp_path / "e.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(FormatError, match="Python objects"):
        open_numpy(tmp_path / "e.npy", sensor=SENSOR)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"t": np.zeros(2), "x": np.zeros(2), "y": np.zeros(2)}, "wanted arrays t, x, y and p"),
        ({"a": np.zeros(2, "i8")}, "no field 't'.*without fields"),
        ({"a": np.zeros(2, [("t", "i8"), ("x", "u2"), ("y", "u2")])}, "no field 'p'"),
        ({"t": np.zeros(3), "x": np.zeros(2), "y": np.zeros(2), "p": np.zeros(2)}, "t 3, x 2"),
        ({"t": np.zeros((2, 2)), "x": np.zeros(2), "y": np.zeros(2), "p": np.zeros(2)}, "one dim"),
        ({"t": np.array(["a"]), "x": np.zeros(1), "y": np.zeros(1), "p": np.zeros(1)}, "column t"),
    ],
)  # fmt: skip
def test_other_arrays_are_an_error_that_says_what_is_wanted(tmp_path, arrays, message):
    np.savez(tmp_path / "e.npz", **arrays)
    with pytest.raises(FormatError, match=message):
        open_numpy(tmp_path / "e.npz", sensor=SENSOR)


def test_impossible_times_are_an_error(tmp_path):
    times = np.array([0.0, np.nan])
    np.savez(tmp_path / "e.npz", t=times, x=np.zeros(2), y=np.zeros(2), p=np.zeros(2))
    with pytest.raises(FormatError, match="event 1 has the impossible time nan"):
        list(open_numpy(tmp_path / "e.npz", sensor=SENSOR))


def test_negative_and_huge_coordinates_are_left_out_and_counted(tmp_path):
    x = np.array([-1, 70_000, 5])
    np.savez(tmp_path / "e.npz", t=np.arange(3), x=x, y=np.zeros(3), p=np.ones(3))
    source = open_numpy(tmp_path / "e.npz", sensor=SENSOR)
    assert all_of(source).tolist() == [(2, 5, 0, True)]
    assert source.counters() == {"events": 1, "dropped_outside": 2}


def test_a_zip_that_is_no_npz_is_an_error(tmp_path):
    with zipfile.ZipFile(tmp_path / "e.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(FormatError, match=r"no readable \.npy header"):
        open_numpy(tmp_path / "e.npz", sensor=SENSOR)


@pytest.mark.parametrize("suffix", ["npy", "npz"])
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8))
def test_any_damage_gives_events_or_a_format_error(tmp_path, suffix, damage):
    events = random_events(200)
    buffer = io.BytesIO()
    if suffix == "npy":
        np.save(buffer, events)
    else:
        np.savez_compressed(buffer, **columns(events))
    data = bytearray(buffer.getvalue())
    for where, value in damage:
        data[where % min(len(data), 600)] = value
    (tmp_path / f"bad.{suffix}").write_bytes(data)
    problem = format_error_of(lambda: list(open_numpy(tmp_path / f"bad.{suffix}", sensor=SENSOR)))
    assert problem is None or "bad." in problem
