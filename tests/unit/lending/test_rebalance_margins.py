"""Rebalancing and every other way to lower an account: P3 and threat 48, over random moves on random accounts."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.differential.sizes import sized
from tests.support.node import Node, Reverted, reverts
from tests.support.world import NEVER, World, account_of
from tests.unit.lending.stage import books, check_books, with_interest

AMOUNTS = st.one_of(st.integers(1, 10**6), st.integers(1, 300_000), st.integers(1, 1_000), st.just(NEVER))


def moves_of(*likely: int) -> st.SearchStrategy[list[tuple[int, int]]]:
    """Mostly of assets that fit the side; the others must be refused."""
    ids = st.one_of(st.sampled_from(likely), st.sampled_from(likely), st.sampled_from(likely), st.integers(0, 3))
    return st.lists(st.tuples(ids, AMOUNTS), max_size=2)


# WETH and WBTC are held, USDC and DAI are owed
MOVES = st.tuples(moves_of(0, 1), moves_of(2, 3), moves_of(0, 1), moves_of(2, 3))
EXPECTED = {
    "BelowInitialMargin",
    "DebtBelowMinimum",
    "AssetNotHeld",
    "AssetNotCollateral",
    "AssetNotBorrowable",
    "AssetHeldAsDebt",
    "AssetHeldAsCollateral",
    "InsufficientCollateral",
    "InsufficientLiquidity",
    "AmountTooLarge",
    "TransferFromFailed",
    # a deposit of 2^256 - 1 on top of what is there overflows
    "Panic",
}


def margin(world: World, account: int) -> Fraction:
    """Borrowing power over debt, WAD values; above any figure without debt."""
    _, power, _, debt, _ = world.vault.healthOf(account)
    return Fraction(power, debt) if debt else Fraction(10**9)


@settings(max_examples=sized(60))
@given(moves=MOVES, warp=st.sampled_from((0, 1, 86_400)))
def test_p3__t48_rebalance__of_any_moves__ends_above_the_initial_margin_or_changes_nothing(
    node: Node, standard: World, moves: tuple[list[tuple[int, int]], ...], warp: int
):
    with node.rolled_back():
        world = with_interest(standard.fork(), standard.usdc, standard.dai)
        me, other = world.borrower, world.stranger
        account = world.open_account({world.weth: 10, world.wbtc: "0.5"}, {world.usdc: 10_000, world.dai: 5_000})
        theirs = world.open_account({world.weth: 10}, {world.usdc: 10_000}, owner=other)
        for asset in world.assets:
            world.fund_party(me, asset, 5_000)
        world.warp(warp)
        # thousandths of what moves matter here: up to 10 000 USD of each asset
        units = [
            [
                (
                    n,
                    NEVER
                    if part == NEVER
                    else max(1, 10_000 * 10**asset.decimals * 10**18 // world.prices[n] * part // 10**6),
                )
                for n, part in side
                for asset in [world.assets[n]]
            ]
            for side in moves
        ]
        before = (world.position(account), [books(world, asset) for asset in world.assets])
        purse = [world.balance(asset, me) for asset in world.assets]
        stranger = world.position(theirs)
        try:
            world.vault.rebalance(account, tuple(units), me, b"", sender=me)
        except Reverted as revert:
            assert revert.name in EXPECTED, revert
            assert (world.position(account), [books(world, asset) for asset in world.assets]) == before
            return
        event("passed")
        assert margin(world, account) >= 1
        assert world.position(theirs) == stranger
        # what left the account and the market is in the purse, to the unit
        held, owed = world.position(account)
        (was_held, was_owed), _ = before
        for asset, had in zip(world.assets, purse, strict=True):
            n = asset.id
            out = was_held.get(n, 0) - held.get(n, 0) + owed.get(n, 0) - was_owed.get(n, 0)
            # a debt is rounded up to units before and after
            assert 0 <= out - (world.balance(asset, me) - had) + 1 <= 2
        check_books(world, [account, theirs], [me, other, world.lender])


def test_t48_account__at_its_initial_margin__can_be_lowered_by_no_function_by_anyone(world: World):
    """Every function of the Vault that could take something of an account, tried with one unit."""
    account = world.open_account({world.weth: 10, world.wbtc: 1}, {world.usdc: 1_000})
    vault, me, weth, usdc = world.vault, world.borrower, world.weth.id, world.usdc.id
    _, power, _, debt, _ = vault.healthOf(account)
    vault.borrow(account, usdc, (power - debt) // 10**12, me, sender=me)
    world.warp(1)
    world.fund_party(me, world.usdc, 1_000)
    world.credit(me, world.usdc, 100)
    before = world.position(account)
    lowering: list[Callable[[], object]] = [
        lambda: vault.withdrawCollateral(account, weth, 10**15, me, sender=me),
        lambda: vault.borrow(account, usdc, 1, me, sender=me),
        lambda: vault.borrowShares(account, usdc, 100, me, sender=me),
        lambda: vault.rebalance(account, ([(weth, 10**15)], [], [], []), me, b"", sender=me),
        lambda: vault.rebalance(account, ([], [(usdc, 1)], [], []), me, b"", sender=me),
        lambda: vault.rebalance(account, ([(weth, 10**15)], [], [(weth, 10**15 - 1)], []), me, b"", sender=me),
    ]
    world.fund_party(me, world.weth, 1)
    for call in lowering:
        with reverts("BelowInitialMargin", ...):
            call()
    # a donation to the Vault, to claims or to lenders is nobody's collateral and lowers nobody's
    world.weth.token.transfer(vault, 1, sender=me)
    vault.creditClaim(usdc, 1, world.fund, sender=me)
    vault.supply(usdc, 100, world.treasury, sender=me)
    assert world.position(account) == before
    assert margin(world, account) >= 1


@pytest.mark.parametrize("what", ["owner", "operator"])
def test_rebalance__with_a_callback_that_tries_to_use_the_account__finds_the_vault_locked(world: World, what: str):
    actor = world.node.deploy("ScriptedActor", sender=world.stranger)
    owner = actor.address if what == "owner" else world.borrower
    account = account_of(owner)
    if what == "operator":
        world.vault.setOperator(actor, True, sender=owner)
    for asset in (world.weth, world.usdc):
        world.give(actor, asset, asset.units(10))
        actor.execute(asset.token, asset.token.approve.data(world.vault, NEVER), sender=world.stranger)
    vault = world.vault
    deposit = vault.depositCollateral.data(account, world.weth.id, world.weth.units(10))
    actor.execute(vault, deposit, sender=world.stranger)
    token = world.node.at("SupplyToken", vault.supplyTokenOf(world.usdc.id))
    script = [
        (vault.address, vault.withdrawCollateral.data(account, world.weth.id, NEVER, actor)),
        (vault.address, vault.borrow.data(account, world.usdc.id, 10**6, actor)),
        (vault.address, vault.supply.data(world.usdc.id, 10**6, actor)),
        (vault.address, vault.flashLoan.data(actor, world.usdc.token, 10**6, b"")),
        (vault.address, vault.marketOf.data(world.usdc.id)),
        (token.address, token.totalAssets.data()),
        (token.address, token.deposit.data(10**6, actor)),
    ]
    actor.setScript(script, False, sender=world.stranger)
    moves = ([], [(world.usdc.id, 10**9)], [], [])
    actor.execute(vault, vault.rebalance.data(account, moves, actor, b"go"), sender=world.stranger)
    assert [is_passed for is_passed, _ in actor.outcomes()] == [False] * len(script)
    assert world.position(account) == ({world.weth.id: world.weth.units(10)}, {world.usdc.id: 10**9})
