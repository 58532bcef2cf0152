"""Plans on disk: ``engine-KEY.plan``, pristine, and ``engine-KEY.json``, what it is good for.

A plan is code, so it is checked before TensorRT sees it: the signature, the key, the size, the
sha256. The sidecar is written last: a plan without one does not exist.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dae_edge.backends.tensorrt.key import EngineKey
from dae_edge.backends.tensorrt.signature import is_signed, signed
from dae_edge.errors import ContractError

FORMAT = "dae-engine"
VERSION = 1
PATTERN = "engine-*.json"


@dataclass(frozen=True)
class FoundPlan:
    """A plan that was checked and may be loaded.

    Attributes:
        path: The plan; its sidecar has the same name with ``.json``.
        plan: Its bytes, the very ones that were checked.
        about: What the sidecar says: parity, placement, versions.
    """

    path: Path
    plan: bytes
    about: Mapping[str, Any]


def plan_name(key: EngineKey) -> str:
    """Name of the plan's file."""
    return f"engine-{key.short}.plan"


def find(folders: Sequence[Path], key: EngineKey, secret: bytes) -> FoundPlan | None:
    """The plan for ``key``, from the first folder that has one which was built here.

    Raises:
        ContractError: there is one, and it or its sidecar is damaged.
    """
    for folder in folders:
        sidecar = (folder / plan_name(key)).with_suffix(".json")
        found = _checked(sidecar, key, secret) if sidecar.is_file() else None
        if found is not None:
            return found
    return None


def others(folders: Sequence[Path], key: EngineKey, secret: bytes) -> list[str]:
    """Why the engines that are there do not serve ``key``, one line each."""
    lines = []
    for folder in folders:
        for sidecar in sorted(folder.glob(PATTERN)):
            try:
                about = _read(sidecar)
                reasons = key.differences(about["key"])
                reasons += [] if is_signed(about, secret) else ["not built here, so not trusted"]
            except ContractError as error:
                reasons = [str(error)]
            if reasons:
                lines.append(f"{sidecar.with_suffix('.plan').name}: {'; '.join(reasons)}")
    return lines


def publish(
    folders: Sequence[Path],
    key: EngineKey,
    plan: bytes,
    about: Mapping[str, Any],
    secret: bytes,
) -> FoundPlan:
    """Keep a plan in the first folder that can be written and has none for ``key`` from elsewhere.

    Both files are written aside and renamed, the sidecar last. If another process was faster, its
    plan stays: it is as good, and may be in use.

    Args:
        folders: Where to keep it; the last is the user's own.
        key: What it is good for.
        plan: Its bytes.
        about: For the sidecar.
        secret: To sign it with.

    Raises:
        OSError: none of the folders can be written.
    """
    entry = {"bytes": len(plan), "sha256": hashlib.sha256(plan).hexdigest()}
    head = {"format": FORMAT, "version": VERSION, "key": asdict(key), "plan": entry}
    content = signed({**head, **about}, secret)
    for index, folder in enumerate(folders):
        last = index == len(folders) - 1
        try:
            found = _publish(folder, key, plan, content, secret, replace=last)
        except OSError:
            if last:
                raise
            continue
        if found is not None:
            return found
    raise ValueError("no folder to keep an engine in")


def _publish(
    folder: Path,
    key: EngineKey,
    plan: bytes,
    content: Mapping[str, Any],
    secret: bytes,
    *,
    replace: bool,
) -> FoundPlan | None:
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / plan_name(key)
    with _alone(folder):
        there = find([folder], key, secret)
        if there is not None:
            return there
        if path.with_suffix(".json").exists() and not replace:
            return None  # another user's, who will look for it here
        for left in folder.glob(".engine-*"):  # by a process that died
            left.unlink(missing_ok=True)
        path.with_suffix(".json").unlink(missing_ok=True)
        _write(path, plan)
        try:
            _write(path.with_suffix(".json"), text.encode())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return FoundPlan(path, plan, content)


def _write(path: Path, content: bytes) -> None:
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # a robot may lose power before the cache reaches the disk
        os.replace(aside, path)
    except OSError as error:
        if error.filename is None:  # a full disk does not say where
            raise OSError(f"{path}: cannot be written: {error}") from error
        raise
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Only one process at a time publishes in a folder."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # and with it the lock


def _checked(sidecar: Path, key: EngineKey, secret: bytes) -> FoundPlan | None:
    about = _read(sidecar)
    if not is_signed(about, secret):
        return None
    differences = key.differences(about["key"])
    if differences:
        raise ContractError(_damaged(sidecar, f"its name and its key differ: {differences[0]}"))
    path = sidecar.with_suffix(".plan")
    if path.is_symlink() or not path.is_file():
        raise ContractError(_damaged(path, "missing, or not a plain file"))
    plan = path.read_bytes()
    entry = about["plan"]
    if len(plan) != entry["bytes"]:
        raise ContractError(_damaged(path, f"wanted {entry['bytes']} bytes, got {len(plan)}"))
    if hashlib.sha256(plan).hexdigest() != entry["sha256"]:
        raise ContractError(_damaged(path, "not the plan that passed the comparison (sha256)"))
    return FoundPlan(path, plan, about)


def _read(sidecar: Path) -> dict[str, Any]:
    try:
        about: dict[str, Any] = json.loads(sidecar.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ContractError(_damaged(sidecar, f"not JSON: {error}")) from error
    kind = (about.get("format"), about.get("version")) if isinstance(about, dict) else None
    if kind != (FORMAT, VERSION):
        raise ContractError(_damaged(sidecar, f"wanted {FORMAT} version {VERSION}, got {kind}"))
    plan, parity = about.get("plan"), about.get("parity")
    if (
        not isinstance(about.get("key"), dict)
        or not isinstance(plan, dict)
        or type(plan.get("bytes")) is not int
        or not isinstance(plan.get("sha256"), str)
        or not isinstance(parity, dict)
        or parity.get("passed") is not True
    ):
        raise ContractError(_damaged(sidecar, "wanted key, plan and a parity that was passed"))
    return about


def _damaged(path: Path, reason: str) -> str:
    return f"{path}: {reason}; delete {path.with_suffix('.json').name} to have it built anew"
