"""CloseOutBounds: never in the way of the engine's own plans, at the tightest target there is; in the way of others.

What a hostile engine may try through the Vault is in tests/unit/vault/test_hostile_engine.py; here are the plain sums.
"""

from __future__ import annotations

from dataclasses import astuple, replace
from random import Random

import pytest

from closeout.model import Plan, Regime, Snapshot, Terms
from closeout.units import BPS, RAY
from tests.support.node import Deployed, Node, reverts
from tests.support.structs import in_words
from tests.support.world import World, wad
from tests.worlds import make_world

# C = 30 000, W = 24 000, M = 9 % of C, B = 24 500; the set is all of it
WHOLE = Snapshot(
    collateral_value=30_000 * RAY,
    weighted_collateral=24_000 * RAY * BPS,
    debt_value=24_500 * RAY,
    priced_collateral_value=30_000 * RAY,
    priced_weighted_collateral=24_000 * RAY * BPS,
    priced_bonus_weighted_collateral=2_700 * RAY * BPS,
    set_collateral_value=30_000 * RAY,
    set_weighted_collateral=24_000 * RAY * BPS,
    set_bonus_weighted_collateral=2_700 * RAY * BPS,
    set_debt_value=24_500 * RAY,
)
TERMS = Terms(
    target_health_factor_wad=wad("1.1"),
    bonus_floor_wad=wad("0.005"),
    min_bonus_fraction_wad=wad("0.2"),
    health_for_max_bonus_wad=wad("0.9"),
    steepness_wad=0,
    min_debt_value=100 * RAY,
)


@pytest.fixture(scope="module")
def harness(node: Node) -> Deployed:
    return node.deploy("BoundsHarness", sender=World.governor)


def check(harness: Deployed, snapshot: Snapshot, terms: Terms, plan: tuple, most_target: int) -> None:
    harness.check(in_words(harness.node, snapshot), in_words(harness.node, terms), plan, most_target)


def plan_of(repaid: int, seized: int, extinguished: int | None = None) -> tuple:
    return astuple(Plan(Regime.RESTORATIVE, 0, repaid, seized, repaid if extinguished is None else extinguished))


@pytest.mark.parametrize("seed", range(8))
def test_bounds__on_the_engines_own_plans__refuse_none(node: Node, harness: Deployed, standard: World, seed: int):
    """Worlds of every regime and border; the Vault's largest target is the very target that the plan aims at."""
    random = Random(seed)
    cases: dict[int, list[tuple]] = {}
    for _ in range(250):
        world = make_world(random)
        snapshot, terms = world.snapshot(), world.terms()
        if snapshot.set_collateral_value and snapshot.set_debt_value:
            cases.setdefault(terms.target_health_factor_wad, []).append(
                (in_words(node, snapshot), in_words(node, terms))
            )
    planned = 0
    for target, batch in cases.items():
        is_planned, refusals = harness.checkPlansOf(standard.engine, batch, target)
        planned += sum(is_planned)
        for case, refusal in zip(batch, refusals, strict=True):
            assert refusal == b"", (node.decode_revert("0x" + refusal.hex()), case)
    assert planned > 100


def test_bounds__at_every_limit_of_a_solvent_account__admit_it_and_refuse_one_beyond(harness: Deployed):
    """Two RAY units of rounding are allowed, not three."""
    repaid = 1000 * RAY
    check(harness, WHOLE, TERMS, plan_of(repaid, 1090 * RAY + 2), wad(2))
    with reverts("PlanAboveBonus", 1090 * RAY + 3, 1090 * RAY + 2):
        check(harness, WHOLE, TERMS, plan_of(repaid, 1090 * RAY + 3), wad(2))

    # H = 24 000 / 24 500 is above tau (1 + beta) of the whole, so only a set of better quality can lower it
    better = replace(WHOLE, set_collateral_value=10_000 * RAY, set_weighted_collateral=9_500 * RAY * BPS)
    better = replace(better, set_bonus_weighted_collateral=900 * RAY * BPS)
    # 0.95 S <= R 24 000 / 24 500
    seized = 1000 * RAY * 24_000 * 100 // (24_500 * 95)
    check(harness, better, TERMS, plan_of(repaid, seized), wad(2))
    lost = (seized + 10**13) * 95 * BPS // 100
    # two digits of the values, and two of the WAD in which the engine compares sets
    most = -(-repaid * 24_000 * BPS // 24_500) + 2 * BPS + 2 * BPS * 1000 * 10**9
    with reverts("PlanLowersHealth", lost, most):
        check(harness, better, TERMS, plan_of(repaid, seized + 10**13), wad(2))


def test_bounds__on_a_full_repayment__allow_it_only_where_leaving_the_least_debt_would_not_do(harness: Deployed):
    """The dust rule may take all; then what would be left at minDebtValue is what counts, not what is left."""
    small = replace(
        WHOLE,
        collateral_value=125 * RAY,
        weighted_collateral=100 * RAY * BPS,
        priced_collateral_value=125 * RAY,
        priced_weighted_collateral=100 * RAY * BPS,
        debt_value=101 * RAY,
        set_collateral_value=125 * RAY,
        set_weighted_collateral=100 * RAY * BPS,
        set_bonus_weighted_collateral=10 * RAY * BPS,
        set_debt_value=101 * RAY,
        priced_bonus_weighted_collateral=10 * RAY * BPS,
    )
    check(harness, small, TERMS, plan_of(101 * RAY, 105 * RAY), wad("1.1"))
    # the same account with a least debt of 10: 91 may go before the target is passed
    with reverts("PlanAboveMaxTarget", ...):
        check(
            harness,
            small,
            replace(TERMS, min_debt_value=10 * RAY),
            plan_of(101 * RAY, 105 * RAY),
            wad("1.1"),
        )
    # below the least debt everything may go
    check(
        harness,
        small,
        replace(TERMS, min_debt_value=102 * RAY),
        plan_of(101 * RAY, 105 * RAY),
        wad("1.1"),
    )


def test_bounds__under_an_owners_own_penalty__hold_to_that_instead_of_the_largest_bonus(harness: Deployed):
    """Self-deleverage at 2 %, where the collateral's largest bonus is 9 %."""
    healthy = replace(WHOLE, debt_value=20_000 * RAY, set_debt_value=20_000 * RAY)
    terms = replace(TERMS, fixed_penalty_wad=wad("0.02"), target_health_factor_wad=wad("1.5"))
    check(harness, healthy, terms, plan_of(1000 * RAY, 1020 * RAY + 2), wad(2))
    with reverts("PlanAboveBonus", 1020 * RAY + 3, 1020 * RAY + 2):
        check(harness, healthy, terms, plan_of(1000 * RAY, 1020 * RAY + 3), wad(2))


@pytest.mark.parametrize(("above", "is_insolvent"), [(0, False), (1, True)])
def test_bounds__at_the_border_of_insolvency__decide_by_products(harness: Deployed, above: int, is_insolvent: bool):
    """C = 1.005 B exactly is solvent: nothing may be extinguished beyond what is repaid."""
    debt = 10_000 * RAY + above
    edge = replace(
        WHOLE,
        collateral_value=10_050 * RAY,
        weighted_collateral=8_000 * RAY * BPS,
        priced_collateral_value=10_050 * RAY,
        priced_weighted_collateral=8_000 * RAY * BPS,
        priced_bonus_weighted_collateral=900 * RAY * BPS,
        set_collateral_value=10_050 * RAY,
        set_weighted_collateral=8_000 * RAY * BPS,
        set_bonus_weighted_collateral=900 * RAY * BPS,
        debt_value=debt,
        set_debt_value=debt,
    )
    repaid, seized = 1000 * RAY, 1005 * RAY
    check(harness, edge, TERMS, plan_of(repaid, seized), wad(2))
    if is_insolvent:
        check(harness, edge, TERMS, plan_of(repaid, seized, repaid + 1), wad(2))
    else:
        with reverts("PlanExtinguishesTooMuch", repaid + 1, repaid):
            check(harness, edge, TERMS, plan_of(repaid, seized, repaid + 1), wad(2))


def test_bounds__on_an_insolvent_account__hold_collateral_and_debt_together(harness: Deployed):
    """C = 15 000, B = 16 000: for every 15 seized 16 disappear, no more and no fewer."""
    under = replace(
        WHOLE,
        collateral_value=15_000 * RAY,
        weighted_collateral=12_000 * RAY * BPS,
        priced_collateral_value=15_000 * RAY,
        priced_weighted_collateral=12_000 * RAY * BPS,
        priced_bonus_weighted_collateral=1_200 * RAY * BPS,
        set_collateral_value=15_000 * RAY,
        set_weighted_collateral=12_000 * RAY * BPS,
        set_bonus_weighted_collateral=1_200 * RAY * BPS,
        debt_value=16_000 * RAY,
        set_debt_value=16_000 * RAY,
    )
    repaid, seized, gone = 1450 * RAY, 1500 * RAY, 1600 * RAY
    check(harness, under, TERMS, plan_of(repaid, seized, gone), wad(2))
    with reverts("PlanExtinguishesTooMuch", ...):
        check(harness, under, TERMS, plan_of(repaid, seized, gone + 10), wad(2))
    with reverts("PlanLowersHealth", ...):
        check(harness, under, TERMS, plan_of(repaid, seized, gone - 10), wad(2))
