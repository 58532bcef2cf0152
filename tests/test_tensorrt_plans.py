"""Plans on disk and their sidecars: checked before they are loaded, whole or not there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dae_edge.backends.tensorrt import plans
from dae_edge.backends.tensorrt.key import EngineKey
from dae_edge.backends.tensorrt.signature import SECRET_FILE, secret_of, signed
from dae_edge.errors import ContractError

KEY = EngineKey(
    "0" * 64, "tensorrt", "10.3.0", "12.6", "Orin", "8.7", "36.4.3", "compute float16", "events"
)
ABOUT = {"parity": {"passed": True, "windows": 3}}
PLAN = b"a plan" * 100
SECRET = bytes(range(32))


def publish(*folders: Path, plan: bytes = PLAN, secret: bytes = SECRET) -> plans.FoundPlan:
    return plans.publish(folders, KEY, plan, ABOUT, secret)


def find(*folders: Path, key: EngineKey = KEY, secret: bytes = SECRET) -> plans.FoundPlan | None:
    return plans.find(folders, key, secret)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    publish(tmp_path)
    return tmp_path


HEAD = {
    "format": plans.FORMAT,
    "version": plans.VERSION,
    "key": {},
    "plan": {"bytes": len(PLAN), "sha256": "0" * 64},
    **ABOUT,
}


def sidecar_of(folder: Path) -> Path:
    return (folder / plans.plan_name(KEY)).with_suffix(".json")


def edit(folder: Path, **changes: Any) -> None:
    path = sidecar_of(folder)
    about = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(signed(about, SECRET)))


# ---- Plans ---------------------------------------------------------------------------------------


def test_a_published_plan_is_found_pristine_with_all_that_is_known_of_it(folder: Path) -> None:
    found = find(folder / "nowhere", folder)
    assert found is not None
    assert found.plan == PLAN == found.path.read_bytes()
    assert found.about["parity"] == ABOUT["parity"]
    assert sorted(os.listdir(folder)) == [
        f"engine-{KEY.short}.json",
        f"engine-{KEY.short}.plan",
    ]


def test_a_plan_without_a_sidecar_does_not_exist(folder: Path) -> None:
    sidecar_of(folder).unlink()
    assert find(folder) is None
    publish(folder, plan=b"new")
    found = find(folder)
    assert found is not None
    assert found.plan == b"new"


def test_a_plan_that_another_process_published_first_stays(folder: Path) -> None:
    assert publish(folder, plan=b"slower").plan == PLAN
    assert (folder / plans.plan_name(KEY)).read_bytes() == PLAN


def test_engines_for_other_devices_are_named_with_what_differs(folder: Path) -> None:
    here = replace(KEY, gpu="Orin Nano", version="10.13.3")
    assert find(folder, key=here) is None
    (line,) = plans.others([folder], here, SECRET)
    assert line == (
        f"engine-{KEY.short}.plan: version '10.3.0' instead of '10.13.3'; "
        "gpu 'Orin' instead of 'Orin Nano'"
    )
    (folder / "engine-broken.json").write_text("{")
    assert any("not JSON" in line for line in plans.others([folder], here, SECRET))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: sidecar_of(folder).write_text("{"), "not JSON"),
        (lambda folder: sidecar_of(folder).write_text("[]"), "wanted dae-engine version 1"),
        (lambda folder: sidecar_of(folder).write_text("[" * 99999), "not JSON"),
        (lambda folder: edit(folder, version=2), r"got \('dae-engine', 2\)"),
        (lambda folder: edit(folder, plan=None), "wanted key, plan and a parity"),
        (lambda folder: edit(folder, key=[]), "wanted key, plan and a parity"),
        (lambda folder: edit(folder, parity={"passed": "yes"}), "a parity that was passed"),
        (lambda folder: edit(folder, key={}), "its name and its key differ"),
        (lambda folder: (folder / plans.plan_name(KEY)).unlink(), "missing, or not a plain file"),
        (
            lambda folder: (folder / plans.plan_name(KEY)).write_bytes(PLAN[:-1]),
            "wanted 600 bytes, got 599",
        ),
        (
            lambda folder: (folder / plans.plan_name(KEY)).write_bytes(PLAN[::-1]),
            "not the plan that passed the comparison",
        ),
    ],
)
def test_a_damaged_engine_is_refused_in_one_line_that_says_what_to_do(
    folder: Path, damage: Any, words: str
) -> None:
    damage(folder)
    with pytest.raises(ContractError, match=words) as caught:
        find(folder)
    text = str(caught.value)
    assert "\n" not in text
    assert f"delete engine-{KEY.short}.json to have it built anew" in text


def test_a_link_in_place_of_a_plan_is_refused(folder: Path) -> None:
    path = folder / plans.plan_name(KEY)
    path.rename(folder / "elsewhere")
    path.symlink_to(folder / "elsewhere")
    with pytest.raises(ContractError, match="not a plain file"):
        find(folder)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["format", "version", "key", "plan", "parity", "bytes", "sha256"]),
                inner,
                max_size=5,
            )
        ),
        max_leaves=8,
    )
)
def test_no_sidecar_whatever_it_holds_gets_a_plan_loaded(content: Any) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / plans.plan_name(KEY)).write_bytes(PLAN)
        sidecar_of(folder).write_text(json.dumps(content))
        with pytest.raises(ContractError):
            find(folder)
        sidecar_of(folder).write_text(json.dumps({**HEAD, "content": content}))
        assert find(folder) is None  # in order, but nobody signed it
        assert len(plans.others([folder], KEY, SECRET)) == 1


@pytest.mark.parametrize("nth", [1, 2])
def test_a_rename_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    real, calls = os.replace, []

    def rename(source: Any, target: Any) -> None:
        calls.append(target)
        if len(calls) == nth:
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", rename)
    with pytest.raises(OSError, match="No space left on device"):
        publish(tmp_path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("point", range(1, 6))
def test_a_process_killed_while_it_publishes_leaves_no_half_engine(
    tmp_path: Path, point: int
) -> None:
    code = f"""
import os, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from dae_edge.backends.tensorrt import plans
from dae_edge.backends.tensorrt.key import EngineKey
passed = 0
def watch(name, real):
    def call(*arguments):
        global passed
        passed += 1
        if passed == {point}:
            os.kill(os.getpid(), 9)
        return real(*arguments)
    setattr(os, name, call)
watch("replace", os.replace)
watch("fsync", os.fsync)
key = EngineKey(*{[getattr(KEY, field.name) for field in fields(KEY)]!r})
plans.publish([Path({str(tmp_path)!r})], key, {PLAN!r}, {ABOUT!r}, {SECRET!r})
"""
    code = subprocess.run([sys.executable, "-c", code], check=False).returncode
    assert code == (0 if point == 5 else -9)
    found = find(tmp_path)
    assert (found is not None) == (point == 5)
    publish(tmp_path)  # and the next one succeeds, and clears up
    assert len(os.listdir(tmp_path)) == 2


# ---- Whose engine it is --------------------------------------------------------------------------


def test_an_engine_that_was_built_elsewhere_is_not_loaded_and_not_touched(
    folder: Path, tmp_path: Path
) -> None:
    other, cache = bytes(32), tmp_path / "cache"
    assert find(folder, secret=other) is None
    (line,) = plans.others([folder], KEY, other)
    assert line == f"engine-{KEY.short}.plan: not built here, so not trusted"
    ours = publish(folder, cache, plan=b"ours", secret=other)
    assert ours.path.parent == cache
    assert find(folder, cache, secret=other) == ours
    theirs = find(folder, cache)
    assert theirs is not None
    assert theirs.plan == PLAN


def test_in_the_users_own_folder_an_engine_of_a_lost_secret_is_replaced(folder: Path) -> None:
    assert publish(folder, plan=b"new", secret=bytes(32)).plan == b"new"
    assert find(folder) is None
    assert len(os.listdir(folder)) == 2


@pytest.mark.parametrize("field", ["key", "plan", "parity", "warnings", "signature"])
def test_a_sidecar_that_was_edited_is_not_trusted(folder: Path, field: str) -> None:
    about = json.loads(sidecar_of(folder).read_text())
    about[field] = {**about[field], "more": 1} if field in ("key", "plan", "parity") else "ä"
    sidecar_of(folder).write_text(json.dumps(about))
    assert find(folder) is None


def test_the_secret_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "cache"
    secret = secret_of(folder)
    assert secret == secret_of(folder) != secret_of(tmp_path)
    assert os.listdir(folder) == [SECRET_FILE]
    assert (folder / SECRET_FILE).stat().st_mode & 0o777 == 0o600
    (folder / SECRET_FILE).write_bytes(b"short")
    with pytest.raises(OSError, match="wanted 32 bytes, got 5; delete it"):
        secret_of(folder)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"\$DAE_CACHE can name another folder"):
        secret_of(tmp_path / "file" / "cache")
