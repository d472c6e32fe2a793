"""The liquidator's limits: the worst price he takes, per pair, whatever the size of the fill (decision 8)."""

from __future__ import annotations

import pytest

from tests.support.accounts import restorative_account, terminal_account
from tests.support.node import reverts
from tests.support.world import NEVER, World, wad


def prices_of(world: World, account: int) -> tuple[dict[int, int], dict[int, int]]:
    """What a whole close-out gives the liquidator, and what it takes."""
    result = world.preview(account)
    return (
        {n: seized - fee - fund for n, (seized, fee, fund) in result.seized.items()},
        {n: repaid for n, (repaid, _, _) in result.repaid.items()},
    )


@pytest.fixture
def account(world: World) -> int:
    world.arm()
    return restorative_account(world)


def test_t72_limits__at_the_very_price__pass_and_a_unit_beyond_is_refused(world: World, account: int):
    gets, pays = prices_of(world, account)
    (debt, most), (weth, wbtc) = next(iter(pays.items())), (world.weth.id, world.wbtc.id)
    exact = {"least_seized": list(gets.items()), "most_repaid": [(debt, most)]}
    with world.node.rolled_back():
        world.close_out(account, **exact)
    for dear in ((weth, gets[weth] + 1), (wbtc, gets[wbtc] + 1)):
        limits = exact | {"least_seized": [dear]}
        for attempt in (world.close_out, world.preview):
            with reverts("SlippageExceeded", dear[0], debt):
                attempt(account, **limits)
    with reverts("SlippageExceeded", weth, debt):
        world.close_out(account, **(exact | {"most_repaid": [(debt, most - 1)]}))


def test_limits__are_prices_not_amounts__so_that_half_a_fill_at_the_same_price_passes(world: World, account: int):
    gets, pays = prices_of(world, account)
    # a millionth of slack for what rounding to satoshis costs a smaller fill
    least = [(n, units * 999_999 // 1_000_000) for n, units in gets.items()]
    for fill in ("0.5", "0.01"):
        with world.node.rolled_back():
            world.close_out(account, fill=wad(fill), least_seized=least, most_repaid=list(pays.items()))


def test_t72_limits__after_the_price_moved_between_simulation_and_inclusion__refuse(world: World, account: int):
    gets, pays = prices_of(world, account)
    limits = {"least_seized": list(gets.items()), "most_repaid": list(pays.items())}
    # the collateral is worth more now: less of it is seized per USDC
    world.set_price(world.weth, 1501)
    with reverts("SlippageExceeded", ...):
        world.close_out(account, **limits)


def test_limits__of_none__take_any_price(world: World, account: int):
    world.close_out(account, least_seized=[], most_repaid=[])


def test_limits__that_do_not_name_a_debt_that_is_repaid__are_refused(world: World, account: int):
    with reverts("SlippageExceeded", NEVER, world.usdc.id):
        world.close_out(account, most_repaid=[(world.dai.id, 10**30)])
    # also where it is named with nothing
    with reverts("SlippageExceeded", NEVER, world.usdc.id):
        world.close_out(account, most_repaid=[(world.usdc.id, 0)])


def test_limits__with_a_collateral_named_and_the_debt_not__are_refused_by_that_pair(world: World, account: int):
    with reverts("SlippageExceeded", world.weth.id, world.usdc.id):
        world.close_out(account, least_seized=[(world.weth.id, 1)], most_repaid=[])


def test_limits__of_most_repaid_alone__bound_nothing_but_which_debts(world: World, account: int):
    world.close_out(account, most_repaid=[(world.usdc.id, 1)])


def test_limits__for_a_collateral_that_is_not_seized__are_refused_unless_nothing_is_wanted(world: World, account: int):
    most = [(world.usdc.id, 10**12)]
    with reverts("SlippageExceeded", world.usdc.id, world.usdc.id):
        world.close_out(account, least_seized=[(world.usdc.id, 1)], most_repaid=most)
    with world.node.rolled_back():
        world.close_out(account, least_seized=[(world.usdc.id, 0)], most_repaid=most)


def test_limits__with_two_debts__hold_for_every_pair(world: World):
    account = terminal_account(world)
    world.arm()
    gets, pays = prices_of(world, account)
    weth = world.weth.id
    both = [(n, units) for n, units in pays.items()]
    with world.node.rolled_back():
        world.close_out(account, least_seized=[(weth, gets[weth])], most_repaid=both)
    for cheap in (world.usdc.id, world.dai.id):
        limits = [(n, units - (n == cheap)) for n, units in both]
        with reverts("SlippageExceeded", weth, cheap):
            world.close_out(account, least_seized=[(weth, gets[weth])], most_repaid=limits)


def test_limits__count_what_is_the_liquidators_not_what_is_seized(world: World, account: int):
    """The protocol's part is none of his."""
    seized = world.preview(account).seized[world.weth.id][0]
    _, pays = prices_of(world, account)
    with reverts("SlippageExceeded", world.weth.id, world.usdc.id):
        world.close_out(account, least_seized=[(world.weth.id, seized)], most_repaid=list(pays.items()))


def test_limits__of_an_account_that_is_only_put_on_call__do_not_matter(world: World, account: int):
    world.set_protocol(grace_period=3600)
    receipt = world.close_out(account, least_seized=[(world.weth.id, 10**30)], most_repaid=[(world.usdc.id, 1)])
    assert [log.name for log in receipt.logs] == ["MarginCalled"]
