"""dae-fetch: where published weights are; download them when asked to; .pth to .safetensors."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from dae_edge import catalogue
from dae_edge.catalogue import Entry
from dae_edge.cli import command
from dae_edge.cli.progress import Progress
from dae_edge.download import download
from dae_edge.hints import closest

EXAMPLES = """\
  dae-fetch list
  dae-fetch get depth-anything-v2-small --to weights
  dae-fetch get rec_dav2/finetuned_dsec
      says what to do by hand where no command can
  dae-fetch convert finetuned_dsec.pth finetuned_dsec.safetensors
      with configuration, licence and origin inside"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    arguments = command.parser(
        "dae-fetch",
        "Say where published weights and datasets are and under which licence, download weights, "
        "convert checkpoints. Nothing is downloaded but by `get`.",
        examples=EXAMPLES,
    )
    commands = arguments.add_subparsers(dest="command", required=True, metavar="COMMAND")

    listing = commands.add_parser("list", help="what is published: name, licence, checksum, place")
    listing.add_argument("--json", action="store_true", help="print JSON instead of a table")

    getting = commands.add_parser("get", help="download one, or say how to get it by hand")
    getting.add_argument("name", help="as in `dae-fetch list`")
    getting.add_argument(
        "--to", type=Path, default=Path(), metavar="DIR", help="folder to put it in (here)"
    )

    converting = commands.add_parser("convert", help="checkpoint to .safetensors, checked")
    converting.add_argument("checkpoint", type=Path, help=".pth or .safetensors")
    converting.add_argument("out", type=Path, help="NAME.safetensors")
    converting.add_argument(
        "--config", type=Path, metavar="FILE", help="go by this config.json, not the one found"
    )
    return command.run(_fetch, arguments, argv)


def _fetch(options: argparse.Namespace) -> int:
    if options.command == "list":
        return _list(as_json=options.json)
    if options.command == "get":
        return _get(options.name, options.to)
    return _convert(options.checkpoint, options.out, options.config)


def _list(*, as_json: bool) -> int:
    if as_json:
        print(json.dumps([asdict(entry) for entry in catalogue.ENTRIES], indent=2))
        return 0
    heads = ("NAME", "WHAT", "LICENCE", "CHECKSUM", "WHERE")
    rows = [heads, *(_row(entry) for entry in catalogue.ENTRIES)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
    return 0


def _row(entry: Entry) -> tuple[str, str, str, str, str]:
    size = f", {entry.bytes / 1e6:.0f} MB" if entry.bytes else ""
    place = entry.place if entry.file else f"by hand: {entry.place}"
    known = "known" if entry.sha256 else "not known"
    return entry.name, entry.about + size, entry.licence, known, place


def _get(name: str, folder: Path) -> int:
    entries = {entry.name: entry for entry in catalogue.ENTRIES}
    if name not in entries:
        raise ValueError(f"nothing is published as {name!r}{closest(name, entries)}")
    entry = entries[name]
    if not entry.file:
        print(f"{entry.name}: {entry.about}\nlicence: {entry.licence}\nby hand: {entry.place}")
        for number, step in enumerate(entry.steps, 1):
            print(f"  {number}. {step}")
        return command.BAD_INPUT  # nothing was fetched
    path = folder / entry.file
    there = path.exists()
    digest = _with_progress(entry, folder)
    known = "as published" if entry.sha256 else "none is published to compare it with"
    print(f"{path}: {'already there' if there else 'done'}, {path.stat().st_size / 1e6:.1f} MB")
    print(f"sha256 {digest} ({known})")
    print(f"licence: {entry.licence}")
    return 0


def _with_progress(entry: Entry, folder: Path) -> str:
    total = round(entry.bytes / 1e6) or None
    bar = Progress(entry.file, total=total, unit=" MB")
    try:
        return download(
            entry, folder, progress=lambda done, total: bar.to(round(done / 1e6), entry.name)
        )
    finally:
        bar.close()


def _convert(source: Path, out: Path, config: Path | None) -> int:
    # torch takes seconds to load: only where it is needed
    from dae_edge.nn.checkpoint import read_checkpoint, save_safetensors

    checkpoint = read_checkpoint(source, config=config)
    save_safetensors(checkpoint, out)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, {len(checkpoint.state)} tensors")
    print(f"source: {checkpoint.source}, sha256 {checkpoint.source_sha256}")
    print(f"licence: {checkpoint.licence}")
    if checkpoint.config is None:
        print("configuration: none found; the recipe of the export decides")
    return 0


if __name__ == "__main__":
    sys.exit(main())
