"""Vault.borrow, repay and their relatives in shares, claims and supply shares: amounts, margins, limits, who may."""

from __future__ import annotations

import pytest

from closeout.chain.parameters import BorrowParameters, CollateralParameters
from tests.support.node import reverts
from tests.support.world import HEARTBEAT, NEVER, NOT_COLLATERAL, UNLIMITED, Asset, World, account_of, collateral, wad

YEAR = 31_536_000
TOKENS, SUPPLY_SHARES, CLAIMS = range(3)


def many_debts(world: World, count: int) -> list[Asset]:
    borrowing = BorrowParameters(supply_cap=UNLIMITED, borrow_cap=UNLIMITED)
    assets = [world.list_asset(f"D{n}", 18, 1, NOT_COLLATERAL, borrowing) for n in range(count)]
    for asset in assets:
        world.supply(asset, 10_000)
    return assets


def with_interest(world: World) -> tuple[int, Asset]:
    """A thousand of a token owed at 50 % a year, whatever the utilisation."""
    borrowing = BorrowParameters(base=5 * 10**8, kink=wad(1), supply_cap=UNLIMITED, borrow_cap=UNLIMITED)
    asset = world.list_asset("HOT", 6, 1, NOT_COLLATERAL, borrowing)
    world.supply(asset, 10_000)
    account = world.open_account({world.weth: 10}, {asset: 1000})
    return account, asset


# ---------------------------------------------------------------------------------------------------------- borrow


def test_borrow__against_collateral__pays_the_receiver_and_mints_a_hundred_shares_per_unit(world: World):
    account = world.open_account({world.weth: 10})
    idle = world.idle(world.usdc)
    units = world.usdc.units(5000)
    receipt = world.vault.borrow(account, world.usdc.id, units, world.receiver, sender=world.borrower)
    assert receipt.event("Borrowed") == {
        "account": account,
        "assetId": world.usdc.id,
        "to": world.receiver,
        "amount": units,
        "shares": 100 * units,
    }
    assert world.balance(world.usdc, world.receiver) == units
    assert world.position(account)[1] == {world.usdc.id: units}
    assert world.vault.marketOf(world.usdc.id)[:2] == (idle - units, units)
    assert world.vault.timesOf(account) == (0, world.now)


def test_borrow__up_to_the_initial_margin__works_and_a_unit_more_does_not(world: World):
    """P3. 10 WETH at 1 500 and ltv 0.8: 12 000 USD."""
    account = world.open_account({world.weth: 10})
    units = world.usdc.units(12_000)
    with reverts("BelowInitialMargin", wad(12_000), wad(12_000) + 10**12):
        world.vault.borrow(account, world.usdc.id, units + 1, world.borrower, sender=world.borrower)
    world.vault.borrow(account, world.usdc.id, units, world.borrower, sender=world.borrower)
    # and no collateral of the same owner's other accounts counts
    other = world.open_account({world.weth: 1}, index=1)
    with reverts("BelowInitialMargin", wad(1200), wad(1201)):
        world.vault.borrow(other, world.usdc.id, world.usdc.units(1201), world.borrower, sender=world.borrower)


def test_t12_borrow__of_all_that_is_allowed__is_not_liquidatable_a_second_later(world: World):
    account = world.open_account({world.weth: 10}, {world.usdc: 12_000})
    health = wad(12_750) // 12_000
    assert world.health(account) == health
    with reverts("AccountHealthy", health):
        world.close_out(account)


def test_borrow__of_nothing__is_refused(world: World):
    account = world.open_account({world.weth: 10})
    with reverts("ZeroAmount"):
        world.vault.borrow(account, world.usdc.id, 0, world.borrower, sender=world.borrower)


def test_borrow__of_what_is_not_lent__is_refused(world: World):
    account = world.open_account({world.weth: 10})
    with reverts("AssetNotBorrowable", world.wbtc.id):
        world.vault.borrow(account, world.wbtc.id, 1, world.borrower, sender=world.borrower)


def test_t70_borrow__of_what_the_account_has_as_collateral__is_refused(world: World):
    account = world.open_account({world.weth: 10})
    with reverts("AssetHeldAsCollateral", world.weth.id):
        world.vault.borrow(account, world.weth.id, 1, world.borrower, sender=world.borrower)


def test_borrow__where_borrowing_is_paused__is_refused_for_that_asset_only(world: World):
    account = world.open_account({world.weth: 10})
    world.vault.setPauses(world.usdc.bit, 0, sender=world.guardian)
    with reverts("ActionPaused", world.usdc.id):
        world.vault.borrow(account, world.usdc.id, world.usdc.units(1000), world.borrower, sender=world.borrower)
    world.vault.borrow(account, world.dai.id, world.dai.units(1000), world.borrower, sender=world.borrower)


def test_borrow__of_more_than_is_idle__is_refused_with_both_figures(world: World):
    account = world.open_account({world.wbtc: 100})
    idle = world.idle(world.usdc)
    with reverts("InsufficientLiquidity", idle, idle + 1):
        world.vault.borrow(account, world.usdc.id, idle + 1, world.borrower, sender=world.borrower)
    world.vault.borrow(account, world.usdc.id, idle, world.borrower, sender=world.borrower)
    assert world.idle(world.usdc) == 0


def test_borrow__up_to_the_borrow_cap_and_one_beyond__works_and_is_refused(world: World):
    borrowing = BorrowParameters(supply_cap=UNLIMITED, borrow_cap=500 * 10**6)
    asset = world.list_asset("CAP", 6, 1, NOT_COLLATERAL, borrowing)
    world.supply(asset, 10_000)
    account = world.open_account({world.weth: 10}, {asset: 500})
    with reverts("CapExceeded", asset.id, 500 * 10**6 + 1, 500 * 10**6):
        world.vault.borrow(account, asset.id, 1, world.borrower, sender=world.borrower)


def test_t35_borrow__of_a_sixth_asset__is_refused_and_of_a_fifth_is_not(world: World):
    assets = many_debts(world, 6)
    account = world.open_account({world.weth: 10}, dict.fromkeys(assets[:5], 100))
    with reverts("TooManyAssets", 5):
        world.vault.borrow(account, assets[5].id, 10**18, world.borrower, sender=world.borrower)
    world.vault.borrow(account, assets[0].id, 10**18, world.borrower, sender=world.borrower)


@pytest.mark.parametrize(("amount", "is_enough"), [(99_999_999, False), (100_000_000, True)])
def test_t21_borrow__that_leaves_less_than_the_least_debt__is_refused(world: World, amount: int, is_enough: bool):
    account = world.open_account({world.weth: 10})
    if is_enough:
        world.vault.borrow(account, world.usdc.id, amount, world.borrower, sender=world.borrower)
        # a second borrow of a dollar is none too small: what counts is what is owed after it
        world.vault.borrow(account, world.dai.id, world.dai.units(1), world.borrower, sender=world.borrower)
    else:
        with reverts("DebtBelowMinimum", amount * 10**12, wad(100)):
            world.vault.borrow(account, world.usdc.id, amount, world.borrower, sender=world.borrower)


def test_t21_borrow__with_dust_in_many_assets__must_owe_more_for_each(world: World):
    """100 + 30 for every asset held, the new debt among them."""
    world.set_protocol(min_debt_per_asset=wad(30))
    assets = [world.list_asset(f"C{n}", 18, 1, collateral(8500, 800)) for n in range(4)]
    account = world.open_account({world.weth: 10} | dict.fromkeys(assets, 1))
    with reverts("DebtBelowMinimum", wad(279), wad(280)):
        world.vault.borrow(account, world.usdc.id, world.usdc.units(279), world.borrower, sender=world.borrower)
    world.vault.borrow(account, world.usdc.id, world.usdc.units(280), world.borrower, sender=world.borrower)


def test_borrow__beyond_what_112_bits_of_shares_hold__is_refused(world: World):
    borrowing = BorrowParameters(supply_cap=UNLIMITED, borrow_cap=UNLIMITED)
    asset = world.list_asset("TINY", 27, "0.000000000001", NOT_COLLATERAL, borrowing)
    world.give(world.lender, asset, UNLIMITED)
    world.vault.supply(asset.id, UNLIMITED, world.lender, sender=world.lender)
    account = world.open_account({world.weth: 10})
    most = UNLIMITED // 100
    world.set_protocol(min_debt_value=0, bucket_minimum=0)
    with reverts("AmountTooLarge", 100 * (most + 1), UNLIMITED):
        world.vault.borrow(account, asset.id, most + 1, world.borrower, sender=world.borrower)
    world.vault.borrow(account, asset.id, most, world.borrower, sender=world.borrower)


@pytest.mark.parametrize("who", ["stranger", "governor", "guardian", "lender"])
@pytest.mark.parametrize("action", ["borrow", "borrowShares"])
def test_t75_borrow__for_somebody_else__is_refused(world: World, who: str, action: str):
    account = world.open_account({world.weth: 10})
    caller = getattr(world, who)
    with reverts("NotAuthorized", world.borrower, caller):
        world.vault.methods[action](account, world.usdc.id, 10**9, caller, sender=caller)


def test_borrow__by_an_operator__is_paid_to_whom_he_says(world: World):
    account = world.open_account({world.weth: 10})
    world.vault.setOperator(world.operator, True, sender=world.borrower)
    world.vault.borrow(account, world.usdc.id, 10**9, world.operator, sender=world.operator)
    assert world.balance(world.usdc, world.operator) == 10**9


@pytest.mark.parametrize("kind", ["missing", "stale"])
def test_t52_borrow__with_any_price_of_the_account_missing_or_stale__is_refused(world: World, kind: str):
    """Also that of a collateral which is not needed for it."""
    account = world.open_account({world.weth: 100, world.wbtc: 1})
    price, age = (0, 0) if kind == "missing" else (wad(30_000), HEARTBEAT + 1)
    world.wbtc.feed.publishAt(price, world.now - age, sender=world.governor)
    with reverts("PriceNotFresh", world.wbtc.id):
        world.vault.borrow(account, world.usdc.id, 10**9, world.borrower, sender=world.borrower)


def test_borrow_shares__of_whole_units__borrows_those_and_of_parts_rounds_down(world: World):
    account = world.open_account({world.weth: 10})
    assert (
        world.vault.borrowShares.ask(account, world.usdc.id, 100 * 10**9 + 99, world.receiver, sender=world.borrower)
        == 10**9
    )
    receipt = world.vault.borrowShares(account, world.usdc.id, 100 * 10**9 + 99, world.receiver, sender=world.borrower)
    assert receipt.event("Borrowed")["shares"] == 100 * 10**9
    assert world.balance(world.usdc, world.receiver) == 10**9
    with reverts("ZeroAmount"):
        world.vault.borrowShares(account, world.usdc.id, 99, world.receiver, sender=world.borrower)
    with reverts("BelowInitialMargin", ...):
        world.vault.borrowShares(account, world.usdc.id, 100 * 12 * 10**9, world.receiver, sender=world.borrower)


def test_borrow_shares__with_interest_accrued__never_mints_more_than_was_said(world: World):
    account, asset = with_interest(world)
    world.warp(YEAR // 3)
    world.set_price(world.weth, 1500)
    index = world.vault.marketOf(asset.id)[3]
    wanted = 12_345_678_901
    amount = wanted * index // 10**19
    receipt = world.vault.borrowShares(account, asset.id, wanted, world.borrower, sender=world.borrower)
    event = receipt.event("Borrowed")
    assert event["amount"] == amount
    assert event["shares"] == -(-amount * 10**19 // index) <= wanted


# ----------------------------------------------------------------------------------------------------------- repay


def test_repay__of_part__lowers_the_debt_by_it_whoever_pays(world: World):
    account = world.open_account({world.weth: 10}, {world.usdc: 5000})
    units = world.fund_party(world.stranger, world.usdc, 2000)
    idle = world.idle(world.usdc)
    receipt = world.vault.repay(account, world.usdc.id, units, sender=world.stranger)
    assert receipt.event("Repaid") == {
        "account": account,
        "assetId": world.usdc.id,
        "from": world.stranger,
        "amount": units,
        "shares": 100 * units,
    }
    assert world.position(account)[1] == {world.usdc.id: world.usdc.units(3000)}
    assert world.idle(world.usdc) == idle + units
    assert world.balance(world.usdc, world.stranger) == 0


@pytest.mark.parametrize("amount", [NEVER, 5_000_000_001])
def test_t31_repay__of_more_than_is_owed__is_clamped_and_leaves_nothing(world: World, amount: int):
    account = world.open_account({world.weth: 10}, {world.usdc: 5000, world.dai: 300})
    world.fund_party(world.stranger, world.usdc, 9000)
    assert world.vault.repay.ask(account, world.usdc.id, amount, sender=world.stranger) == 5_000_000_000
    world.vault.repay(account, world.usdc.id, amount, sender=world.stranger)
    assert world.position(account)[1] == {world.dai.id: world.dai.units(300)}
    assert world.balance(world.usdc, world.stranger) == world.usdc.units(4000)


def test_repay__of_all_with_interest__leaves_zero_whatever_accrued_in_between(world: World):
    account, asset = with_interest(world)
    # one second has passed since it was borrowed
    world.warp(YEAR - 1)
    owed = world.position(account)[1][asset.id]
    # 1 000 e^0.5 = 1 648.7212707…, rounded up
    assert owed == 1_648_721_271
    world.fund_party(world.borrower, asset, 2000)
    paid = world.balance(asset, world.borrower)
    world.vault.repay(account, asset.id, NEVER, sender=world.borrower)
    assert paid - world.balance(asset, world.borrower) == owed
    assert world.position(account)[1] == {}
    assert world.vault.marketOf(asset.id)[1] == 0


def test_repay__of_nothing_or_of_no_debt__is_refused(world: World):
    account = world.open_account({world.weth: 10}, {world.usdc: 5000})
    with reverts("ZeroAmount"):
        world.vault.repay(account, world.usdc.id, 0, sender=world.borrower)
    with reverts("AssetNotHeld", account, world.dai.id):
        world.vault.repay(account, world.dai.id, 1, sender=world.borrower)
    with reverts("AssetNotHeld", account_of(world.stranger), world.usdc.id):
        world.vault.repay(account_of(world.stranger), world.usdc.id, 1, sender=world.borrower)


def test_repay__of_a_collateral_as_if_it_were_a_debt__is_refused(world: World):
    account = world.open_account({world.weth: 10}, {world.usdc: 5000})
    with reverts("AssetNotHeld", account, world.weth.id):
        world.vault.repay(account, world.weth.id, 1, sender=world.borrower)


def test_p16_repay__whatever_is_paused_delisted_or_unpriced__works(world: World):
    account = world.open_account({world.weth: 10}, {world.usdc: 5000, world.dai: 300})
    world.vault.setPauses(2**127 - 1, 2**127 - 1, sender=world.guardian)
    world.set_asset(world.dai)
    world.set_asset(world.usdc, CollateralParameters(max_bonus=500), ramp=86_400)
    for asset in world.assets:
        asset.feed.publishAt(0, world.now, sender=world.governor)
    for asset in (world.usdc, world.dai):
        world.fund_party(world.borrower, asset, 6000)
        world.vault.repay(account, asset.id, NEVER, sender=world.borrower)
    assert world.position(account)[1] == {}
    # and then everything can leave, although it is paused for those who owe
    world.vault.withdrawCollateral(account, world.weth.id, NEVER, world.borrower, sender=world.borrower)


def test_repay__by_a_party_that_cannot_pay__is_refused(world: World):
    account = world.open_account({world.weth: 10}, {world.usdc: 5000})
    with reverts("TransferFromFailed"):
        world.vault.repay(account, world.usdc.id, 1, sender=world.stranger)


def test_repay__starts_and_clears_no_clock(world: World):
    """Threat 44: neither grace nor the same-second rule is touched by a repayment of one unit."""
    account = world.open_account({world.weth: 10}, {world.usdc: 12_000})
    world.set_price(world.weth, 1400)
    world.vault.marginCall(account, sender=world.stranger)
    before = world.vault.timesOf(account)
    world.warp(10)
    world.fund_party(world.stranger, world.usdc, 1)
    world.vault.repay(account, world.usdc.id, 1, sender=world.stranger)
    assert world.vault.timesOf(account) == before


def test_repay_with__claims__takes_them(world: World):
    account = world.open_account({world.weth: 10}, {world.usdc: 5000})
    world.credit(world.stranger, world.usdc, 6000)
    idle = world.idle(world.usdc)
    receipt = world.vault.repayWith(account, world.usdc.id, NEVER, CLAIMS, sender=world.stranger)
    assert receipt.event("Claimed")["to"] == world.vault.address
    assert world.vault.claimOf(world.stranger, world.usdc.id) == world.usdc.units(1000)
    assert world.position(account)[1] == {}
    assert world.idle(world.usdc) == idle + world.usdc.units(5000)


def test_repay_with__supply_shares__burns_them_at_their_value(world: World):
    account = world.open_account({world.weth: 10}, {world.usdc: 5000})
    world.supply(world.usdc, 6000, lender=world.stranger)
    idle, debt, shares, *_ = world.vault.marketOf(world.usdc.id)
    held = world.vault.supplySharesOf(world.usdc.id, world.stranger)
    world.vault.repayWith(account, world.usdc.id, NEVER, SUPPLY_SHARES, sender=world.stranger)
    burnt = -(-world.usdc.units(5000) * (shares + 10**6) // (idle + debt + 1))
    assert world.vault.supplySharesOf(world.usdc.id, world.stranger) == held - burnt
    assert world.vault.marketOf(world.usdc.id)[:3] == (idle, debt - world.usdc.units(5000), shares - burnt)
    assert world.position(account)[1] == {}


def test_repay_with__what_does_not_suffice__is_refused(world: World):
    account = world.open_account({world.weth: 10}, {world.usdc: 5000})
    with reverts("InsufficientClaim", 0, 5_000_000_000):
        world.vault.repayWith(account, world.usdc.id, NEVER, CLAIMS, sender=world.stranger)
    with reverts("InsufficientShares", ...):
        world.vault.repayWith(account, world.usdc.id, NEVER, SUPPLY_SHARES, sender=world.stranger)
    with reverts("TransferFromFailed"):
        world.vault.repayWith(account, world.usdc.id, NEVER, TOKENS, sender=world.stranger)


def test_repay_shares__of_a_part__burns_at_least_them_and_of_all_leaves_none(world: World):
    account, asset = with_interest(world)
    world.warp(YEAR // 7)
    world.fund_party(world.borrower, asset, 5000)
    index = world.vault.marketOf(asset.id)[3]
    wanted = 1_234_567
    cost = -(-wanted * index // 10**19)
    receipt = world.vault.repayShares(account, asset.id, wanted, sender=world.borrower)
    event = receipt.event("Repaid")
    assert event["amount"] == cost
    assert event["shares"] == cost * 10**19 // index >= wanted
    world.vault.repayShares(account, asset.id, NEVER, sender=world.borrower)
    assert world.position(account)[1] == {}
    with reverts("AssetNotHeld", account, asset.id):
        world.vault.repayShares(account, asset.id, 1, sender=world.borrower)
