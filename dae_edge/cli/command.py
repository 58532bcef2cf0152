"""What all commands share: exit codes, one readable line for an error, --verbose for the trace."""

from __future__ import annotations

import argparse
import signal
import sys
import textwrap
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from dae_edge._native import VERSION
from dae_edge.errors import BudgetError

PROMISE_NOT_MET = 1
BAD_INPUT = 2
INTERRUPTED = 130


def parser(name: str, description: str, *, examples: str = "") -> argparse.ArgumentParser:
    """A parser with --verbose and --version."""
    made = argparse.ArgumentParser(
        name,
        description=textwrap.fill(description, 79),  # the formatter leaves text as it is
        epilog=f"examples:\n{examples}" if examples else None,
        formatter_class=_Help,
    )
    made.add_argument("--verbose", action="store_true", help="show the trace of an error")
    made.add_argument("--version", action="version", version=f"dae-edge {VERSION}")
    return made


class _Help(argparse.RawDescriptionHelpFormatter):
    """Breaks no name at its hyphens, so that it can be found and copied."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """In the block a first Ctrl-C (or SIGTERM) only sets the event; a second one interrupts."""
    stop = threading.Event()

    def heard(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, heard) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(
    main: Callable[[argparse.Namespace], int],
    arguments: argparse.ArgumentParser,
    argv: Sequence[str] | None,
) -> int:
    """Parse and run: 0 done, 1 a promise is not met, 2 bad input, 130 interrupted."""
    options = arguments.parse_args(argv)
    try:
        return main(options)
    except KeyboardInterrupt:
        print(f"{arguments.prog}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return 0  # the reader of our output has seen enough
    except Exception as error:
        if options.verbose:
            traceback.print_exc()
        line = " ".join(str(error).split()) or type(error).__name__
        print(f"{arguments.prog}: error: {line}", file=sys.stderr)
        return PROMISE_NOT_MET if isinstance(error, BudgetError) else BAD_INPUT
