"""Writing bundles: none is ever half written, and nothing else is deleted for one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from bundles import write_bundle

from dae_edge import bundle


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "small.dae")


def fail_half_way(path: Path, error: type[BaseException]) -> None:
    with bundle.writing(path) as folder:
        (folder / "model.onnx").write_bytes(b"half")
        raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_nothing_behind(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error):
        fail_half_way(tmp_path / "new.dae", error)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_keeps_the_older_bundle(path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        fail_half_way(path, KeyboardInterrupt)
    bundle.read(path).verify()
    assert list(path.parent.iterdir()) == [path]


def test_success_replaces_the_older_bundle_and_leaves_nothing_else(path: Path) -> None:
    (path / "stray.txt").write_text("of the older bundle")
    write_bundle(path, model=b"a newer model")
    bundle.read(path).verify()
    assert (path / "model.onnx").read_bytes() == b"a newer model"
    assert list(path.parent.iterdir()) == [path]
    assert not (path / "stray.txt").exists()


def test_what_is_no_bundle_is_not_deleted_for_one(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "thesis.txt").write_text("years of work")
    (tmp_path / "notes").write_text("more of it")
    for name in ("results", "notes"):
        with pytest.raises(ValueError, match="exists and is not a bundle"):
            write_bundle(tmp_path / name)
    assert (tmp_path / "results" / "thesis.txt").read_text() == "years of work"
    assert sorted(os.listdir(tmp_path)) == ["notes", "results"]


def write_while_another_does(path: Path, *, replace: bool) -> None:
    with bundle.writing(path, replace=replace) as folder:
        (folder / "model.onnx").write_bytes(b"mine")
        bundle.seal(folder, {})
        write_bundle(path, model=b"another's")


def test_of_two_processes_that_make_the_same_bundle_the_first_one_wins_if_so_asked(
    tmp_path: Path,
) -> None:
    for replace, wanted in ((False, b"another's"), (True, b"mine")):
        path = tmp_path / f"{replace}.dae"
        write_while_another_does(path, replace=replace)
        assert (path / "model.onnx").read_bytes() == wanted
        assert list(tmp_path.glob(".*")) == []


def test_what_is_no_bundle_but_comes_meanwhile_is_not_deleted(tmp_path: Path) -> None:
    path = tmp_path / "small.dae"

    def write(*, replace: bool) -> None:
        with bundle.writing(path, replace=replace):
            path.mkdir()
            (path / "thesis.txt").write_text("years of work")

    with pytest.raises(OSError, match=r"small\.dae"):
        write(replace=False)
    assert (path / "thesis.txt").read_text() == "years of work"


def test_folders_on_the_way_are_made_and_rights_follow_the_umask(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "a" / "b" / "small.dae")
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o777 & ~mask


def test_numbers_that_json_does_not_know_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        bundle.seal(tmp_path, {"error": float("nan")})


KILLED = """
import sys, time
from pathlib import Path
from dae_edge import bundle

with bundle.writing(Path(sys.argv[1])) as folder:
    (folder / "model.onnx").write_bytes(b"half")
    bundle.seal(folder, {})
    print("writing", flush=True)
    time.sleep(60)
"""


def test_a_killed_process_leaves_no_bundle_under_the_name_and_keeps_an_older_one(
    path: Path, tmp_path: Path
) -> None:
    for destination in (tmp_path / "new.dae", path):
        command = [sys.executable, "-c", KILLED, str(destination)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "writing\n"
            process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "new.dae").exists()
    bundle.read(path).verify()
    assert (path / "model.onnx").read_bytes() == b"a model"
