"""Accounts and assets as people read them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from closeout.units import WAD_DECIMALS

__all__ = ["AssetName", "account_text", "amount_text", "usd_text"]


@dataclass(frozen=True, slots=True)
class AssetName:
    """A listed asset's symbol and decimals."""

    symbol: str
    decimals: int


def account_text(account: int, is_short: bool = True) -> str:
    """Owner and index of an AccountId: `0x1234…cdef/0`."""
    owner, index = f"0x{account >> 96:040x}", account & (2**96 - 1)
    return f"{owner[:6]}…{owner[-4:]}/{index}" if is_short else f"{owner}/{index}"


def usd_text(value_wad: int, *, is_signed: bool = False) -> str:
    """Whole dollars from 1 000 up, cents below."""
    number = Decimal(value_wad).scaleb(-WAD_DECIMALS)
    rounded = number.quantize(Decimal(1) if abs(number) >= 1000 else Decimal("0.01"), ROUND_HALF_EVEN)
    sign = "−" if rounded < 0 else "+" if is_signed and rounded > 0 else ""
    return f"{sign}${abs(rounded):,}"


def amount_text(units: int, decimals: int) -> str:
    """A token amount with six digits behind the point at most."""
    return f"{Decimal(units).scaleb(-decimals):,.6f}".rstrip("0").rstrip(".")
