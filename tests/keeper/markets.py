"""Configurations, prices and valuations for tests of the keeper."""

from __future__ import annotations

from dataclasses import replace

from closeout.keeper.health import Valuation
from closeout.keeper.ports import AssetConfiguration, Configuration, Price
from closeout.model import INDEX_ONE, AssetParameters, ProtocolParameters, RateParameters
from closeout.units import WAD, parse_units

NOW = 1_800_000_000


def wad(number: str | int) -> int:
    """`wad("1.05")` is 1.05e18."""
    return parse_units(number, 18)


# those of the worked examples of docs/liquidation.md
PROTOCOL = ProtocolParameters(
    target_health_factor_wad=wad("1.10"),
    margin_call_health_factor_wad=wad("1.05"),
    bonus_floor_wad=wad("0.005"),
    min_bonus_fraction_wad=wad("0.2"),
    health_for_max_bonus_wad=wad("0.90"),
    fee_share_wad=wad("0.2"),
    min_debt_value_wad=wad(100),
    dust_value_wad=wad(10),
)

WETH, WBTC, USDC, DAI = range(4)


def token(asset_id: int) -> str:
    """An address; in the order of the ids."""
    return f"0x{0x1000 + asset_id:040x}"


def asset(
    asset_id: int, name: str, decimals: int, threshold_bps: int = 0, max_bonus_bps: int = 0
) -> AssetConfiguration:
    """An asset that can be borrowed, and is collateral where it has a threshold."""
    parameters = AssetParameters(name, decimals, is_borrowable=True, rate=RateParameters())
    if threshold_bps:
        parameters = replace(
            parameters,
            is_collateral=True,
            ltv_bps=threshold_bps - 500,
            liquidation_threshold_bps=threshold_bps,
            max_bonus_bps=max_bonus_bps,
        )
    return AssetConfiguration(token(asset_id), parameters)


CONFIGURATION = Configuration(
    PROTOCOL,
    (
        asset(WETH, "WETH", 18, 8500, 800),
        asset(WBTC, "WBTC", 8, 7500, 1000),
        asset(USDC, "USDC", 6, 9000, 500),
        asset(DAI, "DAI", 18),
    ),
)
PRICES = tuple(Price.fresh(wad(price), NOW) for price in (1_500, 30_000, 1, 1))


def valuation(
    configuration: Configuration = CONFIGURATION,
    prices: tuple[Price, ...] = PRICES,
    indices: tuple[int, ...] | None = None,
    now: int = NOW,
) -> Valuation:
    """At index 1 unless indices are given."""
    return Valuation(configuration, prices, indices or (INDEX_ONE,) * len(prices), now)


def shares(units: int) -> int:
    """Debt shares of token units at index 1."""
    return 100 * units


__all__ = [
    "CONFIGURATION",
    "DAI",
    "NOW",
    "PRICES",
    "PROTOCOL",
    "USDC",
    "WAD",
    "WBTC",
    "WETH",
    "asset",
    "shares",
    "token",
    "valuation",
    "wad",
]
