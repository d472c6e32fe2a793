"""Each property check must fail on a model that breaks its property: a check that cannot fail proves nothing."""

# ruff: noqa: ARG005 (a mutant takes what the function it stands for takes)

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from closeout.model import Extinction, Plan, SeizedLeg, Snapshot, Status, Terms, _close_out, _settlement
from closeout.units import WAD
from tests import states
from tests.doubts import make_doubtful_world
from tests.model import checks, test_exact
from tests.worlds import AIMS, make_world

COUNT = 2_500

Mutation = Callable[[Any], Callable[..., Any]]


def plan_with(**changes: Callable[[Plan, Snapshot, Terms], Any]) -> Mutation:
    """The plan with some fields computed anew from plan, snapshot and terms."""

    def mutate(original: Callable[[Snapshot, Terms], Plan]) -> Callable[..., Plan]:
        def mutant(snapshot: Snapshot, terms: Terms) -> Plan:
            plan = original(snapshot, terms)
            return replace(plan, **{name: change(plan, snapshot, terms) for name, change in changes.items()})

        return mutant

    return mutate


def leg_with(change: Callable[[Any], Any]) -> Mutation:
    return lambda original: lambda *arguments, **options: change(original(*arguments, **options))


def one_more_seized(leg: SeizedLeg) -> SeizedLeg:
    return replace(leg, seized=leg.seized + 1 + leg.seized // 100)


def some_bad_debt(gone: Extinction) -> Extinction:
    return replace(gone, repaid=gone.repaid - gone.repaid // 3, bad_debt=gone.repaid // 3)


def less_repaid(gone: Extinction) -> Extinction:
    return replace(gone, repaid=gone.repaid - gone.repaid // 2, bad_debt=gone.bad_debt + gone.repaid // 2)


def with_terms(**changes: Any) -> Mutation:
    return lambda original: lambda snapshot, terms: original(snapshot, replace(terms, **changes))


def uncapped(original: Any) -> Callable[..., Any]:
    return lambda snapshot, rate: _close_out.Incentive(WAD + rate, WAD, rate)


def any_set(original: Any) -> Callable[..., Any]:
    return lambda snapshot, terms, own, whole: own


def fills_double(original: Any) -> Callable[..., Any]:
    return lambda snapshot, terms, incentive, most, **limit: replace(
        original(snapshot, terms, incentive, most, **limit), seized=most.seized
    )


def rising_with_health(original: Any) -> Callable[..., int]:
    return lambda health, terms: min(WAD, WAD // 100 + max(0, health - WAD // 2) * 2)


def by_first_asset(original: Any) -> Callable[..., Any]:
    def mutant(collaterals: Any, debts: Any, *sets: Any) -> Snapshot:
        held = list(collaterals)
        snapshot: Snapshot = original(held, debts, *sets)
        return replace(snapshot, weighted_collateral=snapshot.collateral_value * held[0].threshold_bps)

    return mutant


def all_collateral_for_any_debt(original: Any) -> Callable[..., Plan]:
    return plan_with(seized_value=lambda plan, s, t: s.set_collateral_value * t.fill_wad // WAD)(original)


def bad_debt_first_come(original: Any) -> Callable[..., Plan]:
    """Whoever is named in a terminal close-out is repaid whole, as far as the collateral goes."""
    return plan_with(
        repaid_value=lambda plan, s, t: min(
            plan.extinguished_value, s.set_collateral_value * WAD // (WAD + t.bonus_floor_wad)
        )
    )(original)


MUTANTS: list[tuple[str, object, str, Mutation]] = [
    ("p4", _close_out, "incentive_of", uncapped),
    ("p4", _close_out, "_plan_terminal", all_collateral_for_any_debt),
    ("p5", states, "plan_close_out", plan_with(repaid_value=lambda p, s, t: p.repaid_value - p.repaid_value // 10**9)),
    (
        "p5",
        states,
        "plan_close_out",
        plan_with(seized_value=lambda p, s, t: p.seized_value + 1 + p.seized_value // 10**9),
    ),
    ("p6", states, "plan_close_out", plan_with(repaid_value=lambda p, s, t: p.repaid_value + p.repaid_value // 10**5)),
    ("p8", _close_out, "_filled", fills_double),
    ("p12", _settlement, "extinguish", leg_with(some_bad_debt)),
    ("p12", _close_out, "_plan_terminal", plan_with(extinguished_value=lambda p, s, t: s.set_debt_value)),
    ("p13", checks, "seize", leg_with(one_more_seized)),
    ("p13", _settlement, "extinguish", leg_with(less_repaid)),
    ("p17", _close_out, "admit_set", any_set),
    ("p18", states, "take_snapshot", by_first_asset),
    ("p19", checks, "seize", leg_with(lambda leg: replace(leg, to_protocol=leg.seized // 10))),
    ("p20", _close_out, "curve_position", rising_with_health),
    ("p21", _close_out, "_plan_terminal", bad_debt_first_come),
    ("p22", states, "plan_close_out", with_terms(target_health_factor_wad=999 * WAD // 1000)),
]


@pytest.mark.parametrize(
    ("name", "owner", "target", "mutation"), MUTANTS, ids=[f"{m[0]}-{m[2]}-{n}" for n, m in enumerate(MUTANTS)]
)
def test_a_broken_model_fails_the_check(
    name: str, owner: object, target: str, mutation: Mutation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, target, mutation(getattr(owner, target)))
    check = getattr(checks, f"check_{name}")
    is_random = len(inspect.signature(check).parameters) == 2
    with pytest.raises(AssertionError):
        for seed in range(COUNT):
            world = make_world(Random(seed), AIMS[seed % len(AIMS)])
            check(world, Random(seed)) if is_random else check(world)


def full_penalty_beside_a_missing_price(original: Any) -> Callable[..., Any]:
    return lambda snapshot: WAD


IN_DOUBT: list[tuple[str, object, str, Mutation]] = [
    ("p4", _close_out, "_within_health", full_penalty_beside_a_missing_price),
    ("p5", states.World, "_target_wad", lambda original: lambda world: world.protocol.target_health_factor_wad),
    ("p12", states.World, "is_covered", lambda original: lambda world: False),
]


@pytest.mark.parametrize(("name", "owner", "target", "mutation"), IN_DOUBT, ids=[m[2] for m in IN_DOUBT])
def test_a_model_that_is_broken_where_prices_are_in_doubt__fails_the_check(
    name: str, owner: object, target: str, mutation: Mutation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, target, mutation(getattr(owner, target)))
    check = getattr(checks, f"check_{name}")
    with pytest.raises(AssertionError):
        for seed in range(COUNT):
            check(make_doubtful_world(Random(seed), AIMS[seed % len(AIMS)]))


def degraded_as_fresh(original: Any) -> Callable[..., Any]:
    return lambda positions, debts, *sets: original(
        [replace(p, status=Status.FRESH) if p.status is Status.DEGRADED else p for p in positions], debts, *sets
    )


def missing_as_fresh(original: Any) -> Callable[..., Any]:
    return lambda positions, debts, *sets: original(
        [replace(p, status=Status.FRESH) if p.status is Status.MISSING else p for p in positions], debts, *sets
    )


@pytest.mark.parametrize(
    ("owner", "target", "mutation"),
    [
        (states, "take_snapshot", degraded_as_fresh),
        (states, "take_snapshot", missing_as_fresh),
        (states.World, "_target_wad", lambda original: lambda world: world.protocol.target_health_factor_wad),
        (states.World, "is_covered", lambda original: lambda world: True),
        (_close_out, "_within_health", full_penalty_beside_a_missing_price),
    ],
)
def test_a_model_that_is_broken_where_prices_are_in_doubt__disagrees_with_the_specification(
    owner: object, target: str, mutation: Mutation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, target, mutation(getattr(owner, target)))
    with pytest.raises(AssertionError):
        for seed in range(COUNT):
            test_exact.agree(make_doubtful_world(Random(seed), AIMS[seed % len(AIMS)]))


@pytest.mark.parametrize(
    ("target", "mutation"),
    [
        ("regime_of", lambda original: lambda snapshot, rate, floor: original(snapshot, rate, floor + WAD // 1000)),
        ("curve_position", lambda original: lambda health, terms: original(health, terms) * 999_999 // 1_000_000),
        ("_without_dust", lambda original: lambda snapshot, terms, incentive, amount: amount),
        ("admit_set", any_set),
        ("incentive_of", uncapped),
        ("_decay", lambda original: lambda x, terms: original(x // 2, terms)),
    ],
)
def test_a_broken_model_disagrees_with_the_specification(
    target: str, mutation: Mutation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_close_out, target, mutation(getattr(_close_out, target)))
    with pytest.raises(AssertionError):
        for seed in range(COUNT):
            test_exact.agree(make_world(Random(seed), AIMS[seed % len(AIMS)]))
