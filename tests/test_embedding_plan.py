"""The C library finds the TensorRT plans that Python keeps, and distrusts the same ones."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from native_builds import program

from dae_edge.backends.tensorrt import plans
from dae_edge.backends.tensorrt.device import l4t_release
from dae_edge.backends.tensorrt.key import EngineKey, model_sha256
from dae_edge.backends.tensorrt.signature import secret_of, signed

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")
PLAN = b"a plan" * 100
ABOUT = {"parity": {"passed": True, "worst": {"depth_mean": 1.5e-05, "state": 0.1}}}
RELEASE = "# R36 (release), REVISION: 4.3, GCID: 1, BOARD: generic\n"


class Place(NamedTuple):
    """A bundle with an ONNX, a cache with a secret, and the key of this device."""

    bundle: Path
    cache: Path
    key: EngineKey

    @property
    def onnx(self) -> Path:
        return self.bundle / "model.onnx"

    @property
    def release(self) -> Path:
        return self.cache / "nv_tegra_release"

    @property
    def secret(self) -> bytes:
        return secret_of(self.cache)

    def publish(self, folder: Path, about: dict[str, Any] = ABOUT, **other: str) -> plans.FoundPlan:
        return plans.publish([folder], replace(self.key, **other), PLAN, about, self.secret)


class Answer(NamedTuple):
    """What the program said; ``found``: a path, or the status; ``said``: its size, or the error."""

    onnx_sha256: str
    l4t: str
    found: str
    said: str


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    bundle, cache = tmp_path / "robot.dae", tmp_path / "cache" / "engines"
    bundle.mkdir()
    cache.mkdir(parents=True)
    monkeypatch.setenv("DAE_CACHE", str(cache.parent))
    (bundle / "model.onnx").write_bytes(b"an ONNX file that mentions model.data and no.more")
    (bundle / "model.data").write_bytes(b"weights" * 1000)
    (bundle / "report.md").write_bytes(b"not mentioned")
    (cache / "nv_tegra_release").write_text(RELEASE)
    digest = model_sha256(bundle / "model.onnx")
    key = EngineKey(
        digest, "tensorrt", "10.3.0", "12.6", "Orin", "8.7", "36.4.3", "compute float16", "events"
    )
    return Place(bundle, cache, key)


def ask(place: Place, **other: str) -> Answer:
    key = replace(place.key, **other)
    device = (key.cuda, key.gpu, key.compute_capability, str(place.release))
    command = [str(program("find_plan")), str(place.bundle), str(place.onnx), key.flavour]
    answers = subprocess.run(
        [*command, key.version, *device], capture_output=True, text=True, check=False
    )
    assert answers.returncode in (0, 1), answers
    return Answer(*answers.stdout.splitlines())


def test_a_plan_that_python_keeps_is_found_in_the_bundle_and_in_the_cache(place: Place) -> None:
    for folder in (place.cache, place.bundle):
        found = place.publish(folder)
        answer = ask(place)
        assert answer.found == str(found.path)
        assert int(answer.said) == len(PLAN)


def test_the_hash_of_the_model_and_the_release_of_jetson_linux_are_pythons(place: Place) -> None:
    answer = ask(place)
    assert answer.onnx_sha256 == model_sha256(place.onnx)
    assert answer.l4t == l4t_release(place.release) == "36.4.3"
    place.release.unlink()
    (place.bundle / "model.data").write_bytes(b"other weights")
    answer = ask(place)
    assert answer.onnx_sha256 == model_sha256(place.onnx) != place.key.onnx_sha256
    assert answer.l4t == ""


def test_the_build_number_behind_a_release_is_left_to_tensorrt(place: Place) -> None:
    found = place.publish(place.bundle, version="10.13.3.9.post1")
    assert ask(place, version="10.13.3").found == str(found.path)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"version": "10.7.0"}, "version '10.3.0' instead of '10.7.0'"),
        ({"flavour": "tensorrt-rtx"}, "flavour 'tensorrt' instead of 'tensorrt-rtx'"),
        ({"gpu": "Thor"}, "gpu 'Orin' instead of 'Thor'"),
        ({"compute_capability": "11.0"}, "compute_capability '8.7' instead of '11.0'"),
        ({"cuda": "13.0"}, "cuda '12.6' instead of '13.0'"),
    ],
)
def test_another_device_has_no_plan_and_is_told_why_and_what_to_run(
    place: Place, other: dict[str, str], reason: str
) -> None:
    found = place.publish(place.bundle)
    flavour = other.get("flavour", "tensorrt")
    answer = ask(place, **other)
    assert answer.found == "-18"  # DAE_ERROR_ENGINE
    assert answer.said == (
        f"{place.bundle}: no {flavour} engine for this device ({found.path.stem}.json: {reason}); "
        f"run on it: dae-export --finish {place.bundle}"
    )


def test_another_model_or_jetson_linux_has_no_plan(place: Place) -> None:
    place.publish(place.bundle)
    place.release.write_text(RELEASE.replace("4.3", "5.0"))
    assert "l4t '36.4.3' instead of '36.5.0'" in ask(place).said
    place.release.write_text(RELEASE)
    (place.bundle / "model.data").write_bytes(b"other weights")
    assert "onnx_sha256 '" in ask(place).said


def test_a_plan_of_another_user_is_not_trusted(place: Place) -> None:
    place.publish(place.bundle)
    (place.cache / "engine-secret").write_bytes(bytes(32))
    assert "not built by this user, so not trusted" in ask(place).said
    (place.cache / "engine-secret").unlink()
    assert "no engine-secret, so none was built by this user" in ask(place).said


def test_a_sidecar_that_was_touched_is_not_trusted(place: Place) -> None:
    sidecar = place.publish(place.bundle).path.with_suffix(".json")
    about = json.loads(sidecar.read_text())
    for name, value in (("parity", {"passed": True}), ("warnings", ["none"]), ("signature", "0")):
        sidecar.write_text(json.dumps(about | {name: value}))
        assert "not built by this user" in ask(place).said, name


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": "other"}, "not that of an engine that passed"),
        ({"version": 2}, "not that of an engine that passed"),
        ({"parity": {"passed": False}}, "not that of an engine that passed"),
        ({"plan": {"bytes": 600}}, "not that of an engine that passed"),
        ({"plan": {"bytes": "600", "sha256": "0" * 64}}, "not that of an engine that passed"),
        ({"key": []}, "it has no key"),
        ({"key": {}}, "flavour '' instead of 'tensorrt'"),
    ],
)
def test_a_signed_sidecar_of_another_form_is_refused(
    place: Place, change: dict[str, Any], reason: str
) -> None:
    sidecar = place.publish(place.bundle).path.with_suffix(".json")
    about = json.loads(sidecar.read_text()) | change
    sidecar.write_text(json.dumps(signed(about, place.secret)))
    assert reason in ask(place).said
    sidecar.write_bytes(b"{")
    assert "its sidecar is not JSON" in ask(place).said


def test_a_plan_that_changed_is_damage_and_not_loaded(place: Place) -> None:
    path = place.publish(place.bundle).path
    path.write_bytes(PLAN[:-1] + b"!")
    assert ask(place)[2] == "-16"  # DAE_ERROR_BUNDLE
    assert "not the plan that passed the comparison (sha256)" in ask(place).said
    path.write_bytes(PLAN + b"!")
    assert f"not the {len(PLAN)} bytes" in ask(place).said
    path.unlink()
    path.symlink_to(place.onnx)
    assert "missing" in ask(place).said


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(TEXT, values, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(more=st.dictionaries(TEXT, JSON, max_size=5))
def test_whatever_a_sidecar_says_its_signature_is_understood(
    place: Place, more: dict[str, Any]
) -> None:
    about = {**more, **ABOUT}
    for name in ("format", "version", "key", "plan", "signature"):
        about.pop(name, None)
    for left in place.bundle.glob("engine-*"):
        left.unlink()
    found = place.publish(place.bundle, about)
    assert ask(place).found == str(found.path)
