"""The verdict of an export as a page for people: report.md."""

from __future__ import annotations

from typing import Any

from dae_edge.export.parity import Parity


def markdown(manifest: dict[str, Any], proofs: list[Parity]) -> str:
    """What was exported, and how far each engine is from torch."""
    width, height = manifest["input"]["sensor"]
    lines = [
        f"# {manifest['model']['name']} for {manifest['target']}, {width}x{height}",
        "",
        f"Weights: {manifest['weights']['source']} (sha256 {manifest['weights']['sha256'][:16]})",
    ]
    if not manifest["weights"]["trained"]:
        lines += ["", "**Untrained weights: the depth has no meaning.**"]
    if proofs[0].stepwise:
        lines += [
            "",
            "In this model rounding grows from window to window, in torch and engines alike: each",
            "window was compared from torch's state, not from the engine's own.",
        ]
    lines += [
        "",
        "Engine against torch in float32, over consecutive windows of the shipped sample with the",
        "state carried along; the worst window of each error, and the limit.",
        "",
        "| engine | windows | depth, mean relative | depth, 99.9th percentile | state | verdict |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for proof in proofs:
        cells = [
            f"{value:.1e} (limit {proof.limits[name]:.0e})" for name, value in proof.worst.items()
        ]
        verdict = "passed" if proof.passed else "failed"
        lines.append(f"| {proof.engine} | {len(proof.windows)} | {' | '.join(cells)} | {verdict} |")
    versions = ", ".join(f"{name} {value}" for name, value in manifest["created_with"].items())
    return "\n".join([*lines, "", f"Made with {versions}.", ""])
