"""The machine as a tree of files: /sys, /proc and /etc below a root, which tests put elsewhere."""

from __future__ import annotations

from pathlib import Path


class Tree:
    """Reads small files below ``root``. What is not there, or cannot be read, is None.

    Args:
        root: ``/`` on a real machine; a folder with ``sys``, ``proc`` and ``etc`` for a stand-in.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root

    @property
    def real(self) -> bool:
        """Whether it is this machine, and not a stand-in."""
        return self.root == Path("/")

    def text(self, path: str) -> str | None:
        """Content of a file, without the NULs of the device tree and surrounding blanks."""
        try:
            return (self.root / path).read_bytes().decode(errors="replace").strip(" \t\r\n\0")
        except OSError:
            return None

    def number(self, path: str) -> int | None:
        """Content of a file that holds one whole number; also ``"32760 ma"``."""
        words = (self.text(path) or "").split()
        try:
            return int(words[0]) if words else None
        except ValueError:
            return None

    def glob(self, pattern: str) -> list[str]:
        """Paths below the root, in order; folders are followed through links."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.glob(pattern))
