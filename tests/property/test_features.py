"""The properties with the features that are off by default switched on: early deleverage, size buckets, grace."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction

import pytest

from closeout.model import Bucket, Regime, Terms, mul_div_down, selected_collaterals
from closeout.units import RAY, WAD
from tests.differential.accounts import opted_in
from tests.differential.simulation import Block, simulate
from tests.differential.sizes import least, seeded, sized
from tests.model import checks
from tests.property.placed import NOW, Seen, Stage
from tests.property.pools import Pool, holds, some_worlds
from tests.property.test_one_close_out import leaves_no_dust, previews_what_it_does
from tests.worlds import World

COUNT = sized(300)
UNHEALTHY = ("just below one", "curve", "below the curve", "capped", "dust after")
GRACE = 3600

# ---------------------------------------------------------------------------------------------------- self-deleverage


@dataclass(frozen=True)
class OptedIn(World):
    """A healthy account whose owner offers a penalty below a trigger, up to a target of his own."""

    number: int = 0
    trigger_wad: int = 0
    target_wad: int = 0
    penalty_wad: int = 0

    def terms(self) -> Terms:
        return replace(super().terms(), target_health_factor_wad=self.target_wad, fixed_penalty_wad=self.penalty_wad)

    @classmethod
    def of(cls, number: int) -> OptedIn | None:
        """None where the health factor leaves no room between itself and the largest target."""
        case = opted_in(number)
        health, target = case.snapshot.health_factor_wad, case.terms.target_health_factor_wad
        if health + 1 >= target or not case.snapshot.set_collateral_value:
            return None
        fields = {name: getattr(case.world, name) for name in World.__dataclass_fields__}
        return cls(
            **fields, number=number, trigger_wad=health + 1, target_wad=target, penalty_wad=case.penalty_wad
        ).without_dust()

    def without_dust(self) -> OptedIn:
        return replace(self, protocol=replace(self.protocol, dust_value_wad=0), is_backstop=False)


def opting(stage: Stage, world: OptedIn) -> list[Block]:
    """The owner opts in, by an ordinary transaction."""
    terms = (world.trigger_wad, world.target_wad, world.penalty_wad)
    data = stage.vault.setDeleverage.data(stage.account, terms)
    return [Block(NOW, [stage.call(stage.vault, data, stage.borrower)])]


@pytest.fixture(scope="module")
def deleveraged(stage: Stage) -> list[Seen]:
    worlds = [world for world in map(OptedIn.of, range(COUNT)) if world is not None]
    return stage.see_all(worlds, between=opting)


def test_p4_p9_p13_p19_hold_for_an_account_that_opted_in(deleveraged: list[Seen], stage: Stage) -> None:
    pool = Pool(stage, deleveraged)
    assert sum(previews_what_it_does(stage, one) for one in deleveraged) >= least(150)
    holds(checks.check_p4, pool.settle, pool.worlds, 150)
    holds(checks.check_p19, pool.settle, pool.worlds, 150)
    for one in deleveraged:
        if one.settled is None:
            continue
        assert isinstance(one.world, OptedIn)
        penalty = Fraction(one.world.penalty_wad, WAD)
        assert one.settled.seized_value() <= (1 + penalty) * one.settled.repaid_value() + checks.NOISE
        assert all(leg.to_protocol == 0 for leg in one.settled.seized.values()), "the whole penalty is the liquidator's"
        assert one.settled.bad_debt_value() == 0


def test_p5_p6_an_account_that_opted_in_lands_on_its_owners_target(deleveraged: list[Seen]) -> None:
    told = 0
    for one in deleveraged:
        done, world = one.settled, one.world
        assert isinstance(world, OptedIn)
        if done is None or done.rounds_down:
            continue
        case = opted_in(world.number)
        verdict = case.verdict()
        if not verdict.is_target_reached or verdict.margin < Fraction(1, 10**12) or case.terms.is_backstop:
            continue
        target = Fraction(world.target_wad, WAD)
        left, owed = done.after.weighted_collateral(), done.after.total_debt()
        units = sum((world.threshold(n) * world.unit_value(n) for n in done.seized), Fraction(0))
        assert left >= target * owed, world
        assert left - units < target * (owed + done.debt_units()) + checks.NOISE, world
        told += 1
    assert told >= least(40)


def test_p7_an_account_that_opted_in_is_left_alone_at_its_trigger(stage: Stage) -> None:
    worlds = [world for world in map(OptedIn.of, range(sized(60))) if world is not None]
    worlds = [replace(world, trigger_wad=max(WAD + 1, world.trigger_wad - 1)) for world in worlds]
    for one in stage.see_all(worlds, between=opting):
        if one.world.snapshot().health_factor_wad > WAD:
            assert one.refusal == "AccountHealthy", one.world


# ------------------------------------------------------------------------------------------------------- size buckets


def with_bucket(number: int) -> World:
    """One of the selected collaterals has a bucket that is full and holds some of what would be sold."""
    random = seeded("bucket", number)
    [world] = some_worlds(f"bucket {number}", 1, (UNHEALTHY[number % len(UNHEALTHY)],))
    protocol = replace(world.protocol, bucket_minimum_wad=max(1, 2 * world.protocol.min_debt_value_wad))
    snapshot = world.snapshot()
    chosen = random.choice(selected_collaterals(world.collaterals, world.collateral_set) or world.collaterals)
    capacity = max(1, int(chosen.value * random.choice((0.01, 0.1, 0.5, 2))) * WAD // RAY)
    assets = list(world.assets)
    assets[chosen.asset_id] = replace(assets[chosen.asset_id], bucket=Bucket(capacity, 0))
    limit = 2**256 - 1
    if chosen.value and snapshot.set_collateral_value:
        limit = mul_div_down(capacity * (RAY // WAD), snapshot.set_collateral_value, chosen.value)
        limit = max(limit, protocol.bucket_minimum_wad * (RAY // WAD))
    return replace(world, protocol=protocol, assets=tuple(assets), max_seized_value=limit)


def test_p4_p9_p13_p19_hold_where_a_size_bucket_cuts(stage: Stage) -> None:
    pool = Pool.of(stage, [with_bucket(number) for number in range(COUNT)])
    assert sum(previews_what_it_does(stage, one) for one in pool.seen) >= least(150)
    for check in (checks.check_p4, checks.check_p13, checks.check_p19):
        holds(check, pool.settle, pool.worlds, 150)
    holds(lambda world: leaves_no_dust(pool.settle, world), pool.settle, pool.worlds, 80)
    assert sum(is_cut(one) for one in pool.seen) >= least(25)


def is_cut(one: Seen) -> bool:
    """No more is sold than the bucket holds, unless the rest would be dust."""
    if one.settled is None or one.settled.plan.regime is not Regime.RESTORATIVE:
        return False
    plan, world = one.settled.plan, one.world
    if world.snapshot().health_factor_wad < world.protocol.health_for_max_bonus_wad:
        return False
    left = world.snapshot().debt_value - plan.repaid_value
    is_least = left == world.protocol.min_debt_value_wad * (RAY // WAD)
    assert plan.seized_value <= world.max_seized_value or is_least, world
    return plan.seized_value == world.max_seized_value


# -------------------------------------------------------------------------------------------------------------- grace


def test_p11_with_grace_an_account_is_called_first_and_closed_out_after_it(stage: Stage) -> None:
    """At the hard floor or above the first call seizes nothing; a second before the end the next is refused."""
    worlds = [_graceful(world) for world in some_worlds("grace", COUNT, UNHEALTHY)]
    histories = [graced(stage, world) for world in worlds]
    answers: Counter[str] = Counter()
    for world, outcomes in zip(worlds, simulate(stage.node.rpc, histories), strict=True):
        *_, first, early, due = outcomes
        health = world.snapshot().health_factor_wad
        if health >= WAD:
            continue
        first_result = stage.result(first)
        if health >= world.protocol.hard_floor_wad:
            assert not isinstance(first_result, str)
            assert not first_result.is_executed
            assert not first.logs or len(first.logs) == 1
            assert stage.result(early) == "GracePeriodRunning"
            assert due.is_done, (stage.result(due), world)
            answers["called"] += 1
        else:
            assert not isinstance(first_result, str)
            assert first_result.is_executed
            answers["at once"] += 1
    assert answers["called"] >= least(60), answers
    assert answers["at once"] >= least(40), answers


def _graceful(world: World) -> World:
    edge = max(world.protocol.health_for_max_bonus_wad, 9 * WAD // 10)
    protocol = replace(world.protocol, grace_period=GRACE, hard_floor_wad=edge, min_debt_value_wad=0)
    return replace(world.whole(), protocol=protocol)


def graced(stage: Stage, world: World) -> list[Block]:
    close_out = stage.call(stage.vault, stage.vault.closeOut.data(stage.request(world), b""))
    times = (NOW, NOW + GRACE - 1, NOW + GRACE)
    return [*stage.opening(world), *(Block(time, [close_out]) for time in times)]
