"""Threats 52 to 65: what went wrong elsewhere, and that it does not here."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.node import Deployed, reverts
from tests.unit.oracles.kit import fixed_price, quote_of
from tests.unit.oracles.pools import create_pool
from tests.unit.oracles.stage import DAY, GOVERNOR, GUARDIAN, HOUR, STRANGER, USD, WAD, Reading, Stage

YEAR = 365 * DAY


@dataclass(frozen=True)
class Listed:
    """An asset in a router of its own."""

    stage: Stage
    router: Deployed
    token: Deployed

    @property
    def reading(self) -> Reading:
        return self.stage.reading(self.router, self.token)

    def poke(self) -> None:
        self.router.poke(self.token, sender=STRANGER)


def listed(stage: Stage, adapter: Deployed, usd: float, decimals: int = 18) -> Listed:
    router, token = stage.router(), stage.token(decimals)
    router.activate(token, adapter, int(usd * WAD), sender=GOVERNOR)
    return Listed(stage, router, token)


def test_t52__a_stale_round__is_no_fresh_price_and_no_silent_one(stage: Stage):
    asset = listed(stage, stage.chainlink(stage.feed(2_000), heartbeat=HOUR), 2_000)
    stage.wait(HOUR + 1)
    assert asset.reading.status == "degraded"
    with reverts("PriceNotFresh", asset.token.address):
        asset.router.freshPrice(asset.token)
    with reverts("OracleUntrustedData", asset.token.address, USD):
        asset.router.getQuote(1, asset.token, USD)


def test_t53__a_false_sequencer_alarm__throttles_and_blocks_nothing(stage: Stage):
    """Blocking outright stopped liquidations on a chain that was up, in the hours in which they were needed."""
    feed, sequencer = stage.feed(2_000), stage.deploy("TestAggregator", 0, "sequencer")
    sequencer.publishAt(0, stage.now - DAY, sender=STRANGER)
    asset = listed(stage, stage.chainlink(feed, sequencer=sequencer, grace=HOUR), 2_000)
    assert asset.reading.status == "fresh"
    sequencer.publish(1, sender=STRANGER)
    stage.publish(feed, 1_500)
    reading = asset.reading
    # still the market's price, and one to exchange at
    assert (reading.status, reading.collateral, reading.exchange) == ("degraded", 1_500 * WAD, 1_500 * WAD)


def test_t54__a_restart_after_an_outage__keeps_the_queued_price_from_counting_as_fresh_for_the_grace_period(
    stage: Stage,
):
    """After an outage all queued prices land at once; whoever is first takes what borrowers could not save."""
    feed, sequencer = stage.feed(2_000), stage.deploy("TestAggregator", 0, "sequencer")
    sequencer.publishAt(0, stage.now - DAY, sender=STRANGER)
    asset = listed(stage, stage.chainlink(feed, heartbeat=DAY, sequencer=sequencer, grace=HOUR), 2_000)
    sequencer.publish(1, sender=STRANGER)
    stage.wait(3 * HOUR)
    sequencer.publish(0, sender=STRANGER)
    stage.publish(feed, 1_400)
    for wait in (0, 1, HOUR - 1):
        stage.wait(wait)
        assert asset.reading.status == "degraded"
    stage.wait(1)
    assert asset.reading == Reading("fresh", 1_400 * WAD, 1_400 * WAD, 1_400 * WAD, stage.now - HOUR - 1)


def test_t55__an_aggregator_at_its_minimum__is_not_believed_and_the_second_source_is(stage: Stage):
    """LUNA fell to nothing in May 2022; its feed stood still at 0.10 USD, its minAnswer, and Venus lent against it."""
    floor = 10**7
    aggregator = stage.deploy("ClampingAggregator", 8, floor, 10**13)
    aggregator.publish(80 * 10**8, stage.now, sender=STRANGER)
    luna = stage.chainlink(stage.deploy("TestAggregatorProxy", aggregator))
    market = fixed_price(stage, 80)
    asset = listed(stage, stage.deploy("DeviationAdapter", luna, market.contract, 500, 6 * HOUR), 80)
    aggregator.publish(10**4, stage.now, sender=STRANGER)
    assert aggregator.latestRoundData()[1] == floor
    with reverts("AnswerOutOfBounds", floor, floor + 1, 10**13 - 1):
        luna.price()
    quote_of(market, WAD // 10**4)
    reading = asset.reading
    assert (reading.status, reading.collateral, reading.exchange) == ("degraded", WAD // 10**4, WAD // 10**4)


@pytest.mark.parametrize("answer", [0, -1, -(10**20)])
def test_t56__a_price_of_zero_or_less__is_missing_and_never_zero(stage: Stage, answer: int):
    feed = stage.feed(2_000)
    asset = listed(stage, stage.chainlink(feed), 2_000)
    feed.publishAt(answer, stage.now, sender=STRANGER)
    reading = asset.reading
    # collateral is neither worthless nor for sale at nothing, and debt is not forgiven
    assert (reading.status, reading.collateral, reading.debt, reading.exchange) == (
        "missing",
        2_000 * WAD,
        2_000 * WAD,
        0,
    )


def test_t57__sources_that_revert_one_after_the_other__fall_back_to_the_last_good_price_without_a_revert(stage: Stage):
    """A fallback behind a check that reverts is never reached; an account with one dead oracle was frozen whole."""
    primary, secondary = fixed_price(stage, 2_000), fixed_price(stage, 2_000)
    asset = listed(stage, stage.deploy("DeviationAdapter", primary.contract, secondary.contract, 200, 6 * HOUR), 2_000)
    quote_of(secondary, 1_990 * WAD)
    for mood in (1, 2, 4):
        primary.be(mood)
        assert asset.reading.status == "degraded"
        assert asset.reading.exchange == 1_990 * WAD
        secondary.be(mood)
        assert (asset.reading.status, asset.reading.collateral) == ("missing", 2_000 * WAD)
        secondary.be(0)


def test_t58__a_composed_feed_without_its_multiplication__is_refused_and_could_be_frozen(stage: Stage):
    """Moonwell, 15 February 2026: cbETH priced by its rate to ETH alone, 1.12 USD instead of about 2 200; 1.78 M USD of
    bad debt, and the fix waited five days in a timelock."""
    rate_feed, ether_feed = stage.feed(1.12), stage.feed(2_200)
    rate, ether = stage.chainlink(rate_feed, heartbeat=DAY), stage.chainlink(ether_feed, heartbeat=DAY)
    composed = stage.deploy("CrossAdapter", rate, ether)
    asset = listed(stage, composed, 2_464)
    with reverts("AdapterDiffers", 112 * WAD // 100, 2_464 * WAD, 5_00):
        asset.router.replace(asset.token, rate, sender=GOVERNOR)
    with reverts("AdapterDiffers", 112 * WAD // 100, 2_464 * WAD, 25_00):
        asset.router.activate(asset.token, rate, 2_464 * WAD, sender=GOVERNOR)
    # had it gone wrong behind a feed's own proxy, the guardian holds the last good price at once
    stage.publish(ether_feed, 1)
    assert asset.reading.collateral < 2 * WAD
    asset.router.freeze(asset.token, sender=GUARDIAN)
    assert (asset.reading.status, asset.reading.collateral) == ("degraded", 2_464 * WAD)
    # also where somebody hurried to record the wrong one
    stage.wait(HOUR)
    with reverts("PriceNotFresh", asset.token.address):
        asset.poke()


def test_t59__a_growth_cap_set_too_low__makes_nobody_unhealthy(stage: Stage):
    """Aave's CAPO, 10 March 2026: a snapshot's ratio and time that did not belong together priced wstETH 2.85 % too
    low, and 34 accounts lost 10 938 wstETH."""
    asset, price = stage.token(), fixed_price(stage, 2_000).contract
    vault = stage.deploy("TestShareVault", asset)
    asset.mint(STRANGER, 10**6 * WAD, sender=STRANGER)
    asset.approve(vault, 2**256 - 1, sender=STRANGER)
    vault.deposit(10**6 * WAD, STRANGER, sender=STRANGER)
    # the cap: 1 % a year; the yield: 3.9 %
    adapter = stage.deploy("Erc4626Adapter", vault, price, (100, 10, HOUR))
    # ratio and time of the snapshot were read together
    assert adapter.record() == (WAD, stage.now, 0)
    share = listed(stage, adapter, 2_000)
    stage.wait(YEAR)
    asset.mint(vault, 10**6 * WAD * 39 // 1_000, sender=STRANGER)
    reading = share.reading
    assert reading.status == "degraded"
    # what decides whether an account is unhealthy is the market's rate, not the cap's
    assert reading.collateral / (2_000 * WAD) == pytest.approx(1.039)
    assert reading.exchange / (2_000 * WAD) == pytest.approx(1.01)


def test_t60__a_spike_at_one_venue__makes_no_debt_dearer(stage: Stage):
    """Compound, 26 November 2020: DAI at 1.30 USD on Coinbase alone, about 89 M USD liquidated."""
    coinbase, market = fixed_price(stage, 1), fixed_price(stage, 1)
    dai = listed(stage, stage.deploy("DeviationAdapter", coinbase.contract, market.contract, 200, 6 * HOUR), 1)
    quote_of(coinbase, 130 * WAD // 100)
    reading = dai.reading
    assert (reading.status, reading.debt) == ("degraded", WAD)


def test_t61__a_book_value_that_the_market_does_not_share__is_in_doubt_at_once(stage: Stage):
    """xUSD, November 2025: vaults that held it went on at its book value while it traded at a third of that."""
    asset, price = stage.token(), fixed_price(stage, 1).contract
    vault = stage.deploy("TestShareVault", asset)
    asset.mint(STRANGER, 10**6 * WAD, sender=STRANGER)
    asset.approve(vault, 2**256 - 1, sender=STRANGER)
    vault.deposit(10**6 * WAD, STRANGER, sender=STRANGER)
    book = stage.deploy("Erc4626Adapter", vault, price, (1_000, 10, HOUR))
    market = fixed_price(stage, 1)
    share = listed(stage, stage.deploy("DeviationAdapter", book, market.contract, 300, 6 * HOUR), 1)
    quote_of(market, 30 * WAD // 100)
    assert share.reading.status == "degraded"
    with reverts("PriceNotFresh", share.token.address):
        share.router.freshPrice(share.token)
    # and its debt counts at what the market says
    assert share.reading.debt == 30 * WAD // 100


@given(
    threshold=st.fractions(Fraction(1, 10), Fraction(90, 100)),
    room=st.fractions(Fraction(1, 100), Fraction(99, 100)),
    deviations=st.fractions(0, Fraction(99, 100)),
    of_collateral=st.fractions(0, 1),
)
def test_t62__borrowing_inside_the_feeds_deviations__leaves_a_close_out_above_water_where_the_listing_rule_holds(
    threshold: Fraction, room: Fraction, deviations: Fraction, of_collateral: Fraction
):
    """The market may be worse than each feed by its threshold: who borrows all he may at the feeds' prices and walks
    away must leave enough to close him out. Rule: 1 - t (1 + bonus) > sum of the feeds' thresholds; docs/oracles.md."""
    bonus = (1 / threshold - 1) * room
    left = 1 - threshold * (1 + bonus)
    collateral_off, debt_off = left * deviations * of_collateral, left * deviations * (1 - of_collateral)
    assert left > collateral_off + debt_off
    collateral, debt = 1 - collateral_off, threshold * (1 + debt_off)
    assert collateral > debt * (1 + bonus)


def test_t63__a_pools_spot_price__is_read_by_nobody(stage: Stage):
    pool = create_pool(stage, 2_000)
    pool.provide(pool.liquidity_of(10_000_000, 2_000))
    pool.move_to(2_001)
    stage.wait(HOUR)
    asset = listed(stage, pool.twap(fixed_price(stage, 1).contract), 2_000)
    before = asset.reading
    pool.move_to(20_000)
    assert asset.reading == before
    pool.move_to(200)
    assert asset.reading == before


@pytest.mark.parametrize("token_decimals", [0, 2, 6, 8, 18, 27])
@pytest.mark.parametrize("feed_decimals", [0, 2, 6, 8, 18, 27])
def test_t64__decimals_of_feed_and_token__never_change_what_a_whole_token_is_worth(
    stage: Stage, token_decimals: int, feed_decimals: int
):
    feed = stage.deploy("TestAggregator", feed_decimals, "feed")
    feed.publish(2_000 * 10**feed_decimals, sender=STRANGER)
    asset = listed(stage, stage.chainlink(feed), 2_000, token_decimals)
    assert asset.reading.collateral == 2_000 * WAD
    assert asset.router.getQuote(10**token_decimals, asset.token, USD) == 2_000 * WAD
    assert asset.router.getQuote(2_000 * WAD, USD, asset.token) == 10**token_decimals


def test_t65__a_rate_read_in_a_callback_of_its_vault__is_neither_fresh_nor_what_anything_is_exchanged_at(stage: Stage):
    asset, price = stage.token(), fixed_price(stage, 2_000).contract
    vault = stage.deploy("CallbackShareVault", asset)
    asset.mint(STRANGER, 10**6 * WAD, sender=STRANGER)
    asset.approve(vault, 2**256 - 1, sender=STRANGER)
    vault.deposit(10**6 * WAD, STRANGER, sender=STRANGER)
    adapter = stage.deploy("Erc4626Adapter", vault, price, (1_000, 10, HOUR))
    attacker = stage.deploy("RateAttacker", vault, adapter)
    asset.mint(attacker, 10**6 * WAD, sender=STRANGER)
    attacker.deposit(10**6 * WAD, sender=STRANGER)
    attacker.redeem(10**6 * WAD, sender=STRANGER)
    assert attacker.rateWad() < WAD * 51 // 100
    assert attacker.status() == 1
    # an account is unhealthy only at the upper end, and pays at the primary: neither moved
    assert (attacker.high(), attacker.primary()) == (2_000 * WAD, 2_000 * WAD)
