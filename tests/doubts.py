"""Worlds whose prices are in doubt or missing, some or all: the accounts of specification, section 9."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from closeout.model import INDEX_ONE, MAX_AMOUNT, Quote, mul_div_up
from closeout.units import WAD
from tests.worlds import World, make_world

_FRESH, _DEGRADED = 0.45, 0.64
"""How often a price is fresh; how often one that is not is degraded, else it is missing."""


def make_doubtful_world(random: Random, aim: str | None = None) -> World:
    """A world with any statuses of its prices and volatility targets. Every choice comes from `random`.

    Doubt makes accounts look healthier: debts are moved to where the account's health was aimed, or below 1.
    """
    world = make_world(random, aim)
    aimed = world.snapshot().health_factor_wad
    if random.random() < 0.6:
        aimed = min(aimed, random.randint(WAD // 2, WAD))
    world = replace(world, quotes=_quotes(random, world.prices_wad), targets=_targets(random, world))
    decided = world.deciding_health_wad()
    return world if not world.quotes or decided <= aimed or not aimed else _with_debts(world, decided, aimed)


def _with_debts(world: World, multiplier: int, divisor: int) -> World:
    """The same account with more debt, in whole units where no interest has accrued."""
    debts = {}
    for n, shares in world.debt_shares.items():
        more = min(MAX_AMOUNT - 1, mul_div_up(shares, multiplier, divisor))
        debts[n] = more - more % 100 if world.indices[n] == INDEX_ONE and more >= 100 else more
    return replace(world, debt_shares=debts)


def _quotes(random: Random, prices_wad: tuple[int, ...]) -> dict[int, Quote]:
    quotes = {n: random_quote(random, price) for n, price in enumerate(prices_wad)}
    return {n: quote for n, quote in quotes.items() if not quote.is_fresh}


def random_quote(random: Random, price: int, fresh: float = _FRESH) -> Quote:
    """A quote of any status whose exchange price, or last good one, is near a price (WAD)."""
    kind = random.random()
    if kind < fresh:
        return Quote.fresh(price)
    if kind < fresh + (1 - fresh) * _DEGRADED:
        # without a spread a price is stale; sources are apart a little, or far
        spread = random.choice((0.0, 0.0, 0.001, 0.02, random.uniform(0, 0.2), random.uniform(0, 0.6)))
        low = max(1, int(price * (1 - spread * random.random())))
        high = min(10**30, max(price, int(price * (1 + spread * random.random()))))
        return Quote.degraded(min(low, price), high, price)
    last_good = min(10**30, max(1, int(price * random.choice((1.0, 1.0, random.uniform(0.5, 1.5))))))
    return Quote.missing(last_good, random.choice((last_good, last_good, 0, int(last_good * random.random()))))


def _targets(random: Random, world: World) -> dict[int, int]:
    least, most = world.protocol.target_health_factor_wad, 2 * WAD
    return {n: random.randint(least, most) for n in world.collateral if random.random() < 0.3}
