"""What is wrong with a file, in one line: where, what was found, what was expected."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from closeout.errors import BadInput

from .decimals import parse_decimal

__all__ = ["BadFile", "dotted", "one_of", "shown"]

_LONGEST = 60
# what a private key looks like: an error message ends in logs
_SECRET = re.compile(r"(0x)?[0-9a-fA-F]{64}")


class BadFile(BadInput):
    """A file of ours, or one it names, that is refused before anything is started.

    `where` is a key's path (`accounts.alice.debt.USDC`) or a place in another file; `found` reads as text. The reader
    of the file adds its name.
    """

    def __init__(self, where: str, found: str, expected: str, file: str = "") -> None:
        super().__init__(where, found, expected)
        self.file = file

    def __str__(self) -> str:
        place = ": ".join(part for part in (self.file, self.where) if part)
        return _on_one_line(f"{place}: found {self.found}, expected {self.expected}")

    def within(self, file: str) -> BadFile:
        """The same, with the name of the file it is about, unless it already has one."""
        return self if self.file else BadFile(self.where, str(self.found), self.expected, file)


def dotted(path: Sequence[str | int]) -> str:
    """A key's path as a reader writes it: `steps[3].close_out.fill`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "file"


def shown(value: Any) -> str:
    """A value as it stands in an error: short, and on one line."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and _SECRET.fullmatch(value):
        return "32 bytes in hex, not shown"
    if isinstance(value, int | float | Decimal) or parse_decimal(value) is not None:
        return _shortened(str(value))
    return _shortened(json.dumps(str(value), ensure_ascii=False))


def one_of(names: Sequence[str]) -> str:
    """Names to choose from, as an expectation."""
    if not names:
        return "none (there is nothing to choose from)"
    return names[0] if len(names) == 1 else f"one of {', '.join(names)}"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _on_one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
