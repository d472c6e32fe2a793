"""Caps, pauses and the number of assets: what they stop, and what nothing may stop (P16)."""

from __future__ import annotations

import pytest

from closeout.chain.parameters import BorrowParameters
from tests.support.node import reverts
from tests.support.world import NEVER, NOT_COLLATERAL, Asset, World, collateral, set_of
from tests.unit.lending.stage import set_borrowing

ALL = 2**128 - 1


def pause(world: World, *, borrowing: int = 0, withdrawing: int = 0) -> None:
    world.vault.setPauses(borrowing, withdrawing, sender=world.guardian)


# ---------------------------------------------------------------------------------------------------------------- caps


def test_supply__under_a_cap_that_was_lowered_below_what_is_there__can_leave_but_not_come(world: World):
    set_borrowing(world, world.dai, supply_cap=world.dai.units(10))
    world.fund_party(world.stranger, world.dai, 1)
    total = world.dai.units(1_000_000)
    with reverts("CapExceeded", world.dai.id, total + 1, world.dai.units(10)):
        world.vault.supply(world.dai.id, 1, world.stranger, sender=world.stranger)
    world.vault.withdraw(world.dai.id, total // 2, world.lender, world.lender, sender=world.lender)
    assert world.idle(world.dai) == total // 2


def test_borrow__up_to_the_cap__is_accepted_and_one_unit_more_is_not(world: World):
    cap = world.usdc.units(5_000)
    set_borrowing(world, world.usdc, borrow_cap=cap)
    account = world.open_account({world.weth: 10}, {world.usdc: 4_000})
    with reverts("CapExceeded", world.usdc.id, cap + 1, cap):
        world.vault.borrow(account, world.usdc.id, world.usdc.units(1_000) + 1, world.borrower, sender=world.borrower)
    world.vault.borrow(account, world.usdc.id, world.usdc.units(1_000), world.borrower, sender=world.borrower)
    assert world.vault.marketOf(world.usdc.id)[1] == cap


def test_p16_repay__under_every_cap_and_pause__goes_through(world: World):
    account = world.open_account({world.weth: 10}, {world.usdc: 10_000})
    pause(world, borrowing=ALL, withdrawing=ALL)
    world.set_asset(world.usdc, collateral(9000, 500, cap=1), BorrowParameters())
    world.fund_party(world.stranger, world.usdc, 10_000)
    world.vault.repay(account, world.usdc.id, world.usdc.units(4_000), sender=world.stranger)
    world.vault.repayShares(account, world.usdc.id, 100, sender=world.stranger)
    world.vault.repay(account, world.usdc.id, NEVER, sender=world.stranger)
    assert world.position(account) == ({world.weth.id: world.weth.units(10)}, {})


# -------------------------------------------------------------------------------------------------------------- pauses


def test_pause_of_borrowing__stops_borrowing_of_that_asset_alone(world: World):
    account = world.open_account({world.weth: 100}, {world.usdc: 1_000, world.dai: 1_000})
    pause(world, borrowing=set_of(world.usdc))
    for call, arguments in (
        (world.vault.borrow, (account, world.usdc.id, 1, world.borrower)),
        (world.vault.borrowShares, (account, world.usdc.id, 100, world.borrower)),
        (world.vault.rebalance, (account, ([], [(world.usdc.id, 1)], [], []), world.borrower, b"")),
    ):
        with reverts("ActionPaused", world.usdc.id):
            call(*arguments, sender=world.borrower)
    world.vault.borrow(account, world.dai.id, 1, world.borrower, sender=world.borrower)
    # lenders and collateral are not concerned
    world.supply(world.usdc, 1)
    world.vault.withdraw(world.usdc.id, 1, world.lender, world.lender, sender=world.lender)
    world.vault.withdrawCollateral(account, world.weth.id, 1, world.borrower, sender=world.borrower)


def test_pause_of_withdrawing__stops_who_owes_and_nobody_else(world: World):
    owing = world.open_account({world.weth: 100, world.wbtc: 1}, {world.usdc: 1_000})
    free = world.open_account({world.weth: 1}, index=1)
    pause(world, withdrawing=set_of(world.weth))
    with reverts("ActionPaused", world.weth.id):
        world.vault.withdrawCollateral(owing, world.weth.id, 1, world.borrower, sender=world.borrower)
    with reverts("ActionPaused", world.weth.id):
        world.vault.rebalance(owing, ([(world.weth.id, 1)], [], [], []), world.borrower, b"", sender=world.borrower)
    world.vault.withdrawCollateral(owing, world.wbtc.id, 1, world.borrower, sender=world.borrower)
    world.vault.withdrawCollateral(free, world.weth.id, NEVER, world.borrower, sender=world.borrower)
    assert world.position(free) == ({}, {})


def test_pause__set_anew__replaces_the_old_one_whole(world: World):
    pause(world, borrowing=set_of(world.usdc), withdrawing=set_of(world.weth))
    pause(world, borrowing=set_of(world.dai))
    account = world.open_account({world.weth: 100}, {world.usdc: 1_000})
    world.vault.withdrawCollateral(account, world.weth.id, 1, world.borrower, sender=world.borrower)
    with reverts("ActionPaused", world.dai.id):
        world.vault.borrow(account, world.dai.id, 1, world.borrower, sender=world.borrower)


# -------------------------------------------------------------------------------------------------- how many, how much


def listed(world: World, count: int, *, borrowable: bool) -> list[Asset]:
    if not borrowable:
        return [world.list_asset(f"C{n}", 18, 100, collateral(8000, 500)) for n in range(count)]
    some = BorrowParameters(supply_cap=2**112 - 1, borrow_cap=2**112 - 1)
    assets = [world.list_asset(f"D{n}", 18, 1, NOT_COLLATERAL, some) for n in range(count)]
    for asset in assets:
        world.supply(asset, 1_000)
    return assets


def test_account__with_ten_collaterals_and_five_debts__is_full_on_either_side(world: World):
    collaterals, debts = listed(world, 11, borrowable=False), listed(world, 6, borrowable=True)
    account = world.open_account(dict.fromkeys(collaterals[:10], 10), dict.fromkeys(debts[:5], 101))
    assert [len(side) for side in world.position(account)] == [10, 5]
    world.fund_party(world.borrower, collaterals[10], 1)
    with reverts("TooManyAssets", 10):
        world.vault.depositCollateral(account, collaterals[10].id, 1, sender=world.borrower)
    with reverts("TooManyAssets", 5):
        world.vault.borrow(account, debts[5].id, 1, world.borrower, sender=world.borrower)
    # one out, one in: in a single rebalancing too
    moves = ([(collaterals[3].id, NEVER)], [], [(collaterals[10].id, 1)], [])
    world.vault.rebalance(account, moves, world.borrower, b"", sender=world.borrower)
    held, owed = world.position(account)
    assert collaterals[3].id not in held
    assert held[collaterals[10].id] == 1
    assert len(held) == 10
    assert owed == {asset.id: asset.units(101) for asset in debts[:5]}


@pytest.mark.parametrize("debt", [2, 3])
def test_asset_id__that_reads_as_the_debt_side_of_the_list__reaches_no_debt(world: World, debt: int):
    """An entry of the list is an id, with the top bit for a debt: 130 must not be the debt in asset 2 as collateral."""
    account = world.open_account({world.weth: 10}, {world.usdc: 1_000, world.dai: 1_000})
    vault, me, disguised = world.vault, world.borrower, 128 + debt
    world.fund_party(me, world.assets[debt], 100)
    before = world.position(account)
    for call, arguments in (
        (vault.withdrawCollateral, (account, disguised, 1, me)),
        (vault.withdrawCollateral, (account, disguised, NEVER, me)),
        (vault.depositCollateral, (account, disguised, 1)),
        (vault.borrow, (account, disguised, 1, me)),
        (vault.repay, (account, disguised, 1)),
        (vault.repayWith, (account, disguised, 1, 2)),
        (vault.rebalance, (account, ([(disguised, NEVER)], [], [], []), me, b"")),
        (vault.rebalance, (account, ([], [], [(disguised, 1)], []), me, b"")),
        (vault.rebalance, (account, ([], [], [], [(disguised, 1)]), me, b"")),
    ):
        with reverts("AssetNotListed", disguised):
            call(*arguments, sender=me)
    assert world.position(account) == before
