"""The worked examples of docs/liquidation.md, section 8, digit by digit, through the whole Vault."""

from __future__ import annotations

import pytest

from closeout.model import (
    INSURANCE_FUND,
    MAX_UINT256,
    PENALTY_SPLITTER,
    AccountId,
    AssetParameters,
    CloseOutRequest,
    ModelRevert,
    ProtocolParameters,
    Regime,
    RepaidLeg,
    SeizedLeg,
    Vault,
)
from closeout.units import WAD, parse_units

WETH, WBTC, USDC, DAI = range(4)
BORROWER = AccountId("borrower")


def ether(text: str) -> int:
    return parse_units(text, 18)


@pytest.fixture
def vault() -> Vault:
    vault = Vault(
        ProtocolParameters(
            target_health_factor_wad=ether("1.10"),
            margin_call_health_factor_wad=ether("1.05"),
            bonus_floor_wad=ether("0.005"),
            min_bonus_fraction_wad=ether("0.2"),
            health_for_max_bonus_wad=ether("0.90"),
            fee_share_wad=ether("0.2"),
            min_debt_value_wad=ether("100"),
            dust_value_wad=ether("1"),
        )
    )
    collateral = {"is_collateral": True}
    weth = AssetParameters("WETH", 18, **collateral, ltv_bps=8000, liquidation_threshold_bps=8500, max_bonus_bps=800)
    wbtc = AssetParameters("WBTC", 8, **collateral, ltv_bps=7000, liquidation_threshold_bps=7500, max_bonus_bps=1000)
    vault.list_asset(weth, 3000 * WAD)
    vault.list_asset(wbtc, 60000 * WAD)
    vault.list_asset(AssetParameters("USDC", 6, is_borrowable=True), WAD)
    vault.list_asset(AssetParameters("DAI", 18, is_borrowable=True), WAD)
    vault.supply("lender", USDC, parse_units("1000000", 6))
    vault.supply("lender", DAI, ether("1000000"))
    return vault


def crash(vault: Vault) -> None:
    vault.set_price(WETH, 1500 * WAD)
    vault.set_price(WBTC, 30000 * WAD)
    vault.advance_to(vault.now + 1)


def test_restorative__ends_a_satoshi_above_the_target(vault: Vault) -> None:
    vault.deposit_collateral("borrower", BORROWER, WETH, ether("10"))
    vault.deposit_collateral("borrower", BORROWER, WBTC, parse_units("0.5", 8))
    vault.borrow("borrower", BORROWER, USDC, parse_units("24500", 6))
    crash(vault)
    health = vault.health_of(BORROWER)
    assert (health.collateral_value, health.debt_value) == (ether("30000"), ether("24500"))
    assert health.maintenance_value == ether("24000")

    result = vault.close_out("liquidator", CloseOutRequest(BORROWER))

    assert result.regime is Regime.RESTORATIVE
    assert result.health_factor_before_wad == ether("0.979591836734693877")
    assert result.penalty_rate_wad == ether("0.032693877551020408")
    assert result.plan is not None
    assert result.plan.repaid_value == parse_units("10772.521314016574251107126303456", 27)
    assert result.plan.seized_value == parse_units("11124.716806772789595272298667250", 27)
    fee = ether("0.032693877551020408") - ether("0.026155102040816327")
    weth, wbtc = ether("3.708238935590929865"), parse_units("0.18541194", 8)
    factor = ether("1.032693877551020408")
    assert result.seized == (
        SeizedLeg(WETH, weth, weth * fee // factor),
        SeizedLeg(WBTC, wbtc, wbtc * fee // factor),
    )
    assert result.repaid == (RepaidLeg(USDC, parse_units("10772.521315", 6), 0, 0),)
    assert result.health_factor_after_wad == ether("1.100000011190806989")
    assert vault.health_of(BORROWER).health_factor_wad == ether("1.100000011190806989")
    assert vault.claim_of(PENALTY_SPLITTER, WETH) == weth * fee // factor
    assert vault.wallet_of("liquidator", WBTC) == wbtc - wbtc * fee // factor


def capped(vault: Vault) -> None:
    vault.deposit_collateral("borrower", BORROWER, WETH, ether("10"))
    vault.borrow("borrower", BORROWER, USDC, parse_units("14500", 6))
    crash(vault)


def test_capped__leaves_neither_debt_nor_collateral(vault: Vault) -> None:
    capped(vault)
    result = vault.close_out("liquidator", CloseOutRequest(BORROWER))
    assert result.regime is Regime.CAPPED
    assert result.health_factor_before_wad == ether("0.879310344827586206")
    assert result.penalty_rate_wad == ether("0.034482758620689655")
    assert [leg.seized for leg in result.seized] == [ether("10")]
    assert result.repaid == (RepaidLeg(USDC, parse_units("14500", 6), 0, 0),)
    position = vault.position_of(BORROWER)
    assert not position.collateral and not position.debt
    assert result.health_factor_after_wad == MAX_UINT256


def test_capped__half_a_fill_keeps_the_health_factor(vault: Vault) -> None:
    capped(vault)
    result = vault.close_out("liquidator", CloseOutRequest(BORROWER, fill_wad=WAD // 2))
    assert [leg.seized for leg in result.seized] == [ether("5")]
    assert [leg.repaid for leg in result.repaid] == [parse_units("7250", 6)]
    assert result.health_factor_after_wad == result.health_factor_before_wad == ether("0.879310344827586206")


def terminal(vault: Vault) -> None:
    vault.deposit_collateral("borrower", BORROWER, WETH, ether("10"))
    vault.borrow("borrower", BORROWER, USDC, parse_units("9000", 6))
    vault.borrow("borrower", BORROWER, DAI, ether("7000"))
    crash(vault)


def test_terminal__books_the_same_fraction_of_every_debt_as_bad(vault: Vault) -> None:
    terminal(vault)
    result = vault.close_out("liquidator", CloseOutRequest(BORROWER))
    assert result.regime is Regime.TERMINAL
    assert result.penalty_rate_wad == ether("0.005")
    assert result.plan is not None
    assert result.plan.repaid_value == parse_units("14925.373134328358208955223880598", 27)
    assert [leg.seized for leg in result.seized] == [ether("10")]
    assert result.repaid == (
        RepaidLeg(USDC, parse_units("8395.522389", 6), parse_units("604.477611", 6), 0),
        RepaidLeg(DAI, ether("6529.850746268656716418"), ether("470.149253731343283582"), 0),
    )
    assert vault.market_of(USDC).supply_assets == parse_units("1000000", 6) - parse_units("604.477611", 6)


def test_terminal__the_insurance_fund_pays_first(vault: Vault) -> None:
    terminal(vault)
    vault.credit_claim("treasurer", USDC, parse_units("1000", 6), INSURANCE_FUND)
    vault.credit_claim("treasurer", DAI, ether("70"), INSURANCE_FUND)
    result = vault.close_out("liquidator", CloseOutRequest(BORROWER))
    assert [leg.covered for leg in result.repaid] == [parse_units("604.477611", 6), ether("70")]
    assert vault.claim_of(INSURANCE_FUND, USDC) == parse_units("395.522389", 6)
    assert vault.claim_of(INSURANCE_FUND, DAI) == 0
    assert vault.market_of(USDC).supply_assets == parse_units("1000000", 6)
    assert vault.market_of(DAI).supply_assets == ether("1000000") - ether("400.149253731343283582")


def test_healthy__is_refused(vault: Vault) -> None:
    capped(vault)
    vault.set_price(WETH, 3000 * WAD)
    with pytest.raises(ModelRevert) as refusal:
        vault.close_out("liquidator", CloseOutRequest(BORROWER))
    assert refusal.value.name == "AccountHealthy"
