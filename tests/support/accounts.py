"""Accounts that can be closed out, one of each regime: the worked examples of docs/liquidation.md, and a larger one."""

from __future__ import annotations

from tests.support.world import BORROWABLE, NOT_COLLATERAL, World, collateral, wad

__all__ = ["ACCOUNTS", "capped_account", "largest_account", "restorative_account", "terminal_account", "three_and_two"]


def restorative_account(world: World) -> int:
    """10 WETH at 1 500 and 0.5 WBTC at 30 000 against 24 500 USDC: opened at kinder prices."""
    world.set_price(world.weth, 2000)
    world.set_price(world.wbtc, 40_000)
    account = world.open_account({world.weth: 10, world.wbtc: "0.5"}, {world.usdc: 24_500})
    world.set_price(world.weth, 1500)
    world.set_price(world.wbtc, 30_000)
    return account


def capped_account(world: World) -> int:
    """10 WETH at 1 500 against 14 500 USDC."""
    world.set_price(world.weth, 2000)
    account = world.open_account({world.weth: 10}, {world.usdc: 14_500})
    world.set_price(world.weth, 1500)
    return account


def terminal_account(world: World) -> int:
    """10 WETH at 1 500 against 9 000 USDC and 7 000 DAI."""
    world.set_price(world.weth, 2500)
    account = world.open_account({world.weth: 10}, {world.usdc: 9_000, world.dai: 7_000})
    world.set_price(world.weth, 1500)
    return account


def three_and_two(world: World) -> int:
    """Three collaterals of different quality, two debts, restorative."""
    link = world.list_asset("LINK", 18, 20, world.listings[world.weth.id][0])
    world.set_price(world.weth, 2000)
    world.set_price(world.wbtc, 40_000)
    account = world.open_account(
        {world.weth: 10, world.wbtc: "0.5", link: 500}, {world.usdc: 20_000, world.dai: 14_000}
    )
    world.set_price(world.weth, 1500)
    world.set_price(world.wbtc, 30_000)
    assert world.health(account) < wad(1)
    return account


def largest_account(world: World) -> int:
    """All slots used: ten collaterals of different quality, five debts, restorative."""
    collaterals = [world.list_asset(f"C{n}", 18, 100, collateral(8000 - n, 1000 + n)) for n in range(10)]
    debts = [world.list_asset(f"D{n}", 6, 1, NOT_COLLATERAL, BORROWABLE) for n in range(5)]
    for asset in debts:
        world.supply(asset, 100_000)
    account = world.open_account(dict.fromkeys(collaterals, 10), dict.fromkeys(debts, 1_400))
    for asset in collaterals:
        world.set_price(asset, 84)
    assert world.health(account) < wad(1)
    return account


ACCOUNTS = {"restorative": restorative_account, "capped": capped_account, "terminal": terminal_account}
