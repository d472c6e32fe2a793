"""What a price costs: a bare feed, the same read in place with all guards, through an adapter, through a router.

`pytest -s` prints the table that docs/oracles.md shows.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

import pytest

from closeout.toolchain.settings import ROOT
from tests.support.node import Deployed
from tests.unit.oracles.stage import GOVERNOR, HOUR, STRANGER, WAD, Stage, selector

pytestmark = pytest.mark.as_shipped

PRICE = selector("price()")
DOCUMENT = ROOT / "docs" / "oracles.md"


@dataclass(frozen=True)
class Prices:
    """Two assets, each with a proxy, an aggregator, an adapter; one router; all cold at the beginning of a call."""

    meter: Deployed
    router: Deployed
    tokens: list[Deployed]
    feeds: list[Deployed]
    adapters: list[Deployed]

    @property
    def bare(self) -> int:
        return int(self.meter.bareRead(self.feeds[0])[0])

    @property
    def in_place(self) -> int:
        used, price, is_fresh = self.meter.guardedRead(self.feeds[0], 8, 2, 2**95 - 1, HOUR)
        assert (price, is_fresh) == (2_000 * WAD, True)
        return int(used)

    @property
    def through_adapter(self) -> int:
        return int(self.meter.measureRow.ask([self.adapters[0]], [PRICE])[0])

    @property
    def through_router(self) -> list[int]:
        """The first price of a transaction, and the next."""
        calls = [self.router.readPrice.data(token) for token in self.tokens]
        return [int(used) for used in self.meter.measureRow.ask([self.router] * 2, calls)]


@pytest.fixture
def prices(stage: Stage) -> Prices:
    feeds = []
    for _ in range(2):
        aggregator = stage.deploy("ClampingAggregator", 8, 1, 2**95)
        aggregator.publish(2_000 * 10**8, stage.now, sender=STRANGER)
        feeds.append(stage.deploy("TestAggregatorProxy", aggregator))
    adapters, tokens, router = [stage.chainlink(feed) for feed in feeds], [stage.token(), stage.token()], stage.router()
    for token, adapter in zip(tokens, adapters, strict=True):
        router.activate(token, adapter, 2_000 * WAD, sender=GOVERNOR)
    return Prices(stage.deploy("GasMeter"), router, tokens, feeds, adapters)


def table(prices: Prices) -> str:
    """In Markdown, cold."""
    bare, (first, later) = prices.bare, prices.through_router
    rows = [
        ("bare `latestRoundData`", bare),
        ("read in place, all guards", prices.in_place),
        ("through its adapter", prices.through_adapter),
        ("through router and adapter, first price of a transaction", first),
        ("through router and adapter, each further one", later),
    ]
    lines = ["| a Chainlink price, cold | gas | above the bare call |", "| --- | ---: | ---: |"]
    return "\n".join([*lines, *(f"| {name} | {_grouped(gas)} | {_grouped(gas - bare)} |" for name, gas in rows)])


def _grouped(gas: int) -> str:
    return f"{gas:,}".replace(",", " ")


def test_gas__read_in_place_with_all_guards__is_at_most_3000_above_the_bare_call(prices: Prices):
    assert prices.in_place - prices.bare <= 3_000


def test_gas__through_the_adapter__is_at_most_4000_above_the_bare_call(prices: Prices):
    assert prices.through_adapter - prices.bare <= 4_000


def test_gas__through_router_and_adapter__is_at_most_8000_a_price_in_the_smallest_account_that_needs_any(
    prices: Prices,
):
    # who owes has a collateral and a debt: two prices, one router
    first, later = prices.through_router
    assert (first + later) / 2 - prices.bare <= 8_000
    assert later - prices.bare <= 6_500
    assert first - prices.bare <= 9_000


def test_table__is_the_one_in_the_documentation(prices: Prices):
    found = table(prices)
    sys.stdout.write(f"\n\n{found}\n")
    documented = re.search(r"<!-- gas -->\n\n(.*?)\n\n<!-- end -->", DOCUMENT.read_text(), re.DOTALL)
    assert documented is not None
    assert documented.group(1) == found
