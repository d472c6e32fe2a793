"""Vault.depositCollateral and withdrawCollateral: amounts, limits, margins, who may."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.node import reverts
from tests.support.tokens import Mood, list_switchable, set_mood
from tests.support.world import NEVER, NO_DEBT, Asset, World, account_of, collateral, wad


def many_collaterals(world: World, count: int) -> list[Asset]:
    return [world.list_asset(f"C{n}", 18, 1, collateral(8500, 800)) for n in range(count)]


# --------------------------------------------------------------------------------------------------------- deposit


def test_deposit__of_collateral__is_the_accounts_and_in_the_vault(world: World):
    account = account_of(world.borrower, 7)
    units = world.fund_party(world.borrower, world.weth, 3)
    receipt = world.vault.depositCollateral(account, world.weth.id, units, sender=world.borrower)
    assert receipt.event("CollateralDeposited") == {
        "account": account,
        "assetId": world.weth.id,
        "from": world.borrower,
        "amount": units,
    }
    assert world.position(account) == ({world.weth.id: units}, {})
    assert world.position(account_of(world.borrower)) == ({}, {})
    # value 4 500, ltv 80 %, t 85 %
    assert world.vault.healthOf(account) == (wad(4500), wad(3600), wad(3825), 0, NO_DEBT)


def test_deposit__never_becomes_liquidity_to_lend(world: World):
    idle = world.idle(world.weth)
    world.open_account({world.weth: 100})
    assert world.idle(world.weth) == idle


def test_deposit__of_what_is_there__may_be_made_by_anyone(world: World):
    account = world.open_account({world.weth: 1})
    units = world.fund_party(world.stranger, world.weth, 2)
    receipt = world.vault.depositCollateral(account, world.weth.id, units, sender=world.stranger)
    assert receipt.event("CollateralDeposited")["from"] == world.stranger
    assert world.position(account)[0] == {world.weth.id: world.weth.units(3)}


def test_t75_deposit__of_a_new_asset_by_a_stranger__is_refused(world: World):
    account = world.open_account({world.weth: 1})
    world.fund_party(world.stranger, world.wbtc, 1)
    with reverts("NotAuthorized", world.borrower, world.stranger):
        world.vault.depositCollateral(account, world.wbtc.id, 1, sender=world.stranger)


def test_deposit__of_a_new_asset_by_an_operator__is_taken(world: World):
    account = world.open_account({world.weth: 1})
    units = world.fund_party(world.operator, world.wbtc, 1)
    world.vault.setOperator(world.operator, True, sender=world.borrower)
    world.vault.depositCollateral(account, world.wbtc.id, units, sender=world.operator)
    assert world.position(account)[0][world.wbtc.id] == units


def test_deposit__of_nothing__is_refused(world: World):
    with reverts("ZeroAmount"):
        world.vault.depositCollateral(account_of(world.borrower), world.weth.id, 0, sender=world.borrower)


def test_deposit__of_what_is_no_collateral__is_refused(world: World):
    with reverts("AssetNotCollateral", world.dai.id):
        world.vault.depositCollateral(account_of(world.borrower), world.dai.id, 1, sender=world.borrower)


def test_t70_deposit__of_what_the_account_owes__is_refused(world: World):
    account = world.open_account({world.weth: 10}, {world.usdc: 1000})
    with reverts("AssetHeldAsDebt", world.usdc.id):
        world.vault.depositCollateral(account, world.usdc.id, 1, sender=world.borrower)


def test_t35_deposit__of_an_eleventh_asset__is_refused_and_of_a_tenth_is_not(world: World):
    assets = many_collaterals(world, 11)
    account = world.open_account(dict.fromkeys(assets[:10], 1))
    assert len(world.position(account)[0]) == 10
    world.fund_party(world.borrower, assets[10], 1)
    with reverts("TooManyAssets", 10):
        world.vault.depositCollateral(account, assets[10].id, 1, sender=world.borrower)
    # a top-up of the last is none of them
    world.vault.depositCollateral(
        account, assets[9].id, world.give(world.borrower, assets[9], 5), sender=world.borrower
    )


@pytest.mark.parametrize(("decimals", "most"), [(18, 10**32), (6, 10**20), (0, 10**14), (27, 2**112 - 1)])
def test_deposit__of_more_than_an_account_may_hold__is_refused_and_of_all_it_may_is_not(
    world: World, decimals: int, most: int
):
    asset = world.list_asset("BIG", decimals, 1, collateral(8500, 800))
    account = account_of(world.borrower)
    world.give(world.borrower, asset, most + 1)
    world.vault.depositCollateral(account, asset.id, most, sender=world.borrower)
    with reverts("AmountTooLarge", most + 1, most):
        world.vault.depositCollateral(account, asset.id, 1, sender=world.borrower)
    assert world.position(account)[0] == {asset.id: most}


def test_deposit__up_to_the_collateral_cap_and_one_beyond__is_taken_and_refused(world: World):
    asset = world.list_asset("CAP", 18, 1, collateral(8500, 800, cap=1000))
    account = account_of(world.borrower)
    world.give(world.borrower, asset, 2000)
    world.vault.depositCollateral(account, asset.id, 1000, sender=world.borrower)
    with reverts("CapExceeded", asset.id, 1001, 1000):
        world.vault.depositCollateral(account, asset.id, 1, sender=world.borrower)
    # what was taken out makes room
    world.vault.withdrawCollateral(account, asset.id, 1, world.borrower, sender=world.borrower)
    world.vault.depositCollateral(account, asset.id, 1, sender=world.borrower)


def test_deposit__of_a_new_asset_into_an_account_that_owes_little__is_refused(world: World):
    """Every asset held raises the least debt: 100 + 50 for each."""
    world.set_protocol(min_debt_per_asset=wad(50))
    account = world.open_account({world.weth: 1}, {world.usdc: 200})
    world.fund_party(world.borrower, world.wbtc, 1)
    with reverts("DebtBelowMinimum", wad(200), wad(250)):
        world.vault.depositCollateral(account, world.wbtc.id, 1, sender=world.borrower)
    world.vault.borrow(account, world.usdc.id, world.usdc.units(50), world.borrower, sender=world.borrower)
    world.vault.depositCollateral(account, world.wbtc.id, 1, sender=world.borrower)


def test_deposit__into_an_account_without_debt__reads_no_price(world: World):
    world.weth.feed.publishAt(0, world.now, sender=world.governor)
    account = account_of(world.borrower)
    units = world.fund_party(world.borrower, world.weth, 1)
    world.vault.depositCollateral(account, world.weth.id, units, sender=world.borrower)


def test_deposit__of_what_is_there_into_an_account_that_owes__reads_no_price(world: World):
    """P16: no missing price stops it."""
    account = world.open_account({world.weth: 10}, {world.usdc: 10_000})
    for asset in (world.weth, world.usdc):
        asset.feed.publishAt(0, world.now, sender=world.governor)
    units = world.fund_party(world.stranger, world.weth, 1)
    world.vault.depositCollateral(account, world.weth.id, units, sender=world.stranger)


def test_p16_deposit__of_what_is_there_into_an_account_that_owes__is_stopped_by_no_cap(world: World):
    """A borrower must be able to save his account, whatever others have deposited."""
    account = world.open_account({world.weth: 10}, {world.usdc: 10_000})
    full = replace(world.listings[world.weth.id][0], cap=1)
    world.set_asset(world.weth, full, world.listings[world.weth.id][1])
    units = world.fund_party(world.borrower, world.weth, 1)
    world.vault.depositCollateral(account, world.weth.id, units, sender=world.borrower)
    # without debt there is nothing to save
    other = account_of(world.stranger)
    world.fund_party(world.stranger, world.weth, 1)
    with reverts("CapExceeded", ...):
        world.vault.depositCollateral(other, world.weth.id, units, sender=world.stranger)


# -------------------------------------------------------------------------------------------------------- withdraw


def test_withdraw__of_part__pays_the_receiver_and_leaves_the_rest(world: World):
    account = world.open_account({world.weth: 10})
    units = world.weth.units("2.5")
    receipt = world.vault.withdrawCollateral(account, world.weth.id, units, world.receiver, sender=world.borrower)
    assert receipt.event("CollateralWithdrawn") == {
        "account": account,
        "assetId": world.weth.id,
        "to": world.receiver,
        "amount": units,
    }
    assert world.balance(world.weth, world.receiver) == units
    assert world.position(account) == ({world.weth.id: world.weth.units("7.5")}, {})


@pytest.mark.parametrize("amount", ["all", "exactly"])
def test_withdraw__of_all__leaves_no_trace_of_the_asset(world: World, amount: str):
    account = world.open_account({world.weth: 10, world.wbtc: 1, world.usdc: 5})
    units = NEVER if amount == "all" else world.weth.units(10)
    answer = world.vault.withdrawCollateral.ask(account, world.weth.id, units, world.receiver, sender=world.borrower)
    assert answer == world.weth.units(10)
    world.vault.withdrawCollateral(account, world.weth.id, units, world.receiver, sender=world.borrower)
    assert world.position(account) == ({world.wbtc.id: world.wbtc.units(1), world.usdc.id: world.usdc.units(5)}, {})


def test_withdraw__without_debt__reads_no_price_and_starts_no_clock(world: World):
    account = world.open_account({world.weth: 10})
    world.weth.feed.publishAt(0, world.now, sender=world.governor)
    world.vault.withdrawCollateral(account, world.weth.id, NEVER, world.receiver, sender=world.borrower)
    assert world.vault.timesOf(account) == (0, 0)


def test_withdraw__with_debt__is_remembered_with_its_time(world: World):
    account = world.open_account({world.weth: 20}, {world.usdc: 10_000})
    now = world.warp(100)
    world.vault.withdrawCollateral(account, world.weth.id, 1, world.receiver, sender=world.borrower)
    assert world.vault.timesOf(account) == (0, now)


def test_withdraw__with_debt__leaves_the_initial_margin_and_not_a_unit_less(world: World):
    """P3. 12 000 USD at ltv 0.8 are 15 000 of collateral: 10 of 12 WETH must stay."""
    account = world.open_account({world.weth: 12}, {world.usdc: 12_000})
    world.vault.withdrawCollateral(account, world.weth.id, world.weth.units(2), world.borrower, sender=world.borrower)
    with reverts("BelowInitialMargin", wad(12_000) - 1200, wad(12_000)):
        world.vault.withdrawCollateral(account, world.weth.id, 1, world.borrower, sender=world.borrower)


def test_withdraw__of_nothing_from_something__is_refused(world: World):
    account = world.open_account({world.weth: 10})
    with reverts("ZeroAmount"):
        world.vault.withdrawCollateral(account, world.weth.id, 0, world.borrower, sender=world.borrower)


def test_withdraw__of_more_than_is_there__is_refused_with_both_figures(world: World):
    account = world.open_account({world.weth: 10})
    held = world.weth.units(10)
    with reverts("InsufficientCollateral", held, held + 1):
        world.vault.withdrawCollateral(account, world.weth.id, held + 1, world.borrower, sender=world.borrower)


def test_withdraw__of_what_is_not_held__is_refused(world: World):
    account = world.open_account({world.weth: 10})
    with reverts("AssetNotHeld", account, world.wbtc.id):
        world.vault.withdrawCollateral(account, world.wbtc.id, 1, world.borrower, sender=world.borrower)


@pytest.mark.parametrize("amount", [1, NEVER])
def test_withdraw__of_a_debt_as_if_it_were_collateral__is_refused(world: World, amount: int):
    """Inside, a debt's entry is its asset id with the top bit of a byte set: 0x80 | 2 must not name it."""
    account = world.open_account({world.weth: 10}, {world.usdc: 10_000})
    before = world.position(account)
    with reverts("AssetNotListed", 0x80 | world.usdc.id):
        world.vault.withdrawCollateral(account, 0x80 | world.usdc.id, amount, world.borrower, sender=world.borrower)
    assert world.position(account) == before


@pytest.mark.parametrize("who", ["stranger", "governor", "guardian", "liquidator"])
def test_t75_withdraw__by_anyone_but_owner_and_operator__is_refused(world: World, who: str):
    account = world.open_account({world.weth: 10})
    caller = getattr(world, who)
    with reverts("NotAuthorized", world.borrower, caller):
        world.vault.withdrawCollateral(account, world.weth.id, 1, caller, sender=caller)


def test_withdraw__by_an_operator__works_until_he_is_revoked(world: World):
    account = world.open_account({world.weth: 10})
    world.vault.setOperator(world.operator, True, sender=world.borrower)
    world.vault.withdrawCollateral(account, world.weth.id, 1, world.operator, sender=world.operator)
    world.vault.setOperator(world.operator, False, sender=world.borrower)
    with reverts("NotAuthorized", world.borrower, world.operator):
        world.vault.withdrawCollateral(account, world.weth.id, 1, world.operator, sender=world.operator)


def test_withdraw__where_withdrawing_is_paused__is_refused_with_debt_and_works_without(world: World):
    account = world.open_account({world.weth: 20}, {world.usdc: 10_000})
    free = world.open_account({world.weth: 1}, index=1)
    world.vault.setPauses(0, world.weth.bit, sender=world.guardian)
    with reverts("ActionPaused", world.weth.id):
        world.vault.withdrawCollateral(account, world.weth.id, 1, world.borrower, sender=world.borrower)
    world.vault.withdrawCollateral(free, world.weth.id, NEVER, world.borrower, sender=world.borrower)


def test_withdraw__of_a_token_that_will_not_move__is_refused_and_nothing_changes(world: World):
    odd = list_switchable(world)
    account = world.open_account({odd: 10})
    set_mood(odd, sending=Mood.RETURNS_FALSE)
    with reverts("TransferFailed"):
        world.vault.withdrawCollateral(account, odd.id, NEVER, world.borrower, sender=world.borrower)
    assert world.position(account)[0] == {odd.id: odd.units(10)}
