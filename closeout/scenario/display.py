"""Numbers for people: rounded, grouped, short. The exact ones are in the result's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

from closeout.units import WAD_DECIMALS, format_units

from .result import ScenarioResult, Value
from .world import Asset

__all__ = ["Clock", "amount_text", "amounts_text", "health_text", "money_text", "percent_text"]

_HEALTH_DECIMALS = 4


def money_text(value: Value, *, signed: bool = False) -> str:
    """USD: whole dollars from 1 000 up, cents below."""
    number = Decimal(str(value))
    places = 0 if abs(number) >= 1000 else 2
    rounded = _rounded(number, places)
    sign = "−" if rounded < 0 else "+" if signed and rounded > 0 else ""
    return f"{sign}${abs(rounded):,.{places}f}"


def amount_text(units: int, decimals: int) -> str:
    """A token amount with about six significant digits; never shown as 0 where it is not."""
    number = Decimal(format_units(units, decimals))
    if number == number.to_integral_value():
        return f"{number:,.0f}"
    magnitude = number.adjusted() if number else 0
    places = min(decimals, max(2, 5 - magnitude)) if magnitude < 4 else min(decimals, 2)
    return f"{_rounded(number, places):,.{places}f}"


def amounts_text(amounts: Mapping[str, int], assets: Mapping[str, Asset], separator: str = " + ") -> str:
    """Several token amounts with their names, or a dash."""
    return (
        separator.join(f"{amount_text(units, assets[name].decimals)} {name}" for name, units in amounts.items()) or "–"
    )


def health_text(health_wad: int | None) -> str:
    """A health factor, rounded down: what is below 1 never reads as 1."""
    if health_wad is None:
        return "no debt"
    scaled = health_wad // 10 ** (WAD_DECIMALS - _HEALTH_DECIMALS)
    return f"{Decimal(scaled).scaleb(-_HEALTH_DECIMALS):,.{_HEALTH_DECIMALS}f}"


def percent_text(rate_wad: int) -> str:
    """A WAD ratio in per cent, two decimals."""
    return f"{_rounded(Decimal(format_units(rate_wad, WAD_DECIMALS)) * 100, 2):.2f} %"


class Clock:
    """When a step was, for a reader: the date of a price path that has dates, else time since the opening."""

    def __init__(self, result: ScenarioResult) -> None:
        path = result.scenario.price_path
        first = next((step.time for step in result.steps if step.kind == "price_path"), None)
        # Unix times before 2001 are more likely seconds since something else.
        has_dates = path is not None and first is not None and path.times[0] >= 1_000_000_000
        self._epoch = path.times[0] - first if has_dates and path is not None and first is not None else None

    @property
    def epoch(self) -> int | None:
        """Unix time of the opening, where the price path says it."""
        return self._epoch

    def text(self, time: int) -> str:
        """The moment, to the second."""
        if self._epoch is not None:
            return datetime.fromtimestamp(self._epoch + time, UTC).strftime("%d %b %Y %H:%M:%S")
        days, rest = divmod(time, 86_400)
        text = f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
        return f"{days} d {text}" if days else text


def _rounded(number: Decimal, places: int) -> Decimal:
    return number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)
