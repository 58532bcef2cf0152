"""Load optional dependencies where they are used, with an error that names the extra to install."""

from __future__ import annotations

import importlib
from typing import Any

from dae_edge.errors import MissingExtraError


def require(module: str, *, extra: str, purpose: str) -> Any:
    """Import ``module``, or say which extra brings it.

    >>> require("json", extra="none", purpose="this example").loads("[1]")
    [1]

    Raises:
        MissingExtraError: the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != module.split(".")[0]:
            raise  # the module is there, but one of its own dependencies is not
        message = f"{purpose} needs {module!r}: pip install 'dae-edge[{extra}]'"
        raise MissingExtraError(message) from error
