"""Properties of close-outs of accounts whose prices are degraded or missing, some or all; of volatile collateral."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from closeout.model import MAX_UINT256, Regime, Status
from tests.doubts import make_doubtful_world
from tests.model import checks, test_exact
from tests.worlds import AIMS, World, try_plan

COUNT = 4_000
RANDOMS = st.integers(0, 2**32 - 1).map(Random)


@cache
def doubtful() -> tuple[World, ...]:
    return tuple(make_doubtful_world(Random(7 * 10**6 + seed), AIMS[seed % len(AIMS)]) for seed in range(COUNT))


def test_worlds__reach_every_regime_under_every_status() -> None:
    seen: Counter[str] = Counter()
    for world in doubtful():
        outcome = try_plan(world)
        if isinstance(outcome, str):
            seen[outcome] += 1
            continue
        regime, statuses = outcome.regime.name.lower(), {world.quote(n).status for n in world.in_sets()}
        seen[f"{regime}, {'throttled' if Status.DEGRADED in statuses else 'fresh'}"] += 1
        is_missing = any(world.quote(n).status is Status.MISSING for n in world.collateral)
        seen[f"{regime}, without a collateral's price"] += is_missing
        seen["raised target"] += world.terms().target_health_factor_wad > world.protocol.target_health_factor_wad
        seen["insolvent at exchange prices only"] += outcome.regime is Regime.TERMINAL and world.is_covered()
        snapshot = world.snapshot()
        seen["healthier than it is closed out at"] += snapshot.health_factor_wad < world.deciding_health_wad()
        limit = world.terms().max_seized_value
        below = snapshot.health_factor_wad < world.protocol.health_for_max_bonus_wad
        seen["size limit below the health for the largest bonus"] += limit != MAX_UINT256 and below
    for name, least in {
        "restorative, throttled": 250,
        "restorative, fresh": 100,
        "restorative, without a collateral's price": 150,
        "capped, throttled": 100,
        "capped, fresh": 30,
        "capped, without a collateral's price": 50,
        "terminal, throttled": 500,
        "terminal, fresh": 100,
        "terminal, without a collateral's price": 300,
        "raised target": 100,
        "insolvent at exchange prices only": 150,
        "healthier than it is closed out at": 500,
        "size limit below the health for the largest bonus": 3,
        "EmptySet": 300,
        "AccountHealthy": 100,
        "PenaltyBelowFloor": 40,
        "SetSellsTooMuch": 30,
        "FillLeavesDust": 3,
    }.items():
        assert seen[name] >= least, seen


def told(check: Callable[[World], bool], least: int) -> None:
    count = sum(check(world) for world in doubtful())
    assert count >= least, f"only {count} worlds told anything"


def test_model_and_specification__agree_under_every_status() -> None:
    seen = Counter(test_exact.agree(world) for world in doubtful())
    for name, least in {"restorative": 500, "capped": 250, "terminal": 1000, "refused PenaltyBelowFloor": 40}.items():
        assert seen[name] >= least, seen
    assert seen["border"] <= COUNT // 100, seen


def test_p4_a_close_out_never_lowers_the_health_factor__under_every_status() -> None:
    told(checks.check_p4, 1500)


def test_p5_full_close_out_lands_on_target__under_every_status() -> None:
    told(checks.check_p5, 200)


def test_p6_minimal__under_every_status() -> None:
    told(checks.check_p6, 200)


def test_p8_splitting_never_seizes_more__under_every_status() -> None:
    count = sum(checks.check_p8(world, Random(seed)) for seed, world in enumerate(doubtful()))
    assert count >= 1000, count


def test_in_doubt__a_close_out_leaves_the_account_covered_where_it_is_decided() -> None:
    told(checks.check_stays_covered, 150)


def test_p12_no_debt_is_written_off_in_doubt() -> None:
    told(checks.check_p12, 1500)


def test_p13_seized_within_the_mean_bonus__under_every_status() -> None:
    told(checks.check_p13, 1500)


def test_p19_a_liquidator_never_loses_at_exchange_prices__under_every_status() -> None:
    told(checks.check_p19, 1500)


@pytest.mark.parametrize("name", ["p4", "p5", "p6", "p12", "p13", "p19"])
def test_hypothesis__property_of_one_close_out_in_doubt(name: str) -> None:
    check: Callable[[World], bool] = getattr(checks, f"check_{name}")

    @settings(max_examples=150)
    @given(RANDOMS)
    def holds(random: Random) -> None:
        check(make_doubtful_world(random))

    holds()
