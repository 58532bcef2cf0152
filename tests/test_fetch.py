"""dae-fetch against a server of our own on this machine: whole, resumed, wrong, absent."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dae_edge import catalogue
from dae_edge.catalogue import Entry
from dae_edge.cli.fetch import main
from dae_edge.download import download
from dae_edge.errors import FormatError

CONTENT = bytes(range(251)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(BaseHTTPRequestHandler):
    """Serves CONTENT in the ways its paths name, and notes the ranges it is asked for."""

    ranges: list[str | None] = []  # noqa: RUF012 - one server per test, see the fixture

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if self.path == "/missing":
            return self.send_error(404)
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/file")
            return self.end_headers()
        if self.path == "/no-ranges":
            start = 0
        self.send_response(206 if start else 200)
        if start:
            begins = start + (1 if self.path == "/other-range" else 0)
            self.send_header("Content-Range", f"bytes {begins}-{len(CONTENT) - 1}/{len(CONTENT)}")
        if self.path != "/no-length":
            self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        end = 600_000 if self.path == "/breaks" and not start else len(CONTENT)
        return self.send(CONTENT[start:end])

    def send(self, content: bytes) -> None:
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(Server, "ranges", [])
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def entry(place: str) -> Entry:
    return Entry("thing", "a test", "none", place, "thing.pth", len(CONTENT), SHA256)


def unchecked(place: str) -> Entry:
    return replace(entry(place), bytes=0, sha256="")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_in_a_new_folder_and_progress_is_told(
    address: str, tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    folder = tmp_path / "a" / "b"
    digest = download(entry(f"{address}/file"), folder, progress=lambda *at: told.append(at))
    assert digest == SHA256
    assert (folder / "thing.pth").read_bytes() == CONTENT
    assert names(folder) == ["thing.pth"]
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert len(told) > 2


@pytest.mark.parametrize("way", ["moved", "no-length", "no-ranges"])
def test_a_file_arrives_by_redirect_and_without_length_and_without_checksum(
    way: str, address: str, tmp_path: Path
) -> None:
    assert download(entry(f"{address}/{way}"), tmp_path / "known") == SHA256
    assert download(unchecked(f"{address}/{way}"), tmp_path / "unknown") == SHA256


def test_a_broken_download_goes_on_where_it_ended(address: str, tmp_path: Path) -> None:
    broken = entry(f"{address}/breaks")
    message = "ended after 600000 of 1004000 bytes: the same command goes on from there"
    with pytest.raises(ConnectionError, match=message):
        download(broken, tmp_path)
    assert names(tmp_path) == ["thing.pth.part"]
    assert download(broken, tmp_path) == SHA256
    assert Server.ranges == [None, "bytes=600000-"]
    assert (tmp_path / "thing.pth").read_bytes() == CONTENT
    assert names(tmp_path) == ["thing.pth"]


@pytest.mark.parametrize(("known", "left"), [(True, ["thing.pth.part"]), (False, [])])
def test_an_interrupted_download_leaves_a_part_only_where_it_can_go_on(
    known: bool, left: list[str], address: str, tmp_path: Path
) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    wanted = entry(f"{address}/file") if known else unchecked(f"{address}/file")
    with pytest.raises(KeyboardInterrupt):
        download(wanted, tmp_path, progress=interrupt)
    assert names(tmp_path) == left
    assert download(wanted, tmp_path) == SHA256


def test_a_server_without_ranges_is_asked_and_starts_over(address: str, tmp_path: Path) -> None:
    (tmp_path / "thing.pth.part").write_bytes(CONTENT[:1000])
    assert download(entry(f"{address}/no-ranges"), tmp_path) == SHA256
    assert Server.ranges == ["bytes=1000-"]


@pytest.mark.parametrize(("length", "asked"), [(len(CONTENT), []), (len(CONTENT) + 1, [None])])
def test_a_part_as_long_as_the_file_is_checked_and_a_longer_one_is_not_used(
    length: int, asked: list[str | None], address: str, tmp_path: Path
) -> None:
    (tmp_path / "thing.pth.part").write_bytes((CONTENT + b"x")[:length])
    assert download(entry(f"{address}/file"), tmp_path) == SHA256
    assert Server.ranges == asked


def test_a_download_without_checksum_is_not_resumed_and_leaves_no_part(
    address: str, tmp_path: Path
) -> None:
    with pytest.raises(ConnectionError, match=r"ended after 600000 of 1004000 bytes$"):
        download(unchecked(f"{address}/breaks"), tmp_path)
    assert names(tmp_path) == []


def test_a_part_of_another_file_fails_the_checksum_and_is_deleted(
    address: str, tmp_path: Path
) -> None:
    (tmp_path / "thing.pth.part").write_bytes(b"x" * 1000)
    with pytest.raises(FormatError, match=f"wanted sha256 {SHA256[:16]}..., got [0-9a-f]{{16}}"):
        download(entry(f"{address}/file"), tmp_path)
    assert names(tmp_path) == []


def test_a_file_of_another_size_is_refused_before_it_comes(address: str, tmp_path: Path) -> None:
    other = replace(entry(f"{address}/file"), bytes=1000)
    with pytest.raises(FormatError, match="wanted 1000 bytes, the server has 1004000"):
        download(other, tmp_path / "new")
    assert names(tmp_path) == []
    endless = replace(other, place=f"{address}/no-length")
    with pytest.raises(FormatError, match="more than the published 1000 bytes"):
        download(endless, tmp_path)
    assert names(tmp_path) == []


def test_a_server_that_answers_with_another_range_is_refused(address: str, tmp_path: Path) -> None:
    (tmp_path / "thing.pth.part").write_bytes(CONTENT[:1000])
    with pytest.raises(ConnectionError, match="something else than was asked for"):
        download(entry(f"{address}/other-range"), tmp_path)


def test_a_missing_file_and_an_absent_server_are_one_line_and_leave_nothing(
    address: str, tmp_path: Path
) -> None:
    with pytest.raises(ConnectionError, match=r"/missing: the server answers 404 Not Found$"):
        download(entry(f"{address}/missing"), tmp_path / "new")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}/file"
        with pytest.raises(ConnectionError, match=r"/file: cannot be reached: .*refused"):
            download(entry(nobody), tmp_path / "new")
    assert names(tmp_path) == []


def test_a_file_that_is_there_is_checked_and_never_replaced(address: str, tmp_path: Path) -> None:
    path = tmp_path / "thing.pth"
    path.write_bytes(CONTENT)
    assert download(entry(f"{address}/file"), tmp_path) == SHA256
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"thing\.pth: another file of this name is there"):
        download(entry(f"{address}/file"), tmp_path)
    assert path.read_bytes() == b"mine"
    assert Server.ranges == []


def test_get_says_what_came_and_whether_it_is_the_published_file(
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    things = (entry(f"{address}/file"), replace(unchecked(f"{address}/file"), name="other"))
    monkeypatch.setattr(catalogue, "ENTRIES", things)
    assert main(["get", "thing", "--to", str(tmp_path / "a")]) == 0
    told = capsys.readouterr().out
    assert "thing.pth: done, 1.0 MB" in told
    assert f"sha256 {SHA256} (as published)\nlicence: none\n" in told
    assert main(["get", "thing", "--to", str(tmp_path / "a")]) == 0
    assert "thing.pth: already there" in capsys.readouterr().out
    assert main(["get", "other", "--to", str(tmp_path / "b")]) == 0
    assert f"sha256 {SHA256} (none is published to compare" in capsys.readouterr().out


def test_get_without_a_network_is_one_line_and_exit_code_2(
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(catalogue, "ENTRIES", (entry("http://127.0.0.1:1/file"),))
    assert main(["get", "thing", "--to", str(tmp_path / "new")]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("dae-fetch: error: http://127.0.0.1:1/file: cannot be reached: ")
    assert told.err.count("\n") == 1
    assert names(tmp_path) == []


def test_what_no_command_can_get_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["get", "rec_dav2/distillation_dsec"]) == 2
    told = capsys.readouterr().out
    assert "licence: unstated; distilled from Depth Anything V2 Large (CC-BY-NC-4.0" in told
    assert "by hand: https://drive.google.com/" in told
    assert "--model depthanyevent-r --weights weights/rec_dav2/distillation_dsec/distill" in told
    assert "no checksum is published" in told


def test_a_mistyped_name_is_one_line_with_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["get", "depth-anything-v2-smal"]) == 2
    assert "did you mean 'depth-anything-v2-small'?" in capsys.readouterr().err


def test_the_list_has_a_row_for_everything_and_json_all_of_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["list"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].split() == ["NAME", "WHAT", "LICENCE", "CHECKSUM", "WHERE"]
    assert len(rows) == 1 + len(catalogue.ENTRIES)
    assert main(["list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in listed] == [one.name for one in catalogue.ENTRIES]


def test_the_catalogue_is_complete_and_downloads_come_over_https() -> None:
    found = catalogue.ENTRIES
    assert len({one.name for one in found}) == len(found)
    assert sum(one.place == catalogue.DRIVE for one in found) == 12
    for one in found:
        assert one.place.startswith("https://"), one.name
        assert one.licence, one.name
        assert bool(one.file) != bool(one.steps), one.name
        assert len(one.sha256) == (64 if one.bytes else 0), one.name


def test_convert_writes_a_copy_and_names_its_source_and_licence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    from dae_edge.nn import DepthAnyEvent, ModelConfig

    model = DepthAnyEvent(ModelConfig("tiny", features=16, out_channels=(8, 8, 8, 8)))
    source, out = tmp_path / "mine.pth", tmp_path / "mine.safetensors"
    torch.save(model.state_dict(), source)
    assert main(["convert", str(source), str(out)]) == 0
    told = capsys.readouterr().out
    assert f"source: mine.pth, sha256 {hashlib.sha256(source.read_bytes()).hexdigest()}" in told
    assert "licence: unknown\nconfiguration: none found" in told
    source.write_bytes(b"no checkpoint")
    assert main(["convert", str(source), str(tmp_path / "none.safetensors")]) == 2
    assert "mine.pth: not a checkpoint that can be read safely" in capsys.readouterr().err
    assert names(tmp_path) == ["mine.pth", "mine.safetensors"]
