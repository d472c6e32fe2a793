"""The screen misses nobody: against exact integers, also where accounts sit within a unit of the margin."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from closeout.keeper.book import Rows, Side
from closeout.keeper.health import Screen, Valuation
from closeout.keeper.ports import AssetConfiguration, Configuration, Price, PriceStatus
from closeout.model import INDEX_ONE, MAX_AMOUNT, MAX_COLLATERALS, MAX_DEBTS, MAX_INDEX, health_factor, take_snapshot
from closeout.units import WAD
from tests.keeper.markets import (
    CONFIGURATION,
    DAI,
    NOW,
    PRICES,
    PROTOCOL,
    USDC,
    WBTC,
    WETH,
    asset,
    shares,
    valuation,
    wad,
)


class Accounts:
    """Accounts with what they hold (token units) and owe (debt shares)."""

    def __init__(self, *accounts: tuple[dict[int, int], dict[int, int]]) -> None:
        self.rows = Rows()
        self.collateral, self.debts = Side(self.rows), Side(self.rows)
        self.held = list(accounts)
        for account, (held, owed) in enumerate(accounts):
            for asset_id, units in held.items():
                self.collateral.put(account, asset_id, units)
            for asset_id, owing in owed.items():
                self.debts.put(account, asset_id, owing)
        self.screen = Screen(self.rows, self.collateral, self.debts)

    def exact(self, account: int, at: Valuation) -> int:
        held, owed = self.held[account]
        return take_snapshot(at.collaterals(held), at.debts(owed)).health_factor_wad


# more assets than one account can hold of a side, of every kind of decimals
MANY = Configuration(
    PROTOCOL,
    tuple(asset(n, f"A{n}", (0, 2, 6, 8, 18, 27)[n % 6], 5_000 + 250 * n, 100 + 50 * n) for n in range(16)),
)
# any price there can be, USD 1e-18 to 1e12, at every order of size
PRICE = st.integers(0, 100).flatmap(lambda bits: st.integers(1, 2**bits).map(lambda price: min(price, 10**30)))
BALANCE = st.integers(0, 112).flatmap(lambda bits: st.integers(1, max(1, 2**bits - 1)))


@st.composite
def markets(draw: st.DrawFn) -> Valuation:
    prices = []
    for _ in MANY.assets:
        low, high = sorted((draw(PRICE), draw(PRICE)))
        prices.append(Price(PriceStatus.DEGRADED, high, low, low, NOW))
    indices = tuple(draw(st.integers(INDEX_ONE, MAX_INDEX)) for _ in MANY.assets)
    return Valuation(MANY, tuple(prices), indices, NOW)


@st.composite
def holdings(draw: st.DrawFn) -> tuple[dict[int, int], dict[int, int]]:
    order = draw(st.permutations(range(16)))
    owed = order[: draw(st.integers(1, MAX_DEBTS))]
    held = order[len(owed) : len(owed) + draw(st.integers(0, MAX_COLLATERALS))]
    return {a: draw(BALANCE) for a in held}, {a: draw(BALANCE) for a in owed}


@settings(max_examples=300, deadline=None)
@given(markets(), st.lists(holdings(), min_size=1, max_size=4), st.data())
def test_screen__any_accounts_at_any_prices__misses_no_unhealthy_one(at: Valuation, accounts, data):
    # one account is moved as near to the margin as its units allow, on either side of it
    held, owed = accounts[0]
    place = next(iter(owed))
    rest = take_snapshot(at.collaterals(held), at.debts({a: s for a, s in owed.items() if a != place}))
    one = at.debts({place: 1})[0]
    missing = rest.weighted_collateral - rest.debt_value * 10_000
    most = missing * 10 ** (one.decimals + 10) // (10_000 * one.index * one.price_wad)
    near = most + data.draw(st.integers(-2, 2))
    if 0 < near <= MAX_AMOUNT:
        accounts[0] = held, owed | {place: near}
    all_of_them = Accounts(*accounts)
    all_of_them.screen.revalue(at)
    level = data.draw(st.sampled_from([WAD, wad("1.05"), 2 * WAD]))
    suspects = all_of_them.screen.suspects(level)
    unhealthy = [n for n in range(len(accounts)) if all_of_them.exact(n, at) < level]
    assert set(unhealthy) <= set(suspects)
    assert [one.account for one in all_of_them.screen.candidates(level)] == sorted(
        unhealthy, key=lambda n: (all_of_them.exact(n, at), n)
    )


def test_screen__a_margin_too_small__would_miss_one():
    """The bound is not idle: with none at all an account just below the margin is taken for healthy."""
    at, found = valuation(), 0
    for weth in range(10**18, 10**18 + 400):
        # debt of DAI, to the last of its shares above the maintenance value
        owed = weth * 1_500 * 85 // 100 * 100 + 1
        accounts = Accounts(({WETH: weth}, {DAI: owed}))
        accounts.screen.revalue(at)
        assert accounts.exact(0, at) < WAD
        assert accounts.screen.suspects() == [0]
        found += bool(accounts.screen._maintenance[0] >= accounts.screen._debt[0])
    assert found > 0


def test_candidates__worked_example__has_the_figures_of_the_page():
    accounts = Accounts(({WETH: 10 * 10**18, WBTC: 5 * 10**7}, {USDC: shares(24_500 * 10**6)}))
    accounts.screen.revalue(valuation())
    [one] = accounts.screen.candidates()
    assert one.health_factor_wad == 979591836734693877
    assert (one.collateral_value_wad, one.debt_value_wad) == (wad(30_000), wad(24_500))
    assert not one.is_unpriced


def test_candidates__interest_that_accrued__makes_an_account_one():
    accounts = Accounts(({WETH: 10 * 10**18}, {USDC: shares(12_750 * 10**6)}))
    accounts.screen.revalue(valuation())
    assert accounts.screen.candidates() == []
    accounts.screen.revalue(valuation(indices=(INDEX_ONE, INDEX_ONE, INDEX_ONE + 1, INDEX_ONE)))
    assert [one.account for one in accounts.screen.candidates()] == [0]


def test_candidates__threshold_on_a_ramp__is_the_line_rounded_up():
    before = CONFIGURATION.assets[WETH]
    ramp = replace(before, ramp_start_bps=8_800, ramp_end=NOW + 70, ramp_duration=100)
    assert ramp.threshold_bps(NOW) == 8_710
    assert ramp.threshold_bps(NOW + 1) == 8_707
    assert ramp.threshold_bps(NOW + 70) == ramp.threshold_bps(NOW + 999) == 8_500
    assets = (ramp, *CONFIGURATION.assets[1:])
    accounts = Accounts(({WETH: 10 * 10**18}, {USDC: shares(13_000 * 10**6)}))
    accounts.screen.revalue(valuation(Configuration(PROTOCOL, assets)))
    assert accounts.screen.candidates() == []
    accounts.screen.revalue(valuation(Configuration(PROTOCOL, assets), now=NOW + 70))
    assert [one.account for one in accounts.screen.candidates()] == [0]


def test_candidates__price_in_doubt__collateral_counts_high_and_debt_low():
    accounts = Accounts(({WETH: 10 * 10**18}, {USDC: shares(13_000 * 10**6)}))
    doubt = Price(PriceStatus.DEGRADED, wad(1_600), wad(1_400), wad(1_500), NOW)
    accounts.screen.revalue(valuation(prices=(doubt, *PRICES[1:])))
    assert accounts.screen.candidates() == []
    owing_weth = Accounts(({USDC: 15_000 * 10**6}, {WETH: shares(9 * 10**18)}))
    owing_weth.screen.revalue(valuation(prices=(doubt, *PRICES[1:])))
    assert owing_weth.screen.candidates() == []


def test_candidates__missing_price__is_said():
    accounts = Accounts(({WETH: 10 * 10**18}, {USDC: shares(13_000 * 10**6)}))
    missing = Price(PriceStatus.MISSING, wad(1_200), wad(1_200), 0, NOW - 10**6)
    accounts.screen.revalue(valuation(prices=(missing, *PRICES[1:])))
    [one] = accounts.screen.candidates()
    assert one.is_unpriced


def test_candidates__who_opted_in_to_deleverage__is_one_below_his_own_trigger():
    accounts = Accounts(
        ({WETH: 10 * 10**18}, {USDC: shares(10_000 * 10**6)}), ({WETH: 10 * 10**18}, {USDC: shares(10_000 * 10**6)})
    )
    accounts.screen.revalue(valuation())
    assert [one.account for one in accounts.screen.candidates(levels_wad={1: wad("1.5")})] == [1]
    assert accounts.screen.candidates(levels_wad={1: wad("1.2")}) == []


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_nearest__of_three_in_debt__come_in_order(count: int):
    debts = [9_000, 12_000, 11_000]
    accounts = Accounts(*(({WETH: 10 * 10**18}, {USDC: shares(d * 10**6)}) for d in debts), ({WETH: 1}, {}))
    accounts.screen.revalue(valuation())
    lines = accounts.screen.nearest(count)
    assert [line.account for line in lines] == [1, 2, 0][:count]
    for line in lines:
        debt = debts[line.account] * 10**27
        assert line.health_factor_wad == health_factor(12_750 * 10**27 * 10_000, debt)


def test_assets__beyond_the_configuration__are_an_error_and_not_a_guess():
    accounts = Accounts(({7: 1}, {USDC: 1}))
    with pytest.raises(IndexError):
        accounts.screen.revalue(valuation())


def test_asset_configuration__without_a_ramp__is_its_threshold():
    assert AssetConfiguration("0x", CONFIGURATION.assets[WETH].parameters).threshold_bps(0) == 8_500
