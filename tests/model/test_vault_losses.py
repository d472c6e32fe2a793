"""The twin's notes of losses that are visible and not booked: docs/liquidation.md, section 1, "Supply"."""

from __future__ import annotations

from dataclasses import replace

import pytest

from closeout.model import INSURANCE_FUND, MAX_UINT256, CloseOutRequest, ModelRevert, Payment, Vault
from closeout.units import WAD
from tests.model.stage import ACCOUNT, ETH, EUR, LENDER, LIQUIDATOR, OWNER, STRANGER, USD, make_vault, opened, refused


@pytest.fixture
def vault() -> Vault:
    """10 ETH, bought at 2 000, now at 1 000, against 12 000 USD: two of them are lost. Two lenders of USD."""
    vault = make_vault()
    vault.set_parameters(replace(vault.parameters, dust_value_wad=0))
    vault.supply("second lender", USD, 10**12)
    opened(vault)
    vault.set_price(ETH, 1_000 * WAD)
    return vault


def whole_close_out(vault: Vault) -> int:
    """Bad debt of USD."""
    [leg] = vault.close_out(LIQUIDATOR, CloseOutRequest(ACCOUNT)).repaid
    return leg.bad_debt


def test_note__is_what_a_whole_close_out_books_and_goes_with_it(vault: Vault) -> None:
    vault.note_insolvency(ACCOUNT)
    expected = vault.noted_loss_of(ACCOUNT, USD)
    assert expected == vault.expected_loss_of(USD) == vault.uncovered_loss_of(USD) > 2_000 * 10**6
    assert vault.expected_loss_of(EUR) == 0
    assert whole_close_out(vault) == expected
    assert vault.expected_loss_of(USD) == 0


def test_who_leaves__gets_what_he_would_have_kept(vault: Vault) -> None:
    vault.note_insolvency(ACCOUNT)
    shares = vault.supply_shares_of(USD, LENDER)
    left = vault.redeem(LENDER, USD, shares)
    whole_close_out(vault)
    stays = vault.market_of(USD).assets_down(vault.supply_shares_of(USD, "second lender"))
    assert abs(left - stays) <= 1
    assert left < 10**12


def test_insurance_fund__covers_what_it_holds(vault: Vault) -> None:
    vault.credit_claim(STRANGER, USD, 10**6, INSURANCE_FUND)
    vault.note_insolvency(ACCOUNT)
    assert vault.uncovered_loss_of(USD) == vault.expected_loss_of(USD) - 10**6
    vault.credit_claim(STRANGER, USD, 10**12, INSURANCE_FUND)
    assert vault.uncovered_loss_of(USD) == 0


def test_repayment_from_shares__is_an_exit(vault: Vault) -> None:
    vault.note_insolvency(ACCOUNT)
    before = vault.supply_shares_of(USD, LENDER)
    vault.repay_with(LENDER, ACCOUNT, USD, 10**9, Payment.SUPPLY_SHARES)
    assert before - vault.supply_shares_of(USD, LENDER) > 10**15


def test_note__of_who_is_solvent_again__is_lifted_once(vault: Vault) -> None:
    with refused(vault, "AccountNotInsolvent", 0, 0):
        vault.note_insolvency(replace(ACCOUNT, index=99))
    vault.note_insolvency(ACCOUNT)
    vault.set_price(ETH, 1_500 * WAD)
    assert vault.expected_loss_of(USD)
    vault.note_insolvency(ACCOUNT)
    assert vault.expected_loss_of(USD) == 0
    with pytest.raises(ModelRevert, match="AccountNotInsolvent"):
        vault.note_insolvency(ACCOUNT)


def test_note__of_a_debt_that_was_repaid__stays_until_somebody_looks(vault: Vault) -> None:
    vault.note_insolvency(ACCOUNT)
    vault.repay(OWNER, ACCOUNT, USD, MAX_UINT256)
    assert vault.expected_loss_of(USD)
    vault.note_insolvency(ACCOUNT)
    assert vault.expected_loss_of(USD) == 0
