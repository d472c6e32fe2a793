"""What went wrong elsewhere (threats), continued: sets that a liquidator picks, healing, stuffing, conservation."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from typing import Any

import pytest

from closeout.chain.parameters import BorrowParameters
from tests.support.accounts import capped_account, restorative_account, terminal_account, three_and_two
from tests.support.expected import expected_close_out, positions_of
from tests.support.node import Reverted, reverts
from tests.support.world import BORROWABLE, NEVER, NOT_COLLATERAL, TERMINAL, UNLIMITED, World, collateral, set_of, wad
from tests.unit.vault.test_incidents import equity, value

MAKES: list[Callable[[World], int]] = [restorative_account, capped_account, terminal_account]
SET_REFUSALS = ("SetSellsTooMuch", "PenaltyBelowFloor", "FillLeavesDust", "NothingToClose")


# ------------------------------------------------------------------------------------------------- sizing and health


@pytest.mark.parametrize("cents", [100, 98, 95, 92, 88, 85, 83])
def test_t01__t02_every_pair_of_an_account__is_refused_or_leaves_its_health_no_lower(world: World, cents: int):
    """One pair per call: the highest threshold picked, a solvent account fell from 0.93 to 0.89, and on."""
    account = three_and_two(world)
    link = world.assets[-1]
    for asset, price in ((world.weth, 1500), (world.wbtc, 30_000), (link, 20)):
        world.set_price(asset, f"{price * cents / 100:.2f}")
    world.arm()
    passed = 0
    for held, owed, fill in product((world.weth, world.wbtc, link), (world.usdc, world.dai), ("1", "0.31")):
        with world.node.rolled_back():
            sets = {"collaterals": set_of(held), "debts": set_of(owed), "fill": wad(fill)}
            try:
                result = world.result(world.close_out(account, **sets))
            except Reverted as refusal:
                assert refusal.name in SET_REFUSALS
                continue
            passed += 1
            # under water what stays is collateral over debt (P12, P21)
            assert result.health_after >= result.health_before or result.regime == TERMINAL
    assert passed


@pytest.mark.parametrize("gift", [1, 51, 100, 300, 900, 1_500, 1_949, 1_951, 2_000])
def test_t07_repayment_by_a_stranger__that_brings_a_debt_under_a_threshold__takes_nothing_more(world: World, gift: int):
    """51 USD repaid for the borrower brought 2 050 under the threshold of a full close: 95 USD more were taken."""
    world.set_protocol(min_debt_value=wad(2_000), bucket_minimum=wad(4_000))
    world.set_price(world.weth, 2_000)
    account = world.open_account({world.weth: 2}, {world.usdc: 2_050})
    world.set_price(world.weth, "1190")
    assert world.health(account) < wad(1)
    world.arm()
    world.arm(world.stranger)

    def left_after_a_close_out() -> Fraction:
        if world.health(account) < wad(1):
            world.close_out(account)
        return equity(world, account)

    with world.node.rolled_back():
        alone = left_after_a_close_out()
    world.vault.repay(account, world.usdc.id, world.usdc.units(gift), sender=world.stranger)
    # a unit of each token
    assert left_after_a_close_out() >= alone - Fraction(2, 10**6)


@pytest.mark.parametrize("is_collected", [False, True])
def test_t14_interest_that_nobody_collected__of_a_party_to_a_close_out__changes_nothing_in_it(
    world: World, is_collected: bool
):
    """Unrealised gains booked to the liquidatee inside the call changed what was left to take.

    Here the treasury, whose part of the interest waits in the market's total, is borrower and liquidator at once, and
    pays with that very part.
    """
    hot = BorrowParameters(base=10**9, kink=wad(1), reserve_factor=5_000, supply_cap=UNLIMITED, borrow_cap=UNLIMITED)
    asset = world.list_asset("HOT", 6, 1, NOT_COLLATERAL, hot)
    world.supply(asset, 200_000)
    world.set_price(world.weth, 2_000)
    account = world.open_account({world.weth: 100}, {asset: 100_000}, owner=world.treasury)
    world.warp(100 * 86_400)
    world.set_price(world.weth, 1_500)
    treasury = world.treasury
    assert world.vault.supplySharesOf(asset.id, treasury) > 0
    expected = world.preview(account)
    if is_collected:
        # any exit of its collects first
        world.vault.redeem(asset.id, 10**6, treasury, treasury, sender=treasury)
        expected = world.preview(account)
    held = world.vault.supplySharesOf(asset.id, treasury)
    world.give(treasury, asset, asset.units(200_000))
    units = asset.units(150_000)
    world.vault.supply(asset.id, units, treasury, sender=treasury)
    bought = world.vault.supplySharesOf(asset.id, treasury) - held
    receipt = world.close_out(account, sender=treasury, from_shares=set_of(asset))
    assert world.result(receipt) == expected
    burnt = receipt.event("Withdrawn")["shares"]
    assert world.vault.supplySharesOf(asset.id, treasury) == held + bought - burnt


@pytest.mark.parametrize("make", MAKES)
@pytest.mark.parametrize("fill", ["1", "0.333333333333333333"])
def test_t16_seized_units__of_awkward_amounts__are_the_exact_share_to_less_than_a_unit(
    world: World, make: Callable[[World], int], fill: str
):
    """Division before multiplication lost digits of what was seized."""
    account = make(world)
    for asset, units in ((world.weth, 123_456_789_012_345_671), (world.wbtc, 1_234_567)):
        world.give(world.stranger, asset, units)
        if asset.id in world.position(account)[0]:
            world.vault.depositCollateral(account, asset.id, units, sender=world.stranger)
    world.arm()
    _, plan, snapshot = expected_close_out(world, account, fill=wad(fill))
    amounts = {c.asset_id: c.amount for c in positions_of(world, account).collaterals}
    result = world.result(world.close_out(account, fill=wad(fill)))
    for n, (seized, _, _) in result.seized.items():
        exact = Fraction(amounts[n] * plan.seized_value, snapshot.set_collateral_value)
        assert 0 <= exact - seized < 1


# ----------------------------------------------------------------------------------------------- dust and bad debt


def test_t29_set_that_is_sold_out__of_an_account_solvent_by_the_rest__writes_nothing_off(world: World):
    """A loop over collaterals that ran out was taken for insolvency: recoverable debt was written off."""
    world.set_price(world.wbtc, 40_000)
    account = world.open_account({world.weth: 20, world.wbtc: "0.05"}, {world.usdc: 24_000})
    world.set_price(world.weth, "1300")
    assert world.health(account) < wad(1)
    world.arm()
    lenders = world.lender_assets(world.usdc)
    result = world.result(world.close_out(account, collaterals=set_of(world.wbtc)))
    held, owed = world.position(account)
    assert world.wbtc.id not in held
    assert owed
    assert all(bad_debt == 0 for _, bad_debt, _ in result.repaid.values())
    assert world.lender_assets(world.usdc) == lenders
    with reverts("AccountNotInsolvent", ...):
        world.vault.writeOff(account, sender=world.stranger)


# ----------------------------------------------------------------------------------------------- denial of service


def test_t32_owner_of_an_unhealthy_account__cannot_move_it_to_another_id(world: World):
    """Positions under a new id dodged a liquidation that was on its way.

    An account's id is its owner and his index: it never changes; what is in it leaves only above the initial margin.
    """
    account = restorative_account(world)
    world.arm(world.borrower)
    owner, other = world.borrower, account + 1
    everything: Any = [(world.weth.id, NEVER), (world.wbtc.id, NEVER)]
    for attempt in (
        lambda: world.vault.withdrawCollateral(account, world.wbtc.id, NEVER, owner, sender=owner),
        lambda: world.vault.rebalance(account, (everything, [], [], []), owner, b"", sender=owner),
        lambda: world.vault.borrow(account, world.dai.id, world.dai.units(1_000), owner, sender=owner),
    ):
        with reverts("BelowInitialMargin", ...):
            attempt()
    with reverts("AssetNotHeld", other, world.usdc.id):
        world.vault.repay(other, world.usdc.id, 1, sender=owner)
    world.arm()
    assert world.result(world.close_out(account)).health_after >= wad("1.1")


def test_t38_close_out_of_the_best_collateral__whatever_is_left__passes_every_check_after_it(world: World):
    """The safe collateral sold, a check of the rest reverted the whole call: premium, risk cap, smallest position.

    What is left here is above no initial margin, over its cap, and owes less than its assets would require.
    """
    world.set_price(world.wbtc, 40_000)
    account = world.open_account({world.weth: 10, world.wbtc: "0.3"}, {world.usdc: 16_000, world.dai: 4_000})
    world.set_price(world.weth, "1500")
    world.set_price(world.wbtc, 28_000)
    world.set_protocol(min_debt_per_asset=wad(9_000))
    world.set_asset(world.weth, collateral(8500, 800, ltv=0, cap=0), BORROWABLE)
    world.set_asset(world.wbtc, collateral(7500, 1000, ltv=0, cap=0))
    assert world.health(account) < wad(1)
    world.arm()
    result = world.result(world.close_out(account, collaterals=set_of(world.wbtc), debts=set_of(world.dai)))
    assert result.health_after > result.health_before
    with reverts("BelowInitialMargin", ...):
        world.vault.withdrawCollateral(account, world.weth.id, 1, world.borrower, sender=world.borrower)


def test_t40_pause_of_everything_that_can_be_paused__stops_neither_repayment_nor_close_out(world: World):
    """Repayment paused while liquidation ran: borrowers could only watch.

    No switch here stops either, so neither has to be granted time after the other comes back. That these are all
    switches there are: `test_access__of_the_vault__is_decided_for_every_function_that_changes_something`.
    """
    account = restorative_account(world)
    world.vault.setPauses(2**128 - 1, 2**128 - 1, sender=world.guardian)
    world.arm(world.borrower)
    world.credit(world.borrower, world.usdc, 100)
    vault, usdc, weth = world.vault, world.usdc, world.weth
    vault.repay(account, usdc.id, usdc.units(100), sender=world.borrower)
    vault.repayShares(account, usdc.id, usdc.units(1), sender=world.borrower)
    vault.repayWith(account, usdc.id, usdc.units(100), 2, sender=world.borrower)
    vault.repayWith(account, usdc.id, usdc.units(100), 1, sender=world.lender)
    vault.depositCollateral(account, weth.id, 10**16, sender=world.borrower)
    world.arm()
    assert world.result(world.close_out(account)).is_executed


@pytest.mark.parametrize("price", [80, "0.0000001"])
def test_t42_account__stuffed_by_its_owner_with_dust_in_every_slot__is_ended_within_a_twelfth_of_a_block(
    world: World, price: str | int
):
    """Hundreds of locks on one's own account made its liquidation run out of gas."""
    odd = [world.list_asset(f"C{n}", 18, 100, collateral(8000 - n, 1000 + n)) for n in range(10)]
    debts = [world.list_asset(f"D{n}", 6, 1, NOT_COLLATERAL, BORROWABLE) for n in range(5)]
    for asset in debts:
        world.supply(asset, 100_000)
    amounts = dict.fromkeys(odd, "0.000000000000000001") | {odd[0]: 100}
    account = world.open_account(amounts, dict.fromkeys(debts, 1_400))
    # claims, supply, other accounts of the same owner: nobody walks through them
    for asset in debts:
        world.credit(world.borrower, asset, 1)
    for index in range(1, 6):
        world.open_account({odd[index]: 1}, index=index)
    for asset in odd:
        world.set_price(asset, price)
    for asset in debts:
        world.fund_party(world.liquidator, asset, 10_000)
    receipt = world.close_out(account) if price == 80 else world.vault.writeOff(account, sender=world.stranger)
    assert receipt.gas < 2_500_000
    if price != 80:
        assert world.position(account) == ({}, {})


@pytest.mark.parametrize("heal", ["deposit", "repayment", "price"])
def test_t43_account__that_healed_between_its_call_and_the_end_of_its_grace__loses_nothing(world: World, heal: str):
    """Two steps, and the second did not look again: a borrower who had healed was liquidated all the same."""
    world.set_protocol(grace_period=3_600)
    account = restorative_account(world)
    world.arm()
    world.close_out(account)
    assert world.vault.timesOf(account)[0] == world.now
    world.arm(world.borrower)
    if heal == "deposit":
        world.vault.depositCollateral(account, world.weth.id, world.weth.units(3), sender=world.borrower)
    elif heal == "repayment":
        world.vault.repay(account, world.usdc.id, world.usdc.units(4_000), sender=world.borrower)
    else:
        world.set_price(world.weth, 1_800)
    world.warp(3_601)
    before = world.position(account)
    with reverts("AccountHealthy", ...):
        world.close_out(account)
    assert world.position(account) == before


@pytest.mark.parametrize("days", [1, 3, 10])
@pytest.mark.parametrize("percent", [85, 80, 76, 72])
def test_t49_first_liquidator_after_days_without_any__pays_the_oracle_price_less_the_bonus_and_no_less(
    world: World, days: int, percent: int
):
    """Gas spiked, keepers were offline, and whoever came took 8.32 M USD of collateral for zero bids.

    No auction, no price that falls while nobody comes: what is seized is bounded by what is repaid at oracle prices.
    """
    world.set_price(world.weth, 2_000)
    account = world.open_account({world.weth: 10}, {world.usdc: 14_500})
    world.set_price(world.weth, 20 * percent)
    world.warp(days * 86_400)
    world.arm()
    result = world.result(world.close_out(account))
    gained = value(world, {n: seized - fee for n, (seized, fee, _) in result.seized.items()})
    paid = value(world, {n: repaid for n, (repaid, _, _) in result.repaid.items()})
    assert paid > 0
    assert gained <= paid * Fraction(108, 100)
    solvent = percent * 200 >= 14_500 * Fraction(1005, 1000)
    assert solvent == all(bad_debt == 0 for _, bad_debt, _ in result.repaid.values())


# -------------------------------------------------------------------------------------------------------- accounting


@pytest.mark.parametrize("make", MAKES)
def test_t69_account__closed_out_in_part_and_ended_by_another_path__leaves_no_reward_and_no_cover_twice(
    world: World, make: Callable[[World], int]
):
    """Rewards and insurance of a liquidation stayed on the books when the position ended by another path.

    Here every unit of every token is somebody's after every step: what the Vault holds is exactly idle supply, claims
    and collateral.
    """
    world.credit(world.fund, world.usdc, 50)
    account = make(world)
    world.arm()
    assert_every_unit_is_somebodys(world, account)
    world.close_out(account, fill=wad("0.4"))
    assert_every_unit_is_somebodys(world, account)
    for asset in (world.weth, world.wbtc):
        world.splitter.split(asset.id, sender=world.stranger)
    assert_every_unit_is_somebodys(world, account)
    world.arm(world.borrower)
    for n in world.position(account)[1]:
        world.vault.repay(account, n, NEVER, sender=world.borrower)
    for n in world.position(account)[0]:
        world.vault.withdrawCollateral(account, n, NEVER, world.borrower, sender=world.borrower)
    assert world.position(account) == ({}, {})
    for n in range(len(world.assets)):
        world.splitter.split(n, sender=world.stranger)
    assert_every_unit_is_somebodys(world, account)


def assert_every_unit_is_somebodys(world: World, account: int) -> None:
    held, _ = world.position(account)
    parties = (world.fund, world.splitter, world.treasury, world.liquidator, world.receiver)
    for asset in world.assets:
        claims = sum(world.vault.claimOf(party, asset.id) for party in parties)
        assert world.balance(asset, world.vault) == world.idle(asset) + claims + held.get(asset.id, 0)


def test_value__of_positions__is_the_exact_sum(world: World):
    """What the tests above measure with: 10 WETH at 1 500 and 0.5 WBTC at 30 000 against 24 500 USDC."""
    account = restorative_account(world)
    held, owed = world.position(account)
    assert (value(world, held), value(world, owed), equity(world, account)) == (30_000, 24_500, 5_500)
