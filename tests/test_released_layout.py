"""A checkpoint in the layout of the released ones goes through the commands the README gives."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from dae_edge import bundle, recipes
from dae_edge.cli import eval as eval_command
from dae_edge.cli import export
from dae_edge.nn import DepthAnyEvent, ModelConfig, seeded_state_dict
from dae_edge.recipes import Target, load_target

RELEASED = {
    "trainer": {
        "clip_distance": 80.0,
        "reg_factor": 3.70378,
        "use_logdepth": False,
        "use_scaleshift": True,
    },
    "model": {
        "model_type": "DAv2",
        "encoder": "vits",
        "activation": "relu",
        "inv_prediction": True,
        "scale_factor": 1.0,
        "input_size_width": 154,  # released: 350 x 266, which takes six times as long
        "input_size_height": 126,
        "freeze_encoder": False,
        "input_channels": 3,
    },
}


def load_with_short_drift(name: str) -> Target:
    """A model without a state cannot drift, and takes minutes over the 500 windows."""
    target = load_target(name)
    return replace(target, budget={**target.budget, "drift": [1, 5]})


@pytest.mark.slow
def test_a_checkpoint_in_the_released_layout_is_exported_and_judged_by_the_readmes_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(recipes, "load_target", load_with_short_drift)
    folder = tmp_path / "weights" / "dav2" / "distillation_dsec"
    folder.mkdir(parents=True)
    weights = folder / "distillation_dsec.pth"
    torch.save({"state_dict": seeded_state_dict(DepthAnyEvent(ModelConfig()))}, weights)
    (folder / "config.json").write_text(json.dumps(RELEASED))
    out = tmp_path / "student.dae"
    arguments = ["--target", "ov-fp16", "--model", "depthanyevent", "--weights", str(weights)]
    assert export.main([*arguments, "--sensor", "davis346", "--out", str(out)]) == 0
    manifest = bundle.read(out).manifest
    assert (manifest["model"]["input_width"], manifest["model"]["input_height"]) == (154, 126)
    assert manifest["weights"]["trained"]
    assert "non-commercial" in manifest["weights"]["licence"].lower()
    assert manifest["output"]["unit"] == "relative depth"
    results = []
    for what, model in ((weights, ["--model", "depthanyevent"]), (out, [])):
        result = tmp_path / f"{what.stem}.json"
        command = [str(what), *model, "--dataset", "synthetic", "--limit", "3"]
        assert eval_command.main([*command, "--json", str(result)]) == 0
        results.append(json.loads(result.read_text()))
    printed = capsys.readouterr().out
    assert "Untrained" not in printed
    torch_values, engine_values = (numbers(result) for result in results)
    assert torch_values
    assert engine_values == pytest.approx(torch_values, rel=0.01)


def numbers(result: dict[str, object]) -> dict[str, float]:
    """Every AbsRel and delta of a result, by where it stands."""
    found: dict[str, float] = {}

    def walk(path: str, value: object) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{path}.{key}", inner)
        elif isinstance(value, float) and path.endswith(("abs_rel", "delta1")):
            found[path] = value

    walk("", result)
    return found
