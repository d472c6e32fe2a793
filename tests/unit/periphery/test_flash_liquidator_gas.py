"""What a flash close-out costs above one with capital: keepers compete in it.

The bounds lie a little above what was measured, pools included; lower them when it gets cheaper.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tests.support.accounts import three_and_two
from tests.support.world import Asset, World
from tests.unit.periphery.stage import BUY_MISSING, SELL_ALL, Flash, Profit, Sale, one_and_one

pytestmark = pytest.mark.as_shipped

FEE, STABLE_FEE = 3_000, 500
Order = tuple[Sequence[Sale], Asset]


def buy_the_debt(world: World) -> Order:
    return [Sale(BUY_MISSING, [world.weth, world.usdc], [FEE])], world.weth


def sell_the_collateral(world: World) -> Order:
    return [Sale(SELL_ALL, [world.weth, world.usdc], [FEE])], world.usdc


def four_swaps(world: World) -> Order:
    sales = [
        Sale(SELL_ALL, [world.assets[-1], world.weth], [FEE]),
        Sale(SELL_ALL, [world.wbtc, world.weth], [FEE]),
        Sale(BUY_MISSING, [world.weth, world.usdc], [FEE]),
        Sale(BUY_MISSING, [world.weth, world.dai], [FEE]),
    ]
    return sales, world.weth


def eight_swaps(world: World) -> Order:
    sales = [
        Sale(SELL_ALL, [world.assets[-1], world.weth, world.dai, world.usdc], [FEE, FEE, STABLE_FEE]),
        Sale(BUY_MISSING, [world.wbtc, world.weth, world.usdc], [FEE, FEE]),
        Sale(SELL_ALL, [world.wbtc, world.weth], [FEE]),
        Sale(BUY_MISSING, [world.weth, world.dai], [FEE]),
        Sale(SELL_ALL, [world.weth, world.usdc], [FEE]),
    ]
    return sales, world.usdc


@pytest.mark.parametrize(
    ("open_account", "make_order", "most"),
    [
        pytest.param(one_and_one, buy_the_debt, 120_000, id="1 + 1, the debt bought"),
        pytest.param(one_and_one, sell_the_collateral, 122_000, id="1 + 1, the collateral sold"),
        pytest.param(three_and_two, four_swaps, 345_000, id="3 + 2, four swaps"),
        pytest.param(three_and_two, eight_swaps, 525_000, id="3 + 2, eight swaps"),
    ],
)
def test_gas__of_doing_without_capital__by_a_searcher_who_holds_the_profit_token_already(
    flash: Flash, open_account: Callable[[World], int], make_order: Callable[[World], Order], most: int
) -> None:
    world = flash.world
    account = open_account(world)
    if open_account is three_and_two:
        flash.trading.open_pool(world, world.assets[-1], world.weth)
    sales, profit_token = make_order(world)
    world.give(flash.searcher, profit_token, 1)
    with world.node.rolled_back():
        world.arm()
        plain = world.close_out(account).gas
    gas = flash.close_out(account, sales, [Profit(profit_token, 1)]).gas
    assert gas - plain <= most, f"{gas} in all, {plain} with capital: {gas - plain} for doing without"
