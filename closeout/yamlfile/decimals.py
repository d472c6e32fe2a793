"""Decimals of a file: read exactly, compared exactly, turned into the chain's integers exactly.

No function here goes through a binary float or through a decimal context that rounds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from closeout.errors import BadInput
from closeout.units import WAD, WAD_DECIMALS, parse_units

__all__ = ["Bounds", "format_wad", "parse_decimal", "to_units"]

_NUMBER = re.compile(r"[+-]?(\d+(_\d+)*(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?")
_LONGEST_NUMBER = 120


def parse_decimal(value: Any) -> Decimal | None:
    """The decimal that a scalar says, or None where it says none. Binary floats say none."""
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, str) and len(value) <= _LONGEST_NUMBER and value.isascii() and _NUMBER.fullmatch(value):
        return Decimal(value)
    return None


def to_units(value: Decimal, decimals: int) -> int | None:
    """`value * 10^decimals` as an integer, or None where `value` is negative or has more digits."""
    try:
        return parse_units(value, decimals)
    except BadInput:
        return None


def format_wad(value: int) -> str:
    """A WAD number that is not negative as decimal text with all its 18 decimals."""
    whole, fraction = divmod(value, WAD)
    return f"{whole}.{fraction:0{WAD_DECIMALS}d}"


@dataclass(frozen=True)
class Bounds:
    """What a single number may be, and how an error says so. Never negative. `decimals` None: any number of them."""

    low: Decimal
    high: Decimal
    decimals: int | None = WAD_DECIMALS
    is_low_open: bool = False
    is_high_open: bool = False
    what: str = "a number"

    def allows(self, value: Decimal) -> bool:
        """Whether `value` lies within, digits included."""
        if value < self.low or (self.is_low_open and value == self.low):
            return False
        if value > self.high or (self.is_high_open and value == self.high):
            return False
        return self.decimals is None or to_units(value, self.decimals) is not None

    def __str__(self) -> str:
        digits = "" if self.decimals is None else f", with at most {self.decimals} decimals"
        if self.decimals == 0:
            digits = ", without decimals"
        left, right = "(" if self.is_low_open else "[", ")" if self.is_high_open else "]"
        return f"{self.what} in {left}{self.low:f}, {self.high:f}{right}{digits}"
