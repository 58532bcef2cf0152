"""The errors a user of dae_edge can meet, beyond Python's own ValueError and TypeError."""


class FormatError(ValueError):
    """A file of events is not what it claims to be, or lacks what is needed to read it."""


class ContractError(ValueError):
    """A bundle or an ONNX file breaks the contract of export/README.md."""


class BudgetError(Exception):
    """A measured error exceeds what was promised. Not bad input: the promise is not met."""


class MissingExtraError(ImportError):
    """An optional dependency is not installed; the message names the command that installs it."""
