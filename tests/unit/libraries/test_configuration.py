"""Configuration: every field of the table, written by the RiskConfigurator, read back by the library."""

from __future__ import annotations

from dataclasses import astuple
from random import Random

import pytest

from closeout.chain.parameters import BorrowParameters, CollateralParameters, OracleParameters
from tests.support.node import Deployed, Node
from tests.support.world import World, wad

NOBODY = "0x" + "00" * 20
DAY = 86_400


@pytest.fixture(scope="module")
def harness(node: Node) -> Deployed:
    return node.deploy("ConfigurationHarness", sender=World.governor)


def random_collateral(random: Random) -> CollateralParameters:
    bonus = random.randrange(50, 2001)
    threshold = random.randrange(1, 99_000_000 // (10_000 + bonus) + 1)
    return CollateralParameters(
        ltv=random.randrange(threshold),
        liquidation_threshold=threshold,
        max_bonus=bonus,
        cap=random.choice([0, 1, 2**112 - 1, random.randrange(2**112)]),
        bucket_capacity=random.choice([0, 1, 2**96 - 1, random.randrange(2**96)]),
        bucket_refill=random.choice([0, 2**72 - 1, random.randrange(2**72)]),
        most_target=random.choice([0, 20_000, random.randrange(20_001)]),
    )


def random_borrowing(random: Random, model: str) -> BorrowParameters:
    return BorrowParameters(
        base=random.choice([0, 2**32 - 1, random.randrange(2**32)]),
        slope1=random.choice([0, 2**32 - 1, random.randrange(2**32)]),
        slope2=random.choice([0, 2**32 - 1, random.randrange(2**32)]),
        kink=random.choice([0, wad(1), random.randrange(wad(1))]),
        reserve_factor=random.choice([0, 10_000, random.randrange(10_000)]),
        supply_cap=random.choice([1, 2**112 - 1, random.randrange(1, 2**112)]),
        borrow_cap=random.choice([0, 2**112 - 1, random.randrange(2**112)]),
        rate_model=random.choice(["0x" + "00" * 20, model]),
        flash_fee=random.choice([0, 100, random.randrange(100)]),
    )


@pytest.mark.parametrize("seed", range(12))
def test_asset__of_random_parameters__is_read_back_field_by_field(world: World, harness: Deployed, seed: int):
    random = Random(seed)
    model = world.node.deploy("KinkedRateModel", 0, 0, 0, 0, sender=world.governor)
    decimals, feed_decimals = random.choice([0, 6, 27]), random.choice([0, 8, 18])
    token = world.node.deploy("TestToken", "X", "X", decimals, sender=world.governor)
    feed = world.node.deploy("LiveAggregator", feed_decimals, "x", sender=world.governor)
    feed.publish(1500 * 10**feed_decimals, sender=world.governor)
    as_collateral, borrowing = random_collateral(random), random_borrowing(random, model.address)
    heartbeat = random.randrange(1, 2 * 86_400)
    least = random.randrange(1, 1500 * 10**feed_decimals + 1)
    most = random.choice([10**48, 2**128, 2**128 - 1, random.randrange(1500 * 10**feed_decimals, 2**128)])
    bounds = (heartbeat, heartbeat, least, most, NOBODY, 0)
    adapter = world.node.deploy("ChainlinkAdapter", feed, bounds, sender=world.governor)
    world.router.activate(token, adapter, wad(1500), sender=world.governor)
    is_in_place = random.random() < 0.5
    arguments = (token.address, astuple(as_collateral), astuple(borrowing), (is_in_place, 1))
    world.configurator.listAsset(*arguments, sender=world.governor)
    asset_id = len(world.assets)

    fields = harness.assetOf(world.vault.configuration(), asset_id, world.now)
    most_held = min(10**14 * 10**decimals, 2**112 - 1)
    nothing = (NOBODY, 0, 0, 0, 0)
    assert fields == (
        token.address,
        decimals,
        True,
        True,
        is_in_place,
        as_collateral.ltv,
        as_collateral.liquidation_threshold,
        as_collateral.liquidation_threshold,
        as_collateral.max_bonus,
        borrowing.reserve_factor,
        *((feed.address, feed_decimals, heartbeat, least, min(most, 2**128 - 1)) if is_in_place else nothing),
        (borrowing.base, borrowing.slope1, borrowing.slope2, borrowing.kink),
        as_collateral.bucket_refill,
        as_collateral.cap,
        as_collateral.bucket_capacity,
        borrowing.supply_cap,
        borrowing.borrow_cap,
        borrowing.flash_fee,
        as_collateral.most_target,
        borrowing.rate_model,
        most_held,
    )
    # and the assets that were there are as they were
    assert harness.assetOf(world.vault.configuration(), 0, world.now)[0] == world.weth.token.address


@pytest.mark.parametrize("seed", range(12))
def test_protocol__of_random_parameters__is_read_back_field_by_field(world: World, harness: Deployed, seed: int):
    random = Random(seed)
    target = random.randrange(wad(1), 2 * wad(1) + 1)
    grace = random.randrange(2**31)
    lifetime = random.randrange(grace + 1, 2**32)
    min_debt = random.choice([0, 2**120, random.randrange(2**100)])
    changes = {
        "target_health_factor": target,
        "margin_call_health_factor": random.randrange(wad(1), target + 1),
        "hard_floor": random.randrange(wad(1) + 1),
        "health_for_max_bonus": random.randrange(wad("0.5"), wad("0.99") + 1),
        "bonus_floor": random.randrange(wad("0.05") + 1),
        "min_bonus_fraction": random.randrange(wad(1) + 1),
        "fee_share": random.randrange(wad("0.5") + 1),
        "steepness": random.choice([0, wad(20), random.randrange(wad("0.01"), wad(20))]),
        "grace_period": grace,
        "call_lifetime": lifetime,
        "backstop_delay": random.randrange(grace, lifetime + 1),
        "min_debt_value": min_debt,
        "min_debt_per_asset": random.choice([0, 2**128 - 1, random.randrange(2**128)]),
        "dust_value": random.choice([0, 2**128 - 1, random.randrange(2**128)]),
        "bucket_minimum": random.choice([0, 2 * min_debt, 2**128 - 1]),
        "degraded_refill": random.choice([wad("0.01"), wad(1), random.randrange(wad("0.01"), wad(1))]),
    }
    oracle = world.node.deploy("KinkedRateModel", 0, 0, 0, 0, sender=world.governor).address
    oracles = OracleParameters(volatility_oracle=random.choice([NOBODY, oracle]))
    world.set_protocol(modules={"oracles": oracles}, **changes)
    assert harness.protocolOf(world.vault.configuration()) == (
        world.engine.address,
        4,
        world.fund.address,
        changes["grace_period"],
        changes["call_lifetime"],
        changes["backstop_delay"],
        world.splitter.address,
        world.treasury,
        changes["target_health_factor"],
        changes["margin_call_health_factor"],
        changes["hard_floor"],
        changes["health_for_max_bonus"],
        changes["bonus_floor"],
        changes["min_bonus_fraction"],
        changes["fee_share"],
        changes["min_debt_value"],
        changes["min_debt_per_asset"],
        changes["dust_value"],
        changes["steepness"],
        changes["bucket_minimum"],
        changes["degraded_refill"],
        world.router.address,
        0,
        NOBODY,
        oracles.volatility_oracle,
    )


def test_table__of_nothing__reads_as_zeros(harness: Deployed, world: World):
    nowhere = "0x" + "00" * 20
    assert harness.protocolOf(nowhere)[1] == 0
    assert harness.assetOf(nowhere, 0, world.now)[0] == nowhere
    # beyond the last asset, and beyond any
    for asset_id in (4, 107, 10**6):
        assert harness.assetOf(world.vault.configuration(), asset_id, world.now)[0] == nowhere


@pytest.mark.parametrize(("start", "target", "days"), [(8500, 8000, 10), (9000, 1, 90), (5001, 5000, 1), (10, 0, 1)])
def test_t76_threshold__on_a_ramp__is_the_line_rounded_up_at_every_second(
    world: World, harness: Deployed, start: int, target: int, days: int
):
    """Sampled at its ends, a second beside them, at 2^40 - 1 and in between."""
    asset = world.list_asset("R", 18, 1, CollateralParameters(0, start, 500))
    began = world.now
    duration = days * DAY
    world.set_asset(asset, CollateralParameters(0, target, 500), ramp=duration)
    table = world.vault.configuration()
    random = Random(1)
    for after in [0, 1, duration - 1, duration, duration + 1, *(random.randrange(duration) for _ in range(20))]:
        left = max(0, duration - after)
        line = target + -(-(start - target) * left // duration)
        assert harness.assetOf(table, asset.id, began + after)[6] == line, after
    assert harness.assetOf(table, asset.id, 2**40 - 1)[6] == target
