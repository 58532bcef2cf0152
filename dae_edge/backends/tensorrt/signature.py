"""Whose engine is it? A plan is code, and a bundle may come from anywhere.

So an engine that lies in a bundle is loaded only if it was built here: its sidecar is signed with a
secret that never leaves the user's cache folder. One from elsewhere is left alone, and built anew.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FIELD = "signature"
SECRET_FILE = "engine-secret"
_BYTES = 32


def secret_of(folder: Path) -> bytes:
    """The secret in a cache folder, made at first use and readable by its owner only.

    Raises:
        OSError: the folder cannot be written, or what is there is no secret.
    """
    path = folder / SECRET_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            aside = folder / f".{SECRET_FILE}.{secrets.token_hex(4)}"
            descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(_BYTES))
            try:
                os.link(aside, path)  # fails where another process was faster, whose secret stays
            except FileExistsError:
                pass
            finally:
                aside.unlink()
        secret = path.read_bytes()
    except OSError as error:
        raise OSError(f"{error} ($DAE_CACHE can name another folder)") from error
    if len(secret) != _BYTES:
        raise OSError(f"{path}: wanted {_BYTES} bytes, got {len(secret)}; delete it")
    return secret


def signed(about: Mapping[str, Any], secret: bytes) -> dict[str, Any]:
    """A sidecar's content with its signature."""
    return {**about, FIELD: _signature(about, secret)}


def is_signed(about: Mapping[str, Any], secret: bytes) -> bool:
    """Whether the content was signed with this secret, and not changed since."""
    signature = about.get(FIELD)
    wanted = _signature(about, secret)
    return isinstance(signature, str) and hmac.compare_digest(signature.encode(), wanted.encode())


def _signature(about: Mapping[str, Any], secret: bytes) -> str:
    content = {name: value for name, value in about.items() if name != FIELD}
    text = json.dumps(content, sort_keys=True)
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
