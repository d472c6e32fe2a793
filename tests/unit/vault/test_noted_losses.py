"""A loss that is visible on chain and not booked yet: nobody leaves without his part of it (threat 27)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closeout.chain.parameters import UNLIMITED, BorrowParameters
from tests.support.accounts import capped_account, restorative_account, terminal_account
from tests.support.node import Node, Receipt, actor, reverts
from tests.support.watched import Watched
from tests.support.world import EVERYTHING, NEVER, NOT_COLLATERAL, Asset, World, set_of, wad
from tests.unit.lending.markets import supply_token

EARLY, LATE = actor("lender who leaves"), actor("lender who stays")


def note(world: World, account: int) -> Receipt:
    return world.vault.noteInsolvency(account, sender=world.stranger)


def noted(world: World, account: int) -> dict[int, int]:
    return {a.id: loss for a in world.assets if (loss := world.vault.notedLossOf(account, a.id))}


def leave(world: World, asset: Asset, lender: str) -> int:
    """All of a lender's shares; what he got."""
    shares = world.vault.supplySharesOf(asset.id, lender)
    before = world.balance(asset, lender)
    world.vault.redeem(asset.id, shares, lender, lender, sender=lender)
    return world.balance(asset, lender) - before


def two_lenders(world: World, early: int, late: int) -> tuple[int, Asset]:
    """An account that owes 9 000 HOT and 7 000 DAI against 10 WETH at 1 500; HOT is lent by two."""
    asset = world.list_asset("HOT", 6, 1, NOT_COLLATERAL, BorrowParameters(supply_cap=UNLIMITED, borrow_cap=UNLIMITED))
    world.supply(asset, early, EARLY)
    world.supply(asset, late, LATE)
    world.set_price(world.weth, 2_500)
    account = world.open_account({world.weth: 10}, {asset: 9_000, world.dai: 7_000})
    world.set_price(world.weth, 1_500)
    world.fund_party(world.liquidator, asset, 20_000)
    world.arm()
    return account, asset


# ---------------------------------------------------------------------------------------------------- who leaves first


@pytest.mark.parametrize(("early", "late"), [(10_000, 10_000), (5_000, 40_000), (20_000, 12_000)])
@pytest.mark.parametrize("cover", [0, 100, 10_000])
def test_t27_lender_who_leaves_before_a_loss_is_booked__bears_what_he_would_have_borne(
    world: World, early: int, late: int, cover: int
):
    """Whose withdrawal was mined before the liquidation took no part in its bad debt: the last one out paid for all."""
    account, asset = two_lenders(world, early, late)
    if cover:
        world.credit(world.fund, asset, cover)
    with world.node.rolled_back():
        world.close_out(account)
        stayed = world.lender_assets(asset, EARLY), world.lender_assets(asset, LATE)
    note(world, account)
    left = leave(world, asset, EARLY)
    world.close_out(account)
    # a unit of rounding each; nobody gains by going first, nobody loses by coming last
    assert abs(left - stayed[0]) <= 1
    assert abs(world.lender_assets(asset, LATE) - stayed[1]) <= 1
    if cover == 10_000:
        assert left == asset.units(early)


def test_t27_deposit_around_the_booking__does_not_avoid_it_either(world: World):
    """Out before, in again after, in one block: the loss stays with who was there."""
    account, asset = two_lenders(world, 10_000, 10_000)
    with world.node.rolled_back():
        world.close_out(account)
        stayed = world.lender_assets(asset, EARLY)
    note(world, account)
    got = leave(world, asset, EARLY)
    world.close_out(account)
    asset.token.approve(world.vault, NEVER, sender=EARLY)
    world.vault.supply(asset.id, got, EARLY, sender=EARLY)
    assert abs(world.lender_assets(asset, EARLY) - stayed) <= 2


def test_t27_insurance_fund__has_no_way_out_of_a_loss(world: World):
    account, asset = two_lenders(world, 10_000, 10_000)
    world.credit(world.fund, asset, 100)
    note(world, account)
    with reverts("InsufficientClaim", ...):
        world.vault.claim(asset.id, 1, world.stranger, sender=world.stranger)
    result = world.result(world.close_out(account))
    assert result.repaid[asset.id][2] == asset.units(100)
    assert world.vault.claimOf(world.fund, asset.id) == 0


# -------------------------------------------------------------------------------------------------------- the figures


@pytest.mark.parametrize("price", ["1500", "1507", "1200", "300", "2"])
def test_note__of_an_insolvent_account__is_what_a_whole_close_out_books_to_the_unit(world: World, price: str):
    world.set_protocol(dust_value=0)
    account = terminal_account(world)
    world.set_price(world.weth, price)
    world.arm()
    receipt = note(world, account)
    expected = noted(world, account)
    assert {log["assetId"]: log["expectedLoss"] for log in receipt.events("InsolvencyNoted")} == expected
    result = world.preview(account)
    assert expected == {n: bad_debt for n, (_, bad_debt, _) in result.repaid.items()}
    assert world.vault.expectedLossOf(world.usdc.id) == (expected[world.usdc.id],) * 2
    receipt = world.close_out(account)
    assert noted(world, account) == {}
    assert world.vault.expectedLossOf(world.usdc.id) == world.vault.expectedLossOf(world.dai.id) == (0, 0)
    assert all(log["expectedLoss"] == 0 for log in receipt.events("InsolvencyNoted"))


def test_note__of_a_debt_with_interest__is_what_a_whole_close_out_books_to_the_unit(world: World):
    rate = BorrowParameters(base=4 * 10**8, kink=wad(1), supply_cap=UNLIMITED, borrow_cap=UNLIMITED)
    asset = world.list_asset("HOT", 6, 1, NOT_COLLATERAL, rate)
    world.supply(asset, 100_000)
    world.set_price(world.weth, 2_500)
    account = world.open_account({world.weth: 10}, {asset: 9_000, world.dai: 7_000})
    world.set_price(world.weth, 1_500)
    for days in (1, 99):
        world.warp(days * 86_400)
        with world.node.rolled_back():
            world.node.set_time(world.now + 1)
            expected = {n: leg[1] for n, leg in world.preview(account).repaid.items()}
            note(world, account)
            assert noted(world, account) == expected


def test_note__of_an_account_that_recovered_after_one_debt_was_closed_out__takes_back_the_other_alone(world: World):
    account, asset = two_lenders(world, 10_000, 10_000)
    note(world, account)
    assert set(noted(world, account)) == {asset.id, world.dai.id}
    world.close_out(account, debts=set_of(world.dai))
    assert set(noted(world, account)) == {asset.id}
    world.set_price(world.weth, 2_500)
    events = note(world, account).events("InsolvencyNoted")
    assert [(log["assetId"], log["expectedLoss"]) for log in events] == [(asset.id, 0)]
    assert noted(world, account) == {}


@pytest.mark.parametrize("sets", [{"fill": wad("0.4")}, {"debts": 1 << 2}, {"debts": 1 << 3, "fill": wad("0.9")}])
def test_note__of_an_account_closed_out_in_part__falls_by_what_was_booked(world: World, sets: dict[str, int]):
    account = terminal_account(world)
    world.arm()
    note(world, account)
    before = noted(world, account)
    result = world.result(world.close_out(account, **sets))
    booked = {n: bad_debt for n, (_, bad_debt, _) in result.repaid.items()}
    after = {n: loss - booked.get(n, 0) for n, loss in before.items() if n in world.position(account)[1]}
    assert noted(world, account) == {n: loss for n, loss in after.items() if loss}
    # what is left is what the rest will leave, to a unit of each rounding
    left = {n: leg[1] for n, leg in world.preview(account).repaid.items()}
    assert all(abs(left[n] - noted(world, account).get(n, 0)) <= 2 for n in left)


def test_note__of_several_accounts__adds_up_and_the_fund_covers_them_together(world: World):
    first, asset = two_lenders(world, 10_000, 10_000)
    world.set_price(world.weth, 2_500)
    second = world.open_account({world.weth: 4}, {asset: 6_000}, index=1)
    world.set_price(world.weth, 1_400)
    note(world, first)
    note(world, second)
    each = [world.vault.notedLossOf(account, asset.id) for account in (first, second)]
    assert all(each)
    world.credit(world.fund, asset, 500)
    assert world.vault.expectedLossOf(asset.id) == (sum(each), sum(each) - asset.units(500))
    world.credit(world.fund, asset, 5_000)
    assert world.vault.expectedLossOf(asset.id) == (sum(each), 0)


def test_write_off__of_a_noted_account__takes_its_note_with_it(world: World):
    account = terminal_account(world)
    world.set_price(world.weth, "0.5")
    note(world, account)
    assert noted(world, account)
    world.vault.writeOff(account, sender=world.stranger)
    assert noted(world, account) == {}
    assert world.vault.expectedLossOf(world.usdc.id) == (0, 0)


# ------------------------------------------------------------------------------------------- when it may and may not


@pytest.mark.parametrize("make", [restorative_account, capped_account])
def test_note__of_a_solvent_account__is_refused_with_both_values(world: World, make: Callable[[World], int]):
    account = make(world)
    values = world.vault.healthOf(account)
    with reverts("AccountNotInsolvent", values[0], values[3]):
        note(world, account)
    with reverts("AccountNotInsolvent", 0, 0):
        note(world, account + 7)


def test_note__at_the_border_of_insolvency__is_refused_and_a_hair_below_is_taken(world: World):
    """C (1) < B (1 + f): 16 080 USD of collateral against 16 000."""
    account = terminal_account(world)
    world.set_price(world.weth, "1608")
    with reverts("AccountNotInsolvent", ...):
        note(world, account)
    world.set_price(world.weth, "1607.999999999999999999")
    note(world, account)
    # next to nothing: some 1e-18 of each debt
    assert all(loss < 100 for loss in noted(world, account).values())


@pytest.mark.parametrize("heal", ["price", "deposit", "repayment of one debt"])
def test_note__brought_to_the_state_of_now__is_lifted_or_lowered_by_anyone(world: World, heal: str):
    account = terminal_account(world)
    note(world, account)
    before = noted(world, account)
    world.arm(world.stranger)
    if heal == "price":
        world.set_price(world.weth, 1_700)
    elif heal == "deposit":
        world.vault.depositCollateral(account, world.weth.id, world.weth.units(2), sender=world.stranger)
    else:
        world.vault.repay(account, world.usdc.id, NEVER, sender=world.stranger)
    assert noted(world, account) == before
    receipt = note(world, account)
    assert noted(world, account) == {}
    assert {log["expectedLoss"] for log in receipt.events("InsolvencyNoted")} == {0}
    assert world.vault.expectedLossOf(world.usdc.id) == (0, 0)
    with reverts("AccountNotInsolvent", ...):
        note(world, account)


def test_note__at_the_low_of_a_wick__costs_nobody_who_lifts_it_first_anything(world: World):
    """A false note is lifted in the very transaction of who wants to leave."""
    account, asset = two_lenders(world, 10_000, 10_000)
    note(world, account)
    world.set_price(world.weth, 1_800)
    shares = world.vault.supplySharesOf(asset.id, EARLY)
    assert leave_in(world, asset, shares, lifts=None) < asset.units(10_000)
    assert leave_in(world, asset, shares, lifts=account) == asset.units(10_000)


def leave_in(world: World, asset: Asset, shares: int, *, lifts: int | None) -> int:
    """What a multicall of the early lender pays him; undone."""
    calls = [] if lifts is None else [world.vault.noteInsolvency.data(lifts)]
    calls.append(world.vault.redeem.data(asset.id, shares, EARLY, EARLY))
    with world.node.rolled_back():
        before = world.balance(asset, EARLY)
        world.vault_code.multicall(calls, sender=EARLY)
        return world.balance(asset, EARLY) - before


def test_note__again_as_the_loss_grows__follows_it(world: World):
    account = terminal_account(world)
    losses = []
    for price in (1_500, 1_300, 1_400):
        world.set_price(world.weth, price)
        note(world, account)
        losses.append(noted(world, account)[world.dai.id])
    assert losses[0] < losses[2] < losses[1]


def test_note__seizes_nothing_and_starts_no_clock(world: World):
    account = terminal_account(world)
    before = world.position(account), world.vault.timesOf(account)
    note(world, account)
    assert (world.position(account), world.vault.timesOf(account)) == before


def test_note__while_sources_dispute_the_price__is_by_the_price_that_decides(world: World):
    """In doubt a collateral counts at the upper end: nobody's loss is visible while one source says there is none."""
    watched = Watched.listed(world, "C", 100, is_collateral=True)
    account = world.open_account({watched.asset: 100}, {world.usdc: 7_000})
    watched.feeds[0].publish(wad(60), sender=world.governor)
    with reverts("AccountNotInsolvent", ...):
        note(world, account)
    watched.publish(world, 60)
    note(world, account)
    assert noted(world, account) == {n: bad_debt for n, (_, bad_debt, _) in world.preview(account).repaid.items()}
    # and while it is in doubt again, the note can be lifted
    watched.feeds[1].publish(wad(100), sender=world.governor)
    note(world, account)
    assert noted(world, account) == {}


# ------------------------------------------------------------------------------------------ what leaving is worth


def test_p10_share__of_a_market_with_a_noted_loss__is_worth_what_it_was_and_enters_at_that(world: World):
    account, asset = two_lenders(world, 10_000, 10_000)
    face = supply_token(world, asset)
    figures = (face.totalAssets, lambda: face.convertToAssets(10**12), lambda: face.previewDeposit(10**6))
    before = [figure() for figure in figures]
    market = world.vault.marketOf(asset.id)
    note(world, account)
    assert [figure() for figure in figures] == before
    assert world.vault.marketOf(asset.id) == market
    assert face.previewRedeem(10**12) < face.convertToAssets(10**12)
    left = leave(world, asset, EARLY)
    # what he left behind is the others': their shares are worth more, and leaving is worth what it was
    assert face.convertToAssets(10**12) > before[1]
    assert abs(face.previewRedeem(world.vault.supplySharesOf(asset.id, LATE)) - left) <= 1


def test_previews_and_limits__with_a_noted_loss__are_what_the_calls_do(world: World):
    account, asset = two_lenders(world, 12_345, 10_000)
    note(world, account)
    face = supply_token(world, asset)
    shares = face.maxRedeem(EARLY)
    for amount in (1_000_001, face.maxWithdraw(EARLY)):
        with world.node.rolled_back():
            expected = face.previewWithdraw(amount)
            held = face.balanceOf(EARLY)
            face.withdraw(amount, EARLY, EARLY, sender=EARLY)
            assert held - face.balanceOf(EARLY) == expected
    for amount in (10**9 + 7, shares):
        with world.node.rolled_back():
            expected = face.previewRedeem(amount)
            before = world.balance(asset, EARLY)
            face.redeem(amount, EARLY, EARLY, sender=EARLY)
            assert world.balance(asset, EARLY) - before == expected
    with reverts("InsufficientShares", ...):
        face.withdraw(face.maxWithdraw(EARLY) + 2, EARLY, EARLY, sender=EARLY)


def test_repayment_from_supply_shares__with_a_noted_loss__is_an_exit_like_any_other(world: World):
    """A borrower who is a lender too: his shares buy no more of his debt than they would pay him."""
    account, asset = two_lenders(world, 10_000, 10_000)
    world.set_price(world.weth, 1_500)
    own = world.open_account({world.wbtc: 1}, {asset: 2_000}, owner=EARLY, index=3)
    note(world, account)
    held = world.vault.supplySharesOf(asset.id, EARLY)
    with world.node.rolled_back():
        world.vault.withdraw(asset.id, asset.units(1_000), EARLY, EARLY, sender=EARLY)
        burnt = held - world.vault.supplySharesOf(asset.id, EARLY)
    world.vault.repayWith(own, asset.id, asset.units(1_000), 1, sender=EARLY)
    assert abs(held - world.vault.supplySharesOf(asset.id, EARLY) - burnt) <= 10**6


def test_close_out_paid_from_shares__of_the_noted_account__bears_the_loss_once(world: World):
    """The note goes as the loss is booked, before shares are valued: not counted twice."""
    account, asset = two_lenders(world, 20_000, 20_000)
    with world.node.rolled_back():
        world.close_out(account, sender=EARLY, from_shares=set_of(asset), debts=set_of(asset), as_claims=EVERYTHING)
        without = world.vault.supplySharesOf(asset.id, EARLY)
    note(world, account)
    world.close_out(account, sender=EARLY, from_shares=set_of(asset), debts=set_of(asset), as_claims=EVERYTHING)
    assert world.vault.supplySharesOf(asset.id, EARLY) == without


def test_transfer__of_shares_with_a_noted_loss__moves_the_burden_with_them(world: World):
    account, asset = two_lenders(world, 10_000, 10_000)
    note(world, account)
    face = supply_token(world, asset)
    shares = face.balanceOf(EARLY)
    worth = face.previewRedeem(shares)
    face.transfer(world.receiver, shares, sender=EARLY)
    assert leave(world, asset, world.receiver) == worth < asset.units(10_000)


def test_loss_that_is_more_than_the_market__leaves_nothing_to_leave_with_and_blocks_nobody_after_it(world: World):
    asset = world.list_asset("HOT", 6, 1, NOT_COLLATERAL, BorrowParameters(supply_cap=UNLIMITED, borrow_cap=UNLIMITED))
    world.supply(asset, 10_000, EARLY)
    world.set_price(world.weth, 2_500)
    account = world.open_account({world.weth: 10}, {asset: 10_000})
    world.set_price(world.weth, "0.5")
    note(world, account)
    face = supply_token(world, asset)
    assert face.maxWithdraw(EARLY) == face.maxRedeem(EARLY) == 0
    world.vault.writeOff(account, sender=world.stranger)
    world.supply(asset, 1_000, LATE)
    assert face.maxWithdraw(LATE) >= asset.units(1_000) - 10**3


@given(
    price=st.integers(1, 1_607),
    early=st.integers(1, 20_000),
    cover=st.integers(0, 9_000),
    fill=st.sampled_from(("1", "0.5", "0.01")),
    is_late_note=st.booleans(),
)
def test_t27_any_order_of_leaving_noting_and_booking__pays_no_lender_more_than_his_part(
    node: Node, standard: World, price: int, early: int, cover: int, fill: str, is_late_note: bool
):
    """Over random losses, covers and parts booked before: who leaves gets what who stays keeps, per share."""
    with node.rolled_back():
        world = standard.fork()
        account, asset = two_lenders(world, early, 30_000)
        world.set_price(world.weth, price)
        if cover:
            world.credit(world.fund, asset, cover)
        if not is_late_note:
            note(world, account)
        world.close_out(account, fill=wad(fill))
        if is_late_note and world.position(account)[1]:
            note(world, account)
        shares = [world.vault.supplySharesOf(asset.id, lender) for lender in (EARLY, LATE)]
        left = leave(world, asset, EARLY)
        if world.position(account)[1]:
            world.close_out(account)
        stays = world.lender_assets(asset, LATE)
        # rounding of each step by units; a part booked and the rest booked later round apart
        assert abs(left * shares[1] - stays * shares[0]) <= 4 * sum(shares)
