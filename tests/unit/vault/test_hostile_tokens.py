"""P23 and threats 33, 34, 36, 68: a token that misbehaves spoils its own leg of a close-out, and nothing else.

The account holds 10 WETH and 10.5 of an odd token at 1 500 USD each against 24 000 USDC, until the odd one falls.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.expected import expected_close_out
from tests.support.node import Receipt, reverts
from tests.support.tokens import Mood, list_debt, list_switchable, set_mood
from tests.support.world import BORROWABLE, NOT_COLLATERAL, Asset, World, account_of, collateral, set_of, wad

# all that a transfer can do short of doing it
REFUSALS = [
    Mood.REVERTS,
    Mood.REVERTS_SILENTLY,
    Mood.RETURNS_FALSE,
    Mood.RETURNS_TWO,
    Mood.RETURNS_LITTLE,
    Mood.BURNS_GAS,
    Mood.RETURNS_BOMB,
    Mood.REVERTS_BOMB,
]


def with_odd_collateral(world: World) -> tuple[int, Asset]:
    odd = list_switchable(world)
    account = world.open_account({world.weth: 10, odd: "10.5"}, {world.usdc: 24_000})
    world.set_price(odd, 1200)
    world.arm()
    return account, odd


def legs_of(world: World, receipt: Receipt) -> dict[int, int]:
    """What is the liquidator's of each collateral."""
    return {n: seized - fee for n, (seized, fee, _) in world.result(receipt).seized.items()}


# ------------------------------------------------------------------------------------------------ as collateral


@pytest.mark.parametrize("mood", REFUSALS, ids=lambda mood: mood.name.lower())
def test_t34_close_out__of_a_collateral_that_will_not_move__books_it_as_a_claim_and_sends_the_other(
    world: World, mood: Mood
):
    account, odd = with_odd_collateral(world)
    expected, *_ = expected_close_out(world, account)
    set_mood(odd, sending=mood)
    weth = world.balance(world.weth, world.liquidator)
    receipt = world.close_out(account, receiver=world.receiver)

    assert world.result(receipt) == expected
    legs = legs_of(world, receipt)
    assert receipt.events("ClaimCredited") == [
        {"holder": world.receiver, "assetId": odd.id, "amount": legs[odd.id]},
    ]
    assert world.vault.claimOf(world.receiver, odd.id) == legs[odd.id]
    assert world.balance(odd, world.receiver) == 0
    assert world.balance(world.weth, world.receiver) == legs[world.weth.id]
    assert world.balance(world.weth, world.liquidator) == weth

    # the token recovers: the claim is paid
    set_mood(odd)
    world.vault.claim(odd.id, legs[odd.id], world.receiver, sender=world.receiver)
    assert world.balance(odd, world.receiver) == legs[odd.id]


@pytest.mark.parametrize("mood", [Mood.BURNS_GAS, Mood.RETURNS_BOMB, Mood.REVERTS_BOMB], ids=lambda mood: mood.name)
def test_t34_close_out__of_a_collateral_that_burns_gas__costs_a_bounded_amount_more(world: World, mood: Mood):
    account, odd = with_odd_collateral(world)
    with world.node.rolled_back():
        ordinary = world.close_out(account, as_claims=set_of(odd)).gas
    set_mood(odd, sending=mood)
    # the gas a leg gets, 300 000, and the claim
    assert ordinary < world.close_out(account).gas < ordinary + 350_000


@pytest.mark.parametrize("who", ["receiver", "vault"])
def test_t33_close_out__of_a_collateral_that_blacklists_a_party__books_a_claim(world: World, who: str):
    account, odd = with_odd_collateral(world)
    party = world.receiver if who == "receiver" else world.vault.address
    odd.token.setBlacklisted(party, True, sender=world.stranger)
    receipt = world.close_out(account, receiver=world.receiver)
    claimed = legs_of(world, receipt)[odd.id]
    assert world.vault.claimOf(world.receiver, odd.id) == claimed
    with reverts("TransferFailed"):
        world.vault.claim(odd.id, claimed, world.receiver, sender=world.receiver)
    if who == "receiver":
        world.vault.claim(odd.id, claimed, world.stranger, sender=world.receiver)
        assert world.balance(odd, world.stranger) == claimed


def test_t33_close_out__whose_borrower_is_blacklisted__does_not_care(world: World):
    """Nothing is ever pushed to the borrower."""
    account, odd = with_odd_collateral(world)
    for asset in (odd,):
        asset.token.setBlacklisted(world.borrower, True, sender=world.stranger)
    receipt = world.close_out(account)
    assert world.balance(odd, world.liquidator) == legs_of(world, receipt)[odd.id]


def test_close_out__with_the_odd_token_as_a_claim__never_calls_it(world: World):
    account, odd = with_odd_collateral(world)
    set_mood(odd, sending=Mood.CALLS)
    odd.token.setHook(world.weth.token, world.weth.token.mint.data(world.stranger, 1), sender=world.stranger)
    world.close_out(account, as_claims=set_of(odd))
    assert world.balance(world.weth, world.stranger) == 0


# ------------------------------------------------------------------------------------------------------ as debt


def with_odd_debt(world: World) -> tuple[int, Asset]:
    """12 WETH against 6 000 USDC and 9 000 of the odd token."""
    odd = list_switchable(world, price=1, decimals=6, borrowable=True)
    world.supply(odd, 100_000)
    world.set_price(world.weth, 2000)
    account = world.open_account({world.weth: 12}, {world.usdc: 6_000, odd: 9_000})
    world.set_price(world.weth, 1450)
    world.arm()
    world.fund_party(world.liquidator, odd, 100_000)
    return account, odd


PULL_ERRORS = {
    Mood.REVERTS: ("TransferFromFailed",),
    Mood.REVERTS_SILENTLY: ("TransferFromFailed",),
    Mood.RETURNS_FALSE: ("TransferFromFailed",),
    Mood.RETURNS_TWO: ("TransferFromFailed",),
    Mood.RETURNS_LITTLE: ("TransferFromFailed",),
}


@pytest.mark.parametrize("mood", PULL_ERRORS, ids=lambda mood: mood.name.lower())
def test_t34_close_out__of_a_debt_whose_token_will_not_move__is_settled_without_moving_it(world: World, mood: Mood):
    account, odd = with_odd_debt(world)
    expected, *_ = expected_close_out(world, account)
    claimed = world.credit(world.liquidator, odd, 50_000)
    set_mood(odd, pulled=mood, sending=mood)
    with reverts(*PULL_ERRORS[mood]):
        world.close_out(account)
    receipt = world.close_out(account, from_claims=set_of(odd))
    assert world.result(receipt) == expected
    assert world.vault.claimOf(world.liquidator, odd.id) == claimed - expected.repaid[odd.id][0]


def test_t34_close_out__of_a_debt_whose_token_will_not_move__can_leave_that_debt_out(world: World):
    account, odd = with_odd_debt(world)
    expected, *_ = expected_close_out(world, account, debts=set_of(world.usdc))
    set_mood(odd, pulled=Mood.REVERTS)
    assert world.result(world.close_out(account, debts=set_of(world.usdc))) == expected


def test_t34_close_out__of_a_debt_whose_token_is_dead__is_settled_from_supply_shares(world: World):
    account, odd = with_odd_debt(world)
    world.fund_party(world.liquidator, odd, 50_000)
    world.vault.supply(odd.id, odd.units(50_000), world.liquidator, sender=world.liquidator)
    expected, *_ = expected_close_out(world, account)
    set_mood(odd, pulled=Mood.REVERTS, sending=Mood.REVERTS)
    assert world.result(world.close_out(account, from_shares=set_of(odd))) == expected


@pytest.mark.parametrize(
    ("mood", "received"), [(Mood.LIES, 0), (Mood.TAKES_FEE, None)], ids=["moves nothing", "takes a fee"]
)
def test_t68_close_out__of_a_debt_whose_token_moves_too_little__is_refused_with_both_figures(
    world: World, mood: Mood, received: int | None
):
    account, odd = with_odd_debt(world)
    expected, *_ = expected_close_out(world, account)
    set_mood(odd, pulled=mood)
    amount = expected.repaid[odd.id][0]
    with reverts("TransferMismatch", odd.token.address, amount, amount - amount // 100 if received is None else 0):
        world.close_out(account)


def test_t68_close_out__of_a_debt_whose_token_takes_from_the_vault__is_refused_with_nothing_received(world: World):
    account, odd = with_odd_debt(world)
    expected, *_ = expected_close_out(world, account)
    set_mood(odd, pulled=Mood.ROBS)
    with reverts("TransferMismatch", odd.token.address, expected.repaid[odd.id][0], 0):
        world.close_out(account)


def test_t37_close_out__of_an_account_whose_owner_is_a_contract_that_reverts__never_calls_it(world: World):
    """The owner is a contract whose every function reverts; it is not called."""
    owner = world.node.deploy("RawAnswer", sender=world.stranger)
    owner.setAnswer(b"no", True, sender=world.stranger)
    world.set_price(world.weth, 2000)
    # auto-impersonated: the chain lets anyone send for it
    account = account_of(owner.address)
    world.weth.token.mint(owner, world.weth.units(10), sender=world.governor)
    world.weth.token.approve(world.vault, world.weth.units(10), sender=owner)
    world.vault.depositCollateral(account, world.weth.id, world.weth.units(10), sender=owner)
    world.vault.borrow(account, world.usdc.id, world.usdc.units(14_500), owner, sender=owner)
    world.warp(1)
    world.set_price(world.weth, 1500)
    world.arm()
    world.close_out(account)
    assert world.position(account) == ({}, {})


# ------------------------------------------------------------------------------------- through the other entry points


def act(world: World, asset: Asset, action: str) -> Any:
    """One action that pulls a thousand tokens of the stranger."""
    amount = asset.units(1000)
    own = account_of(world.stranger)
    calls = {
        "supply": lambda: world.vault.supply(asset.id, amount, world.stranger, sender=world.stranger),
        "deposit": lambda: world.vault.depositCollateral(own, asset.id, amount, sender=world.stranger),
        "credit": lambda: world.vault.creditClaim(asset.id, amount, world.stranger, sender=world.stranger),
    }
    return calls[action]()


@pytest.mark.parametrize("action", ["supply", "deposit", "credit"])
@pytest.mark.parametrize(
    ("mood", "error"),
    [
        (Mood.REVERTS, "TransferFromFailed"),
        (Mood.RETURNS_FALSE, "TransferFromFailed"),
        (Mood.RETURNS_TWO, "TransferFromFailed"),
        (Mood.LIES, "TransferMismatch"),
        (Mood.TAKES_FEE, "TransferMismatch"),
        (Mood.ROBS, "TransferMismatch"),
    ],
    ids=lambda value: value.name.lower() if isinstance(value, Mood) else value,
)
def test_t68_vault__taking_a_token_that_misbehaves__refuses_it_by_what_it_does(
    world: World, action: str, mood: Mood, error: str
):
    token = world.node.deploy("SwitchableToken", "ODD", 6, sender=world.governor)
    odd = world.list_asset("ODD", 6, 1, collateral(8500, 800), BORROWABLE, token=token)
    world.fund_party(world.stranger, odd, 10_000)
    act(world, odd, action)
    set_mood(odd, pulled=mood)
    received = {Mood.TAKES_FEE: odd.units(990)}.get(mood, 0)
    figures = (odd.token.address, odd.units(1000), received) if error == "TransferMismatch" else ()
    with reverts(error, *figures):
        act(world, odd, action)


@pytest.mark.parametrize("decimals", [0, 2, 6, 8, 18, 27])
def test_t64_vault__with_a_token_of_any_decimals__takes_lends_and_closes_out_to_the_unit(world: World, decimals: int):
    """A cheap collateral and an equally cheap debt, so that a unit weighs little whatever the decimals."""
    price = {0: "0.001", 2: "0.1"}.get(decimals, "1")
    token = world.node.deploy("TestToken", "ANY", "ANY", decimals, sender=world.governor)
    asset = world.list_asset("ANY", decimals, price, collateral(8500, 800), token=token)
    debt = world.list_asset("OWED", decimals, price, NOT_COLLATERAL, BORROWABLE)
    whole = 10_000 if price == "1" else 10_000_000 if price == "0.001" else 100_000
    world.supply(debt, whole)
    account = world.open_account({asset: whole}, {debt: whole * 8 // 10})
    world.set_price(debt, str(float(price) * 1.1)[:6])
    world.fund_party(world.liquidator, debt, whole)
    expected, *_ = expected_close_out(world, account)
    assert world.result(world.close_out(account)) == expected
    assert wad("1.1") - 10**3 <= world.health(account) <= wad("1.1") + 10**15


def test_t68_vault__with_a_token_like_usdt__works_from_supply_to_claim(world: World):
    """No return value anywhere, and an approval that must be 0 before it changes."""
    usdt = list_debt(world, "TetherLikeToken")
    world.set_price(world.weth, 2000)
    account = world.open_account({world.weth: 10}, {usdt: 14_500})
    world.set_price(world.weth, 1500)
    world.fund_party(world.liquidator, usdt, 20_000)
    expected, *_ = expected_close_out(world, account)
    assert world.result(world.close_out(account)) == expected
    claimed = world.credit(world.receiver, usdt, 5)
    world.vault.claim(usdt.id, claimed, world.receiver, sender=world.receiver)
    assert world.balance(usdt, world.receiver) == claimed
    world.vault.withdraw(usdt.id, usdt.units(1000), world.receiver, world.lender, sender=world.lender)
    assert world.balance(usdt, world.receiver) == claimed + usdt.units(1000)


def test_t68_vault__with_a_token_like_usdt_whose_fee_is_switched_on__refuses_what_comes_short(world: World):
    usdt = list_debt(world, "TetherLikeToken")
    units = world.fund_party(world.stranger, usdt, 1000)
    usdt.token.setFee(10, sender=world.governor)
    with reverts("TransferMismatch", usdt.token.address, units, units - units // 1000):
        world.vault.supply(usdt.id, units, world.stranger, sender=world.stranger)


def test_t68_vault__with_a_rebasing_token_that_comes_a_unit_short__refuses_it(world: World):
    """Like stETH: a transfer of 1 000 arrives as 999.999…"""
    odd = list_debt(world, "RebasingToken", decimals=18)
    units = world.fund_party(world.stranger, odd, 1000)
    odd.token.rebase(wad("1.000000000000000007"), sender=world.governor)
    with reverts("TransferMismatch", odd.token.address, units, units - 1):
        world.vault.supply(odd.id, units, world.stranger, sender=world.stranger)


def test_t68_vault__with_a_token_that_rebased_up__gives_nobody_more_than_was_put_in(world: World):
    """What appears in the Vault's balance belongs to nobody: accounting is internal."""
    odd = list_debt(world, "RebasingToken", decimals=18)
    before = world.lender_assets(odd)
    odd.token.rebase(wad(2), sender=world.governor)
    assert world.lender_assets(odd) == before
    with reverts("InsufficientShares", ...):
        world.vault.withdraw(odd.id, before + 1, world.lender, world.lender, sender=world.lender)
