"""Vault.multicall: several actions of one caller in one transaction, all or none."""

from __future__ import annotations

from tests.support.node import reverts
from tests.support.world import World, account_of, wad


def test_multicall__of_deposit_and_borrow__opens_an_account_at_once(world: World):
    account = account_of(world.borrower)
    units = world.fund_party(world.borrower, world.weth, 10)
    calls = [
        world.vault.depositCollateral.data(account, world.weth.id, units),
        world.vault.borrow.data(account, world.usdc.id, 10**9, world.borrower),
    ]
    answers = world.vault_code.multicall.ask(calls, sender=world.borrower)
    assert [int.from_bytes(answer, "big") for answer in answers] == [0, 100 * 10**9]
    world.vault_code.multicall(calls, sender=world.borrower)
    assert world.position(account) == ({world.weth.id: units}, {world.usdc.id: 10**9})


def test_multicall__of_both_halves_of_the_code__keeps_the_caller(world: World):
    calls = [
        world.vault.setOperator.data(world.operator, True),
        world.vault.isOperator.data(world.borrower, world.operator),
        world.vault.configuration.data(),
    ]
    answers = world.vault_code.multicall.ask(calls, sender=world.borrower)
    assert int.from_bytes(answers[1], "big") == 1
    assert answers[2][-20:].hex() == world.vault.configuration()[2:]


def test_multicall__in_which_one_call_fails__fails_whole_with_its_error(world: World):
    account = account_of(world.borrower)
    units = world.fund_party(world.borrower, world.weth, 1)
    calls = [
        world.vault.depositCollateral.data(account, world.weth.id, units),
        world.vault.borrow.data(account, world.usdc.id, world.usdc.units(1201), world.borrower),
    ]
    with reverts("BelowInitialMargin", wad(1200), wad(1201)):
        world.vault_code.multicall(calls, sender=world.borrower)
    assert world.position(account) == ({}, {})
    assert world.balance(world.weth, world.borrower) == units


def test_multicall__nested__keeps_the_caller_too(world: World):
    inner = world.vault_code.multicall.data([world.vault.setOperator.data(world.operator, True)])
    world.vault_code.multicall([inner], sender=world.borrower)
    assert world.vault.isOperator(world.borrower, world.operator)


def test_multicall__of_nothing__does_nothing(world: World):
    assert world.vault_code.multicall.ask([], sender=world.borrower) == ()


def test_multicall__does_not_excuse_from_the_same_second(world: World):
    """Threat 47: borrow and close out in one transaction."""
    account = world.open_account({world.weth: 10}, {world.usdc: 10_000})
    world.set_price(world.weth, 1000)
    world.fund_party(world.borrower, world.weth, 1)
    calls = [
        world.vault.depositCollateral.data(account, world.weth.id, 10**18),
        world.vault.closeOut.data(world.request(account), b""),
    ]
    world.arm(world.borrower)
    with world.node.rolled_back():
        world.vault_code.multicall(calls, sender=world.borrower)
    world.set_price(world.weth, 2000)
    borrow = world.vault.borrow.data(account, world.usdc.id, 1, world.borrower)
    with reverts("AccountActedNow", world.now):
        world.vault_code.multicall([borrow, calls[1]], sender=world.borrower)
