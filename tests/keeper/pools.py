"""Uniswap pools in memory for tests of the keeper: full range, at given prices."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import isqrt

from closeout.keeper.pools import MAX_TICK, tick_at
from closeout.keeper.ports import PoolState, Price
from tests.keeper.markets import CONFIGURATION, token

SPACINGS = {500: 10, 3_000: 60, 10_000: 200}


def full_range(
    first: int, second: int, prices: Sequence[Price], depth: int = 50_000_000, fee: int = 3_000, skew_bps: int = 0
) -> PoolState:
    """A pool of two assets, the lower id first, with so many dollars a side; `skew_bps` off the oracle's price."""
    spacing, assets = SPACINGS[fee], CONFIGURATION.assets
    units = {n: depth * 10 ** (18 + assets[n].parameters.decimals) // prices[n].exchange_wad for n in (first, second)}
    ratio = Fraction(units[second], units[first]) * Fraction(10_000 + skew_bps, 10_000)
    price = isqrt(ratio.numerator * 2**192 // ratio.denominator)
    liquidity, widest = isqrt(units[first] * units[second]), MAX_TICK // spacing * spacing
    return PoolState(
        address=f"{first}/{second} at {fee}",
        token0=token(first),
        token1=token(second),
        fee=fee,
        tick_spacing=spacing,
        sqrt_price_x96=price,
        tick=tick_at(price),
        liquidity=liquidity,
        net_liquidity={-widest: liquidity, widest: -liquidity},
        known=(-2 * MAX_TICK, 2 * MAX_TICK),
    )
