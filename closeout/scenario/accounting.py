"""Who gained and who lost by the close-outs, and what closing each account as a whole would have cost instead.

Everything is exact and at the prices of the step of each close-out, so that the parties' results add up to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from closeout.model import (
    INDEX_ONE,
    CollateralPosition,
    DebtPosition,
    ModelRevert,
    Plan,
    Regime,
    Snapshot,
    Terms,
    debt_shares_up,
    extinguish,
    plan_close_out,
    seize,
    selected_collaterals,
    selected_debts,
    take_snapshot,
)
from closeout.units import WAD, WAD_DECIMALS

from .engine import AccountState
from .result import ScenarioResult, StepRecord, Value, token_value
from .world import Asset, Protocol, World

__all__ = ["AccountCost", "Parties", "WholeCloseOut", "account_costs", "parties", "whole_close_out"]

_RAY_PER_WAD = 10**9


@dataclass(frozen=True, slots=True)
class Parties:
    """What each party got less what it gave, USD; together nothing."""

    borrowers: Value
    liquidators: Value
    insurance: Value
    treasury: Value
    burnt: Value
    lenders: Value

    @property
    def total(self) -> Value:
        """Nothing, to the last digit."""
        return self.borrowers + self.liquidators + self.insurance + self.treasury + self.burnt + self.lenders


@dataclass(frozen=True, slots=True)
class WholeCloseOut:
    """What closing an account as a whole would have done (R = B, same penalty curve): USD, and token units left.

    Regime `refused`, and nothing done, where what the feeds said would not have allowed it.
    """

    regime: str
    penalty_rate_wad: int
    repaid: Value
    seized: Value
    bad_debt: Value
    collateral_left: Mapping[str, int]
    debt_left: Mapping[str, int]

    @property
    def penalty(self) -> Value:
        """What it would have cost the borrower."""
        return self.seized - self.repaid


@dataclass(slots=True)
class AccountCost:
    """One account that was closed out: what it cost, and what the whole close-out at its first would have."""

    account: str
    first: StepRecord
    whole: WholeCloseOut
    close_outs: int = 0
    repaid: Value = field(default_factory=Value)
    seized: Value = field(default_factory=Value)
    bad_debt: Value = field(default_factory=Value)
    equity: Value = field(default_factory=Value)
    whole_equity: Value = field(default_factory=Value)

    @property
    def penalty(self) -> Value:
        """What the close-outs cost the borrower, each at its prices."""
        return self.seized - self.repaid


def parties(result: ScenarioResult) -> Parties:
    """Gains and losses by close-outs. A write-off's few leftovers count as the protocol's part."""
    assets, protocol = result.scenario.world.assets, result.scenario.world.protocol
    repaid, seized, to_protocol, bad_debt, covered = (Value() for _ in range(5))
    for step in result.steps:
        for record in step.close_outs:
            prices = step.prices_wad
            repaid += token_value(record.repaid, prices, assets)
            seized += token_value(record.seized, prices, assets)
            to_protocol += token_value(record.to_protocol, prices, assets)
            bad_debt += token_value(record.bad_debt, prices, assets)
            covered += token_value(record.covered, prices, assets)
    treasury = _part(to_protocol, protocol.treasury_weight_wad)
    burnt = _part(to_protocol, protocol.burn_weight_wad)
    return Parties(
        borrowers=repaid + bad_debt - seized,
        liquidators=seized - to_protocol - repaid,
        insurance=to_protocol - treasury - burnt - covered,
        treasury=treasury,
        burnt=burnt,
        lenders=covered - bad_debt,
    )


def account_costs(result: ScenarioResult) -> list[AccountCost]:
    """Every account that was closed out, in the order of the file."""
    world = result.scenario.world
    costs: dict[str, AccountCost] = {}
    last = result.steps[-1] if result.steps else result.opening
    for step in result.steps:
        for record in step.close_outs:
            cost = costs.get(record.account)
            if cost is None:
                whole = whole_close_out(world, step, record.account)
                cost = costs[record.account] = AccountCost(record.account, step, whole)
            cost.close_outs += 1
            cost.repaid += token_value(record.repaid, step.prices_wad, world.assets)
            cost.seized += token_value(record.seized, step.prices_wad, world.assets)
            cost.bad_debt += token_value(record.bad_debt, step.prices_wad, world.assets)
    for cost in costs.values():
        cost.equity = _equity(last.accounts[cost.account], last, world.assets)
        left = AccountState(cost.whole.collateral_left, cost.whole.debt_left, None)
        cost.whole_equity = _equity(left, last, world.assets)
    return [costs[name] for name in world.accounts if name in costs]


def whole_close_out(world: World, step: StepRecord, account: str) -> WholeCloseOut:
    """What repaying all of the account's debt would have done, just before its first close-out of `step`.

    The model's own plan: an account that owes less than `minDebtValue` is closed out as far as its balances allow, so
    a minimum above the debt is all that is needed.
    """
    before = _state_before(step, account)
    collaterals = [_collateral(position, asset, before, step) for position, asset in enumerate(world.assets.values())]
    debts = [_debt(position, asset, before, step) for position, asset in enumerate(world.assets.values())]
    held = [item for item in collaterals if item.amount]
    owed = [item for item in debts if item.shares]
    snapshot = take_snapshot(held, owed)
    floor = world.protocol.bonus_floor_wad
    is_covered = sum(item.value for item in held) * WAD >= sum(item.value for item in owed) * (WAD + floor)
    try:
        plan = plan_close_out(snapshot, _terms(world.protocol, snapshot.debt_value + 1, is_covered=is_covered))
    except ModelRevert:
        return WholeCloseOut("refused", 0, Value(), Value(), Value(), before.collateral, before.debt)
    return _settled(world, step, plan, snapshot, held, owed, is_covered=is_covered)


def _settled(
    world: World,
    step: StepRecord,
    plan: Plan,
    snapshot: Snapshot,
    held: list[CollateralPosition],
    owed: list[DebtPosition],
    *,
    is_covered: bool,
) -> WholeCloseOut:
    names, protocol = list(world.assets), world.protocol
    seized = dict.fromkeys((names[item.asset_id] for item in held), 0)
    for item in selected_collaterals(held, None):
        leg = seize(item, plan, snapshot, protocol.fee_share_wad, protocol.bonus_floor_wad)
        seized[names[item.asset_id]] = leg.seized
    repaid = dict.fromkeys((names[item.asset_id] for item in owed), 0)
    bad_debt = dict(repaid)
    for debt in selected_debts(owed, None):
        gone = extinguish(debt, plan, snapshot, is_covered=is_covered)
        repaid[names[debt.asset_id]], bad_debt[names[debt.asset_id]] = gone.repaid, gone.bad_debt
    owed_units = {names[item.asset_id]: item.units for item in owed}
    return WholeCloseOut(
        regime=Regime(plan.regime).name.lower(),
        penalty_rate_wad=plan.penalty_rate_wad,
        repaid=token_value(repaid, step.prices_wad, world.assets),
        seized=token_value(seized, step.prices_wad, world.assets),
        bad_debt=token_value(bad_debt, step.prices_wad, world.assets),
        collateral_left={names[item.asset_id]: item.amount - seized[names[item.asset_id]] for item in held},
        debt_left={name: units - repaid[name] - bad_debt[name] for name, units in owed_units.items()},
    )


def _state_before(step: StepRecord, account: str) -> AccountState:
    """The account before the close-outs of this step: what is left and what went."""
    after = step.accounts[account]
    collateral, debt = dict(after.collateral), dict(after.debt)
    for record in step.close_outs:
        if record.account == account:
            _add(collateral, record.seized)
            _add(debt, record.repaid)
            _add(debt, record.bad_debt)
    return AccountState(collateral, debt, None)


def _add(balances: dict[str, int], amounts: Mapping[str, int]) -> None:
    for name, units in amounts.items():
        balances[name] = balances.get(name, 0) + units


def _collateral(position: int, asset: Asset, state: AccountState, step: StepRecord) -> CollateralPosition:
    terms, quote = asset.collateral, step.quote(asset.name)
    return CollateralPosition(
        asset_id=position,
        amount=state.collateral.get(asset.name, 0),
        price_wad=quote.collateral_wad,
        decimals=asset.decimals,
        threshold_bps=terms.liquidation_threshold_bps if terms else 0,
        max_bonus_bps=terms.max_bonus_bps if terms else 0,
        status=quote.status,
        exchange_wad=quote.exchange_wad,
    )


def _debt(position: int, asset: Asset, state: AccountState, step: StepRecord) -> DebtPosition:
    # Units at index 1: what is owed is known to the unit, which is all that a comparison in dollars needs.
    shares, quote = debt_shares_up(state.debt.get(asset.name, 0), INDEX_ONE), step.quote(asset.name)
    return DebtPosition(position, shares, INDEX_ONE, quote.debt_wad, asset.decimals, quote.status, quote.exchange_wad)


def _terms(protocol: Protocol, minimum: int, *, is_covered: bool) -> Terms:
    return Terms(
        target_health_factor_wad=protocol.target_health_wad,
        bonus_floor_wad=protocol.bonus_floor_wad,
        min_bonus_fraction_wad=protocol.min_bonus_fraction_wad,
        health_for_max_bonus_wad=protocol.health_for_max_bonus_wad,
        steepness_wad=protocol.steepness_wad,
        min_debt_value=minimum,
        is_covered=is_covered,
    )


def _equity(state: AccountState, step: StepRecord, assets: Mapping[str, Asset]) -> Value:
    return token_value(state.collateral, step.prices_wad, assets) - token_value(state.debt, step.prices_wad, assets)


def _part(value: Value, weight_wad: int) -> Value:
    return Value(value.amount * weight_wad, value.decimals + WAD_DECIMALS)
