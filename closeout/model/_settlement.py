"""From values to token units: section 6 of docs/liquidation.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from closeout.model._close_out import Plan, Regime
from closeout.model._positions import (
    CollateralPosition,
    DebtPosition,
    Snapshot,
    debt_part_down,
    debt_part_up,
    debt_shares_down,
    debt_units_up,
    units_value,
)
from closeout.model._reverts import ModelRevert
from closeout.model._rounding import mul_div_down, mul_div_up
from closeout.units import BPS, WAD


@dataclass(frozen=True, slots=True)
class SeizedLeg:
    """One collateral of a close-out, in token units.

    Of `seized`, `to_protocol` is the protocol's part of the penalty and `to_insurance` what a write-off leaves to the
    insurance fund.
    """

    asset_id: int
    seized: int
    to_protocol: int
    to_insurance: int = 0

    @property
    def to_liquidator(self) -> int:
        """The rest of `seized`, token units."""
        return self.seized - self.to_protocol - self.to_insurance


@dataclass(frozen=True, slots=True)
class RepaidLeg:
    """One debt of a close-out, in token units. `covered` is the part of `bad_debt` that the insurance fund pays."""

    asset_id: int
    repaid: int
    bad_debt: int
    covered: int


@dataclass(frozen=True, slots=True)
class Extinction:
    """What disappears of one debt: units repaid and units of bad debt, and the shares burnt for both."""

    repaid: int
    bad_debt: int
    shares: int


def liquidator_rate(penalty_rate_wad: int, fee_share_wad: int, bonus_floor_wad: int) -> int:
    """The liquidator's part of the penalty rate, WAD, rounded up, at least the floor and at most the rate."""
    return min(penalty_rate_wad, max(bonus_floor_wad, mul_div_up(penalty_rate_wad, WAD - fee_share_wad, WAD)))


def seize(
    collateral: CollateralPosition, plan: Plan, snapshot: Snapshot, fee_share_wad: int, bonus_floor_wad: int
) -> SeizedLeg:
    """Units seized of one selected collateral, rounded down; the protocol's part of them, rounded down."""
    seized = mul_div_down(collateral.amount, plan.seized_value, snapshot.set_collateral_value)
    rate = plan.penalty_rate_wad
    fee_rate = rate - liquidator_rate(rate, fee_share_wad, bonus_floor_wad)
    return SeizedLeg(collateral.asset_id, seized, mul_div_down(seized, fee_rate, WAD + rate))


def extinguish(
    debt: DebtPosition, plan: Plan, snapshot: Snapshot, *, rounds_up: bool = True, is_covered: bool = False
) -> Extinction:
    """Units repaid and bad debt of one selected debt, and the shares burnt.

    `is_covered`: the account is solvent at the prices that decide, so that nothing is written off.
    """
    if plan.regime is Regime.TERMINAL and not is_covered:
        return _extinguish_terminal(debt, plan, snapshot)
    shares, index, units = debt.shares, debt.index, debt.units
    if rounds_up:
        # over whole shares: no fewer are burnt than are due to the target
        repaid = debt_units_up(mul_div_up(shares, plan.repaid_value, snapshot.set_debt_value), index)
    else:
        repaid = debt_part_down(shares, index, plan.repaid_value, snapshot.set_debt_value)
    if repaid >= units:
        return Extinction(units, 0, shares)
    return Extinction(repaid, 0, debt_shares_down(repaid, index))


def _extinguish_terminal(debt: DebtPosition, plan: Plan, snapshot: Snapshot) -> Extinction:
    shares, index = debt.shares, debt.index
    if plan.extinguished_value == snapshot.set_debt_value:
        extinguished, burnt = debt.units, shares
    else:
        extinguished = debt_part_down(shares, index, plan.extinguished_value, snapshot.set_debt_value)
        burnt = debt_shares_down(extinguished, index)
    repaid = min(extinguished, debt_part_up(shares, index, plan.repaid_value, snapshot.set_debt_value))
    return Extinction(repaid, extinguished - repaid, burnt)


def extinguish_all(
    debts: Sequence[DebtPosition],
    chosen: Sequence[DebtPosition],
    plan: Plan,
    snapshot: Snapshot,
    *,
    min_debt_value: int,
    fixed_penalty_wad: int,
    is_covered: bool = False,
) -> tuple[Plan, dict[int, Extinction]]:
    """What disappears of each of the `chosen` of an account's `debts`; the plan, with what is to be seized for it.

    All as the close-out counts them. Repaid is rounded up, or down where that would leave debt worth less than
    `min_debt_value` (RAY). Raises NothingToClose().
    """
    gone = {debt.asset_id: extinguish(debt, plan, snapshot, is_covered=is_covered) for debt in chosen}
    if plan.regime is not Regime.TERMINAL and snapshot.debt_value >= min_debt_value:
        left = sum(_without(debt, gone).value for debt in debts)
        if 0 < left < min_debt_value:
            less = {debt.asset_id: extinguish(debt, plan, snapshot, rounds_up=False) for debt in chosen}
            value = sum(units_value(less[debt.asset_id].repaid, debt.price_wad, debt.decimals) for debt in chosen)
            if value:
                value = min(value, plan.repaid_value)
                most = value + most_bonus(snapshot, fixed_penalty_wad, value)
                plan, gone = replace(plan, seized_value=min(plan.seized_value, most)), less
    if not any(leg.repaid or leg.bad_debt for leg in gone.values()):
        raise ModelRevert("NothingToClose")
    return plan, gone


def most_bonus(snapshot: Snapshot, fixed_penalty_wad: int, repaid_value: int) -> int:
    """The largest bonus for a value repaid, RAY, rounded down: the set's mean of `maxBonus`, or the owner's penalty."""
    if fixed_penalty_wad:
        return mul_div_down(repaid_value, fixed_penalty_wad, WAD)
    return mul_div_down(repaid_value, snapshot.set_bonus_weighted_collateral, snapshot.set_collateral_value * BPS)


def _without(debt: DebtPosition, gone: Mapping[int, Extinction]) -> DebtPosition:
    burnt = gone[debt.asset_id].shares if debt.asset_id in gone else 0
    return replace(debt, shares=debt.shares - burnt)
