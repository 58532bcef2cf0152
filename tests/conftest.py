"""Fixtures that many test files share: where golden vectors and real recordings are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = Path(__file__).resolve().parent / "golden"


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of outputs of the official code (see golden/README.md)."""
    return GOLDEN


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of real event-camera files, which are not ours to ship."""
    folder = Path(os.environ.get("DAE_RECORDINGS", ROOT.parent / "shared" / "recordings"))
    if not folder.is_dir():
        pytest.skip(f"no real recordings at {folder} (set DAE_RECORDINGS)")
    return folder
