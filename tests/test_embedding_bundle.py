"""The C reader of bundles refuses whatever the Python reader refuses, and takes what it writes.

Where C is stricter on purpose (runtime/infer/bundle.h says where), Python's yes may meet C's no.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bundles import edit_manifest, write_bundle
from hypothesis import given
from hypothesis import strategies as st
from native_library import library, loaded
from test_bundle import JSON, places

from dae_edge import bundle
from dae_edge.errors import ContractError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")


def refusal_in_c(path: Path) -> str | None:
    """Why the C library refuses a bundle; None: it takes it. No engine is involved."""
    with loaded(path) as (status, model):
        said: bytes = library().dae_model_error(model)
    assert (status == 0) == (said == b"")
    assert b"\n" not in said
    return said.decode() if status else None


def refusal_in_python(path: Path) -> str | None:
    try:
        bundle.read(path).verify()
    except (ContractError, FileNotFoundError) as error:
        return str(error)
    return None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "small.dae")


def test_what_python_writes_is_taken(path: Path) -> None:
    assert refusal_in_python(path) is None
    assert refusal_in_c(path) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m["states"].append(m["states"][0]), "layer1.cell appears twice"),
        (lambda m: m["states"][0].update(dtype="int8"), "dtype must be float32 or float16"),
        (lambda m: m["states"][0].update(shape=[1, 2, 0]), "states: shape: wanted"),
        (lambda m: m["states"][0].update(shape=[1] * 9), "states: shape: wanted"),
        (lambda m: m["states"][0].update(shape=[1 << 20]), "states: shape: wanted"),
        (lambda m: m["states"][0].pop("name"), "states: name is missing"),
        (lambda m: m["input"].update(sensor=[112, 84, 3]), "input.sensor: wanted 2 sizes"),
        (lambda m: m["input"].update(sensor=[112, 70000]), "at most 65535 pixels"),
        (lambda m: m["input"].update(sensor=[112, 84.0]), "input.sensor: wanted"),
        (lambda m: m["input"].update(sensor=[112, True]), "input.sensor: wanted"),
        (lambda m: m["input"].update(encoding="image"), "input.encoding: wanted tencode"),
        (lambda m: m["input"].update(encoding="voxel_grid"), "input.bins is missing"),
        (lambda m: m["input"].update(encoding="voxel_grid", bins=65), "input.bins: wanted"),
        (lambda m: m["input"].update(window_us=0), "input.window_us: wanted"),
        (lambda m: m["input"].update(window_us=10**30), "input.window_us: wanted"),
        (lambda m: m["input"].update(window_us=True), "input.window_us: wanted"),
        (lambda m: m["input"].update(background="red"), "wanted black or white"),
        (lambda m: m["weights"].update(trained=1), "weights.trained: wanted true or false"),
        (lambda m: m["engine"].pop("backend"), "engine.backend is missing"),
        (lambda m: m.update(engine=[]), "engine.file is missing"),
        (lambda m: m.update(onnx="../model.onnx"), "onnx is not among the files"),
        (lambda m: m.update(verdict=[]), "verdict.passed is missing"),
        (lambda m: m.update(version=2), "version: wanted"),
        (lambda m: m.update(version=True), "version: wanted"),
        (lambda m: m.update(format="zip"), "format: wanted dae-bundle, got 'zip'"),
        (lambda m: m["files"].update({"../x": {}}), "'../x' is not a plain file name"),
        (lambda m: m["files"].update({"a b": {}}), "'a b' is not a plain file name"),
        (lambda m: m["files"].update({"x": 3}), "files: x: wanted bytes and sha256"),
        (lambda m: m["files"]["report.md"].pop("sha256"), "sha256 is missing"),
        (lambda m: m["files"]["report.md"].update(sha256="0" * 63), "wanted bytes and sha256"),
        (lambda m: m["files"]["report.md"].update(sha256="0" * 64), "changed since it was"),
        (lambda m: m["files"]["report.md"].update(bytes=6), "wanted 6 bytes, got 5"),
        (lambda m: m["files"].update(absent=m["files"]["report.md"]), "absent: missing, or not"),
    ],
)
def test_both_readers_refuse_each_wrong_field_and_c_names_it(
    path: Path, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    edit_manifest(path, change)
    assert refusal_in_python(path)
    assert words in (refusal_in_c(path) or "")


@pytest.mark.parametrize(
    "data",
    [b"", b"[" * 100_000, b"\xff\xfe", b"9" * 5000, b"null", b"[]", b"3", b"{}", b'{"a":1', b"\0"],
)
def test_both_readers_refuse_what_is_no_manifest(path: Path, data: bytes) -> None:
    (path / "manifest.json").write_bytes(data)
    assert refusal_in_python(path)
    assert refusal_in_c(path)


def test_both_readers_refuse_links_folders_and_nothing(path: Path, tmp_path: Path) -> None:
    assert "no such bundle" in (refusal_in_c(tmp_path / "nothing.dae") or "")
    assert "not a bundle" in (refusal_in_c(tmp_path) or "")
    assert "not a bundle" in (refusal_in_c(path / "model.onnx") or "")
    (path / "report.md").rename(tmp_path / "elsewhere")
    (path / "report.md").symlink_to(tmp_path / "elsewhere")
    for reader in (refusal_in_python, refusal_in_c):
        assert "report.md: missing, or not a plain file" in (reader(path) or "")
    (path / "report.md").unlink()
    (path / "report.md").mkdir()
    for reader in (refusal_in_python, refusal_in_c):
        assert "report.md: missing, or not a plain file" in (reader(path) or "")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"{", b"\xef\xbb\xbf{"),
        (b'"trained": true', b'"trained": true, "x": NaN'),
        (b'"trained": true', b'"trained": true, "trained": true'),
        (b'"trained": true', b'"trained": true, "x": ' + b"[" * 40 + b"]" * 40),
        (b'"trained": true', b'"trained": true}, "precision": {"compute": "int2"'),
        (b'"layer1.cell"', b'"layer1\\u0000"'),
        (b'"layer1.cell"', b'"layer1\\ud800"'),
    ],
)
def test_where_c_is_stricter_on_purpose(path: Path, old: bytes, new: bytes) -> None:
    text = (path / "manifest.json").read_bytes()
    (path / "manifest.json").write_bytes(text.replace(old, new, 1))
    assert refusal_in_python(path) is None
    assert refusal_in_c(path)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("scratch") / "small.dae")


@pytest.fixture(scope="module")
def pristine(scratch: Path) -> bytes:
    return (scratch / "manifest.json").read_bytes()


def test_c_takes_no_manifest_that_python_refuses(scratch: Path, pristine: bytes) -> None:
    content = json.loads(pristine)

    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        manifest = copy.deepcopy(content)
        place = data.draw(st.sampled_from(list(places(manifest))))
        inside = manifest
        for key in place[:-1]:
            inside = inside[key]
        if data.draw(st.booleans()):
            inside[place[-1]] = data.draw(JSON)
        else:
            del inside[place[-1]]
        (scratch / "manifest.json").write_text(json.dumps(manifest))
        assert refusal_in_c(scratch) or refusal_in_python(scratch) is None

    check()


def test_c_takes_no_flipped_byte_that_python_refuses(scratch: Path, pristine: bytes) -> None:
    @given(position=st.integers(0, len(pristine) - 1), flip=st.integers(1, 255))
    def check(position: int, flip: int) -> None:
        damaged = bytearray(pristine)
        damaged[position] ^= flip
        (scratch / "manifest.json").write_bytes(damaged)
        assert refusal_in_c(scratch) or refusal_in_python(scratch) is None

    check()
