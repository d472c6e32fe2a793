"""The size bucket: what one collateral lets be seized, how it refills, and what it never stops.

WETH's bucket holds 2 000 USD and gets 1 USD back per second; bucketMinimum is 200 and minDebtValue 100.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.accounts import capped_account, restorative_account, terminal_account
from tests.support.expected import expected_close_out
from tests.support.world import RESTORATIVE, Asset, World, set_of, wad

CAPACITY, REFILL = wad(2000), wad(1)
RAY_PER_WAD = 10**9


def limit(world: World, asset: Asset, capacity: int = CAPACITY, refill: int = REFILL) -> None:
    as_collateral, borrowing = world.listings[asset.id]
    world.set_asset(asset, replace(as_collateral, bucket_capacity=capacity, bucket_refill=refill), borrowing)


def weth_account(world: World, index: int = 0) -> int:
    """100 WETH at 1 100 against 100 000 USDC: H = 0.935, restorative; R* is about 82 000 USD."""
    world.set_price(world.weth, 1500)
    account = world.open_account({world.weth: 100}, {world.usdc: 100_000}, index=index)
    world.set_price(world.weth, 1100)
    world.arm()
    return account


def seized_value(world: World, asset: Asset, units: int) -> int:
    """WAD, rounded down."""
    return units * world.prices[asset.id] // 10**asset.decimals


def test_bucket__that_is_full__cuts_a_close_out_to_what_it_holds(world: World):
    account = weth_account(world)
    limit(world, world.weth)
    uncut, *_ = expected_close_out(world, account)
    assert seized_value(world, world.weth, uncut.seized[world.weth.id][0]) > 80_000 * 10**18
    expected, *_ = expected_close_out(world, account, max_seized_value=CAPACITY * RAY_PER_WAD)
    assert world.preview(account) == expected
    result = world.result(world.close_out(account))
    assert result == expected
    assert CAPACITY - 10**4 < seized_value(world, world.weth, result.seized[world.weth.id][0]) <= CAPACITY


def test_bucket__after_a_close_out__leaves_the_minimum_per_call_and_refills_by_the_second(world: World):
    account = weth_account(world)
    limit(world, world.weth)
    world.close_out(account)
    # nothing is left in it; bucketMinimum is always there
    second = world.result(world.close_out(account))
    assert wad(200) - 10**4 < seized_value(world, world.weth, second.seized[world.weth.id][0]) <= wad(200)
    # 2 000 and 200 were taken: after 1 200 seconds a thousand is there again
    world.warp(1200)
    third = world.result(world.close_out(account))
    assert abs(seized_value(world, world.weth, third.seized[world.weth.id][0]) - wad(1000)) < 10**5


@pytest.mark.parametrize(("after", "holds"), [(1799, 1799), (1800, 1800), (2000, 2000), (2001, 2000), (10**6, 2000)])
def test_t76_bucket__refilling__is_full_after_capacity_over_refill_and_never_fuller(
    world: World, after: int, holds: int
):
    account = weth_account(world)
    limit(world, world.weth)
    taken = world.result(world.close_out(account)).seized[world.weth.id][0]
    # the first call may take a hair less than all of it, rounded to units
    assert CAPACITY - seized_value(world, world.weth, taken) < 10**4
    world.warp(after)
    result = world.result(world.close_out(account))
    value = seized_value(world, world.weth, result.seized[world.weth.id][0])
    assert abs(value - wad(holds)) < 10**5


def test_bucket__of_one_collateral_of_two__cuts_the_whole_fill_in_proportion(world: World):
    account = restorative_account(world)
    world.arm()
    limit(world, world.weth)
    # WETH and WBTC are 15 000 each: the scarce one's 2 000 are 4 000 of the set
    expected, *_ = expected_close_out(world, account, max_seized_value=4000 * 10**27)
    result = world.result(world.close_out(account))
    assert result == expected
    for asset in (world.weth, world.wbtc):
        assert wad(2000) - 10**16 < seized_value(world, asset, result.seized[asset.id][0]) <= wad(2000)


def test_bucket__of_the_scarcer_of_two__is_the_one_that_counts(world: World):
    account = restorative_account(world)
    world.arm()
    limit(world, world.weth)
    limit(world, world.wbtc, capacity=wad(500))
    expected, *_ = expected_close_out(world, account, max_seized_value=1000 * 10**27)
    assert world.result(world.close_out(account)) == expected


def test_bucket__of_a_collateral_that_is_not_in_the_set__does_not_count(world: World):
    account = restorative_account(world)
    world.arm()
    limit(world, world.weth, capacity=wad(1))
    expected, *_ = expected_close_out(world, account, collaterals=set_of(world.wbtc))
    assert world.result(world.close_out(account, collaterals=set_of(world.wbtc))) == expected


def test_bucket__that_is_larger_than_the_close_out__changes_nothing(world: World):
    account = weth_account(world)
    limit(world, world.weth, capacity=wad(1_000_000))
    expected, *_ = expected_close_out(world, account)
    assert world.result(world.close_out(account)) == expected


def test_bucket__of_nothing_and_an_asset_without__change_nothing(world: World):
    account = weth_account(world)
    expected, *_ = expected_close_out(world, account)
    assert world.result(world.close_out(account)) == expected


@pytest.mark.parametrize("make", [capped_account, terminal_account])
def test_bucket__in_the_capped_and_the_terminal_regime__neither_cuts_nor_is_used(world: World, make: object):
    account = make(world)
    world.arm()
    limit(world, world.weth)
    expected, *_ = expected_close_out(world, account)
    assert world.result(world.close_out(account)) == expected
    # it is as full as before
    second = weth_account(world, index=1)
    expected, *_ = expected_close_out(world, second, max_seized_value=CAPACITY * RAY_PER_WAD)
    assert world.result(world.close_out(second)) == expected


@pytest.mark.parametrize(("price", "is_cut"), [("1058.8235294117647059", True), ("1058.8", False)])
def test_bucket__below_the_health_of_the_largest_bonus__does_not_cut(world: World, price: str, is_cut: bool):
    """H = 8.5 p / 10 000 against 0.90; C / B - 1 = 0.0588, so maxBonus is 4 % here for the restorative regime."""
    as_collateral, borrowing = world.listings[world.weth.id]
    world.set_asset(world.weth, replace(as_collateral, max_bonus=400), borrowing)
    account = world.open_account({world.weth: 10}, {world.usdc: 10_000})
    limit(world, world.weth)
    world.arm()
    world.set_price(world.weth, price)
    assert (world.health(account) >= wad("0.9")) is is_cut
    most = {"max_seized_value": CAPACITY * RAY_PER_WAD} if is_cut else {}
    expected, *_ = expected_close_out(world, account, **most)
    result = world.result(world.close_out(account))
    assert result.regime == RESTORATIVE
    assert result == expected


def test_bucket__that_would_leave_dust__leaves_the_least_debt_instead(world: World):
    """360 USD owed, all of it to go; a bucket of 300 repays some 280 and would leave 80: 100 stay."""
    world.set_price(world.weth, 1500)
    account = world.open_account({world.weth: "0.4"}, {world.usdc: 360})
    world.set_price(world.weth, 975)
    limit(world, world.weth, capacity=wad(300))
    world.arm()
    expected, plan, _ = expected_close_out(world, account, max_seized_value=300 * 10**27)
    result = world.result(world.close_out(account))
    assert result == expected
    assert plan.repaid_value == 260 * 10**27
    assert world.position(account)[1] == {world.usdc.id: world.usdc.units(100)}


def test_bucket__that_is_switched_off__is_forgotten(world: World):
    account = weth_account(world)
    limit(world, world.weth)
    world.close_out(account)
    limit(world, world.weth, capacity=0, refill=0)
    expected, *_ = expected_close_out(world, account)
    assert world.result(world.close_out(account)) == expected


def test_bucket__of_an_asset__is_shared_by_all_accounts(world: World):
    first, second = weth_account(world), weth_account(world, index=1)
    limit(world, world.weth)
    world.close_out(first, fill=wad("0.01"))
    # a hundredth of the first account's close-out took this much
    taken = 100 * 10**18 - world.position(first)[0][world.weth.id]
    left = CAPACITY - seized_value(world, world.weth, taken)
    result = world.result(world.close_out(second))
    value = seized_value(world, world.weth, result.seized[world.weth.id][0])
    assert left - 10**5 < value <= left + 10**4
