"""ROS bags with event messages: real ones, and small ones written here."""

import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from event_samples import format_error_of, random_events

from dae_edge.errors import FormatError
from dae_edge.events import events_from
from dae_edge.sources.evt3_writer import evt3_bytes
from dae_edge.sources.raw import open_raw
from dae_edge.sources.ros_messages import read_event_array, read_event_packet
from dae_edge.sources.rosbag import open_rosbag

pytest.importorskip("rosbags")

DEFINITIONS = {
    "event_camera_msgs/msg/EventPacket": """
std_msgs/Header header
uint32 height
uint32 width
uint64 seq
uint64 time_base
string encoding
bool is_bigendian
uint8[] events
""",
    "dvs_msgs/msg/Event": "uint16 x\nuint16 y\nbuiltin_interfaces/Time ts\nbool polarity\n",
    "dvs_msgs/msg/EventArray": """
std_msgs/Header header
uint32 height
uint32 width
dvs_msgs/Event[] events
""",
}


def typestore(distribution: str):
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores(distribution))
    for name, definition in DEFINITIONS.items():
        store.register(get_types_from_msg(definition, name))
    return store


STORE, STORE1 = typestore("ros2_humble"), typestore("ros1_noetic")


def header(store=STORE):
    time = store.types["builtin_interfaces/msg/Time"](sec=7, nanosec=9)
    number = {"seq": 3} if store is STORE1 else {}
    return store.types["std_msgs/msg/Header"](stamp=time, frame_id="cam", **number)


def packet(
    data: bytes, *, seq: int, encoding: str = "evt3", size=(64, 48), time_base: int = 0, store=STORE
):
    return store.types["event_camera_msgs/msg/EventPacket"](
        header=header(store),
        width=size[0],
        height=size[1],
        seq=seq,
        time_base=time_base,
        encoding=encoding,
        is_bigendian=False,
        events=np.frombuffer(data, np.uint8),
    )


def event_array(events, store=STORE):
    time, event = (store.types[n] for n in ("builtin_interfaces/msg/Time", "dvs_msgs/msg/Event"))
    rows = [
        event(x=x, y=y, ts=time(sec=t // 1_000_000, nanosec=t % 1_000_000 * 1000), polarity=on)
        for t, x, y, on in events.tolist()
    ]
    return store.types["dvs_msgs/msg/EventArray"](
        header=header(store), width=64, height=48, events=rows
    )


def write_bag(path: Path, topics: dict[str, list], *, storage: str = "mcap") -> Path:
    from rosbags.rosbag2 import StoragePlugin, Writer

    plugin = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}[storage]
    with Writer(path, version=9, storage_plugin=plugin) as writer:
        for topic, messages in topics.items():
            kind = messages[0].__msgtype__
            connection = writer.add_connection(topic, kind, typestore=STORE)
            for number, message in enumerate(messages):
                writer.write(connection, number * 1000, STORE.serialize_cdr(message, kind))
    return path


def write_bag1(path: Path, topic: str, messages: list) -> Path:
    from rosbags.rosbag1 import Writer

    with Writer(path) as writer:
        kind = messages[0].__msgtype__
        connection = writer.add_connection(topic, kind, typestore=STORE1)
        for number, message in enumerate(messages):
            writer.write(connection, number * 1000, STORE1.serialize_ros1(message, kind))
    return path


def packets_of(events, size: int = 100, store=STORE) -> list:
    data = evt3_bytes(events, width=64, height=48)
    return [
        packet(data[start : start + size], seq=5000 + number, store=store)
        for number, start in enumerate(range(0, len(data), size))
    ]


def all_of(source) -> np.ndarray:
    return np.concatenate([*source, random_events(0)])


@pytest.mark.parametrize(
    ("bag", "raw", "packets"),
    [
        ("ros1_vga_evt3.bag", "vga_evt3_triggers.raw", 517),
        ("rosbag2_vga_evt3", "vga_evt3_triggers.raw", 517),
        ("rosbag2_vga_evt3/test_events_1.db3", "vga_evt3_triggers.raw", 517),
        ("rosbag2_hd_evt3_triggers", "hd_evt3_triggers.raw", 105),
    ],
)
def test_a_real_bag_gives_the_events_of_the_same_packets_as_raw(recordings, bag, raw, packets):
    source, reference = open_rosbag(recordings / bag), open_raw(recordings / raw)
    np.testing.assert_array_equal(all_of(source), all_of(reference))
    counters, expected = source.counters(), reference.counters()
    assert (counters["packets"], counters["triggers"]) == (packets, expected["triggers"])
    assert "sequence_gaps" not in counters
    assert source.progress() == 1.0


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_evt3_packets_are_decoded_with_the_state_carried_across(tmp_path, storage):
    events = random_events(3000)
    path = write_bag(tmp_path / "bag", {"/events": packets_of(events, 98)}, storage=storage)
    source = open_rosbag(path)
    assert (source.format, source.metadata) == ("rosbag-evt3", {"topic": "/events"})
    np.testing.assert_array_equal(all_of(source), events)
    np.testing.assert_array_equal(all_of(source), events)  # a second pass


def test_an_mcap_file_is_read_without_its_directory(tmp_path):
    events = random_events(500)
    write_bag(tmp_path / "bag", {"/events": packets_of(events)})
    (file,) = (tmp_path / "bag").glob("*.mcap")
    shutil.move(file, tmp_path / "alone.mcap")
    np.testing.assert_array_equal(all_of(open_rosbag(tmp_path / "alone.mcap")), events)


def test_missing_packets_are_counted_and_time_goes_on_after_them(tmp_path):
    events = random_events(3000, first_us=5_000)
    messages = packets_of(events)
    del messages[20:23]
    source = open_rosbag(write_bag(tmp_path / "bag", {"/events": messages}))
    got = all_of(source)
    counters = source.counters()
    assert (counters["sequence_gaps"], counters["missed_packets"]) == (1, 3)
    assert 0 < counters["dropped_before_time"] + counters["dropped_before_y"] < 40
    assert np.all(np.diff(got["t"]) >= 0)
    assert set(got.tolist()) <= set(events.tolist())
    np.testing.assert_array_equal(got[-1000:], events[-1000:])


def test_the_clock_keeps_its_turns_over_a_gap(tmp_path):
    early = random_events(400, first_us=(1 << 24) - 6_000)
    assert early["t"][-1] > 1 << 24
    late = events_from([10, 20], [1, 2], [3, 4], [1, 0])  # after the turn, and after the gap
    late["t"] += 40_000
    messages = packets_of(early)
    messages.append(packet(evt3_bytes(late, width=64, height=48), seq=6000))
    got = all_of(open_rosbag(write_bag(tmp_path / "bag", {"/events": messages})))
    np.testing.assert_array_equal(got[-2:]["t"], late["t"] + (1 << 24))


def test_mono_packets_are_read(tmp_path):
    events = random_events(50)
    words = (
        (events["t"].astype("u8") * 1000)
        | events["x"].astype("u8") << 32
        | events["y"].astype("u8") << 48
        | events["on"].astype("u8") << 63
    )
    data = words.astype("<u8").tobytes() + b"\x01\x02"
    message = packet(data, seq=1, encoding="mono", time_base=3_000_000_000_000)
    got = all_of(open_rosbag(write_bag(tmp_path / "bag", {"/e": [message]})))
    np.testing.assert_array_equal(got["t"] - 3_000_000_000, events["t"])
    np.testing.assert_array_equal(got[["x", "y", "on"]], events[["x", "y", "on"]])


@pytest.mark.parametrize("count", [0, 1, 2, 77])
@pytest.mark.parametrize("ros", [1, 2])
def test_event_arrays_are_read(tmp_path, count, ros):
    events = random_events(count, first_us=1_600_000_000_000_000)
    store = {1: STORE1, 2: STORE}[ros]
    messages = [event_array(events, store), event_array(events[:1], store)]
    if ros == 1:
        path = write_bag1(tmp_path / "clip.bag", "/dvs/events", messages)
    else:
        path = write_bag(tmp_path / "bag", {"/dvs/events": messages})
    source = open_rosbag(path)
    np.testing.assert_array_equal(all_of(source), np.concatenate([events, events[:1]]))
    assert (source.format, source.width, source.height) == ("rosbag-dvs_msgs", 64, 48)


def test_ros1_packets_are_read(tmp_path):
    events = random_events(500)
    path = write_bag1(tmp_path / "clip.ros", "/events", packets_of(events, store=STORE1))
    np.testing.assert_array_equal(all_of(open_rosbag(path)), events)


def test_several_event_topics_need_a_choice(tmp_path):
    events = random_events(50)
    topics = {"/left": packets_of(events), "/right": packets_of(events[:20])}
    path = write_bag(tmp_path / "bag", topics)
    with pytest.raises(FormatError, match=r"several event topics: pass topic=; .*/left, /right"):
        open_rosbag(path)
    with pytest.raises(FormatError, match="no event topic '/middle'; choose from /left, /right"):
        open_rosbag(path, topic="/middle")
    assert len(all_of(open_rosbag(path, topic="/right"))) == 20


def test_a_bag_without_events_is_an_error_that_lists_its_topics(tmp_path):
    path = write_bag(tmp_path / "bag", {"/clock": [header()]})
    with pytest.raises(FormatError, match=r"its topics: /clock \(std_msgs/msg/Header\)"):
        open_rosbag(path)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (packet(b"", seq=2, encoding="mono"), "message 2 of /e: the encoding changes from evt3"),
        (packet(b"", seq=2, size=(640, 480)), "message 2 of /e: the sensor changes from 64x48"),
        (packet(b"", seq=2, encoding="libcaer_cmp"), "'libcaer_cmp' cannot be read; wanted one"),
    ],
)
def test_a_topic_that_changes_is_an_error_that_names_the_message(tmp_path, second, message):
    path = write_bag(tmp_path / "bag", {"/e": [packet(b"", seq=1), second]})
    with pytest.raises(FormatError, match=message):
        list(open_rosbag(path))


def test_packets_without_a_size_need_the_sensor(tmp_path):
    events = random_events(50)
    data = evt3_bytes(events, width=64, height=48)
    path = write_bag(tmp_path / "bag", {"/e": [packet(data, seq=1, size=(0, 0))]})
    with pytest.raises(FormatError, match=r"pass sensor=\(width, height\)"):
        open_rosbag(path)
    np.testing.assert_array_equal(all_of(open_rosbag(path, sensor=(64, 48))), events)


def test_a_sensor_beyond_what_evt3_can_say_is_an_error(tmp_path):
    path = write_bag(tmp_path / "bag", {"/e": [packet(b"", seq=1, size=(60_000, 9))]})
    with pytest.raises(FormatError, match="a sensor of 60000x9 is not possible in evt3"):
        open_rosbag(path)


def test_truncated_bags_are_errors(recordings, tmp_path):
    data = (recordings / "ros1_vga_evt3.bag").read_bytes()
    (tmp_path / "cut.bag").write_bytes(data[: len(data) // 2])
    with pytest.raises(FormatError, match=r"cut\.bag"):
        list(open_rosbag(tmp_path / "cut.bag"))
    data = (recordings / "rosbag2_vga_evt3" / "test_events_1.db3").read_bytes()
    (tmp_path / "cut.db3").write_bytes(data[: len(data) // 2])
    with pytest.raises(FormatError, match=r"cut\.db3"):
        list(open_rosbag(tmp_path / "cut.db3"))


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_any_damage_gives_events_or_a_format_error(tmp_path, storage):
    path = write_bag(tmp_path / "bag", {"/e": packets_of(random_events(500))}, storage=storage)
    (file,) = [entry for entry in path.iterdir() if entry.suffix != ".yaml"]
    data = file.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(40):
        damaged = np.frombuffer(data, np.uint8).copy()
        damaged[random.integers(0, len(data), 10)] = random.integers(0, 256, 10)
        file.write_bytes(damaged.tobytes())
        problem = format_error_of(lambda: list(open_rosbag(path)))
        assert problem is None or str(path) in problem


@pytest.mark.parametrize("read", [read_event_packet, read_event_array])
@pytest.mark.parametrize("cdr", [True, False])
def test_a_cut_message_is_a_value_error(read, cdr):
    store = STORE if cdr else STORE1
    if read is read_event_packet:
        message = packet(b"12345", seq=1, store=store)
    else:
        message = event_array(random_events(3), store)
    serialize = store.serialize_cdr if cdr else store.serialize_ros1
    data = bytes(serialize(message, message.__msgtype__))
    read(data, cdr=cdr)
    for length in range(4, len(data) - 3):
        with pytest.raises((ValueError, struct.error)):
            read(data[:length], cdr=cdr)
