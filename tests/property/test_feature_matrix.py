"""Every feature around a close-out against every property of it.

What settles, covers or delays a close-out changes no figure of it: the result and what is left are those of the plain
one, to the unit, account by account, so that all that is proved of that holds of this (P4 to P6, P8, P9, P12, P13,
P17, P19 to P22). What does change the amounts, the owner's own terms and the size bucket, has its checks below.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest

from closeout.model import Regime
from closeout.units import WAD
from tests.differential.sizes import least, seeded, sized
from tests.model import checks
from tests.property.placed import Seen, Stage
from tests.property.pools import Pool, at_random, holds, some_worlds
from tests.property.test_features import OptedIn, opting, with_bucket
from tests.property.variations import COVER, FEATURES, GRACE, Feature, Variation
from tests.worlds import World

COUNT = sized(220)
FEW = sized(80)


@pytest.fixture(scope="module")
def plain(stage: Stage) -> list[Seen]:
    return stage.see_all(some_worlds("matrix", COUNT))


@pytest.mark.parametrize("name", FEATURES)
def test_p4_to_p22_a_close_out_with_a_feature_on_is_the_plain_one(stage: Stage, plain: list[Seen], name: str) -> None:
    if name == "after its grace":
        plain = [one for one in plain if can_be_called(one.world)]
    worlds = [patient(one.world) if name == "after its grace" else one.world for one in plain]
    regimes: Counter[Regime] = Counter()
    for one, other in zip(plain, Variation(stage, FEATURES[name]).see_all(worlds), strict=True):
        assert other.refusal == one.refusal, (name, one.world)
        assert other.preview == (other.result or other.refusal), (name, one.world)
        if one.settled is None or other.settled is None:
            continue
        assert one.result is not None
        assert other.result is not None
        assert without_cover(other) == without_cover(one), (name, one.world)
        assert other.settled.after.collateral == one.settled.after.collateral, (name, one.world)
        assert other.settled.after.debt_shares == one.settled.after.debt_shares, (name, one.world)
        for n, (_, bad_debt, covered) in other.result.repaid.items():
            assert covered == (min(bad_debt, COVER) if name == "insured" else 0), (name, n, one.world)
        if "from_shares" in FEATURES[name].request or "from_claims" in FEATURES[name].request:
            assert not any(payee == stage.vault.address for _, _, payee in other.transfers), (name, one.world)
        regimes[one.settled.plan.regime] += 1
    for regime, wanted in ((Regime.RESTORATIVE, 50), (Regime.CAPPED, 12), (Regime.TERMINAL, 30)):
        assert regimes[regime] >= least(wanted), regimes


def can_be_called(world: World) -> bool:
    return not world.is_backstop and world.snapshot().health_factor_wad < world.protocol.margin_call_health_factor_wad


def patient(world: World) -> World:
    """With a grace for everybody, and a backstop that is far away."""
    return replace(
        world, protocol=replace(world.protocol, grace_period=GRACE, hard_floor_wad=0, backstop_delay=10 * GRACE)
    )


def without_cover(one: Seen) -> tuple[object, ...]:
    assert one.result is not None
    repaid = {n: leg[:2] for n, leg in one.result.repaid.items()}
    return replace(one.result, repaid={}), repaid


# ----------------------------------------------------------------------------------------- what changes the amounts


@pytest.fixture(scope="module")
def opted(stage: Stage) -> Pool:
    """Below their triggers until they are next to their targets, so that many calls can follow each other."""
    worlds = [world for world in map(OptedIn.of, range(sized(300))) if world is not None]
    patient_ones: list[World] = [replace(world, trigger_wad=world.target_wad - 1) for world in worlds]
    return Pool.of(Variation(stage, Feature({}, opting)), patient_ones)


def test_p8_p17_p20_an_account_that_opted_in_loses_no_more_by_slices_sets_or_gifts(opted: Pool) -> None:
    some = opted.worlds[:FEW]
    holds(at_random(checks.check_p8), opted.settle, some, 12)
    holds(at_random(checks.check_p20), opted.settle, some, 25)
    plain_ones = [replace(world, protocol=replace(world.protocol, min_debt_value_wad=0)) for world in some]
    holds(at_random(checks.check_p17), opted.settle, plain_ones, 10)


def test_p12_p22_an_account_that_opted_in_has_no_bad_debt_and_is_closed_out_once(opted: Pool) -> None:
    again = 0
    for one in opted.seen:
        if one.settled is None or one.world.fill_wad != WAD or one.settled.rounds_down:
            continue
        assert one.settled.bad_debt_value() == 0
        done = opted.settle(one.world.whole())
        if done is None or not done.after.debt_shares or done.plan.repaid_value == done.before.snapshot().debt_value:
            continue
        assert isinstance(one.world, OptedIn)
        if done.after.snapshot().health_factor_wad < one.world.target_wad:
            continue  # a balance was not enough for its target
        assert opted.settle(done.after.whole()) is None, one.world
        again += 1
        if again == FEW:
            break
    assert again >= least(10)


def test_p12_p17_p20_where_a_size_bucket_cuts(stage: Stage) -> None:
    """A bucket takes less of an account: never more by sets, never more by gifts, and nothing at all under water."""
    pool = Pool.of(stage, [with_bucket(number) for number in range(FEW)])
    holds(checks.check_p12, pool.settle, pool.worlds, 15)
    holds(at_random(checks.check_p20), pool.settle, pool.worlds, 15)
    told = 0
    for number, world in enumerate(pool.worlds):
        told += sells_no_more_than_unlimited(stage, world, seeded("bucket sets", number))
    assert told >= least(8)


def sells_no_more_than_unlimited(stage: Stage, world: World, random: Random) -> bool:
    """P17 where every call meets the bucket: in all no more than one whole close-out that no bucket cuts."""
    world = replace(world.whole(), protocol=replace(world.protocol, min_debt_value_wad=0))
    without = tuple(replace(asset, bucket=None) for asset in world.assets)
    whole = stage.settle(replace(world, assets=without))
    if whole is None or whole.plan.regime is Regime.TERMINAL:
        return False
    sold, noise, steps, state = Fraction(0), whole.collateral_units() + whole.debt_units(), 0, world
    for _ in range(6):
        part = stage.settle(checks.random_request(random, state))
        if part is not None:
            state, steps, sold = part.after, steps + 1, sold + part.seized_value()
            noise += part.collateral_units() + part.debt_units()
    assert sold <= whole.seized_value() * checks.SOLD_ROOM + noise, world
    return steps > 1
