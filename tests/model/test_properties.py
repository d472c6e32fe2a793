"""The specification's properties over the model: many thousands of seeded worlds, and Hypothesis on top of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from closeout.model import Regime
from tests.model import checks
from tests.support.evidence import looked_at
from tests.worlds import AIMS, World, make_world, try_plan, worlds

COUNT = 6_000
RANDOMS = st.integers(0, 2**32 - 1).map(Random)


@cache
def seeded() -> tuple[World, ...]:
    return tuple(make_world(Random(seed), AIMS[seed % len(AIMS)]) for seed in range(COUNT))


def told(check: Callable[[World], bool], least: int) -> None:
    """Holds for every seeded world, and enough of them said something about it."""
    looked_at(COUNT)
    count = sum(check(world) for world in seeded())
    assert count >= least, f"only {count} worlds told anything"


def told_at_random(check: Callable[[World, Random], bool], least: int) -> None:
    looked_at(COUNT)
    count = 0
    for seed, world in enumerate(seeded()):
        count += check(world, Random(seed))
    assert count >= least, f"only {count} worlds told anything"


def test_worlds__reach_every_regime_and_every_refusal() -> None:
    outcomes: Counter[str] = Counter()
    branches: Counter[str] = Counter()
    for world in seeded():
        outcome = try_plan(world)
        snapshot = world.snapshot()
        minimum = world.protocol.min_debt_value_wad * 10**9
        if isinstance(outcome, str):
            outcomes[outcome] += 1
            continue
        outcomes[outcome.regime.name] += 1
        done = checks.settle(world)
        branches["rounds repaid down"] += done is not None and done.rounds_down
        if outcome.regime is Regime.TERMINAL:
            branches["terminal, not all debt"] += outcome.extinguished_value < snapshot.set_debt_value
            continue
        if world.health() is not None:
            branches["below health for max bonus"] += (
                snapshot.health_factor_wad < world.protocol.health_for_max_bonus_wad
            )
        branches["below minimum debt"] += snapshot.debt_value < minimum
        branches["leaves minimum debt"] += 0 < minimum == snapshot.debt_value - outcome.repaid_value
        branches["closes all"] += snapshot.debt_value == outcome.repaid_value
        branches["takes all of the set's collateral"] += outcome.seized_value == snapshot.set_collateral_value
        branches["repays all of the set's debt"] += outcome.repaid_value == snapshot.set_debt_value
        branches["smaller set"] += not snapshot.is_whole_collateral
        branches["size cut"] += outcome.seized_value == world.max_seized_value
        branches["at the floor"] += outcome.penalty_rate_wad == world.protocol.bonus_floor_wad
    for name, least in {
        "RESTORATIVE": 1500,
        "CAPPED": 400,
        "TERMINAL": 700,
        "AccountHealthy": 500,
        "SetSellsTooMuch": 200,
        "PenaltyBelowFloor": 30,
        "FillLeavesDust": 50,
    }.items():
        assert outcomes[name] >= least, outcomes
    for name, least in {
        "rounds repaid down": 20,
        "terminal, not all debt": 300,
        "below health for max bonus": 300,
        "below minimum debt": 200,
        "leaves minimum debt": 5,
        "closes all": 300,
        "takes all of the set's collateral": 300,
        "repays all of the set's debt": 400,
        "smaller set": 300,
        "size cut": 5,
        "at the floor": 100,
    }.items():
        assert branches[name] >= least, branches


def test_p4_a_close_out_never_lowers_the_health_factor() -> None:
    told(checks.check_p4, 3000)


def test_p5_full_close_out_lands_on_target() -> None:
    told(checks.check_p5, 500)


def test_p6_minimal() -> None:
    told(checks.check_p6, 500)


def test_p8_splitting_never_seizes_more() -> None:
    told_at_random(checks.check_p8, 2000)


def test_p12_no_debt_is_written_off_while_the_account_is_solvent() -> None:
    told(checks.check_p12, 2000)


def test_p13_seized_within_the_mean_bonus_and_the_split_adds_up() -> None:
    told(checks.check_p13, 3000)


def test_p17_no_sequence_of_sets_sells_more_or_costs_more() -> None:
    told_at_random(checks.check_p17, 1000)


def test_p18_order() -> None:
    told_at_random(checks.check_p18, 3000)


def test_p19_a_liquidator_never_loses_at_oracle_prices() -> None:
    told(checks.check_p19, 3000)


def test_p20_a_gift_never_makes_the_borrower_poorer() -> None:
    told_at_random(checks.check_p20, 1500)


def test_p21_terminal_settlement_is_pro_rata() -> None:
    told_at_random(checks.check_p21, 300)


def test_p22_a_second_close_out_is_refused() -> None:
    told(checks.check_p22, 1200)


@pytest.mark.parametrize("name", ["p4", "p5", "p6", "p12", "p13", "p19", "p22"])
def test_hypothesis__property_of_one_close_out(name: str) -> None:
    check: Callable[[World], bool] = getattr(checks, f"check_{name}")

    @settings(max_examples=200)
    @given(worlds())
    def holds(world: World) -> None:
        check(world)

    holds()


@pytest.mark.parametrize("name", ["p8", "p18", "p20", "p21"])
def test_hypothesis__property_of_several_close_outs(name: str) -> None:
    check: Callable[[World, Random], bool] = getattr(checks, f"check_{name}")

    @settings(max_examples=150)
    @given(worlds(), RANDOMS)
    def holds(world: World, random: Random) -> None:
        check(world, random)

    holds()
