"""TensorRT as an engine: the finished plan of this device, or a new one at first load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dae_edge import bundle as bundles
from dae_edge.backends.tensorrt.finish import Finishing
from dae_edge.backends.tensorrt.session import TensorRtSession
from dae_edge.contract import Contract
from dae_edge.errors import ContractError

if TYPE_CHECKING:
    from dae_edge.export.exporting import Steps


class TensorRtEngine:
    """An ONNX file of a bundle in TensorRT, on the first GPU.

    Args:
        path: The ONNX file, in its bundle.
        contract: Of the bundle.
        flavour: ``"tensorrt"`` or ``"tensorrt-rtx"``.
        cache: Folder for engines and timings; default: the user's cache.
        progress: Hears of the steps when the engine has to be built first.

    Attributes:
        report: Where the engine lies, and how it was proven.

    Raises:
        BudgetError: the new engine is too far from ONNX Runtime.
        ContractError: TensorRT refuses the ONNX, or the engine on disk is damaged.
        MissingExtraError: TensorRT, or ONNX Runtime for the comparison, is not installed.
        CudaError: no usable GPU, or not enough of its memory.
    """

    def __init__(
        self,
        path: Path,
        contract: Contract,
        *,
        flavour: str = "tensorrt",
        cache: Path | None = None,
        progress: Steps = lambda step, fraction=None: None,
    ) -> None:
        bundle = bundles.read(path.parent)
        if bundle.contract != contract:
            raise ContractError(f"{path}: the contract is not that of {bundle.path}")
        finishing = Finishing(path, bundle, flavour, cache=cache, progress=progress)
        self._engine, self.report = finishing.engine()
        self.contract = contract
        self.description = self._engine.description

    def session(self) -> TensorRtSession:
        """A new session with zero state; the description says if it has no CUDA graphs."""
        session = self._engine.session()
        self.description = self._engine.description
        return session
