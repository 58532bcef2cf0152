"""Every target, exported for real; what misses its budget is refused, or marked, or mended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")

import dae_edge as dae
from dae_edge import bundle, recipes
from dae_edge.calibration.budget import Check, Judgement
from dae_edge.cli import export
from dae_edge.export import export_bundle, proving
from dae_edge.export.proving import Wishes
from dae_edge.nn import DepthAnyEvent, ModelConfig, seeded_state_dict
from dae_edge.recipes import Recipe, Sensor, Target, load_target

pytestmark = pytest.mark.usefixtures("one_trace")


@pytest.fixture(scope="module")
def weights(small_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained, as far as the exporter knows; the output is made smooth, so that INT8 can follow."""
    path = tmp_path_factory.mktemp("weights") / "student.pth"
    model = DepthAnyEvent(ModelConfig(**small_recipe.model))
    state = seeded_state_dict(model)
    last = "depth_head.scratch.output_conv2.2"
    state[f"{last}.weight"] = 0.5 * state[f"{last}.weight"]
    state[f"{last}.bias"] = torch.full_like(state[f"{last}.bias"], 4.0)
    torch.save({"state_dict": state}, path)
    return path


def quick(name: str, **changes: Any) -> Target:
    """A target with a short drift and little calibration."""
    target = load_target(name)
    short: dict[str, Any] = {
        "budget": {**target.budget, "drift": [1, 25]} if target.budget else {},
        "int8": {**target.int8, "windows": 6} if target.int8 else {},
    }
    return replace(target, **{**short, **changes})


@pytest.mark.slow
@pytest.mark.parametrize("name", recipes.target_names())
def test_every_target_is_exported_and_its_bundle_tells_what_was_proven(
    name: str, small_recipe: Recipe, small_sensor: Sensor, weights: Path, tmp_path: Path
) -> None:
    target = quick(name)
    if "nncf" in target.form:
        pytest.importorskip("nncf")
    out = tmp_path / "student.dae"
    result = export_bundle(small_recipe, target, small_sensor, out, weights=weights)
    made = bundle.read(out)
    made.verify()
    assert made.manifest["verdict"]["passed"] is True
    assert made.manifest["engine"] == {"backend": target.backend, "file": target.file}
    report = json.loads((out / "report.json").read_bytes())
    assert report == json.loads(json.dumps(result.report))
    assert not list(out.glob(".*"))
    page = (out / "report.md").read_text()
    assert f"# small for {name}" in page
    if target.budget:
        checks = {(one["name"], one["where"]) for one in report["budget"]["checks"]}
        assert ("absrel", "mean") in checks
        assert ("fp32_absrel", "window 25") in checks
        assert (out / "worst-window.png").stat().st_size > 1000
    if target.int8:
        assert report["calibration"]["sequences"] == {"sample[0:6]": 6}
        assert made.manifest["verdict"]["calibration_sha256"] == report["calibration"]["sha256"]
        assert report["quantized_layers"] > 80
    if target.backend.startswith("tensorrt"):
        assert "dae-export --finish" in page
        installed = find_spec("tensorrt_rtx_bindings") is not None
        assert report["ahead_of_time"]["built"] is installed
    else:
        model = dae.load(out, threads=1)
        assert model.stream() is not None
        placed = report["placement"]["heavy"]
        assert (
            placed.get("int8", 0) > 80
            or not target.precision["compute"].startswith("int8")
            or name.startswith("onnx")
        )


@pytest.fixture(scope="module")
def massive(small_recipe: Recipe, weights: Path) -> Path:
    """Weights with one huge channel in the residual stream, as trained DINOv2 encoders have it.

    Normalisations take it out again and give the others back their size.
    """
    state = torch.load(weights, weights_only=True)["state_dict"]
    channel, size = 5, 120.0
    state["pretrained.pos_embed"][..., channel] += size
    for key, values in state.items():
        if key.startswith("pretrained.") and ".norm" in key and key.endswith(".weight"):
            values *= size / values.numel() ** 0.5
            values[channel] = 0
    path = weights.with_name("massive.pth")
    torch.save({"state_dict": state}, path)
    return path


@pytest.mark.slow
def test_a_broken_quantization_is_refused_and_the_report_names_the_cause(
    small_recipe: Recipe,
    small_sensor: Sensor,
    massive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(proving, "BLAME_MINUTES", 0.15)  # residual sums come first
    target, out = quick("onnx-int8"), tmp_path / "student.dae"
    wishes = Wishes(minutes=0, budget="fp32_absrel=0.018,absrel=1,delta1=1")
    fine = export_bundle(
        small_recipe, target, small_sensor, tmp_path / "a.dae", weights=massive, wishes=wishes
    )
    assert fine.report["passed"]  # layers alone are no trouble
    broken = replace(target, int8={**target.int8, "also": ["residual sums", "cell states"]})
    with pytest.raises(dae.BudgetError) as caught:
        export_bundle(small_recipe, broken, small_sensor, out, weights=massive, wishes=wishes)
    text = str(caught.value)
    assert text.startswith("onnx-int8: over its budget, no bundle written: fp32_absrel (mean)")
    assert "Most harm: residual sums (" in text
    assert sorted(os.listdir(tmp_path)) == ["a.dae"]
    assert caught.value.report is not None
    assert len(caught.value.report["search"]["harms"]) > 4


@pytest.mark.slow
def test_a_bundle_over_its_budget_is_written_if_asked_for_and_loading_it_warns(
    small_recipe: Recipe, small_sensor: Sensor, weights: Path, tmp_path: Path
) -> None:
    wishes = Wishes(budget="fp32_absrel=0", allow_over=True, minutes=0)
    out = tmp_path / "student.dae"
    target = quick("ov-bf16", int8={}, budget={**load_target("ov-bf16").budget, "drift": []})
    export_bundle(small_recipe, target, small_sensor, out, weights=weights, wishes=wishes)
    if bundle.read(out).manifest["verdict"]["passed"]:
        pytest.skip("this CPU computes bfloat16 as float32")
    assert "FAILED" in (out / "report.md").read_text()
    with pytest.warns(UserWarning, match="missed its budget"):
        dae.load(out, threads=1)


@pytest.mark.slow
def test_depth_that_overflows_in_float16_is_refused_and_a_report_can_still_tell_of_it(
    small_recipe: Recipe, small_sensor: Sensor, weights: Path, tmp_path: Path
) -> None:
    state = torch.load(weights, weights_only=True)["state_dict"]
    last = "depth_head.scratch.output_conv2"  # its features leave FP16, then cancel out
    state[f"{last}.0.weight"] *= 1e6
    state[f"{last}.2.weight"] *= 1e-6
    huge, out = tmp_path / "huge.pth", tmp_path / "student.dae"
    torch.save({"state_dict": state}, huge)
    target = quick("onnx-fp16")
    with pytest.raises(dae.BudgetError, match=r"absrel \(mean\) not finite, allowed"):
        export_bundle(small_recipe, target, small_sensor, out, weights=huge)
    assert not out.exists()
    wishes = Wishes(allow_over=True)
    export_bundle(small_recipe, target, small_sensor, out, weights=huge, wishes=wishes)
    verdict = bundle.read(out).manifest["verdict"]
    assert verdict["passed"] is False
    assert verdict["budget"]["absrel"] is None
    assert "not finite" in (out / "report.md").read_text()


@pytest.mark.parametrize("enforced", [True, False])
def test_depth_that_is_not_finite_passes_no_budget_not_even_one_that_is_not_enforced(
    enforced: bool,
) -> None:
    def proof(value: float) -> proving.Proof:
        check = Check("fp32_absrel", "mean", value, limit=0.05)
        judged = Judgement((check,), (), (), worst=None)
        return proving.Proof(judged, enforced, {}, (), 0, None, {}, None, engine=None)

    assert proof(0.04).passed
    assert proof(0.06).passed is not enforced
    assert not proof(float("inf")).passed


@pytest.mark.slow
def test_layers_are_restored_until_the_budget_holds_and_the_report_says_which(
    small_recipe: Recipe, small_sensor: Sensor, weights: Path, tmp_path: Path
) -> None:
    target = quick("onnx-int8", budget={**load_target("onnx-int8").budget, "drift": []})
    bad = replace(target, int8={**target.int8, "also": ["cell states"]}, search={"minutes": 5})
    wishes = Wishes(minutes=0, allow_over=True, memory=tmp_path / "memory")
    first = export_bundle(
        small_recipe, bad, small_sensor, tmp_path / "a.dae", weights=weights, wishes=wishes
    )
    measured = next(
        check["value"]
        for check in first.report["budget"]["checks"]
        if (check["name"], check["where"]) == ("fp32_absrel", "mean")
    )
    wishes = Wishes(budget=f"fp32_absrel={0.8 * measured}", memory=tmp_path / "memory")
    second = export_bundle(
        small_recipe, bad, small_sensor, tmp_path / "b.dae", weights=weights, wishes=wishes
    )
    assert second.report["passed"]
    assert second.report["kept"]
    assert all(one["absrel_alone"] >= 0 for one in second.report["kept"])
    page = (tmp_path / "b.dae" / "report.md").read_text()
    assert "layer kept" in page
    assert second.report["kept"][0]["module"] in page


@pytest.mark.slow
def test_another_point_of_the_search_can_be_chosen_and_must_hold_the_budget_as_well(
    small_recipe: Recipe, small_sensor: Sensor, weights: Path, tmp_path: Path
) -> None:
    target = quick("onnx-int8", budget={**load_target("onnx-int8").budget, "drift": []})
    chosen = Wishes(keep=3, calibrate_on=("sample",), judge_on=("sample",), memory=tmp_path / "m")
    made = export_bundle(
        small_recipe, target, small_sensor, tmp_path / "a.dae", weights=weights, wishes=chosen
    )
    harms = made.report["search"]["harms"]
    share = {one["layer"]: max(one["absrel"] / 0.05, one["delta1"] / 0.03) for one in harms}
    worst = sorted(share, key=lambda name: -share[name])[:3]
    assert {one["layer"] for one in made.report["kept"]} == set(worst)
    assert [len(one["kept"]) for one in made.report["search"]["attempts"]] == [0, 3]
    page = (tmp_path / "a.dae" / "report.md").read_text()
    assert "**6 of these windows were judged on too" in page
    assert "`--keep N`" in page
    assert (tmp_path / "a.dae" / "accuracy-latency.png").stat().st_size > 1000
    strict = replace(chosen, budget="fp32_absrel=0")
    with pytest.raises(dae.BudgetError, match="over its budget"):
        export_bundle(
            small_recipe, target, small_sensor, tmp_path / "b.dae", weights=weights, wishes=strict
        )
    for keep, message in ((1000, "there are"), (3, "0 of .* layers were measured")):
        hurried = Wishes(keep=keep, minutes=1e-9)
        with pytest.raises(ValueError, match=message):
            export_bundle(
                small_recipe, target, small_sensor, tmp_path / "c.dae", weights=weights,
                wishes=hurried,
            )  # fmt: skip
    assert sorted(path.name for path in tmp_path.glob("*.dae")) == ["a.dae"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "ov-int8", "--keep", "-1"], "--keep must be 0 or more, got -1"),
        (["--target", "ov-int8", "--budget", "absrl=1"], "no limit 'absrl'"),
        (["--target", "ov-int8", "--search-minutes", "-1"], "--search-minutes must be 0 or more"),
        ([], "no --target given: onnx-fp16, onnx-fp32"),
        (["--finish", "nowhere.dae"], "nowhere.dae: no such bundle"),
    ],
)
def test_a_wrong_wish_gives_one_line_and_exit_code_2(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--model", "depthanyevent-r-tiny", "--weights", "seeded", "--out", str(tmp_path)]
    assert export.main(arguments + (small if "--finish" not in arguments else [])) == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("begun", ["", "report.json"], ids=["soon", "at the end"])
def test_an_export_that_is_killed_leaves_no_half_bundle(tmp_path: Path, begun: str) -> None:
    """Soon, and when all but the manifest is there."""
    command = [sys.executable, "-m", "dae_edge.cli.export", "--target", "onnx-int8"]
    command += ["--model", "depthanyevent-r-tiny", "--weights", "seeded", "--out", str(tmp_path)]
    command += ["--sensor", "112x84"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob(f".*.dae.*/{begun}")) and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() in (-signal.SIGKILL, 0)
    found = [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
    for path in found:  # whole, or not there
        bundle.read(path).verify()
