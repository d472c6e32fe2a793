"""Accounts written down by hand, in dollars: every token has 6 decimals and costs 1 USD."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from closeout.model import INDEX_ONE, AssetParameters, ProtocolParameters
from closeout.units import WAD, parse_units
from tests.worlds import World

DECIMALS = 6


@dataclass(frozen=True)
class Held:
    """A collateral: USD, liquidation threshold and bonus in per cent."""

    usd: str
    threshold: int
    bonus: int


def account(
    held: Sequence[Held],
    debts: Sequence[str],
    *,
    target: str = "1.05",
    fee_share_wad: int = 0,
    min_debt: int = 0,
    dust: int = 0,
) -> World:
    """Debts in USD. The bonus is the same at every health factor: curves are not what is compared."""
    assets = [
        AssetParameters(
            f"C{n}",
            DECIMALS,
            is_collateral=True,
            ltv_bps=one.threshold * 100 - 1,
            liquidation_threshold_bps=one.threshold * 100,
            max_bonus_bps=one.bonus * 100,
        )
        for n, one in enumerate(held)
    ]
    assets += [AssetParameters(f"D{n}", DECIMALS, is_borrowable=True) for n in range(len(debts))]
    first = len(held)
    return World(
        aim="by hand",
        protocol=ProtocolParameters(
            target_health_factor_wad=parse_units(target, 18),
            margin_call_health_factor_wad=WAD,
            bonus_floor_wad=WAD // 200,
            min_bonus_fraction_wad=WAD,
            health_for_max_bonus_wad=9 * WAD // 10,
            fee_share_wad=fee_share_wad,
            min_debt_value_wad=min_debt * WAD,
            dust_value_wad=dust * WAD,
        ),
        assets=tuple(assets),
        prices_wad=(WAD,) * len(assets),
        collateral={n: parse_units(one.usd, DECIMALS) for n, one in enumerate(held)},
        debt_shares={first + n: 100 * parse_units(usd, DECIMALS) for n, usd in enumerate(debts)},
        indices={first + n: INDEX_ONE for n in range(len(debts))},
    )
