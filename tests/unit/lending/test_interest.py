"""Interest by section 8 of the specification: latched rates, compounding, the reserve factor, a century unattended."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

import pytest
from eth_abi.abi import encode

from closeout.chain.parameters import UNLIMITED, BorrowParameters
from closeout.model import Market, accrued
from tests.support.node import Deployed, reverts
from tests.support.world import NEVER, NOT_COLLATERAL, Asset, World, account_of, wad
from tests.unit.lending.markets import DECIMALS, supply_token
from tests.unit.lending.stage import (
    INDEX_ONE,
    KINKED,
    MAX_INDEX,
    MAX_RATE,
    YEAR,
    books,
    check_books,
    exponential,
    set_borrowing,
    with_interest,
)


def lent_out(world: World, asset: Asset, amount: int, owner: str | None = None) -> int:
    return world.open_account({world.weth: 5_000}, {asset: amount}, owner=owner)


def as_model(world: World, asset: Asset) -> Market:
    now = books(world, asset)
    # the contract does not tell shares of debt; at index 1 they are a hundred a unit
    assert now.index == INDEX_ONE
    return Market(world.now, now.idle, now.debt * 100, now.shares, now.index, now.rate)


# --------------------------------------------------------------------------------------------------------- the rate


def test_rate__is_latched_for_what_each_action_leaves(world: World):
    with_interest(world, world.dai, **KINKED)
    account = lent_out(world, world.dai, 400_000)
    # 40 % used: 1 % + 4 % / 2
    assert books(world, world.dai).rate == 30_000_000
    world.vault.borrow(account, world.dai.id, world.dai.units(500_000), world.borrower, sender=world.borrower)
    # 90 %, a second of interest on top: half way up the second slope
    assert 425_000_000 <= books(world, world.dai).rate <= 425_000_100
    world.supply(world.dai, 1_000_000)
    assert 32_500_000 <= books(world, world.dai).rate <= 32_500_100
    world.fund_party(world.borrower, world.dai, 1_000_000)
    world.vault.repay(account, world.dai.id, NEVER, sender=world.borrower)
    assert books(world, world.dai).rate == 10_000_000


def test_rate__that_governance_changes__holds_until_the_next_move_of_principal(world: World):
    with_interest(world, world.dai)
    lent_out(world, world.dai, 400_000)
    set_borrowing(world, world.dai, base=500_000_000)
    assert books(world, world.dai).rate == 30_000_000
    world.warp(YEAR)
    exact = exponential(Fraction(3, 100) * Fraction(YEAR + 1, YEAR))
    assert abs(Fraction(books(world, world.dai).index, INDEX_ONE) / exact - 1) < Fraction(1, 10**15)
    world.supply(world.dai, 1)
    assert books(world, world.dai).rate > 500_000_000


def test_p14_accrual__in_n_actions_at_one_rate__equals_one_within_the_bound(world: World):
    """A rate that does not depend on the utilisation: the actions in between change nothing but when is accrued."""
    with_interest(world, world.dai, base=80_000_000, slope1=0, slope2=0, kink=0)
    lent_out(world, world.dai, 400_000)
    start = books(world, world.dai).index
    with world.node.rolled_back():
        world.warp(50 * 7_919)
        once = books(world, world.dai).index
    for _ in range(50):
        world.warp(7_919)
        world.supply(world.dai, "0.000000000000000001")
    many = books(world, world.dai).index
    assert once > start
    assert abs(Fraction(many - once, once)) <= 50 * Fraction(12, 10**18)


@pytest.mark.parametrize("seconds", [1, 60, 86_400, YEAR, 10 * YEAR])
def test_interest__of_any_time__is_the_exponential_of_the_rate_to_the_unit(world: World, seconds: int):
    with_interest(world, world.usdc, reserve_factor=0)
    account = lent_out(world, world.usdc, 600_000)
    rate = books(world, world.usdc).rate
    world.warp(seconds - 1)
    growth = exponential(Fraction(rate * seconds, 10**9 * YEAR))
    debt = world.position(account)[1][world.usdc.id]
    assert debt in (ceil(600_000 * 10**6 * growth), ceil(600_000 * 10**6 * growth) + 1)
    now = books(world, world.usdc)
    assert now.debt in (debt, debt - 1)
    # the lenders have what the borrowers owe
    assert now.supply_assets == world.usdc.units(400_000) + now.debt


# ---------------------------------------------------------------------------------------------------- reserve factor


@pytest.mark.parametrize("decimals", DECIMALS)
@pytest.mark.parametrize("factor", [1, 1000, 10_000])
def test_reserve_factor__of_any_size__is_the_treasurys_to_the_unit(world: World, decimals: int, factor: int):
    borrowing = BorrowParameters(supply_cap=UNLIMITED, borrow_cap=UNLIMITED, reserve_factor=factor, **KINKED)
    asset = world.list_asset("R", decimals, 100, NOT_COLLATERAL, borrowing)
    world.supply(asset, 10_000)
    lent_out(world, asset, 7_000)
    # the second that passed while the account was opened is on both sides
    before = Market(world.now - 1, asset.units(3_000), asset.units(7_000) * 100, asset.units(10_000) * 10**6)
    before = before.latched(_kinked())
    world.warp(YEAR // 3)
    after, fee_shares = accrued(before, world.now, factor)
    now = books(world, asset)
    assert (now.idle, now.debt, now.shares, now.index) == (after.idle, after.debt, after.supply_shares, after.index)
    assert world.vault.supplySharesOf(asset.id, world.treasury) == fee_shares
    interest = after.debt - asset.units(7_000)
    fee = interest * factor // 10_000
    token = supply_token(world, asset)
    # the value of a share at which they are minted is that after the rest was credited: at most a unit is lost
    assert 0 <= fee - token.previewRedeem(fee_shares) <= 1
    lenders = token.previewRedeem(token.balanceOf(world.lender))
    assert 0 <= asset.units(10_000) + interest - fee - lenders <= 1


def _kinked() -> object:
    from closeout.model import RateParameters

    return RateParameters(KINKED["base"], KINKED["slope1"], KINKED["slope2"], KINKED["kink"])


def test_reserve_factor__above_everything__is_refused_also_where_nothing_can_be_borrowed_any_more(world: World):
    """What is owed goes on accruing: a factor of 655 % would take the lenders' own."""
    with_interest(world, world.dai)
    lent_out(world, world.dai, 600_000)
    for closed in (False, True):
        caps = {"supply_cap": 0, "borrow_cap": 0} if closed else {}
        name = b"reserveFactor".ljust(32, b"\0")
        with reverts("ParameterOutOfRange", name, 10_001, 0, 10_000):
            set_borrowing(world, world.dai, reserve_factor=10_001, **caps)
        with reverts("ParameterOutOfRange", b"kink".ljust(32, b"\0"), wad(1) + 1, 0, wad(1)):
            set_borrowing(world, world.dai, kink=wad(1) + 1, **caps)
        with reverts("NotAContract", world.receiver):
            set_borrowing(world, world.dai, rate_model=world.receiver, **caps)


def test_p10_share_value__under_interest_and_every_action__never_falls(world: World):
    with_interest(world, world.usdc, world.dai, reserve_factor=5000)
    account = lent_out(world, world.usdc, 900_000)
    vault, usdc, me = world.vault, world.usdc.id, world.borrower
    world.fund_party(me, world.usdc, 1_000_000)
    world.credit(me, world.usdc, 100)
    actions = [
        lambda: vault.supply(usdc, 12_345_678_901, me, sender=me),
        lambda: vault.borrow(account, usdc, 1, me, sender=me),
        lambda: vault.borrowShares(account, usdc, 12_345, me, sender=me),
        lambda: vault.repay(account, usdc, 7, sender=me),
        lambda: vault.repayShares(account, usdc, 7_777, sender=me),
        lambda: vault.repayWith(account, usdc, 777, 1, sender=me),
        lambda: vault.repayWith(account, usdc, 777, 2, sender=me),
        lambda: vault.withdraw(usdc, 333, me, me, sender=me),
        lambda: vault.redeem(usdc, 3_333_333, me, me, sender=me),
        lambda: vault.mint(usdc, 1, me, sender=me),
        lambda: supply_token(world, world.usdc).transfer(world.treasury, 1, sender=me),
        lambda: supply_token(world, world.usdc).transfer(me, 1, sender=world.treasury),
    ]
    price = books(world, world.usdc).share_price
    for wait in (0, 1, 3_600, 86_400):
        for action in actions:
            world.warp(wait)
            between = books(world, world.usdc).share_price
            assert between >= price
            action()
            price = books(world, world.usdc).share_price
            assert price >= between
    check_books(world, [account], [me, world.lender])


# ------------------------------------------------------------------------------------------------------ t13, t80


def test_t13_health__of_an_account_that_nobody_touched__counts_the_interest_until_now(world: World):
    """As if it had been accrued: for the health factor, a borrow, a withdrawal, a margin call and a close-out."""
    with_interest(world, world.usdc, base=MAX_RATE)
    account = world.open_account({world.weth: 10}, {world.usdc: 10_000})
    idle_twin = world.health(account)
    world.warp(YEAR // 20)
    lazy = world.health(account)
    assert lazy < wad("1.05") < idle_twin
    with world.node.rolled_back():
        world.supply(world.usdc, "0.000001")
        assert world.health(account) == lazy
    with reverts("BelowInitialMargin", ...):
        world.vault.borrow(account, world.usdc.id, 1, world.borrower, sender=world.borrower)
    with reverts("BelowInitialMargin", ...):
        world.vault.withdrawCollateral(account, world.weth.id, 1, world.borrower, sender=world.borrower)
    assert world.vault.marginCall(account, sender=world.stranger).event("MarginCalled")["healthFactor"] == lazy
    world.warp(YEAR // 100)
    world.arm()
    assert world.health(account) < wad(1)
    assert world.result(world.close_out(account)).health_after >= wad("1.1")


@pytest.mark.parametrize("decimals", DECIMALS)
def test_t80_market__after_a_century_at_the_highest_rate__locks_nothing(world: World, decimals: int):
    """The index stops at 47 223 times; repaying in parts and whole, leaving, borrowing anew and closing out go on."""
    borrowing = BorrowParameters(supply_cap=UNLIMITED, borrow_cap=UNLIMITED, base=MAX_RATE, reserve_factor=1000)
    asset = world.list_asset("OLD", decimals, 1, NOT_COLLATERAL, borrowing)
    world.supply(asset, 10_000)
    repaying = world.open_account({world.weth: 100_000}, {asset: 1_000})
    closed = world.open_account({world.weth: 100_000}, {asset: 1_000}, index=1)
    world.warp(100 * YEAR)
    now = books(world, asset)
    assert now.index == MAX_INDEX
    # nothing changes any more
    world.warp(YEAR)
    assert books(world, asset) == now
    world.set_price(world.weth, 1500)
    world.set_price(asset, 1)

    debt = world.position(repaying)[1][asset.id]
    assert debt == ceil(Fraction(asset.units(1_000) * 100 * MAX_INDEX, 10**19))
    world.give(world.borrower, asset, 2 * debt)
    world.vault.repay(repaying, asset.id, debt // 3, sender=world.borrower)
    world.vault.repayShares(repaying, asset.id, 12_345, sender=world.borrower)
    world.vault.repay(repaying, asset.id, NEVER, sender=world.borrower)
    assert world.position(repaying)[1] == {}
    # 47 million USD against 55 million
    world.set_price(world.weth, 550)
    assert world.health(closed) < wad(1)
    world.give(world.liquidator, asset, 2 * debt)
    result = world.result(world.close_out(closed))
    assert result.health_after >= wad("1.1")
    world.vault.repay(closed, asset.id, NEVER, sender=world.borrower)
    world.vault.borrow(closed, asset.id, asset.units(5_000), world.borrower, sender=world.borrower)
    world.vault.repay(closed, asset.id, NEVER, sender=world.borrower)
    for lender in (world.lender, world.treasury):
        shares = world.vault.supplySharesOf(asset.id, lender)
        world.vault.redeem(asset.id, shares, lender, lender, sender=lender)
    assert books(world, asset).shares == 0
    assert books(world, asset).debt == 0


def test_t80_accrual__after_years_without_a_call__is_one_step_and_exact(world: World):
    with_interest(world, world.usdc, reserve_factor=0)
    account = lent_out(world, world.usdc, 600_000)
    rate = books(world, world.usdc).rate
    world.warp(25 * YEAR - 1)
    growth = exponential(Fraction(rate * 25, 10**9))
    debt = world.position(account)[1][world.usdc.id]
    assert abs(debt - 600_000 * 10**6 * growth) < 2
    receipt = world.vault.repay(account, world.usdc.id, 1, sender=_payer(world))
    assert receipt.event("Accrued")["interest"] == floor(600_000 * 10**6 * (growth - 1))


def _payer(world: World) -> str:
    world.fund_party(world.stranger, world.usdc, 1)
    return world.stranger


# ------------------------------------------------------------------------------------------------- rate models


def with_model(world: World, model: Deployed) -> int:
    set_borrowing(world, world.usdc, rate_model=model.address, **KINKED)
    return lent_out(world, world.usdc, 600_000)


def test_rate_model__as_a_contract__gives_what_the_parameters_in_place_give(world: World):
    model = world.node.deploy("KinkedRateModel", *KINKED.values(), sender=world.governor)
    with world.node.rolled_back():
        with_interest(world, world.usdc)
        lent_out(world, world.usdc, 600_000)
        in_place = books(world, world.usdc).rate
    with_model(world, model)
    assert books(world, world.usdc).rate == in_place > 0


@pytest.mark.parametrize(
    "answer",
    [b"", b"\x01", b"\xff" * 31, b"\xff" * 32, b"\0" * 32, b"\0" * 100_000],
    ids=["nothing", "a byte", "31 bytes", "2^256 - 1", "zero", "a bomb"],
)
@pytest.mark.parametrize("is_revert", [False, True])
def test_rate_model__that_answers_anything__stops_no_action(world: World, answer: bytes, is_revert: bool):
    model = world.node.deploy("RawAnswer", sender=world.governor)
    model.setAnswer(encode(["uint256"], [77_000_000]), False, sender=world.governor)
    account = with_model(world, model)
    assert books(world, world.usdc).rate == 77_000_000
    model.setAnswer(answer, is_revert, sender=world.governor)
    everything_goes_on(world, account)
    is_rate = len(answer) >= 32 and not is_revert
    expected = min(MAX_RATE, int.from_bytes(answer[:32], "big")) if is_rate else 77_000_000
    # a bomb costs more than a model may spend
    assert books(world, world.usdc).rate in (expected, 77_000_000)
    if len(answer) <= 32:
        assert books(world, world.usdc).rate == expected


def test_rate_model__that_burns_its_gas__stops_no_action_and_costs_no_more_than_its_limit(world: World):
    model = world.node.deploy("RawAnswer", sender=world.governor)
    model.setAnswer(encode(["uint256"], [77_000_000]), False, sender=world.governor)
    account = with_model(world, model)
    model.setBurning(sender=world.governor)
    everything_goes_on(world, account)
    assert books(world, world.usdc).rate == 77_000_000
    assert world.supply(world.usdc, 1).gas < 350_000


def everything_goes_on(world: World, account: int) -> None:
    """Whatever the rate model of USDC does: lending, repaying, leaving, and a close-out."""
    vault, usdc = world.vault, world.usdc.id
    world.warp(1)
    world.supply(world.usdc, 1_000)
    vault.withdraw(usdc, 1, world.lender, world.lender, sender=world.lender)
    vault.borrow(account, usdc, 1, world.borrower, sender=world.borrower)
    world.fund_party(world.borrower, world.usdc, 1_000)
    vault.repay(account, usdc, 1, sender=world.borrower)
    world.warp(1)
    with world.node.rolled_back():
        world.set_price(world.weth, 130)
        world.arm()
        world.close_out(account)
    assert account == account_of(world.borrower)
