"""What a report draws: times, prices, health factors and marks, small enough to travel inside one page.

Drawing needs four decimals of a health factor and six digits of a price. The numbers are sent as differences of whole
numbers, which is a third of their text. Nothing here is used for anything but drawing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from closeout.units import WAD, WAD_DECIMALS

from ..display import Clock, amounts_text, health_text, money_text, percent_text
from ..engine import AccountState, CloseOutRecord
from ..result import ScenarioResult, StepRecord, token_value

__all__ = ["report_data"]

MOST_ROWS = 12_000
_HEALTH_SCALE = 10_000
_HIGHEST_HEALTH = 100 * _HEALTH_SCALE
_PRICE_DIGITS = 6


def report_data(result: ScenarioResult) -> dict[str, Any]:
    """Everything the page's script needs, ready for JSON."""
    records = [result.opening, *result.steps]
    drawn = [records[index] for index in _rows_to_draw(records)]
    protocol = result.scenario.world.protocol
    return {
        "epoch": Clock(result).epoch,
        "times": _differences([record.time for record in drawn]),
        "prices": [_price_series(name, drawn) for name in _moving_assets(result, drawn)],
        "accounts": [_account_series(name, drawn) for name in result.scenario.world.accounts],
        "marks": _marks(result),
        "target": protocol.target_health_wad / WAD,
        "call": protocol.margin_call_health_wad / WAD,
    }


def _rows_to_draw(records: Sequence[StepRecord]) -> Sequence[int]:
    """All rows, or, of a very long path, the extremes of every series in equal stretches, and every close-out."""
    if len(records) <= MOST_ROWS:
        return range(len(records))
    prices, accounts = records[0].prices_wad, records[0].accounts
    stretch = max(1, len(records) * 2 * (len(prices) + len(accounts)) // MOST_ROWS)
    kept = {0, len(records) - 1}
    for start in range(0, len(records), stretch):
        rows = range(start, min(start + stretch, len(records)))
        for name in prices:
            kept.add(min(rows, key=lambda row: records[row].prices_wad[name]))
            kept.add(max(rows, key=lambda row: records[row].prices_wad[name]))
        for name in accounts:
            healths = [(records[row].accounts[name].health_wad, row) for row in rows]
            known = [(health, row) for health, row in healths if health is not None]
            kept.update((min(known)[1], max(known)[1]) if known else ())
    for row, record in enumerate(records):
        if record.close_outs:
            kept.update((max(row - 1, 0), row))
    return sorted(kept)


def _moving_assets(result: ScenarioResult, records: Sequence[StepRecord]) -> list[str]:
    opening = result.opening.prices_wad
    return [name for name in opening if any(record.prices_wad[name] != opening[name] for record in records)]


def _price_series(name: str, records: Sequence[StepRecord]) -> dict[str, Any]:
    highest = max(record.prices_wad[name] for record in records)
    # so many decimals that the highest price has six digits, and no more than a WAD has
    decimals = min(WAD_DECIMALS, max(0, _PRICE_DIGITS + WAD_DECIMALS - len(str(highest))))
    unit = 10 ** (WAD_DECIMALS - decimals)
    return {
        "name": name,
        "decimals": decimals,
        "values": _differences([record.prices_wad[name] // unit for record in records]),
    }


def _account_series(name: str, records: Sequence[StepRecord]) -> dict[str, Any]:
    return {"name": name, "values": _differences([_drawn_health(record.accounts[name]) for record in records])}


def _drawn_health(state: AccountState) -> int | None:
    return None if state.health_wad is None else _scaled_health(state.health_wad)


def _scaled_health(health_wad: int) -> int:
    return min(_HIGHEST_HEALTH, health_wad * _HEALTH_SCALE // WAD)


def _marks(result: ScenarioResult) -> list[dict[str, Any]]:
    clock = Clock(result)
    positions = {name: position for position, name in enumerate(result.scenario.world.accounts)}
    return [
        {
            "account": positions[record.account],
            "time": step.time,
            "regime": record.regime,
            "before": _scaled_health(record.health_before_wad),
            "after": None if record.health_after_wad is None else _scaled_health(record.health_after_wad),
            "when": clock.text(step.time),
            "lines": _mark_lines(result, step, record),
        }
        for step in result.steps
        for record in step.close_outs
    ]


def _mark_lines(result: ScenarioResult, step: StepRecord, record: CloseOutRecord) -> list[tuple[str, str]]:
    assets = result.scenario.world.assets

    def both(amounts: Mapping[str, int]) -> str:
        return f"{amounts_text(amounts, assets)} ({money_text(token_value(amounts, step.prices_wad, assets))})"

    penalty = token_value(record.seized, step.prices_wad, assets) - token_value(record.repaid, step.prices_wad, assets)
    lines = [
        ("health", f"{health_text(record.health_before_wad)} → {health_text(record.health_after_wad)}"),
        ("repaid", both(record.repaid)),
        ("seized", both(record.seized)),
        ("penalty", f"{percent_text(record.penalty_rate_wad)} ({money_text(penalty)})"),
    ]
    if record.bad_debt:
        lines.append(("bad debt", both(record.bad_debt)))
    return lines


def _differences(values: Sequence[int | None]) -> list[int | None]:
    """Each value less the one before it that is one; gaps stay gaps."""
    differences: list[int | None] = []
    last = 0
    for value in values:
        differences.append(None if value is None else value - last)
        last = last if value is None else value
    return differences
