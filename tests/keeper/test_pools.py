"""Swaps computed tick by tick against Uniswap's own quoter and pools, to the unit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closeout.chain.pools import PoolReader
from closeout.chain.uniswap import TICK_SPACINGS
from closeout.keeper.pools import MAX_TICK, LiquidityExhausted, Pool, sqrt_price_at, tick_at
from tests.support.node import Deployed, Node, Reverted
from tests.support.world import World
from tests.unit.periphery.stage import PROVIDER, Trading

# prices of the oldest and the newest tick that a pool takes, from TickMath
LEAST, MOST = 4_295_128_739, 1_461_446_703_485_210_103_287_273_052_203_988_822_378_723_970_342


class Market:
    """Two tokens with one pool, liquidity in many ranges."""

    def __init__(self, node: Node, trading: Trading, fee: int, price: Fraction, random: Random) -> None:
        self.node, self.trading, self.fee, self.random = node, trading, fee, random
        tokens = [node.deploy("TestToken", "A", "A", 18, sender=PROVIDER) for _ in range(2)]
        self.tokens = sorted((token.address for token in tokens), key=lambda address: int(address, 16))
        base, quote = self.tokens
        amounts = {base: 10**24, quote: int(10**24 * price)}
        self.pool: Deployed = trading.open_bare_pool(amounts, fee, price, base=base, reach=random.randint(3, 40))
        for _ in range(random.randint(1, 8)):
            self.add_range()
        reader = PoolReader(node.rpc, trading.uniswap.factory)
        assert reader.find(self.tokens, [fee]) == 1
        self.reader = reader

    def add_range(self) -> None:
        """Liquidity between two ticks, often far apart, often beside the price."""
        spacing, now = TICK_SPACINGS[self.fee], self.pool.slot0()[1]
        near = now // spacing
        low = near + self.random.randint(-300, 250)
        high = low + self.random.choice([1, 2, 10, 300])
        for address in self.tokens:
            self.node.at("TestToken", address).mint(PROVIDER, 10**25, sender=PROVIDER)
        amounts = {address: self.random.randint(10**18, 10**23) for address in self.tokens}
        self.trading.uniswap.add_liquidity(amounts, self.fee, (low * spacing, high * spacing))

    def state(self) -> Pool:
        [state] = self.reader.read("latest")
        return Pool.of(state)

    def quoted(self, function: str, sold: str, bought: str, amount: int) -> int | None:
        """By Uniswap's quoter, None where the pool does not carry it."""
        quoter = self.node.at("QuoterV2", self.trading.uniswap.quoter)
        order = (sold, bought, amount, self.fee, 0)
        try:
            return int(getattr(quoter, function).ask(order)[0])
        except Reverted:
            return None


@pytest.fixture(scope="module")
def markets(node: Node, standard: World) -> Iterator[list[Market]]:
    random = Random(3)
    with node.rolled_back():
        trading = Trading(standard)
        prices = [Fraction(1), Fraction(1, 1_500), Fraction(10**12, 3), Fraction(7, 10**13)]
        yield [Market(node, trading, fee, price, random) for fee in TICK_SPACINGS for price in prices]


def amounts(random: Random) -> int:
    """From a unit to far more than there is."""
    return random.randint(1, 10 ** random.randint(1, 26))


def test_swaps__in_random_pools__are_what_uniswaps_quoter_says(markets: list[Market]):
    random, compared, refused = Random(5), 0, 0
    for market in markets:
        pool = market.state()
        for _ in range(24):
            sold, bought = random.sample(market.tokens, 2)
            amount = amounts(random)
            for function, swap, token in (
                ("quoteExactInputSingle", pool.sell, sold),
                ("quoteExactOutputSingle", pool.buy, bought),
            ):
                expected = market.quoted(function, sold, bought, amount)
                try:
                    found = swap(token, amount)
                except LiquidityExhausted:
                    # the quoter answers for what went through, where a pool ends; a purchase it refuses
                    assert expected is None or function == "quoteExactInputSingle"
                    refused += 1
                    continue
                assert (found.bought if function == "quoteExactInputSingle" else found.sold) == expected
                compared += 1
    assert compared > 300
    assert refused > 10


def test_swaps__one_after_the_other__move_the_pool_as_its_own_do(markets: list[Market]):
    random = Random(6)
    with markets[0].node.rolled_back():
        for market in markets:
            pool, uniswap, carried = market.state(), market.trading.uniswap, 0
            for _ in range(12):
                sold, bought = random.sample(market.tokens, 2)
                amount = random.randint(1, 10 ** random.randint(6, 23))
                try:
                    swap = pool.sell(sold, amount)
                except LiquidityExhausted:
                    continue
                market.node.at("TestToken", sold).mint(PROVIDER, amount, sender=PROVIDER)
                before = market.node.at("TestToken", bought).balanceOf(PROVIDER)
                path = bytes.fromhex(sold[2:]) + market.fee.to_bytes(3, "big") + bytes.fromhex(bought[2:])
                uniswap.swap(path, amount)
                assert market.node.at("TestToken", bought).balanceOf(PROVIDER) - before == swap.bought
                pool, carried = swap.pool, carried + 1
                read = market.state()
                assert read.state == replace(pool.now, known=read.state.known)
            assert carried > 3


def test_reading__pool_with_little_known_around_the_price__refuses_to_quote_beyond(markets: list[Market]):
    market = markets[0]
    narrow = PoolReader(market.node.rpc, market.trading.uniswap.factory, words=0)
    assert narrow.find(market.tokens, [market.fee]) == 1
    [state] = narrow.read("latest")
    low, high = state.known
    assert high - low < 256 * state.tick_spacing
    with pytest.raises(LiquidityExhausted, match="not known beyond"):
        Pool.of(state).sell(state.token0, 10**26)


def test_reading__token_pairs_without_a_pool__finds_none(markets: list[Market]):
    market = markets[0]
    reader = PoolReader(market.node.rpc, market.trading.uniswap.factory)
    assert reader.find([market.tokens[0], PROVIDER]) == 0
    assert reader.read("latest") == []


@pytest.mark.parametrize(
    ("tick", "price"), [(-MAX_TICK, LEAST), (MAX_TICK, MOST), (0, 2**96), (-1, None), (1, None), (887_271, None)]
)
def test_tick_math__at_its_ends_and_about_zero__is_uniswaps(tick: int, price: int | None):
    found = sqrt_price_at(tick)
    assert price is None or found == price
    assert tick_at(found) == tick


@given(st.integers(-MAX_TICK, MAX_TICK - 1))
def test_tick_at__any_price__is_the_greatest_tick_not_above_it(tick: int):
    price = sqrt_price_at(tick)
    assert tick_at(price) == tick
    assert tick_at(sqrt_price_at(tick + 1) - 1) == tick


@given(st.integers(-MAX_TICK, MAX_TICK))
def test_sqrt_price__any_tick__is_within_a_ten_thousandth_of_a_tick_of_the_power(tick: int):
    with localcontext() as context:
        context.prec = 60
        power = Decimal("1.0001") ** tick
        assert abs((Decimal(sqrt_price_at(tick)) / 2**96) ** 2 / power - 1) < Decimal("1e-8")
