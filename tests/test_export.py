"""Exports: what is measured decides, the graph is clean, and a failure leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")

import dae_edge as dae
from dae_edge import bundle
from dae_edge.contract import Contract
from dae_edge.export import ExportResult, export_bundle
from dae_edge.export.graph import check_onnx
from dae_edge.nn import DepthAnyEvent, ModelConfig, seeded_state_dict
from dae_edge.recipes import Recipe, Sensor, load_target
from dae_edge.sample import sample_windows

CROPPED = Sensor("cropped", 112, 100, (0, 8, 112, 84))


def torch_model(recipe: Recipe) -> DepthAnyEvent:
    model = DepthAnyEvent(ModelConfig(**recipe.model)).eval()
    model.load_state_dict(seeded_state_dict(model))
    return model


@pytest.fixture(scope="module")
def checkpoint(small_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of their own: the seeded ones, a little larger."""
    path = tmp_path_factory.mktemp("weights") / "student.pth"
    weights = {key: tensor * 1.01 for key, tensor in torch_model(small_recipe).state_dict().items()}
    torch.save({"state_dict": weights}, path)
    return path


@pytest.fixture(scope="module")
def cropped(
    small_recipe: Recipe, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> ExportResult:
    """A checkpoint for a sensor of which the network sees a part."""
    return export_bundle(
        small_recipe,
        load_target("onnx-fp32"),
        CROPPED,
        tmp_path_factory.mktemp("cropped") / "student.dae",
        weights=checkpoint,
    )


# ---- What is in a bundle -------------------------------------------------------------------------


def test_the_manifest_says_what_the_bundle_is(small_bundle: Path) -> None:
    manifest = bundle.read(small_bundle).manifest
    assert manifest["model"]["name"] == "small"
    assert manifest["model"]["parameters"] > 6_000_000
    assert manifest["weights"]["source"] == "seeded initialisation"
    assert manifest["weights"]["trained"] is False
    assert len(manifest["weights"]["sha256"]) == 64
    assert manifest["input"] == {
        "encoding": "tencode",
        "sensor_name": "112x84",
        "sensor": [112, 84],
        "crop": [0, 0, 112, 84],
        "window_us": 50_000,
        "background": "black",
    }
    assert manifest["output"] == {"shape": [84, 112], "unit": "untrained weights"}
    assert manifest["target"] == "ov-fp16"
    assert manifest["precision"]["weights"] == "float16"
    assert manifest["engine"] == {"backend": "openvino", "file": "model.xml"}
    assert manifest["onnx"] == "model.onnx"
    names = [state["name"] for state in manifest["states"]]
    assert names == [f"layer{k}.{part}" for k in (4, 3, 2, 1) for part in ("hidden", "cell")]
    assert {"dae-edge", "python", "torch", "onnx", "openvino"} <= set(manifest["created_with"])
    files = ["model.bin", "model.onnx", "model.xml", "report.json", "report.md", "worst-window.png"]
    assert list(manifest["files"]) == files
    assert sorted(os.listdir(small_bundle)) == ["manifest.json", *files]


def test_the_reports_tell_what_was_measured_and_allowed(small_bundle: Path) -> None:
    report = json.loads((small_bundle / "report.json").read_bytes())
    verdict = bundle.read(small_bundle).manifest["verdict"]
    targets = {"onnxruntime": "onnx-fp32", "openvino": "ov-fp16"}  # the ONNX has its own limits
    assert report["passed"] is verdict["passed"] is True
    assert len(report["parity"]) == len(verdict["parity"]) == 2
    page = (small_bundle / "report.md").read_text()
    for proof, (engine, target) in zip(report["parity"], targets.items(), strict=True):
        limits = load_target(target).parity
        assert proof["engine"].startswith(engine)
        assert proof["engine"] in page
        assert len(proof["windows"]) == limits["windows"]
        for name, value in proof["worst"].items():
            assert value == max(window[name] for window in proof["windows"])
            assert 0 < value <= proof["limits"][name] == limits[name]
    assert "# small for ov-fp16, 112x84" in page
    assert "Untrained weights: the depth has no meaning." in page


def test_the_graph_keeps_the_contract_and_nothing_of_the_machine_it_was_made_on(
    small_bundle: Path,
) -> None:
    path = small_bundle / "model.onnx"
    check_onnx(path, bundle.read(small_bundle).contract, layer_norms=28)
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        tensor.ClearField("raw_data")  # among millions of random bytes any word can be found
    text = model.SerializeToString()
    for trace in (b"site-packages", b"/home/", b"/tmp/", b".py", b"dae_edge/", b"stack_trace"):
        assert trace not in text, trace
    assert {entry.domain for entry in model.opset_import} <= {"", "ai.onnx"}
    assert [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")] == [
        18
    ]
    assert len(model.functions) == 0
    assert {entry.key for entry in model.metadata_props} == {
        "dae.contract",
        "dae.encoding",
        "dae.sensor",
        "dae.states",
    }


def test_a_graph_that_reads_the_image_otherwise_or_lost_its_norms_is_refused(
    small_bundle: Path, tmp_path: Path
) -> None:
    contract = bundle.read(small_bundle).contract
    with pytest.raises(dae.ContractError, match="wanted at least 99 LayerNormalization nodes"):
        check_onnx(small_bundle / "model.onnx", contract, layer_norms=99)
    model = onnx.load(small_bundle / "model.onnx")
    model.graph.node.append(onnx.helper.make_node("Identity", ["events"], ["unused"]))
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(dae.ContractError, match="must go into one Cast, goes into"):
        check_onnx(tmp_path / "model.onnx", contract, layer_norms=1)


# ---- A checkpoint, a crop ------------------------------------------------------------------------


@pytest.mark.slow
def test_a_checkpoint_marks_the_bundle_trained_and_gives_it_the_unit(
    cropped: ExportResult, checkpoint: Path
) -> None:
    model = dae.load(cropped.path, threads=1)
    assert (model.trained, model.unit) == (True, "relative depth")
    weights = model.bundle.manifest["weights"]
    assert (weights["source"], weights["trained"]) == ("student.pth", True)
    assert weights["sha256"] == bundle.sha256_of(checkpoint)
    assert "Untrained" not in (cropped.path / "report.md").read_text()
    assert cropped.report["passed"] is True


@pytest.mark.slow
def test_a_crop_gives_the_depth_of_the_cropped_image(
    cropped: ExportResult, checkpoint: Path, small_recipe: Recipe
) -> None:
    torch_crop = torch_model(small_recipe)
    torch_crop.load_state_dict(torch.load(checkpoint, weights_only=True)["state_dict"])
    model = dae.load(cropped.path, threads=1)
    assert model.sensor == (112, 100)
    session = model.engine.session()
    state = None
    for image in islice(sample_windows(Contract((112, 100), (100, 112), ()), window_us=50_000), 3):
        session.image[...] = image
        depth = session.run()
        assert depth.shape == (84, 112)
        part = torch.from_numpy(image[8:92]).permute(2, 0, 1)[None] / 255
        with torch.no_grad():
            wanted, state = torch_crop(part, state)
        np.testing.assert_allclose(depth, wanted[0].numpy(), rtol=1e-4)


# ---- The verdict ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_impossible_limit_gives_no_bundle_and_the_same_weights_the_same_bytes(
    small_recipe: Recipe, small_sensor: Sensor, small_bundle: Path, tmp_path: Path
) -> None:
    target = load_target("onnx-fp32")
    impossible = replace(target, parity={**target.parity, "depth_mean": 1e-12})
    out = tmp_path / "small.dae"
    shutil.copytree(small_bundle, out, copy_function=os.link)
    digests: list[str] = []

    def progress(message: str, fraction: float | None = None) -> None:
        if (
            message == "onnxruntime over 24 windows" and fraction == 0
        ):  # what was exported waits beside the name
            digests.extend(bundle.sha256_of(path) for path in tmp_path.glob(".small.dae.*/*.onnx"))

    with pytest.raises(dae.BudgetError) as caught:
        export_bundle(small_recipe, impossible, small_sensor, out, progress=progress)
    text = str(caught.value)
    assert text.startswith(
        "onnx-fp32: too far from the torch model, no bundle written: onnxruntime"
    )
    assert re.search(r"depth_mean \d\.\d\de-\d\d > 1\.00e-12$", text)
    assert list(tmp_path.iterdir()) == [out]
    bundle.read(out).verify()  # the older one is as it was
    assert digests == [bundle.sha256_of(small_bundle / "model.onnx")]


def test_weights_that_do_not_fit_leave_nothing(
    small_recipe: Recipe, small_sensor: Sensor, tmp_path: Path
) -> None:
    weights = torch_model(small_recipe).state_dict()
    key = "pretrained.norm.weight"
    torch.save({**weights, key: weights[key][1:]}, tmp_path / "student.pth")
    (tmp_path / "junk.pth").write_bytes(b"junk")
    target, out = load_target("onnx-fp32"), tmp_path / "student.dae"
    with pytest.raises(dae.ContractError, match=r"1 of another shape: pretrained\.norm\.weight"):
        export_bundle(small_recipe, target, small_sensor, out, weights=tmp_path / "student.pth")
    with pytest.raises(dae.FormatError, match=r"junk\.pth"):
        export_bundle(small_recipe, target, small_sensor, out, weights=tmp_path / "junk.pth")
    assert sorted(os.listdir(tmp_path)) == ["junk.pth", "student.pth"]
