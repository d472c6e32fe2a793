"""The close-out plan: sections 3 to 5 of docs/liquidation.md, in its integers. Pure: one snapshot in, one plan out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

from closeout.model._expwad import exp_wad
from closeout.model._positions import Decided, Snapshot
from closeout.model._reverts import ModelRevert
from closeout.model._rounding import MAX_UINT256, div_up, mul_div_down, mul_div_up
from closeout.units import BPS, WAD

_WEIGHT = WAD // BPS


class Regime(IntEnum):
    """How far gone an account is, decided on the whole of it (section 4)."""

    HEALTHY = 0
    RESTORATIVE = 1
    CAPPED = 2
    TERMINAL = 3


@dataclass(frozen=True, slots=True)
class Terms:
    """What a close-out aims for. Rates and health factors in WAD, values in RAY.

    `max_seized_value` is for the restorative regime alone. `is_covered`: collateral covers the debt at the prices that
    decide, so that none may be written off.
    """

    target_health_factor_wad: int
    bonus_floor_wad: int
    min_bonus_fraction_wad: int
    health_for_max_bonus_wad: int
    steepness_wad: int
    min_debt_value: int
    fill_wad: int = WAD
    max_seized_value: int = MAX_UINT256
    fixed_penalty_wad: int = 0
    is_backstop: bool = False
    is_covered: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a close-out is to move. Values in RAY.

    `extinguished_value` is `repaid_value` outside the terminal regime.
    """

    regime: Regime
    penalty_rate_wad: int
    repaid_value: int
    seized_value: int
    extinguished_value: int


@dataclass(frozen=True, slots=True)
class Incentive:
    """The incentive factor `1 + beta` as the fraction `p / q`, and `beta` in WAD, rounded down."""

    p: int
    q: int
    rate_wad: int

    def of_repaid(self, value: int) -> int:
        """Value seized for a value repaid, rounded down."""
        return value * self.p // self.q

    def of_seized(self, value: int) -> int:
        """Value repaid for a value seized, rounded up."""
        return -(-value * self.q // self.p)


@dataclass(frozen=True, slots=True)
class _Amount:
    repaid: int
    seized: int


def curve_position(health_factor_wad: int, terms: Terms) -> int:
    """`s(H)` of section 3: the part of the largest bonus that is due, WAD, rounded down."""
    shortfall = max(0, WAD - health_factor_wad)
    x = min(WAD, mul_div_down(shortfall, WAD, WAD - terms.health_for_max_bonus_wad))
    g = x
    if terms.steepness_wad:
        g = mul_div_down(WAD - _decay(x, terms), WAD, WAD - _decay(WAD, terms))
    floor = terms.min_bonus_fraction_wad
    return floor + mul_div_down(WAD - floor, g, WAD)


def _decay(x: int, terms: Terms) -> int:
    return exp_wad(-mul_div_down(terms.steepness_wad, x, WAD))


def basket_rate(bonus_weighted_value: int, value: int, position_wad: int, bonus_floor_wad: int) -> int:
    """`b` of section 3: the value-weighted mean of the penalty rates, at least the floor; WAD, rounded down."""
    if not value:
        return bonus_floor_wad
    return max(bonus_floor_wad, bonus_weighted_value * position_wad // (value * BPS))


def regime_of(snapshot: Snapshot, basket_rate_wad: int, bonus_floor_wad: int) -> Regime:
    """Regime of an account that can be closed out (section 4), by products: no rounding moves a border."""
    collateral = snapshot.collateral_value * WAD
    if collateral < snapshot.debt_value * (WAD + bonus_floor_wad):
        return Regime.TERMINAL
    if collateral > snapshot.debt_value * (WAD + basket_rate_wad):
        return Regime.RESTORATIVE
    return Regime.CAPPED


def incentive_of(snapshot: Snapshot, basket_rate_wad: int) -> Incentive:
    """The incentive factor outside the terminal regime (section 4): no more than the account has beyond its debt."""
    collateral, debt = snapshot.collateral_value, snapshot.debt_value
    if collateral * WAD > debt * (WAD + basket_rate_wad):
        return Incentive(WAD + basket_rate_wad, WAD, basket_rate_wad)
    return Incentive(collateral, debt, mul_div_down(collateral, WAD, debt) - WAD)


def admit_set(snapshot: Snapshot, terms: Terms, own: Incentive, whole: Incentive) -> Incentive:
    """The incentive factor of a set (section 4): a liquidator gains nothing by picking a smaller one, and no collateral
    without a price is paid for.

    Raises PenaltyBelowFloor(rate, floor) and SetSellsTooMuch(sold, most), WAD.
    """
    if not snapshot.is_whole_collateral:
        own = _at_most(own, _no_dearer(snapshot, terms, whole))
    elif snapshot.priced_collateral_value == snapshot.collateral_value:
        return own
    if snapshot.priced_collateral_value < snapshot.collateral_value:
        own = _at_most(own, _within_health(snapshot))
    if own.rate_wad < terms.bonus_floor_wad:
        raise ModelRevert("PenaltyBelowFloor", max(0, own.rate_wad), terms.bonus_floor_wad)
    if not snapshot.is_whole_collateral:
        _require_no_more_sold(snapshot, terms, own, whole)
    return own


def _at_most(incentive: Incentive, rate_wad: int) -> Incentive:
    return Incentive(WAD + rate_wad, WAD, rate_wad) if incentive.rate_wad > rate_wad else incentive


def _no_dearer(snapshot: Snapshot, terms: Terms, whole: Incentive) -> int:
    """The rate at which a smaller set costs in total what the whole account would, WAD, rounded down."""
    target = terms.target_health_factor_wad
    tau = mul_div_down(snapshot.set_weighted_collateral, _WEIGHT, snapshot.set_collateral_value)
    tau_whole = mul_div_down(snapshot.priced_weighted_collateral, _WEIGHT, snapshot.priced_collateral_value)
    headroom = target - tau_whole - mul_div_down(whole.rate_wad, tau_whole - tau, WAD)
    return mul_div_down(whole.rate_wad, target - tau, headroom)


def _within_health(snapshot: Snapshot) -> int:
    """The rate at which the set weighs as much as what it repays: above, the health factor falls. WAD, rounded down.

    A set without any weight takes none away, at no rate.
    """
    if not snapshot.set_weighted_collateral:
        return MAX_UINT256
    tau = mul_div_up(snapshot.set_weighted_collateral, _WEIGHT, snapshot.set_collateral_value)
    return mul_div_down(snapshot.health_factor_wad, WAD, tau) - WAD


def _require_no_more_sold(snapshot: Snapshot, terms: Terms, own: Incentive, whole: Incentive) -> None:
    sold = mul_div_down(own.of_repaid(snapshot.set_weighted_collateral), _WEIGHT, snapshot.set_collateral_value)
    if terms.is_backstop:
        most = snapshot.health_factor_wad
    else:
        weighted_sold = mul_div_up(snapshot.priced_weighted_collateral, whole.p, whole.q)
        most = mul_div_up(weighted_sold, _WEIGHT, snapshot.priced_collateral_value)
    if sold > most:
        raise ModelRevert("SetSellsTooMuch", sold, most)


def plan_close_out(snapshot: Snapshot, terms: Terms) -> Plan:
    """What to repay and to seize, in values: sections 3 to 5 in order.

    Raises AccountHealthy(H), EmptySet(), PenaltyBelowFloor(rate, floor), SetSellsTooMuch(sold, most), NothingToClose()
    and FillLeavesDust(left, minimum).
    """
    health = snapshot.health_factor_wad
    if health >= (terms.target_health_factor_wad if terms.fixed_penalty_wad else WAD):
        raise ModelRevert("AccountHealthy", health)
    if not snapshot.set_collateral_value or not snapshot.set_debt_value:
        raise ModelRevert("EmptySet")

    floor = terms.bonus_floor_wad
    if terms.fixed_penalty_wad:
        whole_rate = own_rate = terms.fixed_penalty_wad
    else:
        position = curve_position(health, terms)
        whole_rate = basket_rate(
            snapshot.priced_bonus_weighted_collateral, snapshot.priced_collateral_value, position, floor
        )
        own_rate = basket_rate(snapshot.set_bonus_weighted_collateral, snapshot.set_collateral_value, position, floor)

    regime = regime_of(snapshot, whole_rate, floor)
    if regime is Regime.TERMINAL:
        return _plan_in_doubt(snapshot, terms) if terms.is_covered else _plan_terminal(snapshot, terms)

    incentive = admit_set(snapshot, terms, incentive_of(snapshot, own_rate), incentive_of(snapshot, whole_rate))
    most = _without_dust(snapshot, terms, incentive, _largest(snapshot, terms, incentive))
    amount = _filled(snapshot, terms, incentive, most, has_size_limit=regime is Regime.RESTORATIVE)

    return Plan(
        regime=regime,
        penalty_rate_wad=incentive.rate_wad,
        repaid_value=amount.repaid,
        seized_value=amount.seized,
        extinguished_value=amount.repaid,
    )


def keep_covered(plan: Plan, snapshot: Snapshot, terms: Terms, decided: Decided) -> Plan:
    """Short at exchange prices only, an account is closed out as far as it stays covered (section 5, "In doubt")."""
    if plan.regime is not Regime.TERMINAL or not terms.is_covered:
        return plan
    cost = mul_div_up(plan.seized_value, decided.set_collateral_value, snapshot.set_collateral_value) * WAD
    relief = mul_div_down(plan.repaid_value, decided.set_debt_value, snapshot.set_debt_value)
    excess = cost - relief * (WAD + terms.bonus_floor_wad)
    cover = decided.cover(terms.bonus_floor_wad)
    if excess <= cover:
        return plan
    repaid = mul_div_up(plan.repaid_value, cover, excess)
    seized = mul_div_down(plan.seized_value, cover, excess)
    return replace(plan, repaid_value=repaid, seized_value=seized, extinguished_value=repaid)


def _cap(snapshot: Snapshot, incentive: Incentive) -> _Amount:
    """The most that the balances in the sets allow (section 5)."""
    set_collateral, set_debt = snapshot.set_collateral_value, snapshot.set_debt_value
    if set_collateral * incentive.q < set_debt * incentive.p:
        return _Amount(incentive.of_seized(set_collateral), set_collateral)
    return _Amount(set_debt, incentive.of_repaid(set_debt))


def _largest(snapshot: Snapshot, terms: Terms, incentive: Incentive) -> _Amount:
    """What restores the target, or the most that the balances allow (section 5)."""
    cap = _cap(snapshot, incentive)
    target = terms.target_health_factor_wad
    set_collateral = snapshot.set_collateral_value
    missing = set_collateral * (target * snapshot.debt_value - snapshot.weighted_collateral * _WEIGHT)
    weighted = snapshot.set_weighted_collateral * _WEIGHT * incentive.p
    repaid = div_up(missing, target * set_collateral - div_up(weighted, incentive.q))
    if repaid >= cap.repaid:
        return cap
    return _Amount(repaid, incentive.of_repaid(missing // (target * set_collateral - weighted // incentive.q)))


def _without_dust(snapshot: Snapshot, terms: Terms, incentive: Incentive, amount: _Amount) -> _Amount:
    """`R_max` and what is seized for it: no debt worth less than the minimum stays behind (section 5)."""
    debt, minimum = snapshot.debt_value, terms.min_debt_value
    if debt < minimum:
        return _cap(snapshot, incentive)
    if not 0 < debt - amount.repaid < minimum:
        return amount
    set_collateral = snapshot.set_collateral_value
    if snapshot.set_debt_value == debt and set_collateral * incentive.q >= debt * incentive.p:
        return _Amount(debt, incentive.of_repaid(debt))
    if debt == minimum:
        raise ModelRevert("NothingToClose")
    return _Amount(debt - minimum, incentive.of_repaid(debt - minimum))


def _filled(snapshot: Snapshot, terms: Terms, incentive: Incentive, amount: _Amount, has_size_limit: bool) -> _Amount:
    """The part that the liquidator fills, cut to what the size buckets leave (section 5)."""
    debt, minimum = snapshot.debt_value, terms.min_debt_value
    repaid, seized = amount.repaid, amount.seized
    if terms.fill_wad < WAD:
        repaid = mul_div_up(repaid, terms.fill_wad, WAD)
        seized = mul_div_down(seized, terms.fill_wad, WAD)
    is_cut = has_size_limit and seized > terms.max_seized_value
    if is_cut:
        seized = terms.max_seized_value
        repaid = incentive.of_seized(seized)
    if debt >= minimum and 0 < debt - repaid < minimum:
        if not is_cut:
            raise ModelRevert("FillLeavesDust", debt - repaid, minimum)
        repaid = debt - minimum
        seized = incentive.of_repaid(repaid)
    return _Amount(repaid, seized)


def _plan_terminal(snapshot: Snapshot, terms: Terms) -> Plan:
    """Under water: pro rata over the debts named, the difference is bad debt (section 5, "Terminal")."""
    collateral, debt = snapshot.collateral_value, snapshot.debt_value
    share = mul_div_down(collateral, snapshot.set_debt_value, debt)
    seized = min(snapshot.set_collateral_value, share)
    extinguished = snapshot.set_debt_value if seized == share else mul_div_down(seized, debt, collateral)
    if terms.fill_wad < WAD:
        seized = mul_div_down(seized, terms.fill_wad, WAD)
        extinguished = mul_div_down(extinguished, terms.fill_wad, WAD)
    repaid = min(extinguished, mul_div_up(seized, WAD, WAD + terms.bonus_floor_wad))
    return Plan(
        regime=Regime.TERMINAL,
        penalty_rate_wad=terms.bonus_floor_wad,
        repaid_value=repaid,
        seized_value=seized,
        extinguished_value=extinguished,
    )


def _plan_in_doubt(snapshot: Snapshot, terms: Terms) -> Plan:
    """Short at exchange prices only: what balances allow, at the smallest penalty (section 5, "In doubt")."""
    set_debt, factor = snapshot.set_debt_value, WAD + terms.bonus_floor_wad
    seized = min(snapshot.set_collateral_value, mul_div_down(set_debt, factor, WAD))
    repaid = min(set_debt, mul_div_up(seized, WAD, factor))
    if terms.fill_wad < WAD:
        seized = mul_div_down(seized, terms.fill_wad, WAD)
        repaid = mul_div_up(repaid, terms.fill_wad, WAD)
    return Plan(
        regime=Regime.TERMINAL,
        penalty_rate_wad=terms.bonus_floor_wad,
        repaid_value=repaid,
        seized_value=seized,
        extinguished_value=repaid,
    )
