"""Download one file over HTTP: whole, checked and resumable, or not at all.

Only files whose checksum is known are resumed: of the others nobody could tell whether the two
halves belong together. Refuses to replace a file, and to be led from https to another scheme.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from dae_edge import _native
from dae_edge.catalogue import Entry
from dae_edge.errors import FormatError

TIMEOUT_S = 30
PIECE = 1 << 18


def download(
    entry: Entry, folder: Path, *, progress: Callable[[int, int], None] = lambda done, total: None
) -> str:
    """Bring a file of the catalogue into a folder, which is made once the server answers.

    An interrupted download leaves NAME.part behind where it can be resumed, else nothing.

    Args:
        entry: What to download.
        folder: Where to.
        progress: Called with the bytes that are here and the bytes there are in all; 0: unknown.

    Returns:
        The sha256 of the file, in hexadecimal.

    Raises:
        FileExistsError: another file of that name is there.
        ConnectionError: the server cannot be reached, refuses, or stops in the middle.
        FormatError: what came is not the published file; it is deleted.
    """
    path = folder / entry.file
    part = path.with_name(path.name + ".part")
    if path.exists():
        return _already_there(entry, path)
    try:
        have = part.stat().st_size if entry.sha256 and part.exists() else 0
        if not entry.sha256 or have != entry.bytes:
            _receive(entry, part, have if have < entry.bytes else 0, progress)
        digest = _sha256(part)
        if entry.sha256 not in ("", digest):
            raise FormatError(
                f"{entry.place}: not the published file: wanted sha256 {entry.sha256[:16]}..., got "
                f"{digest[:16]}...; what came is deleted"
            )
        os.replace(part, path)
    except BaseException as error:
        resumable = entry.sha256 and not isinstance(error, FormatError)
        if part.exists() and not (resumable and part.stat().st_size):
            part.unlink()
        raise
    return digest


def _already_there(entry: Entry, path: Path) -> str:
    digest = _sha256(path)
    if entry.sha256 not in ("", digest):
        raise FileExistsError(
            f"{path}: another file of this name is there (sha256 {digest[:16]}..., wanted "
            f"{entry.sha256[:16]}...): move it away, or choose another folder"
        )
    return digest


def _receive(entry: Entry, part: Path, have: int, progress: Callable[[int, int], None]) -> None:
    with _connect(entry.place, have) as response:
        done = have if response.status == 206 else 0  # a server may start over: 200
        total = 0 if response.length is None else done + response.length
        if entry.bytes and total not in (0, entry.bytes):
            raise FormatError(
                f"{entry.place}: not the published file: wanted {entry.bytes} bytes, "
                f"the server has {total}"
            )
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab" if done else "wb") as file:
            while piece := _read(response, entry.place):
                file.write(piece)
                done += len(piece)
                progress(done, total)
                if entry.bytes and done > entry.bytes:
                    raise FormatError(f"{entry.place}: more than the published {entry.bytes} bytes")
    wanted = total or entry.bytes
    if done < wanted:
        again = ": the same command goes on from there" if entry.sha256 else ""
        raise ConnectionError(f"{entry.place}: ended after {done} of {wanted} bytes{again}")


def _connect(url: str, have: int) -> HTTPResponse:
    """The answer to a request for all bytes from ``have`` on."""
    headers = {"User-Agent": f"dae-edge/{_native.VERSION}"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        response: HTTPResponse = urlopen(Request(url, headers=headers), timeout=TIMEOUT_S)
    except HTTPError as error:
        error.close()
        raise ConnectionError(f"{url}: the server answers {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise ConnectionError(f"{url}: cannot be reached: {reason}") from error
    asked, answered = urlsplit(url).scheme, urlsplit(response.url).scheme
    begins = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
    if (asked == "https" != answered) or (response.status == 206 and not begins):
        response.close()
        raise ConnectionError(f"{url}: the server answers with something else than was asked for")
    return response


def _read(response: HTTPResponse, url: str) -> bytes:
    try:
        return response.read(PIECE)
    except (OSError, HTTPException) as error:
        raise ConnectionError(f"{url}: the connection broke: {error}") from error


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()
