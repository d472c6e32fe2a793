"""With an asset or its oracle dead: what everybody else can still do, and the path by which an asset is delisted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from closeout.chain.parameters import CollateralParameters
from tests.support.accounts import three_and_two
from tests.support.node import reverts
from tests.support.world import NEVER, NO_DEBT, NOT_BORROWABLE, Asset, World, account_of, set_of, wad
from tests.unit.lending.markets import supply_token
from tests.unit.lending.stage import set_borrowing, with_interest

DAY = 86_400


def kill_by_revert(world: World, asset: Asset) -> None:
    """The feed's code is gone: every call comes back with nothing."""
    world.node.rpc.call("anvil_setCode", asset.feed.address, "0x")


def kill_by_garbage(world: World, asset: Asset) -> None:
    world.node.rpc.call("anvil_setCode", asset.feed.address, "0xfe")


def kill_by_zero(world: World, asset: Asset) -> None:
    asset.feed.publish(0, sender=world.governor)


def kill_by_age(world: World, asset: Asset) -> None:
    asset.feed.publishAt(world.prices[asset.id], world.now - 2**24, sender=world.governor)


DEATHS = [kill_by_revert, kill_by_garbage, kill_by_zero, kill_by_age]


# --------------------------------------------------------------------------------------- a dead oracle of a collateral


@pytest.mark.parametrize("death", DEATHS)
def test_dead_oracle__of_an_asset__does_not_touch_accounts_that_do_not_hold_it(world: World, death: object):
    world.set_price(world.weth, 2000)
    account = world.open_account({world.weth: 10}, {world.usdc: 14_000})
    death(world, world.wbtc)
    me = world.borrower
    world.vault.borrow(account, world.usdc.id, 1, me, sender=me)
    world.vault.withdrawCollateral(account, world.weth.id, 1, me, sender=me)
    world.warp(1)
    world.set_price(world.weth, 1500)
    world.vault.marginCall(account, sender=world.stranger)
    world.arm()
    world.close_out(account)


@pytest.mark.parametrize("death", DEATHS)
def test_dead_oracle__of_a_collateral__stops_neither_repayment_nor_deposits_nor_leaving_without_debt(
    world: World, death: object
):
    """Nor lenders, claims, flash loans and transfers: none of them reads a price."""
    account = world.open_account({world.weth: 10, world.wbtc: 1}, {world.usdc: 10_000})
    free = world.open_account({world.wbtc: 1, world.weth: 1}, index=1)
    me = world.borrower
    for asset in (world.wbtc, world.weth, world.usdc):
        death(world, asset)
    vault = world.vault
    vault.withdrawCollateral(free, world.wbtc.id, NEVER, me, sender=me)
    vault.withdrawCollateral(free, world.weth.id, NEVER, me, sender=me)
    world.fund_party(me, world.wbtc, 1)
    vault.depositCollateral(account, world.wbtc.id, 1, sender=me)
    vault.depositCollateral(account_of(me, 2), world.wbtc.id, 1, sender=me)
    world.fund_party(world.stranger, world.usdc, 20_000)
    vault.repay(account, world.usdc.id, world.usdc.units(1), sender=world.stranger)
    vault.repayShares(account, world.usdc.id, 1_000, sender=world.stranger)
    vault.supply(world.usdc.id, world.usdc.units(100), world.stranger, sender=world.stranger)
    vault.repayWith(account, world.usdc.id, world.usdc.units(1), 1, sender=world.stranger)
    vault.creditClaim(world.usdc.id, world.usdc.units(2), world.stranger, sender=world.stranger)
    vault.repayWith(account, world.usdc.id, world.usdc.units(1), 2, sender=world.stranger)
    vault.claim(world.usdc.id, world.usdc.units(1), world.stranger, sender=world.stranger)
    supply_token(world, world.usdc).transfer(world.receiver, 1, sender=world.stranger)
    vault.withdraw(world.usdc.id, world.usdc.units(50), world.stranger, world.stranger, sender=world.stranger)
    # and who repays all is out, with everything, in one transaction
    calls = [
        vault.repay.data(account, world.usdc.id, NEVER),
        vault.withdrawCollateral.data(account, world.wbtc.id, NEVER, me),
        vault.withdrawCollateral.data(account, world.weth.id, NEVER, me),
    ]
    world.fund_party(me, world.usdc, 10_000)
    world.vault_code.multicall(calls, sender=me)
    assert world.position(account) == ({}, {})


def test_dead_oracle__of_a_collateral__lets_its_owner_repay_from_it_in_a_rebalancing_that_ends_without_debt(
    world: World,
):
    """Nothing to check at the end, so no price is read: the way out with no capital of one's own."""
    account = world.open_account({world.weth: 10, world.wbtc: 1}, {world.usdc: 10_000})
    kill_by_revert(world, world.wbtc)
    world.fund_party(world.borrower, world.usdc, 10_000)
    moves = ([(world.wbtc.id, NEVER), (world.weth.id, NEVER)], [], [], [(world.usdc.id, NEVER)])
    world.vault.rebalance(account, moves, world.borrower, b"", sender=world.borrower)
    assert world.position(account) == ({}, {})


@pytest.mark.parametrize("death", DEATHS)
def test_dead_oracle__of_a_collateral__refuses_opening_and_withdrawing_with_debt(world: World, death: object):
    """Section 9: they need every price of the account fresh. By which error says which asset."""
    account = world.open_account({world.weth: 10, world.wbtc: 1}, {world.usdc: 10_000})
    death(world, world.wbtc)
    me = world.borrower
    for call in (
        lambda: world.vault.borrow(account, world.usdc.id, 1, me, sender=me),
        lambda: world.vault.borrowShares(account, world.usdc.id, 100, me, sender=me),
        lambda: world.vault.withdrawCollateral(account, world.weth.id, 1, me, sender=me),
        lambda: world.vault.rebalance(account, ([(world.weth.id, 1)], [], [], []), me, b"", sender=me),
    ):
        with reverts("PriceNotFresh", world.wbtc.id):
            call()


# ------------------------------------------------------------------------------------------------------- a dead token


def test_dead_token__of_a_collateral__blocks_its_own_leg_and_nothing_else(world: World):
    """It cannot be withdrawn while it is dead; its account is closed out all the same, the leg as a claim."""
    token = world.node.deploy("SwitchableToken", "DEAD", 18, sender=world.governor)
    asset = world.list_asset("DEAD", 18, 100, world.listings[world.weth.id][0], token=token)
    world.set_price(world.weth, 2000)
    account = world.open_account({world.weth: 5, asset: 100}, {world.usdc: 14_000})
    token.setMood(1, 1, sender=world.governor)
    me = world.borrower
    with reverts("TransferFailed"):
        world.vault.withdrawCollateral(account, asset.id, 1, me, sender=me)
    world.vault.withdrawCollateral(account, world.weth.id, 1, me, sender=me)
    world.warp(1)
    world.set_price(world.weth, 1200)
    world.arm()
    before = world.balance(world.weth, world.liquidator)
    result = world.result(world.close_out(account))
    assert world.vault.claimOf(world.liquidator, asset.id) == result.seized[asset.id][0] - result.seized[asset.id][1]
    assert world.balance(world.weth, world.liquidator) > before
    # back again, it is paid out
    token.setMood(0, 0, sender=world.governor)
    amount = world.vault.claimOf(world.liquidator, asset.id)
    world.vault.claim(asset.id, amount, world.liquidator, sender=world.liquidator)
    assert token.balanceOf(world.liquidator) == amount


def test_dead_token__of_a_debt__is_repaid_and_closed_out_from_shares_and_claims(world: World):
    token = world.node.deploy("SwitchableToken", "OWED", 18, sender=world.governor)
    asset = world.list_asset("OWED", 18, 1, borrowing=world.listings[world.dai.id][1], token=token)
    world.supply(asset, 100_000)
    world.supply(asset, 20_000, world.liquidator)
    world.set_price(world.weth, 2000)
    account = world.open_account({world.weth: 10}, {asset: 14_500})
    other = world.open_account({world.weth: 10}, {asset: 5_000}, index=1)
    world.credit(world.stranger, asset, 5_000)
    token.setMood(1, 1, sender=world.governor)
    world.vault.repayWith(other, asset.id, NEVER, 2, sender=world.stranger)
    world.vault.withdrawCollateral(other, world.weth.id, NEVER, world.borrower, sender=world.borrower)
    world.set_price(world.weth, 1500)
    world.close_out(account, from_shares=set_of(asset))
    assert world.position(account)[1] == {}


# ---------------------------------------------------------------------------------------------------------- delisting


def delist_collateral(world: World, asset: Asset, **changes: int) -> None:
    """Caps to nothing, no more borrowing against it at once, the threshold down to nothing over a week."""
    as_collateral, borrowing = world.listings[asset.id]
    fields = {"ltv": 0, "liquidation_threshold": 0, "cap": 0} | changes
    world.set_asset(asset, replace(as_collateral, **fields), borrowing, ramp=7 * DAY)


def test_t71_delisting__of_a_collateral__liquidates_nobody_at_once_and_leaves_by_the_ramp(world: World):
    account = world.open_account({world.weth: 10, world.wbtc: 1}, {world.usdc: 20_000})
    before = world.health(account)
    delist_collateral(world, world.wbtc)
    assert world.health(account) == before
    me = world.borrower
    # nothing new on it, and nothing against it
    with reverts("AssetNotCollateral", world.wbtc.id):
        world.vault.depositCollateral(account_of(me, 3), world.wbtc.id, 1, sender=me)
    with reverts("BelowInitialMargin", ...):
        world.vault.borrow(account, world.usdc.id, world.usdc.units(5_000), me, sender=me)
    healths = []
    for _ in range(7):
        world.warp(DAY)
        healths.append(world.health(account))
    assert healths == sorted(healths, reverse=True)
    # 12 750 of 20 000: WETH alone counts
    assert healths[-1] == wad("0.6375")
    # the owner takes it out as soon as he owes nothing against it
    world.fund_party(me, world.usdc, 20_000)
    world.vault.repay(account, world.usdc.id, world.usdc.units(8_000), sender=me)
    world.vault.withdrawCollateral(account, world.wbtc.id, NEVER, me, sender=me)
    assert world.position(account)[0] == {world.weth.id: world.weth.units(10)}


@pytest.mark.parametrize("after", [0, 1, 3, 7, 30])
def test_delisting__of_a_collateral__keeps_its_accounts_closable_on_every_day(world: World, after: int):
    """And at the price of the listing: the largest bonus stays, so that the Vault's bound leaves room for a penalty."""
    world.set_price(world.weth, 2000)
    account = world.open_account({world.weth: 10}, {world.usdc: 14_000})
    delist_collateral(world, world.weth)
    world.warp(after * DAY + 1)
    world.set_price(world.weth, 1600)
    world.arm()
    assert world.health(account) < wad(1)
    result = world.result(world.close_out(account))
    assert result.repaid[world.usdc.id][0] > 0
    assert result.penalty_rate >= wad("0.005")


def test_delisting__with_no_bonus_for_who_closes_out__is_refused_as_long_as_accounts_may_hold_it(world: World):
    """Without one the Vault's own bound would refuse every close-out of an account that holds it."""
    _, borrowing = world.listings[world.weth.id]
    name = b"maxBonus".ljust(32, b"\0")
    for ramp in (DAY, 0):
        with reverts("ParameterOutOfRange", name, 0, 50, 2000):
            world.set_asset(world.weth, CollateralParameters(), borrowing, ramp=ramp)
        with reverts("ParameterOutOfRange", name, 2001, 50, 2000):
            world.set_asset(world.weth, CollateralParameters(max_bonus=2001), borrowing, ramp=ramp)
        # also when the ramp is over
        world.set_asset(world.weth, CollateralParameters(max_bonus=50), borrowing, ramp=DAY)
        world.warp(2 * DAY)
    with reverts("ParameterOutOfRange", name, 50, 100, 2000):
        world.set_protocol(bonus_floor=wad("0.01"))


def test_delisting__of_what_is_borrowed__lets_debts_run_out_and_lenders_leave(world: World):
    with_interest(world, world.dai)
    account = world.open_account({world.weth: 1_000}, {world.dai: 900_000})
    set_borrowing(world, world.dai, supply_cap=0, borrow_cap=0)
    me = world.borrower
    with reverts("AssetNotBorrowable", world.dai.id):
        world.vault.borrow(account, world.dai.id, 1, me, sender=me)
    with reverts("AssetNotBorrowable", world.dai.id):
        world.vault.supply(world.dai.id, 1, me, sender=me)
    token = supply_token(world, world.dai)
    assert token.maxDeposit(me) == 0
    # interest goes on, and is the pressure to repay
    world.warp(30 * DAY)
    assert world.vault.marketOf(world.dai.id)[1] > world.dai.units(900_000)
    token.withdraw(token.maxWithdraw(world.lender), world.lender, world.lender, sender=world.lender)
    world.fund_party(me, world.dai, 1_000_000)
    world.vault.repay(account, world.dai.id, NEVER, sender=me)
    for lender in (world.lender, world.treasury):
        token.redeem(token.maxRedeem(lender), lender, lender, sender=lender)
    idle, debt, shares, *_ = world.vault.marketOf(world.dai.id)
    assert (debt, shares) == (0, 0)
    assert idle <= 2
    # the end: rates of nothing, and nobody is left to be concerned
    world.set_asset(world.dai, CollateralParameters(), NOT_BORROWABLE)


def test_delisted__asset_whose_feed_died_afterwards__can_be_taken_out_whole_and_not_in_part(world: World):
    """What is left is what must have its prices; a part of it would leave it there."""
    account = world.open_account({world.weth: 10, world.wbtc: 1}, {world.usdc: 5_000})
    delist_collateral(world, world.wbtc)
    world.warp(8 * DAY)
    kill_by_revert(world, world.wbtc)
    me = world.borrower
    with reverts("PriceNotFresh", world.wbtc.id):
        world.vault.withdrawCollateral(account, world.wbtc.id, 1, me, sender=me)
    world.vault.withdrawCollateral(account, world.wbtc.id, NEVER, me, sender=me)
    assert world.position(account)[0] == {world.weth.id: world.weth.units(10)}
    assert world.health(account) < NO_DEBT


def test_t25_account__whose_last_units_round_to_nothing__leaves_no_stranded_debt(world: World):
    """A close-out of all takes what is worth something, and what is worth nothing goes with the write-off."""
    account = three_and_two(world)
    link = world.assets[-1]
    for asset in (world.weth, world.wbtc):
        world.set_price(asset, "0.000000000001")
    world.set_price(link, "0.000000000000000001")
    world.arm()
    world.vault.writeOff(account, sender=world.stranger)
    assert world.position(account) == ({}, {})
    assert world.vault.claimOf(world.fund, link.id) == link.units(500)
