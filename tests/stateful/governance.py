"""Histories whose rules change on the way: parameters of assets and of the protocol, ramps of thresholds included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from closeout.chain.parameters import CollateralParameters
from closeout.model import ModelRevert
from closeout.units import WAD
from tests.differential.plays import Move
from tests.differential.settings import DAY, Listed, Setting, model_parameters
from tests.stateful.plays import WholePlay
from tests.stateful.whole_vault import Ramp, WholeVault

MIN_RAMP, MAX_RAMP = DAY, 90 * DAY
STEP, BAND, COOLDOWN = 100, 500, 3 * DAY
"""Of the steward, for an initial margin: bps a step, bps from the anchor, seconds from step to step."""
MOST_SOLVENT = 99_000_000
"""bps squared: a threshold times one plus its bonus."""


class GovernedPlay(WholePlay):
    """Also what governor and steward do. `setting`: the parameters in force, thresholds on their ramps included."""

    @property
    def _anchors(self) -> tuple[Listed, ...]:
        """What the governor listed."""
        return self._opening.listed

    def moves(self) -> dict[str, tuple[int, Callable[[], Move]]]:
        return super().moves() | {
            "set asset": (4, self._set_asset),
            "set protocol": (2, self._set_protocol),
            "steward step": (4, self._steward_step),
        }

    @property
    def setting(self) -> Setting:
        vault: WholeVault = self.vault
        if not vault.ramps:
            return self._setting
        assets = list(self._setting.assets)
        for n in vault.ramps:
            collateral = replace(assets[n].collateral, liquidation_threshold=vault.threshold_of(n))
            assets[n] = replace(assets[n], collateral=collateral)
        return replace(self._setting, assets=tuple(assets))

    # ---------------------------------------------------------------------------------------------------------- assets

    def _set_asset(self) -> Move:
        """Other margins, bonus, caps and rates of one asset; a lower threshold with a ramp, or refused without."""
        random, n = self._random, self._listed()
        old = self._setting.assets[n]
        collateral, borrowing = old.collateral, old.borrowing
        ramp, refusal = 0, None
        if collateral.liquidation_threshold:
            now = self.vault.threshold_of(n)
            collateral = replace(collateral, liquidation_threshold=self._new_threshold(now))
            if collateral.liquidation_threshold < now:
                ramp = random.choice((0, MIN_RAMP - 1, MIN_RAMP, 3 * DAY, 10 * DAY, MAX_RAMP))
            collateral = self._with_bonus(collateral, now)
            if collateral.liquidation_threshold < now and not MIN_RAMP <= ramp <= MAX_RAMP:
                refusal = ModelRevert("RampOutOfRange", ramp, MIN_RAMP, MAX_RAMP)
            if random.random() < 0.1:
                threshold = collateral.liquidation_threshold
                collateral, refusal = (
                    replace(collateral, ltv=threshold),
                    _out_of_range("ltv", threshold, 0, threshold - 1),
                )
        if borrowing.supply_cap:
            borrowing = replace(borrowing, reserve_factor=random.choice((borrowing.reserve_factor, 0, 1000, 2500)))
            if borrowing.base:
                slopes = {"slope1": random.randint(0, 10**9), "slope2": random.randint(0, 3 * 10**9)}
                borrowing = replace(borrowing, **slopes)
        return self._asset_move(n, replace(old, collateral=collateral, borrowing=borrowing), ramp, refusal)

    def _new_threshold(self, now: int) -> int:
        return max(100, now + self._random.choice((0, 0, 0, -1, -200, -1000, 50)))

    def _with_bonus(self, collateral: CollateralParameters, threshold_now: int) -> CollateralParameters:
        """A bonus that threshold and floor allow at both ends of a ramp, and a margin below the threshold."""
        floor = -(-self._setting.parameters.curve.bonus_floor * 10_000 // WAD)
        highest = max(collateral.liquidation_threshold, threshold_now)
        most = min(2000, MOST_SOLVENT // highest - 10_000)
        if most < floor:
            return replace(collateral, liquidation_threshold=threshold_now)
        bonus = self._random.choice((min(most, max(floor, collateral.max_bonus)), self._random.randint(floor, most)))
        threshold = collateral.liquidation_threshold
        ltv = self._random.choice((min(collateral.ltv, threshold - 1), max(0, threshold - 500)))
        return replace(collateral, max_bonus=bonus, ltv=ltv)

    def _asset_move(self, n: int, new: Listed, ramp: int, refusal: ModelRevert | None) -> Move:
        def play(vault: WholeVault) -> None:
            if refusal is not None:
                raise refusal
            start, target = vault.threshold_of(n), new.collateral.liquidation_threshold
            vault.change_asset(
                n, new.in_the_model(), Ramp(start, target, vault.now + ramp, ramp) if target < start else None
            )
            assets = list(self._setting.assets)
            assets[n] = new
            self._setting = replace(self._setting, assets=tuple(assets))

        return Move("set asset", "governor", "setAsset", (n, new, ramp), play, "configurator")

    def _install(self, vault: WholeVault, n: int, new: Listed, ramp: int) -> None:
        """New parameters are in force, a lower threshold at the end of its ramp."""
        start, target = vault.threshold_of(n), new.collateral.liquidation_threshold
        vault.change_asset(
            n, new.in_the_model(), Ramp(start, target, vault.now + ramp, ramp) if target < start else None
        )
        assets = list(self._setting.assets)
        assets[n] = new
        self._setting = replace(self._setting, assets=tuple(assets))

    def _steward_step(self) -> Move:
        """The steward moves an initial margin: a point at a time, five in all, every third day."""
        n = self._random.choice(self._held)
        listed = self._setting.assets[n]
        now, ltv = listed.collateral.ltv, listed.collateral.liquidation_threshold - 1
        asked = max(0, min(ltv, now + self._random.choice((-100, -50, -1, 20, 100, 101, 300))))
        new = replace(listed, collateral=replace(listed.collateral, ltv=asked))
        anchored = self._anchors[n].collateral.ltv

        def play(vault: WholeVault) -> None:
            next_at = vault.steward_next.get(n, 0)
            if vault.now < next_at:
                raise ModelRevert("SteppedTooSoon", n, next_at, vault.now)
            ramp = vault.ramps.get(n)
            if ramp is not None and vault.now < ramp.ends_at:
                raise ModelRevert("RampRunning", n, ramp.ends_at)
            for error, around, room in (("StepTooLarge", now, STEP), ("OutsideBand", anchored, BAND)):
                if asked != now and not around - min(around, room) <= asked <= around + room:
                    raise ModelRevert(error, _name("ltv"), asked, around - min(around, room), around + room)
            vault.steward_next[n] = vault.now + COOLDOWN
            self._install(vault, n, new, 0)

        return Move("steward step", "steward", "step", (n, new, 0), play, "steward")

    # -------------------------------------------------------------------------------------------------------- protocol

    def _set_protocol(self) -> Move:
        """Another target, fee share, curve, smallest debt and grace; sometimes one that breaks a relation."""
        random, old = self._random, self._setting.parameters
        target = random.choice((old.curve.target_health_factor, 105 * WAD // 100, 12 * WAD // 10))
        curve = replace(
            old.curve,
            target_health_factor=target,
            margin_call_health_factor=min(target, old.curve.margin_call_health_factor),
            fee_share=random.choice((0, WAD // 5, WAD // 2)),
            steepness=random.choice((0, 0, WAD, 5 * WAD)),
            min_bonus_fraction=random.choice((WAD // 5, WAD // 2, WAD)),
        )
        # twice the smallest debt is the least of a bucket's minimum: settings have one of five hundred dollars, or none
        limits = replace(old.limits, min_debt_value=random.choice((0, 50, 100, 250)) * WAD)
        limits = replace(limits, grace_period=random.choice((0, 0, 3600, old.limits.grace_period)))
        refusal = None
        if random.random() < 0.15:
            curve = replace(curve, fee_share=WAD // 2 + 1)
            refusal = _out_of_range("feeShare", curve.fee_share, 0, WAD // 2)
        new = replace(old, curve=curve, limits=limits)

        def play(vault: WholeVault) -> None:
            if refusal is not None:
                raise refusal
            vault.set_parameters(model_parameters(new))
            self._setting = replace(self._setting, parameters=new)

        return Move("set protocol", "governor", "setProtocol", (new,), play, "configurator")


def _out_of_range(parameter: str, value: int, least: int, most: int) -> ModelRevert:
    return ModelRevert("ParameterOutOfRange", _name(parameter), value, least, most)


def _name(parameter: str) -> Any:
    """A parameter's name as errors carry it."""
    return parameter.encode().ljust(32, b"\0")
