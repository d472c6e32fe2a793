"""Interest in the Vault: latched rates, one accrual or many, reserves, and rate models that misbehave.

The figures come from closeout.model's pure functions (grown_index) and from docs/liquidation.md, section 1.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from eth_abi.abi import encode

from closeout.chain.parameters import BorrowParameters
from closeout.model import INDEX_ONE, MAX_INDEX, grown_index
from tests.support.node import reverts
from tests.support.world import NEVER, NOT_COLLATERAL, UNLIMITED, Asset, World, account_of, wad

YEAR = 31_536_000
KINKED = BorrowParameters(
    base=10**7,
    slope1=4 * 10**7,
    slope2=75 * 10**7,
    kink=wad("0.8"),
    reserve_factor=1000,
    supply_cap=UNLIMITED,
    borrow_cap=UNLIMITED,
)
# 1 % + 4 % * 50 / 80 at half utilisation
RATE_AT_HALF = 35_000_000


def lent(
    world: World, borrowing: BorrowParameters = KINKED, supply: int = 10_000, owed: int = 5_000
) -> tuple[Asset, int]:
    """A market of which half is borrowed."""
    asset = world.list_asset("HOT", 6, 1, NOT_COLLATERAL, borrowing)
    world.supply(asset, supply)
    account = account_of(world.borrower)
    world.fund_party(world.borrower, world.weth, 10)
    world.fund_party(world.borrower, asset, 0)
    world.vault.depositCollateral(account, world.weth.id, world.weth.units(10), sender=world.borrower)
    world.vault.borrow(account, asset.id, asset.units(owed), world.borrower, sender=world.borrower)
    return asset, account


def market(world: World, asset: Asset) -> dict[str, int]:
    return dict(zip(("idle", "debt", "shares", "index", "rate"), world.vault.marketOf(asset.id), strict=True))


# ----------------------------------------------------------------------------------------------------------- rates


def test_rate__after_each_action__is_that_of_the_utilisation_it_left(world: World):
    asset, account = lent(world)
    assert market(world, asset)["rate"] == RATE_AT_HALF
    receipt = world.vault.borrow(account, asset.id, asset.units(4_000), world.borrower, sender=world.borrower)
    # 90 %: 1 + 4 + 75 / 2
    accrued = receipt.event("Accrued")
    assert (accrued["assetId"], accrued["ratePerYear"]) == (asset.id, 425_000_000)
    world.vault.repay(account, asset.id, asset.units(1_000), sender=world.borrower)
    assert market(world, asset)["rate"] == 50_000_000
    world.vault.withdraw(asset.id, asset.units(1_000), world.lender, world.lender, sender=world.lender)
    # 8 000 of 9 000: 1 + 4 + 75 * (8/9 - 0.8) / 0.2
    utilisation = 8 * 10**18 // 9
    assert market(world, asset)["rate"] == 50_000_000 + 75 * 10**7 * (utilisation - wad("0.8")) // wad("0.2")
    world.supply(asset, 7_000)
    assert market(world, asset)["rate"] == RATE_AT_HALF


def test_rate__of_a_market_that_is_left_as_it_was__is_not_announced(world: World):
    """A flash loan ends where it began."""
    asset, _ = lent(world)
    actor = world.node.deploy("ScriptedActor", sender=world.stranger)
    actor.execute(asset.token, asset.token.approve.data(world.vault, NEVER), sender=world.stranger)
    receipt = world.vault.flashLoan(actor, asset.token, asset.units(100), b"", sender=world.stranger)
    assert [event["ratePerYear"] for event in receipt.events("Accrued")][-1:] == [RATE_AT_HALF]
    assert market(world, asset)["rate"] == RATE_AT_HALF
    # never borrowed: nothing accrues, and the rate stays the least
    assert world.supply(world.usdc, 1).events("Accrued") == []


def test_rate__while_nobody_acts__stays_whatever_utilisation_becomes(world: World):
    """Section 8: latched until the next action that moves principal."""
    asset, _ = lent(world)
    world.warp(10 * YEAR)
    state = market(world, asset)
    assert Fraction(state["debt"], state["idle"] + state["debt"]) > Fraction(58, 100)
    assert state["rate"] == RATE_AT_HALF


# --------------------------------------------------------------------------------------------------------- accrual


def test_accrual__after_any_time__grows_the_index_by_the_documents_formula(world: World):
    asset, account = lent(world)
    for seconds in (1, 3600, YEAR):
        before = market(world, asset)["index"]
        start = world.now
        with world.node.rolled_back():
            world.node.set_time(start + seconds)
            state = market(world, asset)
            assert state["index"] == grown_index(before, RATE_AT_HALF, seconds) > before
            shares = 100 * asset.units(5_000)
            assert state["debt"] == shares * state["index"] // 10**19
            assert world.position(account)[1][asset.id] == -(-shares * state["index"] // 10**19)


def test_accrual__of_a_year__pays_lenders_and_treasury_by_the_reserve_factor(world: World):
    asset, _ = lent(world)
    before = market(world, asset)
    world.warp(YEAR)
    state = market(world, asset)
    interest = state["debt"] - before["debt"]
    fee = interest // 10
    total = state["idle"] + state["debt"]
    fee_shares = fee * (before["shares"] + 10**6) // (total - fee + 1)
    assert state["shares"] == before["shares"] + fee_shares
    assert world.vault.supplySharesOf(asset.id, world.treasury) == fee_shares
    assert fee - 2 <= world.lender_assets(asset, world.treasury) <= fee
    assert interest - fee - 2 <= world.lender_assets(asset) - asset.units(10_000) <= interest - fee + 1


def test_accrual__is_announced_by_the_next_action_with_its_figures(world: World):
    asset, _ = lent(world)
    world.warp(YEAR)
    state = market(world, asset)
    receipt = world.supply(asset, 1)
    assert receipt.event("Accrued") == {
        "assetId": asset.id,
        "index": state["index"],
        "ratePerYear": market(world, asset)["rate"],
        "interest": state["debt"] - asset.units(5_000),
        "feeShares": world.vault.supplySharesOf(asset.id, world.treasury),
    }


def test_t13_accrual__comes_before_every_action__as_by_a_twin_that_accrued_by_the_second(world: World):
    """Threat 13: what a close-out sees is the debt of now, not of the last action."""
    asset, account = lent(world, owed=9_999)
    world.warp(YEAR)
    world.set_price(asset, 1)
    world.set_price(world.weth, "1300")
    owed = market(world, asset)["debt"]
    with world.node.rolled_back():
        world.credit(world.stranger, asset, 1)
        world.supply(asset, 1)
        touched = world.health(account)
    assert world.health(account) == touched
    assert owed > asset.units(10_000)


def test_p14_accrual__in_n_pieces__equals_one_within_the_documented_bound(world: World):
    """Actions that leave the utilisation where it is: supply and withdraw of a unit."""
    asset, _ = lent(world)
    start = world.now
    with world.node.rolled_back():
        world.node.set_time(start + YEAR)
        once = market(world, asset)["index"]
    steps = 12
    token = world.vault.supplyTokenOf(asset.id)
    for n in range(1, steps + 1):
        world.node.set_time(start + YEAR * n // steps)
        # moves no principal, and stores what accrued
        world.vault.transferSupply(asset.id, world.lender, world.lender, 1, sender=token)
    pieces = market(world, asset)
    assert abs(Fraction(pieces["index"] - once, once)) <= steps * Fraction(12, 10**18)
    assert pieces["rate"] == RATE_AT_HALF


def test_accrual__of_a_supply_transfer__does_not_latch_another_rate(world: World):
    """Section 8: a rate is computed at the end of what moves principal; shares that change hands move none."""
    asset, _ = lent(world)
    world.warp(10 * YEAR)
    token = world.vault.supplyTokenOf(asset.id)
    world.vault.transferSupply(asset.id, world.lender, world.receiver, 1, sender=token)
    assert market(world, asset)["rate"] == RATE_AT_HALF


def test_reserves__of_the_treasury__can_be_withdrawn_like_any_supply(world: World):
    asset, _ = lent(world)
    world.warp(YEAR)
    held = world.vault.supplySharesOf(asset.id, world.treasury)
    with reverts("InsufficientShares", held, held + 1):
        world.vault.redeem(asset.id, held + 1, world.treasury, world.treasury, sender=world.treasury)
    world.vault.redeem(asset.id, held, world.receiver, world.treasury, sender=world.treasury)
    assert world.balance(asset, world.receiver) > 0
    assert world.vault.supplySharesOf(asset.id, world.treasury) == 0


def test_reserves__of_a_treasury_that_supplies_itself__are_counted_once(world: World):
    asset, _ = lent(world)
    world.warp(YEAR)
    earned = world.vault.supplySharesOf(asset.id, world.treasury)
    receipt = world.supply(asset, 1_000, lender=world.treasury)
    supplied = receipt.event("Supplied")["shares"]
    assert world.vault.supplySharesOf(asset.id, world.treasury) == earned + supplied
    total = sum(world.vault.supplySharesOf(asset.id, holder) for holder in (world.lender, world.treasury))
    assert market(world, asset)["shares"] == total


def test_t80_index__after_a_century_at_the_highest_rate__saturates_and_locks_nothing(world: World):
    borrowing = BorrowParameters(base=2**32 - 1, supply_cap=UNLIMITED, borrow_cap=UNLIMITED)
    asset, account = lent(world, borrowing)
    world.warp(100 * YEAR)
    state = market(world, asset)
    assert state["index"] == MAX_INDEX
    assert state["debt"] == 100 * asset.units(5_000) * MAX_INDEX // 10**19
    # interest has stopped; everything else goes on
    world.warp(YEAR)
    assert market(world, asset)["debt"] == state["debt"]
    world.give(world.liquidator, asset, 10**18)
    for feed in (world.weth.feed, asset.feed):
        feed.publish(wad(1500) if feed is world.weth.feed else wad(1), sender=world.governor)
    world.close_out(account)
    assert world.position(account) == ({}, {})
    world.vault.redeem(asset.id, 1_000 * 10**12, world.lender, world.lender, sender=world.lender)


def test_index__of_an_untouched_market_without_debt__still_lends_at_its_index(world: World):
    """Years without a call: a rate latched at the base grows the index of nobody's debt."""
    asset, account = lent(world)
    world.vault.repay(account, asset.id, NEVER, sender=world.borrower)
    assert market(world, asset)["rate"] == 10**7
    world.warp(3 * YEAR)
    index = grown_index(INDEX_ONE, 10**7, 3 * YEAR)
    world.weth.feed.publish(wad(1500), sender=world.governor)
    asset.feed.publish(wad(1), sender=world.governor)
    receipt = world.vault.borrow(account, asset.id, 10**9, world.borrower, sender=world.borrower)
    shares = receipt.event("Borrowed")["shares"]
    assert shares == -(-(10**9) * 10**19 // index)
    # both rounded against the borrower: up to a unit more than he got
    assert world.position(account)[1][asset.id] == -(-shares * index // 10**19) == 10**9 + 1


# ----------------------------------------------------------------------------------------------------- rate models


def with_model(world: World) -> tuple[Asset, int, object]:
    """A market whose rate comes from a contract that answers what it is told."""
    model = world.node.deploy("RawAnswer", sender=world.stranger)
    model.setAnswer(encode(["uint256"], [7 * 10**7]), False, sender=world.stranger)
    borrowing = BorrowParameters(supply_cap=UNLIMITED, borrow_cap=UNLIMITED, rate_model=model.address)
    asset, account = lent(world, borrowing)
    assert market(world, asset)["rate"] == 7 * 10**7
    return asset, account, model


def test_rate_model__that_is_the_kinked_one__gives_what_the_vault_computes_in_place(world: World):
    model = world.node.deploy("KinkedRateModel", 10**7, 4 * 10**7, 75 * 10**7, wad("0.8"), sender=world.stranger)
    borrowing = BorrowParameters(supply_cap=UNLIMITED, borrow_cap=UNLIMITED, rate_model=model.address)
    asset, account = lent(world, borrowing)
    assert market(world, asset)["rate"] == RATE_AT_HALF
    world.vault.borrow(account, asset.id, asset.units(4_000), world.borrower, sender=world.borrower)
    assert market(world, asset)["rate"] == 425_000_000


@pytest.mark.parametrize(
    ("answer", "is_revert"),
    [(b"", False), (b"\x01", False), (bytes(31), False), (b"", True), (b"no", True)],
    ids=["nothing", "a byte", "too little", "reverts", "reverts with data"],
)
def test_rate_model__that_does_not_answer__keeps_the_rate_and_stops_no_action(
    world: World, answer: bytes, is_revert: bool
):
    asset, account, model = with_model(world)
    model.setAnswer(answer, is_revert, sender=world.stranger)
    world.vault.repay(account, asset.id, asset.units(100), sender=world.borrower)
    world.supply(asset, 1)
    world.vault.withdraw(asset.id, 1, world.lender, world.lender, sender=world.lender)
    assert market(world, asset)["rate"] == 7 * 10**7
    world.set_price(world.weth, 500)
    world.warp(1)
    world.fund_party(world.liquidator, asset, 10_000)
    world.close_out(account)


def test_rate_model__that_burns_gas__keeps_the_rate_at_a_bounded_cost(world: World):
    asset, account, model = with_model(world)
    with world.node.rolled_back():
        ordinary = world.vault.repay(account, asset.id, asset.units(100), sender=world.borrower).gas
    model.setBurning(sender=world.stranger)
    burning = world.vault.repay(account, asset.id, asset.units(100), sender=world.borrower).gas
    assert market(world, asset)["rate"] == 7 * 10**7
    assert burning < ordinary + 110_000


@pytest.mark.parametrize("rate", [2**32 - 1, 2**32, 2**256 - 1])
def test_rate_model__above_the_highest_rate__is_cut_to_it(world: World, rate: int):
    asset, account, model = with_model(world)
    model.setAnswer(encode(["uint256"], [rate]), False, sender=world.stranger)
    world.vault.repay(account, asset.id, 1, sender=world.borrower)
    assert market(world, asset)["rate"] == 2**32 - 1


def test_rate_model__that_returns_more_than_a_word__is_read_to_the_first(world: World):
    asset, account, model = with_model(world)
    model.setAnswer(encode(["uint256"], [5 * 10**7]) + bytes(320), False, sender=world.stranger)
    world.vault.repay(account, asset.id, 1, sender=world.borrower)
    assert market(world, asset)["rate"] == 5 * 10**7


def test_p10_reserve_factor__that_is_raised__takes_nothing_of_what_accrued_before(world: World):
    """Found by the machine of tests/stateful: it used to reach back to the last time its market was touched."""
    asset, _ = lent(world)
    world.warp(YEAR)
    before, shares = market(world, asset), world.vault.supplySharesOf(asset.id, world.lender)
    receipt = world.set_asset(asset, NOT_COLLATERAL, replace(KINKED, reserve_factor=10_000))
    assert receipt.event("Accrued")["assetId"] == asset.id
    assert market(world, asset) == before
    assert world.vault.supplySharesOf(asset.id, world.lender) == shares
    # from now on all of it is the treasury's: the lender's assets stand still
    world.warp(YEAR)
    after = market(world, asset)

    def worth(books: dict[str, int]) -> Fraction:
        return Fraction(books["idle"] + books["debt"] + 1, books["shares"] + 10**6)

    assert after["debt"] > before["debt"]
    assert 0 <= worth(after) - worth(before) < Fraction(1, 10**5)
