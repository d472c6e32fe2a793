"""Vault.supply, mint, withdraw and redeem: shares by docs/liquidation.md section 1, limits, events, who may."""

from __future__ import annotations

import pytest

from closeout.chain.parameters import BorrowParameters
from tests.support.node import reverts
from tests.support.world import BORROWABLE, NOT_COLLATERAL, Asset, World

VIRTUAL = 10**6


@pytest.fixture
def fresh(world: World) -> Asset:
    """An asset that nobody has supplied yet."""
    return world.list_asset("NEW", 6, 1, NOT_COLLATERAL, BORROWABLE)


def capped(world: World, cap: int) -> Asset:
    borrowing = BorrowParameters(supply_cap=cap, borrow_cap=cap)
    return world.list_asset("CAP", 6, 1, NOT_COLLATERAL, borrowing)


def with_loss(world: World) -> Asset:
    """DAI after bad debt: a share is worth less than it was, so that rounding shows."""
    world.set_price(world.weth, 2500)
    account = world.open_account({world.weth: 10}, {world.dai: 16_000})
    world.set_price(world.weth, 1500)
    world.arm()
    world.close_out(account)
    assert world.lender_assets(world.dai) < 10**6 * 10**18
    return world.dai


def totals(world: World, asset: Asset) -> tuple[int, int]:
    """Supply assets and supply shares."""
    idle, debt, shares, *_ = world.vault.marketOf(asset.id)
    return idle + debt, shares


# ---------------------------------------------------------------------------------------------------------- supply


def test_supply__into_an_empty_market__mints_a_million_shares_per_unit(world: World, fresh: Asset):
    units = world.fund_party(world.lender, fresh, 7)
    receipt = world.vault.supply(fresh.id, units, world.receiver, sender=world.lender)
    shares = units * VIRTUAL
    assert receipt.event("Supplied") == {
        "assetId": fresh.id,
        "from": world.lender,
        "receiver": world.receiver,
        "assets": units,
        "shares": shares,
    }
    assert world.vault.supplySharesOf(fresh.id, world.receiver) == shares
    assert world.vault.supplySharesOf(fresh.id, world.lender) == 0
    assert world.vault.marketOf(fresh.id)[:3] == (units, 0, shares)
    assert world.balance(fresh, world.vault) == units


def test_supply__where_a_share_has_lost__mints_the_exact_shares_rounded_down(world: World):
    asset = with_loss(world)
    total, shares = totals(world, asset)
    units = world.give(world.stranger, asset, 123_456_789)
    expected = units * (shares + VIRTUAL) // (total + 1)
    assert world.vault.supply.ask(asset.id, units, world.stranger, sender=world.stranger) == expected
    world.vault.supply(asset.id, units, world.stranger, sender=world.stranger)
    assert world.vault.supplySharesOf(asset.id, world.stranger) == expected


def test_supply__of_nothing__is_refused(world: World):
    with reverts("ZeroAmount"):
        world.vault.supply(world.usdc.id, 0, world.lender, sender=world.lender)


def test_supply__of_an_asset_that_is_not_lent__is_refused(world: World):
    with reverts("AssetNotBorrowable", world.wbtc.id):
        world.vault.supply(world.wbtc.id, 1, world.lender, sender=world.lender)


@pytest.mark.parametrize("asset_id", [4, 126, 127, 128, 2**255])
def test_vault__with_an_asset_that_is_not_listed__refuses_every_action(world: World, asset_id: int):
    vault, me = world.vault, world.borrower
    account = world.open_account({world.weth: 1})
    for action in (
        lambda: vault.supply(asset_id, 1, me, sender=me),
        lambda: vault.mint(asset_id, 1, me, sender=me),
        lambda: vault.withdraw(asset_id, 1, me, me, sender=me),
        lambda: vault.redeem(asset_id, 1, me, me, sender=me),
        lambda: vault.depositCollateral(account, asset_id, 1, sender=me),
        lambda: vault.borrow(account, asset_id, 1, me, sender=me),
        lambda: vault.claim(asset_id, 1, me, sender=me),
        lambda: vault.creditClaim(asset_id, 1, me, sender=me),
        lambda: vault.marketOf(asset_id),
    ):
        with reverts("AssetNotListed", asset_id):
            action()


def test_supply__up_to_the_cap_and_one_beyond__is_taken_and_refused(world: World):
    asset = capped(world, 1000)
    world.give(world.lender, asset, 2000)
    world.vault.supply(asset.id, 1000, world.lender, sender=world.lender)
    with reverts("CapExceeded", asset.id, 1001, 1000):
        world.vault.supply(asset.id, 1, world.lender, sender=world.lender)


def test_t67_supply__after_a_donation__counts_only_what_was_supplied_against_the_cap_and_the_shares(world: World):
    asset = capped(world, 1000)
    world.give(world.lender, asset, 5000)
    world.vault.supply(asset.id, 500, world.lender, sender=world.lender)
    asset.token.transfer(world.vault, 4000, sender=world.lender)
    assert totals(world, asset) == (500, 500 * VIRTUAL)
    world.vault.supply(asset.id, 500, world.lender, sender=world.lender)
    assert totals(world, asset) == (1000, 1000 * VIRTUAL)


def test_t66_supply__after_a_first_supplier_donated__loses_nothing_to_him(world: World, fresh: Asset):
    """The classic: one unit supplied, a fortune donated, the next supplier's shares rounded to nothing."""
    attacker, victim = world.stranger, world.receiver
    world.give(attacker, fresh, 10**12 + 1)
    world.vault.supply(fresh.id, 1, attacker, sender=attacker)
    fresh.token.transfer(world.vault, 10**12, sender=attacker)
    units = world.give(victim, fresh, 10**9)
    world.vault.supply(fresh.id, units, victim, sender=victim)
    assert world.lender_assets(fresh, victim) == units
    assert world.lender_assets(fresh, attacker) == 1


def test_supply__without_tokens_or_allowance__is_refused(world: World):
    with reverts("TransferFromFailed"):
        world.vault.supply(world.usdc.id, 1, world.stranger, sender=world.stranger)


def test_mint__of_shares__costs_their_value_rounded_up(world: World):
    asset = with_loss(world)
    total, shares = totals(world, asset)
    world.give(world.stranger, asset, 10**20)
    wanted = 123_456_789_123
    cost = -(-wanted * (total + 1) // (shares + VIRTUAL))
    assert world.vault.mint.ask(asset.id, wanted, world.receiver, sender=world.stranger) == cost
    receipt = world.vault.mint(asset.id, wanted, world.receiver, sender=world.stranger)
    assert receipt.event("Supplied")["assets"] == cost
    assert world.vault.supplySharesOf(asset.id, world.receiver) == wanted
    assert world.balance(asset, world.stranger) == 10**20 - cost


def test_mint__of_nothing_beyond_the_cap_or_of_what_is_not_lent__is_refused(world: World):
    with reverts("ZeroAmount"):
        world.vault.mint(world.usdc.id, 0, world.lender, sender=world.lender)
    with reverts("AssetNotBorrowable", world.wbtc.id):
        world.vault.mint(world.wbtc.id, VIRTUAL, world.lender, sender=world.lender)
    asset = capped(world, 1000)
    with reverts("CapExceeded", asset.id, 1001, 1000):
        world.vault.mint(asset.id, 1001 * VIRTUAL, world.lender, sender=world.lender)


# ------------------------------------------------------------------------------------------------ withdraw and redeem


def test_withdraw__of_assets__burns_the_exact_shares_rounded_up_and_pays_the_receiver(world: World):
    asset = with_loss(world)
    total, shares = totals(world, asset)
    held = world.vault.supplySharesOf(asset.id, world.lender)
    units = 123_456_789
    burnt = -(-units * (shares + VIRTUAL) // (total + 1))
    receipt = world.vault.withdraw(asset.id, units, world.receiver, world.lender, sender=world.lender)
    assert receipt.event("Withdrawn") == {
        "assetId": asset.id,
        "owner": world.lender,
        "receiver": world.receiver,
        "assets": units,
        "shares": burnt,
    }
    assert world.balance(asset, world.receiver) == units
    assert world.vault.supplySharesOf(asset.id, world.lender) == held - burnt
    assert totals(world, asset) == (total - units, shares - burnt)


def test_redeem__of_shares__pays_their_value_rounded_down(world: World):
    asset = with_loss(world)
    total, shares = totals(world, asset)
    units = 987_654_321_987 * (total + 1) // (shares + VIRTUAL)
    assert world.vault.redeem.ask(asset.id, 987_654_321_987, world.receiver, world.lender, sender=world.lender) == units
    world.vault.redeem(asset.id, 987_654_321_987, world.receiver, world.lender, sender=world.lender)
    assert world.balance(asset, world.receiver) == units
    assert totals(world, asset) == (total - units, shares - 987_654_321_987)


def test_redeem__of_everything__leaves_no_share_behind(world: World):
    held = world.vault.supplySharesOf(world.usdc.id, world.lender)
    world.vault.redeem(world.usdc.id, held, world.receiver, world.lender, sender=world.lender)
    assert world.balance(world.usdc, world.receiver) == world.usdc.units(1_000_000)
    assert world.vault.marketOf(world.usdc.id)[:3] == (0, 0, 0)


@pytest.mark.parametrize("action", ["withdraw", "redeem"])
def test_exit__of_nothing__is_refused(world: World, action: str):
    with reverts("ZeroAmount"):
        world.vault.methods[action](world.usdc.id, 0, world.lender, world.lender, sender=world.lender)


def test_redeem__of_shares_worth_less_than_a_unit__is_refused(world: World):
    """A share is a millionth of a unit."""
    with reverts("ZeroAmount"):
        world.vault.redeem(world.usdc.id, VIRTUAL - 1, world.lender, world.lender, sender=world.lender)


@pytest.mark.parametrize("action", ["withdraw", "redeem"])
@pytest.mark.parametrize("who", ["stranger", "operator", "governor", "guardian"])
def test_t75_exit__of_somebody_elses_supply__is_refused_to_everybody_operators_included(
    world: World, action: str, who: str
):
    world.vault.setOperator(world.operator, True, sender=world.lender)
    caller = getattr(world, who)
    with reverts("NotAuthorized", world.lender, caller):
        world.vault.methods[action](world.usdc.id, 10**6, caller, world.lender, sender=caller)


def test_withdraw__of_more_than_is_owned__is_refused_with_both_share_figures(world: World):
    world.supply(world.usdc, 10, lender=world.stranger)
    held = world.vault.supplySharesOf(world.usdc.id, world.stranger)
    assert held == 10 * 10**6 * VIRTUAL
    with reverts("InsufficientShares", held, held + VIRTUAL):
        world.vault.withdraw(world.usdc.id, 10 * 10**6 + 1, world.stranger, world.stranger, sender=world.stranger)
    with reverts("InsufficientShares", held, held + VIRTUAL):
        world.vault.redeem(world.usdc.id, held + VIRTUAL, world.stranger, world.stranger, sender=world.stranger)


def test_withdraw__of_what_is_lent_out__is_refused_with_what_is_idle(world: World):
    world.open_account({world.wbtc: 50}, {world.usdc: 900_000})
    idle = world.usdc.units(100_000)
    with reverts("InsufficientLiquidity", idle, idle + 1):
        world.vault.withdraw(world.usdc.id, idle + 1, world.lender, world.lender, sender=world.lender)
    world.vault.withdraw(world.usdc.id, idle, world.lender, world.lender, sender=world.lender)
    assert world.idle(world.usdc) == 0


def test_withdraw__of_a_delisted_asset__still_works(world: World):
    """No supply cap any more: nothing new comes in, and what is there can leave."""
    world.set_asset(world.dai)
    with reverts("AssetNotBorrowable", world.dai.id):
        world.vault.supply(world.dai.id, 1, world.lender, sender=world.lender)
    world.vault.withdraw(world.dai.id, world.dai.units(1000), world.lender, world.lender, sender=world.lender)
    assert world.balance(world.dai, world.lender) == world.dai.units(1000)


# ---------------------------------------------------------------------------------------------------------- the views


def test_market__of_a_listed_asset__starts_at_index_one_with_nothing(world: World, fresh: Asset):
    assert world.vault.marketOf(fresh.id) == (0, 0, 0, 10**17, 0)


def test_supply_token__of_an_asset__is_registered_and_moves_shares_only_when_it_says_so(world: World):
    token = world.vault.supplyTokenOf(world.usdc.id)
    held = world.vault.supplySharesOf(world.usdc.id, world.lender)
    with reverts("NotSupplyToken", world.usdc.id, world.stranger):
        world.vault.transferSupply(world.usdc.id, world.lender, world.stranger, 1, sender=world.stranger)
    other = world.vault.supplyTokenOf(world.dai.id)
    with reverts("NotSupplyToken", world.usdc.id, other):
        world.vault.transferSupply(world.usdc.id, world.lender, world.stranger, 1, sender=other)
    receipt = world.vault.transferSupply(world.usdc.id, world.lender, world.receiver, held // 4, sender=token)
    assert receipt.event("SupplyTransferred") == {
        "assetId": world.usdc.id,
        "from": world.lender,
        "to": world.receiver,
        "shares": held // 4,
    }
    assert world.vault.supplySharesOf(world.usdc.id, world.receiver) == held // 4
    assert world.vault.supplySharesOf(world.usdc.id, world.lender) == held - held // 4
    with reverts("InsufficientShares", held // 4, held // 4 + 1):
        world.vault.transferSupply(world.usdc.id, world.receiver, world.lender, held // 4 + 1, sender=token)


def test_transfer_supply__to_oneself__changes_nothing(world: World):
    token = world.vault.supplyTokenOf(world.usdc.id)
    before = world.vault.marketOf(world.usdc.id)
    held = world.vault.supplySharesOf(world.usdc.id, world.lender)
    world.vault.transferSupply(world.usdc.id, world.lender, world.lender, held, sender=token)
    assert world.vault.supplySharesOf(world.usdc.id, world.lender) == held
    assert world.vault.marketOf(world.usdc.id) == before
