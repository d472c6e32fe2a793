"""Assets whose price is never read in place: two Chainlink feeds behind a deviation adapter."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.node import Deployed
from tests.support.world import (
    BORROWABLE,
    HEARTBEAT,
    MAX_AGE,
    NOT_BORROWABLE,
    NOT_COLLATERAL,
    Asset,
    World,
    collateral,
    wad,
)

__all__ = ["Watched"]

NOBODY = "0x" + "00" * 20
DAY = 86_400


@dataclass(frozen=True)
class Watched:
    """An asset with two Chainlink feeds, each behind its adapter, both behind a deviation adapter."""

    asset: Asset
    feeds: tuple[Deployed, Deployed]

    @classmethod
    def listed(cls, world: World, symbol: str, price: int, *, is_collateral: bool, bonus: int = 1_000) -> Watched:
        feeds = tuple(
            world.node.deploy("LiveAggregator", 18, f"{symbol} / USD", sender=world.governor) for _ in range(2)
        )
        for feed in feeds:
            feed.publish(wad(price), sender=world.governor)
        bounds = (HEARTBEAT, MAX_AGE, 1, 10**48, NOBODY, 0)
        adapters = [world.node.deploy("ChainlinkAdapter", feed, bounds, sender=world.governor) for feed in feeds]
        deviation = world.node.deploy("DeviationAdapter", *adapters, 100, DAY, sender=world.governor)
        kind = (collateral(8_000, bonus), NOT_BORROWABLE) if is_collateral else (NOT_COLLATERAL, BORROWABLE)
        decimals = 18 if is_collateral else 6
        asset = world.list_asset(symbol, decimals, price, *kind, feed=deviation, is_adapter=True)
        return cls(asset, feeds)

    def publish(self, world: World, price: int) -> None:
        for feed in self.feeds:
            feed.publish(wad(price), sender=world.governor)
        world.prices[self.asset.id] = wad(price)
