"""Building plans: really, with TensorRT for RTX, which needs no GPU; and around the builder."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

onnx = pytest.importorskip("onnx")
from tiny_onnx import CONTRACT, tiny_model

from dae_edge.backends.tensorrt.ahead import build_ahead
from dae_edge.backends.tensorrt.api import Api, load_api
from dae_edge.backends.tensorrt.build import build_plan
from dae_edge.backends.tensorrt.inspect import placement
from dae_edge.backends.tensorrt.listeners import Phases, complaint, listening, monitor_of
from dae_edge.errors import ContractError, MissingExtraError


@pytest.fixture
def rtx() -> Api:
    pytest.importorskip("tensorrt_rtx_bindings", reason="needs dae-edge[rtx]")
    return load_api("tensorrt-rtx")


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    onnx.save(tiny_model(), tmp_path / "tiny.onnx")
    return tmp_path / "tiny.onnx"


# ---- The real TensorRT for RTX -------------------------------------------------------------------


def test_rtx_really_builds_a_plan_without_a_gpu(rtx: Api, tiny: Path) -> None:
    told: list[tuple[str, float | None]] = []
    built = build_plan(
        rtx,
        tiny,
        compute_capabilities=["SM86"],
        progress=lambda step, fraction=None: told.append((step, fraction)),
    )
    assert len(built.plan) > 10_000
    assert not built.timing_cache_updated  # RTX measures nothing
    tensors = {spec.name: spec.dtype for spec in [*CONTRACT.inputs(), *CONTRACT.outputs()]}
    assert dict(built.placement.tensors) == tensors
    assert built.placement.source == "network"
    casts = [layer for layer in built.placement.layers if layer.kind == "cast"]
    assert [layer.precision for layer in casts] == ["uint8"]
    steps, fractions = zip(*told, strict=True)
    assert set(steps) == {f"{rtx.name}: building tiny.onnx"}
    assert list(fractions) == sorted(fractions)
    assert fractions[-1] == 1.0


def test_a_build_ahead_is_reported_with_versions_and_capabilities(rtx: Api, tiny: Path) -> None:
    report = build_ahead(tiny, compute_capabilities=["SM86", "SM120"])
    assert report["version"] == rtx.version
    assert report["compute_capabilities"] == ["SM86", "SM120"]
    assert report["executed"] is False
    assert report["layers"] == sum(report["placement"]["precision"].values()) > 10
    assert report["plan_bytes"] > 10_000


@pytest.mark.slow
@pytest.mark.parametrize("form", ["float32", "float16"])
def test_rtx_really_builds_the_model_strongly_typed(
    rtx: Api, small_bundle: Path, tmp_path: Path, form: str
) -> None:
    path = small_bundle / "model.onnx"
    if form == "float16":
        half = pytest.importorskip("dae_edge.calibration.half")
        from dae_edge import bundle

        model = half.to_half(onnx.load(path), bundle.read(small_bundle).contract)
        path = tmp_path / "half.onnx"
        onnx.save(model, path)
    kinds = build_ahead(path)["placement"]["kinds"]
    assert kinds["matrix_multiply"][form] >= 72  # in twelve blocks; resizing may be one as well
    assert set(kinds["convolution"]) == {form}
    assert set(kinds["normalization"]) == {"float32"}  # its squares overflow in FP16


def test_what_rtx_refuses_is_named_by_operator_node_and_reason(rtx: Api, tmp_path: Path) -> None:
    path = tmp_path / "transposed.onnx"
    onnx.save(tiny_model(image_op="Transpose"), path)
    with pytest.raises(ContractError) as caught:
        build_ahead(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: {rtx.name} cannot parse it: Transpose 'transpose': ")
    assert "first input has type UInt8" in text
    assert "\n" not in text
    assert "CUDA" not in text


@pytest.mark.parametrize("content", [b"", b"junk" * 99, None])
def test_a_file_that_is_no_model_is_refused_in_one_line(
    rtx: Api, tiny: Path, content: bytes | None
) -> None:
    data = tiny.read_bytes()
    tiny.write_bytes(data[: len(data) // 2] if content is None else content)
    with pytest.raises(ContractError, match=re.escape(f"{tiny}: {rtx.name} cannot parse it: ")):
        build_ahead(tiny)


def test_a_missing_file_and_an_unknown_gpu_are_refused(rtx: Api, tiny: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such file: .*absent\.onnx"):
        build_ahead(tiny.with_name("absent.onnx"))
    with pytest.raises(ValueError, match=r"does not build for 'SM87': did you mean 'SM8\d'"):
        build_ahead(tiny, compute_capabilities=["SM87"])


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), RuntimeError("full disk")])
def test_what_progress_raises_stops_the_real_builder_and_arrives(
    rtx: Api, tiny: Path, failure: BaseException
) -> None:
    def progress(step: str, fraction: float | None = None) -> None:
        if fraction is not None and fraction > 0.3:
            raise failure

    with pytest.raises(type(failure)) as caught:
        build_ahead(tiny, progress=progress)
    assert caught.value is failure
    assert build_ahead(tiny)["layers"] > 10  # and the next build is well


def test_a_plan_cannot_be_loaded_without_a_gpu_and_that_is_an_error(rtx: Api, tiny: Path) -> None:
    built = build_plan(rtx, tiny, compute_capabilities=["SM86"])
    if Path("/dev/nvidiactl").exists():
        pytest.skip("there is a GPU")
    with pytest.raises(ContractError, match=r"cannot load it: .*CUDA") as caught:
        placement(rtx, built.plan)
    assert "\n" not in str(caught.value)


# ---- What is installed ---------------------------------------------------------------------------


def module(version: str, **contents: Any) -> ModuleType:
    made = ModuleType("tensorrt")
    made.__dict__.update({"__version__": version, "Builder": object, **contents})
    return made


def test_flavours_that_are_unknown_or_absent_are_errors_that_say_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ValueError, match="unknown TensorRT flavour 'tensort': did you mean"):
        load_api("tensort")
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.setitem(sys.modules, "tensorrt_rtx_bindings", None)
    with pytest.raises(MissingExtraError, match="TensorRT is not installed: on a Jetson"):
        load_api("tensorrt")
    with pytest.raises(MissingExtraError, match=r"TensorRT-RTX is not .*'dae-edge\[rtx\]'"):
        load_api("tensorrt-rtx")


def test_a_tensorrt_without_its_libraries_is_said_to_be_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tensorrt.py").write_text("raise ImportError('libnvinfer.so.10:\\nnot there')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    with pytest.raises(MissingExtraError, match=r"cannot load: libnvinfer\.so\.10: not there"):
        load_api("tensorrt")


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (module("10.2.0"), r"TensorRT 10\.2\.0 is too old: 10\.3 or later"),
        (module("8.6.1"), "too old"),
        (module(""), "has no builder"),
        (ModuleType("tensorrt"), "has no builder"),
    ],
)
def test_a_tensorrt_that_is_too_old_or_only_a_shell_is_refused(
    monkeypatch: pytest.MonkeyPatch, made: ModuleType, words: str
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", made)
    with pytest.raises(MissingExtraError, match=words):
        load_api("tensorrt")


def test_networks_are_strongly_typed_by_flag_before_version_11() -> None:
    flags = {"NetworkDefinitionCreationFlag": type("Flag", (), {"STRONGLY_TYPED": 1})}
    assert Api(module("10.3.0", **flags), "tensorrt", "10.3.0").network_flags == 2
    assert Api(module("11.4.0"), "tensorrt", "11.4.0").network_flags == 0
    assert Api(module("1.7.1"), "tensorrt-rtx", "1.7.1").network_flags == 0


def test_only_rtx_builds_for_named_gpus(tiny: Path) -> None:
    api = Api(module("10.3.0"), "tensorrt", "10.3.0")
    with pytest.raises(ValueError, match="builds for the GPU it runs on"):
        build_plan(api, tiny, compute_capabilities=["SM86"])


# ---- Progress and log ----------------------------------------------------------------------------


def test_nested_phases_give_one_fraction_that_never_falls() -> None:
    phases = Phases()
    seen = [phases.start("build", 2), phases.start("tactics", 4)]
    seen += [phases.step("tactics", step) for step in range(4)]
    seen += [phases.finish("tactics"), phases.step("build", 0), phases.step("unknown", 3)]
    assert seen == [0, 0, 0.125, 0.25, 0.375, 0.5, 0.5, 0.5, 0.5]
    seen = [phases.step("build", 9), phases.finish("absent"), phases.finish("build")]
    assert seen == [0.999, 0.999, 1.0]


def test_a_monitor_stops_talking_after_a_failure() -> None:
    told: list[float | None] = []

    def progress(step: str, fraction: float | None = None) -> None:
        told.append(fraction)
        raise KeyboardInterrupt

    monitor = monitor_of(module("10.3.0", IProgressMonitor=object), "step", progress)
    monitor.phase_start("build", None, 2)
    assert monitor.step_complete("build", 0) is False
    monitor.phase_finish("build")
    assert told == [0.0]
    assert isinstance(monitor.failure, KeyboardInterrupt)


def test_complaints_are_the_first_errors_without_repetition() -> None:
    lines = [(2, "slow"), (1, "a"), (1, "a"), (0, "b"), (1, "c"), (1, "d")]
    assert complaint(lines) == "a; b; c (and 1 more)"
    assert complaint([(2, "slow")], "nothing") == "nothing"


def test_listeners_hear_only_while_they_listen(rtx: Api) -> None:
    rtx.logger.log(1, "before")
    with listening(rtx.logger) as outer:
        with listening(rtx.logger) as inner:
            rtx.logger.log(1, "both\n of you")
            rtx.logger.log(3, "talk")
        rtx.logger.log(2, "one")
    rtx.logger.log(1, "after")
    assert inner == [(1, "both of you")]
    assert outer == [(1, "both of you"), (2, "one")]
    assert load_api("tensorrt-rtx").logger is rtx.logger
