"""What a close-out must come to, by the reference model, for an account as the chain has it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from closeout.model import (
    CollateralPosition,
    DebtPosition,
    Plan,
    Snapshot,
    Terms,
    extinguish_all,
    health_factor,
    plan_close_out,
    seize,
    selected_collaterals,
    selected_debts,
    take_snapshot,
)
from closeout.units import RAY, WAD
from tests.support.world import EVERYTHING, Result, World

__all__ = ["expected_close_out", "positions_of", "terms_of"]


@dataclass(frozen=True)
class Positions:
    collaterals: list[CollateralPosition]
    debts: list[DebtPosition]

    @property
    def health(self) -> int:
        weighted = sum(c.value * c.threshold_bps for c in self.collaterals)
        return health_factor(weighted, sum(d.value for d in self.debts))


def positions_of(world: World, account: int) -> Positions:
    """The account's balances with the prices and thresholds that the test set; debts without interest."""
    held, owed = world.position(account)
    collaterals = [
        CollateralPosition(
            n,
            amount,
            world.prices[n],
            world.assets[n].decimals,
            world.listings[n][0].liquidation_threshold,
            world.listings[n][0].max_bonus,
        )
        for n, amount in held.items()
    ]
    debts = []
    for n, amount in owed.items():
        assert world.vault.marketOf(n)[3] == 10**17, "a debt with interest has no whole number of shares to start from"
        debts.append(DebtPosition(n, amount * 100, 10**17, world.prices[n], world.assets[n].decimals))
    return Positions(collaterals, debts)


def terms_of(world: World, fill: int = WAD, **changes: int | bool) -> Terms:
    """What the engine is told under the world's parameters."""
    curve, limits = world.parameters.curve, world.parameters.limits
    terms = {
        "target_health_factor_wad": curve.target_health_factor,
        "bonus_floor_wad": curve.bonus_floor,
        "min_bonus_fraction_wad": curve.min_bonus_fraction,
        "health_for_max_bonus_wad": curve.health_for_max_bonus,
        "steepness_wad": curve.steepness,
        "min_debt_value": limits.min_debt_value * (RAY // WAD),
        "fill_wad": fill,
    }
    return Terms(**(terms | changes))


def expected_close_out(
    world: World,
    account: int,
    *,
    collaterals: int = EVERYTHING,
    debts: int = EVERYTHING,
    fill: int = WAD,
    fee_share: int | None = None,
    **terms: int | bool,
) -> tuple[Result, Plan, Snapshot]:
    """The result to the unit, without insurance and without what a terminal close-out writes off."""
    positions = positions_of(world, account)
    chosen = frozenset(n for n in range(128) if collaterals >> n & 1)
    owed = frozenset(n for n in range(128) if debts >> n & 1)
    snapshot = take_snapshot(positions.collaterals, positions.debts, chosen, owed)
    engine_terms = terms_of(world, fill, **terms)
    plan, gone = extinguish_all(
        positions.debts,
        selected_debts(positions.debts, owed),
        plan_close_out(snapshot, engine_terms),
        snapshot,
        min_debt_value=engine_terms.min_debt_value,
        fixed_penalty_wad=engine_terms.fixed_penalty_wad,
    )
    curve = world.parameters.curve
    share = curve.fee_share if fee_share is None else fee_share
    legs = [
        seize(c, plan, snapshot, share, curve.bonus_floor) for c in selected_collaterals(positions.collaterals, chosen)
    ]
    seized = {leg.asset_id: (leg.seized, leg.to_protocol, 0) for leg in legs}
    repaid = {n: (e.repaid, e.bad_debt, 0) for n, e in gone.items()}
    after = _after(positions, {leg.asset_id: leg.seized for leg in legs}, {n: e.shares for n, e in gone.items()})
    result = Result(plan.regime, True, plan.penalty_rate_wad, positions.health, after.health, seized, repaid)
    return result, plan, snapshot


def _after(positions: Positions, seized: dict[int, int], burnt: dict[int, int]) -> Positions:
    return Positions(
        [replace(c, amount=c.amount - seized.get(c.asset_id, 0)) for c in positions.collaterals],
        [replace(d, shares=d.shares - burnt.get(d.asset_id, 0)) for d in positions.debts],
    )
