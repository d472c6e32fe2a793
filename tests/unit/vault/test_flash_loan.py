"""ERC-3156 flash loans of idle supply."""

from __future__ import annotations

import pytest

from closeout.chain.parameters import BorrowParameters
from tests.support.node import Deployed, reverts
from tests.support.world import NEVER, NOT_COLLATERAL, UNLIMITED, Asset, World


def lent(world: World, fee: int = 0) -> Asset:
    """A token with idle supply and a flash fee in bps."""
    borrowing = BorrowParameters(supply_cap=UNLIMITED, borrow_cap=UNLIMITED, flash_fee=fee)
    asset = world.list_asset("FLASH", 6, 1, NOT_COLLATERAL, borrowing)
    world.supply(asset, 100_000)
    return asset


@pytest.fixture
def actor(world: World) -> Deployed:
    return world.node.deploy("ScriptedActor", sender=world.stranger)


def approve(world: World, actor: Deployed, asset: Asset) -> None:
    actor.execute(asset.token, asset.token.approve.data(world.vault, NEVER), sender=world.stranger)


@pytest.mark.parametrize(("fee_bps", "fee"), [(0, 0), (9, 45_000_000 + 1), (100, 500_000_000 + 1)])
def test_flash_loan__that_comes_back__earns_the_lenders_the_fee_rounded_up(
    world: World, actor: Deployed, fee_bps: int, fee: int
):
    asset = lent(world, fee_bps)
    approve(world, actor, asset)
    amount = asset.units(50_000) + (1 if fee_bps else 0)
    assert world.vault.flashFee(asset.token, amount) == fee == -(-amount * fee_bps // 10_000)
    asset.token.mint(actor, fee, sender=world.governor)
    idle = world.idle(asset)
    receipt = world.vault.flashLoan(actor, asset.token, amount, b"data", sender=world.stranger)
    assert receipt.event("FlashLoan") == {
        "receiver": actor.address,
        "assetId": asset.id,
        "amount": amount,
        "fee": fee,
    }
    assert actor.callbackData() == b"data"
    assert world.vault.marketOf(asset.id)[:2] == (idle + fee, 0)
    assert world.balance(asset, actor) == 0
    assert world.lender_assets(asset) >= idle + fee - 1


def test_flash_loan__of_all_that_is_idle__is_the_most(world: World, actor: Deployed):
    asset = lent(world)
    approve(world, actor, asset)
    idle = world.idle(asset)
    assert world.vault.maxFlashLoan(asset.token) == idle
    with reverts("InsufficientLiquidity", idle, idle + 1):
        world.vault.flashLoan(actor, asset.token, idle + 1, b"", sender=world.stranger)
    world.vault.flashLoan(actor, asset.token, idle, b"", sender=world.stranger)


def test_flash_loan__that_does_not_come_back__is_undone(world: World, actor: Deployed):
    asset = lent(world)
    idle = world.idle(asset)
    with reverts("TransferFromFailed"):
        world.vault.flashLoan(actor, asset.token, 1, b"", sender=world.stranger)
    approve(world, actor, asset)
    actor.setScript([(asset.token.address, asset.token.transfer.data(world.receiver, 1))], True, sender=world.stranger)
    with reverts("TransferFromFailed"):
        world.vault.flashLoan(actor, asset.token, 1, b"", sender=world.stranger)
    assert world.idle(asset) == idle


def test_flash_loan__to_a_receiver_that_does_not_answer__is_refused(world: World):
    asset = lent(world)
    silent = world.node.deploy("RawAnswer", sender=world.stranger)
    silent.setAnswer(b"\x00" * 32, False, sender=world.stranger)
    with reverts("CallbackFailed", silent.address):
        world.vault.flashLoan(silent, asset.token, 1, b"", sender=world.stranger)
    with reverts(""):
        world.vault.flashLoan(world.receiver, asset.token, 1, b"", sender=world.stranger)


def test_flash_loan__of_nothing_or_of_what_is_not_listed__is_refused(world: World, actor: Deployed):
    asset = lent(world)
    with reverts("ZeroAmount"):
        world.vault.flashLoan(actor, asset.token, 0, b"", sender=world.stranger)
    unlisted = world.node.deploy("TestToken", "NO", "NO", 18, sender=world.governor)
    with reverts("TokenNotListed", unlisted.address):
        world.vault.flashLoan(actor, unlisted, 1, b"", sender=world.stranger)
    with reverts("TokenNotListed", unlisted.address):
        world.vault.flashFee(unlisted, 1)
    assert world.vault.maxFlashLoan(unlisted) == 0


def test_flash_loan__of_collateral_or_claims__is_not_to_be_had(world: World, actor: Deployed):
    """Only idle supply is lent: nobody's collateral ever leaves."""
    world.open_account({world.wbtc: 5})
    world.credit(world.receiver, world.wbtc, 5)
    assert world.vault.maxFlashLoan(world.wbtc.token) == 0
    with reverts("InsufficientLiquidity", 0, 1):
        world.vault.flashLoan(actor, world.wbtc.token, 1, b"", sender=world.stranger)


def test_flash_loan__inside_which_the_receiver_supplies_the_loan_and_takes_it_out_again__gains_nothing(
    world: World, actor: Deployed
):
    asset = lent(world)
    approve(world, actor, asset)
    amount = asset.units(100_000)
    before = world.lender_assets(asset)
    script = [
        (world.vault.address, world.vault.supply.data(asset.id, amount, actor)),
        (world.vault.address, world.vault.redeem.data(asset.id, amount * 10**6, actor, actor)),
    ]
    actor.setScript(script, True, sender=world.stranger)
    world.vault.flashLoan(actor, asset.token, amount, b"", sender=world.stranger)
    assert world.lender_assets(asset) == before
    assert world.balance(asset, actor) == 0
    assert world.vault.supplySharesOf(asset.id, actor) == 0


def test_flash_loan__inside_a_flash_loan__is_counted_and_comes_back(world: World, actor: Deployed):
    asset = lent(world)
    approve(world, actor, asset)
    inner = world.node.deploy("ScriptedActor", sender=world.stranger)
    approve(world, inner, asset)
    loan = world.vault.flashLoan.data(inner, asset.token, asset.units(60_000), b"")
    too_much = world.vault.flashLoan.data(inner, asset.token, asset.units(60_000) + 1, b"")
    actor.setScript([(world.vault.address, too_much), (world.vault.address, loan)], False, sender=world.stranger)
    before = world.vault.marketOf(asset.id)
    world.vault.flashLoan(actor, asset.token, asset.units(40_000), b"", sender=world.stranger)
    assert [is_passed for is_passed, _ in actor.outcomes()] == [False, True]
    assert world.vault.marketOf(asset.id) == before


def test_flash_loan__closes_out_an_account_with_money_of_the_vault_itself(world: World, actor: Deployed):
    world.set_price(world.weth, 2000)
    account = world.open_account({world.weth: 10}, {world.usdc: 14_500})
    world.set_price(world.weth, 1500)
    approve(world, actor, world.usdc)
    request = world.request(account, receiver=actor.address)
    sale = world.usdc.token.mint.data(actor, world.usdc.units(14_500))
    script = [
        (world.vault.address, world.vault.closeOut.data(request, b"")),
        (world.usdc.token.address, sale),
    ]
    actor.setScript(script, True, sender=world.stranger)
    world.vault.flashLoan(actor, world.usdc.token, world.usdc.units(14_500), b"", sender=world.stranger)
    assert world.position(account) == ({}, {})
    assert world.balance(world.weth, actor) > 0
    assert world.vault.marketOf(world.usdc.id)[:2] == (world.usdc.units(1_000_000), 0)
