"""Vault.claim and creditClaim: tokens inside the Vault that are nobody's collateral and nobody's supply."""

from __future__ import annotations

import pytest

from tests.support.accounts import restorative_account
from tests.support.node import reverts
from tests.support.world import World


def test_credit_claim__books_tokens_of_the_caller_for_the_holder(world: World):
    units = world.fund_party(world.stranger, world.wbtc, 2)
    receipt = world.vault.creditClaim(world.wbtc.id, units, world.receiver, sender=world.stranger)
    assert receipt.event("ClaimCredited") == {"holder": world.receiver, "assetId": world.wbtc.id, "amount": units}
    assert world.vault.claimOf(world.receiver, world.wbtc.id) == units
    assert world.vault.claimOf(world.stranger, world.wbtc.id) == 0
    assert world.balance(world.wbtc, world.vault) == units


def test_credit_claim__adds_no_liquidity_and_no_collateral(world: World):
    before = world.vault.marketOf(world.usdc.id)
    world.credit(world.borrower, world.usdc, 1000)
    assert world.vault.marketOf(world.usdc.id) == before
    with reverts("InsufficientLiquidity", ...):
        account = world.open_account({world.wbtc: 100})
        world.vault.borrow(account, world.usdc.id, before[0] + 1, world.borrower, sender=world.borrower)


def test_claim__pays_part_and_then_the_rest_to_whom_the_holder_says(world: World):
    units = world.credit(world.receiver, world.usdc, 100)
    receipt = world.vault.claim(world.usdc.id, units - 1, world.stranger, sender=world.receiver)
    assert receipt.event("Claimed") == {
        "holder": world.receiver,
        "assetId": world.usdc.id,
        "to": world.stranger,
        "amount": units - 1,
    }
    assert world.balance(world.usdc, world.stranger) == units - 1
    assert world.vault.claimOf(world.receiver, world.usdc.id) == 1
    with reverts("InsufficientClaim", 1, 2):
        world.vault.claim(world.usdc.id, 2, world.receiver, sender=world.receiver)
    world.vault.claim(world.usdc.id, 1, world.receiver, sender=world.receiver)
    assert world.balance(world.usdc, world.receiver) == 1


def test_claim__of_another_asset_or_another_holder__is_not_there(world: World):
    units = world.credit(world.receiver, world.usdc, 100)
    with reverts("InsufficientClaim", 0, 1):
        world.vault.claim(world.dai.id, 1, world.receiver, sender=world.receiver)
    world.vault.setOperator(world.operator, True, sender=world.receiver)
    with reverts("InsufficientClaim", 0, units):
        world.vault.claim(world.usdc.id, units, world.operator, sender=world.operator)


@pytest.mark.parametrize("action", ["claim", "creditClaim"])
def test_claims__of_nothing__are_refused(world: World, action: str):
    with reverts("ZeroAmount"):
        world.vault.methods[action](world.usdc.id, 0, world.receiver, sender=world.receiver)


def test_claims__of_the_splitter__come_from_close_outs_and_from_whoever_credits_it(world: World):
    """What close-outs leave it stands in another slot; it is one claim to the outside."""
    account = restorative_account(world)
    world.arm()
    fee = world.result(world.close_out(account)).seized[world.weth.id][1]
    assert fee > 0
    credited = world.credit(world.splitter, world.weth, 1)
    assert world.vault.claimOf(world.splitter, world.weth.id) == fee + credited
    with reverts("InsufficientClaim", fee + credited, fee + credited + 1):
        world.vault.claim(world.weth.id, fee + credited + 1, world.receiver, sender=world.splitter)
    world.vault.claim(world.weth.id, fee + credited, world.receiver, sender=world.splitter)
    assert world.balance(world.weth, world.receiver) == fee + credited
    assert world.vault.claimOf(world.splitter, world.weth.id) == 0


def test_claims__survive_the_delisting_of_their_asset(world: World):
    units = world.credit(world.receiver, world.dai, 5)
    world.set_asset(world.dai)
    world.vault.claim(world.dai.id, units, world.receiver, sender=world.receiver)
    assert world.balance(world.dai, world.receiver) == units
