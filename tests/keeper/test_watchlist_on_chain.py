"""The watch-list on the real Vault: after random actions of everybody, over reorganisations and restarts, to the unit.

The world and its random actions are those of the indexer's test: interest on every asset, prices that fall by half,
close-outs of every regime, bad debt, write-offs, collected penalties and reserves.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from closeout.chain.reader import NodeReader
from closeout.keeper.health import Screen, Valuation
from closeout.keeper.ports import PriceStatus
from closeout.keeper.store import Store
from closeout.keeper.watchlist import WatchList
from closeout.units import WAD
from tests.integration.test_indexer import ACCOUNTS, Chaos, chaotic_world
from tests.support.node import Node, actor
from tests.support.world import World, account_of

SEEDS = range(2)
CHAIN = 31337
STEADY = actor("steady borrower")
WATCHED = [*ACCOUNTS, account_of(STEADY)]


@pytest.fixture
def chaotic(node: Node, standard: World) -> Iterator[World]:
    with node.rolled_back():
        world = chaotic_world(standard)
        # whatever chaos does, this one owes
        world.open_account({world.weth: 10}, {world.usdc: 10_000}, owner=STEADY)
        yield world


class Watching:
    """A watch-list in a file, with the chain that it follows."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.path = world, folder / "keeper.sqlite"
        self.reader = NodeReader(world.node.rpc, world.node.artifacts, world.vault.address, world.lens.address)
        self.store: Store | None = None
        self.restart()

    def restart(self) -> None:
        if self.store:
            self.store.close()
        self.store = Store(self.path, self.world.vault.address, CHAIN)
        self.watch = WatchList(self.reader, self.store)

    def follow(self) -> None:
        self.watch.follow(self.reader.head())

    def check(self) -> int:
        """Balances, indices, and which accounts are unhealthy, are the chain's; how many of them there are."""
        world, head = self.world, self.reader.head()
        for account in WATCHED:
            held = self.watch.collateral_of(account), self.watch.debts_of(account, head.timestamp)
            assert held == world.position(account)
        count = len(world.assets)
        indices = self.watch.indices(count, head.timestamp)
        assert indices == tuple(world.vault.marketOf(n)[3] for n in range(count))
        prices = tuple(self.reader.prices(head))
        screen = Screen(self.watch.rows, self.watch.collateral, self.watch.debt_shares)
        screen.revalue(Valuation(self.reader.configuration(head), prices, indices, head.timestamp))
        found = {one.account: one.health_factor_wad for one in screen.candidates()}
        expected = {account: world.health(account) for account in WATCHED}
        assert found == {account: health for account, health in expected.items() if health < WAD}
        return len(found)


@pytest.mark.parametrize("seed", SEEDS)
def test_watch_list__after_random_actions__is_the_chain_to_the_unit(chaotic: World, tmp_path: Path, seed: int):
    random, chaos = Random(seed), Chaos(chaotic, seed)
    watching = Watching(chaotic, tmp_path)
    for _ in range(8):
        chaos.run(12)
        if random.random() < 0.4:
            watching.restart()
        watching.follow()
        watching.check()
    assert sum(chaos.done.values()) > 40, chaos.refused
    # and in the end prices fall so far that whoever owes is below the margin
    for asset in (chaotic.weth, chaotic.wbtc):
        asset.feed.publish(chaotic.prices[asset.id] // 5, sender=chaotic.governor)
    watching.follow()
    assert watching.check() > 0


def test_watch_list__blocks_that_are_taken_back__is_the_chain_that_came_instead(chaotic: World, tmp_path: Path):
    chaos = Chaos(chaotic, 9)
    watching = Watching(chaotic, tmp_path)
    chaos.run(10)
    watching.follow()
    for depth in (1, 3, 10):
        with chaotic.node.rolled_back():
            chaos.run(depth)
            for _ in range(depth):
                watching.follow()
            watching.check()
        # a longer chain without what was taken back
        chaotic.warp(1)
        chaos.run(depth)
        chaotic.warp(1)
        watching.follow()
        watching.check()


def test_verification__of_random_accounts__finds_them_to_be_the_chains(chaotic: World, tmp_path: Path):
    chaos = Chaos(chaotic, 4)
    watching = Watching(chaotic, tmp_path)
    chaos.run(60)
    watching.follow()
    head, watch = watching.reader.head(), watching.watch
    sample = watch.sample(100, Random(1))
    assert set(sample) >= {account for account in WATCHED if chaotic.position(account) != ({}, {})}
    said = watching.reader.confirm(sample, head)
    assert [one.failure for one in said] == [""] * len(sample)
    assert watch.differing(said, head.timestamp) == []
    one = next(account for account in sample if watch.collateral_of(account))
    asset_id, units = next(iter(watch.collateral_of(one).items()))
    watch.collateral.put(one, asset_id, units + 1)
    assert watch.differing(said, head.timestamp) == [one]


def test_prices__where_a_feed_is_dead__are_missing_and_the_rest_goes_on(chaotic: World, tmp_path: Path):
    watching = Watching(chaotic, tmp_path)
    chaotic.weth.feed.publish(0, sender=chaotic.governor)
    prices = watching.reader.prices(watching.reader.head())
    assert [price.status for price in prices] == [PriceStatus.MISSING, *[PriceStatus.FRESH] * 3]
    assert prices[0].exchange_wad == 0 < prices[0].debt_wad
