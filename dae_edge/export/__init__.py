"""Checkpoint to bundle: ONNX after the contract, the target's form, a verdict."""

from dae_edge.export.exporting import ExportResult, export_bundle

__all__ = ["ExportResult", "export_bundle"]
