"""MarkToModelAdapter, CrossAdapter and VolatilityOracle."""

from __future__ import annotations

import math

import pytest

from tests.support.node import Deployed, reverts
from tests.unit.oracles.kit import Source, fixed_price, quote_of
from tests.unit.oracles.stage import DAY, GOVERNOR, HOUR, STRANGER, WAD, Stage

PRICE = 2_000 * WAD
ABANDON, DECAY = 7 * DAY, 30 * DAY

# -------------------------------------------------------------------------------------------------------- mark to model


@pytest.fixture
def market(stage: Stage) -> tuple[Deployed, Deployed, Source, Deployed]:
    """Router, token, the market's adapter, and the model over them."""
    router, token, source = (
        stage.router(abandon_after=ABANDON, decay_period=DECAY),
        stage.token(),
        fixed_price(stage, 2_000),
    )
    router.activate(token, source.contract, PRICE, sender=GOVERNOR)
    return router, token, source, stage.deploy("MarkToModelAdapter", router, token)


Market = tuple[Deployed, Deployed, Source, Deployed]


def test_model__while_the_market_lives__says_what_the_market_says(stage: Stage, market: Market):
    _, _, source, model = market
    assert stage.quote(model).status == "fresh"
    quote_of(source, PRICE * 9 // 10, PRICE * 11 // 10, status=1, primary=PRICE)
    outcome = stage.ask(model)
    assert outcome.quote is not None
    assert (outcome.kind, outcome.quote.low, outcome.quote.high) == ("degraded", PRICE * 9 // 10, PRICE * 11 // 10)
    assert outcome.primary == PRICE


def test_model__of_a_dead_market__waits_and_then_only_ever_falls_to_nothing(stage: Stage, market: Market):
    router, token, source, model = market
    recorded_at = stage.now
    quote_of(source, 0)
    with reverts("MarketNotAbandoned", 0, ABANDON):
        model.price()
    router.poke(token, sender=STRANGER)
    stage.wait(ABANDON)
    with reverts("MarketNotAbandoned", ABANDON, ABANDON):
        model.price()
    stage.wait(1)
    last = PRICE
    for _ in range(29):
        quote = stage.quote(model)
        assert quote.status == "degraded"
        assert quote.low == quote.high < last
        assert quote.time == recorded_at
        last = quote.low
        stage.wait(DAY)
    stage.wait(DAY - 2)
    assert stage.quote(model).low == PRICE // DECAY
    stage.wait(1)
    with reverts("NothingLeft", ABANDON + DECAY, ABANDON + DECAY):
        model.price()


def test_model__of_a_market_that_comes_back__is_the_market_again(stage: Stage, market: Market):
    router, token, source, model = market
    quote_of(source, 0)
    router.poke(token, sender=STRANGER)
    stage.wait(ABANDON + 10 * DAY)
    source.honest(source)
    assert stage.quote(model).low == PRICE
    router.poke(token, sender=STRANGER)
    quote_of(source, 0)
    with reverts("MarketNotAbandoned", 0, ABANDON):
        model.price()


def test_model__put_into_the_router_it_stands_on__is_refused(market: Market):
    router, token, _, model = market
    bound = model.gasBound()
    with reverts("ParameterOutOfRange", b"gasBound".ljust(32, b"\0"), bound, 1, 5_000_000):
        router.activate(token, model, PRICE, sender=GOVERNOR)


# ---------------------------------------------------------------------------------------------------------------- cross


def test_cross__of_two_doubts__multiplies_their_ends_and_takes_the_older_time(stage: Stage):
    base, quote = fixed_price(stage, 1), fixed_price(stage, 2_000)
    adapter = stage.deploy("CrossAdapter", base.contract, quote.contract)
    quote_of(base, WAD * 9 // 10, WAD * 11 // 10, status=1, age=5, primary=WAD)
    quote_of(quote, PRICE, PRICE * 2, status=1, age=9, primary=PRICE * 3 // 2)
    outcome = stage.ask(adapter)
    assert outcome.quote is not None
    assert (outcome.quote.low, outcome.quote.high) == (PRICE * 9 // 10, PRICE * 22 // 10)
    assert (outcome.primary, outcome.quote.time) == (PRICE * 3 // 2, stage.now - 9)


def test_cross__of_prices_whose_product_is_no_price__is_missing(stage: Stage):
    base, quote = fixed_price(stage, 1), fixed_price(stage, 2_000)
    adapter = stage.deploy("CrossAdapter", base.contract, quote.contract)
    quote_of(base, 10**30)
    with reverts("PriceOutOfRange", 10**30 * 2_000, 10**30):
        adapter.price()
    quote_of(base, 1)
    quote_of(quote, 1)
    with reverts("PriceOutOfRange", 0, 10**30):
        adapter.price()


# ----------------------------------------------------------------------------------------------------------- volatility

TIME_CONSTANT, SPACING = 2 * DAY, HOUR
CALM, TURBULENT = WAD // 2, 2 * WAD
LEAST, MOST = WAD * 110 // 100, WAD * 130 // 100
YEAR = 365 * DAY


@pytest.fixture
def volatility(stage: Stage, market: Market) -> Deployed:
    return stage.deploy("VolatilityOracle", market[0], TIME_CONSTANT, SPACING, CALM, TURBULENT)


def walk(stage: Stage, market: Market, volatility: Deployed, steps: int, change: float) -> None:
    """Up and down by a factor, an hour each."""
    _, token, source, _ = market
    for step in range(steps):
        stage.wait(SPACING)
        quote_of(source, int(PRICE * math.exp(change if step % 2 else 0)))
        volatility.poke(token, sender=STRANGER)


def test_volatility__of_returns_of_one_size__comes_to_that_size(stage: Stage, market: Market, volatility: Deployed):
    token = market[1]
    volatility.poke(token, sender=STRANGER)
    walk(stage, market, volatility, 400, 0.01)
    # a per cent an hour is sqrt(8 760) per cent a year
    expected = 0.01 * math.sqrt(YEAR / SPACING)
    found, time = volatility.volatilityOf(token)
    assert time == stage.now
    assert found / WAD == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("wait", [SPACING, DAY, 300 * DAY])
def test_volatility__of_a_single_spike__is_bounded_whatever_the_price_does(
    stage: Stage, market: Market, volatility: Deployed, wait: int
):
    _, token, source, _ = market
    volatility.poke(token, sender=STRANGER)
    walk(stage, market, volatility, 200, 0.01)
    before = volatility.volatilityOf(token)[0]
    stage.wait(wait)
    quote_of(source, 10**30)
    volatility.poke(token, sender=STRANGER)
    assert volatility.volatilityOf(token)[0] <= before * math.sqrt(1.95)


def test_sample__too_soon_or_of_a_price_that_is_not_fresh__is_refused(
    stage: Stage, market: Market, volatility: Deployed
):
    _, token, source, _ = market
    volatility.poke(token, sender=STRANGER)
    with reverts("SampledTooSoon", stage.now + SPACING, stage.now):
        volatility.poke(token, sender=STRANGER)
    stage.wait(SPACING)
    quote_of(source, PRICE, PRICE, status=1)
    with reverts("PriceNotFresh", token.address):
        volatility.poke(token, sender=STRANGER)


@pytest.mark.parametrize(
    ("change", "target"),
    [(0.001, LEAST), (0.0133, None), (0.05, MOST)],
)
def test_target__rises_with_volatility_between_its_bounds(
    stage: Stage, market: Market, volatility: Deployed, change: float, target: int | None
):
    token = market[1]
    assert volatility.targetHealthFactorWad(token, LEAST, MOST) == LEAST
    volatility.poke(token, sender=STRANGER)
    walk(stage, market, volatility, 400, change)
    found = volatility.targetHealthFactorWad(token, LEAST, MOST)
    if target is None:
        assert LEAST < found < MOST
        # the middle between calm and turbulent
        assert found / WAD == pytest.approx(1.2, abs=0.01)
    else:
        assert found == target
    # what nobody has sampled for long is not known
    stage.wait(4 * TIME_CONSTANT + 1)
    assert volatility.targetHealthFactorWad(token, LEAST, MOST) == LEAST


def test_target__never_leaves_its_bounds__also_where_they_are_the_wrong_way_round(
    stage: Stage, market: Market, volatility: Deployed
):
    token = market[1]
    volatility.poke(token, sender=STRANGER)
    walk(stage, market, volatility, 50, 0.5)
    assert volatility.targetHealthFactorWad(token, MOST, LEAST) == MOST
    assert volatility.targetHealthFactorWad(token, LEAST, LEAST) == LEAST
