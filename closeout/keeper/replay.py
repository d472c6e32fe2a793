"""What the keeper would have earned over a price history: its planner against the accounts of a scenario, on paper.

    python -m closeout.keeper.replay config/scenarios/crash-2021-05.yaml --prices CSV [--depth USD] [--gas-price GWEI]

The accounts are closed out on the reference model, so what one close-out does to an account is there for the next. What
has to be assumed is the market around it, and it is stated in the result: one full-range Uniswap V3 pool per pair with
`--depth` USD on each side at the opening, moved to the oracle's prices by others before every row (whoever else trades
has all the time of a row), and one gas price throughout. The keeper has no capital: every close-out is a flash one.
One plan per row: what it leaves, because the pools do not carry it or it does not pay, waits for the next row.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations
from math import isqrt
from pathlib import Path

from rich.console import Console
from rich.table import Table

from closeout.errors import BadInput, CloseoutError
from closeout.keeper.planner import PlannerSettings, Situation, plan
from closeout.keeper.pools import MAX_TICK, tick_at
from closeout.keeper.ports import (
    Action,
    AssetConfiguration,
    Block,
    Configuration,
    Intent,
    PoolState,
    Price,
)
from closeout.keeper.twin import Account
from closeout.model import AssetParameters, Market
from closeout.scenario import load_scenario
from closeout.scenario.engine import AccountState, Outcome
from closeout.scenario.model_engine import ModelEngine, protocol_parameters
from closeout.scenario.world import CloseOut, MarginCall, PricePath, Scenario, World
from closeout.units import WAD, WAD_DECIMALS, format_units, parse_units

__all__ = ["MarketAssumptions", "Replay", "ReplayResult"]

GWEI = 10**9
VOLATILE_FEE, VOLATILE_SPACING = 3_000, 60
STABLE_FEE, STABLE_SPACING = 500, 10
SHARES_PER_UNIT = 100
# h* / (h* - tau (1 + beta)) with h* >= 1 and tau (1 + beta) <= 0.99
INTEREST_SLACK = 100
_Q96 = 2**96


@dataclass(frozen=True, slots=True)
class MarketAssumptions:
    """What is not in a price history: depth WAD USD on each side of a pool at the opening, gas price wei.

    `native` is the asset that gas is paid in.
    """

    depth_wad: int = 5_000_000 * WAD
    gas_price: int = 100 * GWEI
    native: str = "WETH"


@dataclass(slots=True)
class ReplayResult:
    """Sums over a replay, WAD USD at the prices of each close-out. `profit` is after pools and gas."""

    rows: int = 0
    close_outs: int = 0
    partial: int = 0
    accounts: set[str] = field(default_factory=set)
    repaid: int = 0
    penalty: int = 0
    slippage: int = 0
    gas: int = 0
    profit: int = 0
    bad_debt: int = 0
    regimes: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    left: dict[str, str] = field(default_factory=dict)
    """Accounts that are unhealthy at the end, with why nothing was done about them."""
    longest_wait: int = 0
    """Most rows in a row that an account was unhealthy at the end of."""


class Replay:
    """One scenario's price path. Raises BadInput where it has steps or no price path."""

    def __init__(self, scenario: Scenario, market: MarketAssumptions) -> None:
        if scenario.price_path is None or scenario.steps:
            found = "no price path" if scenario.price_path is None else f"{len(scenario.steps)} steps"
            raise BadInput(scenario.name, found, "a scenario of accounts and a price path alone")
        self._world, self._path, self._market = scenario.world, scenario.price_path, market
        if market.native not in self._world.assets:
            raise BadInput("native", market.native, f"one of {', '.join(self._world.assets)}")
        self._names = list(self._world.accounts)
        self._ids = {name: n for n, name in enumerate(self._world.assets)}
        self._tokens = [f"0x{n + 1:040x}" for n in self._ids.values()]
        self._configuration = _configuration(self._world, self._tokens)
        self._depths = _liquidity(self._world, self._path, market.depth_wad)
        self._called: dict[str, int] = {}
        self._waiting: Counter[str] = Counter()

    def play(self) -> ReplayResult:
        """All rows."""
        result = ReplayResult()
        prices: dict[str, int] = {name: asset.price_wad for name, asset in self._world.assets.items()}
        with ModelEngine() as engine:
            engine.open(self._world)
            # as `closeout.scenario.player` has it: a row, and the keeper one second after it
            for time, row in zip(self._path.times, self._path.rows, strict=True):
                prices |= dict(zip(self._path.assets, row, strict=True))
                clock = 2 + time - self._path.times[0]
                engine.begin_block(clock, prices)
                self._row(engine, clock, prices, result)
                result.rows += 1
        return result

    def _row(self, engine: ModelEngine, clock: int, prices: Mapping[str, int], result: ReplayResult) -> None:
        due = {name: state for name, state in engine.accounts().items() if _is_due(state)}
        if due:
            accounts = [self._account(name, state) for name, state in due.items()]
            planned = plan(accounts, self._situation(clock, prices), self._settings)
            for intent in planned.intents:
                self._carry_out(engine, intent, clock, prices, result)
            result.refused.update(refusal.reason.value for refusal in planned.refusals)
            reasons = {self._names[one.account]: one.reason.value for one in planned.refusals}
            due = {name: state for name, state in engine.accounts().items() if _is_due(state)}
            result.left = {name: reasons.get(name, "the pools carried a part") for name in due}
        else:
            result.left = {}
        self._waiting = Counter({name: self._waiting[name] + 1 for name in due})
        result.longest_wait = max(result.longest_wait, *self._waiting.values(), 0)

    @property
    def _settings(self) -> PlannerSettings:
        return PlannerSettings(
            native_token=self._tokens[self._ids[self._market.native]],
            priority_fee=self._market.gas_price,
            lead_seconds=0,
        )

    def _situation(self, clock: int, prices: Mapping[str, int]) -> Situation:
        return Situation(
            block=Block(clock, f"0x{clock:x}", f"0x{clock - 1:x}", clock),
            configuration=self._configuration,
            prices=[Price.fresh(prices[name], clock) for name in self._ids],
            # debts are given in units at index 1
            markets=[Market(accrued_at=clock) for _ in self._ids],
            pools=[self._pool(pair, liquidity, prices) for pair, liquidity in self._depths.items()],
        )

    def _account(self, name: str, state: AccountState) -> Account:
        return Account(
            id=self._names.index(name),
            collateral={self._ids[asset]: units for asset, units in state.collateral.items() if units},
            debt_shares={self._ids[asset]: SHARES_PER_UNIT * units for asset, units in state.debt.items() if units},
            called_at=self._called.get(name, 0),
        )

    def _pool(self, pair: tuple[str, str], liquidity: int, prices: Mapping[str, int]) -> PoolState:
        """The pair's pool at the oracle's prices."""
        assets, (first, second) = self._world.assets, pair
        # units of the second for one unit of the first
        ratio = Fraction(prices[first], prices[second]) * Fraction(10) ** (
            assets[second].decimals - assets[first].decimals
        )
        sqrt_price = isqrt(ratio.numerator * _Q96**2 // ratio.denominator)
        is_volatile = first in self._path.assets or second in self._path.assets
        fee, spacing = (VOLATILE_FEE, VOLATILE_SPACING) if is_volatile else (STABLE_FEE, STABLE_SPACING)
        widest = MAX_TICK // spacing * spacing
        return PoolState(
            address=f"{first}/{second}",
            token0=self._tokens[self._ids[first]],
            token1=self._tokens[self._ids[second]],
            fee=fee,
            tick_spacing=spacing,
            sqrt_price_x96=sqrt_price,
            tick=tick_at(sqrt_price),
            liquidity=liquidity,
            net_liquidity={-widest: liquidity, widest: -liquidity},
            known=(-2 * MAX_TICK, 2 * MAX_TICK),
        )

    def _carry_out(
        self, engine: ModelEngine, intent: Intent, clock: int, prices: Mapping[str, int], result: ReplayResult
    ) -> None:
        name, assets = self._names[intent.account], list(self._ids)
        result.gas += intent.expected_gas_cost_wad
        result.profit += intent.expected_profit_wad
        if intent.action is Action.MARGIN_CALL:
            engine.act(MarginCall(name))
            self._called[name] = clock
            return
        sets = [tuple(assets[asset_id] for asset_id in sorted(ids)) for ids in (intent.collaterals, intent.debts)]
        [outcome] = engine.close_out([CloseOut(name, sets[0], sets[1], intent.fill_wad)])
        if outcome.record is None:
            raise CloseoutError(f"{name}: the model refuses what was planned: {outcome.error}")
        self._require_as_planned(intent, outcome)
        result.close_outs += 1
        result.partial += intent.fill_wad < WAD
        result.accounts.add(name)
        result.regimes[outcome.record.regime] += 1
        result.slippage += intent.expected_slippage_wad
        result.penalty += intent.expected_profit_wad + intent.expected_gas_cost_wad + intent.expected_slippage_wad
        result.repaid += self._value(outcome.record.repaid, prices)
        result.bad_debt += self._value(outcome.record.bad_debt, prices)

    def _require_as_planned(self, intent: Intent, outcome: Outcome) -> None:
        """Exact where no interest runs; else a debt is known to a unit, which `INTEREST_SLACK` units of `R*` follow."""
        assert outcome.record is not None  # noqa: S101 - checked by the caller
        bears = any(asset.borrowing and asset.borrowing.bears_interest for asset in self._world.assets.values())
        slack = INTEREST_SLACK if bears else 0
        for leg in intent.expected_repaid:
            found = outcome.record.repaid.get(list(self._ids)[leg.asset_id], 0)
            if abs(found - leg.amount) > slack:
                raise CloseoutError(f"{outcome.record.account}: repaid {found}, planned {leg.amount}")

    def _value(self, units: Mapping[str, int], prices: Mapping[str, int]) -> int:
        return sum(amount * prices[name] // 10 ** self._world.assets[name].decimals for name, amount in units.items())


def _is_due(state: AccountState) -> bool:
    return state.health_wad is not None and state.health_wad < WAD


def _configuration(world: World, tokens: Sequence[str]) -> Configuration:
    assets = []
    for token, asset in zip(tokens, world.assets.values(), strict=True):
        terms = asset.collateral
        parameters = AssetParameters(
            name=asset.name,
            decimals=asset.decimals,
            is_collateral=terms is not None,
            is_borrowable=asset.borrowing is not None,
            ltv_bps=terms.ltv_bps if terms else 0,
            liquidation_threshold_bps=terms.liquidation_threshold_bps if terms else 0,
            max_bonus_bps=terms.max_bonus_bps if terms else 0,
        )
        assets.append(AssetConfiguration(token, parameters))
    return Configuration(protocol_parameters(world.protocol), tuple(assets))


def _liquidity(world: World, path: PricePath, depth_wad: int) -> dict[tuple[str, str], int]:
    """Full-range liquidity by pair, in the order of the tokens: so much on each side at the prices of the first row."""
    prices = {name: asset.price_wad for name, asset in world.assets.items()}
    prices |= dict(zip(path.assets, path.rows[0], strict=True))
    units = {name: depth_wad * 10**asset.decimals // prices[name] for name, asset in world.assets.items()}
    return {(first, second): isqrt(units[first] * units[second]) for first, second in combinations(world.assets, 2)}


# ---------------------------------------------------------------------------------------------------- on the terminal


def show(scenario: Scenario, market: MarketAssumptions, result: ReplayResult, output: Console) -> None:
    """The figures, USD."""
    table = Table(title=scenario.name, title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    depth, gas = _usd(market.depth_wad, 0), format_units(market.gas_price, 9)
    for name, value in (
        ("rows of prices", f"{result.rows:,}"),
        ("assumed: depth of each pool, a side", f"{depth} USD"),
        ("assumed: gas price", f"{gas} gwei"),
        ("close-outs", f"{result.close_outs:,}, {result.partial:,} of them in part"),
        ("of accounts", f"{len(result.accounts):,} of {len(scenario.world.accounts):,}"),
        ("by regime", ", ".join(f"{count} {regime}" for regime, count in sorted(result.regimes.items())) or "none"),
        ("repaid", f"{_usd(result.repaid)} USD"),
        ("penalty, the liquidator's part", f"{_usd(result.penalty)} USD"),
        ("less pool fees and price impact", f"{_usd(result.slippage)} USD"),
        ("less gas", f"{_usd(result.gas)} USD"),
        ("[bold]profit", f"[bold]{_usd(result.profit)} USD"),
        ("bad debt", f"{_usd(result.bad_debt)} USD"),
        ("longest unhealthy", f"{result.longest_wait:,} rows"),
        ("unhealthy at the end", f"{len(result.left)}"),
    ):
        table.add_row(name, value)
    for name, reason in result.left.items():
        table.add_row(f"  {name}", reason)
    output.print(table)


def _usd(value_wad: int, places: int = 2) -> str:
    cents = value_wad // 10 ** (WAD_DECIMALS - places)
    whole, part = divmod(abs(cents), 10**places)
    return f"{'-' if cents < 0 else ''}{whole:,}" + (f".{part:0{places}d}" if places else "")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status as in closeout/errors.py."""
    parser = argparse.ArgumentParser(prog="python -m closeout.keeper.replay", description=__doc__.split("\n")[0])
    parser.add_argument("scenario", type=Path)
    parser.add_argument("--prices", type=Path, help="price history to play instead of price_path.file")
    parser.add_argument("--depth", default="5000000", help="USD on each side of every pool [%(default)s]")
    parser.add_argument("--gas-price", default="100", help="gwei [%(default)s]")
    parser.add_argument("--native", default="WETH", help="the asset that gas is paid in [%(default)s]")
    given = parser.parse_args(arguments)
    output = Console() if sys.stdout.isatty() else Console(width=100)
    try:
        market = MarketAssumptions(
            parse_units(given.depth, WAD_DECIMALS, "--depth"),
            parse_units(given.gas_price, 9, "--gas-price"),
            given.native,
        )
        if not market.depth_wad:
            raise BadInput("--depth", given.depth, "more than 0")
        scenario = load_scenario(given.scenario, given.prices)
        result = Replay(scenario, market).play()
    except CloseoutError as error:
        Console(stderr=True).print(str(error), highlight=False, soft_wrap=True)
        return error.exit_code
    show(scenario, market, result, output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
