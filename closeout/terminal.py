"""A command at a terminal: consoles wide enough for tables, one line per failure, an exit status for each kind."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click
from rich.console import Console

from closeout.errors import CloseoutError

__all__ = ["INTERRUPTED", "console", "one_line_errors"]

INTERRUPTED = 130
TERMINATED = 143
# Tables need room; where the width is not a terminal's, it is ours to choose.
WIDTH_WITHOUT_TERMINAL = 160


def console(*, stderr: bool = False) -> Console:
    """Standard output or error, for people and for files."""
    made = Console(stderr=stderr)
    if not made.is_terminal:
        made.width = WIDTH_WITHOUT_TERMINAL
    return made


@contextmanager
def one_line_errors(interrupted: str) -> Iterator[None]:
    """Ends the process as closeout/errors.py says; `interrupted` is what Ctrl-C answers."""
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # Ape's own exits without a word
    try:
        yield
    except CloseoutError as error:
        click.echo(str(error), err=True)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        click.echo(interrupted, err=True)
        raise SystemExit(INTERRUPTED) from None


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(TERMINATED)
