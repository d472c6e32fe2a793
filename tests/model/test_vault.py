"""Accounts, lenders, claims and parameters of the Vault's twin: each action, and each refusal by name, in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace

import pytest

from closeout.model import (
    INSURANCE_FUND,
    MAX_UINT256,
    TREASURY,
    AccountId,
    AssetParameters,
    ParameterOutOfBounds,
    ProtocolParameters,
    RateParameters,
    Vault,
)
from closeout.model._ledger import Ledger
from closeout.units import SECONDS_PER_YEAR, WAD, parse_units
from tests.model.stage import (
    ACCOUNT,
    BOTH,
    ETH,
    EUR,
    GOLD,
    LENDER,
    OWNER,
    PROTOCOL,
    STRANGER,
    USD,
    collateral,
    opened,
    refused,
)

DAY = 86_400

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
    with refused(vault, "AssetNotListed", 99):
        vault.supply(LENDER, 99, 0)
    with refused(vault, "ZeroAmount"):
        vault.supply(LENDER, USD, 0)
    with refused(vault, "AssetNotBorrowable", ETH):
        vault.supply(LENDER, ETH, 1)
    with refused(vault, "CapExceeded", EUR, 10**24 + 1, 10**24):
        vault.supply(LENDER, EUR, 1)
    with refused(vault, "AssetNotListed", 99):
        vault.withdraw(LENDER, 99, 0)
    with refused(vault, "ZeroAmount"):
        vault.withdraw(LENDER, USD, 0)
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
        ("min_debt_value_wad", 2**128),
        ("min_debt_per_asset_wad", -1),
        ("dust_value_wad", 2**128),
        ("degraded_refill_wad", WAD + 1),
        ("grace_period", 2**32),
        ("backstop_delay", -1),
        ("call_lifetime", 0),
    ],
)
def test_protocol_parameters__outside_the_bounds_of_section_1(field: str, value: int) -> None:
    # a target below the level of calls is a level of calls above the target
    named = f"margin_call_health_factor_wad: found {PROTOCOL.margin_call_health_factor_wad}"
    expected = named if (field, value) == ("target_health_factor_wad", 104 * WAD // 100) else f"{field}: found {value},"
    with pytest.raises(ParameterOutOfBounds, match=f"^{expected}"):
        replace(PROTOCOL, **{field: value})


def test_protocol_parameters__that_nobody_gave__leave_everything_off() -> None:
    found = asdict(ProtocolParameters(WAD, WAD, 0, 0, WAD // 2))
    off = {name: value for name, value in found.items() if value == 0}
    assert off.keys() == {
        "bonus_floor_wad", "min_bonus_fraction_wad", "steepness_wad", "fee_share_wad", "min_debt_value_wad",
        "min_debt_per_asset_wad", "dust_value_wad", "grace_period", "bucket_minimum_wad",
    }  # fmt: skip
    assert found["hard_floor_wad"] == WAD
    assert (found["call_lifetime"], found["backstop_delay"]) == (7 * DAY, 2 * DAY)
    assert (found["degraded_refill_wad"], found["max_target_health_factor_wad"]) == (WAD // 4, 2 * WAD)


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


# ------------------------------------------------------------------------------------------------------------ unlisted

ACTIONS: dict[str, Callable[[Vault, int], object]] = {
    "supply": lambda vault, asset_id: vault.supply(LENDER, asset_id, 1),
    "mint": lambda vault, asset_id: vault.mint(LENDER, asset_id, 1),
    "transfer_supply": lambda vault, asset_id: vault.transfer_supply(LENDER, asset_id, OWNER, 1),
    "withdraw": lambda vault, asset_id: vault.withdraw(LENDER, asset_id, 1),
    "redeem": lambda vault, asset_id: vault.redeem(LENDER, asset_id, 1),
    "claim": lambda vault, asset_id: vault.claim(LENDER, asset_id, 1),
    "credit_claim": lambda vault, asset_id: vault.credit_claim(LENDER, asset_id, 1, OWNER),
    "deposit_collateral": lambda vault, asset_id: vault.deposit_collateral(OWNER, ACCOUNT, asset_id, 1),
    "borrow": lambda vault, asset_id: vault.borrow(OWNER, ACCOUNT, asset_id, 1),
    "market_of": lambda vault, asset_id: vault.market_of(asset_id),
    "supply_shares_of": lambda vault, asset_id: vault.supply_shares_of(asset_id, LENDER),
    "set_price": lambda vault, asset_id: vault.set_price(asset_id, WAD),
    "quote_of": lambda vault, asset_id: vault.quote_of(asset_id),
    "set_volatility_target": lambda vault, asset_id: vault.set_volatility_target(asset_id, None),
}


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
@pytest.mark.parametrize("asset_id", [5, -1])
def test_unlisted_asset__is_refused_by_every_action(
    vault: Vault, action: Callable[[Vault, int], object], asset_id: int
) -> None:
    with refused(vault, "AssetNotListed", asset_id):
        action(vault, asset_id)


# -------------------------------------------------------------------------------------------------------------- ledger


def test_transaction__that_fails__takes_back_its_own_writes_and_none_from_before() -> None:
    ledger = Ledger()
    row = (OWNER, ETH)
    ledger.put(ledger.wallets, row, 5)
    with pytest.raises(ZeroDivisionError), ledger.transaction():
        ledger.put(ledger.wallets, row, 1 // 0)
    with pytest.raises(ZeroDivisionError), ledger.transaction():
        ledger.add(ledger.wallets, row, 2)
        ledger.put(ledger.claims, row, 1)
        ledger.add(ledger.wallets, row, 1 // 0)
    assert (ledger.wallets, ledger.claims) == ({row: 5}, {})
