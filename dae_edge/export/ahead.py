"""What can be proven of a TensorRT target without its device: NVIDIA's own parser and builder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dae_edge.errors import MissingExtraError


def ahead_of_time(onnx: Path) -> dict[str, Any]:
    """Parse and build a file with TensorRT for RTX; nothing is executed.

    Returns:
        For report.json; ``{"built": False, "reason": ..}`` where RTX is not installed.

    Raises:
        ContractError: NVIDIA's parser or builder refuses the file.
    """
    from dae_edge.backends.tensorrt.ahead import build_ahead

    try:
        return {"built": True, **build_ahead(onnx)}
    except MissingExtraError as error:
        return {"built": False, "reason": str(error)}
