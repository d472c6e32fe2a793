"""The twin's other ways of borrowers and lenders: by shares, from inside the Vault, many moves under one check."""

from __future__ import annotations

from dataclasses import replace

import pytest

from closeout.model import (
    MAX_UINT256,
    AccountId,
    AssetParameters,
    ModelRevert,
    Payment,
    RateParameters,
    Rebalancing,
    Vault,
)
from closeout.units import WAD
from tests.model.stage import PROTOCOL

ACCOUNT = AccountId("borrower")
YEAR = 31_536_000
WETH, WBTC, USDC, DAI = range(4)


@pytest.fixture
def vault() -> Vault:
    """10 WETH at 1 500 against 8 000 USDC; lenders in USDC and DAI; every token has 6 decimals."""
    vault = Vault(PROTOCOL)
    collateral = AssetParameters(
        name="", decimals=6, is_collateral=True, ltv_bps=8000, liquidation_threshold_bps=8500, max_bonus_bps=800
    )
    for name, price in (("WETH", 1500), ("WBTC", 30_000)):
        vault.list_asset(replace(collateral, name=name), price * WAD)
    rate = RateParameters(base=10**8, slope1=10**8, slope2=10**9, kink_wad=8 * WAD // 10)
    for name in ("USDC", "DAI"):
        vault.list_asset(AssetParameters(name=name, decimals=6, is_borrowable=True, rate=rate), WAD)
    for asset in (USDC, DAI):
        vault.supply("lender", asset, 100_000 * 10**6)
    vault.deposit_collateral("borrower", ACCOUNT, WETH, 10 * 10**6)
    vault.borrow("borrower", ACCOUNT, USDC, 8_000 * 10**6)
    return vault


def test_mint__costs_the_shares_rounded_up_and_can_be_redeemed_for_no_more(vault: Vault):
    vault.advance_to(YEAR)
    cost = vault.mint("other lender", USDC, 7_777_777)
    assert vault.supply_shares_of(USDC, "other lender") == 7_777_777
    assert vault.redeem("other lender", USDC, 7_777_777) <= cost


def test_transfer_supply__moves_shares_and_latches_no_rate(vault: Vault):
    vault.advance_to(YEAR)
    before = vault.market_of(USDC)
    vault.transfer_supply("lender", USDC, "other lender", 10**9)
    assert vault.market_of(USDC) == before
    assert vault.supply_shares_of(USDC, "other lender") == 10**9
    with pytest.raises(ModelRevert, match="InsufficientShares"):
        vault.transfer_supply("other lender", USDC, "lender", 10**9 + 1)


def test_repay_with__shares_and_claims__moves_no_token(vault: Vault):
    held = vault.balance_of(USDC)
    vault.credit_claim("payer", USDC, 500 * 10**6, "payer")
    assert vault.repay_with("payer", ACCOUNT, USDC, 500 * 10**6, Payment.CLAIMS) == 500 * 10**6
    assert vault.repay_with("lender", ACCOUNT, USDC, MAX_UINT256, Payment.SUPPLY_SHARES) == 7_500 * 10**6
    assert vault.position_of(ACCOUNT).debt == {}
    assert vault.balance_of(USDC) == held + 500 * 10**6
    with pytest.raises(ModelRevert, match="AssetNotHeld"):
        vault.repay_with("lender", ACCOUNT, USDC, 1, Payment.SUPPLY_SHARES)


def test_shares__of_a_debt_with_interest__repay_at_least_and_borrow_at_most_what_they_stand_for(vault: Vault):
    vault.advance_to(YEAR)
    index = vault.market_of(USDC).index
    assert vault.repay_shares("payer", ACCOUNT, USDC, 100) == -(-100 * index // 10**19)
    assert vault.borrow_shares("borrower", ACCOUNT, USDC, 10_000) == 10_000 * index // 10**19
    with pytest.raises(ModelRevert, match="ZeroAmount"):
        vault.borrow_shares("borrower", ACCOUNT, USDC, 0)
    with pytest.raises(ModelRevert, match="NotAuthorized"):
        vault.borrow_shares("stranger", ACCOUNT, USDC, 10_000)


def test_rebalance__swaps_collateral_and_debt_and_is_checked_at_the_end(vault: Vault):
    moves = Rebalancing(
        withdrawals=((WETH, MAX_UINT256),),
        borrows=((DAI, 8_000 * 10**6),),
        deposits=((WBTC, 10**6 // 2),),
        repayments=((USDC, MAX_UINT256),),
    )
    held = {asset_id: (vault.market_of(asset_id).idle, vault.market_of(asset_id).debt) for asset_id in (USDC, DAI)}
    vault.rebalance("borrower", ACCOUNT, moves)
    for asset_id, borrowed in ((USDC, -8_000 * 10**6), (DAI, 8_000 * 10**6)):
        idle, debt = held[asset_id]
        market = vault.market_of(asset_id)
        assert (market.idle, market.debt) == (idle - borrowed, debt + borrowed)
    position = vault.position_of(ACCOUNT)
    assert position.collateral == {WBTC: 500_000}
    assert position.debt == {DAI: 8_000 * 10**6}
    before = vault.position_of(ACCOUNT)
    with pytest.raises(ModelRevert, match="BelowInitialMargin"):
        vault.rebalance("borrower", ACCOUNT, Rebalancing(withdrawals=((WBTC, 400_000),)))
    assert vault.position_of(ACCOUNT) == before
