"""From values to token units: section 6 of docs/liquidation.md."""

from __future__ import annotations

from dataclasses import dataclass

from closeout.model._close_out import Plan, Regime
from closeout.model._positions import (
    CollateralPosition,
    DebtPosition,
    Snapshot,
    debt_shares_down,
    debt_units_down,
    debt_units_up,
)
from closeout.model._rounding import mul_div_down, mul_div_up
from closeout.units import WAD


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


def extinguish(debt: DebtPosition, plan: Plan, snapshot: Snapshot) -> Extinction:
    """Units repaid and bad debt of one selected debt, and the shares burnt."""
    if plan.regime is Regime.TERMINAL:
        return _extinguish_terminal(debt, plan, snapshot)
    shares, index, units = debt.shares, debt.index, debt.units
    if plan.rounds_repaid_down:
        burn = mul_div_down(shares, plan.repaid_value, snapshot.set_debt_value)
        repaid = debt_units_down(burn, index)
    else:
        burn = mul_div_up(shares, plan.repaid_value, snapshot.set_debt_value)
        repaid = debt_units_up(burn, index)
    if repaid >= units:
        return Extinction(units, 0, shares)
    return Extinction(repaid, 0, debt_shares_down(repaid, index))


def _extinguish_terminal(debt: DebtPosition, plan: Plan, snapshot: Snapshot) -> Extinction:
    shares, index = debt.shares, debt.index
    if plan.extinguished_value == snapshot.set_debt_value:
        extinguished, burnt = debt.units, shares
    else:
        part = mul_div_down(shares, plan.extinguished_value, snapshot.set_debt_value)
        extinguished = debt_units_down(part, index)
        burnt = debt_shares_down(extinguished, index)
    paid = debt_units_up(mul_div_up(shares, plan.repaid_value, snapshot.set_debt_value), index)
    repaid = min(extinguished, paid)
    return Extinction(repaid, extinguished - repaid, burnt)
