"""SupplyToken as ERC-20, ERC-4626 and ERC-2612: events, allowances, permits, limits, the treasury's shares."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import Any

import pytest

from tests.support.node import Deployed, Receipt, reverts
from tests.support.signing import Signer, permit_message
from tests.support.world import NEVER, NOT_COLLATERAL, Asset, World
from tests.unit.lending.markets import DECIMALS, supply_token
from tests.unit.lending.stage import YEAR, books, exponential, parameters_of, with_interest

NOBODY = "0x" + "00" * 20


@pytest.fixture
def token(world: World) -> Deployed:
    """The face of the USDC market: a million of the lender's in it; the stranger has 1 000 and an allowance."""
    token = supply_token(world, world.usdc)
    world.fund_party(world.stranger, world.usdc, 1_000)
    world.usdc.token.approve(token, NEVER, sender=world.stranger)
    return token


def announced(receipt: Receipt, emitter: Deployed, name: str) -> list[tuple[Any, ...]]:
    return [tuple(log.values.values()) for log in receipt.logs if log.emitter == emitter.address and log.name == name]


def lend_out(world: World, asset: Asset, amount: int) -> int:
    return world.open_account({world.weth: 5_000}, {asset: amount})


# ------------------------------------------------------------------------------------------------------------ metadata


@pytest.mark.parametrize("decimals", DECIMALS)
def test_supply_token__of_a_token_of_any_decimals__has_six_more(world: World, decimals: int):
    asset = world.list_asset("ODD", decimals, 1, NOT_COLLATERAL, parameters_of(world, world.usdc))
    token = supply_token(world, asset)
    assert (token.methods["name"](), token.symbol(), token.decimals()) == ("Closeout ODD", "coODD", decimals + 6)
    assert token.asset() == asset.token.address
    world.supply(asset, 3)
    assert token.balanceOf(world.lender) == token.totalSupply() == 3 * 10 ** (decimals + 6)
    assert token.totalAssets() == 3 * 10**decimals


def test_supply_token__of_the_vaults_own_supply__shows_it(world: World, token: Deployed):
    """Supplied at the Vault, seen at the token, and the other way round."""
    assert token.balanceOf(world.lender) == world.vault.supplySharesOf(world.usdc.id, world.lender)
    token.deposit(world.usdc.units(7), world.stranger, sender=world.stranger)
    assert world.vault.supplySharesOf(world.usdc.id, world.stranger) == 7 * 10**12
    world.vault.redeem(world.usdc.id, 7 * 10**12, world.stranger, world.stranger, sender=world.stranger)
    assert token.balanceOf(world.stranger) == 0


# -------------------------------------------------------------------------------------------------------------- events


def test_deposit_and_mint__announce_transfer_and_deposit(world: World, token: Deployed):
    for action, amount in ((token.deposit, 5_000_000), (token.mint, 5 * 10**12)):
        receipt = action(amount, world.receiver, sender=world.stranger)
        assert announced(receipt, token, "Transfer") == [(NOBODY, world.receiver, 5 * 10**12)]
        assert announced(receipt, token, "Deposit") == [(world.stranger, world.receiver, 5_000_000, 5 * 10**12)]
        assert receipt.event("Supplied") == {
            "assetId": world.usdc.id,
            "from": token.address,
            "receiver": world.receiver,
            "assets": 5_000_000,
            "shares": 5 * 10**12,
        }


def test_withdraw_and_redeem__announce_transfer_and_withdraw(world: World, token: Deployed):
    token.deposit(world.usdc.units(100), world.stranger, sender=world.stranger)
    for action, amount in ((token.withdraw, 5_000_000), (token.redeem, 5 * 10**12)):
        receipt = action(amount, world.receiver, world.stranger, sender=world.stranger)
        assert announced(receipt, token, "Transfer") == [(world.stranger, NOBODY, 5 * 10**12)]
        assert announced(receipt, token, "Withdraw") == [
            (world.stranger, world.receiver, world.stranger, 5_000_000, 5 * 10**12)
        ]
    assert world.balance(world.usdc, world.receiver) == 10_000_000


# -------------------------------------------------------------------------------------------- transfers and allowances


def test_transfer__of_shares__moves_them_and_nothing_else(world: World, token: Deployed):
    token.deposit(world.usdc.units(100), world.stranger, sender=world.stranger)
    before = books(world, world.usdc)
    receipt = token.transfer(world.receiver, 30 * 10**12, sender=world.stranger)
    assert announced(receipt, token, "Transfer") == [(world.stranger, world.receiver, 30 * 10**12)]
    assert (token.balanceOf(world.stranger), token.balanceOf(world.receiver)) == (70 * 10**12, 30 * 10**12)
    assert books(world, world.usdc) == before


def test_p14_transfer__of_shares__does_not_move_the_latched_rate(world: World):
    """Interest raises the utilisation; the rate follows at the next move of principal, and a transfer is none."""
    with_interest(world, world.usdc)
    lend_out(world, world.usdc, 700_000)
    token = supply_token(world, world.usdc)
    rate = books(world, world.usdc).rate
    world.warp(YEAR)
    token.transfer(world.stranger, 1, sender=world.lender)
    assert books(world, world.usdc).rate == rate
    world.supply(world.usdc, "0.000001")
    assert books(world, world.usdc).rate > rate


def test_transfer__of_more_than_is_there__is_refused_with_both_figures(world: World, token: Deployed):
    token.deposit(world.usdc.units(1), world.stranger, sender=world.stranger)
    with reverts("InsufficientShares", 10**12, 10**12 + 1):
        token.transfer(world.receiver, 10**12 + 1, sender=world.stranger)
    with reverts("ERC20InvalidReceiver", NOBODY):
        token.transfer(NOBODY, 1, sender=world.stranger)


def test_transfer_from__spends_its_allowance_and_no_more(world: World, token: Deployed):
    token.deposit(world.usdc.units(10), world.stranger, sender=world.stranger)
    with reverts("ERC20InsufficientAllowance", world.operator, 0, 1):
        token.transferFrom(world.stranger, world.operator, 1, sender=world.operator)
    token.approve(world.operator, 10**12, sender=world.stranger)
    token.transferFrom(world.stranger, world.operator, 4 * 10**11, sender=world.operator)
    assert token.allowance(world.stranger, world.operator) == 6 * 10**11
    with reverts("ERC20InsufficientAllowance", world.operator, 6 * 10**11, 6 * 10**11 + 1):
        token.transferFrom(world.stranger, world.operator, 6 * 10**11 + 1, sender=world.operator)
    token.approve(world.operator, NEVER, sender=world.stranger)
    token.transferFrom(world.stranger, world.operator, 10**12, sender=world.operator)
    assert token.allowance(world.stranger, world.operator) == NEVER


@pytest.mark.parametrize("action", ["withdraw", "redeem"])
def test_t75_exit__by_somebody_else__needs_an_allowance_in_shares_and_spends_it(
    world: World, token: Deployed, action: str
):
    token.deposit(world.usdc.units(10), world.stranger, sender=world.stranger)
    # an operator of the owner's accounts has nothing to do with his supply
    world.vault.setOperator(world.operator, True, sender=world.stranger)
    amount = 4_000_000 if action == "withdraw" else 4 * 10**12
    exit_by = getattr(token, action)
    with reverts("ERC20InsufficientAllowance", world.operator, 0, 4 * 10**12):
        exit_by(amount, world.operator, world.stranger, sender=world.operator)
    token.approve(world.operator, 4 * 10**12, sender=world.stranger)
    exit_by(amount, world.operator, world.stranger, sender=world.operator)
    assert token.allowance(world.stranger, world.operator) == 0
    assert world.balance(world.usdc, world.operator) == 4_000_000
    with reverts("ERC20InsufficientAllowance", ...):
        exit_by(1, world.operator, world.stranger, sender=world.operator)
    # and at the Vault an allowance counts for nothing
    token.approve(world.operator, NEVER, sender=world.stranger)
    with reverts("NotAuthorized", world.stranger, world.operator):
        getattr(world.vault, action)(world.usdc.id, amount, world.operator, world.stranger, sender=world.operator)


def test_deposit__spends_the_callers_tokens__not_the_receivers(world: World, token: Deployed):
    with reverts("TransferFromFailed"):
        token.deposit(1, world.stranger, sender=world.receiver)
    token.deposit(world.usdc.units(1_000), world.receiver, sender=world.stranger)
    assert world.balance(world.usdc, world.stranger) == 0
    assert world.balance(world.usdc, token) == 0


# ------------------------------------------------------------------------------------------------------------- permits


def test_permit__signed_by_the_holder__is_an_allowance_once(world: World, token: Deployed):
    holder = Signer("holder")
    token.deposit(world.usdc.units(10), holder.address, sender=world.stranger)
    deadline = world.now + 60
    message = permit_message(token, "Closeout USDC", holder.address, world.operator, 10**12, 0, deadline)
    signature = holder.split(message)
    token.permit(holder.address, world.operator, 10**12, deadline, *signature, sender=world.stranger)
    assert token.allowance(holder.address, world.operator) == 10**12
    assert token.nonces(holder.address) == 1
    with reverts("ERC2612InvalidSigner", ...):
        token.permit(holder.address, world.operator, 10**12, deadline, *signature, sender=world.stranger)
    token.redeem(10**12, world.operator, holder.address, sender=world.operator)
    assert world.balance(world.usdc, world.operator) == 1_000_000


def test_permit__too_late_or_of_other_terms__is_refused(world: World, token: Deployed):
    holder = Signer("holder")
    deadline = world.now
    signature = holder.split(permit_message(token, "Closeout USDC", holder.address, world.operator, 5, 0, deadline))
    for owner, spender, amount in (
        (holder.address, world.operator, 6),
        (holder.address, world.stranger, 5),
        (world.lender, world.operator, 5),
    ):
        with reverts("ERC2612InvalidSigner", ...):
            token.permit(owner, spender, amount, deadline, *signature, sender=world.stranger)
    with world.node.rolled_back():
        token.permit(holder.address, world.operator, 5, deadline, *signature, sender=world.stranger)
    world.warp(1)
    with reverts("ERC2612ExpiredSignature", deadline):
        token.permit(holder.address, world.operator, 5, deadline, *signature, sender=world.stranger)


# -------------------------------------------------------------------------------------------------------------- limits


def test_exit__beyond_idle_liquidity__is_refused_and_the_limits_say_how_much_goes(world: World, token: Deployed):
    lend_out(world, world.usdc, 999_000)
    idle = world.idle(world.usdc)
    assert token.maxWithdraw(world.lender) == idle == 1_000_000_000
    assert token.maxRedeem(world.lender) == 10**15
    with reverts("InsufficientLiquidity", idle, idle + 1):
        token.withdraw(idle + 1, world.lender, world.lender, sender=world.lender)
    with reverts("InsufficientLiquidity", idle, idle + 1):
        token.redeem(10**15 + 10**6, world.lender, world.lender, sender=world.lender)
    token.withdraw(idle, world.lender, world.lender, sender=world.lender)
    assert token.maxWithdraw(world.lender) == token.maxRedeem(world.lender) == 0
    # transfers go on: who needs to leave can sell
    token.transfer(world.receiver, 10**12, sender=world.lender)


def test_max_redeem__of_shares_worth_less_than_a_unit__is_nothing(world: World, token: Deployed):
    """999 999 shares are worth 0.999999 of a unit."""
    token.deposit(world.usdc.units(1), world.stranger, sender=world.stranger)
    token.redeem(10**12 - 999_999, world.stranger, world.stranger, sender=world.stranger)
    assert token.balanceOf(world.stranger) == 999_999
    assert token.maxWithdraw(world.stranger) == token.maxRedeem(world.stranger) == 0
    with reverts("ZeroAmount"):
        token.redeem(999_999, world.stranger, world.stranger, sender=world.stranger)


def test_max_redeem__where_a_unit_is_idle_and_shares_do_not_divide__is_never_refused(world: World):
    """After interest a unit buys 0.99 million shares and a part: so many are worth less than the idle unit."""
    with_interest(world, world.usdc)
    lend_out(world, world.usdc, 800_000)
    token = supply_token(world, world.usdc)
    world.warp(YEAR)
    token.withdraw(token.maxWithdraw(world.lender) - 1, world.lender, world.lender, sender=world.lender)
    assert world.idle(world.usdc) == 1
    assert token.maxWithdraw(world.lender) == 1
    most = token.maxRedeem(world.lender)
    assert most == 0 or token.redeem.ask(most, world.lender, world.lender, sender=world.lender) == 1
    assert most == 0


def test_max_deposit__without_a_cap__is_what_the_vault_can_count(world: World, token: Deployed):
    room = token.maxDeposit(world.stranger)
    assert room == 2**112 - 1 - world.usdc.units(1_000_000)
    world.give(world.stranger, world.usdc, room)
    token.mint(token.maxMint(world.stranger), world.stranger, sender=world.stranger)
    assert token.maxDeposit(world.stranger) <= 1


def test_max_deposit__of_an_asset_that_is_delisted__is_nothing_and_everybody_can_leave(world: World, token: Deployed):
    world.set_asset(world.usdc, world.listings[world.usdc.id][0])
    assert token.maxDeposit(world.stranger) == token.maxMint(world.stranger) == 0
    with reverts("AssetNotBorrowable", world.usdc.id):
        token.deposit(1, world.stranger, sender=world.stranger)
    token.redeem(token.maxRedeem(world.lender), world.lender, world.lender, sender=world.lender)
    assert token.totalSupply() == token.totalAssets() == 0


# ------------------------------------------------------------------------------------------------- interest and losses


def test_interest__is_in_the_price_of_a_share_at_once__and_in_every_view(world: World):
    with_interest(world, world.usdc, reserve_factor=0)
    lend_out(world, world.usdc, 800_000)
    token = supply_token(world, world.usdc)
    shares = token.balanceOf(world.lender)
    world.warp(YEAR)
    # 5 % a year on 800 000, for a year and the second before it
    growth = exponential(Fraction(5, 100) * Fraction(YEAR + 1, YEAR))
    assert token.totalAssets() == 1_000_000 * 10**6 + floor(800_000 * 10**6 * (growth - 1)) == 1_041_016_878_434
    # a unit less: the virtual shares earn too
    assert token.previewRedeem(shares) == token.totalAssets() - 1
    assert token.convertToAssets(10**12) == 1_041_016


def test_treasury__whose_part_of_the_interest_nobody_collected__owns_it_in_every_view(world: World):
    with_interest(world, world.usdc, reserve_factor=2500)
    lend_out(world, world.usdc, 800_000)
    token = supply_token(world, world.usdc)
    lenders = token.balanceOf(world.lender)
    world.warp(YEAR)
    owned = token.balanceOf(world.treasury)
    assert token.totalSupply() == lenders + owned
    # a quarter of 41 016.878434, less what rounding shares down leaves to the lenders
    assert token.previewRedeem(owned) in (10_254_219_607, 10_254_219_608)
    # sent on, redeemed and paid with like any other share: the collection is announced
    receipt = token.transfer(world.receiver, owned // 2, sender=world.treasury)
    assert receipt.event("ReservesCollected") == {
        "assetId": world.usdc.id,
        "treasury": world.treasury,
        "shares": owned,
    }
    assert token.balanceOf(world.treasury) == owned - owned // 2
    token.redeem(token.balanceOf(world.treasury), world.treasury, world.treasury, sender=world.treasury)
    assert token.balanceOf(world.treasury) == 0
    assert token.totalSupply() == lenders + owned // 2
    assert abs(world.balance(world.usdc, world.treasury) - 5_127_109_804) <= 1


def test_bad_debt__lowers_the_price_of_a_share_by_what_was_lost_and_nothing_else_does(world: World):
    token = supply_token(world, world.usdc)
    world.set_price(world.weth, 2000)
    account = world.open_account({world.weth: 10}, {world.usdc: 14_000})
    world.set_price(world.weth, 1000)
    world.arm()
    before = token.totalAssets()
    result = world.result(world.close_out(account))
    lost = result.repaid[world.usdc.id][1]
    # 10 000 USD of collateral at a floor of 0.5 % repays 9 950.248757
    assert lost == 14_000_000_000 - 9_950_248_757
    assert token.totalAssets() == before - lost
    assert token.previewRedeem(token.balanceOf(world.lender)) == token.totalAssets()


def test_t68_deposit__of_a_token_that_keeps_a_fee__is_refused_by_name_here_too(world: World):
    fee = world.node.deploy("TetherLikeToken", "FEE", 6, sender=world.governor)
    asset = world.list_asset("FEE", 6, 1, NOT_COLLATERAL, parameters_of(world, world.usdc), token=fee)
    token = supply_token(world, asset)
    fee.mint(world.stranger, 2_000, sender=world.governor)
    fee.approve(token, NEVER, sender=world.stranger)
    token.deposit(1_000, world.stranger, sender=world.stranger)
    fee.setFee(100, sender=world.governor)
    with reverts("TransferMismatch", fee.address, 1_000, 990):
        token.deposit(1_000, world.stranger, sender=world.stranger)
