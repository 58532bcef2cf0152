"""What an engine is tied to, and versions of TensorRT that are known to go wrong."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from dae_edge.backends.tensorrt.api import Api, release_of
from dae_edge.backends.tensorrt.device import Device, l4t_release
from dae_edge.backends.tensorrt.key import EngineKey, engine_key, model_sha256
from dae_edge.backends.tensorrt.versions import warnings_for
from dae_edge.contract import Contract, StateSpec

KEY = EngineKey(
    "0" * 64, "tensorrt", "10.3.0", "12.6", "Orin", "8.7", "36.4.3", "compute float16", "events"
)


def test_weights_beside_the_onnx_file_belong_to_it(tmp_path: Path) -> None:
    onnx = tmp_path / "model.onnx"
    onnx.write_bytes(b"... weights.bin ...")
    alone = model_sha256(onnx)
    (tmp_path / "report.md").write_text("not mentioned")
    assert model_sha256(onnx) == alone
    (tmp_path / "weights.bin").write_bytes(b"1")
    with_weights = model_sha256(onnx)
    (tmp_path / "weights.bin").write_bytes(b"2")
    assert len({alone, with_weights, model_sha256(onnx)}) == 3


def test_a_key_says_what_the_engine_is_made_of_and_for(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"a model")
    contract = Contract((24, 16), (16, 24), (StateSpec("a", (1, 2)),))
    device = Device("Orin", "8.7", "12.6", "36.4.3", "pmode:0000")
    api = Api(None, "tensorrt", "10.3.0")
    key = engine_key(
        onnx=tmp_path / "model.onnx",
        api=api,
        device=device,
        precision={"state": "float32", "compute": "float16"},
        contract=contract,
    )
    assert key.precision == "compute float16, state float32"
    assert "'state_in.a' float32 [1, 2]" in key.shapes
    assert (key.gpu, key.cuda, key.l4t, key.version) == ("Orin", "12.6", "36.4.3", "10.3.0")


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64", "36.4.3"),
        ("# R38 (release), REVISION: 2.0, GCID: 1", "38.2.0"),
        ("something else", ""),
        (None, ""),
    ],
)
def test_the_release_of_jetson_linux_is_read_where_there_is_one(
    tmp_path: Path, text: str | None, release: str
) -> None:
    path = tmp_path / "nv_tegra_release"
    if text is not None:
        path.write_text(text)
    assert l4t_release(path) == release


def test_versions_with_reports_of_wrong_results_come_with_a_remedy() -> None:
    for version in ("10.3.0", "10.3.0.30", "10.4.0"):
        (line,) = warnings_for(version)
        assert line.startswith(f"TensorRT {version}: wrong output")
        assert "remedy: TensorRT 10.8 or later" in line
    assert "container or JetPack 7" in warnings_for("10.3.0", "36.4.3")[0]
    assert "self-attention" in warnings_for("10.7.0")[0]
    for version in ("10.8.0", "10.13.3.9.post1", "11.4.0.106"):
        assert warnings_for(version, "36.4.3") == []
    assert warnings_for("10.13.0", compute_capability="12.0")
    assert release_of("11.4.0.106") == (11, 4)


def test_every_fact_of_the_key_changes_its_name() -> None:
    names = {replace(KEY, **{field.name: "another"}).short for field in fields(KEY)}
    assert len(names | {KEY.short}) == len(fields(KEY)) + 1
    assert all(len(name) == 16 for name in names)


def test_the_timings_of_a_device_serve_every_model_on_it() -> None:
    same = replace(KEY, onnx_sha256="1" * 64, precision="compute int8", shapes="others")
    assert same.device_short == KEY.device_short
    assert replace(KEY, gpu="Orin Nano").device_short != KEY.device_short
