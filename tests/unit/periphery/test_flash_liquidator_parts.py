"""One leg shared out over several pools: parts of what is held, and of what is missing."""

from __future__ import annotations

import pytest

from tests.support.expected import expected_close_out
from tests.support.node import reverts
from tests.support.world import wad
from tests.unit.periphery.stage import BUY_MISSING, SELL_ALL, Flash, Profit, Sale, one_and_one, to_liquidator

FEE, CHEAP, DEAR = 3_000, 500, 10_000


@pytest.fixture
def three_pools(flash: Flash) -> Flash:
    """WETH against USDC at three fees."""
    for fee in (CHEAP, DEAR):
        flash.pools[f"WETH/USDC {fee}"] = flash.trading.open_pool(flash.world, flash.world.weth, flash.world.usdc, fee)
    return flash


def test_sale_in_parts__each_takes_its_part_of_what_is_left__rounded_down(three_pools: Flash):
    flash, world = three_pools, three_pools.world
    account = one_and_one(world)
    expected, _, _ = expected_close_out(world, account)
    pools, left, bought = flash.state(), to_liquidator(expected, world.weth), 0
    sales = [
        Sale(SELL_ALL, [world.weth, world.usdc], [fee], part)
        for fee, part in zip((CHEAP, FEE, DEAR), (wad("0.5"), wad("0.7"), wad(1)), strict=True)
    ]
    for sale in sales:
        sold = left * sale.part // 10**18
        bought += pools.sell(sale.tokens, list(sale.fees), sold)
        left -= sold
    assert left == 0
    profit = bought - expected.repaid[world.usdc.id][0]

    flash.close_out(account, sales, [Profit(world.usdc, profit)])

    assert flash.purse() == {"USDC": profit}
    flash.assert_empty()


def test_purchase_in_parts__each_buys_its_part_of_what_is_missing__rounded_up(three_pools: Flash):
    flash, world = three_pools, three_pools.world
    account = one_and_one(world)
    expected, _, _ = expected_close_out(world, account)
    pools, missing, cost = flash.state(), expected.repaid[world.usdc.id][0], 0
    sales = [
        Sale(BUY_MISSING, [world.weth, world.usdc], [fee], part) for fee, part in ((CHEAP, wad("0.35")), (FEE, wad(1)))
    ]
    for sale in sales:
        wanted = -(-missing * sale.part // 10**18)
        cost += pools.buy(sale.tokens, list(sale.fees), wanted)
        missing -= wanted
    profit = to_liquidator(expected, world.weth) - cost

    flash.close_out(account, sales, [Profit(world.weth, profit)])

    assert flash.purse() == {"WETH": profit}
    flash.assert_empty()


def test_sharing_a_leg_out__over_a_cheap_pool_and_a_deep_one__brings_more_than_either(flash: Flash):
    world = flash.world
    account = one_and_one(world)
    flash.trading.open_pool(world, world.weth, world.usdc, CHEAP, depth=1_000_000)
    along = [world.weth, world.usdc]
    shared = [Sale(SELL_ALL, along, [CHEAP], wad("0.2")), Sale(SELL_ALL, along, [FEE])]
    [best] = flash.expect(account, shared, [Profit(world.usdc)])
    for fee in (CHEAP, FEE):
        assert flash.expect(account, [Sale(SELL_ALL, along, [fee])], [Profit(world.usdc)])[0] < best


@pytest.mark.parametrize("part", [0, 10**18 + 1, 2**256 - 1])
def test_part__that_is_none_or_more_than_all__is_refused(flash: Flash, part: int):
    account = one_and_one(flash.world)
    sale = Sale(BUY_MISSING, [flash.world.weth, flash.world.usdc], [FEE], part)
    with reverts("PartOutOfRange", part):
        flash.close_out(account, [sale], [])


def test_parts__that_leave_something_missing__are_refused_with_the_two_figures(flash: Flash):
    world = flash.world
    account = one_and_one(world)
    expected, _, _ = expected_close_out(world, account)
    owed = expected.repaid[world.usdc.id][0]
    sale = Sale(BUY_MISSING, [world.weth, world.usdc], [FEE], wad("0.9"))
    with reverts("DebtNotCovered", world.usdc.token.address, -(-owed * 9 // 10), owed):
        flash.close_out(account, [sale], [])
