"""SupplyToken: the checks of the public ERC-4626 and ERC-20 property suites, for a market with interest and debt.

Market `HOT`: 10 000 supplied, 5 000 lent for a year at 3.5 %, so that a share is worth more than it cost, and idle
liquidity is scarce.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from closeout.chain.parameters import BorrowParameters
from tests.support.node import Deployed, reverts
from tests.support.signing import Signer, permit_message
from tests.support.tokens import Mood, list_switchable, set_mood
from tests.support.world import NEVER, NOT_COLLATERAL, Asset, World, account_of, wad

YEAR = 31_536_000
ZERO = "0x" + "00" * 20
CAP = 50_000 * 10**6


@dataclass
class Market:
    world: World
    asset: Asset
    token: Deployed

    def give(self, party: str, units: int) -> None:
        """Tokens, and leave for the SupplyToken to take them."""
        self.asset.token.mint(party, units, sender=World.governor)
        self.asset.token.approve(self.token, NEVER, sender=party)

    def balance(self, party: str) -> int:
        return self.asset.token.balanceOf(party)


@pytest.fixture
def market(world: World) -> Market:
    borrowing = BorrowParameters(base=35_000_000, kink=wad(1), reserve_factor=1000, supply_cap=CAP, borrow_cap=CAP)
    asset = world.list_asset("HOT", 6, 1, NOT_COLLATERAL, borrowing)
    world.supply(asset, 10_000)
    account = world.open_account({world.wbtc: 1}, {asset: 5_000})
    world.warp(YEAR // 2)
    for feed, price in ((asset.feed, 1), (world.wbtc.feed, 30_000)):
        feed.publish(wad(price), sender=world.governor)
    world.warp(YEAR // 2)
    assert account == account_of(world.borrower)
    return Market(world, asset, world.node.at("SupplyToken", world.vault.supplyTokenOf(asset.id)))


# --------------------------------------------------------------------------------------------------------- metadata


def test_token__of_an_asset__is_named_after_it_with_six_more_decimals(market: Market):
    token = market.token
    assert tuple(token.methods[what]() for what in ("name", "symbol", "decimals")) == ("Closeout HOT", "coHOT", 12)
    assert (token.asset(), token.ASSET_ID()) == (market.asset.token.address, market.asset.id)


def test_totals__are_the_vaults(market: Market):
    idle, debt, shares, *_ = market.world.vault.marketOf(market.asset.id)
    assert (market.token.totalAssets(), market.token.totalSupply()) == (idle + debt, shares)
    held = market.world.vault.supplySharesOf(market.asset.id, market.world.lender)
    assert market.token.balanceOf(market.world.lender) == held
    # the treasury's part of a year's interest is a balance like any other
    treasury = market.token.balanceOf(market.world.treasury)
    assert 0 < treasury == shares - held


# ---------------------------------------------------------------------------------------------- deposits and their kin


@pytest.mark.parametrize("units", [1, 7, 999_999, 12_345_678_901])
def test_deposit__gives_the_shares_that_were_previewed_and_announces_them(market: Market, units: int):
    world, token = market.world, market.token
    market.give(world.stranger, units)
    shares = token.previewDeposit(units)
    assert shares == token.convertToShares(units)
    receipt = token.deposit(units, world.receiver, sender=world.stranger)
    assert receipt.event("Deposit") == {
        "sender": world.stranger,
        "owner": world.receiver,
        "assets": units,
        "shares": shares,
    }
    mint = next(log for log in receipt.logs if log.emitter == token.address and log.name == "Transfer")
    assert list(mint.values.values()) == [ZERO, world.receiver, shares]
    assert token.balanceOf(world.receiver) == shares
    assert market.balance(world.stranger) == 0
    assert market.balance(token.address) == 0


@pytest.mark.parametrize("shares", [1, 999_999, 10**6, 12_345_678_901_234])
def test_mint__costs_the_assets_that_were_previewed_and_gives_exactly_the_shares(market: Market, shares: int):
    world, token = market.world, market.token
    units = token.previewMint(shares)
    market.give(world.stranger, units + 5)
    receipt = token.mint(shares, world.receiver, sender=world.stranger)
    assert (receipt.event("Deposit")["assets"], receipt.event("Deposit")["shares"]) == (units, shares)
    assert token.balanceOf(world.receiver) == shares
    assert market.balance(world.stranger) == 5


@pytest.mark.parametrize("units", [1, 7, 999_999, 1_234_567_890])
def test_withdraw__burns_the_shares_that_were_previewed_and_pays_exactly_the_assets(market: Market, units: int):
    world, token = market.world, market.token
    before, shares = token.balanceOf(world.lender), token.previewWithdraw(units)
    receipt = token.withdraw(units, world.receiver, world.lender, sender=world.lender)
    assert receipt.event("Withdraw") == {
        "sender": world.lender,
        "receiver": world.receiver,
        "owner": world.lender,
        "assets": units,
        "shares": shares,
    }
    burn = next(log for log in receipt.logs if log.emitter == token.address and log.name == "Transfer")
    assert list(burn.values.values()) == [world.lender, ZERO, shares]
    assert before - token.balanceOf(world.lender) == shares
    assert market.balance(world.receiver) == units


@pytest.mark.parametrize("shares", [1_000_000, 12_345_678, 1_234_567_890_123_456])
def test_redeem__pays_the_assets_that_were_previewed(market: Market, shares: int):
    world, token = market.world, market.token
    units = token.previewRedeem(shares)
    assert units == token.convertToAssets(shares) > 0
    receipt = token.redeem(shares, world.receiver, world.lender, sender=world.lender)
    assert (receipt.event("Withdraw")["assets"], receipt.event("Withdraw")["shares"]) == (units, shares)
    assert market.balance(world.receiver) == units


@pytest.mark.parametrize("units", [1, 999, 10**9])
def test_round_trips__in_any_order__never_gain(market: Market, units: int):
    """The properties of the public suite: what comes back is never more, in assets or in shares."""
    world, token = market.world, market.token
    assert token.previewRedeem(token.previewDeposit(units)) <= units
    assert token.previewMint(token.previewWithdraw(units)) >= units
    market.give(world.stranger, units)
    shares = token.deposit.ask(units, world.stranger, sender=world.stranger)
    token.deposit(units, world.stranger, sender=world.stranger)
    assert token.previewRedeem(shares) <= units
    assert token.previewWithdraw(units) >= shares


def test_conversions__do_not_depend_on_who_asks_and_include_no_fee(market: Market):
    token = market.token
    answers = {token.convertToShares(10**9, sender=who) for who in (market.world.lender, market.world.stranger)}
    assert answers == {token.previewDeposit(10**9)}


# ------------------------------------------------------------------------------------------------------------- limits


def test_max_deposit__is_the_room_under_the_cap_and_can_be_deposited(market: Market):
    world, token = market.world, market.token
    room = CAP - token.totalAssets()
    assert token.maxDeposit(world.stranger) == room
    market.give(world.stranger, room + 1)
    with reverts("CapExceeded", market.asset.id, CAP + 1, CAP):
        token.deposit(room + 1, world.stranger, sender=world.stranger)
    token.deposit(room, world.stranger, sender=world.stranger)
    assert token.maxDeposit(world.stranger) == token.maxMint(world.stranger) == 0


def test_max_mint__can_be_minted(market: Market):
    world, token = market.world, market.token
    shares = token.maxMint(world.stranger)
    market.give(world.stranger, CAP)
    token.mint(shares, world.stranger, sender=world.stranger)
    assert token.maxDeposit(world.stranger) <= 1


def test_max_withdraw_and_redeem__of_one_with_more_than_is_idle__are_what_is_idle(market: Market):
    world, token = market.world, market.token
    idle = world.idle(market.asset)
    assert token.previewRedeem(token.balanceOf(world.lender)) > idle
    assert token.maxWithdraw(world.lender) == idle
    with world.node.rolled_back():
        token.withdraw(idle, world.lender, world.lender, sender=world.lender)
    with reverts("InsufficientLiquidity", idle, idle + 1):
        token.withdraw(idle + 1, world.lender, world.lender, sender=world.lender)
    shares = token.maxRedeem(world.lender)
    assert idle - 1 <= token.previewRedeem(shares) <= idle
    token.redeem(shares, world.lender, world.lender, sender=world.lender)


def test_max_withdraw_and_redeem__of_one_with_less__are_all_of_it(market: Market):
    world, token = market.world, market.token
    market.give(world.stranger, 10**9)
    token.deposit(10**9, world.stranger, sender=world.stranger)
    shares = token.balanceOf(world.stranger)
    assert token.maxRedeem(world.stranger) == shares
    units = token.maxWithdraw(world.stranger)
    assert units == token.previewRedeem(shares)
    with world.node.rolled_back():
        token.withdraw(units, world.stranger, world.stranger, sender=world.stranger)
    token.redeem(shares, world.stranger, world.stranger, sender=world.stranger)
    assert token.balanceOf(world.stranger) == 0


def test_max_of_everything__of_one_without_shares__is_nothing(market: Market):
    world, token = market.world, market.token
    assert token.maxWithdraw(world.stranger) == token.maxRedeem(world.stranger) == 0


@pytest.mark.parametrize("shares", [1, 900_000])
def test_max_redeem__of_shares_worth_less_than_a_unit__is_nothing_as_they_cannot_be_redeemed(
    market: Market, shares: int
):
    """EIP-4626: the largest amount that does not cause a revert."""
    world, token = market.world, market.token
    token.transfer(world.stranger, shares, sender=world.lender)
    with reverts("ZeroAmount"):
        token.redeem(shares, world.stranger, world.stranger, sender=world.stranger)
    assert token.maxRedeem(world.stranger) == 0


def test_max_redeem__where_next_to_nothing_is_idle__can_be_redeemed(market: Market):
    world, token = market.world, market.token
    for left in (2, 1, 0):
        taken = world.idle(market.asset) - left
        world.vault.withdraw(market.asset.id, taken, world.lender, world.lender, sender=world.lender)
        shares = token.maxRedeem(world.lender)
        # a share is worth more than a millionth of a unit: for one idle unit there is no number of shares
        assert (shares != 0) == (left == 2)
        if shares:
            token.redeem.ask(shares, world.lender, world.lender, sender=world.lender)


def test_max_deposit__of_a_delisted_asset__is_nothing(market: Market):
    market.world.set_asset(market.asset)
    assert market.token.maxDeposit(market.world.stranger) == market.token.maxMint(market.world.stranger) == 0


# --------------------------------------------------------------------------------------------------------- allowances


@pytest.mark.parametrize("action", ["withdraw", "redeem"])
def test_exit__by_an_approved_spender__uses_up_his_allowance_in_shares(market: Market, action: str):
    world, token = market.world, market.token
    units, shares = 10**9, token.previewWithdraw(10**9)
    amount = units if action == "withdraw" else shares
    token.approve(world.stranger, shares, sender=world.lender)
    token.methods[action](amount, world.receiver, world.lender, sender=world.stranger)
    assert token.allowance(world.lender, world.stranger) == 0
    assert market.balance(world.receiver) >= units
    with reverts("ERC20InsufficientAllowance", ...):
        token.methods[action](amount, world.receiver, world.lender, sender=world.stranger)


def test_exit__by_a_stranger__is_refused(market: Market):
    world, token = market.world, market.token
    with reverts("ERC20InsufficientAllowance", world.stranger, 0, token.previewWithdraw(1)):
        token.withdraw(1, world.stranger, world.lender, sender=world.stranger)
    with reverts("ERC20InsufficientAllowance", world.stranger, 0, 10**6):
        token.redeem(10**6, world.stranger, world.lender, sender=world.stranger)


def test_allowance__without_end__is_not_used_up(market: Market):
    world, token = market.world, market.token
    token.approve(world.stranger, NEVER, sender=world.lender)
    token.redeem(10**9, world.receiver, world.lender, sender=world.stranger)
    assert token.allowance(world.lender, world.stranger) == NEVER


def test_transfer__moves_shares_with_an_event_in_both_contracts(market: Market):
    world, token = market.world, market.token
    before = token.balanceOf(world.lender)
    receipt = token.transfer(world.receiver, 12_345, sender=world.lender)
    assert list(receipt.event("Transfer").values()) == [world.lender, world.receiver, 12_345]
    assert receipt.event("SupplyTransferred")["shares"] == 12_345
    assert (token.balanceOf(world.receiver), token.balanceOf(world.lender)) == (12_345, before - 12_345)


def test_transfer_from__needs_an_allowance(market: Market):
    world, token = market.world, market.token
    with reverts("ERC20InsufficientAllowance", world.stranger, 0, 1):
        token.transferFrom(world.lender, world.stranger, 1, sender=world.stranger)
    token.approve(world.stranger, 10, sender=world.lender)
    token.transferFrom(world.lender, world.receiver, 7, sender=world.stranger)
    assert token.allowance(world.lender, world.stranger) == 3
    assert token.balanceOf(world.receiver) == 7


def test_transfer__of_more_than_is_held_or_to_nobody__is_refused(market: Market):
    world, token = market.world, market.token
    with reverts("InsufficientShares", 0, 1):
        token.transfer(world.receiver, 1, sender=world.stranger)
    with reverts("ERC20InvalidReceiver", ZERO):
        token.transfer(ZERO, 1, sender=world.lender)


def test_transfer__of_the_treasurys_reserves__collects_them_first(market: Market):
    world, token = market.world, market.token
    earned = token.balanceOf(world.treasury)
    token.transfer(world.receiver, earned, sender=world.treasury)
    assert (token.balanceOf(world.receiver), token.balanceOf(world.treasury)) == (earned, 0)


def test_permit__by_signature__gives_an_allowance_once(market: Market):
    world, token = market.world, market.token
    owner = Signer("owner")
    token.transfer(owner.address, 10**9, sender=world.lender)
    message = permit_message(token, "Closeout HOT", owner.address, world.stranger, 10**9, 0, NEVER)
    token.permit(owner.address, world.stranger, 10**9, NEVER, *owner.split(message), sender=world.stranger)
    assert token.allowance(owner.address, world.stranger) == 10**9
    assert token.nonces(owner.address) == 1
    with reverts("ERC2612InvalidSigner", ...):
        token.permit(owner.address, world.stranger, 10**9, NEVER, *owner.split(message), sender=world.stranger)
    token.transferFrom(owner.address, world.stranger, 10**9, sender=world.stranger)


# ------------------------------------------------------------------------------------------------------------ donations


def test_t67_donation__to_vault_or_token__changes_no_figure(market: Market):
    world, token = market.world, market.token
    figures = (token.totalAssets(), token.totalSupply(), token.convertToAssets(10**12), token.maxWithdraw(world.lender))
    for target in (world.vault.address, token.address):
        market.asset.token.mint(target, 10**12, sender=world.governor)
    assert figures == (
        token.totalAssets(),
        token.totalSupply(),
        token.convertToAssets(10**12),
        token.maxWithdraw(world.lender),
    )


def test_t68_deposit__of_a_token_that_takes_a_fee__is_refused(world: World):
    odd = list_switchable(world, price=1, borrowable=True)
    token = world.node.at("SupplyToken", world.vault.supplyTokenOf(odd.id))
    odd.token.mint(world.stranger, 1000, sender=world.governor)
    odd.token.approve(token, NEVER, sender=world.stranger)
    set_mood(odd, pulled=Mood.TAKES_FEE)
    with pytest.raises(Exception, match=r"TransferFromFailed|TransferMismatch"):
        token.deposit(1000, world.stranger, sender=world.stranger)
