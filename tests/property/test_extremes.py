"""Threat 79: prices from 1e-12 to 1e12 USD a token, 0 to 27 decimals, one unit to the largest amount, on either side.

Each world is closed out by the contracts. Whatever the figures, there is an answer: a close-out that keeps its
properties, or a refusal by name; never an overflow, and nothing is paid for nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import product

import pytest

from closeout.model import INDEX_ONE, MAX_AMOUNT, AssetParameters, ProtocolParameters, Regime
from closeout.units import WAD
from tests.differential.sizes import sized
from tests.model import checks
from tests.property.placed import Seen, Stage
from tests.property.pools import told_by
from tests.worlds import World

DECIMALS = (0, 2, 6, 8, 18, 27)
PRICES_WAD = (10**6, WAD, 10**30)
"""1e-12, 1 and 1e12 USD."""

THRESHOLD, BONUS = 8000, 1000
FACTORS = {"healthy": "0.7", "restorative": "0.82", "capped": "0.95", "terminal": "1.05", "hopeless": "1e6"}
"""Debt over collateral value."""

REFUSALS = {"AccountHealthy", "NothingToClose", "EmptySet", "FillLeavesDust"}


def asset(name: str, decimals: int, *, is_collateral: bool) -> AssetParameters:
    if not is_collateral:
        return AssetParameters(name=name, decimals=decimals, is_borrowable=True)
    return AssetParameters(
        name=name,
        decimals=decimals,
        is_collateral=True,
        ltv_bps=THRESHOLD - 1,
        liquidation_threshold_bps=THRESHOLD,
        max_bonus_bps=BONUS,
    )


def amounts(held: AssetParameters) -> tuple[int, ...]:
    """One unit, a whole token, the most that an account can hold."""
    return tuple(dict.fromkeys((1, 10**held.decimals, held.max_amount)))


def extreme_worlds() -> list[World]:
    """Collateral of every kind and amount, with debts of every kind that whole units can come near to."""
    protocol = ProtocolParameters(
        target_health_factor_wad=11 * WAD // 10,
        margin_call_health_factor_wad=105 * WAD // 100,
        bonus_floor_wad=WAD // 200,
        min_bonus_fraction_wad=WAD // 5,
        health_for_max_bonus_wad=9 * WAD // 10,
        fee_share_wad=WAD // 5,
        min_debt_value_wad=0,
    )
    worlds, aims = [], list(FACTORS.items())
    for number, (decimals, price, debt_decimals, debt_price) in enumerate(
        product(DECIMALS, PRICES_WAD, DECIMALS, PRICES_WAD)
    ):
        held = asset("C", decimals, is_collateral=True)
        for place, amount in enumerate(amounts(held)):
            aim, factor = aims[(number + place) % len(aims)]
            value = Fraction(amount * price, 10**decimals)
            units = int(value * Fraction(factor) * 10**debt_decimals / debt_price)
            units = max(1, min(units, MAX_AMOUNT // 100))
            worlds.append(
                World(
                    aim,
                    replace(protocol, min_debt_value_wad=100 * WAD if value > 1000 * WAD else 0),
                    (held, asset("D", debt_decimals, is_collateral=False)),
                    (price, debt_price),
                    {0: amount},
                    {1: units * 100},
                    {1: INDEX_ONE},
                )
            )
    return worlds[:: max(1, round(1 / max(sized(100) / 100, 0.01)))]


@pytest.fixture(scope="module")
def seen(stage: Stage) -> list[Seen]:
    return stage.see_all(extreme_worlds())


def test_t79_accounts_at_the_extremes__are_closed_out_by_the_rules_or_refused_by_name(seen: list[Seen]):
    outcomes: Counter[str] = Counter()
    for one in seen:
        outcomes[one.refusal or "done"] += 1
        assert one.refusal is None or one.refusal in REFUSALS, one.world
        assert one.preview == (one.result or one.refusal), one.world
        if one.settled is None:
            continue
        outcomes[one.settled.plan.regime.name] += 1
        known = one.settled
        with told_by(lambda world, known=known: known if world is known.before else None):
            for check in (checks.check_p4, checks.check_p12, checks.check_p13, checks.check_p19):
                check(one.world)
    assert outcomes["done"] > len(seen) // 3, outcomes
    for regime in (Regime.RESTORATIVE, Regime.CAPPED, Regime.TERMINAL):
        assert outcomes[regime.name] > len(seen) // 30, outcomes


def test_t79_nobody_pays__for_more_than_a_unit_of_each_token_more_than_he_gets(seen: list[Seen]):
    """Zero seized for something repaid is possible only where what is repaid is worth less than a unit of either."""
    nothing = 0
    for one in seen:
        if one.settled is None or any(leg.seized for leg in one.settled.seized.values()):
            continue
        nothing += 1
        units = one.settled.debt_units() + one.settled.collateral_units()
        assert one.settled.repaid_value() <= units, one.world
    assert nothing < len(seen) // 4
