"""Files are told by what they are, cameras by their address, and mistakes get a hint."""

import numpy as np
import pytest
from event_samples import format_error_of, random_events
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dae_edge.errors import FormatError
from dae_edge.sources import open_source
from dae_edge.sources.evt3_writer import write_evt3

REAL = {
    "driving_720p_evt3.raw": "evt3",
    "davis346_short.aedat4": "aedat4",
    "atis.es": "es-dvs",
    "ros1_vga_evt3.bag": "rosbag-evt3",
    "rosbag2_vga_evt3": "rosbag-evt3",
    "rosbag2_vga_evt3/test_events_1.db3": "rosbag-evt3",
}


@pytest.mark.parametrize("name", REAL)
def test_real_recordings_are_told_by_their_content(recordings, name):
    with open_source(recordings / name) as source:
        assert source.format == REAL[name]
        assert len(next(iter(source))) > 0


@pytest.mark.parametrize("name", ["clip.raw", "clip.bin", "clip.dat", "clip.h5", "clip"])
def test_the_name_of_a_file_does_not_matter(tmp_path, name):
    events = random_events(100)
    write_evt3(tmp_path / name, events, width=64, height=48)
    source = open_source(str(tmp_path / name))
    assert source.format == "evt3"
    np.testing.assert_array_equal(np.concatenate(list(source)), events)


def test_numpy_hdf5_and_text_files_are_told_by_their_content(tmp_path):
    events = random_events(10)
    np.save(tmp_path / "a.npy", events)
    np.savez(tmp_path / "b.npz", events=events)
    (tmp_path / "c").write_text("1 2 3 1\n")
    (tmp_path / "d.txt").write_text("% t x y p\n1 2 3 1\n")
    kinds = [
        open_source(tmp_path / n, sensor=(64, 48)).format for n in ("a.npy", "b.npz", "c", "d.txt")
    ]
    assert kinds == ["npy", "npz", "text", "text"]


def test_options_reach_the_reader(tmp_path):
    (tmp_path / "e.csv").write_text("3,4,1,7\n" * 5)
    source = open_source(tmp_path / "e.csv", sensor=(64, 48), packet_events=2, columns="x,y,p,t")
    assert [len(packet) for packet in source] == [2, 2, 1]


@pytest.mark.parametrize("option", [{"topic": "/e"}, {"side": "left"}, {"columns": "t x y p"}])
def test_an_option_of_another_kind_of_file_is_an_error(tmp_path, option):
    write_evt3(tmp_path / "clip.raw", random_events(10), width=64, height=48)
    with pytest.raises(ValueError, match=f"{next(iter(option))}= is not for this kind of file"):
        open_source(tmp_path / "clip.raw", **option)


def test_packets_of_no_events_are_an_error(tmp_path):
    write_evt3(tmp_path / "clip.raw", random_events(10), width=64, height=48)
    with pytest.raises(ValueError, match="packet_events must be at least 1, got 0"):
        open_source(tmp_path / "clip.raw", packet_events=0)


def test_a_missing_file_gets_the_closest_name_of_its_folder(tmp_path):
    (tmp_path / "drive.raw").write_bytes(b"")
    with pytest.raises(
        FileNotFoundError, match=r"no such file: .*drvie\.raw; did you mean .*drive\.raw\?"
    ):
        open_source(tmp_path / "drvie.raw")


@pytest.mark.parametrize(
    ("name", "meant"), [("metavison:", "metavision:"), ("ubs:0001", "usb:"), ("usb", "usb:")]
)
def test_a_mistyped_camera_gets_the_closest_address(name, meant):
    with pytest.raises(FileNotFoundError, match=f"did you mean {meant}"):
        open_source(name)


def test_cameras_know_their_sensor(tmp_path):
    with pytest.raises(ValueError, match="cameras do not take sensor="):
        open_source("usb:", sensor=(640, 480))
    with pytest.raises(ValueError, match="cameras do not take topic="):
        open_source("metavision:", topic="/e")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"\x00\x01\x02\x03", "unknown format, it begins with 00 01 02 03; readable are"),
        (b"hello world\n", "unknown format"),
        (b"#!AER-DAT2.0\r\n", "AEDAT before version 4 is not read"),
        (b"#ROSBAG V1.2\n", "a ROS bag before version 2.0 is not read"),
        (b"SQLite format 3\0", "not a readable ROS bag"),
        (b"\x89HDF\r\n\x1a\n", "not a readable HDF5 file"),
        (b"\x89MCAP0\r\n", "not a readable ROS bag"),
        (b"#ROSBAG V2.0\n", "not a readable ROS bag"),
        (b"PK\x03\x04", "not a readable .npz file"),
        (b"\x93NUMPY", "no readable .npy header"),
        (b"Event Stream", "no Event Stream header"),
        (b"#!AER-DAT4.0\r\n", "the header of this AEDAT4 file is damaged"),
        (b"% evt 3.0\n", "does not say how large its sensor is"),
    ],
)
def test_files_that_cannot_be_read_get_one_clear_line(tmp_path, data, message):
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(FormatError, match=message) as caught:
        open_source(tmp_path / "file")
    assert "\n" not in str(caught.value)


def test_a_directory_that_is_no_bag_is_an_error(tmp_path):
    with pytest.raises(FormatError, match=r"a directory without metadata\.yaml is not a ROS 2 bag"):
        open_source(tmp_path)


def test_a_broken_bag_directory_is_an_error(tmp_path):
    (tmp_path / "metadata.yaml").write_text("a: [")
    with pytest.raises(FormatError, match="not a readable ROS bag"):
        open_source(tmp_path)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(
        [b"", b"% ", b"% evt 2.1\n", b"Event Stream\x02\x00\x00\x01", b"PK\x03\x04", b"1 "]
    ),
    st.binary(max_size=200),
)
def test_any_file_gives_events_or_a_format_error(tmp_path, head, body):
    (tmp_path / "noise").write_bytes(head + body)
    problem = format_error_of(lambda: list(open_source(tmp_path / "noise", sensor=(64, 48))))
    assert problem is None or "noise" in problem
