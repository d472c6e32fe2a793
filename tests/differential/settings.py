"""Protocols for both sides: the same parameters for the contracts and for the reference model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random

from closeout.chain.parameters import (
    UNLIMITED,
    BorrowParameters,
    CollateralParameters,
    CurveParameters,
    LimitParameters,
    ProtocolParameters,
)
from closeout.model import AssetParameters, Bucket, RateParameters, Vault
from closeout.model import ProtocolParameters as ModelParameters
from closeout.units import RATE, WAD, format_units
from tests.support.node import Node
from tests.support.world import PARAMETERS, World, wad

DAY = 86_400


@dataclass(frozen=True)
class Listed:
    """One asset, for both sides."""

    name: str
    decimals: int
    price_wad: int
    collateral: CollateralParameters
    borrowing: BorrowParameters

    def in_the_model(self) -> AssetParameters:
        held, lent = self.collateral, self.borrowing
        return AssetParameters(
            name=self.name,
            decimals=self.decimals,
            is_collateral=held.liquidation_threshold != 0,
            is_borrowable=lent.supply_cap != 0,
            ltv_bps=held.ltv,
            liquidation_threshold_bps=held.liquidation_threshold,
            max_bonus_bps=held.max_bonus,
            reserve_factor_bps=lent.reserve_factor,
            rate=RateParameters(lent.base, lent.slope1, lent.slope2, lent.kink or WAD),
            collateral_cap=held.cap,
            supply_cap=lent.supply_cap,
            borrow_cap=lent.borrow_cap,
            bucket=Bucket(held.bucket_capacity, held.bucket_refill) if held.bucket_capacity else None,
        )


@dataclass(frozen=True)
class Setting:
    """One protocol with its assets."""

    name: str
    parameters: ProtocolParameters
    assets: tuple[Listed, ...]

    def in_the_model(self, now: int, kind: type[Vault] = Vault) -> Vault:
        vault = kind(model_parameters(self.parameters), now=now)
        for asset in self.assets:
            vault.list_asset(asset.in_the_model(), asset.price_wad)
        return vault

    def on_chain(self, node: Node, kinds: Mapping[str, str] | None = None) -> World:
        """`kinds`: contracts of tokens that are not ordinary, by the asset's name."""
        world = World(node, self.parameters)
        for asset in self.assets:
            price = format_units(asset.price_wad, 18)
            token = None
            if asset.name in (kinds or {}):
                token = node.deploy((kinds or {})[asset.name], asset.name, asset.decimals, sender=World.governor)
            world.list_asset(asset.name, asset.decimals, price, asset.collateral, asset.borrowing, token=token)
        return world


def model_parameters(parameters: ProtocolParameters) -> ModelParameters:
    curve, limits = parameters.curve, parameters.limits
    return ModelParameters(
        target_health_factor_wad=curve.target_health_factor,
        margin_call_health_factor_wad=curve.margin_call_health_factor,
        bonus_floor_wad=curve.bonus_floor,
        min_bonus_fraction_wad=curve.min_bonus_fraction,
        health_for_max_bonus_wad=curve.health_for_max_bonus,
        steepness_wad=curve.steepness,
        fee_share_wad=curve.fee_share,
        min_debt_value_wad=limits.min_debt_value,
        min_debt_per_asset_wad=limits.min_debt_per_asset,
        dust_value_wad=limits.dust_value,
        grace_period=limits.grace_period,
        hard_floor_wad=limits.hard_floor,
        call_lifetime=limits.call_lifetime,
        backstop_delay=limits.backstop_delay,
        bucket_minimum_wad=limits.bucket_minimum,
        degraded_refill_wad=limits.degraded_refill,
        max_target_health_factor_wad=parameters.max_target_health_factor,
    )


# ------------------------------------------------------------------------------------------------------------- settings

NO_GRACE = LimitParameters(
    min_debt_value=100 * WAD,
    min_debt_per_asset=0,
    dust_value=10 * WAD,
    bucket_minimum=0,
    hard_floor=95 * WAD // 100,
    grace_period=0,
    call_lifetime=7 * DAY,
    backstop_delay=2 * DAY,
)
ALL_LIMITS = replace(NO_GRACE, min_debt_per_asset=7 * WAD, bucket_minimum=500 * WAD, grace_period=3600)
CURVED = CurveParameters(
    target_health_factor=108 * WAD // 100,
    margin_call_health_factor=103 * WAD // 100,
    health_for_max_bonus=92 * WAD // 100,
    bonus_floor=WAD // 100,
    min_bonus_fraction=WAD // 3,
    fee_share=WAD // 3,
    steepness=3 * WAD,
)

# name, decimals, USD per whole token, held as collateral, lent. One unit is worth at most a few dollars.
ASSETS = (
    ("eighteen", 18, "1500", True, True),
    ("eight", 8, "30000", True, False),
    ("six", 6, "1", True, True),
    ("none", 0, "3.21", True, True),
    ("many", 27, "12.3", True, True),
    ("two", 2, "17.5", False, True),
    ("dollar", 18, "1", False, True),
)


def setting(name: str, *, interest: bool, limits: bool, curved: bool) -> Setting:
    """The same assets under different rules; what is random of an asset depends on the setting's name."""
    random = Random(name)
    parameters = replace(
        PARAMETERS, curve=CURVED if curved else PARAMETERS.curve, limits=ALL_LIMITS if limits else NO_GRACE
    )
    assets = []
    for symbol, decimals, price, is_held, is_lent in ASSETS:
        price_wad = wad(price)
        assets.append(
            Listed(
                symbol,
                decimals,
                price_wad,
                _held(random, decimals, price_wad, limits) if is_held else CollateralParameters(),
                _lent(random, decimals, price_wad, interest, limits) if is_lent else BorrowParameters(),
            )
        )
    return Setting(name, parameters, tuple(assets))


def _held(random: Random, decimals: int, price_wad: int, limits: bool) -> CollateralParameters:
    bonus = random.choice((200, 500, 800, 1500))
    threshold = min(random.choice((6000, 7500, 8500, 9300)), 99_000_000 // (10_000 + bonus))
    bucket = random.choice((0, 2_000, 20_000)) * WAD if limits else 0
    return CollateralParameters(
        ltv=threshold - random.choice((1, 300, 1000)),
        liquidation_threshold=threshold,
        max_bonus=bonus,
        cap=_units(90_000, decimals, price_wad) if limits else UNLIMITED,
        bucket_capacity=bucket,
        bucket_refill=WAD // 50 if bucket else 0,
    )


def _lent(random: Random, decimals: int, price_wad: int, interest: bool, limits: bool) -> BorrowParameters:
    rates = {"base": RATE // 50, "slope1": RATE // 10, "slope2": 3 * RATE, "reserve_factor": 1500} if interest else {}
    return BorrowParameters(
        **rates,
        kink=random.choice((8, 9)) * WAD // 10,
        supply_cap=_units(1_200_000, decimals, price_wad) if limits else UNLIMITED,
        borrow_cap=_units(60_000, decimals, price_wad) if limits else UNLIMITED,
    )


def _units(value: int, decimals: int, price_wad: int) -> int:
    return value * WAD * 10**decimals // price_wad


SETTINGS = (
    setting("plain", interest=False, limits=False, curved=False),
    setting("limits", interest=False, limits=True, curved=True),
    setting("interest", interest=True, limits=False, curved=True),
    setting("all", interest=True, limits=True, curved=False),
)
