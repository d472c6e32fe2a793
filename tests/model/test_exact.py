"""The model against the specification in exact fractions: same verdict, same amounts, over thousands of accounts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from random import Random

from hypothesis import given

from closeout.model import CollateralPosition, DebtPosition, Plan
from tests.differential import exact
from tests.model.checks import settle
from tests.worlds import AIMS, World, make_world, try_plan, worlds

COUNT = 12_000
RELATIVE = Fraction(1, 10**12)
UNITS = 2
NOISE = Fraction(1, 10**24)
"""USD. What rounding values to 1e-27 USD can come to where next to nothing is closed out."""

UNVALUED = Fraction(1, 10**27)
"""USD. A collateral worth less is worth 0 in the integers, and section 4 keeps what is worth 0 out of every set."""


def verdict_of(world: World) -> exact.Verdict:
    holdings = {n: h for n, h in world.exact_holdings().items() if h.value >= UNVALUED}
    debts, doubts = world.exact_debts(), world.exact_doubts()
    return exact.close_out(holdings, debts, world.exact_rules(), world.exact_request(), doubts)


def agree(world: World) -> str:
    """Compares one world; returns what was compared. `border`: so near to one that rounding may decide."""
    verdict, outcome = verdict_of(world), try_plan(world)
    if isinstance(outcome, str) or verdict.refusal:
        if outcome != verdict.refusal:
            assert verdict.margin < RELATIVE, (outcome, verdict)
            return "border"
        return f"refused {outcome}"
    if outcome.regime.name.lower() != verdict.regime:
        # the regimes pass into each other without a step: the amounts below agree all the same
        assert verdict.margin < RELATIVE, (outcome, verdict)
    _same_amounts(world, outcome, verdict)
    return str(verdict.regime)


def _same_amounts(world: World, plan: Plan, verdict: exact.Verdict) -> None:
    assert abs(Fraction(plan.penalty_rate_wad, 10**18) - verdict.beta) <= RELATIVE * max(
        verdict.beta, Fraction(1, 1000)
    )
    assert abs(Fraction(plan.repaid_value, 10**27) - verdict.repaid) <= RELATIVE * verdict.repaid + NOISE
    assert abs(Fraction(plan.seized_value, 10**27) - verdict.seized) <= RELATIVE * verdict.seized + NOISE
    done = settle(world)
    if done is None:
        return  # next to nothing, in every token: NothingToClose
    for n, seized in done.seized.items():
        expected = verdict.seized_part * world.collateral[n]
        if done.rounds_down:
            # at most the largest bonus is seized for what is really repaid: up to a unit of each debt less
            least = expected * (1 - RELATIVE - done.debt_units() / verdict.repaid) - UNITS
            assert least <= seized.seized <= expected * (1 + RELATIVE) + UNITS
            continue
        _near(world, n, seized.seized, expected)
    for n, gone in done.extinguished.items():
        owed = world.debt_units(n)
        _near(world, n, gone.repaid, verdict.repaid_part * owed)
        _near(world, n, gone.repaid + gone.bad_debt, verdict.extinguished_part * owed)


def _near(world: World, asset_id: int, units: int, expected: Fraction) -> None:
    noise = NOISE / world.unit_value(asset_id)
    assert abs(units - expected) <= max(Fraction(UNITS), RELATIVE * expected, noise), (units, float(expected))


def test_model_and_specification_agree_over_thousands_of_accounts() -> None:
    seen = Counter(agree(make_world(Random(10**6 + seed), AIMS[seed % len(AIMS)])) for seed in range(COUNT))
    for name, least in {
        "restorative": 4000,
        "capped": 1000,
        "terminal": 1500,
        "refused AccountHealthy": 1000,
        "refused SetSellsTooMuch": 400,
        "refused PenaltyBelowFloor": 60,
        "refused FillLeavesDust": 100,
        "refused EmptySet": 1,
    }.items():
        assert seen[name] >= least, seen
    assert seen["border"] <= COUNT // 100, seen


@given(worlds())
def test_hypothesis__model_and_specification_agree(world: World) -> None:
    agree(world)


def test_borders__are_decided_as_the_specification_decides_them() -> None:
    """On the very border, with balances that need no rounding: `C = (1 + f) B`, `C = (1 + b) B`, `H = 1`."""
    base = make_world(Random(5), "curve").whole()
    asset = replace(base.assets[0], decimals=6, liquidation_threshold_bps=8000, ltv_bps=7000, max_bonus_bps=1000)
    owed = replace(base.assets[len(base.collateral)], decimals=6)
    protocol = replace(
        base.protocol,
        target_health_factor_wad=11 * 10**17,
        margin_call_health_factor_wad=10**18,
        bonus_floor_wad=5 * 10**15,
        min_bonus_fraction_wad=2 * 10**17,
        health_for_max_bonus_wad=9 * 10**17,
        steepness_wad=0,
        min_debt_value_wad=0,
    )

    def regime(collateral: int, debt: int) -> tuple[str, str | None]:
        world = World(
            "border",
            protocol,
            (asset, owed),
            (10**18, 10**18),
            {0: collateral},
            {1: debt * 100},
            {1: 10**17},
        )
        outcome, verdict = try_plan(world), verdict_of(world)
        ours = outcome if isinstance(outcome, str) else outcome.regime.name.lower()
        return ours, verdict.refusal or verdict.regime

    unit = 10**6
    assert regime(1_005 * unit, 1_000 * unit) == ("capped", "capped")
    assert regime(1_005 * unit - 1, 1_000 * unit) == ("terminal", "terminal")
    assert regime(1_100 * unit, 1_000 * unit) == ("capped", "capped")
    assert regime(1_100 * unit + 1, 1_000 * unit) == ("restorative", "restorative")
    assert regime(1_250 * unit, 1_000 * unit) == ("AccountHealthy", "AccountHealthy")
    assert regime(1_250 * unit - 1, 1_000 * unit) == ("restorative", "restorative")


def test_positions__value_collateral_down_and_debt_up() -> None:
    for seed in range(2000):
        random = Random(seed)
        decimals = random.choice((0, 2, 6, 8, 18, 27))
        price = random.randint(1, 10 ** random.randint(1, 30))
        amount = random.randint(1, 10 ** random.randint(1, 33))
        unit = Fraction(price * 10**9, 10**decimals)
        value = CollateralPosition(0, amount, price, decimals, 1, 1).value
        assert value <= amount * unit < value + 1
        index = random.randint(10**17, 2**72 - 1)
        debt = DebtPosition(0, amount, index, price, decimals)
        exact_units = Fraction(amount * index, 10**19)
        assert debt.value - 1 < exact_units * unit <= debt.value
        assert debt.units - 1 < exact_units <= debt.units
