"""Worlds whose prices are in doubt or missing, put into a real Vault.

Fresh feeds are read in place, the rest is told by a board that stands for router and volatility oracle.
"""

from __future__ import annotations

from dataclasses import replace

from closeout.model import MAX_UINT256
from tests.differential.simulation import Call
from tests.differential.sizes import seeded
from tests.doubts import make_doubtful_world
from tests.property.placed import Stage
from tests.property.tables import Addresses, table_code
from tests.support.node import Deployed, Node
from tests.worlds import AIMS, World

MOST_TARGET_BPS = 20_000


class DoubtfulStage(Stage):
    """A Vault that knows of some prices no more than it is told."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.board = self._deploy("QuoteBoard")

    def _addresses(self, engine: Deployed) -> Addresses:
        return replace(super()._addresses(engine), router=self.board.address, volatility=self.board.address)

    def _table_of(self, world: World, engine: Deployed) -> str:
        count = len(world.assets)
        tokens = [token.address for token in self.tokens[:count]]
        lifted = dict.fromkeys(world.targets, MOST_TARGET_BPS)
        return table_code(world.protocol, world.assets, tokens, self.feeds[:count], self._addresses(engine), lifted)

    def _prices_of(self, world: World) -> list[Call]:
        # nothing is read in place where the answer is none
        answers = [0 if n in world.quotes else price for n, price in enumerate(world.prices_wad)]
        quotes = [world.quote(n) for n in range(len(world.assets))]
        words = [
            (quote.status, quote.collateral_wad, quote.debt_wad, quote.exchange_wad, world.targets.get(n, 0))
            for n, quote in enumerate(quotes)
        ]
        tokens = [token.address for token in self.tokens[: len(words)]]
        published = self._publisher.publish.data(self.feeds[: len(answers)], answers)
        told = self.board.tell.data(tokens, words)
        return [self.call(self._publisher, published), self.call(self.board, told)]


def doubtful_worlds(name: str, count: int) -> list[World]:
    """Worlds of every aim in turn; without size buckets, and nothing is written off beside a close-out."""
    worlds = [make_doubtful_world(seeded(name, number), AIMS[number % len(AIMS)]) for number in range(count)]
    return [
        replace(world, max_seized_value=MAX_UINT256, protocol=replace(world.protocol, dust_value_wad=0))
        for world in worlds
    ]
