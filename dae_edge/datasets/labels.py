"""Which depth the samples of a dataset carry: the true one, a teacher's, or both."""

from __future__ import annotations

import re
from dataclasses import dataclass

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Names of proxy labels: they become the end of a folder's name."""


@dataclass(frozen=True)
class Labels:
    """Where depth comes from.

    Attributes:
        truth: Samples with the dataset's own depth.
        proxy: Name of the proxy labels of which there are samples too; None: of none.
    """

    truth: bool = True
    proxy: str | None = None

    @classmethod
    def read(cls, text: str) -> Labels:
        """From ``"truth"``, ``"proxy:NAME"`` or ``"hybrid:NAME"``, which has samples of both.

        >>> Labels.read("hybrid:dav2-large")
        Labels(truth=True, proxy='dav2-large')

        Raises:
            ValueError: anything else.
        """
        kind, _, name = text.partition(":")
        if text == "truth":
            return cls()
        if kind not in ("proxy", "hybrid") or not name:
            raise ValueError(f"labels are 'truth', 'proxy:NAME' or 'hybrid:NAME', got {text!r}")
        return cls(truth=kind == "hybrid", proxy=proxy_name(name))


TRUTH = Labels()
"""The dataset's own depth and nothing else."""


def proxy_name(name: str) -> str:
    """The name itself, if it can be one of proxy labels.

    Raises:
        ValueError: it is not letters, digits, dots, dashes and underscores.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"proxy labels cannot be named {name!r}: letters, digits, . _ - only")
    return name
