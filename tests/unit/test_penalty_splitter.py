"""PenaltySplitter: the protocol's part of penalties to fund, treasury and burn, to the unit, whatever the token."""

from __future__ import annotations

import pytest

from tests.support.accounts import restorative_account
from tests.support.node import Deployed, reverts
from tests.support.tokens import Mood, list_debt, list_switchable, set_mood
from tests.support.world import Asset, World, wad

BURN = "0x" + "00" * 18 + "dead"


def credit(world: World, asset: Asset, units: int) -> None:
    world.give(world.stranger, asset, units)
    world.vault.creditClaim(asset.id, units, world.splitter, sender=world.stranger)


def parts(world: World, asset: Asset) -> tuple[int, int, int, int]:
    """Insurance (as a claim), treasury, burnt, and what is left with the splitter."""
    return (
        world.vault.claimOf(world.fund, asset.id),
        world.balance(asset, world.treasury),
        world.balance(asset, BURN),
        world.balance(asset, world.splitter) + world.vault.claimOf(world.splitter, asset.id),
    )


@pytest.mark.parametrize("units", [1, 2, 3, 4, 5, 9, 10, 11, 10**18 + 7, 123_456_789_012_345_678_901])
def test_split__of_any_amount__adds_up_to_the_unit_with_the_rest_for_the_fund(world: World, units: int):
    """Weights 50, 30 and 20 %: treasury and burn rounded down."""
    credit(world, world.weth, units)
    receipt = world.splitter.split(world.weth.id, sender=world.stranger)
    treasury, burnt = units * 30 // 100, units * 20 // 100
    insured = units - treasury - burnt
    assert parts(world, world.weth) == (insured, treasury, burnt, 0)
    paid = [(event["recipient"], event["amount"]) for event in receipt.events("PenaltyPaid")]
    expected = [(world.treasury, treasury), (BURN, burnt), (world.fund.address, insured)]
    assert paid == [(who, amount) for who, amount in expected if amount]
    assert all(event["assetId"] == world.weth.id for event in receipt.events("PenaltyPaid"))


def test_split__of_what_close_outs_left__takes_all_of_it(world: World):
    account = restorative_account(world)
    world.arm()
    fees = {n: leg[1] for n, leg in world.result(world.close_out(account)).seized.items()}
    for asset in (world.weth, world.wbtc):
        fee = fees[asset.id]
        assert fee > 0
        world.splitter.split(asset.id, sender=world.stranger)
        assert sum(parts(world, asset)) == fee
        assert parts(world, asset)[3] == 0


def test_split__of_tokens_that_were_sent_to_it__includes_them(world: World):
    credit(world, world.usdc, 60)
    world.usdc.token.mint(world.splitter, 40, sender=world.governor)
    world.splitter.split(world.usdc.id, sender=world.stranger)
    assert parts(world, world.usdc) == (50, 30, 20, 0)


def test_split__of_nothing__moves_nothing_and_says_nothing(world: World):
    receipt = world.splitter.split(world.usdc.id, sender=world.stranger)
    assert receipt.logs == []


def test_split__twice__moves_it_once(world: World):
    credit(world, world.usdc, 100)
    world.splitter.split(world.usdc.id, sender=world.stranger)
    world.splitter.split(world.usdc.id, sender=world.stranger)
    assert parts(world, world.usdc) == (50, 30, 20, 0)


def test_split__of_an_asset_that_is_not_listed__moves_nothing(world: World):
    """There is no token to ask for a balance: nothing comes of it."""
    assert world.splitter.split(99, sender=world.stranger).logs == []


def test_t68_split__of_a_token_like_usdt__works_time_and_again(world: World):
    """Approvals must be 0 before they change, and nothing is returned."""
    usdt = list_debt(world, "TetherLikeToken")
    for _ in range(2):
        credit(world, usdt, 100)
        world.splitter.split(usdt.id, sender=world.stranger)
    assert parts(world, usdt) == (100, 60, 40, 0)


def test_p23_split__of_a_token_that_will_not_move__is_refused_and_other_assets_are_split(world: World):
    odd = list_switchable(world)
    credit(world, odd, 100)
    credit(world, world.usdc, 100)
    set_mood(odd, sending=Mood.RETURNS_FALSE)
    with reverts("TransferFailed"):
        world.splitter.split(odd.id, sender=world.stranger)
    world.splitter.split(world.usdc.id, sender=world.stranger)
    assert parts(world, world.usdc) == (50, 30, 20, 0)
    assert world.vault.claimOf(world.splitter, odd.id) == 100


def splitter_of(world: World, insurance: str, treasury: str, burn: str) -> Deployed:
    return world.node.deploy(
        "PenaltySplitter",
        world.vault,
        world.fund,
        world.treasury,
        wad(insurance),
        wad(treasury),
        wad(burn),
        sender=world.governor,
    )


@pytest.mark.parametrize(
    "weights",
    [
        ("1", "0", "0"),
        ("0", "1", "0"),
        ("0", "0", "1"),
        ("0.333333333333333333", "0.333333333333333333", "0.333333333333333334"),
    ],
)
def test_weights__of_any_division__are_paid_out(world: World, weights: tuple[str, str, str]):
    splitter = splitter_of(world, *weights)
    world.set_protocol(modules={"splitter": splitter})
    world.give(world.stranger, world.usdc, 1000)
    world.vault.creditClaim(world.usdc.id, 1000, splitter, sender=world.stranger)
    splitter.split(world.usdc.id, sender=world.stranger)
    treasury, burnt = 1000 * wad(weights[1]) // wad(1), 1000 * wad(weights[2]) // wad(1)
    assert parts(world, world.usdc)[:3] == (1000 - treasury - burnt, treasury, burnt)


def test_weights__that_do_not_add_up_to_one__are_refused(world: World):
    with reverts("WeightsMustAddUp", wad(1) - 1, wad(1)):
        splitter_of(world, "0.5", "0.3", "0.199999999999999999")
    with reverts("WeightsMustAddUp", wad(1) + 1, wad(1)):
        splitter_of(world, "0.5", "0.3", "0.200000000000000001")


def test_p23_splitter__that_is_replaced__leaves_what_it_had_been_credited_and_gets_nothing_more(world: World):
    """What close-outs left in the asset's own slot goes to whoever is the splitter when it is collected."""
    account = restorative_account(world)
    world.arm()
    fee = world.result(world.close_out(account)).seized[world.weth.id][1]
    credit(world, world.weth, 500)
    assert world.vault.claimOf(world.splitter, world.weth.id) == fee + 500
    other = splitter_of(world, "1", "0", "0")
    world.set_protocol(modules={"splitter": other})
    claims = [world.vault.claimOf(splitter, world.weth.id) for splitter in (world.splitter, other)]
    # crediting it had collected what was there
    assert sum(claims) == fee + 500
    for splitter, claim in zip((world.splitter, other), claims, strict=True):
        if claim:
            splitter.split(world.weth.id, sender=world.stranger)
    assert sum(parts(world, world.weth)[:3]) == fee + 500


def test_p23_close_out__with_a_splitter_and_a_fund_that_revert__goes_on(world: World):
    """Neither is called."""
    broken = world.node.deploy("RawAnswer", sender=world.stranger)
    broken.setAnswer(b"", True, sender=world.stranger)
    world.set_protocol(modules={"splitter": broken, "fund": broken})
    account = restorative_account(world)
    world.arm()
    fee = world.result(world.close_out(account)).seized[world.weth.id][1]
    assert world.vault.claimOf(broken, world.weth.id) == fee
