"""Fixed-point scales and exact decimal text. No binary floats anywhere.

| scale | is | used for |
| --- | --- | --- |
| WAD | 1e18 | prices (USD per whole token), rates, fractions, health factors, values at the edges |
| RAY | 1e27 | values inside (see docs/liquidation.md, section 1) |
| BPS | 1e4 | ltv, liquidation threshold, largest bonus, reserve factor |
| RATE | 1e9 | yearly interest rates |
"""

from __future__ import annotations

from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, Inexact, InvalidOperation, Rounded

from closeout.errors import BadInput

__all__ = ["BPS", "RATE", "RAY", "SECONDS_PER_YEAR", "WAD", "WAD_DECIMALS", "format_units", "parse_units"]

WAD_DECIMALS = 18
WAD = 10**18
RAY = 10**27
BPS = 10**4
RATE = 10**9
SECONDS_PER_YEAR = 31_536_000

_LARGEST_EXPONENT = 100
"""Beyond any amount there is; keeps `1e999999999` from filling the memory."""

_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[InvalidOperation, Inexact, Rounded])


def parse_units(value: str | int | Decimal, decimals: int, where: str = "amount") -> int:
    """Integer of `value` in units of `10**-decimals`, exact.

    Raises BadInput, naming `where`, for anything but a finite decimal number that is not negative and has no more
    than `decimals` digits behind the point. A float is refused: it is not the number that was written.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise BadInput(where, value, "a decimal number")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise BadInput(where, value, "a decimal number") from None
    if not number.is_finite() or abs(number.adjusted()) > _LARGEST_EXPONENT:
        raise BadInput(where, value, "a finite decimal number")
    if number < 0:
        raise BadInput(where, value, "a number that is not negative")
    scaled = number.scaleb(decimals, _EXACT)
    if scaled != scaled.to_integral_value():
        raise BadInput(where, value, f"at most {decimals} digits behind the point")
    return int(scaled)


def format_units(units: int, decimals: int) -> str:
    """`units` of `10**-decimals` as decimal text, exact, without trailing zeros: the inverse of `parse_units`."""
    sign = "-" if units < 0 else ""
    whole, part = divmod(abs(units), 10**decimals)
    digits = f"{part:0{decimals}d}".rstrip("0") if part else ""
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"
