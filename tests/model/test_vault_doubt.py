"""The twin where prices are degraded or missing: what each status permits (specification, section 9)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from closeout.model import (
    INDEX_ONE,
    MAX_UINT256,
    Bucket,
    CloseOutRequest,
    CollateralPosition,
    DebtPosition,
    Deleverage,
    ModelRevert,
    ParameterOutOfBounds,
    Quote,
    Regime,
    Status,
    Vault,
)
from closeout.units import WAD, parse_units
from tests.doubts import make_doubtful_world
from tests.model.checks import settle
from tests.model.stage import (
    ACCOUNT,
    BOTH,
    ETH,
    EUR,
    GOLD,
    LIQUIDATOR,
    OWNER,
    STRANGER,
    USD,
    make_vault,
    opened,
    refused,
)
from tests.worlds import ACCOUNT as BORROWER
from tests.worlds import AIMS

WHOLE = CloseOutRequest(ACCOUNT)


def wide(low: int, primary: int, high: int) -> Quote:
    return Quote.degraded(low * WAD, high * WAD, primary * WAD)


def with_gold(vault: Vault, pieces: int = 100) -> Vault:
    """The account of `opened` with some GOLD, worth 50 each, beside its ETH."""
    vault.deposit_collateral(OWNER, ACCOUNT, GOLD, pieces)
    return opened(vault)


NOT_FRESH = {
    "degraded": Quote.degraded(WAD, WAD, WAD),
    "missing": Quote.missing(WAD),
}


def test_position__of_whose_price_nothing_is_said__is_exchanged_at_what_decides() -> None:
    for position in (CollateralPosition(ETH, 1, 7 * WAD, 18, 8000, 500), DebtPosition(USD, 1, INDEX_ONE, 7 * WAD, 6)):
        assert position.exchanged is position
        # in doubt it has to be said
        assert replace(position, status=Status.DEGRADED).exchanged.price_wad == 0


# ------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("status", NOT_FRESH)
@pytest.mark.parametrize("asset_id", [ETH, GOLD, USD])
def test_borrow_and_withdraw__any_price_of_the_account_not_fresh__are_refused(status: str, asset_id: int) -> None:
    vault = with_gold(make_vault())
    vault.set_quote(asset_id, replace(NOT_FRESH[status]))
    with refused(vault, "PriceNotFresh", asset_id):
        vault.borrow(OWNER, ACCOUNT, USD, 1)
    with refused(vault, "PriceNotFresh", asset_id):
        vault.withdraw_collateral(OWNER, ACCOUNT, GOLD, 1)


@pytest.mark.parametrize("status", NOT_FRESH)
def test_borrow__of_an_asset_whose_price_is_not_fresh__is_refused(status: str) -> None:
    vault = opened(make_vault())
    vault.set_quote(EUR, NOT_FRESH[status])
    with refused(vault, "PriceNotFresh", EUR):
        vault.borrow(OWNER, ACCOUNT, EUR, WAD)
    vault.borrow(OWNER, ACCOUNT, USD, 1)


@pytest.mark.parametrize("status", NOT_FRESH)
def test_p16_repayment_deposit_and_leaving_without_debt__read_no_price(status: str) -> None:
    vault = opened(make_vault())
    for asset_id in (ETH, USD):
        vault.set_quote(asset_id, NOT_FRESH[status])
    vault.deposit_collateral(STRANGER, ACCOUNT, ETH, 1)
    assert vault.repay(STRANGER, ACCOUNT, USD, MAX_UINT256) == parse_units(12_000, 6)
    assert vault.withdraw_collateral(OWNER, ACCOUNT, ETH, MAX_UINT256) == parse_units(10, 18) + 1


def test_new_asset__in_an_account_that_owes__counts_debts_at_what_decides() -> None:
    vault = opened(make_vault(), usd="150")
    vault.set_quote(USD, Quote.degraded(WAD * 6 // 10, WAD, WAD))
    with refused(vault, "DebtBelowMinimum", 90 * WAD, 100 * WAD):
        vault.deposit_collateral(OWNER, ACCOUNT, GOLD, 1)
    vault.set_quote(USD, Quote.missing(WAD * 7 // 10))
    vault.deposit_collateral(OWNER, ACCOUNT, GOLD, 1)


@pytest.mark.parametrize("status", NOT_FRESH)
def test_self_deleverage__needs_every_price_fresh(status: str) -> None:
    vault = with_gold(make_vault())
    vault.set_deleverage(OWNER, ACCOUNT, Deleverage(19 * WAD // 10, 2 * WAD, WAD // 100))
    vault.set_quote(GOLD, Quote.missing(50 * WAD) if status == "missing" else wide(50, 50, 50))
    with refused(vault, "PriceNotFresh", GOLD):
        vault.close_out(LIQUIDATOR, replace(WHOLE, collaterals=frozenset({ETH})))
    vault.set_price(GOLD, 50 * WAD)
    assert vault.close_out(LIQUIDATOR, WHOLE).is_executed
    vault.set_deleverage(OWNER, ACCOUNT, Deleverage(WAD + 1, WAD + 2, WAD // 100))
    vault.set_quote(GOLD, wide(50, 50, 50))
    with refused(vault, "AccountHealthy"):
        vault.close_out(LIQUIDATOR, WHOLE)


@pytest.mark.parametrize(
    ("quote", "value"),
    [
        (Quote.fresh(0), 0),
        (Quote.degraded(2, 1, 1), 1),
        (Quote.degraded(1, 3, 4), 4),
        (Quote.degraded(2, 3, 1), 1),
        (Quote.degraded(1, 10**30 + 1, 1), 10**30 + 1),
        (Quote.missing(0), 0),
        (Quote.missing(5, 6), 6),
    ],
)
def test_set_quote__out_of_order__is_refused(quote: Quote, value: int) -> None:
    with pytest.raises(ParameterOutOfBounds, match=rf"ETH.price.*{value}"):
        make_vault().set_quote(ETH, quote)


# -------------------------------------------------------------------------------------------------- what decides


def test_health__counts_collateral_high_and_debt_low() -> None:
    vault = opened(make_vault())
    vault.set_quote(ETH, wide(1000, 1100, 1500))
    vault.set_quote(USD, Quote.degraded(WAD * 9 // 10, WAD * 11 // 10, WAD))
    health = vault.health_of(ACCOUNT)
    assert (health.collateral_value, health.debt_value) == (15_000 * WAD, 10_800 * WAD)
    assert health.health_factor_wad == 8500 * 15_000 * WAD // (10_800 * 10_000)
    with refused(vault, "AccountHealthy"):
        vault.close_out(LIQUIDATOR, WHOLE)


def test_health__without_a_price__counts_the_last_good_one_and_what_the_model_leaves_of_it() -> None:
    vault = opened(make_vault())
    vault.set_quote(ETH, Quote.missing(2000 * WAD, 500 * WAD))
    assert vault.health_of(ACCOUNT).collateral_value == 5_000 * WAD
    vault.set_quote(USD, Quote.missing(2 * WAD, 0))
    assert vault.health_of(ACCOUNT).debt_value == 24_000 * WAD


def test_margin_call_and_its_clearing__are_decided_likewise() -> None:
    vault = opened(make_vault())
    vault.set_quote(ETH, wide(1000, 1000, 1500))  # H = 1.0625
    with refused(vault, "MarginCallRefused"):
        vault.margin_call(ACCOUNT)
    vault.set_quote(ETH, Quote.missing(1450 * WAD))  # H = 1.027
    vault.margin_call(ACCOUNT)
    with refused(vault, "MarginCallRefused"):
        vault.clear_margin_call(ACCOUNT)
    vault.set_quote(ETH, wide(1000, 1000, 1500))
    vault.clear_margin_call(ACCOUNT)


# ------------------------------------------------------------------------------------------------------- close-outs


def test_throttled_set__ends_at_one_and_not_at_the_target() -> None:
    vault = opened(make_vault())
    vault.set_quote(ETH, wide(1390, 1390, 1390))  # H = 0.9845
    result = vault.close_out(LIQUIDATOR, WHOLE)
    assert result.regime is Regime.RESTORATIVE
    assert WAD <= result.health_factor_after_wad < WAD + WAD // 10**6


def test_fresh_set__beside_a_degraded_asset__goes_to_the_target() -> None:
    vault = with_gold(make_vault())
    vault.set_price(ETH, 900 * WAD)
    vault.set_quote(GOLD, wide(50, 50, 50))
    result = vault.close_out(LIQUIDATOR, replace(WHOLE, collaterals=frozenset({ETH})))
    target = vault.parameters.target_health_factor_wad
    assert target <= result.health_factor_after_wad < target + WAD // 10**6


def test_exchange__in_a_throttled_set__is_at_the_primary_price() -> None:
    vault = opened(make_vault())
    vault.set_quote(ETH, wide(1300, 1350, 1400))
    result = vault.close_out(LIQUIDATOR, WHOLE)
    [seized], [repaid] = result.seized, result.repaid
    paid = seized.to_liquidator * 1350 * 10**6 / (repaid.repaid * WAD)
    assert 1.005 <= paid <= 1.08
    assert result.health_factor_before_wad == 8500 * 14_000 * WAD // (12_000 * 10_000)


def test_throttled_set__knows_no_dust() -> None:
    vault = opened(make_vault(), usd="13000")
    vault.set_quote(ETH, wide(1500, 1500, 1500))  # H = 0.98
    part = replace(WHOLE, fill_wad=WAD // 10**6)
    assert vault.close_out(LIQUIDATOR, part).is_executed
    vault.set_price(ETH, 1321 * WAD)  # capped: all but 100 USD may go, or all
    almost = replace(WHOLE, fill_wad=WAD - WAD // 1000)
    with refused(vault, "FillLeavesDust"):
        vault.close_out(LIQUIDATOR, almost)
    vault.set_quote(ETH, wide(1321, 1321, 1321))
    assert vault.close_out(LIQUIDATOR, almost).is_executed


def test_missing_asset__is_in_no_set() -> None:
    vault = with_gold(make_vault())
    vault.set_price(ETH, 900 * WAD)
    vault.set_quote(GOLD, Quote.missing(50 * WAD))
    with refused(vault, "EmptySet"):
        vault.close_out(LIQUIDATOR, replace(WHOLE, collaterals=frozenset({GOLD})))
    result = vault.close_out(LIQUIDATOR, WHOLE)
    assert [leg.asset_id for leg in result.seized] == [ETH]
    vault.set_quote(USD, Quote.missing(WAD))
    with refused(vault, "EmptySet"):
        vault.set_price(ETH, 500 * WAD)
        vault.close_out(LIQUIDATOR, WHOLE)


def test_penalty_beside_a_collateral_without_a_price__is_cut_to_what_keeps_the_health_factor() -> None:
    """What can be taken weighs 0.85 a dollar and a penalty; where that is more than the account does, less is paid."""
    vault = make_vault()
    vault.deposit_collateral(OWNER, ACCOUNT, BOTH, parse_units(10_000, 6))
    vault = opened(vault, eth="10", usd="10000")
    vault.set_quote(ETH, Quote.missing(150 * WAD))  # H = 0.85 (1 500 + 10 000) / 10 000 = 0.9775
    mild = vault.preview_close_out(WHOLE)
    assert mild.regime is Regime.RESTORATIVE
    vault.set_quote(ETH, Quote.missing(20 * WAD))  # H = 0.867: at most 0.867 / 0.85 - 1 = 2 %
    cut = vault.preview_close_out(WHOLE)
    assert cut.penalty_rate_wad == 867 * 10**15 * WAD // (85 * 10**16) - WAD
    assert cut.health_factor_after_wad >= cut.health_factor_before_wad == 867 * 10**15
    vault.set_quote(ETH, Quote.missing(11 * WAD, 11 * WAD))  # 0.85935: 1.1 %
    assert vault.preview_close_out(WHOLE).penalty_rate_wad < 12 * WAD // 1000
    vault.set_quote(ETH, Quote.missing(6 * WAD))  # 0.8551: 0.6 %, and the account still covers its debt and the floor
    assert vault.preview_close_out(WHOLE).is_executed


def test_insolvent_at_exchange_prices_only__nothing_is_written_off() -> None:
    vault = opened(make_vault())
    vault.set_quote(ETH, wide(1000, 1100, 1300))  # 11 000 USD at exchange, 13 000 where it decides: H = 0.92
    result = vault.close_out(LIQUIDATOR, WHOLE)
    [leg] = result.repaid
    assert result.regime is Regime.TERMINAL
    assert leg.bad_debt == 0 and leg.repaid > 0
    assert vault.position_of(ACCOUNT).debt[USD] == parse_units(12_000, 6) - leg.repaid
    with refused(vault, "AccountNotInsolvent"):
        vault.write_off(STRANGER, ACCOUNT)


def test_insolvent_at_the_prices_that_decide__is_written_off_as_ever() -> None:
    vault = opened(make_vault())
    vault.set_quote(ETH, wide(1000, 1100, 1150))
    [leg] = vault.close_out(LIQUIDATOR, WHOLE).repaid
    assert leg.bad_debt > 0
    assert not vault.position_of(ACCOUNT).debt


def test_write_off__of_a_collateral_without_a_price__waits_until_the_model_leaves_next_to_nothing() -> None:
    vault = opened(make_vault())
    vault.set_quote(ETH, Quote.missing(2000 * WAD, 1100 * WAD))
    with refused(vault, "CollateralNotDust"):
        vault.write_off(STRANGER, ACCOUNT)
    vault.set_quote(ETH, Quote.missing(2000 * WAD, WAD // 11))
    result = vault.write_off(STRANGER, ACCOUNT)
    assert result.seized[0].to_insurance == parse_units(10, 18)


def test_bucket_of_a_degraded_collateral__refills_slower() -> None:
    vault = make_vault()
    hour = 3600
    vault._assets[ETH] = replace(vault.assets[ETH], bucket=Bucket(3_000 * WAD, WAD))
    vault.set_parameters(replace(vault.parameters, bucket_minimum_wad=200 * WAD))
    opened(vault)
    vault.set_price(ETH, 1390 * WAD)
    first = vault.close_out(LIQUIDATOR, replace(WHOLE, fill_wad=WAD // 3))
    used = vault._bucket_used(ETH)
    assert used == first.seized[0].seized * 1390
    vault.advance_to(vault.now + hour)
    vault.set_quote(ETH, wide(1390, 1390, 1390))
    assert vault._bucket_used(ETH) == max(0, used - hour * WAD // 4)
    vault.set_price(ETH, 1390 * WAD)
    assert vault._bucket_used(ETH) == max(0, used - hour * WAD)


def test_volatility_target__of_what_the_account_holds__goes_deeper() -> None:
    vault = with_gold(make_vault())
    vault.set_price(ETH, 900 * WAD)
    vault.set_volatility_target(ETH, 14 * WAD // 10)
    result = vault.preview_close_out(WHOLE)
    # 9 000 of 14 000 USD aim at 1.4, the rest at 1.1; a piece of GOLD is 50 USD
    target = 11 * WAD // 10 + 9 * (3 * WAD // 10) // 14
    assert target <= result.health_factor_after_wad + 1 < target + WAD // 100
    vault.set_quote(GOLD, wide(50, 50, 50))
    assert vault.preview_close_out(WHOLE).health_factor_after_wad < WAD + WAD // 100
    vault.set_volatility_target(ETH, WAD)
    vault.set_price(GOLD, 50 * WAD)
    assert vault.preview_close_out(WHOLE).health_factor_after_wad < 11 * WAD // 10 + WAD // 100
    vault.set_volatility_target(ETH, None)
    with pytest.raises(ParameterOutOfBounds, match=r"ETH\.target"):
        vault.set_volatility_target(ETH, 2 * WAD + 1)


# ------------------------------------------------------------------------------------------------- random accounts


def test_p9_preview_equals_close_out_and_the_pure_plan__under_every_status() -> None:
    seen: Counter[str] = Counter()
    for seed in range(3000):
        world = make_doubtful_world(Random(seed), AIMS[seed % len(AIMS)])
        if not world.is_openable():
            continue
        world = replace(world, max_seized_value=MAX_UINT256, is_backstop=False)
        vault, done = world.open_vault(), settle(world)
        request = CloseOutRequest(BORROWER, world.collateral_set, world.debt_set, world.fill_wad)
        try:
            preview = vault.preview_close_out(request)
        except ModelRevert as revert:
            assert done is None
            with pytest.raises(ModelRevert, match=revert.name):
                vault.close_out("liquidator", request)
            seen[revert.name] += 1
            continue
        assert vault.close_out("liquidator", request) == preview
        assert done is not None and preview.plan == done.plan
        if all(leg.to_insurance == 0 for leg in preview.seized):
            assert {leg.asset_id: leg.seized for leg in preview.seized} == {n: s.seized for n, s in done.seized.items()}
        assert vault.health_of(BORROWER).health_factor_wad == preview.health_factor_after_wad
        seen[preview.regime.name] += 1
    for name in ("RESTORATIVE", "CAPPED", "TERMINAL", "AccountHealthy", "EmptySet"):
        assert seen[name] >= 10, seen


def test_p7_an_account_that_is_healthy_where_it_is_decided__loses_nothing_to_anyone() -> None:
    told = 0
    for seed in range(3000):
        world = make_doubtful_world(Random(seed), ("healthy", "at one")[seed % 2])
        if not world.is_openable() or world.deciding_health_wad() < world.protocol.margin_call_health_factor_wad:
            continue
        vault = world.open_vault()
        with pytest.raises(ModelRevert, match="AccountHealthy"):
            vault.close_out("anyone", CloseOutRequest(BORROWER))
        with pytest.raises(ModelRevert, match="AccountNotInsolvent"):
            vault.write_off("anyone", BORROWER)
        with pytest.raises(ModelRevert, match="MarginCallRefused"):
            vault.margin_call(BORROWER)
        told += 1
    assert told > 50, told


def test_p11_every_unhealthy_account_without_a_missing_price__can_be_closed_out() -> None:
    """Whatever is degraded: by the whole of it, filled wholly, in a few calls; until it is healthy, or in doubt covers
    its debt by nothing more.
    """
    closed = in_doubt = 0
    for seed in range(4000):
        world = make_doubtful_world(Random(seed), AIMS[seed % len(AIMS)]).whole()
        is_missing = any(quote.status is Status.MISSING for quote in world.quotes.values())
        if is_missing or not world.quotes or not world.is_openable() or world.deciding_health_wad() >= WAD:
            continue
        vault = world.open_vault()
        for _ in range(4):
            result = vault.close_out("anyone", CloseOutRequest(BORROWER))
            assert result.is_executed
            health = vault.health_of(BORROWER)
            if health.health_factor_wad >= WAD or not health.debt_value:
                break
            if result.regime is Regime.TERMINAL:
                factor = WAD + world.protocol.bonus_floor_wad
                assert health.collateral_value * WAD >= (health.debt_value - WAD) * factor
                in_doubt += 1
                break
        else:
            raise AssertionError(f"seed {seed}: still unhealthy")
        closed += 1
    assert closed > 60 and in_doubt > 5, (closed, in_doubt)
