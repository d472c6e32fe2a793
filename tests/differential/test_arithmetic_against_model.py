"""Curve, interest, rates, shares and values: libraries against the reference model, to the unit, borders included."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from closeout.model import (
    INDEX_ONE,
    MAX_AMOUNT,
    MAX_INDEX,
    MAX_RATE,
    CollateralPosition,
    DebtPosition,
    Market,
    RateParameters,
    Terms,
    curve_position,
    debt_part_down,
    debt_part_up,
    debt_shares_down,
    debt_shares_up,
    debt_units_down,
    debt_units_up,
    grown_index,
    health_factor,
)
from closeout.units import RATE, SECONDS_PER_YEAR, WAD
from tests.differential.batches import evaluate
from tests.differential.sizes import seeded, sized
from tests.support.node import Deployed
from tests.worlds import DECIMALS

COUNT = sized(5000)
CENTURY = 100 * SECONDS_PER_YEAR

Case = tuple[int, ...]


def near(random: Random, *points: int, spread: int = 3) -> int:
    """One of the points or next to it, never below 0."""
    return max(0, random.choice(points) + random.randint(-spread, spread))


def of_any_size(random: Random, most: int) -> int:
    """As often small as large."""
    return random.randint(0, min(most, 10 ** random.randint(0, len(str(most)))))


def curve(random: Random) -> Case:
    edge = random.choice((WAD // 2, 9 * WAD // 10, 99 * WAD // 100, random.randint(WAD // 2, 99 * WAD // 100)))
    health = random.choice((near(random, 0, edge, WAD), random.randint(0, WAD), random.randint(edge, WAD)))
    steepness = random.choice((0, WAD // 100, WAD, 20 * WAD, random.randint(WAD // 100, 20 * WAD)))
    return health, random.choice((0, WAD // 5, WAD, random.randint(0, WAD))), edge, steepness


def curve_in_the_model(health: int, least: int, edge: int, steepness: int) -> int:
    return curve_position(health, Terms(WAD, 0, least, edge, steepness, 0))


def growth(random: Random) -> Case:
    index = random.choice((INDEX_ONE, near(random, MAX_INDEX // 2), random.randint(INDEX_ONE, MAX_INDEX)))
    rate = random.choice((0, 1, MAX_RATE, random.randint(0, MAX_RATE), random.randint(0, RATE // 10)))
    seconds = random.choice((0, 1, 12, SECONDS_PER_YEAR, CENTURY, of_any_size(random, 2**40)))
    return min(index, MAX_INDEX), rate, seconds


def rate(random: Random) -> Case:
    kink = random.choice((1, WAD // 2, 9 * WAD // 10, WAD, random.randint(1, WAD)))
    utilisation = random.choice((near(random, 0, kink, WAD), random.randint(0, WAD)))
    return min(WAD, utilisation), *(random.choice((0, of_any_size(random, MAX_RATE), MAX_RATE)) for _ in range(3)), kink


def rate_in_the_model(utilisation: int, base: int, slope1: int, slope2: int, kink: int) -> int:
    return RateParameters(base, slope1, slope2, kink).rate_at(utilisation)


def supply(random: Random) -> Case:
    assets, shares = of_any_size(random, MAX_AMOUNT), of_any_size(random, 2**140)
    return of_any_size(random, 2**112), assets, shares


def market(assets: int, shares: int) -> Market:
    return Market(accrued_at=0, idle=assets, supply_shares=shares)


def debt(random: Random) -> Case:
    return of_any_size(random, MAX_AMOUNT), random.choice((INDEX_ONE, MAX_INDEX, random.randint(INDEX_ONE, MAX_INDEX)))


def debt_part(random: Random) -> Case:
    whole = 1 + of_any_size(random, 2**240)
    return *debt(random), random.choice((whole, of_any_size(random, whole), random.randint(0, whole))), whole


def collateral_balance(random: Random) -> Case:
    return of_any_size(random, MAX_AMOUNT), max(1, of_any_size(random, 10**30)), random.choice(DECIMALS)


def debt_balance(random: Random) -> Case:
    return *debt(random), max(1, of_any_size(random, 10**30)), random.choice(DECIMALS)


def sums(random: Random) -> Case:
    weighted, owed = of_any_size(random, 2**190), of_any_size(random, 2**178)
    # the ratio of the two is a health factor: next to 1 often
    return random.choice((weighted, max(0, owed * 10_000 + random.randint(-3, 3)))), owed


PAIRS: dict[str, tuple[Callable[[Random], Case], Callable[..., int]]] = {
    "bonus_fraction": (curve, curve_in_the_model),
    "grow": (growth, grown_index),
    "kinked_rate": (rate, rate_in_the_model),
    "to_shares_down": (supply, lambda n, assets, shares: market(assets, shares).shares_down(n)),
    "to_shares_up": (supply, lambda n, assets, shares: market(assets, shares).shares_up(n)),
    "to_assets_down": (supply, lambda n, assets, shares: market(assets, shares).assets_down(n)),
    "to_debt_up": (debt, debt_units_up),
    "to_debt_down": (debt, debt_units_down),
    "debt_part_up": (debt_part, debt_part_up),
    "debt_part_down": (debt_part, debt_part_down),
    "to_debt_shares_up": (debt, debt_shares_up),
    "to_debt_shares_down": (debt, debt_shares_down),
    "collateral_value": (collateral_balance, lambda n, price, d: CollateralPosition(0, n, price, d, 0, 0).value),
    "debt_value": (debt_balance, lambda n, index, price, d: DebtPosition(0, n, index, price, d).value),
    "health_factor": (sums, health_factor),
}


@pytest.mark.parametrize("function", PAIRS)
def test_library_and_model__compute_the_same(maths: Deployed, function: str) -> None:
    make, in_the_model = PAIRS[function]
    cases = [make(seeded(function, number)) for number in range(COUNT)]
    for case, got in zip(cases, evaluate(maths, function, cases), strict=True):
        assert got == in_the_model(*case), f"{function}{case}"
