"""The errors a user of dae_edge can meet, beyond Python's own ValueError and TypeError."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class FormatError(ValueError):
    """A file of events is not what it claims to be, or lacks what is needed to read it."""


class ContractError(ValueError):
    """A bundle or an ONNX file breaks the contract of export/README.md."""


class BudgetError(Exception):
    """A measured error exceeds what was promised. Not bad input: the promise is not met.

    Attributes:
        report: What was measured, as in report.json; None where there is nothing to tell.
    """

    def __init__(self, message: str, report: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.report = report


class MissingExtraError(ImportError):
    """An optional dependency is not installed; the message names the command that installs it."""
