"""Vault.rebalance: a borrower rebuilds his account in one call, at his own price, under one check at the end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.node import Deployed, reverts
from tests.support.world import NEVER, World, account_of, wad

NOTHING: tuple[list, list, list, list] = ([], [], [], [])


def moves(*, withdraw: object = (), borrow: object = (), deposit: object = (), repay: object = ()) -> tuple:
    return tuple([(asset.id, units) for asset, units in group] for group in (withdraw, borrow, deposit, repay))


@pytest.fixture
def actor(world: World) -> Deployed:
    """An owner that is a contract: 10 WETH against 10 000 USDC, no tokens besides."""
    actor = world.node.deploy("ScriptedActor", sender=world.stranger)
    for asset in (world.usdc, world.dai, world.weth, world.wbtc):
        actor.execute(asset.token, asset.token.approve.data(world.vault, NEVER), sender=world.stranger)
    account = account_of(actor.address)
    world.weth.token.mint(actor, world.weth.units(10), sender=world.governor)
    deposit = world.vault.depositCollateral.data(account, world.weth.id, world.weth.units(10))
    borrow = world.vault.borrow.data(account, world.usdc.id, world.usdc.units(10_000), world.stranger)
    for data in (deposit, borrow):
        actor.execute(world.vault, data, sender=world.stranger)
    world.warp(1)
    return actor


def rebalance(world: World, actor: Deployed, wanted: tuple, data: bytes = b"go") -> object:
    call = world.vault.rebalance.data(account_of(actor.address), wanted, actor, data)
    return actor.execute(world.vault, call, sender=world.stranger)


def swap(world: World, actor: Deployed, sold: object, units: int, bought: object, for_units: int) -> None:
    """What the callback does: hands the one over, gets the other."""
    give = (sold.token.address, sold.token.transfer.data(world.receiver, units))
    get = (bought.token.address, bought.token.mint.data(actor, for_units))
    actor.setScript([give, get], True, sender=world.stranger)


def test_rebalance__closes_an_account_from_its_own_collateral_with_no_penalty(world: World, actor: Deployed):
    """7 of 10 WETH are sold for 10 500 USDC in the callback; the debt is repaid in full and 500 USDC stay."""
    account = account_of(actor.address)
    swap(world, actor, world.weth, world.weth.units(7), world.usdc, world.usdc.units(10_500))
    receipt = rebalance(world, actor, moves(withdraw=[(world.weth, world.weth.units(7))], repay=[(world.usdc, NEVER)]))
    assert world.position(account) == ({world.weth.id: world.weth.units(3)}, {})
    assert world.balance(world.usdc, actor) == world.usdc.units(500)
    names = [log.name for log in receipt.logs]
    assert names.index("CollateralWithdrawn") < names.index("Repaid")
    assert actor.callbackData() == b"go"


def test_rebalance__swaps_one_collateral_for_another(world: World, actor: Deployed):
    account = account_of(actor.address)
    swap(world, actor, world.weth, world.weth.units(10), world.wbtc, world.wbtc.units("0.5"))
    rebalance(
        world,
        actor,
        moves(withdraw=[(world.weth, NEVER)], deposit=[(world.wbtc, world.wbtc.units("0.5"))]),
    )
    assert world.position(account) == (
        {world.wbtc.id: world.wbtc.units("0.5")},
        {world.usdc.id: world.usdc.units(10_000)},
    )


def test_rebalance__swaps_one_debt_for_another(world: World, actor: Deployed):
    account = account_of(actor.address)
    swap(world, actor, world.dai, world.dai.units(10_000), world.usdc, world.usdc.units(10_000))
    rebalance(
        world,
        actor,
        moves(borrow=[(world.dai, world.dai.units(10_000))], repay=[(world.usdc, NEVER)]),
    )
    assert world.position(account)[1] == {world.dai.id: world.dai.units(10_000)}


def test_rebalance__that_ends_below_the_initial_margin__is_refused_whole(world: World, actor: Deployed):
    """P3. 8 WETH are 9 600 USD of borrowing power against 10 000."""
    account = account_of(actor.address)
    before = world.position(account)
    with reverts("BelowInitialMargin", wad(9_600), wad(10_000)):
        rebalance(world, actor, moves(withdraw=[(world.weth, world.weth.units(2))]), b"")
    assert world.position(account) == before


def test_rebalance__that_leaves_less_than_the_least_debt__is_refused(world: World, actor: Deployed):
    world.usdc.token.mint(actor, world.usdc.units(9_950), sender=world.governor)
    with reverts("DebtBelowMinimum", wad(50), wad(100)):
        rebalance(world, actor, moves(repay=[(world.usdc, world.usdc.units(9_950))]), b"")


def test_rebalance__whose_callback_does_not_bring_the_money__is_refused_whole(world: World, actor: Deployed):
    with reverts("TransferFromFailed"):
        rebalance(world, actor, moves(withdraw=[(world.weth, world.weth.units(7))], repay=[(world.usdc, NEVER)]), b"")


def test_rebalance__sends_what_goes_out_to_the_receiver(world: World):
    account = world.open_account({world.weth: 10, world.wbtc: 1}, {world.usdc: 10_000})
    wanted = moves(withdraw=[(world.weth, 10**18), (world.wbtc, 10**7)], borrow=[(world.dai, world.dai.units(500))])
    world.vault.rebalance(account, wanted, world.receiver, b"", sender=world.borrower)
    balances = [world.balance(asset, world.receiver) for asset in (world.weth, world.wbtc, world.dai)]
    assert balances == [10**18, 10**7, world.dai.units(500)]


def test_rebalance__of_nothing__passes_where_the_account_is_in_order(world: World):
    account = world.open_account({world.weth: 10}, {world.usdc: 10_000})
    world.vault.rebalance(account, NOTHING, world.receiver, b"", sender=world.borrower)
    world.set_price(world.weth, 1200)
    with reverts("BelowInitialMargin", wad(9_600), wad(10_000)):
        world.vault.rebalance(account, NOTHING, world.receiver, b"", sender=world.borrower)


@pytest.mark.parametrize(
    ("group", "error"),
    [("withdraw", "ZeroAmount"), ("borrow", "ZeroAmount"), ("deposit", "ZeroAmount"), ("repay", "ZeroAmount")],
)
def test_rebalance__with_a_move_of_nothing__is_refused(world: World, group: str, error: str):
    account = world.open_account({world.weth: 10}, {world.usdc: 10_000})
    asset = world.usdc if group in ("borrow", "repay") else world.weth
    with reverts(error):
        world.vault.rebalance(account, moves(**{group: [(asset, 0)]}), world.receiver, b"", sender=world.borrower)


def test_rebalance__where_a_move_is_paused__is_refused(world: World):
    account = world.open_account({world.weth: 20}, {world.usdc: 10_000})
    world.vault.setPauses(world.dai.bit, world.weth.bit, sender=world.guardian)
    for wanted, paused in (
        (moves(withdraw=[(world.weth, 1)]), world.weth),
        (moves(borrow=[(world.dai, 1)]), world.dai),
    ):
        with reverts("ActionPaused", paused.id):
            world.vault.rebalance(account, wanted, world.receiver, b"", sender=world.borrower)


def test_rebalance__beyond_a_collateral_cap__is_refused(world: World):
    account = world.open_account({world.weth: 10})
    as_collateral, borrowing = world.listings[world.wbtc.id]
    world.set_asset(world.wbtc, replace(as_collateral, cap=1000), borrowing)
    world.give(world.borrower, world.wbtc, 2000)
    with reverts("CapExceeded", world.wbtc.id, 1001, 1000):
        world.vault.rebalance(account, moves(deposit=[(world.wbtc, 1001)]), world.receiver, b"", sender=world.borrower)
    world.vault.rebalance(account, moves(deposit=[(world.wbtc, 1000)]), world.receiver, b"", sender=world.borrower)


def test_t47_rebalance__that_borrows__starts_the_same_second_rule(world: World):
    account = world.open_account({world.weth: 10}, {world.usdc: 10_000})
    world.vault.rebalance(account, moves(borrow=[(world.usdc, 1)]), world.receiver, b"", sender=world.borrower)
    world.set_price(world.weth, 1000)
    with reverts("AccountActedNow", world.now):
        world.close_out(account)


def test_rebalance__with_data_from_a_wallet_without_code__is_refused(world: World):
    account = world.open_account({world.weth: 10})
    with reverts(""):
        world.vault.rebalance(account, NOTHING, world.receiver, b"go", sender=world.borrower)


def test_rebalance__by_an_operator__calls_him_back_and_pulls_from_him(world: World, actor: Deployed):
    account = world.open_account({world.weth: 10}, {world.usdc: 10_000})
    world.vault.setOperator(actor, True, sender=world.borrower)
    world.usdc.token.mint(actor, world.usdc.units(2_000), sender=world.governor)
    call = world.vault.rebalance.data(
        account, moves(repay=[(world.usdc, world.usdc.units(2_000))]), world.receiver, b"hello"
    )
    actor.execute(world.vault, call, sender=world.stranger)
    assert actor.callbacks() == 1
    assert world.balance(world.usdc, actor) == 0
    assert world.position(account)[1] == {world.usdc.id: world.usdc.units(8_000)}
