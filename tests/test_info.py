"""dae-info: what it says of bundles and of the machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dae_edge.cli import info


def test_it_tells_what_this_machine_can_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert info.main([]) == 0
    printed = capsys.readouterr().out
    for word in ("evt21-legacy", "onnx-fp32", "depthanyevent-r", "davis346", "processor", "torch"):
        assert word in printed


def test_it_tells_what_a_bundle_promises(
    small_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert info.main([str(small_bundle)]) == 0
    printed = capsys.readouterr().out
    for word in ("seeded initialisation", "sensor: [112, 84]", "layer1.cell: float32", "verified"):
        assert word in printed


def test_json_holds_the_same(small_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert info.main([str(small_bundle), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["target"] == "ov-fp16"


def test_what_is_no_bundle_gives_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert info.main([str(tmp_path)]) == 2
    assert "not a bundle" in capsys.readouterr().err
