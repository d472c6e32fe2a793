"""The exponential, decimals and accrual, against what they approximate."""

from __future__ import annotations

from decimal import Context, Decimal
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closeout.errors import BadInput
from closeout.model import (
    INDEX_ONE,
    MAX_INDEX,
    MAX_RATE,
    Market,
    RateParameters,
    accrued,
    div_up,
    exp_wad,
    grown_index,
    mul_div_down,
    mul_div_up,
)
from closeout.units import SECONDS_PER_YEAR, WAD, format_units, parse_units

YEAR = SECONDS_PER_YEAR
PRECISE = Context(prec=60)


@given(st.integers(-(2**255), 2**255), st.integers(0, 2**200), st.integers(1, 2**255))
def test_rounding__brackets_the_exact_quotient(x: int, y: int, divisor: int) -> None:
    exact = Fraction(x * y, divisor)
    assert mul_div_down(x, y, divisor) <= exact < mul_div_down(x, y, divisor) + 1
    assert mul_div_up(x, y, divisor) - 1 < exact <= mul_div_up(x, y, divisor)
    assert div_up(x * y, divisor) == mul_div_up(x, y, divisor)


def test_exp_wad__known_values() -> None:
    assert exp_wad(0) == WAD
    # the values that Solady's own tests hold for these arguments
    assert exp_wad(-41446531673892822313) == 0
    assert exp_wad(-41446531673892822312) == 1
    assert exp_wad(-3 * WAD) == 49787068367863942
    assert exp_wad(-2 * WAD) == 135335283236612691
    assert exp_wad(-1 * WAD) == 367879441171442321
    assert exp_wad(5 * 10**17) == 1648721270700128146
    assert exp_wad(WAD) == 2718281828459045235
    assert exp_wad(2 * WAD) == 7389056098930650227
    assert exp_wad(3 * WAD) == 20085536923187667741
    assert exp_wad(10 * WAD) == 22026465794806716516980
    assert exp_wad(50 * WAD) == 5184705528587072464148529318587763226117
    assert exp_wad(100 * WAD) == 26881171418161354484134666106240937146178367581647816351662017
    largest = 57896044618658097650144101621524338577433870140581303254786265309376407432913
    assert exp_wad(135305999368893231588) == largest
    with pytest.raises(OverflowError):
        exp_wad(135305999368893231589)


def test_exp_wad__is_within_two_units_of_the_exponential_below_zero_and_of_1e_18_above() -> None:
    random = Random(1)
    for _ in range(3000):
        x = random.randint(-20 * WAD, 20 * WAD)
        exact = PRECISE.exp(PRECISE.divide(Decimal(x), Decimal(WAD))) * WAD
        assert abs(exp_wad(x) - exact) <= 2 + exact * Decimal("1e-18")


@given(st.integers(0, 10**40), st.integers(0, 30))
def test_units__text_and_back(units: int, decimals: int) -> None:
    assert parse_units(format_units(units, decimals), decimals) == units


@pytest.mark.parametrize(
    ("value", "decimals", "units"),
    [("1.10", 18, 11 * 10**17), ("1e3", 6, 10**9), (5, 2, 500), (Decimal("0.000001"), 6, 1), ("0", 0, 0)],
)
def test_units__exact(value: str | int | Decimal, decimals: int, units: int) -> None:
    assert parse_units(value, decimals) == units


@pytest.mark.parametrize("value", ["-1", "1.0000001", "nan", "Infinity", "ten", "", "1e999999999", True, 0.5, None])
def test_units__refuses_with_one_line_that_names_the_place(value: object) -> None:
    with pytest.raises(BadInput, match=r"^assets\.USDC\.supply: found ") as refusal:
        parse_units(value, 6, "assets.USDC.supply")  # type: ignore[arg-type]
    assert refusal.value.exit_code == 2
    assert "\n" not in str(refusal.value)


# ------------------------------------------------------------------------------------------------------------ interest


def test_rate__two_slopes_meet_at_the_kink() -> None:
    rate = RateParameters(base=10_000_000, slope1=40_000_000, slope2=750_000_000, kink_wad=9 * WAD // 10)
    assert rate.rate_at(0) == 10_000_000
    assert rate.rate_at(45 * WAD // 100) == 30_000_000
    assert rate.rate_at(9 * WAD // 10) == 50_000_000
    assert rate.rate_at(95 * WAD // 100) == 425_000_000
    assert rate.rate_at(WAD) == 800_000_000
    assert RateParameters(MAX_RATE, MAX_RATE, 0).rate_at(WAD) == MAX_RATE
    assert RateParameters(1, 2, 3, WAD).rate_at(WAD) == 3


@given(st.integers(INDEX_ONE, 100 * INDEX_ONE), st.integers(0, MAX_RATE), st.integers(0, 10 * YEAR))
def test_index__grows_by_the_exponential_and_never_falls(index: int, rate: int, seconds: int) -> None:
    grown = grown_index(index, rate, seconds)
    assert index <= grown <= MAX_INDEX
    if rate == 0 or seconds == 0:
        assert grown == index
        return
    exponent = Decimal(rate * 10**9 * seconds // YEAR) / WAD
    exact = min(index * PRECISE.exp(min(exponent, Decimal(20))), Decimal(MAX_INDEX))
    assert abs(grown - exact) <= 2 + exact * Decimal("3e-18")


def test_index__saturates_instead_of_overflowing() -> None:
    assert grown_index(INDEX_ONE, MAX_RATE, 1000 * YEAR) == MAX_INDEX
    assert grown_index(MAX_INDEX, 1, 1) == MAX_INDEX


@given(st.integers(1, MAX_RATE), st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_p14_many_accruals_equal_one(rate: int, waits: list[int]) -> None:
    market = Market(accrued_at=0, idle=10**20, debt_shares=10**24, supply_shares=10**28, rate=rate)
    whole, _ = accrued(market, sum(waits), 1000)
    now = 0
    for wait in waits:
        now += wait
        market, _ = accrued(market, now, 1000)
    bound = len(waits) * whole.index * Fraction(12, 10**18)  # docs/liquidation.md, section 1
    assert abs(market.index - whole.index) <= bound
    assert market.rate == whole.rate == rate


def test_accrual__the_treasury_gets_its_part_of_the_interest_and_no_more() -> None:
    market = Market(accrued_at=0, idle=5 * 10**12, debt_shares=5 * 10**14, supply_shares=10**19, rate=10**8)
    after, fee_shares = accrued(market, YEAR, 1000)
    interest = after.debt - market.debt
    assert interest == 525854590378  # 5e12 (exp(0.1) - 1)
    fee = after.assets_down(fee_shares)
    assert interest // 10 - 2 <= fee <= interest // 10
    lenders_before, lenders_after = market.assets_down(10**19), after.assets_down(10**19)
    assert lenders_after - lenders_before <= interest - fee
    assert lenders_after - lenders_before >= interest - fee - 3


@given(
    st.integers(0, 10**30),
    st.integers(0, 10**30),
    st.integers(0, 10**36),
    st.integers(1, 10**30),
    st.integers(1, 10**33),
)
def test_supply_shares__rounding_is_never_against_the_market(
    idle: int, debt_shares: int, supply_shares: int, assets: int, shares: int
) -> None:
    market = Market(accrued_at=0, idle=idle, debt_shares=debt_shares, supply_shares=supply_shares)
    assert market.assets_down(market.shares_down(assets)) <= assets
    assert market.assets_down(market.shares_up(assets)) >= assets
    assert market.shares_up(market.assets_down(shares)) <= shares
    into = market.moved(idle=assets, supply_shares=market.shares_down(assets))
    assert into.assets_down(WAD) >= market.assets_down(WAD)
