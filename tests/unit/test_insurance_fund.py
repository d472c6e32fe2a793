"""InsuranceFund: it takes in, it covers bad debt, and nothing else ever leaves it."""

from __future__ import annotations

import pytest

from tests.support.accounts import terminal_account
from tests.support.node import reverts
from tests.support.tokens import list_debt
from tests.support.world import World


def test_absorb__of_tokens_that_were_sent__makes_them_claims_whoever_asks(world: World):
    world.usdc.token.mint(world.fund, 1234, sender=world.governor)
    assert world.fund.absorb.ask(world.usdc.id, sender=world.stranger) == 1234
    receipt = world.fund.absorb(world.usdc.id, sender=world.stranger)
    assert receipt.event("ClaimCredited") == {
        "holder": world.fund.address,
        "assetId": world.usdc.id,
        "amount": 1234,
    }
    assert world.vault.claimOf(world.fund, world.usdc.id) == 1234
    assert world.balance(world.usdc, world.fund) == 0


def test_absorb__of_nothing__is_refused(world: World):
    with reverts("ZeroAmount"):
        world.fund.absorb(world.usdc.id, sender=world.stranger)


def test_t68_absorb__of_a_token_like_usdt__works_time_and_again(world: World):
    usdt = list_debt(world, "TetherLikeToken")
    for n in (1, 2):
        usdt.token.mint(world.fund, 50, sender=world.governor)
        world.fund.absorb(usdt.id, sender=world.stranger)
        assert world.vault.claimOf(world.fund, usdt.id) == 50 * n


def test_absorb__of_an_asset_that_is_not_listed__is_refused(world: World):
    with reverts("AssetNotListed", 99):
        world.vault.creditClaim(99, 1, world.fund, sender=world.stranger)
    with pytest.raises(Exception, match="reverted"):
        world.fund.absorb(99, sender=world.stranger)


def test_fund__has_no_function_that_takes_anything_out(world: World):
    functions = {entry["name"] for entry in world.node.artifacts["InsuranceFund"].abi if entry["type"] == "function"}
    assert functions == {"VAULT", "absorb"}


@pytest.mark.parametrize("caller", ["governor", "guardian", "treasury", "stranger"])
def test_fund__asked_for_its_claims_by_anyone__keeps_them(world: World, caller: str):
    """A claim is the holder's alone, and the fund never claims."""
    world.credit(world.fund, world.usdc, 10)
    address = getattr(world, caller)
    with reverts("InsufficientClaim", 0, 1):
        world.vault.claim(world.usdc.id, 1, address, sender=address)


def test_fund__covers_bad_debt_and_keeps_the_rest(world: World):
    account = terminal_account(world)
    world.arm()
    insured = world.credit(world.fund, world.usdc, 1_000)
    covered = world.result(world.close_out(account)).repaid[world.usdc.id][2]
    assert covered == 604_477_611
    assert world.vault.claimOf(world.fund, world.usdc.id) == insured - covered


def test_p23_fund__that_is_replaced__covers_nothing_more(world: World):
    account = terminal_account(world)
    world.arm()
    insured = world.credit(world.fund, world.usdc, 1_000)
    other = world.node.deploy("InsuranceFund", world.vault, sender=world.governor)
    world.set_protocol(modules={"fund": other})
    assert world.result(world.close_out(account)).repaid[world.usdc.id][2] == 0
    assert world.vault.claimOf(world.fund, world.usdc.id) == insured
