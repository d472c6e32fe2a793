"""Every action of the Vault's twin: what it does, and each refusal by name, in the order in which it is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace

import pytest

from closeout.model import (
    INSURANCE_FUND,
    MAX_UINT256,
    PENALTY_SPLITTER,
    TREASURY,
    AccountId,
    AssetParameters,
    Bucket,
    CloseOutRequest,
    Deleverage,
    ModelRevert,
    ParameterOutOfBounds,
    ProtocolParameters,
    RateParameters,
    Regime,
    Vault,
)
from closeout.units import SECONDS_PER_YEAR, WAD, parse_units

ETH, GOLD, USD, EUR, BOTH = range(5)
OWNER, STRANGER, LENDER, LIQUIDATOR = "owner", "stranger", "lender", "liquidator"
ACCOUNT = AccountId(OWNER, 7)
DAY = 86_400

PROTOCOL = ProtocolParameters(
    target_health_factor_wad=parse_units("1.10", 18),
    margin_call_health_factor_wad=parse_units("1.05", 18),
    bonus_floor_wad=parse_units("0.005", 18),
    min_bonus_fraction_wad=parse_units("0.2", 18),
    health_for_max_bonus_wad=parse_units("0.90", 18),
    fee_share_wad=parse_units("0.2", 18),
    min_debt_value_wad=100 * WAD,
    dust_value_wad=WAD,
)


def collateral(name: str, decimals: int) -> AssetParameters:
    return AssetParameters(
        name, decimals, is_collateral=True, ltv_bps=8000, liquidation_threshold_bps=8500, max_bonus_bps=800
    )


@pytest.fixture
def vault() -> Vault:
    """ETH at 2 000 and GOLD at 50 as collateral, USD and EUR at 1 to be borrowed, BOTH at 1 as either."""
    vault = Vault(PROTOCOL)
    vault.list_asset(collateral("ETH", 18), 2000 * WAD)
    vault.list_asset(replace(collateral("GOLD", 0), collateral_cap=10_000), 50 * WAD)
    vault.list_asset(AssetParameters("USD", 6, is_borrowable=True), WAD)
    vault.list_asset(AssetParameters("EUR", 18, is_borrowable=True, supply_cap=10**24, borrow_cap=10**23), WAD)
    vault.list_asset(replace(collateral("BOTH", 6), is_borrowable=True), WAD)
    for asset_id, decimals in ((USD, 6), (EUR, 18), (BOTH, 6)):
        vault.supply(LENDER, asset_id, 10 ** (decimals + 6))
    return vault


def opened(vault: Vault, eth: str = "10", usd: str = "12000") -> Vault:
    vault.deposit_collateral(OWNER, ACCOUNT, ETH, parse_units(eth, 18))
    vault.borrow(OWNER, ACCOUNT, USD, parse_units(usd, 6))
    vault.advance_to(vault.now + 1)
    return vault


@contextmanager
def refused(vault: Vault, name: str, *values: object) -> Iterator[None]:
    """The action is refused by that error, with those arguments where given, and nothing has changed."""
    before = deepcopy(vault._ledger)
    with pytest.raises(ModelRevert) as refusal:
        yield
    assert refusal.value.name == name
    assert not values or refusal.value.values == values
    assert vault._ledger == before


# ----------------------------------------------------------------------------------------------------------- deposits


def test_deposit__anyone_tops_up_what_is_held(vault: Vault) -> None:
    vault.deposit_collateral(OWNER, ACCOUNT, ETH, 5)
    vault.deposit_collateral(STRANGER, ACCOUNT, ETH, 3)
    assert vault.position_of(ACCOUNT).collateral == {ETH: 8}
    assert (vault.wallet_of(OWNER, ETH), vault.wallet_of(STRANGER, ETH)) == (-5, -3)


def test_deposit__refusals(vault: Vault) -> None:
    opened(vault)
    with refused(vault, "ZeroAmount"):
        vault.deposit_collateral(STRANGER, ACCOUNT, 99, 0)
    with refused(vault, "AssetNotListed", 99):
        vault.deposit_collateral(STRANGER, ACCOUNT, 99, 1)
    with refused(vault, "AssetNotCollateral", USD):
        vault.deposit_collateral(STRANGER, ACCOUNT, USD, 1)
    vault.borrow(OWNER, ACCOUNT, BOTH, 10**6)
    with refused(vault, "AssetHeldAsDebt", BOTH):
        vault.deposit_collateral(STRANGER, ACCOUNT, BOTH, 1)
    with refused(vault, "NotAuthorized", OWNER, STRANGER):
        vault.deposit_collateral(STRANGER, ACCOUNT, GOLD, 1)
    most = 10**14 * 10**18
    with refused(vault, "AmountTooLarge", 10 * WAD + most, most):
        vault.deposit_collateral(OWNER, ACCOUNT, ETH, most)
    with refused(vault, "CapExceeded", GOLD, 10_001, 10_000):
        vault.deposit_collateral(OWNER, ACCOUNT, GOLD, 10_001)


def test_deposit__a_new_asset_needs_the_minimum_debt_of_one_more(vault: Vault) -> None:
    opened(vault, usd="120")
    vault.set_parameters(replace(PROTOCOL, min_debt_per_asset_wad=7 * WAD))
    with refused(vault, "DebtBelowMinimum", 120 * WAD, 121 * WAD):
        vault.deposit_collateral(OWNER, ACCOUNT, GOLD, 1)
    vault.deposit_collateral(OWNER, ACCOUNT, ETH, 1)
    vault.set_parameters(replace(PROTOCOL, min_debt_per_asset_wad=6 * WAD))
    vault.deposit_collateral(OWNER, ACCOUNT, GOLD, 1)


def test_p16_no_cap_or_pause_stops_a_rescue(vault: Vault) -> None:
    vault.deposit_collateral(OWNER, ACCOUNT, GOLD, 10_000)
    other = AccountId(STRANGER)
    with refused(vault, "CapExceeded"):
        vault.deposit_collateral(OWNER, ACCOUNT, GOLD, 1)
    vault.borrow(OWNER, ACCOUNT, USD, 10**9)
    vault.set_pauses(borrowing=range(5), withdrawing=range(5))
    vault.deposit_collateral(OWNER, ACCOUNT, GOLD, 1)
    with refused(vault, "CapExceeded"):
        vault.deposit_collateral(STRANGER, other, GOLD, 1)
    assert vault.repay(STRANGER, ACCOUNT, USD, 10**8) == 10**8


def test_deposit__ten_collaterals_at_most(vault: Vault) -> None:
    ids = [vault.list_asset(collateral(f"C{n}", 18), WAD) for n in range(11)]
    for asset_id in ids[:10]:
        vault.deposit_collateral(OWNER, ACCOUNT, asset_id, 1)
    with refused(vault, "TooManyAssets", 10):
        vault.deposit_collateral(OWNER, ACCOUNT, ids[10], 1)


# -------------------------------------------------------------------------------------------------------- withdrawals


def test_withdraw_collateral__all_of_it_leaves_nothing_held(vault: Vault) -> None:
    vault.deposit_collateral(OWNER, ACCOUNT, ETH, 5)
    assert vault.withdraw_collateral(OWNER, ACCOUNT, ETH, MAX_UINT256, STRANGER) == 5
    assert vault.position_of(ACCOUNT).collateral == {}
    assert vault.wallet_of(STRANGER, ETH) == 5
    assert vault.times_of(ACCOUNT).acted_at == 0


def test_withdraw_collateral__refusals(vault: Vault) -> None:
    opened(vault)
    with refused(vault, "NotAuthorized", OWNER, STRANGER):
        vault.withdraw_collateral(STRANGER, ACCOUNT, 99, 1)
    with refused(vault, "AssetNotHeld", ACCOUNT, GOLD):
        vault.withdraw_collateral(OWNER, ACCOUNT, GOLD, 1)
    with refused(vault, "ZeroAmount"):
        vault.withdraw_collateral(OWNER, ACCOUNT, ETH, 0)
    with refused(vault, "InsufficientCollateral", 10 * WAD, 11 * WAD):
        vault.withdraw_collateral(OWNER, ACCOUNT, ETH, 11 * WAD)
    # 12 000 / 0.8 / 2 000 = 7.5
    with refused(vault, "BelowInitialMargin", 12_000 * WAD - 1600, 12_000 * WAD):
        vault.withdraw_collateral(OWNER, ACCOUNT, ETH, 25 * WAD // 10 + 1)
    vault.set_pauses(withdrawing=[ETH])
    with refused(vault, "ActionPaused", ETH):
        vault.withdraw_collateral(OWNER, ACCOUNT, ETH, 25 * WAD // 10 + 1)
    vault.set_pauses()
    vault.withdraw_collateral(OWNER, ACCOUNT, ETH, 25 * WAD // 10)
    assert vault.times_of(ACCOUNT).acted_at == vault.now


def test_operator__acts_until_he_is_dismissed(vault: Vault) -> None:
    opened(vault)
    vault.set_operator(OWNER, STRANGER, True)
    assert vault.is_operator(OWNER, STRANGER)
    vault.withdraw_collateral(STRANGER, ACCOUNT, ETH, 1)
    vault.borrow(STRANGER, ACCOUNT, USD, 1)
    vault.deposit_collateral(STRANGER, ACCOUNT, GOLD, 1)
    vault.set_operator(OWNER, STRANGER, False)
    with refused(vault, "NotAuthorized"):
        vault.withdraw_collateral(STRANGER, ACCOUNT, ETH, 1)


# ------------------------------------------------------------------------------------------------- borrow and repay


def test_borrow__refusals(vault: Vault) -> None:
    vault.deposit_collateral(OWNER, ACCOUNT, ETH, 10 * WAD)
    with refused(vault, "NotAuthorized", OWNER, STRANGER):
        vault.borrow(STRANGER, ACCOUNT, 99, 0)
    with refused(vault, "ZeroAmount"):
        vault.borrow(OWNER, ACCOUNT, 99, 0)
    with refused(vault, "AssetNotListed", 99):
        vault.borrow(OWNER, ACCOUNT, 99, 1)
    with refused(vault, "AssetNotBorrowable", ETH):
        vault.borrow(OWNER, ACCOUNT, ETH, 1)
    vault.set_pauses(borrowing=[BOTH])
    vault.deposit_collateral(OWNER, ACCOUNT, BOTH, 1)
    with refused(vault, "ActionPaused", BOTH):
        vault.borrow(OWNER, ACCOUNT, BOTH, 1)
    vault.set_pauses()
    with refused(vault, "AssetHeldAsCollateral", BOTH):
        vault.borrow(OWNER, ACCOUNT, BOTH, 1)
    vault.withdraw_collateral(OWNER, ACCOUNT, BOTH, MAX_UINT256)
    with refused(vault, "InsufficientLiquidity", 10**12, 10**12 + 1):
        vault.borrow(OWNER, ACCOUNT, USD, 10**12 + 1)
    with refused(vault, "CapExceeded", EUR, 10**23 + 1, 10**23):
        vault.borrow(OWNER, ACCOUNT, EUR, 10**23 + 1)
    with refused(vault, "BelowInitialMargin"):
        vault.borrow(OWNER, ACCOUNT, USD, 16_000 * 10**6 + 1)
    with refused(vault, "DebtBelowMinimum", 99_999_999 * 10**12, 100 * WAD):
        vault.borrow(OWNER, ACCOUNT, USD, 99_999_999)
    vault.borrow(OWNER, ACCOUNT, USD, 16_000 * 10**6, STRANGER)
    assert vault.wallet_of(STRANGER, USD) == 16_000 * 10**6
    assert vault.times_of(ACCOUNT).acted_at == vault.now
    assert vault.health_of(ACCOUNT).health_factor_wad == parse_units("1.0625", 18)


def test_borrow__five_debts_at_most(vault: Vault) -> None:
    vault.deposit_collateral(OWNER, ACCOUNT, ETH, 10 * WAD)
    ids = [vault.list_asset(AssetParameters(f"D{n}", 6, is_borrowable=True), WAD) for n in range(6)]
    for asset_id in ids:
        vault.supply(LENDER, asset_id, 10**12)
    for asset_id in ids[:5]:
        vault.borrow(OWNER, ACCOUNT, asset_id, 10**9)
    with refused(vault, "TooManyAssets", 5):
        vault.borrow(OWNER, ACCOUNT, ids[5], 10**9)
    vault.borrow(OWNER, ACCOUNT, ids[0], 10**9)


def test_repay__anyone_and_no_more_than_the_debt(vault: Vault) -> None:
    opened(vault)
    with refused(vault, "ZeroAmount"):
        vault.repay(STRANGER, ACCOUNT, 99, 0)
    with refused(vault, "AssetNotHeld", ACCOUNT, EUR):
        vault.repay(STRANGER, ACCOUNT, EUR, 1)
    assert vault.repay(STRANGER, ACCOUNT, USD, 10**6) == 10**6
    assert vault.position_of(ACCOUNT).debt == {USD: 11_999 * 10**6}
    assert vault.repay(STRANGER, ACCOUNT, USD, MAX_UINT256) == 11_999 * 10**6
    assert vault.position_of(ACCOUNT).debt == {}
    assert vault.market_of(USD).debt_shares == 0
    assert vault.wallet_of(STRANGER, USD) == -12_000 * 10**6


# ------------------------------------------------------------------------------------------------------------ lenders


def test_supply_and_withdraw__refusals(vault: Vault) -> None:
    with refused(vault, "ZeroAmount"):
        vault.supply(LENDER, 99, 0)
    with refused(vault, "AssetNotListed", 99):
        vault.supply(LENDER, 99, 1)
    with refused(vault, "AssetNotBorrowable", ETH):
        vault.supply(LENDER, ETH, 1)
    with refused(vault, "CapExceeded", EUR, 10**24 + 1, 10**24):
        vault.supply(LENDER, EUR, 1)
    with refused(vault, "ZeroAmount"):
        vault.withdraw(LENDER, 99, 0)
    with refused(vault, "AssetNotListed", 99):
        vault.withdraw(LENDER, 99, 1)
    with refused(vault, "NotAuthorized", LENDER, STRANGER):
        vault.withdraw(STRANGER, USD, 1, owner=LENDER)
    with refused(vault, "InsufficientShares"):
        vault.withdraw(STRANGER, USD, 1)
    with refused(vault, "InsufficientShares"):
        vault.redeem(STRANGER, USD, 10**7)
    with refused(vault, "ZeroAmount"):
        vault.redeem(LENDER, USD, 1)  # worth less than a unit
    opened(vault)
    with refused(vault, "InsufficientLiquidity", 988_000 * 10**6, 10**12):
        vault.withdraw(LENDER, USD, 10**12)
    with refused(vault, "InsufficientLiquidity"):
        vault.redeem(LENDER, USD, vault.supply_shares_of(USD, LENDER))
    with refused(vault, "ZeroAmount"):
        vault.redeem(LENDER, USD, 0)


def test_supply__of_somebody_else_and_out_again(vault: Vault) -> None:
    shares = vault.supply(LENDER, USD, 10**6, STRANGER)
    assert vault.supply_shares_of(USD, STRANGER) == shares
    assert vault.redeem(STRANGER, USD, shares, OWNER) == 10**6
    assert vault.wallet_of(OWNER, USD) == 10**6


def test_supply__a_donation_of_interest_cannot_price_out_the_next_lender(vault: Vault) -> None:
    """Virtual shares: of a market with one unit of supply, the next lender still gets his money's worth."""
    asset_id = vault.list_asset(AssetParameters("NEW", 6, is_borrowable=True), WAD)
    vault.supply(STRANGER, asset_id, 1)
    vault.supply(LENDER, asset_id, 10**6)
    assert vault.redeem(LENDER, asset_id, vault.supply_shares_of(asset_id, LENDER)) >= 10**6 - 1


def test_claims__paid_out_to_their_holder_only(vault: Vault) -> None:
    vault.credit_claim(STRANGER, ETH, 5, INSURANCE_FUND)
    assert vault.claim_of(INSURANCE_FUND, ETH) == 5
    with refused(vault, "ZeroAmount"):
        vault.claim(INSURANCE_FUND, 99, 0)
    with refused(vault, "AssetNotListed", 99):
        vault.claim(INSURANCE_FUND, 99, 1)
    with refused(vault, "InsufficientClaim", 0, 1):
        vault.claim(STRANGER, ETH, 1)
    with refused(vault, "InsufficientClaim", 5, 6):
        vault.claim(INSURANCE_FUND, ETH, 6)
    vault.claim(INSURANCE_FUND, ETH, 5, OWNER)
    assert (vault.wallet_of(OWNER, ETH), vault.balance_of(ETH)) == (5, 0)
    with refused(vault, "ZeroAmount"):
        vault.credit_claim(STRANGER, ETH, 0, OWNER)


def test_interest__latched_until_the_next_move_and_shared_with_the_treasury(vault: Vault) -> None:
    rate = RateParameters(slope1=90_000_000, kink_wad=9 * WAD // 10)
    asset_id = vault.list_asset(AssetParameters("LOAN", 6, is_borrowable=True, rate=rate, reserve_factor_bps=1000), WAD)
    vault.supply(LENDER, asset_id, 10**10)
    vault.deposit_collateral(OWNER, ACCOUNT, ETH, 10 * WAD)
    vault.borrow(OWNER, ACCOUNT, asset_id, 5 * 10**9)
    assert vault.market_of(asset_id).rate == 50_000_000
    vault.advance_to(1 + SECONDS_PER_YEAR)
    market = vault.market_of(asset_id)
    assert market.rate == 50_000_000
    assert market.debt == 5_256_355_481  # 5e9 exp(0.05)
    assert vault.position_of(ACCOUNT).debt == {asset_id: 5_256_355_482}
    treasury = market.assets_down(vault.supply_shares_of(asset_id, TREASURY))
    assert 25_635_546 <= treasury <= 25_635_548
    vault.repay(OWNER, ACCOUNT, asset_id, MAX_UINT256)
    assert vault.market_of(asset_id).rate == 0
    assert vault.redeem(TREASURY, asset_id, vault.supply_shares_of(asset_id, TREASURY)) - treasury in (0, 1)


# --------------------------------------------------------------------------------------------------------- close-outs


def unhealthy(vault: Vault, price: int = 1400) -> Vault:
    opened(vault)
    vault.set_price(ETH, price * WAD)
    return vault


def test_close_out__refusals_in_order(vault: Vault) -> None:
    opened(vault)
    with refused(vault, "DeadlinePassed", 1, 2):
        vault.close_out(LIQUIDATOR, CloseOutRequest(ACCOUNT, deadline=1, fill_wad=0))
    for fill in (0, WAD + 1):
        with refused(vault, "FillOutOfRange", fill):
            vault.close_out(LIQUIDATOR, CloseOutRequest(ACCOUNT, fill_wad=fill))
    with refused(vault, "AccountHealthy", MAX_UINT256):
        vault.close_out(LIQUIDATOR, CloseOutRequest(AccountId(STRANGER)))
    with refused(vault, "AccountHealthy", parse_units("1.416666666666666666", 18)):
        vault.close_out(LIQUIDATOR, CloseOutRequest(ACCOUNT))
    vault.borrow(OWNER, ACCOUNT, USD, 1)
    vault.set_price(ETH, 1400 * WAD)
    with refused(vault, "AccountActedNow", vault.now):
        vault.close_out(LIQUIDATOR, CloseOutRequest(ACCOUNT))
    vault.advance_to(vault.now + 1)
    for request in (
        CloseOutRequest(ACCOUNT, collaterals=frozenset()),
        CloseOutRequest(ACCOUNT, collaterals=frozenset({GOLD})),
        CloseOutRequest(ACCOUNT, debts=frozenset()),
        CloseOutRequest(ACCOUNT, debts=frozenset({EUR})),
    ):
        with refused(vault, "EmptySet"):
            vault.close_out(LIQUIDATOR, request)
    assert vault.close_out(LIQUIDATOR, CloseOutRequest(ACCOUNT)).regime is Regime.RESTORATIVE


def test_close_out__a_withdrawal_without_debt_is_no_act(vault: Vault) -> None:
    vault.deposit_collateral(OWNER, ACCOUNT, ETH, 10 * WAD)
    vault.withdraw_collateral(OWNER, ACCOUNT, ETH, 1)
    assert vault.times_of(ACCOUNT).acted_at == 0


def test_close_out__what_is_not_held_is_ignored(vault: Vault) -> None:
    unhealthy(vault)
    everything = CloseOutRequest(ACCOUNT, collaterals=frozenset(range(50)), debts=frozenset(range(50)))
    assert vault.preview_close_out(everything) == vault.preview_close_out(CloseOutRequest(ACCOUNT))


def test_close_out__slippage_is_per_pair_on_what_the_liquidator_takes(vault: Vault) -> None:
    unhealthy(vault)
    plain = vault.preview_close_out(CloseOutRequest(ACCOUNT))
    taken, paid = plain.seized[0].to_liquidator, plain.repaid[0].repaid
    assert plain.seized[0].to_protocol > 0
    request = CloseOutRequest(ACCOUNT, least_seized={ETH: taken}, most_repaid={USD: paid})
    with refused(vault, "SlippageExceeded", ETH, USD):
        vault.close_out(LIQUIDATOR, replace(request, least_seized={ETH: taken + 1}))
    with refused(vault, "SlippageExceeded", ETH, USD):
        vault.close_out(LIQUIDATOR, replace(request, most_repaid={USD: paid - 1}))
    with refused(vault, "SlippageExceeded", GOLD, USD):
        vault.close_out(LIQUIDATOR, replace(request, least_seized={GOLD: 1}))
    with refused(vault, "SlippageExceeded", MAX_UINT256, USD):
        vault.close_out(LIQUIDATOR, replace(request, least_seized={}, most_repaid={EUR: 1}))
    assert vault.close_out(LIQUIDATOR, request) == plain


def test_close_out__paid_in_claims_and_shares_no_token_moves(vault: Vault) -> None:
    unhealthy(vault)
    plain = vault.preview_close_out(CloseOutRequest(ACCOUNT))
    vault.credit_claim(STRANGER, USD, plain.repaid[0].repaid - 1, LIQUIDATOR)
    by_claims = CloseOutRequest(ACCOUNT, as_claims=frozenset({ETH}), from_claims=frozenset({USD}), receiver=STRANGER)
    with refused(vault, "InsufficientClaim"):
        vault.close_out(LIQUIDATOR, by_claims)
    with refused(vault, "InsufficientShares"):
        vault.close_out(LIQUIDATOR, replace(by_claims, from_claims=frozenset(), from_shares=frozenset({USD})))
    vault.credit_claim(STRANGER, USD, 1, LIQUIDATOR)
    other = deepcopy(vault)

    balances = [vault.balance_of(asset_id) for asset_id in range(5)]
    vault.close_out(LIQUIDATOR, by_claims)
    assert [vault.balance_of(asset_id) for asset_id in range(5)] == balances
    assert vault.claim_of(STRANGER, ETH) == plain.seized[0].to_liquidator
    assert vault.claim_of(LIQUIDATOR, USD) == 0
    assert vault.claim_of(PENALTY_SPLITTER, ETH) == plain.seized[0].to_protocol

    other.supply(LIQUIDATOR, USD, plain.repaid[0].repaid + 1)
    before = other.market_of(USD)
    other.close_out(LIQUIDATOR, CloseOutRequest(ACCOUNT, from_shares=frozenset({USD})))
    after = other.market_of(USD)
    assert after.idle == before.idle
    assert after.supply_assets == before.supply_assets - plain.repaid[0].repaid


def test_margin_call__puts_on_call_once_and_is_cleared_when_healthy(vault: Vault) -> None:
    opened(vault)
    with refused(vault, "MarginCallRefused"):
        vault.margin_call(ACCOUNT)
    with refused(vault, "NotOnCall", ACCOUNT):
        vault.clear_margin_call(ACCOUNT)
    vault.set_price(ETH, 1450 * WAD)  # H = 1.027
    vault.margin_call(ACCOUNT)
    assert vault.times_of(ACCOUNT).called_at == vault.now
    vault.advance_to(vault.now + 10)
    with refused(vault, "MarginCallRefused"):
        vault.margin_call(ACCOUNT)
    vault.repay(STRANGER, ACCOUNT, USD, 1)
    with refused(vault, "MarginCallRefused"):
        vault.clear_margin_call(ACCOUNT)
    vault.set_price(ETH, 2000 * WAD)
    vault.clear_margin_call(ACCOUNT)
    assert vault.times_of(ACCOUNT).called_at == 0


def test_grace__a_close_out_calls_first_then_waits_then_seizes(vault: Vault) -> None:
    hard_floor = parse_units("0.95", 18)
    vault.set_parameters(replace(PROTOCOL, grace_period=100, hard_floor_wad=hard_floor, call_lifetime=1000))
    unhealthy(vault)  # H = 0.9917
    request = CloseOutRequest(ACCOUNT)
    preview = vault.preview_close_out(request)
    called = vault.close_out(LIQUIDATOR, request)
    assert preview == called and not called.is_executed and not called.seized and called.plan is None
    called_at = vault.now
    assert vault.times_of(ACCOUNT).called_at == called_at
    vault.advance_to(called_at + 99)
    with refused(vault, "GracePeriodRunning", called_at + 100, called_at + 99):
        vault.close_out(LIQUIDATOR, request)
    deep = deepcopy(vault)
    deep.set_price(ETH, 1300 * WAD)  # H = 0.92, below the hard floor: at once
    assert deep.close_out(LIQUIDATOR, request).is_executed
    lapsed = deepcopy(vault)
    lapsed.advance_to(called_at + 1001)
    assert not lapsed.close_out(LIQUIDATOR, request).is_executed
    assert lapsed.times_of(ACCOUNT).called_at == called_at + 1001
    vault.advance_to(called_at + 100)
    assert vault.close_out(LIQUIDATOR, request).is_executed
    assert vault.times_of(ACCOUNT).called_at == 0, "back at the margin-call level, the call is cleared with it"


def test_backstop__a_set_that_sells_too_much_is_admitted_when_nobody_came(vault: Vault) -> None:
    safe = replace(collateral("SAFE", 18), liquidation_threshold_bps=9400, ltv_bps=9000, max_bonus_bps=500)
    safe_id = vault.list_asset(safe, WAD)
    vault.deposit_collateral(OWNER, ACCOUNT, ETH, 10 * WAD)
    vault.deposit_collateral(OWNER, ACCOUNT, safe_id, 10_000 * WAD)
    vault.borrow(OWNER, ACCOUNT, USD, 22_000 * 10**6)
    vault.set_price(ETH, 1450 * WAD)
    vault.advance_to(2)
    request = CloseOutRequest(ACCOUNT, collaterals=frozenset({safe_id}))
    with refused(vault, "SetSellsTooMuch"):
        vault.close_out(LIQUIDATOR, request)
    vault.margin_call(ACCOUNT)
    vault.advance_to(2 + PROTOCOL.backstop_delay)
    with refused(vault, "SetSellsTooMuch"):
        vault.close_out(LIQUIDATOR, request)
    vault.advance_to(3 + PROTOCOL.backstop_delay)
    assert vault.close_out(LIQUIDATOR, request).is_executed


def test_bucket__cuts_the_size_and_refills(vault: Vault) -> None:
    vault.set_parameters(replace(PROTOCOL, bucket_minimum_wad=200 * WAD))
    bucket = Bucket(capacity_wad=1000 * WAD, refill_wad=WAD)
    asset_id = vault.list_asset(replace(collateral("THIN", 18), bucket=bucket), 2000 * WAD)
    vault.deposit_collateral(OWNER, ACCOUNT, asset_id, 10 * WAD)
    vault.borrow(OWNER, ACCOUNT, USD, 12_000 * 10**6)
    vault.set_price(asset_id, 1300 * WAD)  # H = 0.92
    seized = []
    for now in (2, 2, 102, 1102):
        vault.advance_to(now)
        result = vault.close_out(LIQUIDATOR, CloseOutRequest(ACCOUNT))
        seized.append(result.seized[0].seized * 1300)
    almost = [abs(a - b * WAD) < 2000 for a, b in zip(seized, (1000, 200, 200, 700), strict=True)]
    assert all(almost), seized


def test_deleverage__owner_opts_in_below_his_trigger(vault: Vault) -> None:
    opened(vault)
    terms = Deleverage(parse_units("1.3", 18), parse_units("1.4", 18), parse_units("0.01", 18))
    with refused(vault, "NotAuthorized"):
        vault.set_deleverage(STRANGER, ACCOUNT, terms)
    for bad in (
        replace(terms, trigger_health_factor_wad=WAD),
        replace(terms, target_health_factor_wad=terms.trigger_health_factor_wad),
        replace(terms, penalty_wad=PROTOCOL.bonus_floor_wad - 1),
        replace(terms, penalty_wad=WAD // 5 + 1),
    ):
        with refused(vault, "DeleverageOutOfRange"):
            vault.set_deleverage(OWNER, ACCOUNT, bad)
    vault.set_deleverage(OWNER, ACCOUNT, terms)
    with refused(vault, "AccountHealthy"):
        vault.close_out(LIQUIDATOR, CloseOutRequest(ACCOUNT))
    vault.set_price(ETH, 1800 * WAD)  # H = 1.275
    result = vault.close_out(LIQUIDATOR, CloseOutRequest(ACCOUNT))
    assert result.penalty_rate_wad == parse_units("0.01", 18)
    assert result.seized[0].to_protocol == 0
    assert parse_units("1.4", 18) <= result.health_factor_after_wad <= parse_units("1.4000001", 18)
    vault.set_deleverage(OWNER, ACCOUNT, None)
    with refused(vault, "AccountHealthy"):
        vault.close_out(LIQUIDATOR, CloseOutRequest(ACCOUNT))


# ---------------------------------------------------------------------------------------------------------- write-offs


def test_write_off__refusals_in_order(vault: Vault) -> None:
    with refused(vault, "AccountHealthy", MAX_UINT256):
        vault.write_off(STRANGER, ACCOUNT)
    opened(vault)
    with refused(vault, "AccountHealthy"):
        vault.write_off(STRANGER, ACCOUNT)
    vault.set_price(ETH, 1300 * WAD)
    with refused(vault, "AccountNotInsolvent", 13_000 * WAD, 12_000 * WAD):
        vault.write_off(STRANGER, ACCOUNT)
    vault.set_price(ETH, 1000 * WAD)
    with refused(vault, "CollateralNotDust", 10_000 * WAD, WAD):
        vault.write_off(STRANGER, ACCOUNT)
    vault.set_price(ETH, WAD // 10)
    with refused(vault, "CollateralNotDust", WAD, WAD):
        vault.write_off(STRANGER, ACCOUNT)


def test_write_off__tokens_to_the_fund_and_all_debt_is_bad(vault: Vault) -> None:
    opened(vault)
    vault.credit_claim(STRANGER, USD, 5 * 10**6, INSURANCE_FUND)
    vault.set_price(ETH, WAD // 11)
    result = vault.write_off(STRANGER, ACCOUNT)
    assert [(leg.seized, leg.to_insurance) for leg in result.seized] == [(10 * WAD, 10 * WAD)]
    assert [(leg.repaid, leg.bad_debt, leg.covered) for leg in result.repaid] == [(0, 12_000 * 10**6, 5 * 10**6)]
    assert vault.claim_of(INSURANCE_FUND, ETH) == 10 * WAD
    assert vault.claim_of(INSURANCE_FUND, USD) == 0
    assert vault.market_of(USD).supply_assets == 10**12 - 11_995 * 10**6
    position = vault.position_of(ACCOUNT)
    assert not position.collateral and not position.debt


def test_p12_a_terminal_close_out_that_leaves_dust_ends_the_account(vault: Vault) -> None:
    opened(vault)
    vault.deposit_collateral(OWNER, ACCOUNT, GOLD, 3)
    vault.borrow(OWNER, ACCOUNT, EUR, 500 * WAD)
    vault.advance_to(vault.now + 1)
    vault.set_price(ETH, 1000 * WAD)
    vault.set_price(GOLD, WAD // 100)
    request = CloseOutRequest(ACCOUNT, collaterals=frozenset({ETH}), debts=frozenset({USD, EUR}))
    result = vault.close_out(LIQUIDATOR, request)
    assert result.regime is Regime.TERMINAL
    assert [(leg.asset_id, leg.seized, leg.to_insurance) for leg in result.seized] == [(ETH, 10 * WAD, 0), (GOLD, 3, 3)]
    assert result.health_factor_after_wad == MAX_UINT256
    assert vault.position_of(ACCOUNT).debt == {} and vault.position_of(ACCOUNT).collateral == {}
    assert [leg.repaid + leg.bad_debt for leg in result.repaid] == [12_000 * 10**6, 500 * WAD]


# ---------------------------------------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("target_health_factor_wad", 2 * WAD + 1),
        ("target_health_factor_wad", parse_units("1.04", 18)),
        ("margin_call_health_factor_wad", WAD - 1),
        ("health_for_max_bonus_wad", WAD // 2 - 1),
        ("health_for_max_bonus_wad", 99 * WAD // 100 + 1),
        ("min_bonus_fraction_wad", WAD + 1),
        ("steepness_wad", WAD // 100 - 1),
        ("steepness_wad", 20 * WAD + 1),
        ("fee_share_wad", WAD // 2 + 1),
        ("bonus_floor_wad", WAD // 5 + 1),
        ("hard_floor_wad", WAD + 1),
        ("bucket_minimum_wad", 199 * WAD),
        ("call_lifetime", 0),
    ],
)
def test_protocol_parameters__outside_the_bounds_of_section_1(field: str, value: int) -> None:
    with pytest.raises(ParameterOutOfBounds):
        replace(PROTOCOL, **{field: value})


@pytest.mark.parametrize(
    "change",
    [
        lambda asset: replace(asset, ltv_bps=8500),
        lambda asset: replace(asset, liquidation_threshold_bps=9167),  # 0.9167 * 1.08 > 0.99
        lambda asset: replace(asset, liquidation_threshold_bps=8250, max_bonus_bps=2001),
        lambda asset: replace(asset, decimals=28),
        lambda asset: replace(asset, rate=RateParameters(kink_wad=0)),
        lambda asset: replace(asset, reserve_factor_bps=10_001),
        lambda asset: replace(asset, collateral_cap=2**112),
    ],
)
def test_asset_parameters__outside_the_bounds_of_section_1(change: Callable[[AssetParameters], object]) -> None:
    with pytest.raises(ParameterOutOfBounds):
        change(collateral("X", 18))


def test_listing__a_bonus_below_the_floor_or_a_price_outside_its_range_is_refused(vault: Vault) -> None:
    with pytest.raises(ParameterOutOfBounds, match="max_bonus_bps"):
        vault.list_asset(replace(collateral("X", 18), max_bonus_bps=49), WAD)
    for price in (0, -1, 10**30 + 1):
        with pytest.raises(ParameterOutOfBounds, match="price"):
            vault.set_price(ETH, price)
    with pytest.raises(ParameterOutOfBounds, match="now"):
        vault.advance_to(0)
