"""Close-outs, margin calls and write-offs of the Vault's twin: each action, and each refusal by name, in order."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

from closeout.model import (
    INSURANCE_FUND,
    MAX_UINT256,
    PENALTY_SPLITTER,
    AccountId,
    Bucket,
    CloseOutRequest,
    Deleverage,
    Regime,
    Vault,
)
from closeout.units import WAD, parse_units
from tests.model.stage import (
    ACCOUNT,
    ETH,
    EUR,
    GOLD,
    LIQUIDATOR,
    OWNER,
    PROTOCOL,
    STRANGER,
    USD,
    collateral,
    opened,
    refused,
)

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
    with refused(vault, "AccountNotInsolvent", 0, 0):
        vault.write_off(STRANGER, ACCOUNT)
    opened(vault)
    with refused(vault, "AccountNotInsolvent"):
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
