"""What a scenario came to, and its JSON: every number exact, as a decimal string."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from closeout.model import Quote
from closeout.units import WAD_DECIMALS, format_units
from closeout.yamlfile.decimals import format_wad

from .engine import AccountState, CloseOutRecord
from .world import Asset, Scenario

__all__ = ["ScenarioResult", "StepRecord", "Summary", "summarise", "token_value", "write_json"]


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step, or one row of a price path, and the state after it. Prices WAD.

    `quotes`: what the feeds said of those prices that were not fresh.
    """

    index: int
    kind: str
    time: int
    error: str | None
    prices_wad: Mapping[str, int]
    accounts: Mapping[str, AccountState]
    close_outs: tuple[CloseOutRecord, ...]
    quotes: Mapping[str, Quote] = field(default_factory=dict)

    def quote(self, asset: str) -> Quote:
        """What the protocol knew of a price; without one, what the feed said last."""
        return self.quotes.get(asset) or Quote.fresh(self.prices_wad[asset])


@dataclass(frozen=True, slots=True)
class Value:
    """A USD value, exact: `amount / 10^decimals`."""

    amount: int = 0
    decimals: int = 0

    def __add__(self, other: Value) -> Value:
        decimals = max(self.decimals, other.decimals)
        amount = self.amount * 10 ** (decimals - self.decimals) + other.amount * 10 ** (decimals - other.decimals)
        return Value(amount, decimals)

    def __sub__(self, other: Value) -> Value:
        return self + Value(-other.amount, other.decimals)

    def __str__(self) -> str:
        return format_units(self.amount, self.decimals)

    def __float__(self) -> float:
        """For drawing only."""
        return float(self.amount / 10**self.decimals)


@dataclass(frozen=True, slots=True)
class Summary:
    """Totals over all close-outs, each at the prices of its step; fund and lenders at the end, token units."""

    close_outs: int
    repaid: Value
    seized: Value
    bad_debt: Value
    insurance: Mapping[str, int]
    lenders: Mapping[str, int]

    @property
    def penalty(self) -> Value:
        """What the borrowers paid beyond the debt that was repaid for them."""
        return self.seized - self.repaid


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """A played scenario. `opening` is the state before the first step: drawn in reports, not part of the JSON."""

    scenario: Scenario
    engine: str
    opening: StepRecord
    steps: tuple[StepRecord, ...]
    summary: Summary


def token_value(units: Mapping[str, int], prices_wad: Mapping[str, int], assets: Mapping[str, Asset]) -> Value:
    """What token amounts are worth at `prices_wad`, exact."""
    total = Value()
    for name, amount in units.items():
        total += Value(amount * prices_wad[name], assets[name].decimals + WAD_DECIMALS)
    return total


def summarise(
    scenario: Scenario, steps: Iterable[StepRecord], insurance: Mapping[str, int], lenders: Mapping[str, int]
) -> Summary:
    """The totals of `steps`; every asset that the scenario's fund began with is listed, also where nothing is left."""
    assets = scenario.world.assets
    count, repaid, seized, bad_debt = 0, Value(), Value(), Value()
    for step in steps:
        for record in step.close_outs:
            count += 1
            repaid += token_value(record.repaid, step.prices_wad, assets)
            seized += token_value(record.seized, step.prices_wad, assets)
            bad_debt += token_value(record.bad_debt, step.prices_wad, assets)
    fund = {name: insurance.get(name, 0) for name in assets if name in insurance or name in scenario.world.insurance}
    return Summary(count, repaid, seized, bad_debt, fund, dict(lenders))


def write_json(result: ScenarioResult, file: Path) -> None:
    """Writes the result, one step a line, so that two results can be compared with ordinary tools."""
    with file.open("w", encoding="utf-8") as stream:
        stream.writelines(json_lines(result))


def json_lines(result: ScenarioResult) -> Iterator[str]:
    """The JSON in pieces: a long price path is never in memory twice."""
    writer = _Writer(result.scenario.world.assets)
    name, engine = json.dumps(result.scenario.name), json.dumps(result.engine)
    yield f'{{\n"name": {name},\n"engine": {engine},\n"steps": ['
    for number, step in enumerate(result.steps):
        yield ("," if number else "") + "\n" + json.dumps(writer.step(step), separators=(",", ":"))
    yield f'\n],\n"summary": {json.dumps(writer.summary(result.summary))}\n}}\n'


class _Writer:
    """Turns records into JSON values. States and prices that did not change are written from memory."""

    def __init__(self, assets: Mapping[str, Asset]) -> None:
        self._decimals = {name: asset.decimals for name, asset in assets.items()}
        self._holdings: dict[int, tuple[Mapping[str, int], dict[str, str]]] = {}

    def step(self, step: StepRecord) -> dict[str, Any]:
        return {
            "index": step.index,
            "kind": step.kind,
            "time": step.time,
            "error": step.error,
            "prices": {name: format_units(price, WAD_DECIMALS) for name, price in step.prices_wad.items()},
            "accounts": {name: self._account(state) for name, state in step.accounts.items()},
            "close_outs": [self._close_out(record) for record in step.close_outs],
        }

    def summary(self, summary: Summary) -> dict[str, Any]:
        return {
            "close_outs": summary.close_outs,
            "repaid_value": str(summary.repaid),
            "seized_value": str(summary.seized),
            "penalty_value": str(summary.penalty),
            "bad_debt_value": str(summary.bad_debt),
            "insurance": self._amounts(summary.insurance),
            "lenders": self._amounts(summary.lenders),
        }

    def _account(self, state: AccountState) -> dict[str, Any]:
        return {
            "collateral": self._remembered(state.collateral),
            "debt": self._remembered(state.debt),
            "health": _health(state.health_wad),
        }

    def _close_out(self, record: CloseOutRecord) -> dict[str, Any]:
        return {
            "account": record.account,
            "regime": record.regime,
            "penalty_rate": format_wad(record.penalty_rate_wad),
            "health_before": _health(record.health_before_wad),
            "health_after": _health(record.health_after_wad),
            "repaid": self._amounts(record.repaid),
            "seized": self._amounts(record.seized),
            "to_liquidator": self._amounts(record.to_liquidator),
            "to_protocol": self._amounts(record.to_protocol),
            "bad_debt": self._amounts(record.bad_debt),
            "bad_debt_from_insurance": self._amounts(record.covered),
            "gas": record.gas,
        }

    def _amounts(self, units: Mapping[str, int]) -> dict[str, str]:
        return {name: format_units(amount, self._decimals[name]) for name, amount in units.items()}

    def _remembered(self, units: Mapping[str, int]) -> dict[str, str]:
        # The mapping is kept beside its text, so that its id cannot be taken over by another.
        known = self._holdings.get(id(units))
        if known is None:
            known = self._holdings[id(units)] = (units, self._amounts(units))
        return known[1]


def _health(health_wad: int | None) -> str | None:
    return None if health_wad is None else format_wad(health_wad)
