"""Valid worlds for tests, built from a seed, never filtered: `World` is one account, see `tests.states`.

`make_world(random)` is fast; `worlds()` wraps it for Hypothesis.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from random import Random
from typing import Final

from hypothesis import strategies as st

from closeout.model import (
    INDEX_ONE,
    MAX_AMOUNT,
    MAX_UINT256,
    AssetParameters,
    ProtocolParameters,
    debt_shares_up,
    div_up,
    mul_div_up,
)
from closeout.units import RAY, WAD
from tests.states import ACCOUNT, OPENED_AT, World, try_plan

__all__ = ["ACCOUNT", "AIMS", "DECIMALS", "OPENED_AT", "World", "make_world", "try_plan", "worlds"]

DECIMALS: Final = (0, 2, 6, 8, 18, 27)

AIMS: Final = (
    "healthy",
    "at one",
    "just below one",
    "curve",
    "below the curve",
    "capped",
    "terminal",
    "hopeless",
    "border capped",
    "border terminal",
    "dust after",
    "dust before",
)
"""What a world's health is aimed at. Every regime, and both sides of every border between them."""


def make_world(random: Random, aim: str | None = None) -> World:
    """A world. Every choice comes from `random`."""
    aim = aim or random.choice(AIMS)
    protocol = _protocol(random)
    collateral_count = random.choice((1, 1, 2, 2, 3, 3, 4, 5, 7, 10))
    debt_count = random.choice((1, 1, 1, 2, 2, 3, 4, 5))
    assets = [_collateral_asset(random, n, protocol) for n in range(collateral_count)]
    assets += [_debt_asset(random, collateral_count + n) for n in range(debt_count)]

    scale = 10 ** random.uniform(1, 9)
    if aim in ("dust after", "dust before") and protocol.min_debt_value_wad:
        scale = protocol.min_debt_value_wad / WAD * (random.uniform(0.3, 1) if aim == "dust before" else 1.5)
    prices: list[int] = []
    collateral: dict[int, int] = {}
    for n, part in enumerate(_parts(random, collateral_count)):
        price, amount = _balance(random, assets[n], scale * part * 1.3)
        prices.append(price)
        collateral[n] = amount
    _coarse_collateral(random, assets, prices, collateral)

    value = sum(collateral[n] * Fraction(prices[n], 10 ** assets[n].decimals) for n in collateral) / WAD
    weighted = sum(
        collateral[n] * Fraction(prices[n] * assets[n].liquidation_threshold_bps, 10 ** (assets[n].decimals + 4))
        for n in collateral
    ) / Fraction(WAD)
    bonus = float(
        sum(
            collateral[n] * Fraction(prices[n] * assets[n].max_bonus_bps, 10 ** (assets[n].decimals + 4))
            for n in collateral
        )
        / Fraction(WAD)
        / value
    )
    debt = _aimed_debt(random, aim, protocol, value, weighted, bonus)

    debt_shares: dict[int, int] = {}
    indices: dict[int, int] = {}
    parts = _parts(random, debt_count)
    for k in range(debt_count):
        n = collateral_count + k
        indices[n] = _index(random)
        price, units = _balance(random, assets[n], float(debt) * parts[k])
        prices.append(price)
        if k == debt_count - 1:
            # the last debt takes what is left, so that a border is met as closely as its unit allows
            held = sum(debt_shares[j] * indices[j] * Fraction(prices[j], 10 ** assets[j].decimals) for j in debt_shares)
            left = debt * WAD - held / (100 * INDEX_ONE)
            units = max(1, int(left * 10 ** assets[n].decimals / price) + random.choice((0, 0, 0, 1)))
        units = min(units, MAX_AMOUNT // 100 - 1)
        shares = debt_shares_up(units, indices[n])
        if indices[n] != INDEX_ONE and shares > 1000:
            shares -= random.randrange(100)
        debt_shares[n] = max(1, shares)

    world = World(aim, protocol, tuple(assets), tuple(prices), collateral, debt_shares, indices)
    return _with_request(random, world)


def worlds(*aims: str) -> st.SearchStrategy[World]:
    """Worlds for Hypothesis, of some or all aims."""
    return st.builds(
        lambda seed, aim: make_world(Random(seed), aim),
        st.integers(0, 2**32 - 1),
        st.sampled_from(aims or AIMS),
    )


# ---------------------------------------------------------------------------------------------------------- the parts


def _protocol(random: Random) -> ProtocolParameters:
    target = random.choice((WAD, 101 * WAD // 100, 11 * WAD // 10, 11 * WAD // 10, 5 * WAD // 4, 2 * WAD))
    if random.random() < 0.2:
        target = random.randint(WAD, 2 * WAD)
    floor = random.choice((0, WAD // 1000, WAD // 200, WAD // 200, WAD // 100, WAD // 50))
    minimum = random.choice((0, 1, 100, 100, 1_000, 20_000)) * WAD
    return ProtocolParameters(
        target_health_factor_wad=target,
        margin_call_health_factor_wad=random.randint(WAD, target),
        bonus_floor_wad=floor,
        min_bonus_fraction_wad=random.choice((0, WAD // 5, WAD // 5, WAD // 2, WAD)),
        health_for_max_bonus_wad=random.choice(
            (WAD // 2, 9 * WAD // 10, 9 * WAD // 10, 95 * WAD // 100, 99 * WAD // 100)
        ),
        steepness_wad=random.choice((0, 0, WAD // 100, WAD, 5 * WAD, 20 * WAD, random.randint(WAD // 100, 20 * WAD))),
        fee_share_wad=random.choice((0, WAD // 5, WAD // 5, WAD // 2)),
        min_debt_value_wad=minimum,
        dust_value_wad=random.choice((0, WAD, WAD, 10 * WAD)),
    )


def _collateral_asset(random: Random, n: int, protocol: ProtocolParameters) -> AssetParameters:
    least_bonus = div_up(protocol.bonus_floor_wad * 10_000, WAD)
    bonus = random.choice((least_bonus, 500, 800, 1000, 2000, random.randint(least_bonus, 2000)))
    bonus = max(bonus, least_bonus)
    # t (1 + maxBonus) <= 0.99 is a listing rule
    most = 99_000_000 // (10_000 + bonus)
    threshold = random.choice((most, most, random.randint(most // 2, most), random.randint(100, most)))
    return AssetParameters(
        name=f"C{n}",
        decimals=random.choice(DECIMALS),
        is_collateral=True,
        ltv_bps=threshold - random.choice((1, min(500, threshold - 1))),
        liquidation_threshold_bps=threshold,
        max_bonus_bps=bonus,
    )


def _debt_asset(random: Random, n: int) -> AssetParameters:
    return AssetParameters(name=f"D{n}", decimals=random.choice(DECIMALS), is_borrowable=True)


def _index(random: Random) -> int:
    if random.random() < 0.5:
        return INDEX_ONE
    return random.choice((random.randint(INDEX_ONE, 2 * INDEX_ONE), random.randint(INDEX_ONE, 90 * INDEX_ONE)))


def _parts(random: Random, count: int) -> list[float]:
    weights = [10 ** random.uniform(-3, 0) if random.random() < 0.3 else random.uniform(0.1, 1) for _ in range(count)]
    total = sum(weights)
    return [weight / total for weight in weights]


def _balance(random: Random, asset: AssetParameters, value: float) -> tuple[int, int]:
    """A price and a balance worth about `value` USD: at least a million units, so that one unit weighs little.

    Prices run from 1e-12 to 1e12 USD as far as the balance, at most 10^14 whole tokens, can then carry the value.
    """
    largest = min(10.0**14, asset.max_amount / 100 / 10**asset.decimals / 100)
    low = max(1e-12, value / largest)
    high = min(1e12, value * 10**asset.decimals / 1e6)
    price = low * (max(high, low) / low) ** random.random()
    price_wad = min(10**30, max(1, int(price * 1e18)))
    if random.random() < 0.3:
        price_wad = min(10**30, max(1, round(price)) * WAD) if price > 100 else price_wad
    amount = int(Fraction(value) * WAD * 10**asset.decimals / price_wad)
    return price_wad, max(1, min(amount, asset.max_amount))


def _coarse_collateral(
    random: Random, assets: list[AssetParameters], prices: list[int], collateral: dict[int, int]
) -> None:
    """Now and then one collateral is next to nothing, or worth exactly nothing after rounding."""
    if len(collateral) > 1 and random.random() < 0.1:
        n = random.choice(list(collateral))
        collateral[n] = random.choice((1, 1, 1000))
        if assets[n].decimals >= 18 and random.random() < 0.5:
            prices[n] = 1


def _aimed_debt(
    random: Random, aim: str, protocol: ProtocolParameters, value: Fraction, weighted: Fraction, bonus: float
) -> Fraction:
    floor = Fraction(protocol.bonus_floor_wad, WAD)
    solvent = value / (1 + max(floor, Fraction(bonus))) * Fraction(999, 1000)
    edge = Fraction(protocol.health_for_max_bonus_wad, WAD)
    if aim == "healthy":
        return weighted / Fraction(random.uniform(1.0001, 2))
    if aim == "at one":
        return weighted * random.choice((Fraction(1), 1 + Fraction(1, 10**15), 1 - Fraction(1, 10**15)))
    if aim == "just below one":
        return weighted * (1 + Fraction(1, 10 ** random.randint(3, 12)))
    if aim in ("curve", "dust after", "dust before"):
        health = edge + (1 - edge) * Fraction(random.choice((0.0, 0.5, random.random())))
        return min(weighted / health * (1 + Fraction(1, 10**9)), max(solvent, weighted * (1 + Fraction(1, 10**9))))
    if aim == "below the curve":
        return min(weighted / (edge * Fraction(random.uniform(0.5, 1))), max(solvent, weighted * Fraction(101, 100)))
    if aim == "capped":
        return max(
            value / (1 + floor + (Fraction(bonus) - floor) * Fraction(random.random())),
            weighted * Fraction(10001, 10000),
        )
    if aim == "border capped":
        return value / (1 + max(floor, Fraction(bonus).limit_denominator(10**6)))
    if aim == "border terminal":
        return value / (1 + floor)
    if aim == "terminal":
        return value / (1 + floor) * Fraction(random.uniform(1.000001, 1.5))
    return value * Fraction(10 ** random.uniform(0.2, 6))


def _with_request(random: Random, world: World) -> World:
    if random.random() < 0.3:
        return world
    collateral_set = _subset(random, list(world.collateral)) if random.random() < 0.6 else None
    debt_set = _subset(random, list(world.debt_shares)) if random.random() < 0.5 else None
    fill = random.choice((WAD, WAD, WAD // 2, WAD - 1, random.randint(1, WAD), random.randint(1, 10**6)))
    limit = MAX_UINT256
    if random.random() < 0.15:
        least = max(2 * world.protocol.min_debt_value_wad * (RAY // WAD), RAY)
        limit = mul_div_up(least, random.randint(WAD, 50 * WAD), WAD)
    return replace(
        world,
        collateral_set=collateral_set,
        debt_set=debt_set,
        fill_wad=fill,
        is_backstop=random.random() < 0.1,
        max_seized_value=limit,
    )


def _subset(random: Random, ids: list[int]) -> frozenset[int]:
    count = random.randint(1, len(ids))
    return frozenset(random.sample(ids, count))
