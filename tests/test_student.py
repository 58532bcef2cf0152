"""The student: what ships is what was proven, and becomes a bundle with numpy alone."""

from __future__ import annotations

import os
import shutil
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import edit_manifest
from numpy.typing import NDArray
from students import PROFILES, cached, flip, nothing, rewrite_about

for package in ("torch", "onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(package)

import dae_edge as dae
from dae_edge import bundle, recipes, student
from dae_edge.default_model import default_bundle
from dae_edge.errors import ContractError, FormatError
from dae_edge.recipes import Sensor
from dae_edge.sample import sample_windows
from dae_edge.student import Student


def roll(path: Path, backend: str = "onnxruntime", windows: int = 4) -> list[NDArray[Any]]:
    """Depth and state of a bundle over some windows of the sample."""
    model = dae.load(path, backend=backend, threads=1)
    session = model.engine.session()
    results = []
    for image in islice(sample_windows(model.contract, window_us=50_000), windows):
        session.image[...] = image
        results += [session.run(), *session.state().values()]
    return results


# ---- What ships ----------------------------------------------------------------------------------


def test_the_folder_is_small_and_says_what_it_is(small_student: Student) -> None:
    assert sorted(os.listdir(small_student.folder)) == sorted(
        ["card.md", "student.json", "weights.npz", *PROFILES]
    )
    for profile in PROFILES:
        files = sorted(os.listdir(small_student.folder / profile))
        assert files == ["manifest.json", "model.onnx.gz", "report.json.gz", "report.md.gz"]
        assert (small_student.folder / profile / "model.onnx.gz").stat().st_size < 60_000
    about = small_student.about
    assert (about["recipe"], about["unit"]) == ("depthanyevent-r-tiny", "relative depth")
    assert (about["licence"], about["card"]) == ("Apache-2.0", "card.md")
    assert about["training"]["samples"] == 1000
    assert about["model"]["input_width"] == 98
    assert about["weights"]["parameters"] > 6_000_000
    assert about["weights"]["bytes"] < 7_500_000
    assert bundle.sha256_of(small_student.weights) == small_student.sha256
    with np.load(small_student.weights, allow_pickle=False) as arrays:
        kinds = {array.dtype.name for array in arrays.values()}
    assert kinds == {"int8", "float32"}


def test_every_profile_was_proven_from_the_rounded_weights(
    small_student: Student, tmp_path: Path
) -> None:
    for profile in PROFILES:
        manifest = small_student.graph(profile).manifest
        assert manifest["verdict"]["passed"] is True
        assert manifest["weights"]["sha256"] == small_student.sha256
        assert manifest["weights"]["trained"] is True
        assert manifest["output"]["unit"] == "relative depth"
        (tmp_path / profile).mkdir()
        small_student.unpack(profile, tmp_path / profile)
        page = (tmp_path / profile / "report.md").read_text()
        assert small_student.sha256[:16] in page
        assert "Untrained" not in page


def test_the_graph_keeps_its_contract_and_points_at_nothing_but_the_flat_weights(
    small_student: Student, tmp_path: Path
) -> None:
    import onnx

    small_student.unpack("davis346", tmp_path)
    model = onnx.load(tmp_path / "model.onnx", load_external_data=False)
    assert {entry.key for entry in model.metadata_props} == {
        "dae.contract",
        "dae.encoding",
        "dae.sensor",
        "dae.states",
    }
    outside = [t for t in model.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]
    places = [{entry.key: entry.value for entry in tensor.external_data} for tensor in outside]
    assert {place["location"] for place in places} == {"weights.bin"}
    inside = [tensor for tensor in model.graph.initializer if tensor not in outside]
    large = [tensor.name for tensor in inside if len(tensor.raw_data) > 1000]
    assert sorted(large) == [
        "model.pretrained.baked_positions",
        "model.resize.columns",
        "model.resize.rows",
    ]


# ---- What it becomes -----------------------------------------------------------------------------


@pytest.mark.slow
def test_the_unpacked_bundle_gives_bit_for_bit_what_the_exported_one_gives(
    shipped: Student, small_sensor: Sensor, tmp_path: Path
) -> None:
    from dae_edge.export import export_bundle

    recipe, target = recipes.load_recipe(shipped.recipe), recipes.load_target("onnx-fp32")
    exported = tmp_path / "exported.dae"
    export_bundle(recipe, target, small_sensor, exported, weights=shipped.weights)
    unpacked = default_bundle((112, 84), nothing)
    for backend in ("onnxruntime", "openvino", "openvino-stateful"):
        for one, other in zip(roll(exported, backend), roll(unpacked, backend), strict=True):
            np.testing.assert_array_equal(one, other)


def test_torch_computes_with_the_same_weights_and_their_own_configuration(
    shipped: Student,
) -> None:
    from dae_edge.export.model import prepare

    prepared = prepare(recipes.load_recipe(shipped.recipe), shipped.weights)
    state: Any = prepared.model.state_dict()
    weights = shipped.read_weights()
    assert set(state) == set(weights)
    for key, tensor in state.items():
        np.testing.assert_array_equal(tensor.numpy(), weights[key])
    assert prepared.about["input_width"] == 98  # the recipe of that name says 168
    assert (prepared.unit, prepared.weights["licence"]) == ("relative depth", "Apache-2.0")
    assert prepared.weights["sha256"] == shipped.sha256
    assert prepared.weights["source"] == "dae-edge student depthanyevent-r-tiny"


def test_it_is_unpacked_once_and_a_damaged_copy_anew(shipped: Student, tmp_path: Path) -> None:
    told: list[str] = []
    path = default_bundle((346, 260), lambda step, fraction=None: told.append(step))
    assert told == [f"first use with davis346: unpacking {path}"]
    assert shipped.digest[:12] in path.name
    assert default_bundle((346, 260), lambda *step: pytest.fail(f"again: {step}")) == path
    for name in ("weights.bin", "model.onnx"):
        flip(path / name)
        assert default_bundle((346, 260), nothing) == path
        bundle.read(path).verify()
    assert cached(tmp_path) == [path.name]


def test_a_new_student_does_not_meet_what_was_unpacked_of_an_older_one(
    shipped: Student, tmp_path: Path
) -> None:
    old = default_bundle((112, 84), nothing)
    # the same weights, a graph that was made anew
    edit_manifest(shipped.folder / "112x84", lambda m: m["created_with"].update(torch="99"))
    assert default_bundle((112, 84), nothing) == old
    assert bundle.read(old).manifest["created_with"]["torch"] == "99"
    # other weights
    rewrite_about(shipped, weights={**shipped.about["weights"], "sha256": "f" * 64})
    with pytest.raises(ContractError, match=r"weights\.npz: changed since it was verified"):
        default_bundle((112, 84), nothing)
    assert cached(tmp_path) == [old.name]


def test_the_profile_must_have_the_sensor_and_the_crop(shipped: Student) -> None:
    shutil.copytree(shipped.folder / "112x84", shipped.folder / "cropped")
    edit_manifest(
        shipped.folder / "cropped",
        lambda manifest: manifest["input"].update(sensor=[112, 100], crop=[0, 8, 112, 84]),
    )
    rewrite_about(shipped, profiles=["cropped", *PROFILES])
    found = student.read(shipped.folder)
    assert found.profile_for((112, 100), (0, 8, 112, 84)) == "cropped"
    assert found.profile_for((112, 84), (0, 0, 112, 84)) == "112x84"
    assert found.profile_for((112, 100), (0, 0, 112, 100)) is None


# ---- What is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["weights.npz", "davis346/model.onnx.gz", "davis346/report.json.gz"]
)
def test_a_flipped_bit_is_found_and_its_file_named(
    shipped: Student, tmp_path: Path, name: str
) -> None:
    flip(shipped.folder / name)
    with pytest.raises(ContractError, match=r"changed since|damaged:|bytes inside") as caught:
        default_bundle((346, 260), nothing)
    assert str(shipped.folder / name) in str(caught.value)
    assert cached(tmp_path) == []


@pytest.mark.parametrize("name", ["weights.npz", "davis346/model.onnx.gz", "davis346"])
def test_what_is_missing_is_named(shipped: Student, tmp_path: Path, name: str) -> None:
    path = shipped.folder / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(ContractError, match="missing") as caught:
        default_bundle((346, 260), nothing)
    assert str(path) in str(caught.value)
    assert cached(tmp_path) == []


def test_packed_weights_that_are_whole_but_others_do_not_become_the_flat_ones(
    shipped: Student, tmp_path: Path
) -> None:
    from dae_edge.packed import write_packed

    weights = dict(shipped.read_weights())
    weights["pretrained.norm.bias"] = weights["pretrained.norm.bias"] + np.float32(1)
    shipped.weights.unlink()
    write_packed(shipped.weights, weights)
    rewrite_about(shipped, weights=bundle.file_entry(shipped.weights))
    with pytest.raises(ContractError, match=r"weights\.bin: changed since it was verified"):
        default_bundle((346, 260), nothing)
    assert cached(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "wanted dae-student version 2, got None"),
        (b"{}", r"wanted dae-student version 2, got \(None, None\)"),
    ],
)
def test_a_description_that_is_none_is_refused(
    shipped: Student, content: bytes, words: str
) -> None:
    (shipped.folder / "student.json").unlink()
    with pytest.raises(ContractError, match=r"no student\.json there"):
        student.shipped()
    (shipped.folder / "student.json").write_bytes(content)
    with pytest.raises(ContractError, match=words):
        student.shipped()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": 3}, "wanted dae-student version 2"),
        ({"recipe": 3}, "recipe: wanted str"),
        ({"unit": None}, "unit: wanted str"),
        ({"weights": []}, "weights: wanted dict"),
        ({"weights": {"bytes": True, "sha256": "0" * 64}}, "weights: wanted bytes and sha256"),
        ({"weights": {"bytes": 3, "sha256": "0"}}, "weights: wanted bytes and sha256"),
        ({"profiles": ["../other"]}, "'../other' is not a plain folder name"),
        ({"profiles": [3]}, "3 is not a plain folder name"),
    ],
)
def test_each_wrong_field_of_the_description_is_named(
    shipped: Student, changes: dict[str, Any], words: str
) -> None:
    rewrite_about(shipped, **changes)
    with pytest.raises(ContractError, match=words):
        student.shipped()


def test_other_npz_files_are_no_weights(shipped: Student, tmp_path: Path) -> None:
    from dae_edge.nn.checkpoint import read_checkpoint

    os.link(shipped.weights, shipped.folder / "other.npz")
    with pytest.raises(FormatError, match=r"other\.npz: of \.npz files only a student's"):
        read_checkpoint(shipped.folder / "other.npz")
    os.link(shipped.weights, tmp_path / "weights.npz")
    with pytest.raises(ContractError, match=r"no student\.json there"):
        read_checkpoint(tmp_path / "weights.npz")


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino", "openvino-stateful"])
def test_no_engine_takes_flat_weights_that_are_cut_or_gone(shipped: Student, backend: str) -> None:
    path = default_bundle((112, 84), nothing)
    content = (path / "weights.bin").read_bytes()
    for damaged in (content[: len(content) // 2], None):
        (path / "weights.bin").unlink()
        if damaged is not None:
            (path / "weights.bin").write_bytes(damaged)
        with pytest.raises(ContractError, match=r"weights\.bin: "):
            dae.load(path, backend=backend)
        with pytest.raises(ContractError, match=r"model\.onnx: "):
            dae.load(path, backend=backend, verify=False)
