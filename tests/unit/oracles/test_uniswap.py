"""UniswapV3TwapAdapter on pools of Uniswap's own bytecode, moved by real swaps."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest

from tests.support.node import Deployed, reverts
from tests.unit.oracles.kit import Source, honest_pool, pool_says
from tests.unit.oracles.pools import BLOCK, Pool, create_pool, tick_ratio
from tests.unit.oracles.stage import DAY, STRANGER, WAD, Stage

WINDOW = 1_800
PRICE = 2_000
DEPTH = 10_000_000


@pytest.fixture
def dollar(stage: Stage) -> Deployed:
    """The dollar's price, fresh for as long as a test takes."""
    return stage.chainlink(stage.feed(1), heartbeat=2 * DAY, max_age=7 * DAY)


@pytest.fixture
def pool(stage: Stage, dollar: Deployed) -> Pool:
    pool = create_pool(stage, PRICE)
    pool.provide(pool.liquidity_of(DEPTH, PRICE))
    # the first swap makes the pool keep more than one observation
    pool.move_to(PRICE + 1)
    pool.move_to(PRICE)
    stage.wait(WINDOW)
    return pool


def near(found: int, expected: Decimal, relative: Decimal = Decimal("1e-15")) -> bool:
    return abs(Decimal(found) / WAD - expected) <= expected * relative + Decimal("1e-18")


# ------------------------------------------------------------------------------------------------------------- the mean


@pytest.mark.parametrize("is_base_token0", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_price__over_any_swaps__is_the_geometric_mean_of_the_pools_ticks(
    stage: Stage, dollar: Deployed, is_base_token0: bool, seed: int
):
    random = Random(seed)
    pool = create_pool(stage, PRICE, is_base_token0=is_base_token0)
    pool.provide(pool.liquidity_of(DEPTH, PRICE))
    pool.move_to(PRICE + 1)
    stage.wait(WINDOW)
    adapter = pool.twap(dollar)
    ticks: list[tuple[int, int]] = [(stage.now - WINDOW, pool.tick)]
    for _ in range(20):
        stage.wait(random.choice((0, 1, BLOCK, 60, 200)))
        pool.move_to(Decimal(PRICE) * Decimal(random.uniform(0.8, 1.2)))
        ticks.append((stage.now, pool.tick))
    stage.wait(random.randrange(1, 60))
    start = stage.now - WINDOW
    total = 0
    for (at, tick), (until, _) in zip(ticks, [*ticks[1:], (stage.now, 0)], strict=True):
        total += tick * max(0, until - max(at, start))
    # rounded towards minus infinity, as Uniswap's own library does
    mean = total // WINDOW
    quote = stage.quote(adapter)
    assert quote.status == "fresh"
    assert quote.low == quote.high == adapter.primaryPrice()
    assert near(quote.low, pool.usd_of(mean)), (Decimal(quote.low) / WAD, pool.usd_of(mean))
    # the dollar was seen before the window began
    assert quote.time == stage.quote(dollar).time < stage.now - WINDOW


@pytest.mark.parametrize("decimals", [(6, 18), (0, 6), (8, 8), (27, 6), (18, 0), (2, 27)])
def test_price__for_tokens_of_any_decimals__is_per_whole_token(
    stage: Stage, dollar: Deployed, decimals: tuple[int, int]
):
    pool = create_pool(stage, PRICE, decimals=decimals)
    pool.provide(10**6)
    adapter = pool.twap(dollar)
    assert near(stage.quote(adapter).low, pool.usd_of(pool.tick))
    assert abs(Decimal(stage.quote(adapter).low) / WAD / PRICE - 1) < Decimal("0.0002")


def test_price__in_a_dollar_that_is_off__follows_the_dollar(stage: Stage, pool: Pool):
    feed = stage.feed(0.97)
    adapter = pool.twap(stage.chainlink(feed, heartbeat=60))
    assert near(stage.quote(adapter).low, pool.usd_of(pool.tick) * Decimal("0.97"), Decimal("1e-14"))
    stage.wait(61)
    assert stage.ask(adapter).kind == "degraded"


# --------------------------------------------------------------------------------------------------------- manipulation


def test_swing__within_one_block__moves_nothing(stage: Stage, pool: Pool, dollar: Deployed):
    adapter = pool.twap(dollar)
    before = stage.quote(adapter).low
    pool.move_to(PRICE * 50)
    pool.move_to(PRICE)
    assert stage.quote(adapter).low == before


def test_swing__held_for_one_block__moves_by_that_blocks_share_of_the_window(
    stage: Stage, pool: Pool, dollar: Deployed
):
    adapter = pool.twap(dollar)
    start = pool.tick
    pool.move_to(PRICE * 2)
    swung = pool.tick
    stage.wait(BLOCK)
    pool.move_to(PRICE)
    expected = Decimal((swung - start) * BLOCK) / WINDOW
    moved = Decimal(stage.quote(adapter).low) / WAD / pool.usd_of(start)
    assert abs(moved.ln() / Decimal("1.0001").ln() - abs(expected)) <= 1
    assert moved < Decimal("1.005")


# ------------------------------------------------------------------------------------------------------------ liquidity


def test_liquidity__that_leaves__degrades_the_price_and_then_ends_it(stage: Stage, pool: Pool, dollar: Deployed):
    whole = pool.liquidity_of(DEPTH, PRICE)
    adapter = pool.twap(dollar, safe=whole // 2, least=whole // 20)
    assert stage.ask(adapter).kind == "fresh"
    pool.withdraw(whole * 3 // 4)
    # half of the window later the harmonic mean has fallen to two fifths
    stage.wait(WINDOW // 2)
    assert stage.ask(adapter).kind == "degraded"
    assert abs(adapter.mean()[1] * 5 / whole - 2) < 0.01
    pool.withdraw(pool.pool.liquidity() - whole // 1_000)
    stage.wait(WINDOW)
    outcome = stage.ask(adapter)
    assert outcome.error is not None
    assert (outcome.error.name, outcome.error.arguments) == ("LiquidityTooThin", (whole // 1_000, whole // 20))


def test_liquidity__that_was_gone_for_one_second__spoils_the_harmonic_mean_of_the_whole_window(
    stage: Stage, dollar: Deployed
):
    pool = create_pool(stage, PRICE)
    whole = pool.liquidity_of(DEPTH, PRICE)
    pool.provide(whole)
    pool.move_to(PRICE + 1)
    stage.wait(WINDOW)
    adapter = pool.twap(dollar, safe=whole // 2)
    pool.withdraw(whole)
    stage.wait(1)
    pool.provide(whole)
    assert stage.ask(adapter).kind == "degraded"
    stage.wait(WINDOW)
    assert stage.ask(adapter).kind == "fresh"


# --------------------------------------------------------------------------------------------------------- observations


def test_pool__younger_than_the_window__has_no_price_yet(stage: Stage, dollar: Deployed):
    pool = create_pool(stage, PRICE, age=0)
    pool.provide(pool.liquidity_of(DEPTH, PRICE))
    stage.wait(1)
    pool.move_to(PRICE + 1)
    adapter = pool.twap(dollar)
    stage.wait(WINDOW - 2)
    with reverts("SourceMissing", pool.pool.address):
        adapter.price()
    stage.wait(1)
    assert stage.ask(adapter).kind == "fresh"


def test_pool__that_keeps_fewer_observations_than_the_window_has_blocks__is_refused(stage: Stage, dollar: Deployed):
    pool = create_pool(stage, PRICE, cardinality=151)
    pool.provide(10**15)
    pool.move_to(PRICE + 1)
    with reverts("ParameterOutOfRange", b"cardinality".ljust(32, b"\0"), 151, 152, 65_535):
        pool.twap(dollar)


def test_pool__swapped_in_every_block__still_reaches_back_to_the_windows_start(stage: Stage, dollar: Deployed):
    pool = create_pool(stage, PRICE, cardinality=152)
    pool.provide(pool.liquidity_of(DEPTH, PRICE))
    pool.move_to(PRICE + 1)
    adapter = pool.twap(dollar)
    stage.wait(WINDOW)
    for block in range(320):
        stage.wait(BLOCK)
        pool.move_to(PRICE + 2 + block % 2)
        assert stage.ask(adapter).kind == "fresh"


# ------------------------------------------------------------------------------------------------------ what pools say


def told(stage: Stage, dollar: Deployed, decimals: int = 18) -> tuple[Source, Deployed]:
    """A pool that says what it is told of a base token of so many decimals, and the adapter over it."""
    base = stage.token(decimals)
    source = Source(stage, stage.deploy("ProgrammableSource"), "pool", honest_pool)
    slot0 = ["uint160", "int24", "uint16", "uint16", "uint16", "uint8", "bool"]
    source.say("slot0()", slot0, 1, 0, 0, 1_000, 1_000, 0, True)
    source.say("token0()", ["address"], base.address)
    source.say("token1()", ["address"], stage.token(6).address)
    source.honest(source)
    return source, stage.deploy("UniswapV3TwapAdapter", source.contract, base, dollar, (WINDOW, BLOCK, 2, 1))


def test_tick__of_a_ratio_that_no_price_can_have__is_no_price(stage: Stage, dollar: Deployed):
    source, adapter = told(stage, dollar, decimals=27)
    pool_says(source, tick=720_000)
    outcome = stage.ask(adapter)
    assert outcome.error is not None
    assert outcome.error.name == "PriceOutOfRange"
    ratio, most = outcome.error.arguments
    assert most == 10**49 and abs(Decimal(ratio) / WAD / tick_ratio(720_000) - 1) < Decimal("1e-15")


def test_liquidity__beyond_what_the_pools_figures_can_tell__is_the_most_there_is(stage: Stage, dollar: Deployed):
    source, adapter = told(stage, dollar)
    pool_says(source, liquidity=2**140)
    assert adapter.mean()[1] == 2**128 - 1
    assert stage.ask(adapter).kind == "fresh"


# --------------------------------------------------------------------------------------------------------- construction


def test_construction__for_a_token_that_is_not_in_the_pool__is_refused(stage: Stage, pool: Pool, dollar: Deployed):
    other = stage.token()
    with reverts("SourceMissing", other.address):
        stage.deploy("UniswapV3TwapAdapter", pool.pool, other, dollar, (WINDOW, BLOCK, 2, 1))
    assert STRANGER
