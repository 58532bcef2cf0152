"""Reading bundles: whatever is wrong with one is named, in one line."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bundles import edit_manifest, write_bundle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dae_edge import bundle
from dae_edge.errors import ContractError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "small.dae")


def complaint(path: Path) -> str:
    with pytest.raises(ContractError) as caught:
        bundle.read(path).verify()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_was_written_is_read_and_verified(path: Path) -> None:
    found = bundle.read(path)
    found.verify()
    assert found.manifest["model"]["name"] == "small"
    assert found.contract.sensor == (112, 84)
    assert found.contract.depth_shape == (84, 112)
    assert found.contract.states[0].shape == (1, 32, 22, 30)
    assert found.file("report.md") == path / "report.md"
    assert sorted(os.listdir(path)) == ["manifest.json", "model.onnx", "report.md"]


def test_a_file_that_the_manifest_does_not_list_is_not_handed_out(path: Path) -> None:
    (path / "other.bin").write_bytes(b"")
    with pytest.raises(ContractError, match=r"lists no file 'other\.bin'"):
        bundle.read(path).file("other.bin")


@pytest.mark.parametrize("name", ["model.onnx", "report.md"])
def test_one_flipped_bit_in_any_file_is_found(path: Path, name: str) -> None:
    data = bytearray((path / name).read_bytes())
    data[len(data) // 2] ^= 1
    (path / name).write_bytes(data)
    assert f"{name}: changed since it was verified" in complaint(path)


def test_a_longer_file_and_a_missing_one_are_named(path: Path) -> None:
    with (path / "model.onnx").open("ab") as file:
        file.write(b"x")
    assert complaint(path).endswith("model.onnx: wanted 7 bytes, got 8")
    (path / "model.onnx").unlink()
    assert complaint(path).endswith("model.onnx: missing, or not a plain file")


def test_a_link_in_place_of_a_file_is_refused_though_its_content_fits(path: Path) -> None:
    elsewhere = path.parent / "elsewhere"
    (path / "model.onnx").rename(elsewhere)
    (path / "model.onnx").symlink_to(elsewhere)
    assert complaint(path).endswith("model.onnx: missing, or not a plain file")


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/b", "..", ".hidden", "", "a\\b", "C:x", "a\n", "a\x00b"]
)
def test_names_that_could_lead_out_of_the_bundle_are_refused(path: Path, name: str) -> None:
    def add(manifest: dict[str, Any]) -> None:
        manifest["files"][name] = manifest["files"]["model.onnx"]

    edit_manifest(path, add)
    assert f"{name!r} is not a plain file name" in complaint(path)


@pytest.mark.parametrize("key", ["onnx", "file"])
def test_the_engine_reads_only_files_that_were_verified(path: Path, key: str) -> None:
    def point_out(manifest: dict[str, Any]) -> None:
        (manifest if key == "onnx" else manifest["engine"])[key] = "../model.onnx"

    edit_manifest(path, point_out)
    assert "is not among the files" in complaint(path)


def test_a_newer_version_is_named(path: Path) -> None:
    edit_manifest(path, lambda manifest: manifest.update(version=2))
    assert complaint(path).endswith("wanted dae-bundle version 1, got ('dae-bundle', 2)")


def test_no_bundle_at_all_and_things_that_are_none(path: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such bundle"):
        bundle.read(tmp_path / "nothing.dae")
    for other in (tmp_path, path / "model.onnx"):
        with pytest.raises(ContractError, match="not a bundle"):
            bundle.read(other)


def test_a_manifest_cut_anywhere_is_refused(path: Path) -> None:
    whole = (path / "manifest.json").read_bytes()
    for length in range(0, len(whole) - 1, 7):  # the last byte is the end of the line
        (path / "manifest.json").write_bytes(whole[:length])
        assert "not JSON" in complaint(path)


@pytest.mark.parametrize("data", [b"[" * 100_000, b"\xff\xfe", b"9" * 5000, b"null", b"[]", b"3"])
def test_json_that_is_none_or_too_deep_is_refused(path: Path, data: bytes) -> None:
    (path / "manifest.json").write_bytes(data)
    complaint(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m["states"].append(m["states"][0]), "a name appears twice"),
        (lambda m: m["states"][0].update(dtype="int8"), "dtype must be float32 or float16"),
        (lambda m: m["states"][0].update(shape=[1, 2, 0]), "states[0].shape: wanted sizes"),
        (lambda m: m["input"].update(sensor=[112, 84, 3]), "input.sensor: wanted 2 sizes"),
        (lambda m: m["input"].update(sensor=[112, 70000]), "at most 65535 pixels"),
        (lambda m: m["input"].update(encoding="image"), "input.encoding: wanted tencode"),
        (lambda m: m["input"].update(encoding="voxel_grid", bins=0), "input.bins must be 1..64"),
        (lambda m: m["input"].update(sensor=[112, True]), "input.sensor: wanted sizes"),
        (lambda m: m["input"].update(window_us=0), "input.window_us must be 1.."),
        (lambda m: m["input"].update(window_us=10**12), "input.window_us must be 1.."),
        (lambda m: m["input"].update(background="red"), "wanted black or white"),
        (lambda m: m["weights"].update(trained=1), "weights.trained: wanted bool, got 1"),
        (lambda m: m["engine"].pop("backend"), "engine.backend is missing"),
        (lambda m: m.update(verdict=[]), "verdict.passed is missing"),
        (lambda m: m["files"]["report.md"].pop("sha256"), "report.md: wanted bytes and sha256"),
    ],
)
def test_each_wrong_field_is_named(
    path: Path, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    edit_manifest(path, change)
    assert words in complaint(path)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of everything inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*path, key)
        if isinstance(item, dict | list):
            yield from places(item, (*path, key))


TEXT = st.text(st.sampled_from("ab./\\\n\x00\u00e9\ud800"), max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("scratch") / "small.dae")


@pytest.fixture(scope="module")
def pristine(scratch: Path) -> bytes:
    return (scratch / "manifest.json").read_bytes()


PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no fault."""


def read_or_refuse(path: Path) -> None:
    try:
        found = bundle.read(path)
        found.verify()
    except ContractError:
        return
    assert len(found.contract.inputs()) == 1 + len(found.manifest["states"])
    assert found.contract.metadata()


@PATIENT
@given(data=st.data())
def test_a_manifest_with_anything_anywhere_is_read_or_refused(
    data: st.DataObject, scratch: Path, pristine: bytes
) -> None:
    manifest = copy.deepcopy(json.loads(pristine))
    place = data.draw(st.sampled_from(list(places(manifest))))
    inside = manifest
    for key in place[:-1]:
        inside = inside[key]
    if data.draw(st.booleans()):
        inside[place[-1]] = data.draw(JSON)
    else:
        del inside[place[-1]]
    (scratch / "manifest.json").write_text(json.dumps(manifest))
    read_or_refuse(scratch)


@PATIENT
@given(data=st.data())
def test_a_manifest_with_a_flipped_byte_is_read_or_refused(
    data: st.DataObject, scratch: Path, pristine: bytes
) -> None:
    damaged = bytearray(pristine)
    position = data.draw(st.integers(0, len(damaged) - 1))
    damaged[position] ^= data.draw(st.integers(1, 255))
    (scratch / "manifest.json").write_bytes(damaged)
    read_or_refuse(scratch)
