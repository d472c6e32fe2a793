"""Histories in which prices are of any status, and volatility lifts targets: settings, plays and pairs for them.

The Vault's router and volatility oracle are a board that says what it is told; OracleRouter itself is held to its twin
in `test_router_against_model.py`, and what is read in place in `test_scenario_engines.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from closeout.chain.parameters import AssetListing, PriceSource
from closeout.chain.sources import PresentAdapter
from closeout.model import MAX_PRICE_WAD, Quote, Status, Vault
from closeout.units import WAD
from tests.differential.pairs import Pair
from tests.differential.plays import Move, Play
from tests.differential.settings import SETTINGS, Setting
from tests.differential.simulation import Call
from tests.doubts import random_quote
from tests.support.node import Node
from tests.support.world import Asset, World

FRESH = 0.6
"""How often a price is fresh: who owes can borrow where all of his are."""


class DoubtfulSetting(Setting):
    """A protocol whose prices all come from a board."""

    def on_chain(self, node: Node, kinds: Mapping[str, str] | None = None) -> World:
        assert not kinds, "ordinary tokens only"
        world = World(node, self.parameters)
        board = node.deploy("QuoteBoard", sender=World.governor)
        oracles = replace(self.parameters.oracles, volatility_oracle=board.address)
        world.set_protocol(modules={"router": board, "oracles": oracles})
        for n, asset in enumerate(self.assets):
            token = node.deploy("TestToken", asset.name, asset.name, asset.decimals, sender=World.governor)
            board.tell([token], [word_of(Quote.fresh(asset.price_wad), 0)], sender=World.governor)
            source = PriceSource(PresentAdapter(board.address), asset.price_wad)
            listing = AssetListing(token.address, asset.collateral, asset.borrowing, source)
            world.configurator.listAsset(*listing.arguments(), sender=World.governor)
            world.assets.append(Asset(n, asset.name, asset.decimals, token, board))
        return world


def word_of(quote: Quote, target_wad: int) -> tuple[int, ...]:
    """As QuoteBoard takes it."""
    return quote.status, quote.collateral_wad, quote.debt_wad, quote.exchange_wad, target_wad


@dataclass(frozen=True)
class Told:
    """What the board says of one asset. `target_wad`: of the volatility oracle, 0 where it does not answer."""

    quote: Quote
    target_wad: int


class DoubtfulPlay(Play):
    """A history in which every turn of prices may change what is known of them."""

    def _turn(self, seconds: int, prices: list[int]) -> Move:
        known = [self.vault.quote_of(n) for n in range(len(prices))]
        told = tuple(self._told(known[n], price) for n, price in enumerate(prices))

        def play(vault: Vault) -> None:
            vault.advance_to(vault.now + seconds)
            for n, word in enumerate(told):
                vault.set_quote(n, word.quote)
                vault.set_volatility_target(n, self._target(vault, n, word.target_wad))

        return Move("prices", "governor", "tell", (seconds, told), play, "board")

    def _told(self, known: Quote, price: int) -> Told:
        random = self._random
        price = min(price, MAX_PRICE_WAD)
        quote = random_quote(random, price, FRESH) if random.random() < 0.3 else _moved(known, price)
        return Told(quote, random.choice((0, 0, random.randint(WAD // 2, 2 * WAD), 2**200)))

    def _target(self, vault: Vault, asset: int, said: int) -> int | None:
        """What the Vault makes of it: nothing above the asset's own bound, and nothing below the target."""
        most = self._setting.assets[asset].collateral.most_target * (WAD // 10_000)
        target = vault.parameters.target_health_factor_wad
        return min(said, most) if said > target and most > target else None


def _moved(quote: Quote, price: int) -> Quote:
    """The same doubt around another price."""
    before = quote.debt_wad if quote.status is Status.MISSING else quote.exchange_wad

    def scaled(wad: int) -> int:
        return min(MAX_PRICE_WAD, max(1, wad * price // before))

    if quote.status is Status.MISSING:
        return Quote.missing(scaled(quote.debt_wad), quote.collateral_wad and scaled(quote.collateral_wad))
    if quote.is_fresh:
        return Quote.fresh(price)
    low, high = scaled(quote.debt_wad), scaled(quote.collateral_wad)
    return Quote.degraded(low, high, min(max(price, low), high))


class DoubtfulPair(Pair):
    """Both sides under what the board says."""

    def call(self, move: Move) -> Call:
        if move.target != "board":
            return super().call(move)
        told: tuple[Told, ...] = move.arguments[1]
        tokens = [asset.token.address for asset in self.world.assets]
        board = self.world.assets[0].feed
        data = board.tell.data(tokens, [word_of(word.quote, word.target_wad) for word in told])
        return Call(World.governor, board.address, "0x" + data.hex())


def _volatile(setting: Setting) -> DoubtfulSetting:
    """The same protocol; turbulence lifts the target of some of its collaterals."""
    random = Random(f"volatile {setting.name}")
    assets = []
    for asset in setting.assets:
        held: Any = asset.collateral
        if held.liquidation_threshold:
            held = replace(held, most_target=random.choice((0, 11_500, 15_000)))
        assets.append(replace(asset, collateral=held))
    return DoubtfulSetting(f"{setting.name} in doubt", setting.parameters, tuple(assets))


DOUBTFUL = tuple(map(_volatile, SETTINGS))
